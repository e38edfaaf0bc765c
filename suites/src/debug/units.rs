// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Units that are chosen by an index.

use super::table::{UNITS, Unit};
use super::{FAILED, never_ready, poke, register, still_works};
use crate::common::typed::compute;
use crate::cs::faulty;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::Asics;
use device::{DebugRequest, Errno, Node};
use uapi::accel::*;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for unit in UNITS {
        let name = |rule: &str| format!("debug/{}/{rule}", unit.name);
        let rows: &[&str] = vec![unit.beyond].leak();
        cases.push(
            Case::new(name("rejects_units_beyond_the_table"), rows, |cx| beyond(cx, unit))
                .logs(&[FAILED, "Invalid register index in"]),
        );
        cases.push(
            Case::new(name("takes_every_unit_of_the_table"), rows, |cx| every(cx, unit)).budget(30),
        );
        cases.push(
            Case::new(name("switches_the_unit_that_is_named"), rows, |cx| switches(cx, unit))
                .model(),
        );
        let rows: &[&str] = vec![unit.binned].leak();
        cases.push(
            Case::new(name("leaves_a_unit_alone_that_is_binned_out"), rows, |cx| binned(cx, unit))
                .on(Asics::GAUDI2)
                .model()
                .personality("binned", faulty),
        );
        if let Some(row) = unit.no_input {
            let rows: &[&str] = vec![row].leak();
            cases.push(
                Case::new(name("rejects_enable_without_input"), rows, |cx| no_input(cx, unit))
                    .logs(&[FAILED]),
            );
        }
    }
    cases.push(
        Case::new("debug/any_unit/fails_when_it_stays_locked", &["DEBUG-037"], locked)
            .on(Asics::GAUDI2)
            .model()
            .logs(&[FAILED, "Timeout while waiting for coresight", "Failed to unlock register"]),
    );
    for unit in UNITS.iter().take(1) {
        let name = format!("debug/{}/gives_up_on_a_memory_that_is_never_ready", unit.name);
        cases.push(Case::new(name, &["DEBUG-036"], |cx| stuck(cx, unit)).model().logs(&[
            FAILED,
            "Timeout while waiting for coresight",
            "ETF on timeout",
        ]));
    }
    cases
}

/// Switches a unit with a legal input or output.
fn switch(node: &Node, unit: &Unit, block: u32, on: bool) -> Result<(), Errno> {
    let request = DebugRequest::new(unit.op, block, on);
    match (unit.op, on) {
        (HL_DEBUG_OP_ETF, true) => {
            let input = hl_debug_params_etf { sink_mode: 2, ..Default::default() };
            node.debug_with(&request, &input)
        }
        (HL_DEBUG_OP_STM, true) => node.debug_with(&request, &hl_debug_params_stm::default()),
        (HL_DEBUG_OP_BMON, true) => {
            let input = hl_debug_params_bmon { control: 0x53, ..Default::default() };
            node.debug_with(&request, &input)
        }
        (HL_DEBUG_OP_SPMU, true) => {
            let input = hl_debug_params_spmu { event_types_num: 3, ..Default::default() };
            node.debug_with(&request, &input)
        }
        (HL_DEBUG_OP_SPMU, false) => {
            let pages = device::Pages::new(24)?;
            node.debug(&request.output(pages.last(24), 24))
        }
        (_, _) => node.debug(&request),
    }
}

fn beyond(cx: &Context, unit: &Unit) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let count = unit.count(cx.asic());
    for block in [count, count + 1, 2 * count, 0x8000_0000, u32::MAX] {
        for on in [true, false] {
            let what = format!("DEBUG of unit {block} of {count}, on: {on}");
            errno(&what, switch(&node, unit, block, on), Errno::EINVAL)?;
        }
    }
    drop(mode);
    still_works(&node)
}

fn every(cx: &Context, unit: &Unit) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    for block in 0..unit.count(cx.asic()) {
        for on in [true, false] {
            let what = format!("DEBUG of unit {block}, on: {on}");
            succeed(&what, switch(&node, unit, block, on))?;
        }
    }
    drop(mode);
    still_works(&node)
}

