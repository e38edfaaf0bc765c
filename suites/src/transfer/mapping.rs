// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Data through mappings: of every size and place in memory, after every order of mapping and
//! unmapping beside mapped neighbours, with addresses that are used again.
//!
//! The driver maps memory with pages of 2 MiB only where all of its pieces start and end at
//! multiples of that (memory.c: init_phys_pg_pack_from_userptr), so memory that lies side by side
//! physically is cut at places where that does not hold.

use super::{Host, places, same};
use crate::common::submit::Card;
use crate::common::typed::need;
use case::{Case, CaseResult, Context, Stop, check, equal, succeed};
use control::Asics;
use device::{MapGuard, MemoryRequest, Pages};
use rand::rngs::StdRng;
use rand::{Rng, RngCore};
use std::os::unix::fs::FileExt;
use uapi::accel::{HL_CB_FLAGS_MAP, HL_MEM_FORCE_HINT};

/// Pages of the host and of the device.
const PAGE: usize = 4096;
const HUGE: usize = 2 << 20;

/// Parts of memory that starts at a multiple of 2 MiB: name, first byte, bytes.
const WINDOWS: &[(&str, usize, usize)] = &[
    ("a_page", 0, PAGE),
    ("bytes_of_a_page", 5, 100),
    ("bytes_of_two_pages", PAGE - 6, 20),
    ("three_pages", 5 * PAGE, 3 * PAGE),
    ("a_huge_page", HUGE, HUGE),
    ("a_huge_page_less_a_page", HUGE, HUGE - PAGE),
    ("a_huge_page_and_a_page", 0, HUGE + PAGE),
    ("two_huge_pages", 0, 2 * HUGE),
    ("a_huge_page_from_the_second_page", PAGE, HUGE),
    ("a_huge_page_from_the_middle", HUGE / 2, HUGE),
    ("a_huge_page_up_to_the_last_page", HUGE - PAGE, HUGE),
];

const BUFFER: &[&str] = &["CB-CREATE-008", "GRAPH-001"];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for &(name, start, length) in WINDOWS {
        let name = format!("transfer/mapping/{name}_shows_its_bytes");
        let body = move |cx: &Context| shows(cx, start, length);
        cases.push(Case::new(name, &["MEM-MAPH-002", "MEM-MAPH-003", "GRAPH-001"], body));
    }
    cases.push(
        Case::new("transfer/mapping/a_command_buffer_shows_its_bytes", BUFFER, buffer)
            .on(Asics::GAUDI2),
    );
    for (name, size) in [("pages", PAGE), ("huge_pages", HUGE)] {
        let name = format!("transfer/mapping/{name}_between_neighbours_are_mapped_anew");
        let body = move |cx: &Context| anew(cx, size);
        cases.push(Case::new(name, &["MEM-UNMAP-001", "MEM-UNMAP-008"], body).budget(60));
    }
    cases
}

/// Where memory lies physically, as the kernel tells root (Documentation: pagemap).
fn frame(pages: &Pages, offset: usize) -> CaseResult<Option<u64>> {
    let broken = |why| Stop::Broken(format!("cannot read /proc/self/pagemap: {why}"));
    let map = std::fs::File::open("/proc/self/pagemap").map_err(broken)?;
    let mut entry = [0; 8];
    let index = pages.pointer(offset).address() / PAGE as u64;
    map.read_exact_at(&mut entry, index * 8).map_err(broken)?;
    let frame = u64::from_le_bytes(entry) & ((1 << 55) - 1);
    Ok((frame != 0).then_some(frame))
}

/// Huge pages that are looked at for two side by side.
const CANDIDATES: usize = 100;

/// Memory with two huge pages side by side, also physically, and where they start; there is more
/// of it behind them.
fn adjacent() -> CaseResult<(Pages, usize)> {
    let pages = need("memory", Pages::aligned(CANDIDATES * HUGE, HUGE))?;
    need("huge pages", pages.prefer_huge())?;
    let step = (HUGE / PAGE) as u64;
    let mut last = None;
    for offset in (0..pages.length() - HUGE).step_by(HUGE) {
        pages.write(offset, &[1]);
        let now = frame(&pages, offset)?.filter(|now| now.is_multiple_of(step));
        if now.is_some() && now == last.map(|last: u64| last + step) {
            return Ok((pages, offset - HUGE));
        }
        last = now;
    }
    Err(Stop::Skip("needs two huge pages side by side".into()))
}

