// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Waits for any of several submissions (command_submission.c: hl_multi_cs_wait_ioctl,
//! hl_cs_poll_fences). Gaudi only.

use super::{ended_by_a_signal, words};
use crate::common::submit::{Beside, Card, Held, Job, PATIENCE, PATIENCE_US};
use crate::common::wait::{self, Ticks};
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::Asics;
use device::{CsRequest, Errno, Pointer, WaitAnswer, WaitRequest};
use std::time::Duration;
use uapi::accel::*;

pub(super) fn cases() -> Vec<Case> {
    let future = &["Failed to get fence for CS", "Can't wait on CS"];
    let mut cases = vec![
        Case::new("wait/many/names_those_that_are_done", &["WAIT-MULTI-007"], done).model(),
        Case::new("wait/many/wakes_with_the_first", &["WAIT-MULTI-007"], first).model(),
        Case::new("wait/many/takes_32", &["WAIT-MULTI-003"], most),
        Case::new("wait/many/rejects_33", &["WAIT-MULTI-003"], too_many)
            .logs(&["Can wait only up to"]),
        Case::new("wait/many/none_is_never_done", &["WAIT-MULTI-004"], none),
        Case::new("wait/many/rejects_unreadable_lists", &["WAIT-MULTI-005"], unreadable)
            .logs(&["Failed to copy multi-cs"]),
        Case::new("wait/many/rejects_submissions_to_come", &["WAIT-MULTI-006"], to_come)
            .logs(future),
        Case::new("wait/many/those_long_gone_count_as_done", &["WAIT-MULTI-008"], gone).budget(60),
        Case::new("wait/many/two_may_wait", &["WAIT-MULTI-009"], two)
            .model()
            .logs(&["no available multi-CS"]),
        Case::new("wait/many/keeps_no_place", &["WAIT-MULTI-009"], places)
            .logs(&["no available multi-CS"]),
        Case::new("wait/many/without_time_only_looks", &["WAIT-MULTI-010"], looks).model(),
        Case::new("wait/many/ends_when_its_time_is_over", &["WAIT-MULTI-010"], over).model(),
        Case::new("wait/many/long_times_are_not_cut", &["WAIT-MULTI-010"], long).model(),
        Case::new("wait/many/a_signal_ends_it_and_changes_nothing", &["WAIT-MULTI-011"], signal)
            .model()
            .logs(&["user process got signal"]),
        Case::new("wait/many/tells_when_the_first_was_done", &["WAIT-MULTI-012"], stamps),
        Case::new("wait/many/goes_on_after_the_end_of_another", &["WAIT-MULTI-007"], another)
            .model(),
        Case::new("wait/many/ends_of_others_do_not_prolong_it", PROLONG, time_left)
            .model()
            .budget(30),
    ];
    cases = cases.into_iter().map(|case| case.on(Asics::GAUDI)).collect();
    let unsupported =
        Case::new("wait/many/is_refused_where_unsupported", &["WAIT-MULTI-001"], unsupported);
    cases.push(Case::new("wait/many/rejects_padding", &["WAIT-MULTI-002"], padding));
    cases.push(unsupported.on(Asics::GAUDI2).logs(&["Wait for multi CS is not supported"]));
    cases
}

const PROLONG: &[&str] = &["WAIT-MULTI-007", "WAIT-MULTI-010"];

#[track_caller]
fn expect(answer: &WaitAnswer, status: u32, completed: u32) -> CaseResult {
    let at = |stop: Stop| stop.request(answer);
    equal("status", answer.status(), Ok(status)).map_err(at)?;
    equal("map of those that are done", answer.completed, completed).map_err(at)
}

fn done(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let held = Held::new(cx, &[card.upload(1)])?;
    let stuck = card.start(&card.nop(card.upload(1))?)?;
    let (a, b) = (card.run(&card.nop(card.upload(0))?)?, card.run(&card.nop(card.download(0))?)?);
    for (list, map) in [
        (vec![a, b], 0b11),
        (vec![a, stuck], 0b01),
        (vec![stuck, b], 0b10),
        (vec![stuck, a, stuck, b, b], 0b11010),
    ] {
        let answer = card.node.wait(&WaitRequest::multi_cs(&list, PATIENCE_US));
        expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, map)?;
    }
    held.release()?;
    card.finish(stuck)?;
    let answer = card.node.wait(&WaitRequest::multi_cs(&[stuck, a], 0));
    expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, 0b11)
}

