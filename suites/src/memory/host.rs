// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! MAP of host memory: what is accepted (memory.c: map_device_va).

use super::{host_memory, still_maps};
use crate::common::typed::{compute, generation, need};
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use device::procfs::pinned_pages;
use device::{Errno, MemoryRequest, Node, Pages};
use hw::Generation;
use nix::sys::resource::{Resource, setrlimit};
use std::time::Duration;
use uapi::accel::{HL_MEM_FORCE_HINT, HL_MEM_PREFETCH};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("memory/map_host/gives_a_host_address", &["MEM-MAPH-001"], one_page),
        Case::new("memory/map_host/keeps_the_offset_in_the_page", &["MEM-MAPH-002"], offset),
        Case::new(
            "memory/map_host/aligned_memory_gets_an_aligned_address",
            &["MEM-MAPH-003"],
            huge,
        ),
        Case::new("memory/map_host/maps_two_mib_and_a_page", &["MEM-MAPH-004"], mixed),
        Case::new("memory/map_host/maps_the_same_memory_twice", &["MEM-MAPH-017"], twice),
        Case::new("memory/map_host/keeps_a_free_hint", &["MEM-MAPH-001"], hint),
        Case::new("memory/map_host/forced_hints_are_kept_or_refused", &["MEM-MAPH-001"], forced)
            .logs(&["could not be respected", "cannot be respected", "no available va block"]),
        // Defect D23: the last byte of a hole counts as one too many.
        Case::new("memory/map_host/a_forced_hint_may_fill_a_hole", &["MEM-MAPH-001"], hole)
            .logs(&["could not be respected", "no available va block"]),
        Case::new(
            "memory/map_host/unaligned_memory_with_a_hint_is_mapped",
            &["MEM-MAPH-016"],
            loose,
        ),
        Case::new("memory/map_host/ignores_prefetch", &["MEM-MAPH-018"], prefetch),
        Case::new("memory/map_host/is_not_charged_to_locked_memory", &["MEM-MAPH-019"], limit),
        Case::new("memory/map_host/memory_stays_pinned_after_munmap", &["MEM-MAPH-021"], munmapped),
        Case::new(
            "memory/map_host/forgets_cached_translations",
            &["MEM-MAPH-001", "MEM-UNMAP-001"],
            invalidates,
        )
        .model(),
        Case::new("memory/map_host/close_unpins", &["MEM-MAPH-021"], close),
    ]
}

/// Two MiB: the size of a huge page of host and device.
const HUGE: u64 = 2 << 20;

/// Is this one of the addresses that the driver gives to host memory?
fn in_host_range(cx: &Context, address: u64) -> CaseResult {
    let generation = generation(cx);
    let (start, end) = hw::memory::map(generation).host_va;
    // Gaudi2 has a second range of the same size behind the first, for huge pages
    // (gaudi2P.h: VA_HOST_SPACE_HPAGE_START).
    let end = match generation {
        Generation::Gaudi => end,
        Generation::Gaudi2 => end + (end - start),
    };
    check((start..end).contains(&address), "a mapping has an address of the range for host memory")
}

fn one_page(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    let pinned = need("count of pinned pages", pinned_pages())?;
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    in_host_range(cx, map.address())?;
    equal("offset in the page", map.address() % 4096, 0)?;
    equal("pages pinned by it", need("count", pinned_pages())? - pinned, 1)?;
    succeed("UNMAP", map.unmap())?;
    equal("pages pinned after UNMAP", need("count", pinned_pages())?, pinned)?;
    equal("the memory itself", pages.bytes(0, 4096).iter().all(|byte| *byte == 0x42), true)
}

fn offset(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(3 * 4096)?;
    for (offset, size) in [(1, 1), (4095, 2), (0x123, 4096), (0x800, 2 * 4096)] {
        let map = succeed("MAP", node.map_host_part(&pages, offset, size, 0, 0))?;
        in_host_range(cx, map.address())?;
        equal("offset in the page", map.address() % 4096, offset as u64 % 4096)?;
        succeed("UNMAP", map.unmap())?;
    }
    Ok(())
}

fn huge(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let size = 2 * HUGE as usize;
    let pages = need("memory", Pages::aligned(size, HUGE as usize))?;
    // Without huge pages on the host the address is aligned all the same.
    let _ = pages.prefer_huge();
    pages.fill(1);
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    in_host_range(cx, map.address())?;
    equal("offset in two MiB", map.address() % HUGE, 0)?;
    succeed("UNMAP", map.unmap())
}

fn mixed(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = need("memory", Pages::aligned(HUGE as usize + 4096, HUGE as usize))?;
    let _ = pages.prefer_huge();
    pages.fill(1);
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    let (start, end) = hw::memory::map(generation(cx)).host_va;
    check((start..end).contains(&map.address()), "small pages come from the first range")?;
    succeed("UNMAP", map.unmap())
}

fn twice(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    let first = succeed("MAP", node.map_host(&pages, 0, 0))?;
    let second = succeed("second MAP", node.map_host(&pages, 0, 0))?;
    check(first.address() != second.address(), "two mappings have two addresses")?;
    succeed("UNMAP", first.unmap())?;
    succeed("second UNMAP", second.unmap())
}

/// An address that is free now.
fn free_address(node: &Node, pages: &Pages) -> CaseResult<u64> {
    let map = succeed("MAP", node.map_host(pages, 0, 0))?;
    let address = map.address();
    succeed("UNMAP", map.unmap())?;
    Ok(address + 16 * HUGE)
}

