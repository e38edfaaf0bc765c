// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The layout of the interface as the running kernel has it: numbers, how many bytes it reads of
//! each argument, how many it writes of each answer. (What headers say is compared in `bindings`.)
//!
//! Answers that there are only after an event are measured where the events are
//! (`info/*_event/*`). Not covered: 32-bit programs.

use crate::common::buffer::{Buffer, FILLINGS};
use crate::common::node::Node;
use crate::info::call::{Request, ask_bytes};
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use device::cs::Forged;
use device::{CsRequest, DebugRequest, Errno, Pages};
use uapi::accel::*;

/// An ioctl: number, rows of its number and of the size of its argument.
struct Call {
    name: &'static str,
    number: u32,
    wanted: u32,
    size: usize,
    rows: &'static [&'static str],
}

const CALLS: &[Call] = &[
    Call {
        name: "info",
        number: DRM_IOCTL_HL_INFO,
        wanted: 0xc018_6440,
        size: size_of::<hl_info_args>(),
        rows: &["ABI-001", "ABI-022"],
    },
    Call {
        name: "cb",
        number: DRM_IOCTL_HL_CB,
        wanted: 0xc018_6441,
        size: size_of::<hl_cb_args>(),
        rows: &["ABI-002", "ABI-023"],
    },
    Call {
        name: "cs",
        number: DRM_IOCTL_HL_CS,
        wanted: 0xc030_6442,
        size: size_of::<hl_cs_args>(),
        rows: &["ABI-003", "ABI-024"],
    },
    Call {
        name: "wait_cs",
        number: DRM_IOCTL_HL_WAIT_CS,
        wanted: 0xc038_6443,
        size: size_of::<hl_wait_cs_args>(),
        rows: &["ABI-005", "ABI-025"],
    },
    Call {
        name: "memory",
        number: DRM_IOCTL_HL_MEMORY,
        wanted: 0xc028_6444,
        size: size_of::<hl_mem_args>(),
        rows: &["ABI-006", "ABI-026"],
    },
    Call {
        name: "debug",
        number: DRM_IOCTL_HL_DEBUG,
        wanted: 0xc028_6445,
        size: size_of::<hl_debug_args>(),
        rows: &["ABI-007", "ABI-027"],
    },
];

/// An answer of INFO: opcode, bytes, rows.
struct Answer {
    name: &'static str,
    op: u32,
    size: usize,
    /// In the header of 6.1.
    old: Option<usize>,
    rows: &'static [&'static str],
}

const ANSWERS: &[Answer] = &[
    answer("hw_ip_info", HL_INFO_HW_IP_INFO, 304, Some(256), &["ABI-008", "ABI-028"]),
    answer("hw_idle", HL_INFO_HW_IDLE, 40, Some(24), &["ABI-009", "ABI-028"]),
    answer("time_sync", HL_INFO_TIME_SYNC, 24, None, &["ABI-010"]),
    answer("secured_attestation", HL_INFO_SECURED_ATTESTATION, 3592, Some(3592), &["ABI-012"]),
    answer("undefined_opcode_event", HL_INFO_UNDEFINED_OPCODE_EVENT, 288, Some(288), &["ABI-013"]),
    answer("dev_signed", HL_INFO_DEV_SIGNED, 7944, None, &["ABI-014"]),
];

const fn answer(
    name: &'static str,
    op: u32,
    size: usize,
    old: Option<usize>,
    rows: &'static [&'static str],
) -> Answer {
    Answer { name, op, size, old, rows }
}

/// Room for any answer.
const ROOM: usize = 16 << 10;

/// What the driver says to arguments that are all ones.
const LOG: &[&str] = &["Invalid", "Unknown", "invalid", "CS", "padding", "pad", "chunk"];

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let mut cases =
        vec![Case::new("abi/debug/reads_its_structures", &["ABI-020", "ABI-021"], debug).logs(&[
            "failed to copy input debug data",
            "SPMU",
            "event",
            "debug coresight",
        ])];
    cases.push(Case::new("abi/cs_chunk/has_its_size", &["ABI-004"], chunk).logs(LOG));
    cases.extend(CALLS.iter().map(|call| {
        let name = format!("abi/{}/reads_exactly_its_argument", call.name);
        Case::new(name, call.rows, |cx| reads(cx, call)).logs(LOG)
    }));
    cases.extend(ANSWERS.iter().map(|answer| {
        let name = format!("abi/{}/has_its_size", answer.name);
        let case = Case::new(name, answer.rows, |cx| has_size(cx, answer)).control_only();
        // Other firmware than the model's may not sign anything.
        let signed = [HL_INFO_SECURED_ATTESTATION, HL_INFO_DEV_SIGNED].contains(&answer.op);
        if signed { case.model() } else { case }
    }));
    cases
}

