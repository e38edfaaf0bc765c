// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Submissions that are executed (command_submission.c: cs_ioctl_default, cs_do_release).

use crate::common::files;
use crate::common::submit::{Beside, Card, Counters, Held, Listings, PATIENCE_US, operational};
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::Asic;
use device::{CsRequest, Errno, WaitRequest};
use uapi::accel::*;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("cs/complete/a_nop_completes", &["CS-OK-001"], nop),
        Case::new("cs/complete/sequence_numbers_follow_each_other", &["CS-OK-001"], sequence),
        Case::new("cs/complete/numbers_stay_unique_after_a_refusal", &["CS-OK-002"], unique)
            .logs(&["Queue index", "CB handle", "Failed to parse JOB"]),
        Case::new("cs/complete/reports_when", &["CS-OK-007", "WAIT-CS-016"], timestamp),
        Case::new("cs/complete/jobs_on_several_queues_make_one", &["CS-OK-001"], several).model(),
        Case::new("cs/complete/flushes_writes_to_the_host", &["CS-FLUSH-001"], flush),
        Case::new("cs/complete/is_listed_until_it_is_done", &["CS-OK-001"], listed).model(),
        Case::new("cs/complete/many_threads_submit", &["CS-OK-001"], threads).budget(60),
        Case::new("cs/complete/every_queue_runs_at_once", &["CS-OK-001"], all).budget(30),
        Case::new("cs/complete/a_restore_phase_without_jobs_is_none", RESTORE, restore_nothing),
        Case::new("cs/complete/a_forced_restore_runs_first", &["CS-RESTORE-002"], restore),
        Case::new("cs/complete/a_wrong_restore_is_refused", &["CS-RESTORE-003"], restore_wrong)
            .logs(&["Queue index", "Failed to submit restore CS", "CB handle", "chunk"]),
        Case::new("cs/complete/a_restore_that_is_aborted_is_no_restore", RESET, restore_aborted)
            .model()
            .resets(1)
            .budget(90)
            .logs(&[
                "Hard-Reset requested",
                "Killing CS",
                "has been aborted",
                "failed to complete",
                "wait_for_fence error",
            ]),
        Case::new("cs/complete/restore_jobs_without_force_are_ignored", RESTORE, not_restored),
    ]
}

const RESET: &[&str] = &["CS-RESTORE-004"];
const RESTORE: &[&str] = &["CS-RESTORE-002"];

fn nop(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let before = Counters::read(&card.node)?;
    let listings = Listings::read(cx)?;
    let request = CsRequest::execute([job.chunk()]);
    let answer = card.node.cs(&request);
    succeed("CS", answer.result).map_err(|stop| stop.request(&request))?;
    equal("sequence number of the first submission", answer.sequence, 1)?;
    equal("status", answer.status, HL_CS_STATUS_SUCCESS)?;
    equal("sync object of the answer", (answer.sob_offset, answer.sob_count), (0, 0))?;
    card.finish(answer.sequence)?;
    before.grew(&card.node, None, 0)?;
    listings.are_back(cx)
}

fn sequence(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let jobs = [card.nop(card.upload(0))?, card.nop(card.download(3))?];
    for expected in 1..=100 {
        let sequence = card.start(&jobs[expected as usize % 2])?;
        equal("sequence number", sequence, expected)?;
        if expected % 10 == 0 {
            // The two queues are independent.
            card.finish(sequence - 1)?;
            card.finish(sequence)?;
        }
    }
    // The numbers are those of the context.
    drop(jobs);
    let Card { node, .. } = card;
    succeed("close", node.close())?;
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    equal("first number of the next context", card.run(&job)?, 1)
}

fn unique(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let mut last = card.run(&job)?;
    for round in 0..10 {
        let mut chunk = job.chunk();
        // Refused before and after a number is taken.
        if round % 2 == 0 {
            chunk.queue = u32::MAX
        } else {
            chunk.buffer = u64::MAX
        }
        let result = card.node.submit(&CsRequest::execute([chunk]));
        check(result.is_err(), "a wrong job is refused")?;
        let next = card.run(&job)?;
        check(next > last, "sequence numbers increase")?;
        last = next;
    }
    Ok(())
}

