// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Signals, and queues that wait for them (command_submission.c: cs_ioctl_signal_wait; hw_queue.c:
//! init_signal_cs, init_wait_cs).

use crate::common::leak::{Rounds, kernel_objects_stay};
use crate::common::submit::{Card, Counters, Held, Listings, Rejection, operational};
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::Asics;
use device::cs::CsAnswer;
use device::{Chunk, CsRequest, Errno, Pointer};
use hw::Generation;
use uapi::accel::{HL_CS_FLAGS_STAGED_SUBMISSION_LAST, HL_CS_FLAGS_WAIT};

pub(super) fn cases() -> Vec<Case> {
    let no_sync = &["does not support sync stream"];
    vec![
        Case::new("cs/signal/completes_and_names_its_object", &["CS-SIGNAL-001"], signals),
        Case::new("cs/signal/counts_what_the_device_counts", &["CS-SIGNAL-001"], counts).model(),
        Case::new("cs/signal/rejects_queues_without_sync_objects", NO_SYNC, no_objects)
            .budget(30)
            .logs(no_sync),
        Case::new("cs/signal/goes_on_with_the_other_object_at_the_end", WRAP, wrap)
            .on(Asics::GAUDI),
        Case::new("cs/signal/comes_back_to_an_empty_object", COMES_BACK, comes_back)
            .on(Asics::GAUDI)
            .model(),
        Case::new("cs/signal/goes_on_when_the_object_is_full", WRAP, wrap_reserved)
            .on(Asics::GAUDI2)
            .resets(1)
            .budget(60)
            .logs(&["device still in use"]),
        Case::new("cs/wait/lasts_until_the_signal", &["CS-WAITS-001"], wait).model(),
        Case::new("cs/wait/for_a_finished_signal_is_nothing", &["CS-WAITS-002"], finished),
        Case::new("cs/wait/keeps_nothing_of_finished_signals", &["CS-WAITS-002"], leak).budget(60),
        Case::new("cs/wait/keeps_nothing_of_what_it_refuses", &["CS-WAITS-006"], leak_refused)
            .budget(60)
            .logs(&["is not of a signal"]),
        Case::new("cs/wait/takes_exactly_one_signal", &["CS-WAITS-003"], one)
            .logs(&["supports only one signal"]),
        Case::new("cs/wait/rejects_unreadable_lists", &["CS-WAITS-004"], unreadable)
            .logs(&["Failed to copy signal seq"]),
        Case::new("cs/wait/rejects_signals_to_come", &["CS-WAITS-005"], future)
            .logs(&["Failed to get signal CS"]),
        Case::new("cs/wait/rejects_what_is_no_signal", &["CS-WAITS-006"], no_signal)
            .model()
            .logs(&["is not of a signal"]),
        Case::new("cs/collective/is_refused_without_ports", &["CS-COLL-002", "CS-COLL-003"], ports)
            .on(Asics::GAUDI)
            .logs(&["Collective operations not supported"]),
        Case::new("cs/collective/needs_a_master", &["CS-COLL-001"], master)
            .on(Asics::GAUDI)
            .logs(no_sync),
        Case::new("cs/collective/is_refused_where_unsupported", &["CS-COLL-004"], unsupported)
            .on(Asics::GAUDI2)
            .logs(&["Queue index"]),
    ]
}

const NO_SYNC: &[&str] = &["CS-SIGNAL-002", "CS-SIGNAL-003"];
const WRAP: &[&str] = &["CS-SIGNAL-004"];
const COMES_BACK: &[&str] = &["CS-SIGNAL-004", "CS-ENCAP-006", "CS-ENCAP-008"];
/// Where a sync object ends (habanalabs.h: HL_MAX_SOB_VAL).
const END: u16 = 1 << 15;

#[track_caller]
fn signal(card: &Card<'_>, queue: u32) -> CaseResult<CsAnswer> {
    let request = CsRequest::signal(queue);
    let answer = card.node.cs(&request);
    succeed("CS signal", answer.result).map_err(|stop| stop.request(&request))?;
    Ok(answer)
}