fn hint(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    let free = free_address(&node, &pages)?;
    let map = succeed("MAP with a free hint", node.map_host(&pages, free, 0))?;
    equal("address", map.address(), free)?;
    let other = succeed("MAP with a busy hint", node.map_host(&pages, free, 0))?;
    check(other.address() != free, "a busy hint gives another address")?;
    let odd = succeed("MAP with an odd hint", node.map_host(&pages, free + HUGE + 1, 0))?;
    check(odd.address() != free + HUGE + 1, "an odd hint gives another address")?;
    // Device addresses below the range are no hints either.
    let low = succeed("MAP with a hint outside the range", node.map_host(&pages, HUGE, 0))?;
    in_host_range(cx, low.address())
}

fn forced(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    let free = free_address(&node, &pages)?;
    let force = |hint| node.map_host(&pages, hint, HL_MEM_FORCE_HINT);
    let pinned = need("count of pinned pages", pinned_pages())?;
    let map = succeed("MAP with a free hint", force(free))?;
    equal("address", map.address(), free)?;
    errno("MAP with a busy hint", force(free), Errno::ENOMEM)?;
    errno("MAP with an odd hint", force(free + HUGE + 1), Errno::ENOMEM)?;
    errno("MAP with a hint outside the range", force(HUGE), Errno::ENOMEM)?;
    errno("MAP with no hint", force(0), Errno::ENOMEM)?;
    equal("pages pinned", need("count", pinned_pages())?, pinned + 1)?;
    succeed("UNMAP", map.unmap())?;
    still_maps(&node)
}

/// Two holes between neighbours, each exactly as large as what was there: both can be asked for.
fn hole(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    let free = free_address(&node, &pages)?;
    let force = |place: u64| node.map_host(&pages, free + place * 4096, HL_MEM_FORCE_HINT);
    let mut maps = (0..5).map(force).collect::<Result<Vec<_>, _>>();
    for place in [3, 1] {
        let map = succeed("MAP of neighbours", maps.as_mut().map_err(|why| *why))?.remove(place);
        succeed("UNMAP between two neighbours", map.unmap())?;
    }
    // The second hole first: the driver finds the other one before it.
    for place in [3, 1] {
        let map = succeed("MAP where memory was mapped before", force(place))?;
        equal("address", map.address(), free + place * 4096)?;
        succeed("UNMAP", map.unmap())?;
    }
    Ok(())
}

fn loose(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(2 * 4096)?;
    let free = free_address(&node, &pages)?;
    let map = succeed("MAP", node.map_host_part(&pages, 0x10, 4096, free, 0))?;
    in_host_range(cx, map.address())?;
    equal("offset in the page", map.address() % 4096, 0x10)?;
    succeed("UNMAP", map.unmap())
}

fn prefetch(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    let map = succeed("MAP", node.map_host(&pages, 0, HL_MEM_PREFETCH))?;
    in_host_range(cx, map.address())?;
    succeed("UNMAP", map.unmap())
}

fn limit(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(16 * 4096)?;
    need("limit of locked memory", setrlimit(Resource::RLIMIT_MEMLOCK, 0, 0))?;
    // Recorded as it is: pages pinned for the device count neither as locked nor as pinned.
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    let memory = need("memory of this process", device::procfs::memory())?;
    equal("pinned and locked memory", (memory.pinned, memory.locked), (0, 0))?;
    succeed("UNMAP", map.unmap())
}

fn munmapped(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4 * 4096)?;
    let before = need("count of pinned pages", pinned_pages())?;
    let request = MemoryRequest::map_host(pages.pointer(0), 4 * 4096, 0);
    let address = succeed("MAP", node.memory(&request))?.first;
    drop(pages);
    equal("pages pinned after munmap", need("count", pinned_pages())? - before, 4)?;
    succeed("UNMAP", node.unmap(address))?;
    equal("pages pinned after UNMAP", need("count", pinned_pages())?, before)
}

fn close(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4 * 4096)?;
    let before = need("count of pinned pages", pinned_pages())?;
    for _ in 0..8 {
        let request = MemoryRequest::map_host(pages.pointer(0), 4 * 4096, 0);
        succeed("MAP", node.memory(&request))?;
    }
    equal("pages pinned", need("count", pinned_pages())? - before, 32)?;
    succeed("close", node.close())?;
    let unpinned = crate::common::wait::until(Duration::from_secs(5), || {
        Ok((need("count", pinned_pages())? <= before).then_some(()))
    })?;
    check(unpinned.is_some(), "close unpins what was left mapped")
}

/// Commands that empty the device's caches. A MAP sends one, because a cache may hold that nothing
/// was there; an UNMAP, because it may hold what was. On Gaudi2 only the cache of page-table lines
/// holds nothings (`gaudi2.c: gaudi2_mmu_send_invalidate_cache_cmd`).
fn invalidates(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(3 * 4096)?;
    let seen = || -> CaseResult<(u64, u64)> {
        let seen = cx.model()?.seen()?;
        Ok((seen.invalidations, seen.line_clears))
    };
    let two = generation(cx) == Generation::Gaudi2;
    for _ in 0..5 {
        let (before, lines_before) = seen()?;
        let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
        let (mapped, lines) = seen()?;
        let told = if two { lines > lines_before } else { mapped > before };
        check(told, "MAP empties the cache that holds what is not mapped")?;
        succeed("UNMAP", map.unmap())?;
        let (after, lines_after) = seen()?;
        check(after > mapped, "UNMAP invalidates the cache of translations")?;
        check(!two || lines_after > lines, "UNMAP clears the cache of page-table lines")?;
    }
    Ok(())
}