fn timestamp(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let mut last = 0;
    for _ in 0..10 {
        // The driver reads the monotonic clock (command_submission.c, irq.c: ktime_get).
        let started = monotonic()?;
        let sequence = card.submit(&CsRequest::execute([job.chunk()]).timestamp())?;
        let answer = card.node.wait(&WaitRequest::cs(sequence, PATIENCE_US));
        let at = |stop: Stop| stop.request(&answer);
        let ended = monotonic()?;
        equal("status", answer.status(), Ok(HL_WAIT_CS_STATUS_COMPLETED)).map_err(at)?;
        equal("flags", answer.flags, HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD).map_err(at)?;
        let inside = (started..=ended).contains(&answer.timestamp_nsec);
        check(inside, "the timestamp lies between submission and answer").map_err(at)?;
        check(answer.timestamp_nsec > last, "timestamps increase").map_err(at)?;
        last = answer.timestamp_nsec;
    }
    // Without the flag there is none.
    let sequence = card.start(&job)?;
    let answer = card.node.wait(&WaitRequest::cs(sequence, PATIENCE_US));
    equal("flags without timestamp", (answer.flags, answer.timestamp_nsec), (0, 0))
}

fn monotonic() -> CaseResult<i64> {
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    let now = crate::common::typed::need("the clock", nix::time::clock_gettime(clock))?;
    Ok(now.tv_sec() * 1_000_000_000 + now.tv_nsec())
}

fn several(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, second) = (card.upload(0), card.download(1));
    let jobs = [card.nop(first)?, card.nop(second)?];
    for late in [first, second] {
        let held = Held::new(cx, &[late])?;
        let sequence = card.submit(&CsRequest::execute([jobs[0].chunk(), jobs[1].chunk()]))?;
        // The other queue is done when a later job of it is.
        let other = jobs.iter().find(|job| job.chunk().queue != late);
        let other = other.ok_or_else(|| Stop::Broken("there are two queues".into()))?;
        card.run(other)?;
        card.is_busy(sequence)?;
        held.release()?;
        card.finish(sequence)?;
    }
    Ok(())
}

fn flush(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for _ in 0..3 {
        let request = CsRequest::flush_pci_writes();
        let answer = card.node.cs(&request);
        succeed("CS", answer.result).map_err(|stop| stop.request(&request))?;
        equal("sequence number of a flush", answer.sequence, u64::MAX)?;
        equal("status", answer.status, 0)?;
    }
    let job = card.nop(card.upload(0))?;
    equal("a flush takes no number", card.run(&job)?, 1)
}

fn listed(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(2);
    let job = card.nop(queue)?;
    let idle = Listings::read(cx)?;
    let held = Held::new(cx, &[queue])?;
    let sequence = card.start(&job)?;
    check(Listings::read(cx)? != idle, "a submission is listed in debugfs while it runs")?;
    held.release()?;
    card.finish(sequence)?;
    idle.are_back(cx)
}

const THREADS: u8 = 4;
const ROUNDS: usize = 100;

/// Submissions of a thread after which all threads meet. A chip that takes few at once refuses one
/// whose place in the window is still taken, however far the others are: 64 on Gaudi2
/// (`command_submission.c: allocate_cs`).
fn turn(cx: &Context) -> usize {
    match cx.asic() {
        Asic::Gaudi => ROUNDS,
        Asic::Gaudi2 => 10,
    }
}

fn threads(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let listings = Listings::read(cx)?;
    let before = Counters::read(&card.node)?;
    let turn = turn(cx);
    let mut all = Vec::new();
    for _ in 0..ROUNDS / turn {
        let card = &card;
        let results = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..THREADS).map(|n| scope.spawn(move || side_by_side(card, n, turn))).collect();
            threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        for result in results {
            all.extend(result.map_err(|_| Stop::Broken("a thread panicked".into()))??);
        }
    }
    all.sort_unstable();
    let expected: Vec<u64> = (1..=THREADS as u64 * ROUNDS as u64).collect();
    equal("sequence numbers of all threads", all, expected)?;
    before.grew(&card.node, None, 0)?;
    listings.are_back(cx)
}

