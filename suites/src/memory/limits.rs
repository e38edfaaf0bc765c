// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Device memory behind an MMU: when memory or page tables run out, hints, handles and flags that
//! are odd (memory.c: alloc_device_memory, get_va_block, map_phys_pg_pack).
//!
//! Not covered: more handles or addresses than there are, which memory and page tables do not last
//! for (unreached.tsv).

use super::still_maps;
use crate::common::typed::compute;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::Asics;
use device::{Allocation, Errno, MapGuard, MemoryRequest, Node};
use uapi::accel::{HL_MEM_CONTIGUOUS, HL_MEM_FORCE_HINT, HL_MEM_SHARED};

/// Bytes of device memory that one last table describes: 512 entries of a page of 768 MiB
/// (`gaudi2.c: gaudi2_set_dram_properties`).
const TABLE: u64 = 512 * (768 << 20);
/// More tables than fit into their memory of 1 MiB (`gaudi2P.h: HMMU_PAGE_TABLES_SIZE`).
const TABLES: u64 = 256;
/// Addresses that are given only to whoever asks for them (`gaudi2.h:
/// RESERVED_VA_RANGE_FOR_ARC_ON_HBM_START` and `_END`).
const RESERVED: std::ops::Range<u64> = 0x1001_5000_0000_0000..0x1001_7000_0000_0000;

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::new(
            "memory/alloc/gives_all_back_when_memory_runs_out",
            &["MEM-ALLOC-006", "MEM-ALLOC-008"],
            runs_out,
        )
        .logs(&["out of memory", "contiguous pages"]),
        Case::new("memory/alloc/ignores_unknown_flags", &["MEM-ALLOC-013", "MEM-ALLOC-014"], flags),
        // Defect D8: the count of pages goes to the allocator as it is.
        Case::new("memory/alloc/refuses_one_eib_quietly", &["MEM-ALLOC-005"], huge).own_guest(),
        Case::new("memory/free/looks_at_32_bits_of_a_handle", &["MEM-FREE-005"], high_half)
            .logs(&["free device memory failed, no match for handle"]),
        Case::new("memory/map_device/ignores_an_odd_hint", &["MEM-MAPD-007"], odd_hint),
        Case::new("memory/map_device/stays_out_of_the_reserved_range", &["MEM-MAPD-011"], reserved),
        Case::new("memory/map_device/fails_whole_when_tables_run_out", &["MEM-MAPD-013"], tables)
            .logs(&["mapping page pack failed", "map failed"])
            .budget(60),
    ];
    cases.into_iter().map(|case| case.on(Asics::GAUDI2)).collect()
}

/// Bytes of a page, and free bytes of the device.
fn room(node: &Node) -> CaseResult<(u64, u64)> {
    let info = succeed("INFO HW_IP_INFO", node.hw_ip())?;
    let usage = succeed("INFO DRAM_USAGE", node.dram_usage())?;
    Ok((info.device_mem_alloc_default_page_size, usage.dram_free_mem))
}

fn runs_out(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let (page, free) = room(&node)?;
    let too_much = |flags| {
        let request = MemoryRequest::alloc(free + 1, 0).flags(flags);
        errno("ALLOC of more than there is", node.memory(&request), Errno::ENOMEM)?;
        equal("free bytes", room(&node)?.1, free)
    };
    too_much(0)?;
    too_much(HL_MEM_CONTIGUOUS)?;
    let pages: Vec<Allocation<'_>> = (0..free / page)
        .map(|_| succeed("ALLOC of a page", node.alloc(1, 0, 0)))
        .collect::<CaseResult<_>>()?;
    errno("ALLOC when all is taken", node.alloc(1, 0, 0).map(drop), Errno::ENOMEM)?;
    // Every other page is given back: enough for two, but not in one piece.
    let kept: Vec<_> = pages.into_iter().enumerate().filter(|(n, _)| n % 2 == 0).collect();
    let two = |flags| node.alloc(2 * page, 0, flags);
    errno("ALLOC in one piece", two(HL_MEM_CONTIGUOUS).map(drop), Errno::ENOMEM)?;
    succeed("ALLOC in pieces", two(0).and_then(Allocation::free))?;
    drop(kept);
    equal("free bytes", room(&node)?.1, free)?;
    let all = succeed("ALLOC of all in one piece", node.alloc(free, 0, HL_MEM_CONTIGUOUS))?;
    succeed("FREE", all.free())?;
    still_maps(&node)
}

