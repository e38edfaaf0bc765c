// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! INFO.

use crate::common::typed::{compute, still_works};
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::Asics;
use device::{CbRequest, Errno};
use uapi::accel::{HL_CB_FLAGS_GET_DEVICE_VA, HL_CB_FLAGS_MAP};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("cb/info/usage_of_a_new_buffer_is_zero", &["CB-INFO-001"], fresh),
        Case::new("cb/info/gives_the_device_address", &["CB-INFO-003"], address).on(Asics::GAUDI2),
        Case::new("cb/info/rejects_address_of_unmapped_buffer", &["CB-INFO-004"], unmapped)
            .logs(&["CB is not mapped to the device's MMU"]),
        Case::new("cb/info/rejects_bad_handles", &["CB-INFO-005"], bad_handles)
            .logs(&["CB info failed, no match to handle"]),
        // Defect D2: a buffer of timestamps is taken for a command buffer.
        Case::new("cb/info/rejects_a_timestamp_buffer", &["CB-INFO-006"], timestamps)
            .logs(&["CB info failed"])
            .own_guest(),
    ]
}

fn fresh(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    equal("usage count", buffer.usage(), Ok(0))?;
    let _mapping = succeed("mmap", buffer.map())?;
    // Mappings are no submissions.
    equal("usage count of a mapped buffer", buffer.usage(), Ok(0))
}

fn address(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE with MAP", node.create_cb(4096, HL_CB_FLAGS_MAP))?;
    let address = succeed("INFO with GET_DEVICE_VA", buffer.device_va())?;
    check(address != 0, "a mapped buffer has an address")?;
    equal("address when asked again", buffer.device_va(), Ok(address))
}

fn unmapped(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    let request = CbRequest::device_va(buffer.handle());
    let (result, words) = node.cb_words(&request);
    errno("INFO with GET_DEVICE_VA", result, Errno::EINVAL)
        .map_err(|stop| stop.request(&request))?;
    equal("first word", words[0], buffer.handle())?;
    equal("usage count", buffer.usage(), Ok(0))?;
    succeed("DESTROY", buffer.destroy())
}

fn bad_handles(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    for handle in [0, 1, 4095, buffer.handle() + 4096, u64::MAX] {
        for flags in [0, HL_CB_FLAGS_GET_DEVICE_VA, u32::MAX] {
            let request = CbRequest { ctx_id: 9, ..CbRequest::usage(handle).flags(flags) };
            let (result, words) = node.cb_words(&request);
            let at = |stop: case::Stop| stop.request(&request);
            errno("INFO", result, Errno::EINVAL).map_err(at)?;
            let wanted = [handle, u64::from(request.op), 9 | u64::from(flags) << 32];
            equal("arguments after the call", words, wanted).map_err(at)?;
        }
    }
    still_works(&node)
}

fn timestamps(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = succeed("TS_ALLOC", node.timestamps(512))?;
    errno("INFO of a buffer of timestamps", node.cb_usage(handle), Errno::EINVAL)?;
    still_works(&node)
}