/// What one thread does: submissions of one and of two jobs.
fn side_by_side(card: &Card<'_>, stream: u8, rounds: usize) -> CaseResult<Vec<u64>> {
    let jobs = [card.nop(card.upload(stream))?, card.nop(card.download(stream))?];
    let chunks = [jobs[0].chunk(), jobs[1].chunk()];
    let mut sequences = Vec::new();
    for round in 0..rounds {
        let sequence = card.submit(&CsRequest::execute(&chunks[..1 + round % 2]))?;
        sequences.push(sequence);
        if round % 8 == 0 {
            card.finish(sequence)?;
        }
    }
    sequences.iter().try_for_each(|sequence| card.finish(*sequence))?;
    Ok(sequences)
}

fn all(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let mut jobs = Vec::new();
    for queue in card.queues() {
        if card.kind(queue).is_some() && !card.closed(queue) {
            jobs.push(card.nop(queue)?);
        }
    }
    for _ in 0..20 {
        let chunks: Vec<_> = jobs.iter().map(|job| job.chunk()).collect();
        let sequence = card.submit(&CsRequest::execute(chunks))?;
        card.finish(sequence)?;
        card.idle()?;
    }
    Ok(())
}

fn restore_nothing(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    for expected in 1..4 {
        let request = CsRequest::execute([job.chunk()]).flags(HL_CS_FLAGS_FORCE_RESTORE);
        let sequence = card.submit(&request)?;
        equal("sequence number", sequence, expected)?;
        card.finish(sequence)?;
    }
    Ok(())
}

fn restore(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let other = card.nop(card.download(0))?;
    let request =
        CsRequest::execute([job.chunk()]).restore([other.chunk()]).flags(HL_CS_FLAGS_FORCE_RESTORE);
    let sequence = card.submit(&request)?;
    equal("sequence number after the one of the restore", sequence, 2)?;
    // The ioctl waits for the restore.
    equal("status of the restore", card.node.wait_cs(1, 0), Ok(HL_WAIT_CS_STATUS_COMPLETED))?;
    card.finish(sequence)
}

/// The jobs behind a restore do not run when a reset ends it. (A restore that takes too long is
/// left to chance: its timeout and the wait for it are equally long.)
fn restore_aborted(cx: &Context) -> CaseResult {
    let answer = {
        let card = Card::open(cx)?;
        let (queue, other) = (card.upload(0), card.download(0));
        let jobs = [card.nop(other)?, card.nop(queue)?];
        let request = CsRequest::execute([jobs[0].chunk()])
            .restore([jobs[1].chunk()])
            .flags(HL_CS_FLAGS_FORCE_RESTORE);
        let held = Held::new(cx, &[queue])?;
        let node = &card.node;
        let answer = std::thread::scope(|scope| -> CaseResult<_> {
            let beside = Beside::start(scope, move || node.cs(&request))?;
            beside.asleep()?;
            files::write(&cx.at.sysfs.join("hard_reset"), "1")?;
            beside.join()
        });
        held.release()?;
        drop(jobs);
        let Card { node, .. } = card;
        succeed("close", node.close())?;
        answer?
    };
    operational(cx)?;
    errno("CS whose restore is aborted", answer.result, Errno::ENOEXEC)
        .map_err(|stop| stop.request(&answer))?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}

fn restore_wrong(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let base = CsRequest::execute([job.chunk()]).flags(HL_CS_FLAGS_FORCE_RESTORE);
    let wrong = device::Chunk { queue: u32::MAX, ..job.chunk() };
    let many = vec![job.chunk(); 513];
    for chunks in [vec![wrong], many] {
        let request = base.clone().restore(chunks);
        let rejection = crate::common::submit::Rejection::invalid(Errno::EINVAL);
        card.rejects(&request, rejection)?;
    }
    card.run(&job).map(drop)
}

fn not_restored(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let wrong = device::Chunk { queue: u32::MAX, ..job.chunk() };
    // Chips of this generation switch no contexts (device.c: supports_ctx_switch).
    let sequence = card.submit(&CsRequest::execute([job.chunk()]).restore([wrong]))?;
    equal("sequence number", sequence, 1)?;
    card.finish(sequence)
}
