// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! CS_COUNTERS: each reason for which a submission is dropped has a counter of the device and one
//! of the context (`habanalabs_ioctl.c: cs_counters_info`, `command_submission.c`).

use super::call::ask;
use super::silent::after_a_heartbeat;
use crate::common::files::Disabled;
use crate::common::node::Node;
use crate::common::submit::{Card, Counters, Dropped, Held};
use case::{Case, CaseResult, Context, Stop, check, equal, fail, succeed};
use control::Asics;
use device::{Chunk, CsRequest};
use nix::errno::Errno;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use uapi::accel::{self, hl_info_cs_counters};

/// Names of the counters, in the order of the structure.
const REASONS: [&str; 6] =
    ["out_of_mem", "parsing", "queue_full", "device_in_reset", "max_cs_in_flight", "validation"];

/// How long the unlucky moment may take to come after a heartbeat: the next is 10 s away.
const LIMIT: Duration = Duration::from_secs(8);

/// Heartbeats after which it may come.
const HEARTBEATS: u32 = 3;

/// Submissions that are taken at a time; fewer than a context may have (`gaudiP.h:
/// GAUDI_MAX_PENDING_CS`, `gaudi2P.h: GAUDI2_MAX_PENDING_CS`).
const IN_FLIGHT: u32 = 32;

/// Bytes that are no packet: the opcode field is all ones (`gaudi_packets.h`).
const NO_PACKET: [u8; 16] = [0xff; 16];

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "info/cs_counters/counts_submissions_that_fail_validation",
            &["INFO-CS_COUNTERS-006", "INFO-CS_COUNTERS-011"],
            |cx| {
                counted(cx, "validation", |node| {
                    let request = CsRequest::execute(vec![Chunk::job(u32::MAX, 0, 8)]);
                    let answer = node.cs(&request).accepted();
                    check(answer.is_err(), "a queue that is not there is refused")
                })
            },
        )
        .logs(&["Queue index"]),
        Case::new(
            "info/cs_counters/counts_submissions_that_fail_parsing",
            &["INFO-CS_COUNTERS-007", "INFO-CS_COUNTERS-011"],
            |cx| counted(cx, "parsing", unparsable),
        )
        .on(Asics::GAUDI)
        .logs(&["Invalid", "Failed to parse"]),
        Case::new(
            "info/cs_counters/counts_submissions_that_a_reset_overtakes",
            &["INFO-CS_COUNTERS-010", "CS-MIX-008"],
            overtaken,
        )
        .model()
        .budget(90)
        .logs(&["CS rejected!", "Failed to", "Can't create new CBs"]),
        Case::new(
            "info/cs_counters/starts_at_zero_for_each_context",
            &["INFO-CS_COUNTERS-001"],
            fresh,
        )
        .logs(&["Queue index"]),
    ]
}

/// Counters of the device, counters of the context.
fn counters(node: &Node) -> CaseResult<[[u64; 6]; 2]> {
    let a: hl_info_cs_counters = ask(node)?;
    Ok([
        [
            a.total_out_of_mem_drop_cnt,
            a.total_parsing_drop_cnt,
            a.total_queue_full_drop_cnt,
            a.total_device_in_reset_drop_cnt,
            a.total_max_cs_in_flight_drop_cnt,
            a.total_validation_drop_cnt,
        ],
        [
            a.ctx_out_of_mem_drop_cnt,
            a.ctx_parsing_drop_cnt,
            a.ctx_queue_full_drop_cnt,
            a.ctx_device_in_reset_drop_cnt,
            a.ctx_max_cs_in_flight_drop_cnt,
            a.ctx_validation_drop_cnt,
        ],
    ])
}

/// Each failing submission adds one to the two counters of its reason, and to no other.
fn counted(cx: &Context, reason: &str, fail: fn(&device::Node) -> CaseResult) -> CaseResult {
    let control = Node::control(cx)?;
    let compute = Node::compute(cx)?;
    let typed = compute.typed()?;
    let [total, own] = counters(&compute)?;
    for round in 1..=3 {
        fail(&typed)?;
        let [total_now, own_now] = counters(&compute)?;
        for (index, name) in REASONS.iter().enumerate() {
            let more = if *name == reason { round } else { 0 };
            let what = format!("{name}_drop_cnt after {round} {reason} failures");
            equal(&format!("total_{what}"), total_now[index], total[index] + more)?;
            equal(&format!("ctx_{what}"), own_now[index], own[index] + more)?;
        }
        equal("counters on the control node", counters(&control)?, [total_now, [0; 6]])?;
    }
    Ok(())
}

