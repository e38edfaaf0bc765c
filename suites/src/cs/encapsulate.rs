// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reserved signals that the jobs of a staged submission give themselves
//! (command_submission.c: cs_ioctl_reserve_signals, cs_ioctl_unreserve_signals).

use crate::common::submit::{Beside, Card, Counters, Rejection, operational};
use case::{Case, CaseResult, Context, Stop, check, equal, succeed};
use control::Asics;
use device::cs::CsAnswer;
use device::{CsRequest, Errno, Node};
use hw::Generation;
use hw::sync::{INCREMENT, VALUE};
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) fn cases() -> Vec<Case> {
    let unreserve = &["Cannot unreserve signals", "failed to unreserve"];
    let no_sync = &["does not support sync stream", "Queue index"];
    vec![
        Case::new("cs/encapsulated/are_reserved_and_given_back", GIVEN_BACK, given_back),
        Case::new("cs/encapsulated/rejects_more_than_an_object_holds", &["CS-ENCAP-002"], too_many)
            .logs(&["exceeds the max SOB value"]),
        Case::new("cs/encapsulated/rejects_queues_without_objects", NO_QUEUE, no_queue)
            .logs(no_sync),
        Case::new("cs/encapsulated/none_can_be_reserved", &["CS-ENCAP-007"], none),
        Case::new("cs/encapsulated/rejects_unknown_handles", &["CS-ENCAP-009"], unknown)
            .logs(unreserve),
        Case::new("cs/encapsulated/are_given_back_in_order_only", &["CS-ENCAP-010"], order)
            .logs(unreserve),
        Case::new("cs/encapsulated/switch_objects_when_one_is_full", FULL, full)
            .on(Asics::GAUDI)
            .logs(&["Cannot switch SOBs", "Failed to switch SOB"]),
        Case::new("cs/encapsulated/need_an_object_that_is_free", FULL, both_full)
            .on(Asics::GAUDI2)
            .resets(1)
            .budget(60)
            .logs(&["Cannot switch SOBs", "Failed to switch SOB", "device still in use"]),
        Case::new("cs/encapsulated/each_offset_waits_for_its_signal", OFFSETS, offsets)
            .on(Asics::GAUDI)
            .logs(&["exceed max reserved signals"]),
        Case::new("cs/encapsulated/a_stage_with_an_unknown_handle_is_refused", STAGE, stage)
            .on(Asics::GAUDI)
            .logs(&["encaps handle id", "Failed to submit CS"]),
        Case::new("cs/encapsulated/a_wait_for_what_is_gone_is_nothing", &["CS-ENCAP-013"], gone),
        Case::new(
            "cs/encapsulated/are_given_back_while_others_look_for_them",
            LOOKED_AT,
            looked_at,
        )
        .own_guest()
        .budget(60)
        .logs(&["exceed max reserved signals"]),
        Case::new("cs/encapsulated/waits_race_with_the_end", &["CS-ENCAP-013"], race)
            .on(Asics::GAUDI)
            .budget(60),
        Case::new("cs/encapsulated/close_gives_them_back", &["CS-ENCAP-014"], close)
            .resets(1)
            .budget(60)
            .logs(&["device still in use"]),
    ]
}

const GIVEN_BACK: &[&str] = &["CS-ENCAP-001", "CS-ENCAP-008"];
const NO_QUEUE: &[&str] = &["CS-ENCAP-003", "CS-ENCAP-004"];
const FULL: &[&str] = &["CS-ENCAP-006"];
const OFFSETS: &[&str] = &["CS-ENCAP-012", "CS-STAGED-001"];
const LOOKED_AT: &[&str] = &["CS-ENCAP-008", "CS-ENCAP-013"];
const STAGE: &[&str] = &["CS-ENCAP-011"];
/// Where a sync object ends (habanalabs.h: HL_MAX_SOB_VAL).
const END: u32 = 1 << 15;

#[track_caller]
pub(super) fn reserve(card: &Card<'_>, queue: u32, count: u32) -> CaseResult<CsAnswer> {
    let request = CsRequest::reserve_signals(queue, count);
    let answer = card.node.cs(&request);
    succeed("CS reserve", answer.result).map_err(|stop| stop.request(&request))?;
    check(answer.reservation() > 0, "a reservation has a handle")?;
    Ok(answer)
}

