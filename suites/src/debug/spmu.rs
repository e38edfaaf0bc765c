// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Performance counters (gaudi_coresight.c: gaudi_config_spmu; gaudi2_coresight.c:
//! gaudi2_config_spmu).

use super::table::UNITS;
use super::{FAILED, poke, register, still_works};
use crate::common::typed::{compute, need};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use control::{Asic, Asics};
use device::{DebugRequest, Errno, Node, Pages, Pointer};
use uapi::accel::*;

/// Counters of a unit.
const COUNTERS: u32 = 6;
/// Words behind the counters in an answer: overflow and cycles.
const BEHIND: u32 = 2;

/// Registers of a unit.
const COUNTER: u64 = 0;
const CYCLES_LOW: u64 = 0xf8;
const CYCLES_HIGH: u64 = 0xfc;
const EVENT: u64 = 0x400;
const OVERFLOW: u64 = 0xcc0;
/// PMCNTENSET: a bit for each counter that counts, and this one for the cycles.
const COUNTING: u64 = 0xc00;
const CYCLES: u32 = 1 << 31;

pub(super) fn cases() -> Vec<Case> {
    let gaudi = |case: Case| case.on(Asics::GAUDI).logs(&[FAILED, "event", "SPMU"]);
    vec![
        gaudi(Case::new("debug/spmu/rejects_too_few_events", &["DEBUG-038"], |cx| {
            events(cx, &[0, 1, 2])
        })),
        Case::new("debug/spmu/rejects_too_many_events", &["DEBUG-039"], |cx| {
            events(cx, &[COUNTERS + 1, 9, 10, 0x8000_0000, u32::MAX])
        })
        .logs(&[FAILED, "event", "SPMU"]),
        gaudi(Case::new("debug/spmu/rejects_disable_without_output", &["DEBUG-040"], no_output)),
        gaudi(Case::new("debug/spmu/rejects_too_small_answers", &["DEBUG-041"], |cx| {
            outputs(cx, &[1, 7, 8, 16, 23])
        })),
        Case::new("debug/spmu/rejects_too_large_answers", &["DEBUG-042"], |cx| {
            outputs(cx, &[8 * (COUNTERS + BEHIND + 1), 4096])
        })
        .logs(&[FAILED, "events", "SPMU"]),
        Case::new("debug/spmu/counts_what_was_asked_for", &["DEBUG-043"], counts).model(),
        Case::new("debug/spmu/counts_no_more_than_asked_for", &["DEBUG-043"], few)
            .on(Asics::GAUDI2)
            .model(),
        Case::new("debug/spmu/needs_no_answer", &["DEBUG-040", "DEBUG-041"], quiet)
            .on(Asics::GAUDI2),
    ]
}

fn enable(node: &Node, input: &hl_debug_params_spmu) -> Result<(), Errno> {
    node.debug_with(&DebugRequest::new(HL_DEBUG_OP_SPMU, 0, true), input)
}

fn disable(node: &Node, output: Pointer, size: u32) -> Result<(), Errno> {
    node.debug(&DebugRequest::new(HL_DEBUG_OP_SPMU, 0, false).output(output, size))
}

fn events(cx: &Context, numbers: &[u32]) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    for number in numbers {
        let input = hl_debug_params_spmu { event_types_num: *number, ..Default::default() };
        errno(&format!("SPMU on with {number} events"), enable(&node, &input), Errno::EINVAL)?;
    }
    drop(mode);
    still_works(&node)
}

fn no_output(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(64))?;
    errno("SPMU off", disable(&node, Pointer::NULL, 0), Errno::EINVAL)?;
    errno("SPMU off to NULL", disable(&node, Pointer::NULL, 24), Errno::EINVAL)?;
    errno("SPMU off to no bytes", disable(&node, pages.pointer(0), 0), Errno::EINVAL)?;
    drop(mode);
    still_works(&node)
}

