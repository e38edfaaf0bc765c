// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Opcodes about the state of the device and of its user: status, resets, openers, clocks.

use super::call::{Request, ask, ask_with};
use crate::common::buffer::{Buffer, FILLINGS};
use crate::common::files::{self, Disabled};
use crate::common::node::Node;
use crate::common::wait::{TICK, Ticks};
use case::{Case, CaseResult, Context, check, equal, errno};
use control::{Asic, Asics};
use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;
use uapi::accel;

/// Dcores that the driver has room for (`habanalabs.h: HL_MAX_DCORES`).
const MAX_DCORES: u32 = 8;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("info/device_status/is_operational", &["INFO-DEVICE_STATUS-006"], operational)
            .control_only(),
        Case::new(
            "info/device_status/is_malfunction_when_disabled",
            &["INFO-DEVICE_STATUS-008"],
            malfunction,
        )
        .control_only(),
        Case::new("info/reset_count/agrees_with_sysfs", &["INFO-RESET_COUNT-001"], resets)
            .control_only(),
        Case::new("info/time_sync/brackets_the_host_clocks", &["INFO-TIME_SYNC-006"], clocks)
            .control_only(),
        Case::new("info/open_stats/counts_every_open", &["INFO-OPEN_STATS-006", "OPEN-001"], opens),
        Case::new("info/open_stats/is_inactive_without_a_user", &["INFO-OPEN_STATS-008"], closed),
        Case::new(
            "info/open_stats/remembers_the_length_of_a_session",
            &["INFO-OPEN_STATS-008", "OPEN-016"],
            session,
        ),
        Case::new(
            "info/last_err_open_dev_time/is_the_time_of_the_last_open",
            &["INFO-LAST_ERR_OPEN_DEV_TIME-001"],
            last_open,
        ),
        Case::new(
            "info/last_err_open_dev_time/is_0_until_the_first_open",
            &["INFO-LAST_ERR_OPEN_DEV_TIME-006"],
            never_open,
        )
        .control_only(),
        Case::new(
            "info/cs_timeout_event/is_zero_after_an_open",
            &["INFO-CS_TIMEOUT_EVENT-006"],
            no_timeout,
        ),
        Case::new(
            "info/undefined_opcode_event/is_zero_after_an_open",
            &["INFO-UNDEFINED_OPCODE_EVENT-006"],
            no_opcode,
        ),
        Case::new(
            "info/dev_mem_alloc_page_sizes/names_none",
            &["INFO-DEV_MEM_ALLOC_PAGE_SIZES-006"],
            page_sizes,
        )
        .control_only(),
        Case::new(
            "info/clk_throttle_reason/is_zero_on_a_cool_card",
            &["INFO-CLK_THROTTLE_REASON-001"],
            cool,
        )
        .control_only()
        .model(),
        Case::new(
            "info/sync_manager/gives_the_first_free_objects",
            &["INFO-SYNC_MANAGER-006"],
            free_objects,
        )
        .control_only(),
        Case::new(
            "info/sync_manager/answers_for_the_last_dcore",
            &["INFO-SYNC_MANAGER-007"],
            last_dcore,
        )
        .control_only(),
        Case::new(
            "info/sync_manager/rejects_dcores_past_the_last",
            &["INFO-SYNC_MANAGER-008"],
            bad_dcore,
        )
        .control_only(),
        Case::new(
            "info/sync_manager/has_no_completion_queues_on_gaudi",
            &["INFO-SYNC_MANAGER-006"],
            no_queues,
        )
        .control_only()
        .on(Asics::GAUDI),
    ]
}

fn status(node: &Node) -> CaseResult<u32> {
    let answer: accel::hl_info_device_status = ask(node)?;
    equal("pad", answer.pad, 0)?;
    Ok(answer.status)
}

fn operational(cx: &Context) -> CaseResult {
    equal("status", status(&Node::control(cx)?)?, accel::HL_DEVICE_STATUS_OPERATIONAL)?;
    equal("status in sysfs", files::attribute(cx, "status")?.as_str(), "Operational")
}