/// Waits beside; when it sleeps, does something.
fn while_waiting(
    card: &Card<'_>,
    request: &WaitRequest,
    work: impl FnOnce() -> CaseResult,
) -> CaseResult<WaitAnswer> {
    let node = &card.node;
    std::thread::scope(|scope| {
        let beside = Beside::start(scope, || node.wait(request))?;
        beside.asleep()?;
        work()?;
        beside.join()
    })
}

fn first(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queues = [card.upload(0), card.upload(1)];
    for winner in [0, 1] {
        let loser = Held::new(cx, &[queues[1 - winner]])?;
        let held = Held::new(cx, &[queues[winner]])?;
        let jobs = [card.nop(queues[0])?, card.nop(queues[1])?];
        let list = [card.start(&jobs[0])?, card.start(&jobs[1])?];
        let request = WaitRequest::multi_cs(&list, PATIENCE_US);
        let answer = while_waiting(&card, &request, || held.release())?;
        expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, 1 << winner)?;
        loser.release()?;
        list.iter().try_for_each(|sequence| card.finish(*sequence))?;
    }
    Ok(())
}

fn most(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let list = (0..32).map(|_| card.run(&job)).collect::<CaseResult<Vec<_>>>()?;
    for length in [1, 2, 31, 32] {
        let map = if length == 32 { u32::MAX } else { (1 << length) - 1 };
        let answer = card.node.wait(&WaitRequest::multi_cs(&list[..length], 0));
        expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, map)?;
    }
    Ok(())
}

/// Refused with this errno, and the arguments as they were.
#[track_caller]
fn refused(card: &Card<'_>, request: &WaitRequest, expected: Errno) -> CaseResult {
    let at = |stop: Stop| stop.request(request);
    let mut arguments = request.arguments();
    let result = card.node.wait_raw(&mut arguments).result;
    errno("WAIT_CS for several", result, expected).map_err(at)?;
    equal("arguments afterwards", words(&arguments), words(&request.arguments())).map_err(at)
}

fn too_many(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let sequence = card.run(&card.nop(card.upload(0))?)?;
    for length in [33, 64, 255] {
        let list = vec![sequence; length];
        refused(&card, &WaitRequest::multi_cs(&list, 0), Errno::EINVAL)?;
    }
    card.finish(sequence)
}

fn none(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for timeout in [0, 50_000] {
        let started = Ticks::now()?;
        let answer = card.node.wait(&WaitRequest::multi_cs(&[], timeout));
        expect(&answer, HL_WAIT_CS_STATUS_BUSY, 0)?;
        started.lasted(Duration::from_micros(timeout))?;
    }
    card.still_runs(card.upload(0))
}

fn unreadable(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for pointer in [Pointer::NULL, Pointer::UNMAPPED, Pointer::KERNEL, Pointer::LAST_BYTE] {
        let mut request = WaitRequest::multi_cs(&[], 0);
        request.subject = pointer.address();
        request.third = 1;
        refused(&card, &request, Errno::EFAULT)?;
    }
    card.still_runs(card.upload(0))
}

fn padding(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let sequence = card.run(&card.nop(card.upload(0))?)?;
    for byte in 1..8 {
        let mut request = WaitRequest::multi_cs(&[sequence], 0);
        request.third |= 1 << (byte * 8);
        refused(&card, &request, Errno::EINVAL)?;
    }
    card.finish(sequence)
}

fn to_come(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let sequence = card.run(&card.nop(card.upload(0))?)?;
    for list in [vec![sequence + 1], vec![sequence, sequence + 1], vec![u64::MAX, sequence]] {
        refused(&card, &WaitRequest::multi_cs(&list, PATIENCE_US), Errno::EINVAL)?;
    }
    let answer = card.node.wait(&WaitRequest::multi_cs(&[sequence], 0));
    expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, 1)
}