/// Words that differ from place to place and from call to call.
fn pattern(random: &mut StdRng, length: usize) -> Vec<u8> {
    let (start, step) = (random.next_u64(), random.next_u64() | 1);
    let word = |n: usize| start.wrapping_add(step.wrapping_mul(n as u64)).to_le_bytes();
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(word).collect();
    bytes.truncate(length);
    bytes
}

/// Maps a part of the memory.
fn map<'a>(
    card: &'a Card<'_>,
    pages: &Pages,
    (start, length): (usize, usize),
    hint: Option<u64>,
) -> CaseResult<MapGuard<'a>> {
    let flags = hint.map_or(0, |_| HL_MEM_FORCE_HINT);
    let host = pages.pointer(start);
    let request = MemoryRequest::map_host(host, length as u64, hint.unwrap_or(0)).flags(flags);
    succeed("MAP", card.node.map_request(&request)).map_err(|stop| stop.request(&request))
}

/// Up to the device, or down from it.
fn transfer(card: &Card<'_>, up: bool, host: u64, inside: u64, length: usize) -> CaseResult {
    let (queue, from, to) = match up {
        true => (card.upload(0), host, inside),
        false => (card.download(0), inside, host),
    };
    let program = card.program().copy(from, to, length as u32);
    card.run(&card.job(queue, &program)?).map(drop)
}

fn shows(cx: &Context, start: usize, length: usize) -> CaseResult {
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let (pages, first) = adjacent()?;
    let start = first + start;
    let mut random = cx.rng();
    let around = |pages: &Pages| {
        let before = start.min(64);
        (pages.bytes(start - before, before), pages.bytes(start + length, 64))
    };
    let other = need("memory", Pages::new(length))?;
    let (window, plain) = {
        let whole = (0, other.length());
        (map(&card, &pages, (start, length), None)?, map(&card, &other, whole, None)?)
    };
    equal("offset in the page", window.address() % PAGE as u64, (start % PAGE) as u64)?;
    let bytes = pattern(&mut random, length);
    pages.write(start, &bytes);
    transfer(&card, true, window.address(), sram, length)?;
    transfer(&card, false, plain.address(), sram, length)?;
    same("what the device reads there", &other.bytes(0, length), &bytes)?;
    let bytes = pattern(&mut random, length);
    let before = around(&pages);
    other.write(0, &bytes);
    transfer(&card, true, plain.address(), sram, length)?;
    transfer(&card, false, window.address(), sram, length)?;
    same("what the device writes there", &pages.bytes(start, length), &bytes)?;
    check(around(&pages) == before, "the device writes nothing around it")?;
    succeed("UNMAP", window.unmap())?;
    succeed("UNMAP", plain.unmap())
}

/// A command buffer of many pages that the driver maps (command_buffer.c: cb_map_mem).
fn buffer(cx: &Context) -> CaseResult {
    const BYTES: usize = 16 * PAGE;
    let card = Card::open(cx)?;
    let (sram, _) = places(&card)?;
    let buffer = succeed("CREATE", card.node.create_cb(BYTES as u32, HL_CB_FLAGS_MAP))?;
    let address = succeed("INFO with GET_DEVICE_VA", buffer.device_va())?;
    let window = need("mmap", buffer.map())?;
    let host = Host::new(&card, BYTES)?;
    let mut random = cx.rng();
    let bytes = pattern(&mut random, BYTES);
    window.write(0, &bytes);
    transfer(&card, true, address, sram, BYTES)?;
    transfer(&card, false, host.at(0), sram, BYTES)?;
    same("what the device reads there", &host.pages.bytes(0, BYTES), &bytes)?;
    let bytes = pattern(&mut random, BYTES);
    host.pages.write(0, &bytes);
    transfer(&card, true, host.at(0), sram, BYTES)?;
    transfer(&card, false, address, sram, BYTES)?;
    same("what the device writes there", &window.bytes(0, BYTES), &bytes)
}