fn unparsable(node: &device::Node) -> CaseResult {
    let buffer = succeed("CB CREATE", node.create_cb(4096, 0))?;
    succeed("mmap of the command buffer", buffer.write(&NO_PACKET))?;
    let job = Chunk::job(accel::GAUDI_QUEUE_ID_DMA_0_0, buffer.handle(), NO_PACKET.len() as u32);
    let answer = node.cs(&CsRequest::execute(vec![job])).accepted();
    check(answer.is_err(), "bytes that are no packet are refused")
}

/// The device is switched off and on while a thread submits: sooner or later one submission was
/// let in while it was on and reaches the queues while it is off.
///
/// Submissions that end while it is off would be lost (`irq.c: hl_irq_handler_cq`), so the queue is
/// held back meanwhile, and a few at a time are all that it has to hold.
fn overtaken(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let job = card.nop(queue)?;
    let before = Counters::read(&card.node)?;
    let request = CsRequest::execute([job.chunk()]);
    let mut dropped = false;
    let mut heartbeats = 0..HEARTBEATS;
    while !dropped && heartbeats.next().is_some() {
        // A heartbeat that is overtaken ends in a reset.
        after_a_heartbeat(cx)?;
        let end = Instant::now() + LIMIT;
        while !dropped && Instant::now() < end {
            let held = Held::new(cx, &[queue])?;
            let raced = race(cx, &card, &request);
            held.release()?;
            let Raced { last, dropped: now } = raced?;
            dropped = now;
            last.map_or(Ok(()), |last| card.finish(last))?;
        }
    }
    check(dropped, "a submission meets a device that was switched off meanwhile")?;
    // The others may have found the device off before, which is another counter.
    let (now, index) = (Counters::read(&card.node)?, Dropped::InReset as usize);
    equal("total_device_in_reset_drop_cnt", now.total[index], before.total[index] + 1)?;
    equal("ctx_device_in_reset_drop_cnt", now.own[index], before.own[index] + 1)
}

/// What came of a race.
#[derive(Default)]
struct Raced {
    /// The last submission that was taken.
    last: Option<u64>,
    /// Was one dropped?
    dropped: bool,
}

/// Submits until enough are taken or one is dropped, while the device is switched off and on.
fn race(cx: &Context, card: &Card<'_>, request: &CsRequest) -> CaseResult<Raced> {
    let over = &AtomicBool::new(false);
    let node = &card.node;
    std::thread::scope(|scope| {
        let submitter = scope.spawn(move || -> CaseResult<Raced> {
            let mut raced = Raced::default();
            let mut taken = 0;
            let result = loop {
                match node.submit(request) {
                    Ok(sequence) => raced.last = Some(sequence),
                    Err(Errno::EBUSY) => continue,
                    Err(Errno::EPERM) => raced.dropped = true,
                    other => break fail(format!("CS gives {other:?}, expected EPERM at last")),
                }
                taken += 1;
                if raced.dropped || taken == IN_FLIGHT {
                    break Ok(raced);
                }
            };
            over.store(true, Ordering::Release);
            result
        });
        let mut switched = Ok(());
        while switched.is_ok() && !over.load(Ordering::Acquire) {
            switched = Disabled::new(cx).map(drop);
        }
        let raced = submitter.join().map_err(|_| Stop::Broken("a thread panicked".into()))?;
        switched.and(raced)
    })
}

fn fresh(cx: &Context) -> CaseResult {
    let compute = Node::compute(cx)?;
    let [total, own] = counters(&compute)?;
    equal("counters of a fresh context", own, [0; 6])?;
    let request = CsRequest::execute(vec![Chunk::job(u32::MAX, 0, 8)]);
    let refused = compute.typed()?.cs(&request).accepted().is_err();
    check(refused, "a queue that is not there is refused")?;
    drop(compute);
    let [later, own] = counters(&Node::compute(cx)?)?;
    equal("counters of the next context", own, [0; 6])?;
    equal("validation drops of the device", later[5], total[5] + 1)
}
