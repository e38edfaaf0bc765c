// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Waits for interrupts: for a value of the user, or for a counter in a buffer of the kernel
//! (command_submission.c: hl_interrupt_wait_ioctl and what it calls).

use super::{DOORBELL, ended_by_a_signal, words};
use crate::common::submit::{Beside, Card, Job, PATIENCE_US};
use crate::common::typed::need;
use crate::common::wait::Ticks;
use crate::cs::faulty;
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::Asics;
use device::{CommandBuffer, Errno, Pages, Pointer, WaitAnswer, WaitRequest};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use uapi::accel::*;

pub(super) fn cases() -> Vec<Case> {
    let none = Case::new("wait/interrupt/is_refused_where_there_is_none", NONE, refused)
        .on(Asics::GAUDI)
        .logs(&["no user interrupts allowed"]);
    let wrong = &["invalid user interrupt", "disabled core"];
    let copy = &["Failed to copy completion value"];
    let got = &["user process got signal"];
    let mut cases = vec![
        Case::new("wait/interrupt/rejects_numbers_outside_its_range", RANGE, range).logs(wrong),
        Case::new(
            "wait/interrupt/a_reached_value_is_done",
            &["WAIT-INTR-005", "WAIT-CS-019"],
            reached,
        ),
        Case::new("wait/interrupt/a_value_to_come_is_busy", &["WAIT-INTR-006"], busy),
        Case::new("wait/interrupt/ends_when_its_time_is_over", &["WAIT-INTR-007"], over),
        Case::new("wait/interrupt/rejects_unreadable_values", &["WAIT-INTR-008"], unreadable)
            .logs(copy),
        Case::new("wait/interrupt/fails_when_its_value_goes_away", &["WAIT-INTR-008"], goes)
            .logs(copy),
        Case::new("wait/interrupt/rejects_decoders_that_are_off", &["WAIT-INTR-004"], off)
            .personality("binned", faulty)
            .logs(wrong),
        Case::new("wait/interrupt/wakes_when_the_value_is_there", &["WAIT-INTR-009"], arrives),
        Case::new("wait/interrupt/goes_on_below_the_value", &["WAIT-INTR-010"], below),
        Case::new(
            "wait/interrupt/long_times_are_not_cut",
            &["WAIT-INTR-009", "WAIT-KCQ-005"],
            long,
        ),
        Case::new("wait/interrupt/any_queue_wakes_the_common_one", &["WAIT-INTR-011"], any),
        Case::new("wait/interrupt/any_decoder_may_be_waited_for", &["WAIT-INTR-012"], decoder),
        Case::new("wait/interrupt/a_storm_disturbs_no_look", &["WAIT-INTR-006"], storm).budget(30),
        Case::new("wait/interrupt/a_signal_ends_it", &["WAIT-INTR-014"], signal).logs(got),
        Case::new("wait/counter/rejects_handles_of_nothing", &["WAIT-KCQ-001"], no_handle),
        Case::new("wait/counter/rejects_places_past_the_end", &["WAIT-KCQ-002"], past),
        Case::new("wait/counter/rejects_places_that_wrap", &["WAIT-KCQ-003"], wraps).own_guest(),
        Case::new("wait/counter/rejects_places_at_no_address", &["WAIT-KCQ-003"], nowhere)
            .own_guest(),
        Case::new("wait/counter/a_reached_value_is_done", &["WAIT-KCQ-004"], counted),
        Case::new("wait/counter/a_value_to_come_is_busy", &["WAIT-KCQ-005"], uncounted),
        Case::new("wait/counter/keeps_no_buffer", &["WAIT-KCQ-004"], kept),
        Case::new("wait/counter/rejects_timestamps", &["WAIT-KCQ-006"], timestamps).own_guest(),
    ];
    cases = cases.into_iter().map(|case| case.on(Asics::GAUDI2)).collect();
    cases.push(none);
    cases
}

