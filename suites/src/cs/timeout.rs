// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Submissions that do not end (command_submission.c: cs_timedout; device.c:
//! hl_device_cond_reset).
//!
//! A reset leaves the process a second to close the device before it is killed (device.c:
//! device_kill_open_processes), so the bodies close as soon as they are woken.

use crate::common::eventfd::eventfd;
use crate::common::files;
use crate::common::submit::{
    Beside, Card, Held, Job, PATIENCE_US, Rejection, hard_resets, operational,
};
use crate::common::typed::compute;
use crate::common::wait::{self, Ticks};
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use device::{CsRequest, Errno, Node, WaitRequest};
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;
use uapi::accel::*;

pub(super) fn cases() -> Vec<Case> {
    let stuck = |case: Case| case.resets(1).budget(90).logs(LOG);
    vec![
        stuck(Case::new("cs/timeout/a_stuck_submission_is_ended", ENDED, ended)),
        stuck(Case::new("cs/timeout/no_time_at_all_is_none", &["CS-OK-004"], no_time)),
        stuck(Case::new("cs/timeout/others_are_aborted", &["WAIT-CS-011"], others)),
        stuck(Case::new("cs/timeout/who_listens_may_close_in_peace", LISTENS, listens)),
        stuck(Case::new("cs/timeout/several_waits_see_it", &["WAIT-CS-010"], several)),
        Case::new("cs/timeout/may_be_told_without_a_reset", &["CS-OK-006"], told)
            .model()
            .budget(120)
            .logs(LOG),
        Case::new("cs/timeout/may_end_while_it_is_told", &["CS-OK-006"], meanwhile)
            .model()
            .own_guest()
            .budget(120)
            .logs(LOG),
        stuck(Case::new(
            "cs/timeout/the_next_is_watched_when_the_first_ends",
            &["CS-OK-003", "CS-OK-008"],
            next,
        ))
        .model(),
        stuck(Case::new(
            "cs/timeout/the_first_is_kept_until_the_next_open",
            &["INFO-CS_TIMEOUT_EVENT-007"],
            first,
        ))
        .model(),
        Case::new("cs/timeout/long_times_do_not_wrap", &["CS-OK-005"], long)
            .model()
            .budget(120)
            .logs(LOG),
        Case::new("cs/timeout/the_time_of_the_driver_can_be_changed", CHANGED, changed)
            .model()
            .budget(120)
            .logs(LOG),
        Case::new("cs/timeout/the_driver_may_have_none", &["DBGFS-081"], none)
            .model()
            .budget(120)
            .logs(LOG),
    ]
}

const ENDED: &[&str] = &["CS-OK-003", "CS-OK-008", "WAIT-CS-010", "WAIT-CS-013"];
const LISTENS: &[&str] = &["CS-OK-010", "WAIT-CS-014", "EVT-003", "EVT-004"];
const CHANGED: &[&str] = &["CS-OK-006", "DBGFS-080"];
const LOG: &[&str] = &[
    "has not finished in",
    "has timed-out while user process",
    "has been aborted while user process",
    "completed after",
    "Killing CS",
    "device still in use",
    "wait_for_fence error",
];

/// A job that waits for a fence that nobody raises.
fn stuck<'a>(card: &'a Card<'_>, queue: u32) -> CaseResult<Job<'a>> {
    card.job(queue, &card.program().fence(0, 1, 1))
}

/// Closes within the second that a reset leaves, and sees the device come back.
fn leave(card: Card<'_>) -> CaseResult {
    let Card { cx, node, chip: _ } = card;
    succeed("close", node.close())?;
    operational(cx)?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))?;
    card.still_runs(card.download(0))
}

