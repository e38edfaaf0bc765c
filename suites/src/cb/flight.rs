// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Buffers in submissions that are not completed, buffers while memory is short, buffers while the
//! device is switched off (command_buffer.c: hl_cb_create, hl_cb_destroy, hl_cb_info).

use crate::common::files::Disabled;
use crate::common::submit::{Card, Held, Listings};
use crate::common::typed::{compute, need, still_works};
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::Asics;
use device::{CbRequest, Errno, Pages};
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("cb/info/counts_no_submission_that_runs_a_copy", &["CB-INFO-002"], usage)
            .on(Asics::GAUDI)
            .model(),
        Case::new("cb/destroy/leaves_what_is_in_flight", &["CB-DESTROY-006"], in_flight)
            .on(Asics::GAUDI)
            .model(),
        Case::new("cb/create/says_so_when_memory_is_short", &["CB-CREATE-007"], exhausted)
            .logs(&["page allocation failure", "of dma memory for CB"])
            .own_guest()
            .budget(120),
        Case::new("cb/create/may_race_with_the_end_of_service", &["CB-CREATE-017"], race)
            .logs(&["Can't create new CBs"])
            .budget(30),
    ]
}

/// Jobs of external queues run from a checked copy; the original is free again when the call
/// returns (command_submission.c: cs_parser).
fn usage(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let job = card.nop(queue)?;
    let held = Held::new(cx, &[queue])?;
    let sequences = [card.start(&job)?, card.start(&job)?];
    equal("usage while two submissions run", job.buffer()?.usage(), Ok(0))?;
    sequences.iter().try_for_each(|sequence| card.is_busy(*sequence))?;
    held.release()?;
    sequences.iter().try_for_each(|sequence| card.finish(*sequence))?;
    equal("usage afterwards", job.buffer()?.usage(), Ok(0))
}

fn in_flight(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let before = Listings::read(cx)?;
    let held = Held::new(cx, &[queue])?;
    let mut sequences = Vec::new();
    for _ in 0..8 {
        let buffer = succeed("CREATE", card.program().nop().load(&card.node))?;
        let handle = buffer.handle();
        let chunk = device::Chunk::job(queue, handle, card.program().nop().size());
        sequences.push(card.submit(&device::CsRequest::execute([chunk]))?);
        succeed("DESTROY of a buffer in flight", buffer.destroy())?;
        errno("second DESTROY", card.node.destroy_cb(handle), Errno::EINVAL)?;
    }
    // New buffers do not get the memory of those in flight.
    let others = (0..8).map(|_| {
        let buffer = succeed("CREATE", card.node.create_cb(4096, 0))?;
        need("write", buffer.write(&[0xff; 4096]))?;
        Ok(buffer)
    });
    let others = others.collect::<CaseResult<Vec<_>>>()?;
    held.release()?;
    sequences.into_iter().try_for_each(|sequence| card.finish(sequence))?;
    others.into_iter().try_for_each(|buffer| succeed("DESTROY", buffer.destroy()))?;
    before.are_back(cx)
}

/// The largest buffer (habanalabs_accel.h: HL_MAX_CB_SIZE).
const LARGEST: u32 = uapi::accel::HL_MAX_CB_SIZE;
/// More buffers than a machine of many GiB has memory for.
const MANY: usize = 1 << 16;
/// Memory that comes free again, so that the case can go on.
const SPARE: usize = 64 << 20;

fn exhausted(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let spare = need("memory", Pages::new(SPARE))?;
    spare.fill(1);
    let mut handles = Vec::new();
    let refused = loop {
        let (result, words) = node.cb_words(&CbRequest::create(LARGEST));
        match result {
            Ok(()) => handles.push(words[0]),
            Err(errno) => break (errno, words[0]),
        }
        if handles.len() == MANY {
            return Err(Stop::Skip("needs a machine whose memory can be used up".into()));
        }
    };
    drop(spare);
    equal("errno and handle of a refused CREATE", refused, (Errno::ENOMEM, 0))?;
    check(handles.len() > 8, "some buffers fit into the memory")?;
    // Each is still one of its own.
    let made = handles.len();
    handles.sort_unstable();
    handles.dedup();
    equal("different handles", handles.len(), made)?;
    handles.into_iter().try_for_each(|handle| succeed("DESTROY", node.destroy_cb(handle)))?;
    let again = succeed("CREATE of a large buffer afterwards", node.create_cb(LARGEST, 0))?;
    succeed("DESTROY", again.destroy())?;
    still_works(&node)
}

/// Calls beside the switch: the driver looks at it twice.
fn race(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let before = Listings::read(cx)?;
    let done = AtomicBool::new(false);
    let (made, refused) = std::thread::scope(|scope| -> CaseResult<(u32, u32)> {
        let calls = scope.spawn(|| -> CaseResult<(u32, u32)> {
            let (mut made, mut refused) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                match node.create_cb(4096, 0) {
                    Ok(buffer) => {
                        made += 1;
                        // Refused when it is off by now: then it is destroyed at the close.
                        let _ = buffer.destroy();
                    }
                    Err(Errno::EBUSY) => refused += 1,
                    other => return errno("CREATE", other, Errno::EBUSY).map(|()| (0, 0)),
                }
            }
            Ok((made, refused))
        });
        let switched = (0..50).try_for_each(|_| Disabled::new(cx).map(drop));
        done.store(true, Ordering::Relaxed);
        let counts = calls.join().map_err(|_| Stop::Broken("a thread panicked".into()))?;
        switched.and(counts)
    })?;
    check(made > 0 || refused > 0, "calls were made beside the switch")?;
    still_works(&node)?;
    succeed("close", node.close())?;
    before.are_back(cx)
}