const NONE: &[&str] = &["WAIT-INTR-001", "WAIT-CS-019"];
const RANGE: &[&str] = &["WAIT-INTR-002", "WAIT-INTR-003", "WAIT-INTR-004"];
/// Decoders of the chip (gaudi2P.h: NUMBER_OF_DEC).
const DECODERS: u32 = 10;
/// Interrupts of all queues and of all decoders (habanalabs_accel.h).
const ANY_QUEUE: u32 = HL_WAIT_CS_FLAGS_ANY_CQ_INTERRUPT >> 20;
const ANY_DECODER: u32 = HL_WAIT_CS_FLAGS_ANY_DEC_INTERRUPT >> 20;

fn refused(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let sequence = card.run(&card.nop(card.upload(0))?)?;
    for flags in [0, HL_WAIT_CS_FLAGS_MULTI_CS, HL_WAIT_CS_FLAGS_INTERRUPT_KERNEL_CQ, 0xfff0_0030] {
        let request = WaitRequest::interrupt(0, sequence, 0, 0).flags(flags);
        let mut arguments = request.arguments();
        let at = |stop: Stop| stop.request(&request);
        let result = card.node.wait_raw(&mut arguments).result;
        errno("WAIT_CS for an interrupt", result, Errno::EPERM).map_err(at)?;
        equal("arguments afterwards", words(&arguments), words(&request.arguments()))
            .map_err(at)?;
    }
    card.finish(sequence)
}

/// First and last interrupt of users.
fn interrupts(card: &Card<'_>) -> CaseResult<(u32, u32)> {
    let info = succeed("INFO HW_IP", card.node.hw_ip())?;
    let first = u32::from(info.first_available_interrupt_id);
    check(info.number_of_user_interrupts > 0, "the chip has interrupts for users")?;
    Ok((first, first + u32::from(info.number_of_user_interrupts) - 1))
}

/// Memory with a value in it.
fn memory(value: u64) -> CaseResult<Pages> {
    let pages = need("memory", Pages::new(4096))?;
    pages.write(0, &value.to_le_bytes());
    Ok(pages)
}

fn at(pages: &Pages) -> u64 {
    pages.pointer(0).address()
}

#[track_caller]
fn done(answer: &WaitAnswer, status: u32) -> CaseResult {
    let place = |stop: Stop| stop.request(answer);
    equal("status", answer.status(), Ok(status)).map_err(place)
}

fn range(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, last) = interrupts(&card)?;
    let pages = memory(1)?;
    for number in [first - 1, last + 1, 0xffd] {
        let answer = card.node.wait(&WaitRequest::interrupt(number, at(&pages), 1, 0));
        errno("WAIT_CS", answer.result, Errno::EINVAL).map_err(|stop| stop.request(&number))?;
    }
    for number in [first, last, ANY_QUEUE, ANY_DECODER] {
        let answer = card.node.wait(&WaitRequest::interrupt(number, at(&pages), 1, 0));
        done(&answer, HL_WAIT_CS_STATUS_COMPLETED).map_err(|stop| stop.request(&number))?;
    }
    Ok(())
}

fn reached(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    let pages = memory(u64::MAX - 1)?;
    for target in [0, 1, 1 << 40, u64::MAX - 1] {
        // The flag of waits for many submissions means nothing beside.
        let request = WaitRequest::interrupt(first, at(&pages), target, PATIENCE_US)
            .flags(if target == 1 { HL_WAIT_CS_FLAGS_MULTI_CS } else { 0 });
        let answer = card.node.wait(&request);
        done(&answer, HL_WAIT_CS_STATUS_COMPLETED)?;
        equal("flags", answer.flags, HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD)?;
        check(answer.timestamp_nsec > 0, "the answer says when")?;
    }
    Ok(())
}

fn busy(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    let pages = memory(5)?;
    for target in [6, u64::MAX] {
        let answer = card.node.wait(&WaitRequest::interrupt(first, at(&pages), target, 0));
        done(&answer, HL_WAIT_CS_STATUS_BUSY)?;
        equal("flags", answer.flags, 0)?;
    }
    Ok(())
}

