// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A second thread rewrites the packets while they are checked (gaudi.c: gaudi_parse_cb_mmu).

use crate::common::submit::Card;
use crate::common::typed::need;
use case::{Case, CaseResult, Context, Stop, check, equal, errno};
use control::Asics;
use device::{CsRequest, Errno, SyncManager};
use hw::packet::{Barriers, Body, Packet};
use std::sync::atomic::{AtomicBool, Ordering};
use uapi::accel::HL_GAUDI_EN_DCORE;

pub(super) fn cases() -> Vec<Case> {
    let log =
        &["User not allowed to use", "Failed to parse JOB", "Invalid packet", "size mismatch"];
    vec![
        Case::new("packet/race/what_was_checked_is_what_runs", &["PKT-015"], smuggle)
            .on(Asics::GAUDI)
            .model()
            .budget(60)
            .logs(log),
        Case::new("packet/race/sizes_that_change_harm_nobody", &["PKT-015"], sizes)
            .on(Asics::GAUDI)
            .budget(60)
            .logs(log),
    ]
}

/// Packets before the one that changes: checking them takes a while.
const BEFORE: usize = 8192;
const ROUNDS: usize = 400;

/// Submits again and again while the last words of the job change between these two.
fn submit_while_changing(
    card: &Card<'_>,
    contents: [[u64; 2]; 2],
    mut each: impl FnMut(Result<u64, Errno>) -> CaseResult,
) -> CaseResult {
    let program = (0..BEFORE).fold(card.program(), |program, _| program.nop());
    let [words, _] = contents;
    let program = words.iter().fold(program, |program, word| program.raw(&word.to_le_bytes()));
    let job = card.job(card.upload(0), &program)?;
    let mapping = need("mmap of the buffer", job.buffer()?.map())?;
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (mapping, end_seen) = (&mapping, &end);
        let writer = scope.spawn(move || {
            while !end_seen.load(Ordering::Relaxed) {
                for content in contents {
                    mapping.write_u64(BEFORE * 8, content[0]);
                    mapping.write_u64(BEFORE * 8 + 8, content[1]);
                }
            }
        });
        let result = (0..ROUNDS)
            .try_for_each(|_| each(card.node.submit(&CsRequest::execute([job.chunk()]))));
        end.store(true, Ordering::Relaxed);
        writer.join().map_err(|_| Stop::Broken("a thread panicked".into()))?;
        result
    })
}

/// A packet as two words; one of 8 bytes is followed by another that does nothing.
fn words(body: Body) -> [u64; 2] {
    let nop = Packet::new(Barriers::NONE, Body::Nop).bytes(hw::Generation::Gaudi);
    let mut bytes = Packet::new(Barriers::NONE, body).bytes(hw::Generation::Gaudi);
    bytes.extend(nop);
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(word)
    };
    [word(0), word(8)]
}

fn smuggle(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let manager = SyncManager::new(card.chip, HL_GAUDI_EN_DCORE)
        .ok_or_else(|| Stop::Broken("the die has no sync manager".into()))?;
    let object = manager.objects() - 1;
    // The denied packet would store a value; the allowed one stores nothing at the same place.
    let address = manager.object(object);
    let denied = words(Body::MsgProt { address, value: 77, operation: 0 });
    let [_, tail] = denied;
    let nop = words(Body::Nop)[0];
    // The second word is an address either way; as a packet of its own it is unknown, so only the
    // first word changes: then it is refused for the second, too, and nothing else is executed.
    let mut accepted = 0;
    submit_while_changing(&card, [[nop, nop], denied], |result| match result {
        Ok(sequence) => {
            accepted += 1;
            card.finish(sequence)
        }
        Err(Errno::EPERM | Errno::EINVAL) => Ok(()),
        Err(other) => errno("CS", Err::<u64, _>(other), Errno::EPERM),
    })?;
    check(tail == address, "the second word of the packet is its address")?;
    let offset = address - hw::memory::map(card.chip).cfg_base;
    let value = cx.model()?.peek(offset)?;
    equal("value that a denied packet stores", value & 0x7fff, 0)
        .map_err(|stop| stop.request(&format_args!("{accepted} of {ROUNDS} accepted")))?;
    card.still_runs(card.upload(0))
}

fn sizes(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    // 8 and 16 bytes: with the longer one first, the packet behind it is its second half.
    let short = words(Body::Nop);
    let long = words(Body::MsgLong {
        address: u64::from_le_bytes(short[0].to_le_bytes()),
        value: 0,
        operation: 1,
    });
    let odd = [short[0], 0x0300_0000_0000_0000];
    check(long[0] != short[0], "the two differ")?;
    submit_while_changing(&card, [short, odd], |result| match result {
        Ok(sequence) => card.finish(sequence),
        // The longer packet does not end in the buffer.
        Err(Errno::EINVAL) => Ok(()),
        Err(other) => errno("CS", Err::<u64, _>(other), Errno::EINVAL),
    })?;
    card.still_runs(card.upload(0))
}
