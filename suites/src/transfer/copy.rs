// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Copies and fills.

use super::{Host, places, same};
use crate::common::submit::{Card, Job, PATIENCE_US};
use crate::common::typed::{device_memory, need};
use case::{Case, CaseResult, Context, Stop, equal};
use control::Asics;
use device::procfs::pinned_pages;
use device::{CsRequest, WaitRequest};
use hw::Generation;
use hw::packet::Body;
use hw::queue::Engine;
use uapi::accel::HL_WAIT_CS_STATUS_COMPLETED;

/// Sizes with their neighbours, by a name.
const SIZES: &[(&str, &[usize])] = &[
    ("bytes", &[1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33]),
    ("cache_lines", &[63, 64, 65, 127, 128, 129, 255, 256, 257, 1000]),
    ("pages", &[4095, 4096, 4097, 8191, 12_288, 65_535, 65_536, 65_537]),
    ("mebibytes", &[(1 << 20) - 1, 1 << 20, (2 << 20) + 1, (4 << 20) + 4096]),
];

/// Bytes of the large copies.
const LARGE: &[(&str, usize)] =
    &[("16_mib", 16 << 20), ("64_mib", 64 << 20), ("256_mib", 256 << 20)];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, sizes) in SIZES {
        let case = |place, memory| {
            let name = format!("transfer/copy/{name}_through_{place}");
            Case::new(name, HOST, move |cx| small(cx, sizes, memory)).budget(30)
        };
        cases.push(case("sram", false));
        cases.push(case("device_memory", true));
    }
    for (name, size) in LARGE {
        let name = format!("transfer/copy/{name}_through_device_memory");
        let case = Case::new(name, HOST, |cx| large(cx, *size));
        cases.push(case.budget(60).on(Asics::GAUDI));
    }
    cases.extend([
        Case::new("transfer/copy/between_memories_of_the_device", &["GRAPH-002"], inside),
        Case::new("transfer/copy/every_alignment", HOST, alignments).budget(30),
        Case::new("transfer/fill/repeats_its_pattern", &["GRAPH-003"], fill),
    ]);
    cases
}

const HOST: &[&str] = &["GRAPH-001"];

/// A byte that no copy writes.
const GUARD: u8 = 0x5c;

/// To a place in the device and back, each size at another offset; what is around stays.
fn small(cx: &Context, sizes: &[usize], memory: bool) -> CaseResult {
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let place = match memory {
        true => device_memory(cx, &card.node, 16 << 20)? + 0x10_0000,
        false => sram,
    };
    let most = sizes.iter().max().copied().unwrap_or(0) + 8192;
    let (source, target) = (Host::new(&card, most)?, Host::new(&card, most)?);
    source.randomise(&mut cx.rng())?;
    for (number, &size) in sizes.iter().enumerate() {
        let at = |stop: Stop| stop.request(&format_args!("{size} bytes"));
        let (from, to, inside) = (number * 13, 4096 + number * 7, place + number as u64);
        target.pages.fill(GUARD);
        let up = card.program().copy(source.at(from), inside, size as u32);
        card.run(&card.job(card.upload(0), &up)?).map_err(at)?;
        let down = card.program().copy(inside, target.at(to), size as u32);
        card.run(&card.job(card.download(0), &down)?).map_err(at)?;
        let expected = source.pages.bytes(from, size);
        same("copy", &target.pages.bytes(to, size), &expected).map_err(at)?;
        let around = [target.pages.bytes(0, to), target.pages.bytes(to + size, 64)].concat();
        same("what is around", &around, &vec![GUARD; around.len()]).map_err(at)?;
    }
    Ok(())
}

fn large(cx: &Context, size: usize) -> CaseResult {
    let card = Card::open(cx)?;
    let (_, dram) = places(&card)?;
    let pinned = need("count of pinned pages", pinned_pages())?;
    {
        let host = Host::new(&card, size)?;
        host.randomise(&mut cx.rng())?;
        let up = card.program().copy(host.at(0), dram, size as u32);
        long(&card, &card.job(card.upload(0), &up)?)?;
        host.pages.fill(GUARD);
        let down = card.program().copy(dram, host.at(0), size as u32);
        long(&card, &card.job(card.download(0), &down)?)?;
        // The same random bytes once more.
        host.with_random(&mut cx.rng(), |pages, start, part| {
            same("copy", &pages.bytes(start, part.len()), part)
                .map_err(|stop| stop.request(&format_args!("from byte {start}")))
        })?;
    }
    equal("pages pinned afterwards", need("count", pinned_pages())?, pinned)
}