/// The driver watches only the oldest submission: the time of the next begins when that ends, and
/// is its own (command_submission.c: cs_handle_tdr).
fn next(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let (result, lasted) = {
        let jobs = [card.nop(queue)?, stuck(&card, card.upload(1))?];
        let held = Held::new(cx, &[queue])?;
        let first = card.submit(&CsRequest::execute([jobs[0].chunk()]).custom_timeout(120))?;
        let second = card.submit(&CsRequest::execute([jobs[1].chunk()]).custom_timeout(1))?;
        let status = succeed("WAIT_CS", card.node.wait_cs(second, 3_000_000))?;
        equal("status beside an older one", status, HL_WAIT_CS_STATUS_BUSY)?;
        let started = Ticks::now()?;
        held.release()?;
        card.finish(first)?;
        (timed_out(&card.node, second), started.lasted(Duration::from_secs(1)))
    };
    leave(card)?;
    result?;
    lasted
}

#[track_caller]
fn timed_out(node: &Node, sequence: u64) -> CaseResult {
    let answer = node.wait(&WaitRequest::cs(sequence, PATIENCE_US));
    let at = |stop: Stop| stop.request(&answer);
    errno("WAIT_CS for a stuck submission", answer.result, Errno::ETIMEDOUT).map_err(at)?;
    equal("status", answer.status, HL_WAIT_CS_STATUS_TIMEDOUT).map_err(at)
}

fn ended(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let started = Ticks::now()?;
    let sequence = {
        let job = stuck(&card, card.upload(0))?;
        card.submit(&CsRequest::execute([job.chunk()]).custom_timeout(1))?
    };
    let result = timed_out(&card.node, sequence);
    let lasted = started.lasted(Duration::from_secs(1));
    let again = card.node.wait_cs(sequence, 0);
    let submitted = card.node.submit(&CsRequest::signal(card.upload(0)));
    let control = succeed("open of the control node", Node::open(&cx.at.control))?;
    leave(card)?;
    result?;
    lasted?;
    errno("WAIT_CS in reset", again, Errno::EBUSY)?;
    errno("CS in reset", submitted, Errno::EBUSY)?;
    drop(control);
    Ok(())
}

fn no_time(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let sequence = {
        let job = stuck(&card, card.upload(0))?;
        card.submit(&CsRequest::execute([job.chunk()]).custom_timeout(0))?
    };
    // The reset may begin before the wait: then that is refused.
    let answer = card.node.wait(&WaitRequest::cs(sequence, PATIENCE_US));
    leave(card)?;
    let known = [Err(Errno::ETIMEDOUT), Err(Errno::EBUSY)];
    check(known.contains(&answer.result), "the wait fails at once")
        .map_err(|stop| stop.request(&answer))
}

fn others(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, second) = {
        let jobs = [stuck(&card, card.upload(0))?, stuck(&card, card.download(2))?];
        let request = CsRequest::execute([jobs[0].chunk()]).custom_timeout(1);
        (card.submit(&request)?, card.start(&jobs[1])?)
    };
    let node = &card.node;
    let (result, other) = std::thread::scope(|scope| -> CaseResult<_> {
        let request = WaitRequest::cs(second, PATIENCE_US);
        let beside = Beside::start(scope, move || node.wait(&request))?;
        let result = timed_out(node, first);
        Ok((result, beside.join()?))
    })?;
    leave(card)?;
    result?;
    let at = |stop: Stop| stop.request(&other);
    errno("WAIT_CS for a healthy submission", other.result, Errno::EIO).map_err(at)?;
    equal("status", other.status, HL_WAIT_CS_STATUS_ABORTED).map_err(at)
}

fn several(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let sequence = {
        let job = stuck(&card, card.upload(0))?;
        card.submit(&CsRequest::execute([job.chunk()]).custom_timeout(2))?
    };
    let node = &card.node;
    let results = std::thread::scope(|scope| -> CaseResult<Vec<CaseResult>> {
        let work = move || timed_out(node, sequence);
        let threads: Vec<_> =
            (0..4).map(|_| Beside::start(scope, work)).collect::<CaseResult<_>>()?;
        threads.iter().try_for_each(|thread| thread.asleep())?;
        threads.into_iter().map(Beside::join).collect()
    })?;
    leave(card)?;
    results.into_iter().collect()
}