fn gone(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    // Number 0 was never given, which the driver cannot tell from one that is gone.
    let answer = card.node.wait(&WaitRequest::multi_cs(&[0], PATIENCE_US));
    expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, 1)?;
    equal("flags", answer.flags, HL_WAIT_CS_STATUS_FLAG_GONE)?;
    let sequence = card.submit(&CsRequest::execute([job.chunk()]).timestamp())?;
    card.finish(sequence)?;
    for list in [[0, sequence], [sequence, 0]] {
        let answer = card.node.wait(&WaitRequest::multi_cs(&list, PATIENCE_US));
        let at = |stop: Stop| stop.request(&answer);
        expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, 0b11)?;
        // The first that was done may be the one that is gone, so no time is told.
        equal("flags", answer.flags, HL_WAIT_CS_STATUS_FLAG_GONE).map_err(at)?;
        equal("timestamp", answer.timestamp_nsec, 0).map_err(at)?;
    }
    Ok(())
}

/// Something that only ends when it is let go.
fn stuck<'a>(card: &'a Card<'_>, queue: u32) -> CaseResult<(Job<'a>, u64)> {
    let job = card.nop(queue)?;
    let sequence = card.start(&job)?;
    Ok((job, sequence))
}

fn two(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let held = Held::new(cx, &[card.upload(0)])?;
    let (_job, sequence) = stuck(&card, card.upload(0))?;
    let node = &card.node;
    let request = &WaitRequest::multi_cs(&[sequence], PATIENCE_US);
    let card = &card;
    std::thread::scope(|scope| -> CaseResult {
        let waits = [
            Beside::start(scope, || node.wait(request))?,
            Beside::start(scope, || node.wait(request))?,
        ];
        waits.iter().try_for_each(Beside::asleep)?;
        refused(card, request, Errno::ENOMEM)?;
        // Waits for one need no such place.
        card.is_busy(sequence)?;
        held.release()?;
        for wait in waits {
            expect(&wait.join()?, HL_WAIT_CS_STATUS_COMPLETED, 1)?;
        }
        Ok(())
    })?;
    let answer = node.wait(request);
    expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, 1)
}

fn places(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let sequence = card.run(&card.nop(card.upload(0))?)?;
    for _ in 0..8 {
        // Every way out: done, time over, refused.
        let answer = card.node.wait(&WaitRequest::multi_cs(&[sequence], 0));
        expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, 1)?;
        let answer = card.node.wait(&WaitRequest::multi_cs(&[], 1));
        expect(&answer, HL_WAIT_CS_STATUS_BUSY, 0)?;
        let request = WaitRequest::multi_cs(&[sequence + 1], 0);
        errno("WAIT_CS", card.node.wait(&request).result, Errno::EINVAL)?;
    }
    Ok(())
}

fn looks(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let held = Held::new(cx, &[card.upload(0)])?;
    let (_job, sequence) = stuck(&card, card.upload(0))?;
    let answer = card.node.wait(&WaitRequest::multi_cs(&[sequence, sequence], 0));
    expect(&answer, HL_WAIT_CS_STATUS_BUSY, 0)?;
    equal("flags and timestamp", (answer.flags, answer.timestamp_nsec), (0, 0))?;
    held.release()?;
    card.finish(sequence)
}

fn over(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let held = Held::new(cx, &[card.upload(0)])?;
    let (_job, sequence) = stuck(&card, card.upload(0))?;
    let limit = Duration::from_millis(200);
    let started = Ticks::now()?;
    let request = WaitRequest::multi_cs(&[sequence], limit.as_micros() as u64);
    expect(&card.node.wait(&request), HL_WAIT_CS_STATUS_BUSY, 0)?;
    started.lasted(limit)?;
    held.release()?;
    card.finish(sequence)
}

