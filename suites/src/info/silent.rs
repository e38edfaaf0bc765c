// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Firmware that answers nothing any more: what the opcodes say that ask it, and how the driver
//! finds out by itself (`firmware_if.c: hl_fw_send_cpu_message`, `device.c: hl_device_heartbeat`).
//!
//! The driver gives firmware 4 to 10 s and sends nothing more after that; the next heartbeat, at
//! most 10 s later, ends in a hard reset. Both times are the driver's and cannot be shortened.

use super::call::{Request, ask};
use super::event::whole_or_nothing;
use super::refusal::{ASKERS, Asker, LOST, opcode, request};
use super::reset;
use crate::common::buffer::{Buffer, FILLINGS};
use crate::common::files::Disabled;
use crate::common::node::Node;
use crate::common::submit::Beside;
use crate::common::wait;
use case::{Case, CaseResult, Context, check, equal, errno, fail, succeed};
use control::Request as Ask;
use nix::errno::Errno;
use std::time::{Duration, Instant};
use uapi::accel::{self, hl_info_fw_err_event};

/// The shortest time that the driver gives firmware (`gaudi.c: GAUDI_MSG_TO_CPU_TIMEOUT_USEC`,
/// `gaudi2P.h: GAUDI2_MSG_TO_CPU_TIMEOUT_USEC`; most packets get 10 s).
const PATIENCE: Duration = Duration::from_secs(4);

/// A packet that is not answered, a heartbeat after it, and a reset.
const LIMIT: Duration = Duration::from_secs(60);

/// CPUCP_PACKET_TEST, which is what a heartbeat sends (`cpucp_if.h`).
pub(in crate::info) const HEARTBEAT_PACKET: u16 = 18;

/// Sizes of requests that use firmware's pool up, from the largest to its smallest chunk
/// (`gaudi.c: gaudi_alloc_cpu_accessible_dma_mem`).
const SIZES: std::ops::RangeInclusive<u32> = 5..=20;

const HEARTBEAT_LOST: &[&str] =
    &["INFO-FW_ERR_EVENT-002", "INFO-FW_ERR_EVENT-004", "INFO-FW_ERR_EVENT-005", "ABI-018"];

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for asker in ASKERS.iter().filter(|asker| !asker.silent.is_empty()) {
        let word = opcode(asker.op).map_or("unknown", |opcode| opcode.word);
        let name = format!("info/{word}/times_out_when_the_firmware_is_silent");
        cases.push(Case::new(name, asker.silent, move |cx| silent(cx, asker)).resets(2));
    }
    cases.push(
        Case::new("info/fw_err_event/names_a_lost_heartbeat", HEARTBEAT_LOST, lost).resets(2),
    );
    cases.push(Case::new(
        "info/power/is_right_or_refused_when_the_device_is_disabled_meanwhile",
        &["INFO-POWER-006"],
        overtaken,
    ));
    cases.push(Case::new(
        "info/dram_replaced_rows/gives_enomem_when_the_pool_is_used_up",
        &["INFO-DRAM_REPLACED_ROWS-006"],
        used_up,
    ));
    cases.into_iter().map(|case| case.control_only().model().budget(90).logs(LOST)).collect()
}

/// A device CPU that is silent until the chip is reset.
struct Silence<'a> {
    cx: &'a Context,
    before: u32,
}

impl<'a> Silence<'a> {
    /// From the next packet of this opcode on.
    fn begin(cx: &'a Context, node: &Node, opcode: u16) -> CaseResult<Self> {
        let before = reset::resets(node)?;
        cx.model()?.order(Ask::HoldCpuAt { opcode })?;
        Ok(Silence { cx, before })
    }

    /// Once the chip is in reset, firmware may speak again: what it was asked before is forgotten.
    fn end(self, node: &Node) -> CaseResult {
        let Silence { cx, before } = self;
        let begun = wait::until(LIMIT, || Ok((cx.model()?.seen()?.hard_resets > 0).then_some(())))?;
        cx.model()?.order(Ask::ReleaseCpu)?;
        check(begun.is_some(), "a silent firmware ends in a hard reset")?;
        reset::begun(node, before)?;
        reset::done(node)?;
        // A second heartbeat that is lost before one was answered would be taken for a device that
        // is beyond repair; a reset for another reason is as good as an answer (`device.c:
        // handle_reset_trigger`).
        reset::start(cx)?;
        reset::begun(node, before + 1)?;
        reset::done(node)
    }
}

/// The call times out and writes nothing, the CPU is given up, the heartbeat notices.
fn silent(cx: &Context, asker: &Asker) -> CaseResult {
    let node = Node::control(cx)?;
    let mut buffer = None;
    let request = request(&node, asker, &mut buffer)?;
    let silence = Silence::begin(cx, &node, asker.packets[0])?;
    let began = Instant::now();
    let first = request.sent(&node);
    let took = began.elapsed();
    let written = buffer.as_ref().map(|buffer| buffer.read(buffer.start(), buffer.bytes()));
    let second = request.sent(&node);
    silence.end(&node)?;
    errno("INFO while the firmware is silent", first, Errno::ETIMEDOUT)
        .map_err(|stop| stop.request(&request))?;
    check(took >= PATIENCE, &format!("firmware gets some seconds to answer, not {took:?}"))?;
    let written = written.into_iter().flatten().filter(|byte| *byte != FILLINGS[0]).count();
    equal("bytes that the failed call writes", written, 0)?;
    // The CPU is given up, so nothing is sent that would have to time out again. Where the heartbeat
    // starts the reset while the call waits for its turn, it succeeds: see `overtaken`.
    check(
        matches!(second, Err(Errno::EAGAIN | Errno::EBUSY) | Ok(())),
        &format!("the next call ends at once, not with {second:?}"),
    )?;
    succeed("INFO after the reset", request.sent(&node)).map_err(|stop| stop.request(&request))
}