fn signals(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let before = Counters::read(&card.node)?;
    let listings = Listings::read(cx)?;
    let mut objects = Vec::new();
    for queue in [card.upload(0), card.upload(3), card.download(1)] {
        let first = signal(&card, queue)?;
        let second = signal(&card, queue)?;
        card.names_object(first.sob_offset)?;
        equal("object of the second signal", second.sob_offset, first.sob_offset)?;
        equal("count of the second signal", second.sob_count, first.sob_count + 1)?;
        equal("sequence number of the second", second.sequence, first.sequence + 1)?;
        card.finish(first.sequence)?;
        card.finish(second.sequence)?;
        let object = object(&card, queue, first.sob_offset);
        check(!objects.contains(&object), "each queue has its own object")?;
        objects.push(object);
    }
    before.grew(&card.node, None, 0)?;
    listings.are_back(cx)
}

/// Where the first sync objects of queues are on Gaudi2, from `CFG_BASE`: behind those for the
/// driver's own use, two for each queue that has any (`gaudi2P.h: GAUDI2_RESERVED_SOB_NUMBER`,
/// `habanalabs.h: HL_RSVD_SOBS`).
const GAUDI2_OBJECTS: u32 = 0x410_0000 + 4 * 85;

/// Where the object of a queue's first signals is: the driver of Gaudi tells.
fn object(card: &Card<'_>, queue: u32, told: u32) -> u32 {
    match card.chip {
        Generation::Gaudi => told,
        Generation::Gaudi2 => {
            let before = (0..queue).filter(|queue| card.synchronises(*queue)).count() as u32;
            GAUDI2_OBJECTS + 4 * 2 * before
        }
    }
}

/// The value of a sync object in the device.
fn value(card: &Card<'_>, offset: u32) -> CaseResult<u64> {
    Ok(card.cx.model()?.peek(offset.into())? & 0x7fff)
}

fn counts(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for queue in [card.upload(1), card.upload(1), card.download(0), card.upload(3)] {
        let answer = signal(&card, queue)?;
        card.finish(answer.sequence)?;
        // Recorded as it is: the field that says "before submission" has this signal in it
        // (hw_queue.c: init_signal_cs takes it after the wrap-around handler counted).
        let now = value(&card, object(&card, queue, answer.sob_offset))?;
        equal("value of the object after the signal", now, answer.sob_count.into())?;
    }
    Ok(())
}

fn no_objects(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for queue in card.queues().filter(|queue| !card.synchronises(*queue)) {
        for request in [CsRequest::signal(queue), CsRequest::wait(queue, &[0])] {
            card.rejects(&request, Rejection::invalid(Errno::EINVAL))?;
        }
    }
    let answer = signal(&card, card.upload(0))?;
    card.finish(answer.sequence)
}

fn wrap(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(2);
    let first = signal(&card, queue)?;
    let mut last = first;
    // Twice: away from the first object and back to it.
    for _ in 0..2 {
        // Most signals come from a reservation.
        use_up(&card, queue, u32::from(END - last.sob_count) - 20)?;
        let object = last.sob_offset;
        last = signal(&card, queue)?;
        while last.sob_offset == object {
            card.finish(last.sequence)?;
            let next = signal(&card, queue)?;
            if next.sob_offset == object {
                equal("count", next.sob_count, last.sob_count + 1)?;
            } else {
                equal("last count of an object", last.sob_count, END - 2)?;
                equal("first count of an object", next.sob_count, 0)?;
            }
            last = next;
        }
    }
    equal("object after two ends", last.sob_offset, first.sob_offset)?;
    card.finish(last.sequence)
}

