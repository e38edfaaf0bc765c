// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! MAP of host memory: what is refused (memory.c: hl_pin_host_memory, get_user_memory).

use super::{host_memory, still_maps};
use crate::common::typed::{compute, need};
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use device::procfs::pinned_pages;
use device::{Errno, MemoryRequest, Node, Pages, Pointer};
use uapi::accel::HL_MEM_FORCE_HINT;

/// What the driver says when pinning fails.
const PINNING: &[&str] =
    &["to pin host memory with user ptr", "failed to get user memory", "user pointer is invalid"];

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("memory/map_host/rejects_zero_size", &["MEM-MAPH-005"], zero)
            .logs(&["size to pin is invalid"]),
        Case::new("memory/map_host/rejects_ranges_that_wrap", &["MEM-MAPH-006"], wraps)
            .logs(&["causes integer overflow"]),
        Case::new("memory/map_host/rejects_addresses_of_the_kernel", &["MEM-MAPH-007"], kernel)
            .logs(PINNING),
        Case::new("memory/map_host/rejects_unmapped_memory", &["MEM-MAPH-008"], unmapped)
            .logs(PINNING),
        Case::new("memory/map_host/rejects_read_only_memory", &["MEM-MAPH-009"], read_only)
            .logs(PINNING),
        Case::new("memory/map_host/rejects_half_mapped_memory", &["MEM-MAPH-010"], half)
            .logs(PINNING),
        Case::new("memory/map_host/rejects_command_buffers", &["MEM-MAPH-012"], frames)
            .logs(PINNING),
        Case::new("memory/map_host/forced_hint_needs_aligned_memory", &["MEM-MAPH-015"], unaligned)
            .logs(&["cannot be respected because source memory is not aligned"]),
        // Defect D10: the number of pages is kept in 32 bits.
        Case::new("memory/map_host/rejects_sixteen_tib_and_a_page", &["MEM-MAPH-013"], sixteen_tib)
            .logs(PINNING)
            .own_guest(),
        // Defect D8: the list of pages is larger than the allocator takes without a warning.
        Case::new("memory/map_host/refuses_one_tib_quietly", &["MEM-MAPH-014"], one_tib)
            .logs(PINNING)
            .own_guest(),
        // All that is mapped goes through a buffer, so that a mapping can be too large for it.
        Case::new("memory/map_host/fails_whole_when_dma_cannot_map", &["MEM-MAPH-022"], bounced)
            .kernel_parameters("swiotlb=2048,force")
            .logs(&["failed to map sgt with DMA region", "swiotlb buffer is full"])
            .model(),
    ]
}

/// Is refused with this errno, gives no address, and leaves nothing pinned.
#[track_caller]
fn refused(node: &Node, request: &MemoryRequest, expected: Errno) -> CaseResult {
    let pinned = need("count of pinned pages", pinned_pages())?;
    let (result, words) = node.memory_words(request);
    let at = |stop: case::Stop| stop.request(request);
    errno("MAP", result, expected).map_err(at)?;
    equal("address of a refused mapping", words[0], 0).map_err(at)?;
    equal("pages pinned", need("count", pinned_pages())?, pinned).map_err(at)
}

fn zero(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    for host in [pages.pointer(0), pages.pointer(1), Pointer::NULL, Pointer::KERNEL] {
        refused(&node, &MemoryRequest::map_host(host, 0, 0), Errno::EINVAL)?;
    }
    still_maps(&node)
}

fn wraps(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    let requests = [
        (Pointer::LAST_PAGE, 0x1000),
        (Pointer::LAST_PAGE, 0x1001),
        // The end itself does not wrap, but does when rounded to pages.
        (Pointer::LAST_PAGE, 0xfff),
        (Pointer::LAST_BYTE, 1),
        (pages.pointer(0), u64::MAX),
        (pages.pointer(0), u64::MAX - pages.pointer(0).address()),
    ];
    for (host, size) in requests {
        refused(&node, &MemoryRequest::map_host(host, size, 0), Errno::EINVAL)?;
    }
    still_maps(&node)
}

fn kernel(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for host in [Pointer::KERNEL, Pointer::BEYOND_USER] {
        refused(&node, &MemoryRequest::map_host(host, 4096, 0), Errno::EFAULT)?;
    }
    still_maps(&node)
}

fn unmapped(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    for host in [Pointer::NULL, Pointer::UNMAPPED, pages.inaccessible()] {
        refused(&node, &MemoryRequest::map_host(host, 4096, 0), Errno::EFAULT)?;
    }
    still_maps(&node)
}

fn read_only(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    need("protection", pages.read_only())?;
    // The device may write, so the driver pins for writing.
    refused(&node, &MemoryRequest::map_host(pages.pointer(0), 4096, 0), Errno::EFAULT)?;
    need("protection", pages.writable())?;
    let map = succeed("MAP when it is writable", node.map_host(&pages, 0, 0))?;
    succeed("UNMAP", map.unmap())
}

fn half(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(2 * 4096)?;
    for (offset, size) in [(0, 4 * 4096), (4096, 4097), (8191, 2)] {
        let request = MemoryRequest::map_host(pages.pointer(offset), size, 0);
        // Some pages can be pinned, so the driver says that it did not get them all.
        refused(&node, &request, Errno::ENOMEM)?;
    }
    still_maps(&node)
}

fn frames(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    let mapping = succeed("mmap", buffer.map())?;
    refused(&node, &MemoryRequest::map_host(mapping.pointer(0), 4096, 0), Errno::EFAULT)?;
    still_maps(&node)
}

fn unaligned(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(2 * 4096)?;
    let hint = {
        let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
        map.address()
    };
    let request = MemoryRequest::map_host(pages.pointer(8), 4096, hint).flags(HL_MEM_FORCE_HINT);
    refused(&node, &request, Errno::EINVAL)?;
    still_maps(&node)
}

fn sixteen_tib(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = need("memory in the lowest TiB", Pages::low())?;
    let pinned = need("count of pinned pages", pinned_pages())?;
    let request = MemoryRequest::map_host(pages.pointer(0), (16 << 40) + 4096, 0);
    let (result, words) = node.memory_words(&request);
    if result.is_ok() {
        // Taken back before the verdict.
        let _ = node.unmap(words[0]);
    }
    let at = |stop: case::Stop| stop.request(&request);
    check(result.is_err(), "a range of 2^32 + 1 pages with one page of memory is refused")
        .map_err(at)?;
    equal("pages pinned", need("count", pinned_pages())?, pinned).map_err(at)
}

fn one_tib(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = need("memory in the lowest TiB", Pages::low())?;
    let request = MemoryRequest::map_host(pages.pointer(0), 1 << 40, 0);
    refused(&node, &request, Errno::ENOMEM)?;
    still_maps(&node)
}

/// Bytes of the buffer through which this guest maps: 2048 slots of 2 KiB.
const BOUNCE: usize = 4 << 20;
/// Bytes of which the largest run of pages fits (swiotlb.h: IO_TLB_SEGSIZE of those slots).
const PIECE: u64 = 64 << 10;

fn bounced(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(2 * BOUNCE)?;
    pages.fill(1);
    let whole = MemoryRequest::map_host(pages.pointer(0), 2 * BOUNCE as u64, 0);
    for _ in 0..16 {
        refused(&node, &whole, Errno::EIO)?;
    }
    // A piece that fits is mapped: what was mapped before it failed does not fill the buffer.
    let piece = MemoryRequest::map_host(pages.pointer(0), PIECE, 0);
    let map = succeed("MAP of a piece", node.map_request(&piece))?;
    succeed("UNMAP", map.unmap())?;
    still_maps(&node)
}
