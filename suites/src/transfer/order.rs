// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Order between streams: fences, sync objects and monitors, signals of the driver; the same
//! thing a thousand times; two things at once; and what a reset leaves.

use super::{Host, fence, places, same};
use crate::common::files;
use crate::common::submit::{Card, Held, counted, hard_resets, operational};
use case::{Case, CaseResult, Context, Stop, check, succeed};
use device::sync::Compare;
use device::{CsRequest, Program, SyncManager};
use hw::Generation;
use hw::packet::{Barriers, Body, Packet};
use uapi::accel::HL_GAUDI_EN_DCORE;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("transfer/order/a_chain_over_streams_keeps_its_order", &["GRAPH-004"], chain)
            .budget(30),
        Case::new("transfer/order/a_monitor_lets_the_other_stream_go", &["GRAPH-005"], monitor),
        Case::new("transfer/order/signals_order_two_submissions", &["GRAPH-005"], signal).model(),
        Case::new("transfer/order/a_thousand_times_the_same", &["GRAPH-019"], replay).budget(60),
        Case::new("transfer/order/two_chains_at_once", &["GRAPH-020"], two).budget(60),
        Case::new("transfer/order/the_next_is_right_after_a_reset", &["GRAPH-018"], reset)
            .model()
            .resets(1)
            .budget(90)
            .logs(&["Hard-Reset requested", "Killing CS", "has been aborted"]),
    ]
}

/// Bytes of a link.
const SIZE: usize = 4096;

/// Fence of the chains; the driver's waits use 2 (gaudi.c: gaudi_get_fence_addr, gaudi2.c:
/// gaudi2_gen_wait_cb).
const FENCE: u8 = 1;

/// A word written when everything before it is done.
fn after(program: Program, address: u64, value: u32) -> Program {
    program.packet(&Packet::new(Barriers::ALL, Body::MsgLong { address, value, operation: 0 }))
}

/// A chain of copies through places of the device, alternating between two streams; each link
/// lets the next one go by a fence.
struct Chain {
    streams: [u32; 2],
    programs: [Program; 2],
    /// Where the last link leaves the bytes.
    end: u64,
}

impl Chain {
    fn new(
        card: &Card<'_>,
        streams: [u32; 2],
        from: u64,
        first: u64,
        links: usize,
    ) -> CaseResult<Self> {
        let fences =
            [fence(card, streams[0], FENCE.into())?, fence(card, streams[1], FENCE.into())?];
        let mut programs = [card.program(), card.program()];
        let mut from = from;
        for link in 0..links {
            let (own, other) = (link % 2, 1 - link % 2);
            let to = first + (link * SIZE) as u64;
            let mut program = programs[own].clone();
            if link > 0 {
                program = program.fence(FENCE, 1, 1);
            }
            program = program.copy(from, to, SIZE as u32);
            if link + 1 < links {
                program = after(program, fences[other], 1);
            }
            programs[own] = program;
            from = to;
        }
        Ok(Chain { streams, programs, end: from })
    }

    /// Runs both streams in one submission, the second one first.
    fn run(&self, card: &Card<'_>) -> CaseResult {
        let jobs = [
            card.job(self.streams[1], &self.programs[1])?,
            card.job(self.streams[0], &self.programs[0])?,
        ];
        let sequence = card.submit(&CsRequest::execute([jobs[0].chunk(), jobs[1].chunk()]))?;
        card.finish(sequence)
    }
}

/// Takes what a chain left.
fn fetch(card: &Card<'_>, from: u64, into: &Host<'_>) -> CaseResult {
    let down = card.program().copy(from, into.at(0), SIZE as u32);
    card.run(&card.job(card.download(0), &down)?).map(drop)
}

fn chain(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let (source, target) = (Host::new(&card, SIZE)?, Host::new(&card, SIZE)?);
    let mut random = cx.rng();
    for links in [2, 3, 10, 64] {
        source.randomise(&mut random)?;
        let streams = [card.upload(0), card.upload(1)];
        let chain = Chain::new(&card, streams, source.at(0), sram, links)?;
        chain.run(&card)?;
        fetch(&card, chain.end, &target)?;
        same("end of the chain", &target.pages.bytes(0, SIZE), &source.pages.bytes(0, SIZE))
            .map_err(|stop| stop.request(&format_args!("{links} links")))?;
    }
    Ok(())
}

fn monitor(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let die = match card.chip {
        Generation::Gaudi => HL_GAUDI_EN_DCORE,
        Generation::Gaudi2 => 0,
    };
    let info = succeed("INFO SYNC_MANAGER", card.node.sync_manager(die))?;
    let manager = SyncManager::new(card.chip, die)
        .ok_or_else(|| Stop::Broken("the die has no sync manager".into()))?;
    let (source, target) = (Host::new(&card, SIZE)?, Host::new(&card, SIZE)?);
    let (early, late) = (card.upload(0), card.download(0));
    let mut random = cx.rng();
    for round in 0..4 {
        source.randomise(&mut random)?;
        target.pages.fill(0);
        let object = info.first_available_sync_object + 8 + round;
        // Three additions; the monitor waits for the sum.
        let mut add = manager.add(object, 1);
        add.barriers = Barriers::ALL;
        let up = card.program().copy(source.at(0), sram, SIZE as u32);
        let up = up.packets(&[add.clone(), add.clone(), add]);
        let compare = if round % 2 == 0 { Compare::AtLeast(3) } else { Compare::Equal(3) };
        let monitor = info.first_available_monitor;
        let arm = manager.monitor(monitor, object, compare, fence(&card, late, 0)?, 1);
        let down = card.program().packet(&manager.store(object, 0)).packets(&arm);
        let down = down.fence(0, 1, 1).copy(sram, target.at(0), SIZE as u32);
        let jobs = [card.job(late, &down)?, card.job(early, &up)?];
        let waiting = card.start(&jobs[0])?;
        // The monitor is armed: what comes behind on other streams does not let it go.
        card.still_runs(early)?;
        card.is_busy(waiting)?;
        let adding = card.start(&jobs[1])?;
        card.finish(adding)?;
        card.finish(waiting)?;
        same("copy behind it", &target.pages.bytes(0, SIZE), &source.pages.bytes(0, SIZE))
            .map_err(|stop| stop.request(&compare))?;
    }
    Ok(())
}

