// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Opens while the device is busy with itself: the release of the previous user and scrubs of
//! memory, both held up by the model so that their state can be looked at
//! (`habanalabs_drv.c: hl_device_open`, `device.c: hpriv_release`).

use super::compute::works;
use crate::common::node::Node;
use crate::common::submit::Beside;
use crate::common::typed::generation;
use crate::common::window::Window;
use crate::common::{files, wait};
use crate::info::call::ask;
use crate::info::reset;
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::{Asics, Request};
use hw::memory::map;
use nix::errno::Errno;
use std::time::{Duration, Instant};
use uapi::accel::{self, hl_open_stats_info};

/// mmDMA0_CORE_STS0 and its bit BUSY (`dma0_core_regs.h`).
const DMA0_STATUS: u64 = 0x50_0190;
const DMA0_BUSY: u64 = 1 << 31;

/// mmTPC0_CFG_STATUS (`tpc0_cfg_regs.h`); 0: no pipe is empty.
const TPC0_STATUS: u64 = 0xe0_691c;

/// mmDMA0_CORE_WR_COMP_WDATA, _ADDR_LO, _ADDR_HI (`dma0_core_regs.h`), and the distance of channels.
const DMA0_COMPLETION: [u64; 3] = [0x50_007c, 0x50_0080, 0x50_0084];
const DMA_STRIDE: u64 = 0x2_0000;
const DMA_CHANNELS: u64 = 8;

/// How long a held release is watched; the driver gives a job of its own one second
/// (`habanalabs.h: HL_DEVICE_TIMEOUT_USEC`).
const WATCHED: Duration = Duration::from_millis(250);

/// mmDCORE0_EDMA0_QM_GLBL_CFG1 from CFG base and, in CP_STOP, the bit of stream 0, by which the
/// driver's own packets go (`dcore0_edma0_qm_regs.h`, `dcore0_edma0_qm_masks.h`).
const EDMA0_CONFIG: u64 = 0x41c_a004;
const STOP_STREAM_0: u32 = 1 << 9;

/// How long anything here may take to begin.
const LIMIT: Duration = Duration::from_secs(20);

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new(
            "open/compute/is_refused_as_long_as_the_release_of_its_user_lasts",
            &["OPEN-006", "INFO-OPEN_STATS-007"],
            releasing,
        )
        .module_parameters("memory_scrub=1"),
        Case::new("open/compute/is_refused_while_memory_is_scrubbed", &["OPEN-007"], scrubbing),
        Case::new("open/close/resets_a_device_that_is_not_idle", &["OPEN-022"], busy)
            .resets(1)
            .logs(&["device is not idle after user context is closed"]),
        Case::new(
            "open/compute/finds_completion_registers_as_if_nobody_was_before",
            &["OPEN-001"],
            restored,
        ),
    ];
    let of_gaudi = cases.into_iter().map(|case| case.model().on(Asics::GAUDI));
    let scrubs = [
        Case::new(
            "open/close/scrubs_device_memory_when_told_to",
            &["OPEN-026", "SEC-001", "PARAM-003"],
            scrubbed,
        ),
        Case::new("open/close/leaves_nothing_of_its_user_when_told_to", &["SEC-001"], gone),
        Case::new("open/close/leaves_no_packets_of_a_scrub_behind", &["OPEN-026"], packets)
            .on(Asics::GAUDI2),
    ];
    let scrubs = scrubs.into_iter().map(|case| case.module_parameters("memory_scrub=1"));
    let of_gaudi2 = [Case::new(
        "open/compute/is_refused_while_a_scrub_waits_for_an_engine",
        &["OPEN-007"],
        stopped,
    )
    .on(Asics::GAUDI2)];
    of_gaudi.chain(of_gaudi2).chain(scrubs).map(|case| case.budget(60)).collect()
}

fn stats(node: &Node) -> CaseResult<hl_open_stats_info> {
    ask(node)
}

fn peek(cx: &Context, offset: u64) -> CaseResult<u64> {
    Ok(cx.model()?.peek(offset)?)
}

fn poke(cx: &Context, offset: u64, value: u64) -> CaseResult {
    Ok(cx.model()?.order(Request::Poke { offset, value: value as u32 })?)
}