fn listens(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let event = eventfd()?;
    succeed("REGISTER_EVENTFD", card.node.register_eventfd(&event))?;
    let resets = hard_resets(cx)?;
    let sequence = {
        let job = stuck(&card, card.upload(0))?;
        card.submit(&CsRequest::execute([job.chunk()]).custom_timeout(1))?
    };
    let answer = card.node.wait(&WaitRequest::cs(sequence, PATIENCE_US));
    let at = |stop: Stop| stop.request(&answer);
    errno("WAIT_CS", answer.result, Errno::EIO).map_err(at)?;
    equal("status", answer.status, HL_WAIT_CS_STATUS_ABORTED).map_err(at)?;
    // The reset waits for the close; there is no point in waiting for submissions any more.
    errno("next WAIT_CS", card.node.wait_cs(sequence, 0), Errno::EBUSY)?;
    let events = succeed("GET_EVENTS", card.node.take_events())?;
    let expected = HL_NOTIFIER_EVENT_CS_TIMEOUT | HL_NOTIFIER_EVENT_DEVICE_RESET;
    equal("events", events, expected)?;
    equal("signals of the eventfd", event.read(), Ok(1))?;
    let captured = succeed("INFO CS_TIMEOUT_EVENT", card.node.cs_timeout_event())?;
    equal("submission of the event", captured.seq, sequence)?;
    equal("hard resets before the close", hard_resets(cx)?, resets)?;
    leave(card)
}

/// Waits until the driver has noted that a submission takes too long.
fn noted(node: &Node, sequence: u64) -> CaseResult {
    let noted = wait::until(Duration::from_secs(20), || {
        let event = succeed("INFO CS_TIMEOUT_EVENT", node.cs_timeout_event())?;
        Ok((event.seq == sequence).then_some(()))
    })?;
    check(noted.is_some(), "the driver notes a submission that takes too long")
}

/// Gives the driver the time to write down the state of all sync objects (state_dump.c:
/// hl_state_dump), which it does after it has noted the submission.
#[track_caller]
fn written_down(card: &Card<'_>, sequence: u64) -> CaseResult {
    let status = succeed("WAIT_CS", card.node.wait_cs(sequence, 8_000_000))?;
    equal("status of the submission", status, HL_WAIT_CS_STATUS_BUSY)
}

/// A submission that may take too long: noted, still busy, then let go.
fn late(cx: &Context, pause: bool) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let job = card.nop(queue)?;
    let held = Held::new(cx, &[queue])?;
    let request = CsRequest::execute([job.chunk()])
        .custom_timeout(1)
        .flags(HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT);
    let sequence = card.submit(&request)?;
    noted(&card.node, sequence)?;
    if pause {
        written_down(&card, sequence)?;
        card.still_runs(card.upload(1))?;
    }
    held.release()?;
    card.finish(sequence)?;
    card.run(&job).map(drop)
}

fn told(cx: &Context) -> CaseResult {
    late(cx, true)
}

fn meanwhile(cx: &Context) -> CaseResult {
    late(cx, false)
}

