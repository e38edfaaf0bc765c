// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Opens while the device is busy with itself: the release of the previous user and scrubs of
//! memory, both held up by the model so that their state can be looked at
//! (`habanalabs_drv.c: hl_device_open`, `device.c: hpriv_release`).

use super::compute::works;
use crate::common::node::Node;
use crate::common::window::Window;
use crate::common::{files, wait};
use crate::info::call::ask;
use crate::info::reset;
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::{Asics, Request};
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
        Case::new(
            "open/close/scrubs_device_memory_when_told_to",
            &["OPEN-026", "SEC-001"],
            scrubbed,
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
    cases.into_iter().map(|case| case.model().on(Asics::GAUDI).budget(60)).collect()
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

/// First and last words of what a user may use of SRAM and of device memory.
fn places(node: &Node) -> CaseResult<[u64; 4]> {
    let info: accel::hl_info_hw_ip_info = ask(node)?;
    let sram = info.sram_base_address;
    let dram = info.dram_base_address;
    Ok([sram, sram + u64::from(info.sram_size) - 4, dram, dram + info.dram_size - 4])
}

fn scrubbed(cx: &Context) -> CaseResult {
    let memory = Window::new(cx)?;
    let value = files::read(&files::debugfs(cx, "memory_scrub_val")?)?;
    let value = files::parse(&value)
        .ok_or_else(|| Stop::Broken(format!("memory_scrub_val is {value:?}")))?;
    let node = Node::compute(cx)?;
    let places = places(&node)?;
    for (index, place) in (1u32..).zip(places) {
        memory.write(place, 0x5ec2_e700 + index)?;
        equal("a word written through debugfs", memory.read(place)?, 0x5ec2_e700 + index)?;
    }
    succeed("close", node.close())?;
    for place in places {
        let half = if place % 8 == 0 { value } else { value >> 32 };
        let what = format!("the word at {place:#x} after the close");
        equal(&what, memory.read(place)?, half as u32)?;
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

/// An engine that still works for a closed context is stopped by a reset.
fn busy(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let node = Node::compute(cx)?;
    poke(cx, TPC0_STATUS, 0)?;
    succeed("close", node.close())?;
    reset::begun(&control, before)?;
    reset::done(&control)?;
    equal("hard_reset_cnt", reset::resets(&control)?, before + 1)?;
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
