// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! ALLOC and FREE on a chip whose device memory has no MMU: the driver only keeps account of what
//! the user says (memory.c: hl_mem_ioctl, `dram_supports_virtual_memory`).

use crate::common::typed::{compute, still_works};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use control::Asics;
use device::{Errno, MemoryRequest, Node};
use uapi::accel::HL_MEM_CONTIGUOUS;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("memory/alloc/rejects_zero_size", &["MEM-ALLOC-003"], zero)
            .logs(&["alloc size must be larger than 0"]),
        Case::new(
            "memory/account/alloc_counts_and_gives_handle_zero",
            &["MEM-ALLOC-011", "MEM-ALLOC-009"],
            counts,
        )
        .on(Asics::GAUDI),
        Case::new("memory/account/free_takes_the_size_back", &["MEM-FREE-006"], frees)
            .on(Asics::GAUDI),
        Case::new("memory/account/ignores_unknown_flags", &["MEM-ALLOC-014"], flags)
            .on(Asics::GAUDI),
        Case::new("memory/account/ends_with_the_context", &["MEM-FREE-006"], ends).on(Asics::GAUDI),
    ]
}

/// Device memory in use: free bytes of the device, bytes of this context.
fn usage(node: &Node) -> CaseResult<(u64, u64)> {
    let usage = succeed("INFO DRAM_USAGE", node.dram_usage())?;
    Ok((usage.dram_free_mem, usage.ctx_dram_mem))
}

fn zero(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let before = usage(&node)?;
    for flags in [0, HL_MEM_CONTIGUOUS] {
        let request = MemoryRequest::alloc(0, 0).flags(flags);
        let (result, words) = node.memory_words(&request);
        errno("ALLOC of nothing", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
        equal("first word after the call", words[0], 0)?;
    }
    equal("device memory in use", usage(&node)?, before)?;
    still_works(&node)
}

const SIZE: u64 = 0x12_3456;

fn counts(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let (free, mine) = usage(&node)?;
    // Not rounded, not limited to what there is: the driver believes the user.
    let (result, words) = node.memory_words(&MemoryRequest::alloc(SIZE, 4096));
    succeed("ALLOC", result)?;
    equal("answer", words, [0; 5])?;
    equal("device memory in use", usage(&node)?, (free - SIZE, mine + SIZE))?;
    succeed("FREE", node.free(SIZE))?;
    equal("device memory in use after FREE", usage(&node)?, (free, mine))
}

fn frees(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let before = usage(&node)?;
    for size in [1, SIZE, 1 << 30] {
        succeed("ALLOC", node.memory(&MemoryRequest::alloc(size, 0)))?;
    }
    // In another order, and in parts.
    for size in [1 << 29, SIZE, 1 << 29, 1] {
        succeed("FREE", node.free(size))?;
    }
    equal("device memory in use", usage(&node)?, before)
}

fn flags(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    succeed("ALLOC", node.memory(&MemoryRequest::alloc(SIZE, 0).flags(u32::MAX)))?;
    succeed("FREE", node.memory(&MemoryRequest::free(SIZE).flags(u32::MAX)))?;
    equal("device memory of this context", usage(&node)?.1, 0)
}

fn ends(cx: &Context) -> CaseResult {
    let control = succeed("open of the control node", Node::open(&cx.at.control))?;
    let before = usage(&control)?;
    let node = compute(cx)?;
    succeed("ALLOC", node.memory(&MemoryRequest::alloc(SIZE, 0)))?;
    succeed("close", node.close())?;
    let back = crate::common::wait::until(std::time::Duration::from_secs(5), || {
        Ok((usage(&control)? == before).then_some(()))
    })?;
    if back.is_some() {
        return Ok(());
    }
    equal("device memory in use after close", usage(&control)?, before)
}
