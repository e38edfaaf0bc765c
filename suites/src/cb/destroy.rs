// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! DESTROY.

use crate::common::typed::{compute, still_works};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use device::{CbRequest, Errno, mmap};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("cb/destroy/frees_the_handle", &["CB-DESTROY-001", "CB-DESTROY-002"], frees),
        Case::new("cb/destroy/second_call_is_refused_while_mapped", &["CB-DESTROY-003"], twice),
        Case::new("cb/destroy/mapped_memory_stays", &["CB-DESTROY-005"], mapped),
        Case::new("cb/destroy/rejects_handles_of_others", &["CB-DESTROY-004"], others),
        // Defect D2: a buffer of timestamps is taken for a command buffer.
        Case::new("cb/destroy/rejects_a_timestamp_buffer", &["CB-DESTROY-008"], timestamps)
            .own_guest(),
    ];
    for (name, handle) in
        [("zero", 0), ("of_nothing", mmap::TYPE_CB | 0x7fff_f000), ("all_ones", u64::MAX)]
    {
        let name = format!("cb/destroy/rejects_handle_{name}");
        cases.push(Case::new(name, &["CB-DESTROY-004"], move |cx| rejects(cx, handle)));
    }
    for (name, kind) in
        [("no_kind", 0), ("a_block", mmap::TYPE_BLOCK), ("timestamps", mmap::TYPE_TS)]
    {
        let name = format!("cb/destroy/rejects_its_id_as_{name}");
        cases.push(Case::new(name, &["CB-DESTROY-007"], move |cx| other_kind(cx, kind)));
    }
    cases
}

fn frees(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = succeed("CREATE", node.cb(&CbRequest::create(4096)))?;
    succeed("DESTROY", node.destroy_cb(handle))?;
    errno("second DESTROY", node.destroy_cb(handle), Errno::EINVAL)?;
    still_works(&node)
}

fn twice(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = succeed("CREATE", node.cb(&CbRequest::create(4096)))?;
    let mapping = succeed("mmap", node.map(handle, 4096))?;
    succeed("DESTROY while mapped", node.destroy_cb(handle))?;
    errno("second DESTROY while mapped", node.destroy_cb(handle), Errno::EINVAL)?;
    mapping.write(0, &[1]);
    succeed("munmap", mapping.unmap())?;
    errno("DESTROY after munmap", node.destroy_cb(handle), Errno::EINVAL)?;
    still_works(&node)
}

fn mapped(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = succeed("CREATE", node.cb(&CbRequest::create(8192)))?;
    let mapping = succeed("mmap", node.map(handle, 8192))?;
    mapping.fill(0x77);
    succeed("DESTROY while mapped", node.destroy_cb(handle))?;
    // Were the pages freed, one of these would get them, and they are zeroed.
    let mut buffers = Vec::new();
    for _ in 0..32 {
        buffers.push(succeed("CREATE", node.create_cb(8192, 0))?);
    }
    let changed = mapping.bytes(0, 8192).iter().position(|byte| *byte != 0x77);
    equal("first byte of the destroyed buffer that changed", changed, None)
}

fn others(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    // Ids are given out in order: the next one was never given out.
    errno("DESTROY of the next id", node.destroy_cb(buffer.handle() + 4096), Errno::EINVAL)?;
    equal("usage count of the buffer", buffer.usage(), Ok(0))?;
    succeed("DESTROY", buffer.destroy())
}

fn rejects(cx: &Context, handle: u64) -> CaseResult {
    let node = compute(cx)?;
    let request = CbRequest::destroy(handle);
    let (result, words) = node.cb_words(&request);
    errno("DESTROY", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    equal("handle in the arguments", words[0], handle)?;
    still_works(&node)
}

fn other_kind(cx: &Context, kind: u64) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    let forged = buffer.handle() & !mmap::TYPE_MASK | kind;
    // Such a handle was never given out (defect D2: the lookup looks at the id only).
    errno("DESTROY of a forged handle", node.destroy_cb(forged), Errno::EINVAL)?;
    succeed("DESTROY", buffer.destroy())
}

fn timestamps(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = succeed("TS_ALLOC", node.timestamps(512))?;
    errno("DESTROY of a buffer of timestamps", node.destroy_cb(handle), Errno::EINVAL)?;
    still_works(&node)
}