fn malfunction(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let off = Disabled::new(cx)?;
    equal("status", status(&node)?, accel::HL_DEVICE_STATUS_MALFUNCTION)?;
    equal("status in sysfs", files::attribute(cx, "status")?.as_str(), "Disabled")?;
    drop(off);
    equal("status afterwards", status(&node)?, accel::HL_DEVICE_STATUS_OPERATIONAL)
}

fn resets(cx: &Context) -> CaseResult {
    let answer: accel::hl_info_reset_count = ask(&Node::control(cx)?)?;
    let hard = files::number(cx, "hard_reset_cnt")?;
    equal("hard_reset_cnt", u64::from(answer.hard_reset_cnt), hard)?;
    // Only Goya counts soft resets (`device.c: hl_device_reset`).
    equal("soft_reset_cnt", answer.soft_reset_cnt, 0)
}

/// Nanoseconds of a clock.
fn nanoseconds(clock: ClockId) -> CaseResult<u64> {
    let now = clock_gettime(clock)
        .map_err(|why| case::Stop::Broken(format!("clock {clock} cannot be read: {why}")))?;
    Ok(now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64)
}

#[cfg(target_arch = "x86_64")]
fn cycles() -> u64 {
    // SAFETY: reading the time-stamp counter has no effect.
    unsafe { std::arch::x86_64::_rdtsc() }
}

/// The host clock is CLOCK_MONOTONIC_RAW, the cycle counter that of the processor, and neither they
/// nor the device's clock go back.
fn clocks(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let mut device = 0;
    for _ in 0..20 {
        let raw = nanoseconds(ClockId::CLOCK_MONOTONIC_RAW)?;
        let tsc = cycles();
        let answer: accel::hl_info_time_sync = ask(&node)?;
        let raw = raw..=nanoseconds(ClockId::CLOCK_MONOTONIC_RAW)?;
        let tsc = tsc..=cycles();
        within("host_time", answer.host_time, &raw)?;
        // Cycle counters of virtual processors may differ where the hypervisor does not tie them.
        if !tsc.is_empty() {
            within("tsc_time", answer.tsc_time, &tsc)?;
        }
        check(answer.device_time >= device, "device_time does not go back")?;
        device = answer.device_time;
    }
    Ok(())
}

#[track_caller]
fn within(what: &str, got: u64, range: &std::ops::RangeInclusive<u64>) -> CaseResult {
    if range.contains(&got) {
        return Ok(());
    }
    case::fail(format!("{what} is {got}, not between the clock before and after, {range:?}"))
}

fn stats(node: &Node) -> CaseResult<accel::hl_open_stats_info> {
    let answer: accel::hl_open_stats_info = ask(node)?;
    equal("pad", answer.pad, [0; 6])?;
    Ok(answer)
}

fn opens(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let first = stats(&control)?.open_counter;
    for round in 1..=5 {
        let compute = Node::compute(cx)?;
        for node in [&control, &compute] {
            let stats = stats(node)?;
            equal("open_counter", stats.open_counter, first + round)?;
            equal("is_compute_ctx_active", stats.is_compute_ctx_active, 1)?;
            equal("compute_ctx_in_release", stats.compute_ctx_in_release, 0)?;
        }
        // A refused open does not count.
        errno("the second open", Node::try_compute(cx), Errno::EBUSY)?;
        equal("open_counter after it", stats(&control)?.open_counter, first + round)?;
    }
    Ok(())
}

fn closed(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    drop(Node::compute(cx)?);
    let stats = stats(&control)?;
    equal("is_compute_ctx_active", stats.is_compute_ctx_active, 0)?;
    equal("compute_ctx_in_release", stats.compute_ctx_in_release, 0)
}

fn session(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    // The driver counts ticks.
    let before = Ticks::now()?;
    let compute = Node::compute(cx)?;
    let opened = Ticks::now()?;
    // A session that is long enough to be told from an earlier one that took no time.
    std::thread::sleep(Duration::from_millis(300));
    let least = opened.elapsed()?;
    drop(compute);
    let most = before.elapsed()?;
    let lasted = Duration::from_millis(stats(&control)?.last_open_period_ms);
    let range = least.saturating_sub(2 * TICK)..=most + 2 * TICK;
    check(range.contains(&lasted), &format!("last_open_period_ms {lasted:?} is in {range:?}"))
}

