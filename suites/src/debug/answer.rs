// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! How the answer is written (habanalabs_ioctl.c: debug_coresight).

use super::{etr, register, still_works};
use crate::common::typed::{compute, need};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use device::{DebugRequest, Errno, Pages, Pointer};
use uapi::accel::*;

/// What the driver says.
const NOT_WRITTEN: &[&str] = &["copy to user failed in debug ioctl"];

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "debug/answer/rejects_addresses_that_cannot_be_written",
            &["DEBUG-045"],
            unmapped,
        )
        .logs(NOT_WRITTEN),
        Case::new("debug/answer/the_work_is_done_before_it_is_written", &["DEBUG-045"], done)
            .logs(NOT_WRITTEN)
            .model(),
        Case::new("debug/answer/is_zero_where_a_unit_says_nothing", &["SEC-015"], zero),
        // Defect D9: the size goes to the allocator as it is.
        Case::new("debug/answer/refuses_a_huge_size_quietly", &["DEBUG-048"], huge).own_guest(),
    ]
}

fn unmapped(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(4096))?;
    let request = DebugRequest::new(HL_DEBUG_OP_TIMESTAMP, 0, true);
    let places = [
        Pointer::UNMAPPED,
        Pointer::KERNEL,
        Pointer::LAST_PAGE,
        Pointer::LAST_BYTE,
        pages.inaccessible(),
        pages.last(7),
    ];
    for place in places {
        let request = request.output(place, 8);
        let result = node.debug(&request);
        errno("TIMESTAMP", result, Errno::EFAULT).map_err(|stop| stop.request(&request))?;
    }
    need("protection", pages.read_only())?;
    let request = request.output(pages.pointer(0), 8);
    errno("TIMESTAMP to read-only memory", node.debug(&request), Errno::EFAULT)?;
    drop(mode);
    still_works(&node)
}

fn done(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let router = etr::router(cx.asic());
    etr::on(&node, router.dram)?;
    equal("control", register(cx, router.control())?, 1)?;
    let request = DebugRequest::new(HL_DEBUG_OP_ETR, 0, false).output(Pointer::UNMAPPED, 8);
    errno("ETR off", node.debug(&request), Errno::EFAULT)?;
    equal("control afterwards", register(cx, router.control())?, 0)?;
    drop(mode);
    still_works(&node)
}

fn zero(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(4096))?;
    for op in [HL_DEBUG_OP_FUNNEL, HL_DEBUG_OP_TIMESTAMP, HL_DEBUG_OP_BMON, HL_DEBUG_OP_ETR] {
        for size in [1, 64, 100, 4096] {
            pages.fill(0x5a);
            let request = DebugRequest::new(op, 0, false).output(pages.last(size), size as u32);
            succeed("DEBUG", node.debug(&request)).map_err(|stop| stop.request(&request))?;
            let start = pages.length() - size;
            let dirty = pages.bytes(start, size).iter().position(|byte| *byte != 0);
            equal("first byte of the answer that is not zero", dirty, None)
                .map_err(|stop| stop.request(&request))?;
            if start > 0 {
                equal("byte before the answer", pages.bytes(start - 1, 1), vec![0x5a])?;
            }
        }
    }
    drop(mode);
    still_works(&node)
}

fn huge(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(4096))?;
    let request = DebugRequest::new(HL_DEBUG_OP_TIMESTAMP, 0, true);
    for size in [u32::MAX, 0x8000_0000, 0x1000_0000] {
        let request = request.output(pages.pointer(0), size);
        let result = node.debug(&request);
        errno("TIMESTAMP", result, Errno::ENOMEM).map_err(|stop| stop.request(&request))?;
    }
    drop(mode);
    still_works(&node)
}
