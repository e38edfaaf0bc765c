// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What is refused before anything is looked at, and what is not looked at at all
//! (command_submission.c: hl_cs_sanity_checks).

use crate::common::files::Disabled;
use crate::common::submit::{Card, Counters, Rejection};
use case::{Case, CaseResult, Context, Stop, check, equal};
use control::Asics;
use device::cs::Forged;
use device::{Chunk, CsRequest, Errno};
use uapi::accel::*;

/// Flags that each name a type of submission.
const TYPES: &[(&str, u32)] = &[
    ("signal", HL_CS_FLAGS_SIGNAL),
    ("wait", HL_CS_FLAGS_WAIT),
    ("collective_wait", HL_CS_FLAGS_COLLECTIVE_WAIT),
    ("reserve", HL_CS_FLAGS_RESERVE_SIGNALS_ONLY),
    ("unreserve", HL_CS_FLAGS_UNRESERVE_SIGNALS_ONLY),
    ("engine_cores", HL_CS_FLAGS_ENGINE_CORE_COMMAND),
    ("engines", HL_CS_FLAGS_ENGINES_COMMAND),
    ("flush", HL_CS_FLAGS_FLUSH_PCI_HBW_WRITES),
];

/// Bits that no flag has.
const UNKNOWN: [u32; 3] = [0x10, 0x2_0000, 0x8000_0000];

pub(super) fn cases() -> Vec<Case> {
    let two = &["CS-SAN-004", "CS-SAN-005", "CS-SAN-006", "CS-SAN-007", "CS-SAN-008"];
    let one_chunk = &["CS-SAN-011"];
    vec![
        Case::new("cs/refuse/rejects_padding", &["CS-SAN-001", "CS-SAN-014"], padding),
        Case::new("cs/refuse/is_refused_while_the_device_is_disabled", &["CS-SAN-002"], disabled),
        Case::new("cs/refuse/rejects_every_pair_of_types", two, pairs)
            .logs(&["CS type flags are mutually exclusive"]),
        Case::new("cs/refuse/rejects_no_chunks", &["CS-SAN-010"], no_chunks)
            .logs(&["Got execute CS with 0 chunks"]),
        Case::new("cs/refuse/sync_types_take_exactly_one_chunk", one_chunk, one)
            .logs(&["Sync stream CS mandates one chunk only"]),
        Case::new("cs/refuse/rejects_stages_where_unsupported", &["CS-SAN-003"], no_stages)
            .on(Asics::GAUDI2)
            .logs(&["staged submission not supported"]),
        Case::new("cs/refuse/ignores_unknown_flags", &["CS-SAN-012"], unknown_flags),
        Case::new("cs/refuse/ignores_the_context", &["CS-SAN-013"], context),
    ]
}

fn padding(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    for byte in 0..4 {
        let mut request = CsRequest::execute([job.chunk()]);
        request.pad[byte] = 1;
        card.rejects(&request, Rejection::new(Errno::EINVAL))?;
    }
    card.run(&job).map(drop)
}

fn disabled(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let off = Disabled::new(cx)?;
    let mut requests = vec![CsRequest::execute([job.chunk()]), CsRequest::signal(card.upload(0))];
    for (_, flag) in TYPES {
        requests.push(CsRequest::execute([job.chunk()]).flags(*flag));
    }
    for request in &requests {
        let answer = card.node.cs(request);
        case::errno("CS", answer.result, Errno::EBUSY).map_err(|stop| stop.request(request))?;
        equal("sequence number", answer.sequence, u64::MAX)?;
    }
    drop(off);
    card.run(&job).map(drop)
}

fn pairs(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    for (index, (_, first)) in TYPES.iter().enumerate() {
        for (_, second) in &TYPES[..index] {
            let request = CsRequest::execute([job.chunk()]).flags(first | second);
            card.rejects(&request, Rejection::new(Errno::EINVAL))?;
        }
    }
    let all = TYPES.iter().fold(0, |all, (_, flag)| all | flag);
    let request = CsRequest::execute([job.chunk()]).flags(all);
    card.rejects(&request, Rejection::new(Errno::EINVAL))?;
    card.run(&job).map(drop)
}

fn no_chunks(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    card.rejects(&CsRequest::execute([]), Rejection::new(Errno::EINVAL))?;
    let job = card.nop(card.upload(0))?;
    let forged = Forged { execute_count: Some(0), ..Forged::default() };
    let request = CsRequest::execute([job.chunk()]).forged(forged);
    card.rejects(&request, Rejection::new(Errno::EINVAL))?;
    card.run(&job).map(drop)
}

fn one(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    for (_, flag) in &TYPES[..3] {
        for count in [0, 2, 513] {
            let chunks = vec![Chunk::signal(queue); count];
            let request = CsRequest::execute(chunks).flags(*flag);
            card.rejects(&request, Rejection::new(Errno::EINVAL))?;
        }
    }
    card.still_runs(queue)
}

fn no_stages(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    for request in [
        CsRequest::first_stage([job.chunk()]),
        CsRequest::next_stage([job.chunk()], 1),
        CsRequest::last_stage([job.chunk()], 1),
    ] {
        card.rejects(&request, Rejection::new(Errno::EPERM))?;
    }
    card.run(&job).map(drop)
}

fn unknown_flags(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let before = Counters::read(&card.node)?;
    for flags in UNKNOWN {
        let request = CsRequest::execute([job.chunk()]).flags(flags);
        let sequence = card.submit(&request)?;
        card.finish(sequence)?;
    }
    before.grew(&card.node, None, 0)
}

fn context(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let mut last = 0;
    for id in [1, 0x7fff_ffff, u32::MAX] {
        let mut request = CsRequest::execute([job.chunk()]);
        request.ctx_id = id;
        let at = |stop: Stop| stop.request(&request);
        let sequence = card.submit(&request)?;
        check(sequence > last, "sequence numbers increase").map_err(at)?;
        card.finish(sequence)?;
        last = sequence;
    }
    Ok(())
}
