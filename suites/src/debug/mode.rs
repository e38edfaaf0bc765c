// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Debug mode, and operations that need it (device.c: hl_device_set_debug_mode).

use super::table::UNITS;
use super::{etr, register, still_works};
use crate::common::files::Disabled;
use crate::common::typed::compute;
use case::{Case, CaseResult, Context, equal, errno, succeed};
use device::{DebugRequest, Errno};
use uapi::accel::*;

/// What the driver says to a configuration outside of debug mode.
const OFF: &[&str] = &["Rejecting debug configuration request because device not in debug mode"];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("debug/mode/is_entered_and_left", &["DEBUG-001", "DEBUG-004"], enters),
        Case::new("debug/mode/cannot_be_entered_twice", &["DEBUG-002"], twice)
            .logs(&["Failed to enable debug mode because device is already in debug mode"]),
        Case::new("debug/mode/cannot_be_left_when_it_is_off", &["DEBUG-003"], left)
            .logs(&["Failed to disable debug mode because device was not in debug mode"]),
        Case::new("debug/mode/leaving_stops_trace_memories", &["DEBUG-004"], stops).model(),
        Case::new("debug/mode/ends_with_the_user", &["DEBUG-049", "OPEN-024"], ends),
        Case::new("debug/mode/close_stops_trace_memories", &["DEBUG-049"], close_stops).model(),
        Case::new("debug/any/rejects_unknown_operations", &["DEBUG-013"], unknown)
            .logs(&["Invalid request"]),
        Case::new("debug/any/is_refused_while_the_device_is_disabled", &["DEBUG-012"], disabled),
        needs_mode("etr", HL_DEBUG_OP_ETR, &["DEBUG-005"]),
        needs_mode("timestamp", HL_DEBUG_OP_TIMESTAMP, &["DEBUG-011"]),
        Case::new("debug/timestamp/does_nothing", &["DEBUG-014"], timestamp),
    ];
    let rows =
        UNITS.iter().map(|unit| needs_mode(unit.name, unit.op, vec![unit.without_mode].leak()));
    cases.extend(rows);
    cases
}

fn needs_mode(name: &str, op: u32, rows: &'static [&'static str]) -> Case {
    let body = move |cx: &Context| {
        let node = compute(cx)?;
        for enable in [false, true] {
            let request = DebugRequest::new(op, 0, enable);
            let result = node.debug(&request);
            errno("DEBUG", result, Errno::EFAULT).map_err(|stop| stop.request(&request))?;
        }
        still_works(&node)
    };
    Case::new(format!("debug/{name}/needs_debug_mode"), rows, body).logs(OFF)
}

fn enters(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for _ in 0..3 {
        succeed("SET_MODE on", node.debug_mode(true))?;
        succeed("SET_MODE off", node.debug_mode(false))?;
    }
    still_works(&node)
}

fn twice(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    errno("SET_MODE on again", node.debug_mode(true), Errno::EFAULT)?;
    let funnel = DebugRequest::new(HL_DEBUG_OP_FUNNEL, 0, false);
    succeed("FUNNEL: the mode is still on", node.debug(&funnel))?;
    drop(mode);
    still_works(&node)
}

fn left(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    errno("SET_MODE off", node.debug_mode(false), Errno::EFAULT)?;
    still_works(&node)
}

/// Trace memories that are on: the ETR, the first and the last ETF.
fn trace(cx: &Context, node: &device::Node) -> CaseResult<Vec<u64>> {
    let etf = UNITS[0];
    let input = hl_debug_params_etf { sink_mode: 1, ..Default::default() };
    for block in [0, etf.count(cx.asic()) - 1] {
        let request = DebugRequest::new(etf.op, block, true);
        succeed("ETF on", node.debug_with(&request, &input))?;
    }
    let router = etr::router(cx.asic());
    etr::on(node, router.dram)?;
    let (shown, ends) = (etf.shown(cx.asic()).offset, etf.ends(cx.asic()));
    let controls = vec![ends.0 + shown, ends.1 + shown, router.control()];
    for offset in &controls {
        equal(&format!("control at {offset:#x}"), register(cx, *offset)?, 1)?;
    }
    Ok(controls)
}

fn stops(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let controls = trace(cx, &node)?;
    drop(mode);
    for offset in controls {
        equal(&format!("control at {offset:#x} afterwards"), register(cx, offset)?, 0)?;
    }
    still_works(&node)
}

fn close_stops(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    succeed("SET_MODE on", node.debug_mode(true))?;
    let controls = trace(cx, &node)?;
    succeed("close", node.close())?;
    // The next user gets the device when the first one's context is gone.
    let node = compute(cx)?;
    for offset in controls {
        equal(&format!("control at {offset:#x} afterwards"), register(cx, offset)?, 0)?;
    }
    still_works(&node)
}

fn ends(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    succeed("SET_MODE on", node.debug_mode(true))?;
    succeed("close", node.close())?;
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on by the next user", node.debugging())?;
    drop(mode);
    still_works(&node)
}

fn unknown(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let all = |when: &str| -> CaseResult {
        for op in [8, 9, 0x8000_0000, u32::MAX] {
            let request = DebugRequest::new(op, 0, true);
            let result = node.debug(&request);
            errno(when, result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
        }
        Ok(())
    };
    all("DEBUG outside of debug mode")?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    all("DEBUG in debug mode")?;
    drop(mode);
    still_works(&node)
}

fn disabled(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let off = Disabled::new(cx)?;
    let last = HL_DEBUG_OP_SET_MODE;
    for op in (0..=last).chain([last + 1, u32::MAX]) {
        let request = DebugRequest::new(op, 0, true);
        let result = node.debug(&request);
        errno("DEBUG", result, Errno::EBUSY).map_err(|stop| stop.request(&request))?;
    }
    drop(off);
    still_works(&node)
}

fn timestamp(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    for (block, enable) in [(0, true), (0, false), (u32::MAX, true)] {
        let request = DebugRequest::new(HL_DEBUG_OP_TIMESTAMP, block, enable);
        succeed("TIMESTAMP", node.debug(&request)).map_err(|stop| stop.request(&request))?;
    }
    drop(mode);
    still_works(&node)
}