/// Writes of a job that raise the interrupt, and jobs.
const STORM: (u32, u32) = (200, 40);

/// Interrupts hit every processor while a thread on it only looks, that is, puts itself into the
/// list of those who wait and takes itself out: the handler takes the lock of this list, too
/// (irq.c: handle_user_interrupt_wait_list). Where interrupts are not held off meanwhile, nothing
/// on that processor goes on.
fn storm(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    let pages = memory(5)?;
    let (writes, jobs) = STORM;
    let program = (0..writes).fold(card.program(), |program, _| program.message(DOORBELL, first));
    let job = card.job(card.upload(0), &program)?;
    let request = WaitRequest::interrupt(first, at(&pages), 6, 0);
    let (node, over) = (&card.node, AtomicBool::new(false));
    let look = |processor: usize| -> CaseResult<()> {
        let mut here = CpuSet::new();
        need("a set of processors", here.set(processor))?;
        need("a thread on its processor", sched_setaffinity(Pid::from_raw(0), &here))?;
        while !over.load(Ordering::Relaxed) {
            done(&node.wait(&request), HL_WAIT_CS_STATUS_BUSY)?;
        }
        Ok(())
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| -> CaseResult {
        let look = &look;
        let start = |processor| Beside::start(scope, move || look(processor));
        let looks = (0..processors).map(start).collect::<CaseResult<Vec<_>>>()?;
        let result = (0..jobs).try_for_each(|_| card.run(&job).map(drop));
        over.store(true, Ordering::Relaxed);
        looks.into_iter().try_for_each(|look| look.join()?)?;
        result
    })
}

fn over(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    let pages = memory(5)?;
    let limit = Duration::from_millis(100);
    let started = Ticks::now()?;
    let request = WaitRequest::interrupt(first, at(&pages), 6, limit.as_micros() as u64);
    done(&card.node.wait(&request), HL_WAIT_CS_STATUS_BUSY)?;
    started.lasted(limit)
}

fn unreadable(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    for pointer in [Pointer::NULL, Pointer::UNMAPPED, Pointer::KERNEL, Pointer::LAST_BYTE] {
        let request = WaitRequest::interrupt(first, pointer.address(), 1, PATIENCE_US);
        errno("WAIT_CS", card.node.wait(&request).result, Errno::EFAULT)?;
    }
    Ok(())
}

/// A decoder that is off, since a faulty one is (gaudi2.c: gaudi2_set_dec_binning_masks),
/// raises no interrupts.
fn off(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let on = succeed("INFO HW_IP", card.node.hw_ip())?.decoder_enabled_mask;
    check((1..(1 << DECODERS) - 1).contains(&on), "some decoders are on, and some are off")?;
    let pages = memory(1)?;
    for number in 0..DECODERS {
        let request = WaitRequest::interrupt(number, at(&pages), 1, 0);
        let answer = card.node.wait(&request);
        if on & (1 << number) == 0 {
            errno("WAIT_CS", answer.result, Errno::EINVAL).map_err(|stop| stop.request(&number))?;
        } else {
            done(&answer, HL_WAIT_CS_STATUS_COMPLETED).map_err(|stop| stop.request(&number))?;
        }
    }
    Ok(())
}

/// The driver looks again when the interrupt comes.
fn goes(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    let pages = memory(0)?;
    let job = raising(&card, first)?;
    let request = WaitRequest::interrupt(first, at(&pages), 7, PATIENCE_US);
    let node = &card.node;
    let answer = std::thread::scope(|scope| -> CaseResult<_> {
        let beside = Beside::start(scope, || node.wait(&request))?;
        beside.asleep()?;
        need("memory nobody may read", pages.closed())?;
        card.run(&job)?;
        beside.join()
    })?;
    errno("WAIT_CS", answer.result, Errno::EFAULT).map_err(|stop| stop.request(&answer))?;
    woken(&card, first, first)
}