/// Reservations cross from object to object: what was given back holds none, and an object that
/// was left full comes back empty.
fn comes_back(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(2);
    let most = u32::from(END) - 10;
    let before = super::encapsulate::reserve(&card, queue, 5)?;
    let give_back = CsRequest::unreserve_signals(before.reservation());
    succeed("CS unreserve", card.node.cs(&give_back).result)?;
    let first = use_up(&card, queue, most)?;
    let second = use_up(&card, queue, 20)?;
    let third = use_up(&card, queue, most)?;
    equal("object that is reserved at first", first, before.sob_offset)?;
    check(second != first, "what does not fit goes to the other object")?;
    equal("object after two ends", third, first)?;
    equal("value of the object", value(&card, third)?, most.into())
}

/// Gives so many signals on a queue with one submission; the object that they are given on.
fn use_up(card: &Card<'_>, queue: u32, count: u32) -> CaseResult<u32> {
    let answer = super::encapsulate::reserve(card, queue, count)?;
    let job = super::encapsulate::signalling(card, &answer, count)?;
    let request = CsRequest::first_stage_encapsulated([job.chunk()], answer.reservation())
        .flags(HL_CS_FLAGS_STAGED_SUBMISSION_LAST);
    let sequence = card.submit(&request)?;
    card.finish(sequence)?;
    Ok(answer.sob_offset)
}

/// The same where nothing but a signal uses an object up: what is reserved counts, and stays so
/// until the close, which the driver answers with a reset.
fn wrap_reserved(cx: &Context) -> CaseResult {
    {
        let card = Card::open(cx)?;
        let queue = card.upload(2);
        super::encapsulate::reserve(&card, queue, u32::from(END) - 6)?;
        let mut counts = Vec::new();
        for _ in 0..8 {
            let answer = signal(&card, queue)?;
            card.finish(answer.sequence)?;
            counts.push(answer.sob_count);
        }
        let last = counts.iter().position(|count| *count == 0);
        let last = last.map_or(0, |first| first - 1);
        equal("last count of the object", counts[last], END - 2)?;
        let grows = |counts: &[u16]| counts.windows(2).all(|pair| pair[1] == pair[0] + 1);
        check(grows(&counts[..=last]), "counts grow to the end of the object")?;
        check(grows(&counts[last + 1..]), "counts grow from 0 on in the other object")?;
        succeed("close", card.node.close())?;
    }
    operational(cx)?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(2))
}

fn wait(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (signals, waits) = (card.upload(0), card.download(0));
    let job = card.nop(waits)?;
    for _ in 0..3 {
        let held = Held::new(cx, &[signals])?;
        let answer = signal(&card, signals)?;
        let sequence = card.submit(&CsRequest::wait(waits, &[answer.sequence]))?;
        check(sequence != u64::MAX, "a wait for a pending signal has a number")?;
        let behind = card.start(&job)?;
        // What comes after the wait on the same queue waits as well; others do not.
        card.still_runs(card.upload(1))?;
        card.is_busy(sequence)?;
        card.is_busy(behind)?;
        held.release()?;
        for sequence in [answer.sequence, sequence, behind] {
            card.finish(sequence)?;
        }
    }
    Ok(())
}

fn finished(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let answer = signal(&card, card.upload(0))?;
    card.finish(answer.sequence)?;
    let before = Counters::read(&card.node)?;
    let request = CsRequest::wait(card.download(0), &[answer.sequence]);
    let waited = card.node.cs(&request);
    succeed("CS wait", waited.result).map_err(|stop| stop.request(&request))?;
    equal("sequence number of a wait for nothing", waited.sequence, u64::MAX)?;
    before.grew(&card.node, None, 0)?;
    // No number was used.
    let next = signal(&card, card.upload(0))?;
    equal("next sequence number", next.sequence, answer.sequence + 1)?;
    card.finish(next.sequence)
}

/// Submissions in a round that are waited for, each once.
const WAITED: u64 = 200;