/// The release scrubs SRAM through the driver's own queue, which the model holds: until the scrub
/// has ended, the node stays taken and says so.
fn releasing(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let node = Node::compute(cx)?;
    let queue = accel::GAUDI_QUEUE_ID_DMA_0_0;
    cx.model()?.order(Request::Hold { queue })?;
    let (seen, closed) = std::thread::scope(|scope| {
        let closer = scope.spawn(|| node.close());
        let seen = watch(cx, &control);
        let released =
            cx.model().and_then(|mut model| Ok(model.order(Request::Release { queue })?));
        (seen.and(released), closer.join())
    });
    seen?;
    succeed("close", closed.map_err(|_| Stop::Broken("a thread panicked".into()))?)?;
    let after = stats(&control)?;
    let flags = (after.is_compute_ctx_active, after.compute_ctx_in_release);
    equal("active, in release after the close", flags, (0, 0))?;
    works(&Node::compute(cx)?)
}

/// From the begin of the release on, as long as it is held.
fn watch(cx: &Context, control: &Node) -> CaseResult {
    let begun = wait::until(LIMIT, || {
        let now = stats(control)?;
        let quiet = now.is_compute_ctx_active == 1 && now.compute_ctx_in_release == 0;
        Ok((!quiet).then_some(()))
    })?;
    check(begun.is_some(), "a close begins to release its user")?;
    let end = Instant::now() + WATCHED;
    while Instant::now() < end {
        let now = stats(control)?;
        let flags = (now.is_compute_ctx_active, now.compute_ctx_in_release);
        equal("active, in release while the release lasts", flags, (1, 1))?;
        errno("open while the release lasts", Node::try_compute(cx).map(drop), Errno::EAGAIN)?;
    }
    Ok(())
}

/// What a user may use of SRAM and of device memory: the first and the last words, and some of
/// device memory between.
fn places(cx: &Context, node: &Node) -> CaseResult<[u64; 5]> {
    let info: accel::hl_info_hw_ip_info = ask(node)?;
    let map = hw::memory::map(generation(cx));
    let sram = info.sram_base_address;
    let dram = map.dram_base + map.dram_user_offset;
    let last = [sram + u64::from(info.sram_size) - 4, dram + info.dram_size - 4];
    Ok([sram, last[0], dram, dram + 0x1_2345_6780, last[1]])
}

/// The value that scrubs leave.
fn scrub_value(cx: &Context) -> CaseResult<u64> {
    let value = files::read(&files::debugfs(cx, "memory_scrub_val")?)?;
    files::parse(&value).ok_or_else(|| Stop::Broken(format!("memory_scrub_val is {value:?}")))
}

/// What a user wrote to a place.
fn secret(index: usize) -> u32 {
    0x5ec2_e700 + index as u32
}

/// A user writes to all places and closes: what is there then.
fn left(cx: &Context) -> CaseResult<Vec<(u64, u32)>> {
    let memory = Window::new(cx)?;
    let node = Node::compute(cx)?;
    let places = places(cx, &node)?;
    for (index, place) in places.into_iter().enumerate() {
        memory.write(place, secret(index))?;
        equal("a word written through debugfs", memory.read(place)?, secret(index))?;
    }
    succeed("close", node.close())?;
    places.into_iter().map(|place| Ok((place, memory.read(place)?))).collect()
}

fn scrubbed(cx: &Context) -> CaseResult {
    let value = scrub_value(cx)?;
    for (place, word) in left(cx)? {
        let half = if place % 8 == 0 { value } else { value >> 32 };
        equal(&format!("the word at {place:#x} after the close"), word, half as u32)?;
    }
    works(&Node::compute(cx)?)
}

fn gone(cx: &Context) -> CaseResult {
    for (index, (place, word)) in left(cx)?.into_iter().enumerate() {
        let what = format!("nothing of the user at {place:#x} after the close, there is {word:#x}");
        check(word != secret(index), &what)?;
    }
    works(&Node::compute(cx)?)
}