/// Runs a job that takes longer than most.
fn long(card: &Card<'_>, job: &Job<'_>) -> CaseResult {
    let sequence = card.submit(&CsRequest::execute([job.chunk()]))?;
    let answer = card.node.wait(&WaitRequest::cs(sequence, 2 * PATIENCE_US));
    equal("status", answer.status(), Ok(HL_WAIT_CS_STATUS_COMPLETED))
}

fn inside(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let dram = device_memory(cx, &card.node, 16 << 20)?;
    let size = 1 << 20;
    let (source, target) = (Host::new(&card, size)?, Host::new(&card, size)?);
    source.randomise(&mut cx.rng())?;
    let companion = card.nop(card.upload(1))?;
    let up = card.program().copy(source.at(0), dram, size as u32);
    card.run(&card.job(card.upload(0), &up)?)?;
    let last = dram + (8 << 20);
    for (number, (from, to)) in [(dram, sram), (sram, last)].into_iter().enumerate() {
        if card.chip == Generation::Gaudi2 {
            let queue = card.stream_of(Engine::Edma, number as u16, number as u8)?;
            card.run(&card.job(queue, &card.program().copy(from, to, size as u32))?)?;
            continue;
        }
        let queue = card.stream_of(Engine::Dma, 2 + number as u16, number as u8)?;
        // The upper command processor of this engine has no way to its core: it hands the packets
        // to the lower one (gaudi.c: gaudi_init_hbm_dma_qman).
        let inner = card.job(queue, &card.program().copy(from, to, size as u32))?;
        let outer = Body::CpDma { source: inner.place(), size: inner.size() };
        let job = card.job(queue, &card.program().body(outer))?;
        let sequence = card.submit(&CsRequest::execute([job.chunk(), companion.chunk()]))?;
        card.finish(sequence)?;
        // The driver does not complete jobs of this queue.
        card.idle()?;
    }
    let down = card.program().copy(last, target.at(0), size as u32);
    card.run(&card.job(card.download(0), &down)?)?;
    same("copy", &target.pages.bytes(0, size), &source.pages.bytes(0, size))
}

/// Bytes of a copy of unaligned bytes, and how far apart they are in the target.
const PIECE: usize = 15;
const SLOT: usize = 32;

fn alignments(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let (source, target) = (Host::new(&card, 8192)?, Host::new(&card, 256 * SLOT)?);
    source.randomise(&mut cx.rng())?;
    let pairs: Vec<(usize, usize)> =
        (0..16).flat_map(|from| (0..16).map(move |to| (from, to))).collect();
    // All copies of a direction in one job.
    let (mut up, mut down) = (card.program(), card.program());
    for (number, &(from, to)) in pairs.iter().enumerate() {
        let inside = sram + 64 * number as u64 + to as u64;
        up = up.copy(source.at(from), inside, PIECE as u32);
        down = down.copy(inside, target.at(number * SLOT + from), PIECE as u32);
    }
    card.run(&card.job(card.upload(0), &up)?)?;
    card.run(&card.job(card.download(0), &down)?)?;
    for (number, &(from, _)) in pairs.iter().enumerate() {
        let got = target.pages.bytes(number * SLOT + from, PIECE);
        same("copy", &got, &source.pages.bytes(from, PIECE))
            .map_err(|stop| stop.request(&pairs[number]))?;
    }
    Ok(())
}

fn fill(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let target = Host::new(&card, 65_536)?;
    let pattern: u64 = 0x0123_4567_89ab_cdef;
    for size in [8, 64, 128, 4096, 32_768] {
        target.pages.fill(GUARD);
        let fill = card.program().fill(pattern, sram, size);
        card.run(&card.job(card.upload(0), &fill)?)?;
        let down = card.program().copy(sram, target.at(0), size);
        card.run(&card.job(card.download(0), &down)?)?;
        let size = size as usize;
        let expected = pattern.to_le_bytes().repeat(size / 8);
        same("fill", &target.pages.bytes(0, size), &expected)?;
        same("behind it", &target.pages.bytes(size, 64), &[GUARD; 64])?;
    }
    Ok(())
}