/// A job that raises an interrupt.
fn raising<'a>(card: &'a Card<'_>, number: u32) -> CaseResult<Job<'a>> {
    card.job(card.upload(0), &card.program().message(DOORBELL, number))
}

/// Waits beside until woken; the value is set before the interrupt.
fn woken(card: &Card<'_>, wait: u32, raise: u32) -> CaseResult {
    let pages = memory(0)?;
    let job = raising(card, raise)?;
    let request = WaitRequest::interrupt(wait, at(&pages), 7, PATIENCE_US);
    let node = &card.node;
    let answer = std::thread::scope(|scope| -> CaseResult<_> {
        let beside = Beside::start(scope, || node.wait(&request))?;
        beside.asleep()?;
        // Twice below: the wait goes on.
        card.run(&job)?;
        pages.write(0, &6u64.to_le_bytes());
        card.run(&job)?;
        check(!beside.is_done(), "a wait goes on below its value")?;
        pages.write(0, &7u64.to_le_bytes());
        card.run(&job)?;
        beside.join()
    })?;
    done(&answer, HL_WAIT_CS_STATUS_COMPLETED)
}

fn arrives(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, last) = interrupts(&card)?;
    [first, last].into_iter().try_for_each(|number| woken(&card, number, number))
}

fn below(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    let pages = memory(0)?;
    let job = raising(&card, first)?;
    let limit = Duration::from_millis(300);
    let request = WaitRequest::interrupt(first, at(&pages), 7, limit.as_micros() as u64);
    let node = &card.node;
    let started = Ticks::now()?;
    let answer = std::thread::scope(|scope| -> CaseResult<_> {
        let beside = Beside::start(scope, || node.wait(&request))?;
        card.run(&job)?;
        beside.join()
    })?;
    done(&answer, HL_WAIT_CS_STATUS_BUSY)?;
    // An interrupt below the value does not end the wait.
    started.lasted(limit)
}

/// Limits with more than 32 bits, of which the lower half is a millisecond.
fn long(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    let (pages, buffer) = (memory(0)?, counters(&card, 0)?);
    let job = raising(&card, first)?;
    let limit = (1 << 32) + 1000;
    let requests = [
        WaitRequest::interrupt(first, at(&pages), 7, limit),
        WaitRequest::kernel_cq(first, buffer.handle(), LAST, 7, limit),
    ];
    let node = &card.node;
    let answers = std::thread::scope(|scope| -> CaseResult<_> {
        let start = |request| Beside::start(scope, move || node.wait(request));
        let waits = requests.iter().map(start).collect::<CaseResult<Vec<_>>>()?;
        waits.iter().try_for_each(Beside::asleep)?;
        // Many times a millisecond.
        for _ in 0..60 {
            card.run(&job)?;
        }
        pages.write(0, &7u64.to_le_bytes());
        need("write of counters", buffer.write(&last(7)))?;
        card.run(&job)?;
        waits.into_iter().map(Beside::join).collect::<CaseResult<Vec<_>>>()
    })?;
    answers.iter().try_for_each(|answer| done(answer, HL_WAIT_CS_STATUS_COMPLETED))
}

fn any(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, last) = interrupts(&card)?;
    [first, last].into_iter().try_for_each(|number| woken(&card, ANY_QUEUE, number))
}

fn decoder(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let pages = memory(3)?;
    let answer = card.node.wait(&WaitRequest::interrupt(ANY_DECODER, at(&pages), 4, 1000));
    done(&answer, HL_WAIT_CS_STATUS_BUSY)?;
    let answer = card.node.wait(&WaitRequest::interrupt(ANY_DECODER, at(&pages), 3, 1000));
    done(&answer, HL_WAIT_CS_STATUS_COMPLETED)
}

