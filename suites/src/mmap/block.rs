// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Hardware blocks that there are not (memory.c: hl_hw_block_mmap).

use crate::common::typed::{compute, still_works};
use case::{Case, CaseResult, Context, errno};
use control::Asics;
use device::Errno;
use device::mmap::{MapRequest, TYPE_BLOCK};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("mmap/block/is_refused_on_chips_without_blocks", &["MMAP-019"], unsupported)
            .on(Asics::GAUDI),
        Case::new("mmap/block/rejects_ids_outside_the_table", &["MMAP-016"], outside)
            .on(Asics::GAUDI2)
            .logs(&["Invalid block id"]),
    ]
}

fn unsupported(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for id in [0, 1, 0xffff] {
        for size in [4096, 0x1000_0000] {
            let request = MapRequest::new(TYPE_BLOCK | id << 12, size);
            let result = node.map_with(&request);
            errno("mmap of a block", result, Errno::EPERM)
                .map_err(|stop| stop.request(&request))?;
        }
    }
    still_works(&node)
}

fn outside(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for id in [0x1_0000, 0xffff_ffff] {
        let request = MapRequest::new(TYPE_BLOCK | id << 12, 4096);
        let result = node.map_with(&request);
        errno("mmap of a block", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    still_works(&node)
}
