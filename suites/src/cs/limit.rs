// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Limits: which mixes of queues are refused, full queues, submissions in flight
//! (command_submission.c: cs_ioctl_default, allocate_cs; hw_queue.c: *_queue_sanity_checks).

use crate::common::submit::{Card, Counters, Dropped, Held, Rejection};
use case::{Case, CaseResult, Context, check, equal, errno};
use control::{Asic, Asics};
use device::{CsRequest, Errno};
use hw::Generation;
use hw::queue::Engine;

pub(super) fn cases() -> Vec<Case> {
    let alone = &["Reject CS", "contains only internal queues"];
    vec![
        Case::new("cs/limit/rejects_jobs_that_nobody_completes", &["CS-MIX-001"], internal_only)
            .on(Asics::GAUDI)
            .logs(alone),
        Case::new("cs/limit/takes_internal_jobs_with_an_external_one", &["CS-MIX-002"], mixed)
            .on(Asics::GAUDI),
        Case::new("cs/limit/a_full_queue_refuses_for_now", FULL, full).model().budget(60),
        Case::new("cs/limit/a_full_internal_queue_refuses_for_now", &["CS-MIX-004"], full_internal)
            .on(Asics::GAUDI)
            .model()
            .budget(60),
        Case::new("cs/limit/refusals_keep_no_room_in_queues", &["CS-MIX-005"], room)
            .on(Asics::GAUDI)
            .model()
            .budget(60),
        Case::new(
            "cs/limit/takes_64_in_flight",
            &["CS-MIX-006", "INFO-CS_COUNTERS-009"],
            in_flight,
        )
        .on(Asics::GAUDI2)
        .model(),
        Case::new(
            "cs/limit/takes_16384_in_flight",
            &["CS-MIX-007", "INFO-CS_COUNTERS-009"],
            many_in_flight,
        )
        .on(Asics::GAUDI)
        .model()
        .budget(90),
        Case::new("cs/limit/completion_queues_wrap", &["CS-OK-001"], wrap)
            .rows_on(Asic::Gaudi, &["CS-MIX-005"])
            .budget(60),
    ]
}

const FULL: &[&str] = &["CS-MIX-003", "CS-SAN-015", "INFO-CS_COUNTERS-008"];

/// Entries of a queue of the driver (habanalabs.h: HL_QUEUE_LENGTH).
const LENGTH: usize = 4096;
/// Jobs of one submission (HL_MAX_JOBS_PER_CS).
const JOBS: usize = 512;

fn internal_only(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let jobs = [
        card.nop(card.stream_of(Engine::Dma, 5, 0)?)?,
        card.nop(card.stream_of(Engine::Tpc, 0, 3)?)?,
    ];
    for count in 1..=jobs.len() {
        let chunks: Vec<_> = jobs[..count].iter().map(|job| job.chunk()).collect();
        card.rejects(&CsRequest::execute(chunks), Rejection::invalid(Errno::EINVAL))?;
    }
    card.still_runs(card.upload(0))
}

fn mixed(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let external = card.nop(card.upload(0))?;
    let internal = card.nop(card.stream_of(Engine::Mme, 0, 1)?)?;
    for chunks in [
        vec![external.chunk(), internal.chunk()],
        vec![internal.chunk(), external.chunk()],
        vec![internal.chunk(), external.chunk(), internal.chunk(), external.chunk()],
    ] {
        let sequence = card.submit(&CsRequest::execute(chunks))?;
        card.finish(sequence)?;
        card.idle()?;
    }
    Ok(())
}

/// Entries of a queue that users never get: the driver of Gaudi2 does not count the job of its own
/// queue test as done (`gaudi2.c: gaudi2_test_queue_send_msg_short`).
fn lost(card: &Card<'_>) -> usize {
    match card.chip {
        Generation::Gaudi => 0,
        Generation::Gaudi2 => 1,
    }
}

/// Submissions of `JOBS` jobs until the queue of `LENGTH` entries is full.
fn fill(card: &Card<'_>, chunks: &[device::Chunk]) -> CaseResult<Vec<u64>> {
    let request = CsRequest::execute(chunks);
    let last = CsRequest::execute(&chunks[lost(card)..]);
    let requests = std::iter::repeat_n(&request, LENGTH / JOBS - 1).chain([&last]);
    requests.map(|request| card.submit(request)).collect()
}

