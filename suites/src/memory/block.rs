// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! MAP_BLOCK.

use crate::common::typed::{compute, generation, still_works};
use case::{Case, CaseResult, Context, equal, errno};
use control::Asics;
use device::{Errno, MemoryRequest};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("memory/block/is_refused_on_chips_without_blocks", &["MEM-BLOCK-003"], |cx| {
            refused(cx, Errno::EPERM)
        })
        .on(Asics::GAUDI),
        Case::new("memory/block/rejects_addresses_outside_the_table", &["MEM-BLOCK-002"], |cx| {
            refused(cx, Errno::EINVAL)
        })
        .on(Asics::GAUDI2)
        .logs(&["Invalid block address"]),
        Case::new(
            "memory/block/refusal_leaves_the_rest_of_the_arguments",
            &["MEM-BLOCK-004"],
            rest,
        )
        .logs(&["Invalid block address"]),
    ]
}

fn refused(cx: &Context, expected: Errno) -> CaseResult {
    let node = compute(cx)?;
    let cfg = hw::memory::map(generation(cx)).cfg_base;
    for address in [0, 1, cfg + 1, u64::MAX] {
        let request = MemoryRequest::map_block(address);
        let (result, words) = node.memory_words(&request);
        errno("MAP_BLOCK", result, expected).map_err(|stop| stop.request(&request))?;
        equal("handle of a refused block", words[0], 0)?;
        equal("size of a refused block", words[1] as u32, 0)?;
    }
    still_works(&node)
}

fn rest(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let request = MemoryRequest::map_block(1).flags(5).tail(3, 4);
    let (result, words) = node.memory_words(&request);
    if result.is_ok() {
        return case::fail("MAP_BLOCK of address 1 succeeds");
    }
    equal("operation and flags", words[3], u64::from(request.op) | 5 << 32)?;
    equal("context and elements", words[4], 3 | 4 << 32)?;
    still_works(&node)
}
