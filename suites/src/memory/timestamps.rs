// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! TS_ALLOC (memory.c: allocate_timestamps_buffers).

use crate::common::typed::{compute, still_works};
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use device::mmap::{TYPE_MASK, TYPE_TS};
use device::{Errno, MemoryRequest};
use uapi::accel::TS_MAX_ELEMENTS_NUM;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("memory/timestamps/one_takes_a_page", &["MEM-TS-001"], one),
        Case::new("memory/timestamps/accepts_the_maximum", &["MEM-TS-002"], maximum).budget(30),
        Case::new("memory/timestamps/rejects_more_than_the_maximum", &["MEM-TS-003"], more)
            .logs(&["Num of elements exceeds Max allowed number"]),
        // Defect D7: vmalloc of nothing warns.
        Case::new("memory/timestamps/refuses_none_quietly", &["MEM-TS-004"], none)
            .logs(&["Failure in buffer alloc callback"])
            .own_guest(),
    ]
}

fn one(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = succeed("TS_ALLOC", node.timestamps(1))?;
    equal("kind of the handle", handle & TYPE_MASK, TYPE_TS)?;
    check(handle & !TYPE_MASK != 0, "a handle has an id")?;
    let mapping = succeed("mmap of one page", node.map(handle, 4096))?;
    equal("the time stamp", mapping.read_u64(0), 0)?;
    succeed("munmap", mapping.unmap())
}

fn maximum(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = succeed("TS_ALLOC", node.timestamps(TS_MAX_ELEMENTS_NUM))?;
    let bytes = TS_MAX_ELEMENTS_NUM as usize * 8;
    let mapping = succeed("mmap", node.map(handle, bytes))?;
    equal("the last time stamp", mapping.read_u64(bytes - 8), 0)?;
    succeed("munmap", mapping.unmap())
}

fn more(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for elements in [TS_MAX_ELEMENTS_NUM + 1, u32::MAX] {
        let request = MemoryRequest::timestamps(elements);
        let result = node.memory(&request);
        errno("TS_ALLOC", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    still_works(&node)
}

fn none(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    errno("TS_ALLOC of nothing", node.timestamps(0), Errno::ENOMEM)?;
    still_works(&node)
}
