// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! DRAM_USAGE: free device memory and what the context holds (`habanalabs_ioctl.c:
//! dram_usage_info`).
//!
//! Gaudi only keeps the accounts: it takes any size, and a free says the size again
//! (`memory.c: hl_mem_ioctl`). Gaudi2 allocates whole pages and frees by handle.

use super::call::ask;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, equal, succeed};
use control::Asic;
use device::MemoryRequest;
use uapi::accel::{hl_info_dram_usage, hl_info_hw_ip_info};

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "info/dram_usage/follows_allocations",
            &["INFO-DRAM_USAGE-006", "INFO-DRAM_USAGE-007"],
            follows,
        ),
        Case::new("info/dram_usage/starts_with_nothing_used", &["INFO-DRAM_USAGE-001"], fresh),
        Case::new("info/dram_usage/gets_everything_back_at_close", &["OPEN-018"], closed),
    ]
}

fn usage(node: &Node) -> CaseResult<(u64, u64)> {
    let answer: hl_info_dram_usage = ask(node)?;
    Ok((answer.dram_free_mem, answer.ctx_dram_mem))
}

fn fresh(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let (free, used) = usage(&node)?;
    let card: hl_info_hw_ip_info = ask(&node)?;
    equal("ctx_dram_mem of a fresh context", used, 0)?;
    // HW_IP_INFO rounds down to pages, DRAM_USAGE does not.
    equal(
        "dram_free_mem in whole pages",
        free / card.dram_page_size * card.dram_page_size,
        card.dram_size,
    )
}

/// One allocation, and how to give it back.
struct Allocated {
    bytes: u64,
    free: MemoryRequest,
}

fn allocate(cx: &Context, node: &device::Node, bytes: u64, page: u64) -> CaseResult<Allocated> {
    let request = MemoryRequest::alloc(bytes, 0);
    let answer = succeed("ALLOC", node.memory(&request)).map_err(|stop| stop.request(&request))?;
    Ok(match cx.asic() {
        // The size of a free and the handle of a free are the same field of the union.
        Asic::Gaudi => Allocated { bytes, free: MemoryRequest::free(bytes) },
        Asic::Gaudi2 => Allocated {
            bytes: bytes.next_multiple_of(page),
            free: MemoryRequest::free(answer.first),
        },
    })
}

fn follows(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let compute = Node::compute(cx)?;
    let typed = compute.typed()?;
    let page = ask::<hl_info_hw_ip_info>(&control)?.dram_page_size;
    let (all, _) = usage(&control)?;
    let mut held = Vec::new();
    let mut sum = 0;
    for bytes in [page, 3 * page, page + 4096] {
        let allocated = allocate(cx, &typed, bytes, page)?;
        sum += allocated.bytes;
        held.push(allocated);
        equal("free, used by the context", usage(&compute)?, (all - sum, sum))?;
        equal("free, used on the control node", usage(&control)?, (all - sum, 0))?;
    }
    for Allocated { bytes, free } in held {
        succeed("FREE", typed.memory(&free)).map_err(|stop| stop.request(&free))?;
        sum -= bytes;
        equal("free, used by the context", usage(&compute)?, (all - sum, sum))?;
        equal("free, used on the control node", usage(&control)?, (all - sum, 0))?;
    }
    Ok(())
}

fn closed(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let (all, _) = usage(&control)?;
    for _ in 0..3 {
        let compute = Node::compute(cx)?;
        let typed = compute.typed()?;
        let page = ask::<hl_info_hw_ip_info>(&control)?.dram_page_size;
        let allocated = allocate(cx, &typed, 2 * page, page)?;
        equal("free while it is held", usage(&control)?, (all - allocated.bytes, 0))?;
        drop(typed);
        drop(compute);
        equal("free after the close", usage(&control)?, (all, 0))?;
        equal("used by the next context", usage(&Node::compute(cx)?)?, (all, 0))?;
    }
    Ok(())
}
