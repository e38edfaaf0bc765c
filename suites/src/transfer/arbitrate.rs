// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Turns of the streams of an engine, by priority and by weight. Gaudi only.
//!
//! The streams write the time of each of their turns into memory. What is compared is who had how
//! many of them while everybody wanted one: a stream that asks a little late misses a turn, so
//! the numbers are near the weights, not equal to them.

use super::{Host, engine_register, fence};
use crate::common::submit::Card;
use case::{Case, CaseResult, Context, check};
use control::Asics;
use device::CsRequest;
use hw::packet::{Barriers, Body, Packet};
use hw::qman::{GAUDI, STREAMS, arbitration};

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::new("transfer/arbitrate/the_higher_priority_is_done_first", ROWS, priority),
        Case::new("transfer/arbitrate/weights_share_the_turns", ROWS, weights),
    ];
    cases.into_iter().map(|case| case.on(Asics::GAUDI).budget(30)).collect()
}

const ROWS: &[&str] = &["GRAPH-006"];

/// Turns that each stream wants.
const TURNS: usize = 96;
/// Weights and priorities of the streams: not in their order.
const SHARES: [u32; STREAMS] = [2, 4, 1, 3];
/// The fence that lets everybody start.
const START: u8 = 1;

/// Who had the turns, in their order.
fn turns(cx: &Context, config: u32) -> CaseResult<Vec<usize>> {
    let card = Card::open(cx)?;
    let host = Host::new(&card, 4 * STREAMS * TURNS)?;
    let at = |stream: usize, turn: usize| 4 * (stream * TURNS + turn);
    let register = |register: u32| engine_register(&card, card.upload(0), register);
    let mut set = card.program();
    for (stream, weight) in (0..).zip(SHARES) {
        set = set.message(register(GAUDI.arb_weight + 4 * stream)?, weight);
    }
    let set = set.message(register(GAUDI.arb_cfg)?, config);
    card.run(&card.job(card.download(0), &set)?)?;
    let result = contend(&card, |stream, turn| host.at(at(stream, turn)));
    let clear = card.program().message(register(GAUDI.arb_cfg)?, 0);
    card.run(&card.job(card.download(0), &clear)?)?;
    result?;
    let mut turns = Vec::new();
    for stream in 0..STREAMS {
        for turn in 0..TURNS {
            let mut time = [0; 4];
            host.pages.read(at(stream, turn), &mut time);
            turns.push((u32::from_le_bytes(time), stream));
        }
    }
    turns.sort_unstable();
    check(turns[0].0 > 0, "every stream has had all of its turns")?;
    Ok(turns.into_iter().map(|(_, stream)| stream).collect())
}

/// All streams want their turns from the same moment on.
fn contend(card: &Card<'_>, slot: impl Fn(usize, usize) -> u64) -> CaseResult {
    let plain = Barriers { engine: false, register: true, message: true };
    let (mut jobs, mut start) = (Vec::new(), card.program());
    for (stream, priority) in (0..STREAMS).zip(SHARES) {
        let queue = card.upload(stream as u8);
        let mut program = card.program().fence(START, 1, 1);
        for turn in 0..TURNS {
            // Operation 1 writes the time (qman_if.h: PKT_LONG_CTL_OP).
            let time = Body::MsgLong { address: slot(stream, turn), value: 0, operation: 1 };
            program = program.body(Body::ArbPoint { priority, release: false });
            program = program.packet(&Packet::new(plain, time));
            program = program.body(Body::ArbPoint { priority, release: true });
        }
        jobs.push(card.job(queue, &program)?);
        start = start.message(fence(card, queue, START.into())?, 1);
    }
    let chunks: Vec<_> = jobs.iter().map(|job| job.chunk()).collect();
    let sequence = card.submit(&CsRequest::execute(chunks))?;
    card.run(&card.job(card.download(0), &start)?)?;
    card.finish(sequence)
}

/// When somebody has had the last of his turns, counted in turns.
fn done(turns: &[usize], stream: usize) -> usize {
    turns.iter().rposition(|turn| *turn == stream).unwrap_or(0)
}

fn priority(cx: &Context) -> CaseResult {
    let turns = turns(cx, arbitration::ENABLED.put(1))?;
    let mut order: Vec<usize> = (0..STREAMS).collect();
    order.sort_by_key(|stream| done(&turns, *stream));
    let priorities: Vec<u32> = order.iter().map(|stream| SHARES[*stream]).collect();
    check(priorities == [4, 3, 2, 1], "who has the higher priority is done first")
        .map_err(|stop| stop.request(&priorities))
}

fn weights(cx: &Context) -> CaseResult {
    let turns = turns(cx, arbitration::ENABLED.put(1) | arbitration::ROUND_ROBIN.put(1))?;
    // From when all have started until the first one is done, everybody wants a turn.
    let first = |stream: usize| turns.iter().position(|turn| *turn == stream).unwrap_or(0);
    let start = (0..STREAMS).map(first).max().unwrap_or(0);
    let end = (0..STREAMS).map(|stream| done(&turns, stream)).min().unwrap_or(0);
    let all = turns.get(start..end).unwrap_or_default();
    check(all.len() > TURNS, "the streams want turns at the same time")?;
    let sum: u32 = SHARES.iter().sum();
    for (stream, weight) in SHARES.into_iter().enumerate() {
        let had = all.iter().filter(|turn| **turn == stream).count();
        let due = all.len() * weight as usize / sum as usize;
        let near = had * 3 >= due * 2 && had * 2 <= due * 3;
        check(near, &format!("stream {stream} with weight {weight} has about {due} turns"))
            .map_err(|stop| stop.request(&had))?;
    }
    Ok(())
}
