// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The device does not finish emptying its cache of translations (mmu.c:
//! hl_mmu_invalidate_cache_range): the call fails, and everything is as before.

use super::{host_memory, still_maps};
use crate::common::typed::{compute, need};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use control::Request;
use device::procfs::pinned_pages;
use device::{Errno, MemoryRequest, Node, Pages};
use uapi::accel::HL_MEM_FORCE_HINT;

/// What the driver says then.
const LOG: &[&str] = &["cache range invalidation failed", "cache invalidation failed"];

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        // Defect D22: the entries of the refused mapping stay in the page tables.
        Case::new("memory/map_host/a_cache_that_is_not_emptied_refuses", &["MEM-MAPD-014"], map)
            .own_guest(),
        Case::new("memory/unmap/a_cache_that_is_not_emptied_is_told", &["MEM-UNMAP-001"], unmap),
    ];
    cases.into_iter().map(|case| case.model().logs(LOG).budget(60)).collect()
}

/// Calls while the cache cannot be emptied.
fn unfinished(
    cx: &Context,
    node: &Node,
    request: &MemoryRequest,
) -> CaseResult<(Result<(), Errno>, [u64; 5])> {
    cx.model()?.order(Request::HoldMmu)?;
    let answer = node.memory_words(request);
    cx.model()?.order(Request::ReleaseMmu)?;
    Ok(answer)
}

/// An address of the device is free: memory can be mapped there.
fn is_free(node: &Node, pages: &Pages, address: u64) -> CaseResult {
    let map = succeed("MAP of a free address", node.map_host(pages, address, HL_MEM_FORCE_HINT))?;
    equal("address", map.address(), address)?;
    succeed("UNMAP", map.unmap())
}

fn map(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(3 * 4096)?;
    let free = succeed("MAP", node.map_host(&pages, 0, 0))?.address();
    let pinned = need("count of pinned pages", pinned_pages())?;
    let request = MemoryRequest::map_host(pages.pointer(0), pages.length() as u64, 0);
    let (result, words) = unfinished(cx, &node, &request)?;
    errno("MAP", result, Errno::ETIMEDOUT)?;
    equal("address of a refused mapping", words[0], 0)?;
    equal("pages pinned", need("count", pinned_pages())?, pinned)?;
    is_free(&node, &pages, free)?;
    still_maps(&node)
}

fn unmap(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(3 * 4096)?;
    let pinned = need("count of pinned pages", pinned_pages())?;
    let address =
        std::mem::ManuallyDrop::new(succeed("MAP", node.map_host(&pages, 0, 0))?).address();
    let (result, _) = unfinished(cx, &node, &MemoryRequest::unmap(address))?;
    errno("UNMAP", result, Errno::ETIMEDOUT)?;
    // The mapping is gone all the same.
    equal("pages pinned", need("count", pinned_pages())?, pinned)?;
    is_free(&node, &pages, address)?;
    still_maps(&node)
}
