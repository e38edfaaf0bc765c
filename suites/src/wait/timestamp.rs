// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Timestamps that the driver writes when a counter reaches a value (command_submission.c:
//! _hl_interrupt_ts_reg_ioctl). Gaudi2 only.
//!
//! A registration holds the counters and the timestamps until a work item lets go of them, some
//! time after the timestamp is written. Cases wait for that (`Bench::settle`): a close that comes
//! first finds them in use and resets the device, or hits defect D27.

use super::DOORBELL;
use crate::common::submit::{Card, PATIENCE};
use crate::common::typed::need;
use crate::common::wait;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::Asics;
use device::{CommandBuffer, Errno, Mapping, WaitRequest};
use uapi::accel::HL_WAIT_CS_STATUS_COMPLETED;

pub(super) fn cases() -> Vec<Case> {
    let exceeds = &["exceeds max CB offset"];
    let cases = vec![
        Case::new("wait/timestamp/registers", &["WAIT-TSREG-001"], registers),
        Case::new("wait/timestamp/is_written_at_once_when_reached", REACHED, reached),
        Case::new("wait/timestamp/rejects_handles_of_nothing", HANDLES, handles),
        Case::new("wait/timestamp/rejects_places_past_the_end", &["WAIT-TSREG-005"], past)
            .logs(exceeds),
        Case::new("wait/timestamp/rejects_places_that_wrap", &["WAIT-TSREG-006"], wraps)
            .own_guest()
            .logs(exceeds),
        Case::new("wait/timestamp/compares_all_64_bits", &["WAIT-TSREG-007"], wide),
        Case::new("wait/timestamp/a_place_may_be_taken_again", &["WAIT-TSREG-008"], again),
        Case::new("wait/timestamp/a_place_may_move_to_another", &["WAIT-TSREG-009"], moves),
        Case::new("wait/timestamp/rejects_a_buffer_of_packets", &["WAIT-TSREG-010"], packets)
            .own_guest(),
        Case::new("wait/timestamp/close_ends_registrations", LIVE, close).own_guest(),
        Case::new("wait/timestamp/close_after_destroy_ends_registrations", LIVE, destroyed)
            .own_guest(),
        Case::new("wait/timestamp/threads_register_at_once", &["WAIT-TSREG-009"], threads)
            .budget(30),
    ];
    cases.into_iter().map(|case| case.on(Asics::GAUDI2)).collect()
}

const REACHED: &[&str] = &["WAIT-TSREG-002"];
const HANDLES: &[&str] = &["WAIT-TSREG-003", "WAIT-TSREG-004"];
const LIVE: &[&str] = &["WAIT-TSREG-011"];
/// Timestamps of a buffer.
const PLACES: u64 = 16;

/// Counters, timestamps and their mapping, and an interrupt.
struct Bench<'a> {
    card: &'a Card<'a>,
    counters: CommandBuffer<'a>,
    stamps: u64,
    mapping: Mapping,
    interrupt: u32,
}

impl<'a> Bench<'a> {
    fn new(card: &'a Card<'a>, counter: u64) -> CaseResult<Self> {
        let info = succeed("INFO HW_IP", card.node.hw_ip())?;
        let counters = succeed("CREATE", card.node.create_cb(4096, 0))?;
        need("write of a counter", counters.write(&counter.to_le_bytes()))?;
        let stamps = succeed("TS_ALLOC", card.node.timestamps(PLACES as u32))?;
        let mapping = succeed("mmap of timestamps", card.node.map(stamps, 4096))?;
        let interrupt = u32::from(info.first_available_interrupt_id);
        Ok(Bench { card, counters, stamps, mapping, interrupt })
    }

    fn request(&self, target: u64, place: u64) -> WaitRequest {
        let counters = self.counters.handle();
        WaitRequest::register_timestamp(self.interrupt, counters, 0, target, self.stamps, place)
    }

    #[track_caller]
    fn accepted(&self, request: &WaitRequest) -> CaseResult {
        let answer = self.card.node.wait(request);
        equal("status", answer.status(), Ok(HL_WAIT_CS_STATUS_COMPLETED))
            .map_err(|stop| stop.request(request))
    }

    #[track_caller]
    fn refused(&self, request: &WaitRequest) -> CaseResult {
        let result = self.card.node.wait(request).result;
        errno("WAIT_CS", result, Errno::EINVAL).map_err(|stop| stop.request(request))
    }

    /// Ends what is registered with an interrupt: the counter is at its end, and that says so.
    #[track_caller]
    fn end(&self, interrupt: u32) -> CaseResult {
        need("write of a counter", self.counters.write(&u64::MAX.to_le_bytes()))?;
        let program = self.card.program().message(DOORBELL, interrupt);
        self.card.run(&self.card.job(self.card.upload(0), &program)?).map(drop)
    }

    /// Destroys the counters, whose handle is known until the last registration lets go of them
    /// (irq.c: hl_ts_free_objects, which does so last).
    #[track_caller]
    fn settle(self) -> CaseResult {
        let Bench { card, counters, stamps: _, mapping: _, interrupt: _ } = self;
        let handle = counters.handle();
        need("DESTROY", counters.destroy())?;
        let gone = wait::until(PATIENCE, || match card.node.cb_usage(handle) {
            Err(Errno::EINVAL) => Ok(Some(())),
            other => need("INFO of the counters", other).map(|_| None),
        })?;
        check(gone.is_some(), "ended registrations let go of their counters")
    }

