// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Closes by users who leave something behind, and opens that come to nothing
//! (`device.c: hl_device_release`, `hpriv_release`; `context.c: hl_ctx_init`).

use super::compute::works;
use crate::common::log::Log;
use crate::common::node::Node;
use crate::common::submit::{Card, Held, Job, Listings};
use crate::common::{files, wait};
use crate::info::call::ask;
use crate::info::reset;
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::{Asics, Request};
use device::CsRequest;
use nix::errno::Errno;
use std::mem::ManuallyDrop;
use std::time::Duration;
use uapi::accel::{self, hl_open_stats_info};

/// How long the driver may take for anything here.
const LIMIT: Duration = Duration::from_secs(60);

/// What the driver says when it ends submissions for a reset.
const STUCK: &[&str] = &[
    "has not finished in",
    "has timed-out while user process",
    "has been aborted while user process",
    "Killing CS",
    "device still in use",
];

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("open/close/frees_buffers_that_were_left", &["OPEN-017"], buffers),
        Case::new("open/close/waits_for_the_last_mapping", &["OPEN-021"], mapped),
        Case::new("open/close/resets_a_device_that_still_works", &["OPEN-019"], working)
            .resets(1)
            .budget(90)
            .logs(STUCK),
        Case::new(
            "open/compute/is_refused_until_a_reset_that_is_needed",
            &["OPEN-009", "INFO-DEVICE_STATUS-009", "CS-OK-009"],
            needs_reset,
        )
        .module_parameters("reset_on_lockup=0")
        .resets(1)
        .budget(90)
        .logs(STUCK),
        Case::new("open/compute/fails_whole_when_its_context_does", &["OPEN-012"], no_context)
            .on(Asics::GAUDI)
            .model()
            .resets(1)
            .budget(90)
            .logs(&[
                "QMAN0 Job timeout",
                "failed resetting SM registers",
                "Failed to create context",
                "Hard-Reset requested through sysfs",
            ]),
        Case::new("open/compute/fails_whole_when_its_mappings_do", &["OPEN-012"], no_mapping)
            .on(Asics::GAUDI2)
            .model()
            .logs(&["cache range invalidation failed", "Failed to create context"]),
        Case::new(
            "open/compute/is_refused_while_the_device_recovers_from_its_user",
            &["OPEN-005", "INFO-DEVICE_STATUS-011", "OPEN-023", "INFO-OPEN_STATS-007"],
            recovering,
        )
        .on(Asics::GAUDI2)
        .model()
        .budget(90),
    ]
}

/// Command buffers, one of them mapped and unmapped again, and a buffer of timestamps.
fn buffers(cx: &Context) -> CaseResult {
    drop(Node::compute(cx)?);
    let before = Listings::read(cx)?;
    let card = Card::open(cx)?;
    for size in [4096, 1 << 16, 1 << 20] {
        let buffer = succeed("CREATE", card.node.create_cb(size, 0))?;
        succeed("write", buffer.write(&[0x5a; 64]))?;
        // The close is to destroy it.
        std::mem::forget(buffer);
    }
    succeed("TS_ALLOC", card.node.timestamps(512))?;
    let Card { node, .. } = card;
    succeed("close", node.close())?;
    before.are_back(cx)?;
    works(&Node::compute(cx)?)
}

/// A mapping keeps the open file: only when it goes is the device free for the next.
fn mapped(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let card = Card::open(cx)?;
    let mapping = {
        let buffer = succeed("CREATE", card.node.create_cb(8192, 0))?;
        let mapping = succeed("mmap", buffer.map())?;
        std::mem::forget(buffer);
        mapping
    };
    let Card { node, .. } = card;
    succeed("close", node.close())?;
    for _ in 0..3 {
        errno("open while a mapping lives", Node::try_compute(cx), Errno::EBUSY)?;
    }
    mapping.write_u32(0, 0x1234_5678);
    equal("the mapped buffer", mapping.read_u32(0), 0x1234_5678)?;
    succeed("munmap", mapping.unmap())?;
    works(&Node::compute(cx)?)?;
    equal("hard resets", reset::resets(&control)?, before)
}

/// A job that waits for a fence that nobody raises.
fn stuck<'a>(card: &'a Card<'_>) -> CaseResult<Job<'a>> {
    card.job(card.upload(0), &card.program().fence(0, 1, 1))
}

/// The driver says what keeps the device, and takes it back by force.
fn working(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let mut log = Log::from_now()?;
    let card = Card::open(cx)?;
    // Neither destroyed nor unmapped: the close finds both.
    let job = ManuallyDrop::new(stuck(&card)?);
    for _ in 0..2 {
        card.start(&job)?;
    }
    let Card { node, .. } = card;
    succeed("close", node.close())?;
    reset::begun(&control, before)?;
    reset::done(&control)?;
    let said = log.with("closed FD but device still in use")?;
    equal("lines about what keeps the device", said.len(), 1)?;
    check(said[0].contains("[2 active CS]"), &format!("{:?} counts the submissions", said[0]))?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}