/// Two calls wait for firmware, one after the other, when the device is disabled: the driver sends
/// nothing for the second any more (`firmware_if.c: hl_fw_send_cpu_message`).
fn overtaken(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let expected = cx.model()?.personality()?.power_mw.to_le_bytes().to_vec();
    let buffers = [Buffer::new(expected.len())?, Buffer::new(expected.len())?];
    let size = expected.len() as u32;
    let calls = buffers.each_ref().map(|b| Request::new(accel::HL_INFO_POWER, b.start(), size));
    cx.model()?.order(Ask::HoldCpu)?;
    let answers = std::thread::scope(|scope| -> CaseResult<_> {
        let node = &node;
        let mut waiting = Vec::new();
        for call in calls {
            waiting.push(Beside::start(scope, move || call.sent(node))?);
            waiting.iter().try_for_each(Beside::asleep)?;
        }
        let off = Disabled::new(cx);
        cx.model()?.order(Ask::ReleaseCpu)?;
        let answers: CaseResult<Vec<_>> = waiting.into_iter().map(Beside::join).collect();
        off?;
        answers
    })?;
    for ((answer, buffer), call) in answers.iter().zip(&buffers).zip(calls) {
        match answer {
            Ok(()) => equal("power", buffer.read(buffer.start(), expected.len()), expected.clone()),
            refused => errno("INFO of a device that is disabled", *refused, Errno::EBUSY),
        }
        .map_err(|stop| stop.request(&call))?;
    }
    Ok(())
}

/// Nobody asks anything: the heartbeat alone finds out, and says so.
fn lost(cx: &Context) -> CaseResult {
    // An open clears what earlier sessions captured.
    drop(Node::try_compute(cx));
    let node = Node::control(cx)?;
    Silence::begin(cx, &node, HEARTBEAT_PACKET)?.end(&node)?;
    let event: hl_info_fw_err_event = ask(&node)?;
    equal("err_type", u32::from(event.err_type), accel::HL_INFO_FW_HEARTBEAT_ERR)?;
    equal("event_id", event.event_id, 0)?;
    whole_or_nothing(&node, accel::HL_INFO_FW_ERR_EVENT)
}

/// Waits until a heartbeat was answered: the next one is 10 s away.
pub(in crate::info) fn after_a_heartbeat(cx: &Context) -> CaseResult {
    let count = || -> CaseResult<u64> { Ok(cx.model()?.seen()?.answered(HEARTBEAT_PACKET)) };
    let before = count()?;
    match wait::until(LIMIT, || Ok((count()? > before).then_some(())))? {
        Some(()) => Ok(()),
        None => fail(format!("no heartbeat within {LIMIT:?}")),
    }
}

/// Requests that firmware does not answer yet keep their buffers; when nothing of the pool is left,
/// other requests fail and the ones that wait are none the worse.
fn used_up(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let rows = Buffer::new(8)?;
    let request = Request::new(accel::HL_INFO_DRAM_REPLACED_ROWS, rows.start(), 8);
    let room = Buffer::new(1 << SIZES.end())?;
    let place = room.start();
    // A heartbeat without a packet would end in a reset.
    after_a_heartbeat(cx)?;
    cx.model()?.order(Ask::HoldCpu)?;
    let node = &node;
    let (seen, waiting) = std::thread::scope(|scope| -> CaseResult<_> {
        let mut waiting = Vec::new();
        for exponent in SIZES.rev() {
            loop {
                let ask = Request::new(accel::HL_INFO_FW_GENERIC_REQ, place, 1 << exponent);
                let beside = Beside::start(scope, move || ask.sent(node))?;
                beside.asleep()?;
                if beside.is_done() {
                    errno("FW_GENERIC_REQ", beside.join()?, Errno::ENOMEM)
                        .map_err(|stop| stop.request(&ask))?;
                    break;
                }
                waiting.push(beside);
            }
        }
        let seen = errno("DRAM_REPLACED_ROWS", request.sent(node), Errno::ENOMEM);
        cx.model()?.order(Ask::ReleaseCpu)?;
        let results: CaseResult<Vec<_>> = waiting.into_iter().map(Beside::join).collect();
        Ok((seen, results?))
    })?;
    seen?;
    equal("the first byte of the rows", rows.read(rows.start(), 1), vec![FILLINGS[0]])?;
    check(!waiting.is_empty(), "some requests fit into the pool")?;
    for result in waiting {
        succeed("FW_GENERIC_REQ that waited", result)?;
    }
    succeed("DRAM_REPLACED_ROWS afterwards", request.sent(node))
}