fn signal(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let (source, target) = (Host::new(&card, SIZE)?, Host::new(&card, SIZE)?);
    let (early, late) = (card.upload(0), card.download(0));
    let mut random = cx.rng();
    for _ in 0..5 {
        source.randomise(&mut random)?;
        target.pages.fill(0);
        let up = card.job(early, &card.program().copy(source.at(0), sram, SIZE as u32))?;
        let down = card.job(late, &card.program().copy(sram, target.at(0), SIZE as u32))?;
        let held = Held::new(cx, &[early])?;
        card.start(&up)?;
        let signal = card.submit(&CsRequest::signal(early))?;
        let wait = card.submit(&CsRequest::wait(late, &[signal]))?;
        let last = card.start(&down)?;
        card.is_busy(last)?;
        held.release()?;
        for sequence in [signal, wait, last] {
            card.finish(sequence)?;
        }
        same("copy", &target.pages.bytes(0, SIZE), &source.pages.bytes(0, SIZE))?;
    }
    Ok(())
}

fn replay(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let (source, target) = (Host::new(&card, SIZE)?, Host::new(&card, SIZE)?);
    source.randomise(&mut cx.rng())?;
    let streams = [card.upload(0), card.upload(1)];
    let chain = Chain::new(&card, streams, source.at(0), sram, 4)?;
    let down = card.program().copy(chain.end, target.at(0), SIZE as u32);
    let clear = card.program().fill(0, chain.end, SIZE as u32);
    let jobs = [
        card.job(streams[0], &chain.programs[0])?,
        card.job(streams[1], &chain.programs[1])?,
        card.job(card.download(0), &down)?,
        card.job(streams[0], &clear)?,
    ];
    let expected = source.pages.bytes(0, SIZE);
    for round in 0..1000 {
        card.run(&jobs[3])?;
        let sequence = card.submit(&CsRequest::execute([jobs[0].chunk(), jobs[1].chunk()]))?;
        card.finish(sequence)?;
        card.run(&jobs[2])?;
        same("end of the chain", &target.pages.bytes(0, SIZE), &expected)
            .map_err(|stop| stop.request(&format_args!("round {round}")))?;
    }
    Ok(())
}

/// Two pairs of streams; the first of each reaches the host. Gaudi2 has three of those.
fn pairs(card: &Card<'_>) -> ([u32; 2], [u32; 2]) {
    let first = [card.upload(0), card.upload(1)];
    match card.chip {
        Generation::Gaudi => (first, [card.upload(2), card.upload(3)]),
        Generation::Gaudi2 => (first, [card.download(0), card.upload(2)]),
    }
}

fn two(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let second = sram + (1 << 20);
    let (first, others) = pairs(&card);
    let hosts = [Host::new(&card, SIZE)?, Host::new(&card, SIZE)?];
    let target = Host::new(&card, SIZE)?;
    let mut random = cx.rng();
    for _ in 0..50 {
        hosts.iter().try_for_each(|host| host.randomise(&mut random))?;
        let chains = [
            Chain::new(&card, first, hosts[0].at(0), sram, 16)?,
            Chain::new(&card, others, hosts[1].at(0), second, 16)?,
        ];
        let mut jobs = Vec::new();
        for stream in [1, 0] {
            for chain in &chains {
                jobs.push(card.job(chain.streams[stream], &chain.programs[stream])?);
            }
        }
        let sequences = jobs.iter().map(|job| card.start(job)).collect::<CaseResult<Vec<_>>>()?;
        sequences.into_iter().try_for_each(|sequence| card.finish(sequence))?;
        for (chain, host) in chains.iter().zip(&hosts) {
            fetch(&card, chain.end, &target)?;
            same("end", &target.pages.bytes(0, SIZE), &host.pages.bytes(0, SIZE))?;
        }
    }
    Ok(())
}

fn reset(cx: &Context) -> CaseResult {
    let before = hard_resets(cx)?;
    {
        let card = Card::open(cx)?;
        let queue = card.upload(0);
        let held = Held::new(cx, &[queue])?;
        // Its packets stay where they are until the device has forgotten them.
        let job = card.nop(queue)?;
        let sequence = card.start(&job)?;
        files::write(&cx.at.sysfs.join("hard_reset"), "1")?;
        // Refused, or woken, but not told that it is completed.
        let status = card.node.wait_cs(sequence, 20_000_000);
        held.release()?;
        drop(job);
        let Card { node, .. } = card;
        succeed("close", node.close())?;
        check(status.is_err(), "a wait during a reset fails")
            .map_err(|stop| stop.request(&status))?;
    }
    operational(cx)?;
    counted(cx, before + 1)?;
    chain(cx)
}