#[track_caller]
fn give_back(node: &Node, handle: u32) -> CaseResult {
    let request = CsRequest::unreserve_signals(handle);
    succeed("CS unreserve", node.cs(&request).result).map_err(|stop| stop.request(&request))
}

fn given_back(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let before = Counters::read(&card.node)?;
    let first = reserve(&card, card.upload(0), 10)?;
    card.names_object(first.sob_offset)?;
    give_back(&card.node, first.reservation())?;
    // As if nothing had been.
    for _ in 0..3 {
        let again = reserve(&card, card.upload(0), 10)?;
        equal(
            "object and count",
            (again.sob_offset, again.reserved()),
            (first.sob_offset, first.reserved()),
        )?;
        give_back(&card.node, again.reservation())?;
    }
    let more = reserve(&card, card.upload(0), 11)?;
    equal("count of one more", more.reserved(), first.reserved() + 1)?;
    let other = reserve(&card, card.download(0), 1)?;
    // The driver of Gaudi2 tells of none.
    let own = card.chip == Generation::Gaudi2 || other.sob_offset != more.sob_offset;
    check(own, "each queue has its own object")?;
    check(other.reservation() != more.reservation(), "handles are unique")?;
    give_back(&card.node, more.reservation())?;
    give_back(&card.node, other.reservation())?;
    before.grew(&card.node, None, 0)?;
    let job = card.nop(card.upload(0))?;
    equal("reservations take no sequence number", card.run(&job)?, 1)
}

fn too_many(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for count in [END, END + 1, 0x8000_0000, u32::MAX] {
        let request = CsRequest::reserve_signals(card.upload(0), count);
        card.rejects(&request, Rejection::reservation(Errno::EINVAL))?;
    }
    let most = reserve(&card, card.upload(3), END - 1)?;
    give_back(&card.node, most.reservation())?;
    card.still_runs(card.upload(0))
}

fn no_queue(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let end = card.queues().end;
    for queue in (0..end).filter(|queue| !card.synchronises(*queue)).chain([end, u32::MAX]) {
        let request = CsRequest::reserve_signals(queue, 1);
        card.rejects(&request, Rejection::reservation(Errno::EINVAL))?;
    }
    card.still_runs(card.upload(0))
}

fn none(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let one = reserve(&card, card.upload(1), 1)?;
    give_back(&card.node, one.reservation())?;
    let none = reserve(&card, card.upload(1), 0)?;
    equal("count", none.reserved(), one.reserved() - 1)?;
    give_back(&card.node, none.reservation())
}

fn unknown(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let answer = reserve(&card, card.upload(0), 1)?;
    give_back(&card.node, answer.reservation())?;
    for handle in [0, answer.reservation(), 12_345, u32::MAX] {
        let request = CsRequest::unreserve_signals(handle);
        card.rejects(&request, Rejection::new(Errno::EINVAL))?;
    }
    card.still_runs(card.upload(0))
}

fn order(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let first = reserve(&card, card.upload(0), 5)?;
    let second = reserve(&card, card.upload(0), 3)?;
    equal("count of the second", second.reserved(), first.reserved() + 3)?;
    let early = CsRequest::unreserve_signals(first.reservation());
    card.rejects(&early, Rejection::new(Errno::EINVAL))?;
    // The queues are not left locked.
    card.still_runs(card.upload(0))?;
    give_back(&card.node, second.reservation())?;
    give_back(&card.node, first.reservation())?;
    let again = reserve(&card, card.upload(0), 5)?;
    equal("count as at first", again.reserved(), first.reserved())?;
    give_back(&card.node, again.reservation())
}

/// Without stages nothing ends a reservation whose object was left, but the close, which resets.
fn both_full(cx: &Context) -> CaseResult {
    {
        let card = Card::open(cx)?;
        let queue = card.upload(2);
        let small = reserve(&card, queue, 1)?;
        let most = reserve(&card, queue, END - 1)?;
        equal("counts of the two", (small.reserved(), most.reserved()), (2, END))?;
        let request = CsRequest::reserve_signals(queue, 1);
        card.rejects(&request, Rejection::reservation(Errno::EINVAL))?;
        let other = reserve(&card, card.upload(3), 1)?;
        give_back(&card.node, other.reservation())?;
        card.still_runs(queue)?;
        succeed("close", card.node.close())?;
    }
    operational(cx)?;
    let card = Card::open(cx)?;
    let queue = card.upload(2);
    give_back(&card.node, reserve(&card, queue, 1)?.reservation())?;
    card.still_runs(queue)
}