fn switches(cx: &Context, unit: &Unit) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let (ends, shown) = (unit.ends(cx.asic()), unit.shown(cx.asic()));
    for (block, base) in [(0, ends.0), (unit.count(cx.asic()) - 1, ends.1)] {
        let at = base + shown.offset;
        for (on, wanted) in [(true, shown.on), (false, shown.off)] {
            succeed("DEBUG", switch(&node, unit, block, on))?;
            let what = format!("register {at:#x} of unit {block}, on: {on}");
            equal(&what, register(cx, at)?, wanted)?;
        }
    }
    drop(mode);
    still_works(&node)
}

/// The spare tensor core stands in for the faulty one, and its own units are out
/// (`gaudi2_coresight.c: gaudi2_coresight_init`): what is asked of them succeeds and does nothing.
fn binned(cx: &Context, unit: &Unit) -> CaseResult {
    const MARK: u32 = 0x5a5a_5a5a;
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let shown = unit.shown(cx.asic());
    let (block, base) = unit.spare;
    let at = base + shown.offset;
    poke(cx, at, MARK)?;
    for on in [true, false] {
        succeed("DEBUG of a unit that is out", switch(&node, unit, block, on))?;
        equal(&format!("register {at:#x}, on: {on}"), register(cx, at)?, MARK)?;
    }
    let (_, last) = unit.ends(cx.asic());
    succeed("DEBUG of another", switch(&node, unit, unit.count(cx.asic()) - 1, true))?;
    equal("its register", register(cx, last + shown.offset)?, shown.on)?;
    succeed("DEBUG of another", switch(&node, unit, unit.count(cx.asic()) - 1, false))?;
    drop(mode);
    still_works(&node)
}

fn no_input(cx: &Context, unit: &Unit) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = crate::common::typed::need("memory", device::Pages::new(256))?;
    let request = DebugRequest::new(unit.op, 0, true);
    let address = pages.pointer(0).address();
    let requests = [
        request,
        DebugRequest { input_size: 64, ..request },
        DebugRequest { input: address, ..request },
    ];
    for request in requests {
        let result = node.debug(&request);
        errno("DEBUG", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    succeed("DEBUG off", switch(&node, unit, 0, false))?;
    drop(mode);
    still_works(&node)
}

/// Units that have a lock (gaudi2_coresight.c: gaudi2_unlock_coresight_unit).
fn locked(cx: &Context) -> CaseResult {
    /// Where such a unit tells that it is locked, with this bit (gaudi2_coresight_regs.h:
    /// mmCORESIGHT_UNLOCK_STATUS_REGISTER_OFFSET).
    const LOCK: u64 = 0xfb4;
    const LOCKED: u32 = 2;
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let kinds = [HL_DEBUG_OP_ETF, HL_DEBUG_OP_STM, HL_DEBUG_OP_FUNNEL];
    for unit in UNITS.iter().filter(|unit| kinds.contains(&unit.op)) {
        let (first, _) = unit.ends(cx.asic());
        for on in [true, false] {
            poke(cx, first + LOCK, LOCKED)?;
            let refused = switch(&node, unit, 0, on);
            poke(cx, first + LOCK, 0)?;
            errno(&format!("{} on: {on}, locked", unit.name), refused, Errno::EIO)?;
            succeed(&format!("{} on: {on}", unit.name), switch(&node, unit, 0, on))?;
        }
    }
    drop(mode);
    still_works(&node)
}

/// Status register of a trace memory: bit 2 is ready.
const STATUS: u64 = 0xc;

fn stuck(cx: &Context, unit: &Unit) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let (first, _) = unit.ends(cx.asic());
    let control = first + unit.shown(cx.asic()).offset;
    poke(cx, first + STATUS, 0)?;
    errno("ETF on", switch(&node, unit, 0, true), never_ready(cx.asic()))?;
    equal("control", register(cx, control)?, 0)?;
    poke(cx, first + STATUS, 4)?;
    succeed("ETF on when it is ready", switch(&node, unit, 0, true))?;
    check(register(cx, control)? == 1, "the ETF is on")?;
    drop(mode);
    still_works(&node)
}