/// Runs rounds that would each keep so many submissions; a card holds the latest ones itself (as
/// many as gaudiP.h: GAUDI_MAX_PENDING_CS), so each round ends with a close.
fn kept(cx: &Context, wait: impl Fn(&Card<'_>) -> CaseResult) -> CaseResult {
    kernel_objects_stay(Rounds::new(2, 4), WAITED / 2, || {
        let card = Card::open(cx)?;
        (0..WAITED).try_for_each(|_| wait(&card))
    })
}

fn leak(cx: &Context) -> CaseResult {
    kept(cx, |card| {
        let answer = signal(card, card.upload(0))?;
        card.finish(answer.sequence)?;
        let request = CsRequest::wait(card.download(0), &[answer.sequence]);
        equal("sequence number", card.submit(&request)?, u64::MAX)
    })
}

fn leak_refused(cx: &Context) -> CaseResult {
    kept(cx, |card| {
        let sequence = card.run(&card.nop(card.upload(0))?)?;
        let request = CsRequest::wait(card.download(0), &[sequence]);
        errno("CS wait for what is no signal", card.node.cs(&request).result, Errno::EINVAL)
            .map_err(|stop| stop.request(&request))
    })
}

fn one(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let answer = signal(&card, card.upload(0))?;
    card.finish(answer.sequence)?;
    let signals = [answer.sequence; 3];
    for size in [0, 2, 3, u32::MAX] {
        let mut chunk = Chunk::wait(card.upload(1), &signals);
        chunk.size = size;
        let request = CsRequest::execute([chunk]).flags(HL_CS_FLAGS_WAIT);
        card.rejects(&request, Rejection::invalid(Errno::EINVAL))?;
    }
    card.still_runs(card.upload(1))
}

fn unreadable(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for pointer in [Pointer::NULL, Pointer::UNMAPPED, Pointer::KERNEL, Pointer::LAST_BYTE] {
        let mut chunk = Chunk::wait(card.upload(1), &[]);
        chunk.buffer = pointer.address();
        chunk.size = 1;
        let request = CsRequest::execute([chunk]).flags(HL_CS_FLAGS_WAIT);
        card.rejects(&request, Rejection::invalid(Errno::EFAULT))?;
    }
    card.still_runs(card.upload(1))
}

fn future(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let answer = signal(&card, card.upload(0))?;
    card.finish(answer.sequence)?;
    for sequence in [answer.sequence + 1, answer.sequence + 64, 1 << 40, u64::MAX] {
        let request = CsRequest::wait(card.upload(1), &[sequence]);
        card.rejects(&request, Rejection::invalid(Errno::EINVAL))?;
    }
    card.still_runs(card.upload(1))
}

fn no_signal(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let job = card.nop(queue)?;
    let held = Held::new(cx, &[queue])?;
    let sequence = card.start(&job)?;
    let request = CsRequest::wait(card.upload(1), &[sequence]);
    card.rejects(&request, Rejection::invalid(Errno::EINVAL))?;
    held.release()?;
    card.finish(sequence)?;
    card.rejects(&request, Rejection::invalid(Errno::EINVAL))?;
    card.still_runs(card.upload(1))
}

fn ports(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let answer = signal(&card, card.upload(0))?;
    card.finish(answer.sequence)?;
    for engine in [0, 5, 17, u32::MAX] {
        let request = CsRequest::collective_wait(card.upload(1), engine, &[answer.sequence]);
        card.rejects(&request, Rejection::invalid(Errno::EINVAL))?;
    }
    card.still_runs(card.upload(1))
}

fn master(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for queue in card.queues().filter(|queue| !card.synchronises(*queue)) {
        let request = CsRequest::collective_wait(queue, 5, &[1]);
        card.rejects(&request, Rejection::invalid(Errno::EINVAL))?;
    }
    card.still_runs(card.upload(0))
}

fn unsupported(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let request = CsRequest::collective_wait(card.upload(0), 5, &[1]);
    card.rejects(&request, Rejection::invalid(Errno::EINVAL))?;
    card.still_runs(card.upload(0))
}