fn opened_at(node: &Node) -> CaseResult<i64> {
    Ok(ask::<accel::hl_info_last_err_open_dev_time>(node)?.timestamp)
}

fn last_open(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    for _ in 0..3 {
        let before = nanoseconds(ClockId::CLOCK_MONOTONIC)?;
        let compute = Node::compute(cx)?;
        let range = before..=nanoseconds(ClockId::CLOCK_MONOTONIC)?;
        within("the time of the open", opened_at(&control)? as u64, &range)?;
        drop(compute);
        within("the time after the close", opened_at(&control)? as u64, &range)?;
    }
    Ok(())
}

fn never_open(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let ever = stats(&control)?.open_counter > 0;
    equal("a time other than 0 is there", opened_at(&control)? != 0, ever)
}

fn no_timeout(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let answer: accel::hl_info_cs_timeout_event = ask(&node)?;
    equal("timestamp, seq", (answer.timestamp, answer.seq), (0, 0))
}

fn no_opcode(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let answer: accel::hl_info_undefined_opcode_event = ask(&node)?;
    equal("timestamp", answer.timestamp, 0)?;
    equal("cb_addr_streams", answer.cb_addr_streams, Default::default())?;
    equal("cq_addr, cq_size", (answer.cq_addr, answer.cq_size), (0, 0))?;
    equal("cb_addr_streams_len", answer.cb_addr_streams_len, 0)?;
    equal("engine_id, stream_id", (answer.engine_id, answer.stream_id), (0, 0))
}

fn page_sizes(cx: &Context) -> CaseResult {
    let answer: accel::hl_info_dev_memalloc_page_sizes = ask(&Node::control(cx)?)?;
    equal("page_order_bitmask", answer.page_order_bitmask, 0)
}

fn cool(cx: &Context) -> CaseResult {
    let answer: accel::hl_info_clk_throttle = ask(&Node::control(cx)?)?;
    equal("pad", answer.pad, 0)?;
    equal("clk_throttling_reason", answer.clk_throttling_reason, 0)
}

fn sync_manager(node: &Node, dcore: u32) -> CaseResult<accel::hl_info_sync_manager> {
    let answer: accel::hl_info_sync_manager = ask_with(node, dcore)?;
    equal("reserved", answer.reserved, 0)?;
    Ok(answer)
}

fn free_objects(cx: &Context) -> CaseResult {
    let answer = sync_manager(&Node::control(cx)?, 0)?;
    let got = (answer.first_available_sync_object, answer.first_available_monitor);
    match cx.asic() {
        // The header promises these numbers to user space.
        Asic::Gaudi => {
            let first = accel::GAUDI_FIRST_AVAILABLE_W_S_SYNC_OBJECT;
            equal("sync object, monitor", got, (first, accel::GAUDI_FIRST_AVAILABLE_W_S_MONITOR))
        }
        Asic::Gaudi2 => check(got.0 > 0 && got.1 > 0, "the driver keeps some for itself"),
    }
}

fn last_dcore(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    for dcore in 1..MAX_DCORES {
        let answer = sync_manager(&node, dcore)?;
        // The driver keeps sync objects of the first dcore only.
        let got = (answer.first_available_sync_object, answer.first_available_monitor);
        equal(&format!("first objects of dcore {dcore}"), got, (0, 0))?;
    }
    Ok(())
}

fn bad_dcore(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let buffer = Buffer::new(16)?;
    for dcore in [MAX_DCORES, MAX_DCORES + 1, 255, 0x8000_0000, u32::MAX] {
        let request = Request::new(accel::HL_INFO_SYNC_MANAGER, buffer.start(), 16).extra(dcore);
        errno("INFO", request.sent(&node), Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    equal("the buffer", buffer.read(buffer.start(), 16), vec![FILLINGS[0]; 16])
}

fn no_queues(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    for dcore in 0..MAX_DCORES {
        let first = sync_manager(&node, dcore)?.first_available_cq;
        equal(&format!("first_available_cq of dcore {dcore}"), first, u32::from(u16::MAX))?;
    }
    Ok(())
}