fn full(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(2);
    let small = reserve(&card, queue, 1)?;
    let most = reserve(&card, queue, END - 1)?;
    check(most.sob_offset != small.sob_offset, "what does not fit goes to the other object")?;
    // Both objects are in use, so there is none to switch to.
    let request = CsRequest::reserve_signals(queue, 1);
    card.rejects(&request, Rejection::reservation(Errno::EINVAL))?;
    let other = reserve(&card, card.upload(3), 1)?;
    for answer in [other, most] {
        give_back(&card.node, answer.reservation())?;
    }
    // The object before was left for good, so this one cannot be given back.
    let request = CsRequest::unreserve_signals(small.reservation());
    card.rejects(&request, Rejection::new(Errno::EINVAL))?;
    card.still_runs(queue)?;
    // It ends with a staged submission that has its signals.
    let job = signalling(&card, &small, 1)?;
    let request = CsRequest::first_stage_encapsulated([job.chunk()], small.reservation())
        .flags(uapi::accel::HL_CS_FLAGS_STAGED_SUBMISSION_LAST);
    let sequence = card.submit(&request)?;
    card.finish(sequence)
}

/// A job that gives so many signals of a reservation.
pub(super) fn signalling<'a>(
    card: &'a Card<'_>,
    reserved: &CsAnswer,
    count: u32,
) -> CaseResult<crate::common::submit::Job<'a>> {
    let address = hw::memory::map(card.chip).cfg_base + u64::from(reserved.sob_offset);
    let add = VALUE.put(1) | INCREMENT.mask();
    let program = (0..count).fold(card.program(), |program, _| program.message(address, add));
    card.job(card.upload(0), &program)
}

fn offsets(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let reserved = reserve(&card, card.upload(0), 3)?;
    let [one, nothing] = [signalling(&card, &reserved, 1)?, card.nop(card.upload(0))?];
    let first = CsRequest::first_stage_encapsulated([nothing.chunk()], reserved.reservation());
    let sequence = card.submit(&first)?;
    let wait = |queue, offset| card.submit(&CsRequest::wait_encapsulated(queue, sequence, offset));
    let too_far = CsRequest::wait_encapsulated(card.download(0), sequence, 4);
    // The offset is refused before anything is counted.
    card.rejects(&too_far, Rejection::new(Errno::EINVAL))?;
    let waits = [
        (1, wait(card.download(0), 0)?),
        (1, wait(card.download(1), 1)?),
        (2, wait(card.download(2), 2)?),
        (3, wait(card.download(3), 3)?),
    ];
    for given in 0..=3 {
        if given > 0 {
            let chunks = [one.chunk()];
            let stage = match given {
                3 => CsRequest::last_stage(chunks, sequence),
                _ => CsRequest::next_stage(chunks, sequence),
            };
            equal("sequence number of a stage", card.submit(&stage)?, sequence)?;
        }
        // A job behind the stages on the same queue: they are executed when it is.
        card.still_runs(card.upload(0))?;
        for (needed, wait) in waits {
            if needed <= given { card.finish(wait)? } else { card.is_busy(wait)? }
        }
    }
    card.finish(sequence)
}

fn stage(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    for handle in [0, 77, u32::MAX] {
        let request = CsRequest::first_stage_encapsulated([job.chunk()], handle);
        card.rejects(&request, Rejection::new(Errno::EINVAL))?;
    }
    card.run(&job).map(drop)
}

fn gone(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let sequence = match card.chip {
        Generation::Gaudi => {
            let reserved = reserve(&card, card.upload(0), 1)?;
            let job = signalling(&card, &reserved, 1)?;
            let request =
                CsRequest::first_stage_encapsulated([job.chunk()], reserved.reservation())
                    .flags(uapi::accel::HL_CS_FLAGS_STAGED_SUBMISSION_LAST);
            card.submit(&request)?
        }
        // Which takes no stages (gaudi.c alone sets supports_staged_submission).
        Generation::Gaudi2 => card.start(&card.nop(card.upload(0))?)?,
    };
    card.finish(sequence)?;
    for gone in [sequence, sequence + 5, 0] {
        let request = CsRequest::wait_encapsulated(card.download(0), gone, 1);
        equal("sequence number of a wait for nothing", card.submit(&request)?, u64::MAX)?;
    }
    card.still_runs(card.download(0))
}