/// The argument ends where the memory ends; one byte less is a fault.
fn reads(cx: &Context, call: &Call) -> CaseResult {
    equal("number", call.number, call.wanted)?;
    equal("size in the number", (call.number >> 16 & 0x3fff) as usize, call.size)?;
    let node = Node::compute(cx)?;
    let mut buffer = Buffer::new(call.size)?;
    buffer.fill(0xff);
    let result = node.ioctl(call.number, buffer.before_end(call.size));
    // Which errno is a matter of each call; that it was looked at is what counts here.
    let looked_at = matches!(result, Err(refused) if refused != Errno::EFAULT);
    check(looked_at, &format!("an argument of all ones is read and refused, not {result:?}"))?;
    for missing in [1, call.size - 1, call.size] {
        let address = buffer.forbidden() - (call.size - missing) as u64;
        let what = format!("an argument without its last {missing} bytes");
        errno(&what, node.ioctl(call.number, address), Errno::EFAULT)?;
    }
    Ok(())
}

fn has_size(cx: &Context, answer: &Answer) -> CaseResult {
    let node = Node::control(cx)?;
    let mut written = 0;
    for filling in FILLINGS {
        let mut buffer = Buffer::new(ROOM)?;
        buffer.fill(filling);
        let request = Request::new(answer.op, buffer.start(), ROOM as u32);
        succeed(answer.name, request.sent(&node))?;
        let bytes = buffer.read(buffer.start(), ROOM);
        let last = bytes.iter().rposition(|byte| *byte != filling);
        written = written.max(last.map_or(0, |last| last + 1));
    }
    equal("bytes written", written, answer.size)?;
    if let Some(old) = answer.old {
        let whole = ask_bytes(&node, answer.op, answer.size)?;
        let prefix = ask_bytes(&node, answer.op, old)?;
        check(whole.starts_with(&prefix), "an older program gets the start of the answer")?;
    }
    Ok(())
}

/// Chunks of submissions: so many bytes of each are read, and the next begins behind them.
fn chunk(cx: &Context) -> CaseResult {
    const SIZE: usize = 64;
    equal("size in the header", size_of::<hl_cs_chunk>(), SIZE)?;
    let node = crate::common::typed::compute(cx)?;
    let mut buffer = Buffer::new(4096)?;
    // A queue that is not there: the chunk is refused after it was read.
    buffer.fill(0xff);
    for count in [1, 2, 7] {
        let whole = buffer.before_end(count * SIZE);
        for (place, expected) in [(whole, Errno::EINVAL), (whole + 1, Errno::EFAULT)] {
            let forged = Forged {
                execute_address: Some(place),
                execute_count: Some(count as u32),
                ..Forged::default()
            };
            let request = CsRequest::execute(Vec::new()).forged(forged);
            errno(&format!("CS of {count} chunks"), node.submit(&request), expected)
                .map_err(|stop| stop.request(&request))?;
        }
    }
    Ok(())
}

fn debug(cx: &Context) -> CaseResult {
    let node = crate::common::typed::compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = Pages::new(4096).map_err(|why| Stop::Broken(why.to_string()))?;
    for (op, size) in [(HL_DEBUG_OP_BMON, 80), (HL_DEBUG_OP_SPMU, 96)] {
        let request = DebugRequest { input_size: u32::MAX, ..DebugRequest::new(op, 0, true) };
        let fits = DebugRequest { input: pages.last(size).address(), ..request };
        let result = node.debug(&fits);
        check(result != Err(Errno::EFAULT), "the structure is not longer")
            .map_err(|stop| stop.request(&fits))?;
        let short = DebugRequest { input: pages.last(size - 1).address(), ..request };
        errno("DEBUG", node.debug(&short), Errno::EFAULT).map_err(|stop| stop.request(&short))?;
    }
    drop(mode);
    Ok(())
}