fn full(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(1);
    let job = card.nop(queue)?;
    let held = Held::new(cx, &[queue])?;
    let chunks = vec![job.chunk(); JOBS];
    let sequences = fill(&card, &chunks)?;
    let before = Counters::read(&card.node)?;
    for count in [1, 2, JOBS] {
        let request = CsRequest::execute(&chunks[..count]);
        let (answer, unchanged) = card.node.cs_unchanged(&request);
        errno("CS for a full queue", answer.result, Errno::EAGAIN)?;
        check(unchanged, "a CS that is refused for now leaves its arguments to the next try")?;
    }
    before.grew(&card.node, Some(Dropped::QueueFull), 3)?;
    // Other queues have room.
    card.still_runs(card.upload(0))?;
    held.release()?;
    for sequence in sequences {
        card.finish(sequence)?;
    }
    card.run(&job).map(drop)
}

fn full_internal(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    // A tensor core's queue has 1024 entries (gaudiP.h: TPC_QMAN_LENGTH).
    let queue = card.stream_of(Engine::Tpc, 3, 1)?;
    let (job, companion) = (card.nop(queue)?, card.nop(card.upload(0))?);
    let held = Held::new(cx, &[queue, card.upload(0)])?;
    let mut chunks = vec![job.chunk(); JOBS - 1];
    chunks.push(companion.chunk());
    let two = [
        card.submit(&CsRequest::execute(chunks.clone()))?,
        card.submit(&CsRequest::execute(chunks.clone()))?,
    ];
    let before = Counters::read(&card.node)?;
    let request = CsRequest::execute(&chunks[JOBS - 4..]);
    errno("CS for a full internal queue", card.node.submit(&request), Errno::EAGAIN)?;
    before.grew(&card.node, Some(Dropped::QueueFull), 1)?;
    held.release()?;
    for sequence in two {
        card.finish(sequence)?;
    }
    let sequence = card.submit(&request)?;
    card.finish(sequence)?;
    card.idle()
}

/// A submission for two queues of which the second is full is refused, and again; the room that
/// it had taken in the completion queue of the first is given back each time.
fn room(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (free, busy) = (card.upload(0), card.upload(1));
    let (first, second) = (card.nop(free)?, card.nop(busy)?);
    let held = Held::new(cx, &[busy])?;
    let sequences = fill(&card, &vec![second.chunk(); JOBS])?;
    let mut chunks = vec![first.chunk(); JOBS - 1];
    chunks.push(second.chunk());
    let request = CsRequest::execute(chunks);
    for _ in 0..2 * LENGTH / JOBS + 1 {
        errno("CS with a full queue", card.node.submit(&request), Errno::EAGAIN)?;
    }
    card.run(&first)?;
    held.release()?;
    for sequence in sequences {
        card.finish(sequence)?;
    }
    let sequence = card.submit(&request)?;
    card.finish(sequence)
}

/// Fills the window of submissions in flight, round robin on these queues.
fn flood(cx: &Context, card: &Card<'_>, queues: &[u32], window: u64) -> CaseResult {
    let jobs = queues.iter().map(|queue| card.nop(*queue)).collect::<CaseResult<Vec<_>>>()?;
    let requests: Vec<_> = jobs.iter().map(|job| CsRequest::execute([job.chunk()])).collect();
    let held = Held::new(cx, queues)?;
    for number in 0..window {
        card.submit(&requests[number as usize % requests.len()])?;
    }
    let before = Counters::read(&card.node)?;
    for request in &requests {
        errno("CS past the last in flight", card.node.submit(request), Errno::EAGAIN)?;
    }
    before.grew(&card.node, Some(Dropped::InFlight), requests.len() as u64)?;
    card.is_busy(1)?;
    held.release()?;
    for sequence in 1..=window {
        card.finish(sequence)?;
    }
    equal("next sequence number", card.run(&jobs[0])?, window + 1)
}

fn in_flight(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    flood(cx, &card, &[card.upload(0)], 64)
}

fn many_in_flight(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    // gaudiP.h: GAUDI_MAX_PENDING_CS; no queue alone has so many entries.
    let queues: Vec<u32> = (0..4).map(|stream| card.upload(stream)).collect();
    let more: Vec<u32> = (0..4).map(|stream| card.download(stream)).collect();
    flood(cx, &card, &[queues, more].concat(), 16 << 10)
}

fn wrap(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.download(2))?;
    let before = Counters::read(&card.node)?;
    // Odd numbers of jobs: the end of the queue comes in the middle of a submission.
    for round in 0..40 {
        let chunks = vec![job.chunk(); JOBS - 1 - round % 7];
        let sequence = card.submit(&CsRequest::execute(chunks))?;
        card.finish(sequence)?;
    }
    before.grew(&card.node, None, 0)
}
