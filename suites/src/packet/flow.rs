// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Packets that decide about packets, on queues whose jobs the driver looks at (gaudi.c:
//! gaudi_validate_cb) and on queues where it does not.
//!
//! Loops are run once: the driver queues no buffer that says otherwise (qman_if.h:
//! BD_CTL_REPEAT_VALID). The layout of predicates and what becomes of packets that make no sense
//! are the model's reading, so those cases need the model.

use crate::common::submit::{Card, PATIENCE};
use crate::common::typed::need;
use crate::common::wait;
use crate::common::window::Window;
use case::{Case, CaseResult, Context, check, equal, succeed};
use control::{Asics, FindingKind};
use device::{CsRequest, MemoryRequest, Pages, Program};
use hw::memory::GAUDI;
use hw::packet::{Barriers, Body, Packet, load_and_exe};
use hw::queue::Engine;

pub(super) fn cases() -> Vec<Case> {
    let cases = [
        Case::new("packet/flow/loops_are_run_once", &["PKT-026"], loops),
        Case::new("packet/flow/predicates_decide_about_packets", &["PKT-029"], predicates).model(),
        Case::new("packet/flow/jobs_go_on_after_what_makes_no_sense", &["PKT-026"], senseless)
            .model()
            .finds(&[FindingKind::BadPacket]),
        Case::new("packet/flow/scalars_are_not_denied_without_a_parser", &["PKT-028"], scalars)
            .model(),
    ];
    cases.into_iter().map(|case| case.on(Asics::GAUDI)).collect()
}

/// The last object of the manager in the east and north, which is the user's.
const OBJECT: u64 = GAUDI.cfg_base + hw::sync::gaudi::E_N as u64 + 2047 * 4;
/// Added to it when everything before is done; no case counts so far.
const DONE: u32 = 0x1000;

/// Adds to the object.
fn add(value: u32) -> Body {
    Body::MsgLong { address: OBJECT, value: 1 << 31 | value, operation: 0 }
}

fn repeat(end: bool, outer: bool) -> Body {
    // Behind a start, so many packets back; nothing reads it where loops are run once.
    Body::Repeat { end, outer, jump: if end { 1 } else { 0 } }
}

/// A queue of each kind: one that the driver looks at, and one of each engine where it does not.
fn queues(card: &Card<'_>) -> CaseResult<[u32; 4]> {
    Ok([
        card.upload(0),
        card.stream_of(Engine::Dma, 2, 0)?,
        card.stream_of(Engine::Tpc, 0, 3)?,
        card.stream_of(Engine::Mme, 0, 1)?,
    ])
}

/// Runs a program on a queue and checks what it added to the object.
#[track_caller]
fn adds(card: &Card<'_>, window: &Window<'_>, queue: u32, body: Program, sum: u32) -> CaseResult {
    window.write(OBJECT, 0)?;
    let last = Packet::new(Barriers::ALL, add(DONE));
    let job = card.job(queue, &body.packet(&last))?;
    let beside = card.nop(card.upload(1))?;
    card.finish(card.submit(&CsRequest::execute([beside.chunk(), job.chunk()]))?)?;
    let done = wait::until(PATIENCE, || Ok((window.read(OBJECT)? >= DONE).then_some(())))?;
    check(done.is_some(), &format!("queue {queue} executes its job"))?;
    equal(&format!("what queue {queue} added"), window.read(OBJECT)? - DONE, sum)?;
    window.write(OBJECT, 0)
}

fn loops(cx: &Context) -> CaseResult {
    let window = Window::new(cx)?;
    let card = Card::open(cx)?;
    for queue in queues(&card)? {
        let nested = [
            repeat(false, true),
            add(1),
            repeat(false, false),
            add(0x10),
            repeat(true, false),
            repeat(true, true),
        ];
        let program = nested.into_iter().fold(card.program(), Program::body);
        adds(&card, &window, queue, program, 0x11)?;
    }
    Ok(())
}

/// Words that are loaded, by predicate: those of these numbers are set.
const SET: [usize; 3] = [1, 5, 31];

fn predicates(cx: &Context) -> CaseResult {
    let window = Window::new(cx)?;
    let card = Card::open(cx)?;
    let pages = need("memory", Pages::new(128))?;
    for n in SET {
        pages.write(4 * n, &1u32.to_le_bytes());
    }
    // In the device: the driver's queues and the user's see it at the same address.
    let info = succeed("INFO HW_IP", card.node.hw_ip())?;
    let request = MemoryRequest::map_host(pages.pointer(0), pages.length() as u64, 0);
    let mapping = succeed("MAP of predicates", card.node.map_request(&request))?;
    let upload = card.program().copy(mapping.address(), info.sram_base_address, 128);
    card.run(&card.job(card.upload(0), &upload)?)?;

    let load =
        Body::LoadAndExe { config: load_and_exe::LOAD.put(1), source: info.sram_base_address };
    for queue in queues(&card)? {
        let mut program = card.program().body(load.clone());
        for (predicate, value) in
            [(0, 1), (1, 2), (2, 4), (5, 8), (6, 0x10), (30, 0x20), (31, 0x40)]
        {
            let packet = Packet { predicate, ..Packet::new(Barriers::NONE, add(value)) };
            program = program.packet(&packet);
        }
        adds(&card, &window, queue, program, 1 + 2 + 8 + 0x40)?;
    }
    Ok(())
}

fn senseless(cx: &Context) -> CaseResult {
    let window = Window::new(cx)?;
    let card = Card::open(cx)?;
    let execute = Body::LoadAndExe { config: load_and_exe::EXECUTE.put(1), source: 0 };
    for queue in queues(&card)? {
        for body in [repeat(true, false), repeat(false, true), execute.clone()] {
            adds(&card, &window, queue, card.program().body(body).body(add(1)), 1)?;
        }
    }
    Ok(())
}

fn scalars(cx: &Context) -> CaseResult {
    let window = Window::new(cx)?;
    let card = Card::open(cx)?;
    let [_, internal @ ..] = queues(&card)?;
    let words = card.nop(internal[0])?;
    let config = load_and_exe::LOAD.put(1) | load_and_exe::DESTINATION.put(1);
    let load = Body::LoadAndExe { config, source: words.place() };
    for queue in internal {
        adds(&card, &window, queue, card.program().body(load.clone()).body(add(1)), 1)?;
    }
    Ok(())
}