/// Told not to reset by itself, the driver waits for someone who does: here the close.
fn needs_reset(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let dump = files::debugfs(cx, "state_dump")?;
    let dumped = files::read(&dump)?;
    let card = Card::open(cx)?;
    let job = stuck(&card)?;
    card.submit(&CsRequest::execute([job.chunk()]).custom_timeout(1))?;
    std::mem::forget(job);
    let needed = wait::until(LIMIT, || {
        Ok((reset::status(&control)? == accel::HL_DEVICE_STATUS_NEEDS_RESET).then_some(()))
    })?;
    // The driver holds on to the submission while it writes down the state of all sync objects.
    wait::until(LIMIT, || Ok((files::read(&dump)? != dumped).then_some(())))?;
    let text = files::attribute(cx, "status")?;
    let opened = Node::try_compute(cx).map(drop);
    let submitted = card.node.submit(&CsRequest::signal(card.upload(0)));
    let resets = reset::resets(&control)?;
    let Card { node, .. } = card;
    succeed("close", node.close())?;
    reset::begun(&control, before)?;
    reset::done(&control)?;
    check(needed.is_some(), "a submission that takes too long makes a reset needed")?;
    equal("status in sysfs", text.as_str(), "Needs reset")?;
    errno("open of a device that needs a reset", opened, Errno::EPERM)?;
    errno("CS on a device that needs a reset", submitted, Errno::EBUSY)?;
    equal("hard resets until the close", resets, before)?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}

/// The driver's own queue, which clears sync objects for each new user, does not answer
/// (`gaudi.c: gaudi_restore_sm_registers`, a second for each job). What it is still to execute lies
/// in memory that is freed, so the chip is reset before the queue goes on.
fn no_context(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let stats = || ask::<hl_open_stats_info>(&control);
    let opened_before = stats()?.open_counter;
    let held = Held::new(cx, &[accel::GAUDI_QUEUE_ID_DMA_0_0])?;
    let opened = Node::try_compute(cx).map(drop);
    let after = stats()?;
    reset::start(cx)?;
    let begun = wait::until(LIMIT, || Ok((cx.model()?.seen()?.hard_resets > 0).then_some(())))?;
    held.release()?;
    check(begun.is_some(), "a reset that was asked for begins")?;
    reset::begun(&control, before)?;
    reset::done(&control)?;
    errno("open without a context", opened, Errno::ENOMEM)?;
    let flags = (after.is_compute_ctx_active, after.compute_ctx_in_release);
    equal("active, in release after the failed open", flags, (0, 0))?;
    equal("open_counter after the failed open", after.open_counter, opened_before)?;
    works(&Node::compute(cx)?)
}

/// What the driver maps for each user meets a cache of translations that is not emptied (gaudi2.c:
/// gaudi2_ctx_init).
fn no_mapping(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let stats = || ask::<hl_open_stats_info>(&control);
    let before = stats()?.open_counter;
    cx.model()?.order(Request::HoldMmu)?;
    let opened = Node::try_compute(cx).map(drop);
    cx.model()?.order(Request::ReleaseMmu)?;
    let after = stats()?;
    errno("open without mappings", opened, Errno::ETIMEDOUT)?;
    let flags = (after.is_compute_ctx_active, after.compute_ctx_in_release);
    equal("active, in release after the failed open", flags, (0, 0))?;
    equal("open_counter after the failed open", after.open_counter, before)?;
    works(&Node::compute(cx)?)
}

/// CPUCP_PACKET_SOFT_RESET (`cpucp_if.h`): the last that the driver sends before the reset.
const SOFT_RESET: u16 = 64;

/// Gaudi2 is reset after each user. The device CPU carries that out; as long as it does not answer,
/// the state is there to be seen. What the driver tells it before must be answered: after a packet
/// that was not, it sends no further one and resets the chip by force.
fn recovering(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before: accel::hl_info_reset_count = ask(&control)?;
    let node = Node::compute(cx)?;
    cx.model()?.order(Request::HoldCpuAt { opcode: SOFT_RESET })?;
    let (seen, closed) = std::thread::scope(|scope| {
        let closer = scope.spawn(|| node.close());
        let seen = wait::until(LIMIT, || {
            let now = reset::status(&control)?;
            Ok((now != accel::HL_DEVICE_STATUS_OPERATIONAL).then_some(now))
        })
        .and_then(|status| {
            let expected = accel::HL_DEVICE_STATUS_IN_RESET_AFTER_DEVICE_RELEASE;
            equal("status", status, Some(expected))?;
            let stats: hl_open_stats_info = ask(&control)?;
            let flags = (stats.is_compute_ctx_active, stats.compute_ctx_in_release);
            equal("active, in release meanwhile", flags, (1, 1))?;
            errno("open meanwhile", Node::try_compute(cx).map(drop), Errno::EAGAIN)
        });
        let released = cx.model().and_then(|mut model| Ok(model.order(Request::ReleaseCpu)?));
        (seen.and(released), closer.join())
    });
    seen?;
    succeed("close", closed.map_err(|_| Stop::Broken("a thread panicked".into()))?)?;
    reset::done(&control)?;
    let after: accel::hl_info_reset_count = ask(&control)?;
    equal("soft_reset_cnt", after.soft_reset_cnt, before.soft_reset_cnt)?;
    equal("hard_reset_cnt", after.hard_reset_cnt, before.hard_reset_cnt)?;
    works(&Node::compute(cx)?)
}