fn outputs(cx: &Context, sizes: &[u32]) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(4096))?;
    pages.fill(0x5a);
    for size in sizes {
        let output = pages.pointer(0);
        errno(&format!("SPMU off to {size} bytes"), disable(&node, output, *size), Errno::EINVAL)?;
        let touched = pages.bytes(0, 4096).iter().position(|byte| *byte != 0x5a);
        equal("first byte that was written", touched, None)?;
    }
    drop(mode);
    still_works(&node)
}

/// Gaudi2 switches off without an answer, and into one that is too small nothing is written.
fn quiet(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(64))?;
    succeed("SPMU off", disable(&node, Pointer::NULL, 0))?;
    succeed("SPMU off to NULL", disable(&node, Pointer::NULL, 24))?;
    succeed("SPMU off to no bytes", disable(&node, pages.pointer(0), 0))?;
    for size in [1, 8, 16, 23] {
        pages.fill(0x5a);
        succeed("SPMU off", disable(&node, pages.pointer(0), size))?;
        let wanted = vec![0; size as usize];
        equal("the answer", pages.bytes(0, size as usize), wanted)?;
        equal("the byte behind it", pages.bytes(size as usize, 1), vec![0x5a])?;
    }
    drop(mode);
    still_works(&node)
}

/// Registers of the unit that the requests here name.
fn first(cx: &Context) -> CaseResult<u64> {
    let spmu = UNITS.iter().find(|unit| unit.op == HL_DEBUG_OP_SPMU);
    let spmu = spmu.map(|unit| unit.ends(cx.asic()).0);
    spmu.ok_or_else(|| case::Stop::Broken("no SPMU in the table".into()))
}

/// The counters that the driver switches on: all of Gaudi's, those asked for on Gaudi2.
fn counting(asic: Asic, number: u32) -> u32 {
    match asic {
        Asic::Gaudi => CYCLES | ((1 << COUNTERS) - 1),
        Asic::Gaudi2 => CYCLES | ((1 << number) - 1),
    }
}

fn few(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let base = first(cx)?;
    for number in [0, 1, 2] {
        let input = hl_debug_params_spmu { event_types_num: number, ..Default::default() };
        succeed("SPMU on", enable(&node, &input))?;
        let what = format!("counters that count {number} events");
        equal(&what, register(cx, base + COUNTING)?, counting(cx.asic(), number))?;
        succeed("SPMU off", disable(&node, Pointer::NULL, 0))?;
    }
    drop(mode);
    still_works(&node)
}

fn counts(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(4096))?;
    let base = first(cx)?;
    for number in [3, 4, COUNTERS] {
        let mut input = hl_debug_params_spmu { event_types_num: number, ..Default::default() };
        (0..).zip(&mut input.event_types).for_each(|(at, event)| *event = 0x20 + at);
        succeed("SPMU on", enable(&node, &input))?;
        let counting = counting(cx.asic(), number);
        equal("counters that count", register(cx, base + COUNTING)?, counting)?;
        for at in 0..u64::from(number) {
            let event = register(cx, base + EVENT + 4 * at)?;
            equal(&format!("event {at} of {number}"), event, 0x20 + at as u32)?;
            poke(cx, base + COUNTER + 8 * at, 0x1000 + at as u32)?;
        }
        poke(cx, base + OVERFLOW, 0x2a)?;
        poke(cx, base + CYCLES_LOW, 0x89ab_cdef)?;
        poke(cx, base + CYCLES_HIGH, 0x0123_4567)?;
        let size = 8 * (number + BEHIND);
        succeed("SPMU off", disable(&node, pages.last(size as usize), size))?;
        let bytes = pages.bytes(pages.length() - size as usize, size as usize);
        let (words, _) = bytes.as_chunks::<8>();
        let got: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let mut wanted: Vec<u64> = (0..u64::from(number)).map(|at| 0x1000 + at).collect();
        wanted.extend([0x2a, 0x0123_4567_89ab_cdef]);
        equal("counters, overflow, cycles", got, wanted)?;
        equal("overflow afterwards", register(cx, base + OVERFLOW)?, 0)?;
    }
    drop(mode);
    still_works(&node)
}
