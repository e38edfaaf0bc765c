// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Waits for one submission (command_submission.c: hl_cs_wait_ioctl, hl_wait_for_fence).

use super::{ended_by_a_signal, words};
use crate::common::files::Disabled;
use crate::common::submit::{Beside, Card, Held, PATIENCE_US};
use crate::common::wait::Ticks;
use case::{Case, CaseResult, Context, Stop, check, equal, errno};
use device::{Errno, WaitRequest};
use std::time::Duration;
use uapi::accel::*;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("wait/one/sees_what_is_finished", &["WAIT-CS-001"], finished),
        Case::new("wait/one/without_time_only_looks", &["WAIT-CS-002"], looks).model(),
        Case::new("wait/one/ends_when_its_time_is_over", &["WAIT-CS-003"], over).model(),
        Case::new("wait/one/without_limit_waits_for_the_end", &["WAIT-CS-017"], forever).model(),
        Case::new("wait/one/long_times_are_not_cut", &["WAIT-CS-017"], long).model(),
        Case::new("wait/one/rejects_submissions_to_come", FUTURE, future)
            .logs(&["Can't wait on CS"]),
        Case::new("wait/one/number_zero_is_long_gone", &["WAIT-CS-005"], zero),
        Case::new("wait/one/a_signal_ends_it_and_changes_nothing", SIGNAL, signal)
            .model()
            .logs(&["user process got signal"]),
        Case::new("wait/one/is_refused_while_the_device_is_disabled", &["WAIT-CS-013"], disabled),
        Case::new("wait/one/all_threads_wake_up", &["WAIT-CS-015"], |cx| threads(cx, 8)).model(),
        Case::new("wait/one/a_thousand_threads_wake_up", &["SEC-007"], |cx| threads(cx, 1000))
            .model()
            .budget(90),
        Case::new("wait/one/ignores_unknown_flags", &["WAIT-CS-018"], flags),
    ]
}

const FUTURE: &[&str] = &["WAIT-CS-004", "WAIT-CS-006"];
const SIGNAL: &[&str] = &["WAIT-CS-012", "DISP-028"];

fn finished(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let sequence = card.run(&job)?;
    for timeout in [0, 1, PATIENCE_US, u64::MAX] {
        let answer = card.node.wait(&WaitRequest::cs(sequence, timeout));
        let at = |stop: Stop| stop.request(&answer);
        equal("status", answer.status(), Ok(HL_WAIT_CS_STATUS_COMPLETED)).map_err(at)?;
        equal("flags", answer.flags, 0).map_err(at)?;
        equal("timestamp", answer.timestamp_nsec, 0).map_err(at)?;
        equal("map of a list", answer.completed, 0).map_err(at)?;
    }
    Ok(())
}

fn looks(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let held = Held::new(cx, &[card.upload(0)])?;
    let sequence = card.start(&job)?;
    let answer = card.node.wait(&WaitRequest::cs(sequence, 0));
    equal("status", answer.status(), Ok(HL_WAIT_CS_STATUS_BUSY))?;
    equal("flags and timestamp", (answer.flags, answer.timestamp_nsec), (0, 0))?;
    held.release()?;
    card.finish(sequence)
}

fn over(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let held = Held::new(cx, &[card.upload(0)])?;
    let sequence = card.start(&job)?;
    for milliseconds in [1, 20, 300] {
        let limit = Duration::from_millis(milliseconds);
        let started = Ticks::now()?;
        let status = card.node.wait_cs(sequence, limit.as_micros() as u64);
        let took = started.elapsed()?;
        started.lasted(limit)?;
        equal("status", status, Ok(HL_WAIT_CS_STATUS_BUSY))?;
        check(took < limit + Duration::from_secs(5), "a wait ends when its time is over")?;
    }
    held.release()?;
    card.finish(sequence)
}

