// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! UNDEFINED_OPCODE_EVENT after an engine met a packet that is none, in the command processor of a
//! stream and in the lower one that the streams share
//! (`gaudi.c: gaudi_handle_qman_err_generic`, `handle_qman_data_on_err`).
//!
//! On Gaudi nothing is injected: a user submits the bytes, the queue manager stops and reports. It
//! stays stopped, so that the close finds a device that is not idle and resets it. On Gaudi2 the
//! driver says nothing of how CP_DMA reaches the lower processor (no `CP_LDMA_*_OFFSET`), so its
//! registers and the event are injected there.

use super::captured::poke;
use super::{appears, id, now, raise};
use crate::common::node::Node;
use crate::common::submit::{Card, Job};
use crate::info::call::ask;
use crate::info::reset;
use case::{Case, CaseResult, Context, check, equal, succeed};
use control::{Asics, FindingKind};
use device::CsRequest;
use hw::packet::Body;
use hw::qman;
use hw::queue::Engine;
use uapi::accel::{self, hl_info_undefined_opcode_event};

/// Bytes that are no packet: the opcode field is all ones (`gaudi_packets.h`).
const NO_PACKET: [u8; 16] = [0xff; 16];

/// The stream that is used, and what stands for the lower command processor (`QMAN_STREAMS`).
const STREAM: u8 = 1;
pub(super) const LOWER: u32 = 4;

/// What the driver says.
const LOG: &[&str] = &["H/W interrupt", "err cause", "device is not idle"];

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new(
            "info/undefined_opcode_event/names_the_stream",
            &["INFO-UNDEFINED_OPCODE_EVENT-007"],
            |cx| stopped(cx, false),
        ),
        Case::new(
            "info/undefined_opcode_event/names_the_lower_command_processor",
            &["INFO-UNDEFINED_OPCODE_EVENT-008"],
            |cx| stopped(cx, true),
        ),
    ];
    let declare = |case: Case| case.on(Asics::GAUDI).finds(&[FindingKind::BadPacket]).logs(LOG);
    let mut cases: Vec<Case> = cases.into_iter().map(declare).collect();
    let name = "info/undefined_opcode_event/describes_the_lower_command_processor";
    let reported = Case::new(name, &["INFO-UNDEFINED_OPCODE_EVENT-008"], reported);
    cases.push(reported.on(Asics::GAUDI2).logs(LOG));
    cases.into_iter().map(|case| case.resets(1).budget(90)).collect()
}

/// A tensor core is given bytes that are no packet, directly or through its lower processor.
fn stopped(cx: &Context, lower: bool) -> CaseResult {
    let control = Node::control(cx)?;
    let resets = reset::resets(&control)?;
    let card = Card::open(cx)?;
    let queue = card.stream_of(Engine::Tpc, 0, STREAM)?;
    let began = now()?;
    let seen = {
        let bad = card.job(queue, &card.program().raw(&NO_PACKET))?;
        let feeder = Body::CpDma { source: bad.place(), size: bad.size() };
        let feeder = card.job(queue, &card.program().body(feeder))?;
        let submitted = if lower { &feeder } else { &bad };
        let companion = card.nop(card.upload(1))?;
        let chunks = [submitted.chunk(), companion.chunk()];
        let sequence = card.submit(&CsRequest::execute(chunks))?;
        card.finish(sequence)?;
        // The driver tells when it has captured everything.
        let told = appears("the notification of it", || {
            let events = succeed("GET_EVENTS", card.node.take_events())?;
            Ok((events & accel::HL_NOTIFIER_EVENT_UNDEFINED_OPCODE != 0).then_some(()))
        });
        told.and_then(|()| {
            let event: hl_info_undefined_opcode_event = ask(&control)?;
            described(&event, submitted, &bad, lower, began)
        })
    };
    let Card { node, .. } = card;
    succeed("close", node.close())?;
    reset::begun(&control, resets)?;
    reset::done(&control)?;
    seen
}

/// The queue manager of the first tensor core of Gaudi2, from CFG base
/// (`gaudi2_blocks_linux_driver.h: mmDCORE0_TPC0_QM_BASE`).
pub(super) const TPC0_QUEUE: u64 = 0x400_a000;

/// The registers say that the lower processor met it; the driver captures that and resets.
fn reported(cx: &Context) -> CaseResult {
    const BUFFER: (u64, u32) = (0x0fff_1234_5678_9ab8, 0x1230);
    // An open lets the next one be captured.
    drop(Node::compute(cx)?);
    let control = Node::control(cx)?;
    let resets = reset::resets(&control)?;
    let began = now()?;
    let [low, high, size] = qman::GAUDI2.cq_status;
    let registers = [
        (low, BUFFER.0 as u32),
        (high, (BUFFER.0 >> 32) as u32),
        (size, BUFFER.1),
        (qman::GAUDI2.errors, qman::error::UNDEFINED),
    ];
    for (register, value) in registers {
        poke(cx, TPC0_QUEUE + u64::from(register + 4 * LOWER), value)?;
    }
    raise(cx, &control, id::GAUDI2_TPC0_QUEUE)?;
    let event = appears("a captured packet", || {
        let event: hl_info_undefined_opcode_event = ask(&control)?;
        Ok((event.timestamp != 0).then_some(event))
    })?;
    let bracket = began..=now()?;
    reset::begun(&control, resets)?;
    reset::done(&control)?;
    check(bracket.contains(&event.timestamp), &format!("{} is in {bracket:?}", event.timestamp))?;
    equal("engine_id", event.engine_id, accel::GAUDI2_DCORE0_ENGINE_ID_TPC_0)?;
    equal("stream_id", event.stream_id, LOWER)?;
    equal("cq_addr, cq_size", (event.cq_addr, event.cq_size), BUFFER)?;
    equal("cb_addr_streams_len", event.cb_addr_streams_len, 0)
}

fn described(
    event: &hl_info_undefined_opcode_event,
    submitted: &Job<'_>,
    bad: &Job<'_>,
    lower: bool,
    began: i64,
) -> CaseResult {
    let bracket = began..=now()?;
    check(bracket.contains(&event.timestamp), &format!("{} is in {bracket:?}", event.timestamp))?;
    equal("engine_id", event.engine_id, accel::GAUDI_ENGINE_ID_TPC_0)?;
    let stream = if lower { LOWER } else { u32::from(STREAM) };
    equal("stream_id", event.stream_id, stream)?;
    equal("cq_addr, cq_size", (event.cq_addr, event.cq_size), (bad.place(), bad.size()))?;
    // One stream, or all of them, as anyone may have fed the lower processor.
    let (streams, place) = if lower { (4, usize::from(STREAM)) } else { (1, 0) };
    equal("cb_addr_streams_len", event.cb_addr_streams_len, streams)?;
    equal("the last buffer of the stream", event.cb_addr_streams[place][0], submitted.place())
}
