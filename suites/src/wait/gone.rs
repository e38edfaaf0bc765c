// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Waits for submissions whose place was taken by later ones (command_submission.c:
//! hl_push_cs_outcome, hl_pop_cs_outcome; context.c: hl_ctx_get_fence_locked).

use crate::common::submit::Card;
use case::{Case, CaseResult, Context, Stop, check, equal};
use device::{CsRequest, WaitAnswer, WaitRequest};
use hw::Generation;
use uapi::accel::*;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("wait/gone/is_told", &["WAIT-CS-007"], told).budget(90),
        Case::new("wait/gone/the_record_keeps_timestamps_once", RECORD, recorded).budget(90),
        Case::new("wait/gone/the_record_has_256_places", &["WAIT-CS-008"], places).budget(90),
        Case::new("wait/gone/the_window_ends_exactly", &["WAIT-CS-007"], window).budget(90),
    ]
}

const RECORD: &[&str] = &["WAIT-CS-008", "WAIT-CS-009"];
/// Outcomes that are kept (habanalabs.h: HL_CS_OUTCOME_HISTORY_LEN).
const PLACES: u64 = 256;

/// Submissions whose state is kept (gaudiP.h, gaudi2P.h: *_MAX_PENDING_CS).
fn kept(card: &Card<'_>) -> u64 {
    match card.chip {
        Generation::Gaudi => 16 << 10,
        Generation::Gaudi2 => 64,
    }
}

/// Submits and finishes so many.
fn pass(card: &Card<'_>, count: u64) -> CaseResult<u64> {
    let job = card.nop(card.upload(0))?;
    let mut last = 0;
    for number in 1..=count {
        last = card.start(&job)?;
        if number % 32 == 0 || number == count {
            card.finish(last)?;
        }
    }
    Ok(last)
}

fn stamped(card: &Card<'_>) -> CaseResult<u64> {
    let job = card.nop(card.upload(0))?;
    let sequence = card.submit(&CsRequest::execute([job.chunk()]).timestamp())?;
    card.finish(sequence)?;
    Ok(sequence)
}

fn look(card: &Card<'_>, sequence: u64) -> WaitAnswer {
    card.node.wait(&WaitRequest::cs(sequence, 0))
}

#[track_caller]
fn completed(answer: &WaitAnswer, flags: u32) -> CaseResult {
    let at = |stop: Stop| stop.request(answer);
    equal("status", answer.status(), Ok(HL_WAIT_CS_STATUS_COMPLETED)).map_err(at)?;
    equal("flags", answer.flags, flags).map_err(at)?;
    let stamped = flags & HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD != 0;
    check((answer.timestamp_nsec != 0) == stamped, "a timestamp is there when the flag says so")
        .map_err(at)
}

fn told(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let first = pass(&card, 1)?;
    completed(&look(&card, first), 0)?;
    pass(&card, kept(&card))?;
    for _ in 0..2 {
        completed(&look(&card, first), HL_WAIT_CS_STATUS_FLAG_GONE)?;
    }
    Ok(())
}

fn recorded(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let first = stamped(&card)?;
    let answer = look(&card, first);
    completed(&answer, HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD)?;
    pass(&card, kept(&card))?;
    let later = look(&card, first);
    completed(&later, HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD)?;
    equal("timestamp of the record", later.timestamp_nsec, answer.timestamp_nsec)?;
    // The record gives each outcome once.
    completed(&look(&card, first), HL_WAIT_CS_STATUS_FLAG_GONE)
}

fn places(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let sequences = (0..PLACES + 2).map(|_| stamped(&card)).collect::<CaseResult<Vec<_>>>()?;
    pass(&card, kept(&card))?;
    for (number, sequence) in sequences.iter().enumerate() {
        let expected = match number {
            // The oldest two had to make room.
            0 | 1 => HL_WAIT_CS_STATUS_FLAG_GONE,
            _ => HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD,
        };
        completed(&look(&card, *sequence), expected).map_err(|stop| stop.request(&number))?;
    }
    Ok(())
}

fn window(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let first = stamped(&card)?;
    // The window holds as many, the first included.
    pass(&card, kept(&card) - 1)?;
    for _ in 0..3 {
        // Not from the record, which would give it once.
        completed(&look(&card, first), HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD)?;
    }
    pass(&card, 1)?;
    completed(&look(&card, first), HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD)?;
    completed(&look(&card, first), HL_WAIT_CS_STATUS_FLAG_GONE)
}