/// Neighbours, pieces of memory to choose from, and rounds.
const SLOTS: usize = 5;
const ROUNDS: usize = 24;
/// What is compared of a piece: the start and the end.
const SAMPLE: usize = 64;

/// The device sees these pieces at these addresses.
fn sees(card: &Card<'_>, target: (&Pages, u64), slots: &[(u64, &Pages)]) -> CaseResult {
    let (pages, at) = target;
    let (sram, _) = places(card)?;
    let (mut up, mut down) = (card.program(), card.program());
    let mut expected = Vec::new();
    for &(address, piece) in slots {
        for offset in [0, piece.length() - SAMPLE] {
            let place = expected.len() as u64;
            up = up.copy(address + offset as u64, sram + place, SAMPLE as u32);
            down = down.copy(sram + place, at + place, SAMPLE as u32);
            expected.extend(piece.bytes(offset, SAMPLE));
        }
    }
    card.run(&card.job(card.upload(0), &up)?)?;
    card.run(&card.job(card.download(0), &down)?)?;
    same("what the device sees", &pages.bytes(0, expected.len()), &expected)
}

fn anew(cx: &Context, size: usize) -> CaseResult {
    let card = Card::open(cx)?;
    let mut random = cx.rng();
    let pieces = (0..SLOTS + 3).map(|_| {
        let piece = need("memory", Pages::aligned(size, size))?;
        need("huge pages", piece.prefer_huge())?;
        piece.write(0, &pattern(&mut random, SAMPLE));
        piece.write(size - SAMPLE, &pattern(&mut random, SAMPLE));
        Ok(piece)
    });
    let pieces = pieces.collect::<CaseResult<Vec<_>>>()?;
    let target = need("memory", Pages::new(2 * SLOTS * SAMPLE))?;
    let plain = map(&card, &target, (0, target.length()), None)?;
    let at = (&target, plain.address());
    // One behind the other: a block of addresses that is known to be free, and its neighbours.
    let base = map(&card, &pieces[0], (0, size), None)?.address().next_multiple_of(HUGE as u64);
    let base = base + 16 * HUGE as u64;
    let hint = |n: usize| Some(base + (n * size) as u64);
    // What is mapped before and behind them stays.
    let _fences = [
        map(&card, &pieces[0], (0, size), hint(0))?,
        map(&card, &pieces[0], (0, size), hint(SLOTS + 1))?,
    ];
    let mut slots = Vec::new();
    for (n, piece) in pieces.iter().enumerate().take(SLOTS) {
        slots.push((map(&card, piece, (0, size), hint(n + 1))?, n));
    }
    for round in 0..ROUNDS {
        let now: Vec<_> =
            slots.iter().map(|(map, piece)| (map.address(), &pieces[*piece])).collect();
        sees(&card, at, &now).map_err(|stop| stop.request(&format_args!("round {round}")))?;
        // Any number of them goes, in any order, and comes back with other memory.
        let gone = random.random_range(1..=SLOTS);
        for _ in 0..gone {
            let (map, _) = slots.swap_remove(random.random_range(0..slots.len()));
            succeed("UNMAP", map.unmap())?;
        }
        let now: Vec<_> =
            slots.iter().map(|(map, piece)| (map.address(), &pieces[*piece])).collect();
        if !now.is_empty() {
            sees(&card, at, &now)?;
        }
        // The driver takes the smallest hole that is large enough: it gives these out again.
        for _ in 0..gone {
            let piece = random.random_range(0..pieces.len());
            let map = map(&card, &pieces[piece], (0, size), None)?;
            let inside = (base..base + ((SLOTS + 1) * size) as u64).contains(&map.address());
            check(inside, "an address between the neighbours is given out again")?;
            slots.push((map, piece));
        }
    }
    Ok(())
}
