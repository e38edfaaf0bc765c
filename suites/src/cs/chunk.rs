// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The array of chunks (command_submission.c: hl_cs_copy_chunk_array).

use crate::common::submit::{Card, Counters, Rejection};
use case::{Case, CaseResult, Context, equal};
use device::cs::Forged;
use device::{CsRequest, Errno, Pointer};
use uapi::accel::{HL_CS_FLAGS_SIGNAL, HL_MAX_JOBS_PER_CS};

/// Addresses that the kernel cannot read.
const UNREADABLE: [Pointer; 4] =
    [Pointer::NULL, Pointer::UNMAPPED, Pointer::KERNEL, Pointer::LAST_PAGE];

pub(super) fn cases() -> Vec<Case> {
    let bad = &["CS-CHUNK-003", "CS-CHUNK-004"];
    vec![
        Case::new("cs/chunk/accepts_the_maximum", &["CS-CHUNK-002"], maximum).budget(30),
        Case::new("cs/chunk/rejects_more_than_the_maximum", &["CS-CHUNK-001"], too_many)
            .logs(&["Number of chunks can NOT be larger"]),
        Case::new("cs/chunk/rejects_unreadable_arrays", bad, unreadable)
            .logs(&["Failed to copy cs chunk array"]),
        Case::new("cs/chunk/ignores_padding", &["CS-CHUNK-005"], padding),
    ]
}

fn maximum(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let chunks = vec![job.chunk(); HL_MAX_JOBS_PER_CS as usize];
    let before = Counters::read(&card.node)?;
    // Twice as many as a queue has entries, so that every index is used and wraps.
    for _ in 0..17 {
        let sequence = card.submit(&CsRequest::execute(chunks.clone()))?;
        card.finish(sequence)?;
    }
    before.grew(&card.node, None, 0)
}

fn too_many(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let chunks = vec![job.chunk(); HL_MAX_JOBS_PER_CS as usize + 1];
    card.rejects(&CsRequest::execute(chunks), Rejection::invalid(Errno::EINVAL))?;
    for count in [HL_MAX_JOBS_PER_CS + 1, 0x0400_0000, 0x8000_0000, u32::MAX] {
        let forged = Forged { execute_count: Some(count), ..Forged::default() };
        let request = CsRequest::execute([job.chunk()]).forged(forged);
        card.rejects(&request, Rejection::invalid(Errno::EINVAL))?;
    }
    card.run(&job).map(drop)
}

fn unreadable(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    for pointer in UNREADABLE {
        let forged = Forged { execute_address: Some(pointer.address()), ..Forged::default() };
        let request = CsRequest::execute([job.chunk()]).forged(forged);
        card.rejects(&request, Rejection::invalid(Errno::EFAULT))?;
        if card.synchronises(card.upload(0)) {
            let request = CsRequest::signal(card.upload(0)).forged(forged);
            equal("flags", request.flags, HL_CS_FLAGS_SIGNAL)?;
            card.rejects(&request, Rejection::invalid(Errno::EFAULT))?;
        }
    }
    card.run(&job).map(drop)
}

fn padding(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    for word in 0..10 {
        let mut chunk = job.chunk();
        chunk.pad[word] = u32::MAX;
        let sequence = card.submit(&CsRequest::execute([chunk]))?;
        card.finish(sequence)?;
    }
    Ok(())
}