/// Two submissions take too long, one after the other: the first is noted, and the second only
/// causes a reset.
fn first(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let control = succeed("open of the control node", Node::open(&cx.at.control))?;
    let clock = || {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC);
        now.map(|now| now.tv_sec() * 1_000_000_000 + now.tv_nsec())
            .map_err(|why| Stop::Broken(format!("the clock cannot be read: {why}")))
    };
    let began = clock()?;
    let (sequence, noted_at) = {
        let jobs = [card.nop(card.upload(0))?, stuck(&card, card.upload(1))?];
        let held = Held::new(cx, &[card.upload(0)])?;
        let request = CsRequest::execute([jobs[0].chunk()])
            .custom_timeout(1)
            .flags(HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT);
        let sequence = card.submit(&request)?;
        noted(&card.node, sequence)?;
        let noted_at = clock()?;
        written_down(&card, sequence)?;
        // The driver watches only the oldest submission.
        held.release()?;
        card.finish(sequence)?;
        let second = card.submit(&CsRequest::execute([jobs[1].chunk()]).custom_timeout(1))?;
        timed_out(&card.node, second)?;
        (sequence, noted_at)
    };
    let Card { node, .. } = card;
    succeed("close", node.close())?;
    operational(cx)?;
    let event = succeed("INFO CS_TIMEOUT_EVENT", control.cs_timeout_event())?;
    equal("submission of the event", event.seq, sequence)?;
    let bracket = began + 1_000_000_000..=noted_at;
    check(bracket.contains(&event.timestamp), &format!("{} is in {bracket:?}", event.timestamp))?;
    drop(compute(cx)?);
    let event = succeed("INFO CS_TIMEOUT_EVENT", control.cs_timeout_event())?;
    equal("timestamp, seq after the next open", (event.timestamp, event.seq), (0, 0))
}

/// Times in seconds whose milliseconds do not fit in 32 bits; what is left of the first is 704 ms.
const LONG: [u32; 2] = [4_294_968, u32::MAX];

fn long(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let job = card.nop(queue)?;
    for seconds in LONG {
        let held = Held::new(cx, &[queue])?;
        let request = CsRequest::execute([job.chunk()])
            .custom_timeout(seconds)
            .flags(HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT);
        let sequence = card.submit(&request)?;
        let status = succeed("WAIT_CS", card.node.wait_cs(sequence, 2_000_000))?;
        equal("status after two seconds", status, HL_WAIT_CS_STATUS_BUSY)?;
        let event = succeed("INFO CS_TIMEOUT_EVENT", card.node.cs_timeout_event())?;
        held.release()?;
        card.finish(sequence)?;
        check(event.seq != sequence, "a time of years does not end after seconds")
            .map_err(|stop| stop.request(&request))?;
    }
    Ok(())
}

fn changed(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let path = files::debugfs(cx, "timeout_locked")?;
    let before = files::read(&path)?;
    let queue = card.upload(0);
    let job = card.nop(queue)?;
    let held = Held::new(cx, &[queue])?;
    files::write(&path, "1")?;
    let request = CsRequest::execute([job.chunk()]).flags(HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT);
    let result = card.submit(&request).and_then(|sequence| {
        noted(&card.node, sequence)?;
        written_down(&card, sequence)?;
        Ok(sequence)
    });
    files::write(&path, &before)?;
    held.release()?;
    card.finish(result?)?;
    // In reset or not, a queue that does not exist is refused.
    let rejection = Rejection::invalid(Errno::EINVAL);
    card.rejects(&CsRequest::signal(u32::MAX), rejection)
}

/// Twice as long as it takes until a submission with a second is noted.
fn none(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let path = files::debugfs(cx, "timeout_locked")?;
    let before = files::read(&path)?;
    let job = card.nop(card.upload(0))?;
    let held = Held::new(cx, &[card.upload(0)])?;
    files::write(&path, "0")?;
    let request = CsRequest::execute([job.chunk()]).flags(HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT);
    let result = card.submit(&request);
    files::write(&path, &before)?;
    let sequence = result?;
    let status = succeed("WAIT_CS", card.node.wait_cs(sequence, 2_000_000))?;
    let event = succeed("INFO CS_TIMEOUT_EVENT", card.node.cs_timeout_event())?;
    held.release()?;
    card.finish(sequence)?;
    equal("status after two seconds", status, HL_WAIT_CS_STATUS_BUSY)?;
    check(event.seq != sequence, "a submission without a time does not take too long")
}