/// A reservation that no submission uses has this sequence number, so a wait can name it.
const UNUSED: u64 = u64::MAX;
/// Reservations that are given back beside a wait that names them.
const GIVEN: u32 = 20_000;

/// Who waits holds on to the reservation as long as its request is looked at; the offset is past
/// its end.
fn looked_at(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (card, done) = (&card, AtomicBool::new(false));
    std::thread::scope(|scope| -> CaseResult {
        let looking = Beside::start(scope, || -> CaseResult {
            let request = CsRequest::wait_encapsulated(card.download(0), UNUSED, 99);
            while !done.load(Ordering::Relaxed) {
                // Nothing there, or an offset past the end.
                let result = card.node.cs(&request).result;
                check(matches!(result, Ok(()) | Err(Errno::EINVAL)), "nothing or EINVAL")
                    .map_err(|stop| stop.request(&result))?;
            }
            Ok(())
        })?;
        let refused = (0..GIVEN).filter(|_| {
            let reserved = card.node.cs(&CsRequest::reserve_signals(card.upload(0), 3));
            let given = CsRequest::unreserve_signals(reserved.reservation());
            reserved.result.is_err() || card.node.cs(&given).result.is_err()
        });
        let refused = refused.count();
        done.store(true, Ordering::Relaxed);
        looking.join()??;
        equal("reservations that are not made or not given back", refused, 0)
    })?;
    card.still_runs(card.upload(0))
}

const ROUNDS: u32 = 300;
/// Reservations beside the one that ends. The driver looks through all of them for the one that a
/// wait names, under the lock that its end needs: so the end comes while it is looked for.
const CROWD: usize = 1000;

fn race(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let card = &card;
    let crowd = (0..CROWD).map(|_| reserve(card, card.upload(3), 1));
    let crowd = crowd.collect::<CaseResult<Vec<_>>>()?;
    let result = race_rounds(card);
    // Given back in order, or the close would end in a reset.
    crowd.iter().rev().try_for_each(|answer| give_back(&card.node, answer.reservation()))?;
    result
}

fn race_rounds(card: &Card<'_>) -> CaseResult {
    for _ in 0..ROUNDS {
        let reserved = reserve(card, card.upload(0), 1)?;
        let job = signalling(card, &reserved, 1)?;
        let handle = reserved.reservation();
        let first = CsRequest::first_stage_encapsulated([job.chunk()], handle);
        let sequence = card.submit(&first)?;
        let waits = std::thread::scope(|scope| -> CaseResult<Vec<u64>> {
            let beside = Beside::start(scope, move || -> CaseResult<Vec<u64>> {
                let request = CsRequest::wait_encapsulated(card.download(0), sequence, 1);
                let mut waits = Vec::new();
                loop {
                    // Until the reservation is gone.
                    let wait = card.submit(&request)?;
                    if wait == u64::MAX || waits.len() > 200 {
                        return Ok(waits);
                    }
                    waits.push(wait);
                }
            })?;
            card.submit(&CsRequest::last_stage([job.chunk()], sequence))?;
            beside.join()?
        })?;
        card.finish(sequence)?;
        waits.into_iter().try_for_each(|wait| card.finish(wait))?;
    }
    Ok(())
}

fn close(cx: &Context) -> CaseResult {
    let before = {
        let card = Card::open(cx)?;
        let reserved = reserve(&card, card.upload(0), 5)?;
        reserve(&card, card.download(0), 5)?;
        // Close with reservations keeps the context busy, which the driver answers with a reset
        // (device.c: hl_device_release).
        let Card { node, .. } = card;
        succeed("close", node.close())?;
        reserved
    };
    operational(cx)?;
    let card = Card::open(cx)?;
    let again = reserve(&card, card.upload(0), 5)?;
    equal("object and count of a fresh card", again.sob_offset, before.sob_offset)?;
    equal("count", again.reserved(), 6)?;
    give_back(&card.node, again.reservation())?;
    card.still_runs(card.upload(0)).map_err(|stop: Stop| stop.request(&again))
}