/// A wait with this limit is still there after a while and sees the end.
fn lasts(cx: &Context, limit: u64) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let held = Held::new(cx, &[card.upload(0)])?;
    let sequence = card.start(&job)?;
    let node = &card.node;
    let request = WaitRequest::cs(sequence, limit);
    let answer = std::thread::scope(|scope| -> CaseResult<_> {
        let beside = Beside::start(scope, || node.wait(&request))?;
        beside.asleep()?;
        // A while: many times as long as a limit that lost its upper half. Gaudi2 takes no more
        // than 64 submissions with the first under way (gaudi2P.h: GAUDI2_MAX_PENDING_CS).
        for _ in 0..60 {
            card.still_runs(card.upload(1))?;
        }
        held.release()?;
        beside.join()
    })?;
    let at = |stop: Stop| stop.request(&request);
    equal("status", answer.status(), Ok(HL_WAIT_CS_STATUS_COMPLETED)).map_err(at)
}

fn forever(cx: &Context) -> CaseResult {
    // MAX_SCHEDULE_TIMEOUT of the kernel, which the driver takes as no limit at all.
    [i64::MAX as u64, u64::MAX].into_iter().try_for_each(|limit| lasts(cx, limit))
}

fn long(cx: &Context) -> CaseResult {
    [u64::from(u32::MAX), (1 << 32) + 1000, 1 << 40].into_iter().try_for_each(|n| lasts(cx, n))
}

fn future(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let sequence = card.run(&job)?;
    for sequence in [sequence + 1, sequence + 64, 1 << 40, i64::MAX as u64, u64::MAX] {
        for timeout in [0, PATIENCE_US] {
            let request = WaitRequest::cs(sequence, timeout);
            let answer = card.node.wait(&request);
            let at = |stop: Stop| stop.request(&request);
            errno("WAIT_CS", answer.result, Errno::EINVAL).map_err(at)?;
            equal("timestamp and map", (answer.timestamp_nsec, answer.completed), (0, 0))
                .map_err(at)?;
        }
    }
    card.run(&job).map(drop)
}

fn zero(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    for _ in 0..2 {
        let answer = card.node.wait(&WaitRequest::cs(0, PATIENCE_US));
        equal("status", answer.status(), Ok(HL_WAIT_CS_STATUS_COMPLETED))?;
        equal("flags", answer.flags, HL_WAIT_CS_STATUS_FLAG_GONE)?;
        card.run(&job)?;
    }
    Ok(())
}

fn signal(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let held = Held::new(cx, &[card.upload(0)])?;
    let sequence = card.start(&job)?;
    let node = &card.node;
    let mut request = WaitRequest::cs(sequence, 60_000_000);
    request.ctx_id = 0x1234;
    ended_by_a_signal(node, &request)?;
    card.is_busy(sequence)?;
    held.release()?;
    card.finish(sequence)
}

fn disabled(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let sequence = card.run(&job)?;
    let off = Disabled::new(cx)?;
    for request in [
        WaitRequest::cs(sequence, 0),
        WaitRequest::multi_cs(&[sequence], 0),
        WaitRequest::interrupt(0, 0, 0, 0),
    ] {
        let mut arguments = request.arguments();
        let result = card.node.wait_raw(&mut arguments).result;
        errno("WAIT_CS", result, Errno::EBUSY).map_err(|stop| stop.request(&request))?;
        equal("arguments afterwards", words(&arguments), words(&request.arguments()))?;
    }
    drop(off);
    card.finish(sequence)
}

fn threads(cx: &Context, count: usize) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let held = Held::new(cx, &[card.upload(0)])?;
    let sequence = card.start(&job)?;
    let node = &card.node;
    let work = move || node.wait_cs(sequence, PATIENCE_US);
    let results = std::thread::scope(|scope| -> CaseResult<Vec<_>> {
        let threads: Vec<_> =
            (0..count).map(|_| Beside::start(scope, work)).collect::<CaseResult<_>>()?;
        threads.iter().try_for_each(Beside::asleep)?;
        held.release()?;
        threads.into_iter().map(Beside::join).collect()
    })?;
    equal("status in all threads", results, vec![Ok(HL_WAIT_CS_STATUS_COMPLETED); count])
}

fn flags(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let sequence = card.run(&job)?;
    // All bits but those that name another kind of wait.
    for flags in [1, 8, 0x10, 0x20, 0x40, 0xfffff & !(2 | 4), 0xfff0_0000] {
        let request = WaitRequest::cs(sequence, 0).flags(flags);
        let at = |stop: Stop| stop.request(&request);
        let status = card.node.wait(&request).status();
        equal("status", status, Ok(HL_WAIT_CS_STATUS_COMPLETED)).map_err(at)?;
    }
    Ok(())
}