fn signal(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    let pages = memory(0)?;
    let buffer = succeed("CREATE", card.node.create_cb(4096, 0))?;
    let node = &card.node;
    for request in [
        WaitRequest::interrupt(first, at(&pages), 7, 60_000_000),
        WaitRequest::kernel_cq(first, buffer.handle(), 0, 7, 60_000_000),
    ] {
        ended_by_a_signal(node, &request)?;
    }
    Ok(())
}

/// A buffer of counters with a value in the last.
fn counters<'a>(card: &'a Card<'_>, value: u64) -> CaseResult<CommandBuffer<'a>> {
    let buffer = succeed("CREATE", card.node.create_cb(4096, 0))?;
    need("write of counters", buffer.write(&last(value)))?;
    Ok(buffer)
}

/// Counters of which the last has a value.
fn last(value: u64) -> Vec<u8> {
    let mut content = vec![0; 4096];
    content[4088..].copy_from_slice(&value.to_le_bytes());
    content
}

const LAST: u64 = 511;

#[track_caller]
fn kernel_refuses(card: &Card<'_>, handle: u64, offset: u64) -> CaseResult {
    let (first, _) = interrupts(card)?;
    let request = WaitRequest::kernel_cq(first, handle, offset, 0, 0);
    let result = card.node.wait(&request).result;
    errno("WAIT_CS", result, Errno::EINVAL).map_err(|stop| stop.request(&request))
}

fn no_handle(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    [0, 1, u64::MAX].into_iter().try_for_each(|handle| kernel_refuses(&card, handle, 0))
}

fn past(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let buffer = counters(&card, 1)?;
    for offset in [LAST + 1, LAST + 2, 1 << 32] {
        kernel_refuses(&card, buffer.handle(), offset)?;
    }
    Ok(())
}

fn wraps(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let buffer = counters(&card, 1)?;
    // Times 8 these are just below 0.
    for offset in [(1 << 61) - 1, u64::MAX] {
        kernel_refuses(&card, buffer.handle(), offset)?;
    }
    Ok(())
}

fn nowhere(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let buffer = counters(&card, 1)?;
    // Times 8 and added to an address of the kernel this is no address of anybody.
    kernel_refuses(&card, buffer.handle(), 1 << 59)
}

fn counted(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, last) = interrupts(&card)?;
    let buffer = counters(&card, 9)?;
    for number in [first, last, ANY_QUEUE] {
        for target in [0, 9] {
            let request = WaitRequest::kernel_cq(number, buffer.handle(), LAST, target, 0);
            let answer = card.node.wait(&request);
            done(&answer, HL_WAIT_CS_STATUS_COMPLETED)?;
            equal("flags", answer.flags, HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD)?;
        }
    }
    Ok(())
}

fn uncounted(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    let buffer = counters(&card, 9)?;
    for (offset, target) in [(LAST, 10), (LAST, u64::MAX), (0, 1)] {
        let request = WaitRequest::kernel_cq(first, buffer.handle(), offset, target, 0);
        let answer = card.node.wait(&request);
        done(&answer, HL_WAIT_CS_STATUS_BUSY)?;
        // Without time the driver says when it looked.
        equal("flags", answer.flags, HL_WAIT_CS_STATUS_FLAG_TIMESTAMP_VLD)?;
    }
    Ok(())
}

fn kept(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (first, _) = interrupts(&card)?;
    let buffer = counters(&card, 9)?;
    let usage = need("usage count", buffer.usage())?;
    for target in [9, 10] {
        for timeout in [0, 1000] {
            card.node.wait(&WaitRequest::kernel_cq(first, buffer.handle(), LAST, target, timeout));
        }
    }
    kernel_refuses(&card, buffer.handle(), LAST + 1)?;
    equal("usage count afterwards", need("usage count", buffer.usage())?, usage)?;
    let handle = buffer.handle();
    succeed("DESTROY", buffer.destroy())?;
    // A reference that was kept would keep the handle alive.
    kernel_refuses(&card, handle, 0)
}

fn timestamps(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let handle = succeed("TS_ALLOC", card.node.timestamps(16))?;
    kernel_refuses(&card, handle, 0)
}
