// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Memory of the device and of the host: the MEMORY ioctl (memory.c: hl_mem_ioctl).
//!
//! Not covered: exports (area of DMA-BUF), failures of allocators.

mod account;
mod alloc;
mod block;
mod host;
mod host_refused;
mod kinds;
mod limits;
mod timestamps;
mod unfinished;
mod unmap;

use crate::common::files::Disabled;
use crate::common::typed::{compute, need, still_works};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use device::{Errno, MemoryRequest, Node, Pages};

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("memory/any/rejects_unknown_operations", &["MEM-GEN-001"], unknown_operations)
            .logs(&["Unknown opcode for memory IOCTL"]),
        Case::new("memory/any/is_refused_while_the_device_is_disabled", &["MEM-GEN-002"], disabled),
    ];
    cases.extend(account::cases());
    cases.extend(alloc::cases());
    cases.extend(block::cases());
    cases.extend(host::cases());
    cases.extend(host_refused::cases());
    cases.extend(kinds::cases());
    cases.extend(limits::cases());
    cases.extend(timestamps::cases());
    cases.extend(unfinished::cases());
    cases.extend(unmap::cases());
    cases
}

/// Anonymous memory of this many bytes, with content in every page.
fn host_memory(bytes: usize) -> CaseResult<Pages> {
    let pages = need("memory", Pages::new(bytes))?;
    pages.fill(0x42);
    Ok(pages)
}

/// Host memory can still be mapped and unmapped after a refused call.
#[track_caller]
fn still_maps(node: &Node) -> CaseResult {
    let pages = host_memory(4096)?;
    let map = succeed("MAP afterwards", node.map_host(&pages, 0, 0))?;
    succeed("UNMAP afterwards", map.unmap())
}

fn unknown_operations(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for op in [7, 8, 0x8000_0000, u32::MAX] {
        let request = MemoryRequest::alloc(1, 2).op(op).tail(0, 5);
        let (result, words) = node.memory_words(&request);
        let at = |stop: case::Stop| stop.request(&request);
        errno("MEMORY with an unknown operation", result, Errno::EINVAL).map_err(at)?;
        let wanted = [1, 2, 0, u64::from(op), 5 << 32];
        equal("arguments after the call", words, wanted).map_err(at)?;
    }
    still_works(&node)
}

fn disabled(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    let off = Disabled::new(cx)?;
    let requests = [
        MemoryRequest::alloc(4096, 0),
        MemoryRequest::free(1),
        MemoryRequest::map_device(1, 0),
        MemoryRequest::map_host(pages.pointer(0), 4096, 0),
        MemoryRequest::unmap(map.address()),
        MemoryRequest::map_block(0),
        MemoryRequest::export(0, 4096, 0, 0),
        MemoryRequest::timestamps(1),
        MemoryRequest::alloc(1, 0).op(u32::MAX),
    ];
    for request in requests {
        let result = node.memory(&request);
        errno("MEMORY", result, Errno::EBUSY).map_err(|stop| stop.request(&request))?;
    }
    drop(off);
    succeed("UNMAP when it is enabled again", map.unmap())?;
    still_maps(&node)
}
