// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! ALLOC, FREE and MAP of device memory behind an MMU.

use super::still_maps;
use crate::common::typed::{compute, still_works};
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::Asics;
use device::{Errno, MemoryRequest, Node};
use uapi::accel::{HL_MEM_CONTIGUOUS, HL_MEM_FORCE_HINT};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("memory/map_device/rejects_unknown_handles", &["MEM-MAPD-002"], unknown_handle)
            .logs(&["no match for handle"]),
    ];
    let behind_mmu = [
        Case::new(
            "memory/alloc/rounds_to_pages_and_counts",
            &["MEM-ALLOC-001", "MEM-ALLOC-002", "MEM-ALLOC-007", "MEM-ALLOC-009", "MEM-FREE-001"],
            rounds,
        ),
        Case::new("memory/alloc/rejects_a_size_that_wraps", &["MEM-ALLOC-004"], wraps)
            .logs(&["Cannot allocate 0 bytes"]),
        Case::new("memory/free/rejects_unknown_handles", &["MEM-FREE-002", "MEM-FREE-003"], free)
            .logs(&["free device memory failed, no match for handle"]),
        Case::new("memory/free/rejects_mapped_memory", &["MEM-FREE-004"], free_mapped)
            .logs(&["is mapped, cannot free"]),
        Case::new("memory/map_device/maps_twice", &["MEM-MAPD-001", "MEM-MAPD-003"], twice),
        Case::new("memory/map_device/keeps_a_free_hint", &["MEM-MAPD-005", "MEM-MAPD-006"], hint),
        Case::new(
            "memory/map_device/forced_hints_are_kept_or_refused",
            &["MEM-MAPD-008", "MEM-MAPD-009", "MEM-MAPD-010"],
            forced_hint,
        )
        .logs(&["could not be respected", "cannot be respected", "no available va block"]),
    ];
    cases.extend(behind_mmu.into_iter().map(|case| case.on(Asics::GAUDI2)));
    cases
}

fn unknown_handle(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for handle in [0, 1, 77, u64::from(u32::MAX), u64::MAX] {
        let request = MemoryRequest::map_device(handle, 0);
        let (result, words) = node.memory_words(&request);
        errno("MAP", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
        equal("address of a refused mapping", words[0], 0)?;
    }
    still_maps(&node)
}

/// Bytes of this context.
fn used(node: &Node) -> CaseResult<u64> {
    Ok(succeed("INFO DRAM_USAGE", node.dram_usage())?.ctx_dram_mem)
}

fn rounds(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let info = succeed("INFO HW_IP_INFO", node.hw_ip())?;
    let page = info.device_mem_alloc_default_page_size;
    let before = used(&node)?;
    for (size, rounded) in [(1, page), (page, page), (page + 1, 2 * page)] {
        // The page size that is asked for is not looked at (memory.c: set_alloc_page_size).
        for (flags, asked) in [(0, 0), (HL_MEM_CONTIGUOUS, 0), (0, 4096), (0, 3)] {
            let allocation = succeed("ALLOC", node.alloc(size, asked, flags))?;
            check(allocation.handle() != 0, "a handle is not 0")?;
            equal("bytes in use", used(&node)?, before + rounded)?;
            succeed("FREE", allocation.free())?;
            equal("bytes in use after FREE", used(&node)?, before)?;
        }
    }
    Ok(())
}

fn wraps(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let before = used(&node)?;
    errno("ALLOC of all bytes", node.memory(&MemoryRequest::alloc(u64::MAX, 0)), Errno::EINVAL)?;
    equal("bytes in use", used(&node)?, before)?;
    still_works(&node)
}

fn free(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let allocation = succeed("ALLOC", node.alloc(1, 0, 0))?;
    let handle = allocation.handle();
    errno("FREE of an unknown handle", node.free(handle + 1), Errno::EINVAL)?;
    succeed("FREE", allocation.free())?;
    errno("second FREE", node.free(handle), Errno::EINVAL)?;
    still_works(&node)
}

fn free_mapped(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let allocation = succeed("ALLOC", node.alloc(1, 0, 0))?;
    let map = succeed("MAP", allocation.map())?;
    errno("FREE of mapped memory", node.free(allocation.handle()), Errno::EINVAL)?;
    succeed("UNMAP", map.unmap())?;
    succeed("FREE", allocation.free())
}

fn twice(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let allocation = succeed("ALLOC", node.alloc(1, 0, 0))?;
    let first = succeed("MAP", allocation.map())?;
    let second = succeed("second MAP", allocation.map())?;
    check(first.address() != second.address(), "two mappings have two addresses")?;
    succeed("UNMAP", first.unmap())?;
    succeed("second UNMAP", second.unmap())
}

fn hint(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let allocation = succeed("ALLOC", node.alloc(1, 0, 0))?;
    let free = {
        let map = succeed("MAP", allocation.map())?;
        map.address()
    };
    let map = succeed("MAP with a free hint", node.map_device(allocation.handle(), free, 0))?;
    equal("address", map.address(), free)?;
    let other = succeed("MAP with a busy hint", node.map_device(allocation.handle(), free, 0))?;
    check(other.address() != free, "a busy hint gives another address")
}

fn forced_hint(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let allocation = succeed("ALLOC", node.alloc(1, 0, 0))?;
    let force = |hint| node.map_device(allocation.handle(), hint, HL_MEM_FORCE_HINT);
    let free = {
        let map = succeed("MAP", allocation.map())?;
        map.address()
    };
    let map = succeed("MAP with a free hint", force(free))?;
    equal("address", map.address(), free)?;
    errno("MAP with a busy hint", force(free), Errno::ENOMEM)?;
    errno("MAP with an odd hint", force(free + 1), Errno::ENOMEM)?;
    errno("MAP with no hint", force(0), Errno::ENOMEM)
}