fn long(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for limit in [u64::from(u32::MAX), (1 << 32) + 1000, i64::MAX as u64, u64::MAX] {
        let held = Held::new(cx, &[card.upload(0)])?;
        let (_job, sequence) = stuck(&card, card.upload(0))?;
        let request = WaitRequest::multi_cs(&[sequence], limit);
        let answer = while_waiting(&card, &request, || {
            // A while: many times as long as a limit that lost its upper half.
            (0..100).try_for_each(|_| card.still_runs(card.upload(1)))?;
            held.release()
        })?;
        expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, 1).map_err(|stop| stop.request(&limit))?;
    }
    Ok(())
}

fn signal(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let held = Held::new(cx, &[card.upload(0)])?;
    let (_job, sequence) = stuck(&card, card.upload(0))?;
    let node = &card.node;
    let request = WaitRequest::multi_cs(&[sequence], 60_000_000);
    // Three times: each leaves its place to the next.
    for _ in 0..3 {
        ended_by_a_signal(node, &request)?;
    }
    held.release()?;
    card.finish(sequence)
}

fn stamps(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let mut list = Vec::new();
    let mut stamps = Vec::new();
    for _ in 0..3 {
        let sequence = card.submit(&CsRequest::execute([job.chunk()]).timestamp())?;
        let answer = card.node.wait(&WaitRequest::cs(sequence, PATIENCE_US));
        succeed("WAIT_CS", answer.result)?;
        list.push(sequence);
        stamps.push(answer.timestamp_nsec);
    }
    for (list, stamp) in [
        (vec![list[0], list[1], list[2]], stamps[0]),
        (vec![list[2], list[1]], stamps[1]),
        (vec![list[2]], stamps[2]),
    ] {
        let answer = card.node.wait(&WaitRequest::multi_cs(&list, 0));
        let at = |stop: Stop| stop.request(&answer);
        equal("flags", answer.flags, HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD).map_err(at)?;
        equal("timestamp", answer.timestamp_nsec, stamp).map_err(at)?;
    }
    Ok(())
}

fn another(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (shared, late) = (card.upload(0), card.upload(1));
    let jobs = [card.nop(shared)?, card.nop(late)?];
    let held = Held::new(cx, &[late])?;
    let awaited = CsRequest::execute([jobs[0].chunk(), jobs[1].chunk()]).timestamp();
    let other = CsRequest::execute([jobs[0].chunk()]).timestamp();
    let sequence = card.submit(&awaited)?;
    let request = WaitRequest::multi_cs(&[sequence], PATIENCE_US);
    let answer = while_waiting(&card, &request, || {
        // Others end on a queue that the awaited one uses, too; that wakes the wait for nothing.
        for _ in 0..20 {
            card.finish(card.submit(&other)?)?;
        }
        held.release()
    })?;
    expect(&answer, HL_WAIT_CS_STATUS_COMPLETED, 1)?;
    let own = card.node.wait(&WaitRequest::cs(sequence, 0));
    equal("timestamp", answer.timestamp_nsec, own.timestamp_nsec).map_err(|stop| stop.request(&own))
}

/// Ends of others that wake the wait for nothing do not give it its time anew.
fn time_left(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (shared, late) = (card.upload(0), card.upload(1));
    let jobs = [card.nop(shared)?, card.nop(late)?];
    let held = Held::new(cx, &[late])?;
    let sequence = card.submit(&CsRequest::execute([jobs[0].chunk(), jobs[1].chunk()]))?;
    let limit = Duration::from_millis(500);
    let request = WaitRequest::multi_cs(&[sequence], limit.as_micros() as u64);
    let (node, card) = (&card.node, &card);
    let answer = std::thread::scope(|scope| -> CaseResult<_> {
        let beside = Beside::start(scope, || node.wait(&request))?;
        beside.asleep()?;
        let over = wait::until(PATIENCE, || {
            card.run(&jobs[0])?;
            Ok(beside.is_done().then_some(()))
        })?;
        check(over.is_some(), "the time of the wait is over while others end")?;
        beside.join()
    })?;
    expect(&answer, HL_WAIT_CS_STATUS_BUSY, 0)?;
    held.release()?;
    card.finish(sequence)
}

fn unsupported(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let sequence = card.run(&card.nop(card.upload(0))?)?;
    refused(&card, &WaitRequest::multi_cs(&[sequence], 0), Errno::EPERM)?;
    card.finish(sequence)
}