    fn stamp(&self, place: u64) -> u64 {
        self.mapping.read_u64(place as usize * 8)
    }
}

fn registers(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let bench = Bench::new(&card, 5)?;
    for place in 0..PLACES {
        bench.accepted(&bench.request(6, place))?;
        equal("timestamp to come", bench.stamp(place), 0)?;
    }
    bench.end(bench.interrupt)?;
    for place in 0..PLACES {
        let stamp = wait::until(PATIENCE, || Ok((bench.stamp(place) != 0).then_some(())))?;
        check(stamp.is_some(), &format!("timestamp {place} is written"))?;
    }
    bench.settle()
}

fn reached(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let bench = Bench::new(&card, 5)?;
    let mut last = 0;
    for place in (0..PLACES).rev() {
        bench.accepted(&bench.request(5, place))?;
        check(bench.stamp(place) > last, "the timestamp is in its place, and time passes")?;
        last = bench.stamp(place);
        for other in 0..place {
            equal("timestamp of another place", bench.stamp(other), 0)?;
        }
    }
    Ok(())
}

fn handles(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let bench = Bench::new(&card, 5)?;
    let usage = need("usage", bench.counters.usage())?;
    for handle in [0, u64::MAX] {
        bench.refused(&WaitRequest { timestamp_handle: handle, ..bench.request(5, 0) })?;
        bench.refused(&WaitRequest { subject: handle, ..bench.request(5, 0) })?;
    }
    equal("usage of the counters", need("usage", bench.counters.usage())?, usage)
}

fn past(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let bench = Bench::new(&card, 5)?;
    for place in [PLACES, PLACES + 1, 1 << 32] {
        bench.refused(&bench.request(5, place))?;
    }
    bench.refused(&WaitRequest { counter_offset: 512, ..bench.request(5, 0) })
}

fn wraps(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let bench = Bench::new(&card, 5)?;
    // Times the size of a record these are just below 0, or far below.
    [u64::MAX, u64::MAX / 2 + 1].into_iter().try_for_each(|n| bench.refused(&bench.request(5, n)))
}

fn wide(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let bench = Bench::new(&card, 1)?;
    bench.accepted(&bench.request((1 << 32) + 1, 0))?;
    // An interrupt looks at the counter again; it is far below.
    let program = card.program().message(DOORBELL, bench.interrupt);
    let job = card.job(card.upload(0), &program)?;
    card.run(&job)?;
    card.run(&job)?;
    let stamp = bench.stamp(0);
    bench.end(bench.interrupt)?;
    bench.settle()?;
    equal("timestamp to come", stamp, 0)
}

fn again(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let bench = Bench::new(&card, 5)?;
    for _ in 0..10 {
        bench.accepted(&bench.request(6, 3))?;
    }
    bench.accepted(&bench.request(5, 3))?;
    check(bench.stamp(3) != 0, "the last registration is the one that counts")?;
    bench.settle()
}

fn moves(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let mut bench = Bench::new(&card, 5)?;
    for _ in 0..5 {
        bench.accepted(&bench.request(6, 3))?;
        bench.interrupt += 1;
        bench.accepted(&bench.request(6, 3))?;
        bench.interrupt -= 1;
    }
    bench.end(bench.interrupt + 1)?;
    bench.settle()
}

fn packets(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let bench = Bench::new(&card, 5)?;
    let other = succeed("CREATE", card.node.create_cb(4096, 0))?;
    bench.refused(&WaitRequest { timestamp_handle: other.handle(), ..bench.request(6, 0) })
}

fn close(cx: &Context) -> CaseResult {
    {
        let card = Card::open(cx)?;
        let bench = Bench::new(&card, 5)?;
        for place in 0..PLACES {
            bench.accepted(&bench.request(6, place))?;
        }
        // The close destroys them (defect D27 when DESTROY does).
        std::mem::forget(bench.counters);
    }
    // Nothing keeps the device busy.
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}

fn destroyed(cx: &Context) -> CaseResult {
    {
        let card = Card::open(cx)?;
        let bench = Bench::new(&card, 5)?;
        for place in 0..PLACES {
            // Each is all that holds its counters.
            let counters = succeed("CREATE", card.node.create_cb(4096, 0))?;
            bench
                .accepted(&WaitRequest { subject: counters.handle(), ..bench.request(6, place) })?;
            succeed("DESTROY", counters.destroy())?;
        }
    }
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}

fn threads(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let owner = Bench::new(&card, 5)?;
    let (bench, first) = (&owner, owner.interrupt);
    std::thread::scope(|scope| {
        let work = move |thread: u32| -> CaseResult {
            for round in 0..500u32 {
                let flags = (first + (thread + round) % 4) << 20;
                let mut request = bench.request(6, 0);
                request.flags = request.flags & 0xf_ffff | flags;
                bench.accepted(&request)?;
            }
            Ok(())
        };
        let threads: Vec<_> = (0..4).map(|n| scope.spawn(move || work(n))).collect();
        threads.into_iter().try_for_each(|thread| {
            thread.join().map_err(|_| case::Stop::Broken("a thread panicked".into()))?
        })
    })?;
    (first..first + 4).try_for_each(|interrupt| bench.end(interrupt))?;
    owner.settle()
}