fn flags(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for flags in [HL_MEM_SHARED, 0x10, 0x20, 0x8000_0000] {
        let memory = succeed(&format!("ALLOC with {flags:#x}"), node.alloc(1, 0, flags))?;
        succeed("MAP", memory.map().and_then(MapGuard::unmap))?;
        succeed("FREE", memory.free())?;
    }
    still_maps(&node)
}

fn huge(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let (_, free) = room(&node)?;
    errno("ALLOC of 2^60 bytes", node.alloc(1 << 60, 0, 0).map(drop), Errno::ENOMEM)?;
    equal("free bytes", room(&node)?.1, free)?;
    still_maps(&node)
}

fn high_half(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let (_, free) = room(&node)?;
    let memory = std::mem::ManuallyDrop::new(succeed("ALLOC", node.alloc(1, 0, 0))?);
    succeed("FREE with more bits", node.free(memory.handle() | 0xdead << 32))?;
    equal("free bytes", room(&node)?.1, free)?;
    errno("second FREE", node.free(memory.handle()), Errno::EINVAL)?;
    still_maps(&node)
}

fn odd_hint(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let (page, _) = room(&node)?;
    let memory = succeed("ALLOC", node.alloc(1, 0, 0))?;
    let first = succeed("MAP", memory.map().map(|map| map.address()))?;
    for odd in [1, 4096, page / 2, page + (64 << 20)] {
        let map =
            succeed("MAP with an odd hint", node.map_device(memory.handle(), first + odd, 0))?;
        equal("address with a hint that is no page", map.address(), first)?;
    }
    still_maps(&node)
}

/// The only hole of exactly one page, which is what the driver looks for, is in the reserved range.
fn reserved(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let (page, _) = room(&node)?;
    let memory = succeed("ALLOC", node.alloc(1, 0, 0))?;
    let at = |hint| node.map_device(memory.handle(), hint, HL_MEM_FORCE_HINT);
    let base = hw::memory::GAUDI2.dram_base;
    let first = base + (RESERVED.start - base).next_multiple_of(page);
    let below = succeed("MAP below the hole", at(first))?;
    let above = succeed("MAP above the hole", at(first + 2 * page))?;
    let map = succeed("MAP without a hint", memory.map())?;
    check(!RESERVED.contains(&map.address()), "only hints lead into the reserved range")
        .map_err(|stop| stop.request(&map.address()))?;
    succeed("MAP of the hole", at(first + page).and_then(MapGuard::unmap))?;
    [map, below, above].into_iter().try_for_each(|map| succeed("UNMAP", map.unmap()))?;
    still_maps(&node)
}

fn tables(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let memory = succeed("ALLOC", node.alloc(1, 0, 0))?;
    let start = succeed("MAP", memory.map().map(|map| map.address()))?;
    let at = |hint| node.map_device(memory.handle(), hint, HL_MEM_FORCE_HINT);
    let mut maps = Vec::new();
    let mut refused = None;
    // Each in a table of its own.
    for hint in (0..=TABLES).map(|n| start + n * TABLE) {
        match at(hint) {
            Ok(map) => maps.push(map),
            Err(errno) => {
                refused = Some((hint, errno));
                break;
            }
        }
    }
    let Some((hint, why)) = refused else {
        return case::fail("more tables than there is memory for");
    };
    equal("errno when tables run out", why, Errno::ENOMEM)?;
    check(maps.len() > 100, &format!("most of the tables are there ({} mappings)", maps.len()))?;
    // What was refused has kept nothing: with one table back it fits.
    succeed("UNMAP", maps.pop().map_or(Err(Errno::ENOENT), MapGuard::unmap))?;
    let map = succeed("MAP of the same", at(hint))?;
    equal("address", map.address(), hint)?;
    drop((map, maps));
    still_maps(&node)
}