/// The driver puts the packets of a scrub where the user's memory begins, and says that it zeroes
/// them (`gaudi2.c: gaudi2_memset_device_memory`): one for 2 GiB. Each word is zero or scrubbed.
fn packets(cx: &Context) -> CaseResult {
    const PACKET: u64 = 24;
    const EACH: u64 = 2 << 30;
    let (value, memory) = (scrub_value(cx)?, Window::new(cx)?);
    let node = Node::compute(cx)?;
    let (info, [_, _, dram, ..]) = (ask::<accel::hl_info_hw_ip_info>(&node)?, places(cx, &node)?);
    succeed("close", node.close())?;
    for place in (dram..dram + info.dram_size.div_ceil(EACH) * PACKET).step_by(4) {
        let word = memory.read(place)?;
        let scrubbed = [0, value as u32, (value >> 32) as u32].contains(&word);
        check(scrubbed, &format!("no packet at {place:#x} after the close, there is {word:#x}"))?;
    }
    works(&Node::compute(cx)?)
}

/// A channel looks busy, so the scrub does not end before it is idle.
fn scrubbing(cx: &Context) -> CaseResult {
    let switch = files::debugfs(cx, "memory_scrub")?;
    let moved = || -> CaseResult<u64> { Ok(cx.model()?.seen()?.dma_bytes) };
    let before = moved()?;
    let idle = peek(cx, DMA0_STATUS)?;
    poke(cx, DMA0_STATUS, idle | DMA0_BUSY)?;
    let (seen, scrub) = std::thread::scope(|scope| {
        let scrub = scope.spawn(|| files::write(&switch, "1"));
        // A user would make the scrub fail, so nobody opens before it has begun.
        let begun = wait::until(LIMIT, || Ok((moved()? > before).then_some(())));
        let refused = begun.and_then(|begun| {
            check(begun.is_some(), "the scrub begins")?;
            errno("open during a scrub", Node::try_compute(cx).map(drop), Errno::EAGAIN)
        });
        (refused.and(poke(cx, DMA0_STATUS, idle)), scrub.join())
    });
    seen?;
    scrub.map_err(|_| Stop::Broken("a thread panicked".into()))??;
    works(&Node::compute(cx)?)
}

/// One of the queue managers that scrub is stopped, so the driver waits for it: one second at most
/// (`gaudi2.c: gaudi2_memset_device_memory`).
fn stopped(cx: &Context) -> CaseResult {
    let switch = files::debugfs(cx, "memory_scrub")?;
    let (window, config) = (Window::new(cx)?, map(generation(cx)).cfg_base + EDMA0_CONFIG);
    window.write(config, STOP_STREAM_0)?;
    let (opened, scrub) = std::thread::scope(|scope| -> CaseResult<_> {
        let scrub = Beside::start(scope, || files::write(&switch, "1"))?;
        let opened = scrub.asleep_in(libc::SYS_write).map(|()| Node::try_compute(cx).map(drop));
        window.write(config, 0)?;
        Ok((opened?, scrub.join()?))
    })?;
    errno("open during a scrub", opened, Errno::EAGAIN)?;
    scrub?;
    works(&Node::compute(cx)?)
}

/// An engine that still works for a closed context is stopped by a reset.
fn busy(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let node = Node::compute(cx)?;
    poke(cx, TPC0_STATUS, 0)?;
    succeed("close", node.close())?;
    reset::begun(&control, before)?;
    reset::done(&control)?;
    reset::counted(&control, before + 1)?;
    works(&Node::compute(cx)?)
}

/// Messages of finished DMAs are set up anew for each user (`gaudi.c:
/// gaudi_restore_dma_registers`): what one left there would signal into the next.
fn restored(cx: &Context) -> CaseResult {
    drop(Node::compute(cx)?);
    let registers =
        (0..DMA_CHANNELS).flat_map(|n| DMA0_COMPLETION.map(|first| first + n * DMA_STRIDE));
    let registers: Vec<u64> = registers.collect();
    let set: Vec<u64> = registers.iter().map(|at| peek(cx, *at)).collect::<CaseResult<_>>()?;
    for channel in set.chunks_exact(3) {
        // SOB_OBJ add 1 (`gaudi_packets.h`).
        equal("the word that a finished DMA sends", channel[0], 0x8000_0001)?;
    }
    for (at, value) in registers.iter().zip(&set) {
        poke(cx, *at, value ^ 0x5a5a_5a5c)?;
    }
    let node = Node::compute(cx)?;
    for (at, value) in registers.iter().zip(&set) {
        equal(&format!("register {at:#x} after the next open"), peek(cx, *at)?, *value)?;
    }
    works(&node)
}
