// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Staged submissions: parts with one sequence number and one completion (command_submission.c:
//! cs_staged_submission; hw_queue.c: hl_hw_queue_schedule_cs). Gaudi only.

use crate::common::submit::{Card, Counters, Dropped, Listings, Rejection, operational};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use control::Asics;
use device::{CsRequest, Errno};
use hw::queue::Engine;
use uapi::accel::HL_CS_FLAGS_STAGED_SUBMISSION_LAST;

pub(super) fn cases() -> Vec<Case> {
    let refused = &["Cannot find staged submission", "already submitted", "Failed to submit CS"];
    let cases = vec![
        Case::new("cs/stage/parts_share_a_number_and_an_end", &["CS-STAGED-001"], parts),
        Case::new("cs/stage/one_part_may_be_first_and_last", &["CS-STAGED-001"], single),
        Case::new("cs/stage/rejects_parts_of_unknown_submissions", &["CS-STAGED-002"], unknown)
            .logs(refused),
        Case::new("cs/stage/rejects_parts_after_the_last", &["CS-STAGED-003"], late).logs(refused),
        Case::new("cs/stage/middle_parts_may_have_internal_jobs_only", INTERNAL, internal),
        Case::new("cs/stage/several_submissions_interleave", &["CS-STAGED-001"], interleaved),
        Case::new("cs/stage/without_a_last_part_the_window_fills", &["CS-STAGED-005"], endless)
            .resets(1)
            .budget(120)
            .logs(&["deadlock due to lack of resources", "Killing CS", "device still in use"]),
    ];
    cases.into_iter().map(|case| case.on(Asics::GAUDI)).collect()
}

const INTERNAL: &[&str] = &["CS-STAGED-004"];

fn parts(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let jobs = [card.nop(card.upload(0))?, card.nop(card.download(0))?];
    let listings = Listings::read(cx)?;
    let before = Counters::read(&card.node)?;
    for _ in 0..5 {
        let sequence = card.submit(&CsRequest::first_stage([jobs[0].chunk()]))?;
        for _ in 0..3 {
            let next = CsRequest::next_stage([jobs[1].chunk(), jobs[0].chunk()], sequence);
            equal("sequence number of a part", card.submit(&next)?, sequence)?;
            card.still_runs(card.upload(0))?;
            card.is_busy(sequence)?;
        }
        let last = CsRequest::last_stage([jobs[0].chunk()], sequence);
        equal("sequence number of the last part", card.submit(&last)?, sequence)?;
        card.finish(sequence)?;
    }
    before.grew(&card.node, None, 0)?;
    listings.are_back(cx)
}

fn single(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    for expected in 1..4 {
        let request =
            CsRequest::first_stage([job.chunk()]).flags(HL_CS_FLAGS_STAGED_SUBMISSION_LAST);
        equal("sequence number", card.submit(&request)?, expected)?;
        card.finish(expected)?;
    }
    Ok(())
}

fn unknown(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let plain = card.run(&job)?;
    for sequence in [0, plain, plain + 100, u64::MAX] {
        for request in [
            CsRequest::next_stage([job.chunk()], sequence),
            CsRequest::last_stage([job.chunk()], sequence),
        ] {
            card.rejects(&request, Rejection::new(Errno::EINVAL))?;
        }
    }
    card.run(&job).map(drop)
}

fn late(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let sequence = card.submit(&CsRequest::first_stage([job.chunk()]))?;
    // While it runs, another one ends; that does not end the first.
    let other = card.submit(&CsRequest::first_stage([job.chunk()]))?;
    card.submit(&CsRequest::last_stage([job.chunk()], other))?;
    card.finish(other)?;
    card.submit(&CsRequest::next_stage([job.chunk()], sequence))?;
    card.submit(&CsRequest::last_stage([job.chunk()], sequence))?;
    card.finish(sequence)?;
    for sequence in [sequence, other] {
        let request = CsRequest::next_stage([job.chunk()], sequence);
        card.rejects(&request, Rejection::new(Errno::EINVAL))?;
    }
    card.run(&job).map(drop)
}

fn internal(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let external = card.nop(card.upload(0))?;
    let internal = card.nop(card.stream_of(Engine::Dma, 3, 2)?)?;
    let sequence = card.submit(&CsRequest::first_stage([internal.chunk()]))?;
    card.submit(&CsRequest::next_stage([internal.chunk(), internal.chunk()], sequence))?;
    // The last one needs a completion.
    let alone = CsRequest::last_stage([internal.chunk()], sequence);
    card.rejects(&alone, Rejection::invalid(Errno::EINVAL))?;
    let last = CsRequest::last_stage([internal.chunk(), external.chunk()], sequence);
    card.submit(&last)?;
    card.finish(sequence)?;
    card.idle()
}

fn interleaved(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(1))?;
    let first = CsRequest::first_stage([job.chunk()]);
    let mut open: Vec<u64> = (0..8).map(|_| card.submit(&first)).collect::<CaseResult<_>>()?;
    for sequence in &open {
        card.submit(&CsRequest::next_stage([job.chunk()], *sequence))?;
    }
    // The youngest ends first.
    while let Some(sequence) = open.pop() {
        card.submit(&CsRequest::last_stage([job.chunk()], sequence))?;
        card.finish(sequence)?;
        open.iter().try_for_each(|sequence| card.is_busy(*sequence))?;
    }
    Ok(())
}

/// Submissions that a context may have open (gaudiP.h: GAUDI_MAX_PENDING_CS).
const WINDOW: u64 = 16 << 10;

fn endless(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let sequence = card.submit(&CsRequest::first_stage([job.chunk()]))?;
    for number in 1..WINDOW {
        let last = card.start(&job)?;
        if number % 256 == 0 {
            card.finish(last)?;
        }
    }
    let before = Counters::read(&card.node)?;
    let next = CsRequest::next_stage([job.chunk()], sequence);
    errno("CS without room for its end", card.node.submit(&next), Errno::EAGAIN)?;
    before.grew(&card.node, Some(Dropped::InFlight), 1)?;
    card.is_busy(sequence)?;
    drop(job);
    let Card { node, .. } = card;
    // The context has work that cannot end, so its close resets the device.
    succeed("close", node.close())?;
    operational(cx)?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}
