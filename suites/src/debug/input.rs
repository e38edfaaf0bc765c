// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! How the input is read (habanalabs_ioctl.c: debug_coresight).

use super::{FAILED, poke, register, still_works};
use crate::common::typed::{compute, need};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use device::{DebugRequest, Errno, Pages, Pointer};
use uapi::accel::*;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("debug/input/rejects_addresses_that_cannot_be_read", &["DEBUG-044"], unmapped)
            .logs(&["failed to copy input debug data"]),
        Case::new("debug/input/is_never_read_beyond_its_structure", &["DEBUG-046"], clamped)
            .logs(&[FAILED, "SPMU"]),
        Case::new("debug/input/short_input_ends_in_zeros", &["DEBUG-047"], short).model(),
    ]
}

/// Operations that read an input, and its bytes.
const READERS: &[(u32, usize)] = &[
    (HL_DEBUG_OP_ETR, size_of::<hl_debug_params_etr>()),
    (HL_DEBUG_OP_ETF, size_of::<hl_debug_params_etf>()),
    (HL_DEBUG_OP_STM, size_of::<hl_debug_params_stm>()),
    (HL_DEBUG_OP_BMON, size_of::<hl_debug_params_bmon>()),
    (HL_DEBUG_OP_SPMU, size_of::<hl_debug_params_spmu>()),
];

fn unmapped(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(4096))?;
    for (op, size) in READERS {
        let places = [
            Pointer::UNMAPPED,
            Pointer::KERNEL,
            Pointer::LAST_PAGE,
            pages.inaccessible(),
            pages.last(*size - 1),
        ];
        for place in places {
            let request = DebugRequest {
                input: place.address(),
                input_size: *size as u32,
                ..DebugRequest::new(*op, 0, true)
            };
            let result = node.debug(&request);
            errno("DEBUG", result, Errno::EFAULT).map_err(|stop| stop.request(&request))?;
        }
    }
    drop(mode);
    still_works(&node)
}

/// The structure ends where the memory ends: one byte more would be a fault.
fn clamped(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(4096))?;
    for (op, size) in READERS {
        for given in [*size as u32 + 1, 4096, u32::MAX] {
            let request = DebugRequest {
                input: pages.last(*size).address(),
                input_size: given,
                ..DebugRequest::new(*op, 0, false)
            };
            // Switching off needs no parameters; of these only the SPMU wants an answer.
            let wanted = match *op {
                HL_DEBUG_OP_SPMU if cx.asic() == control::Asic::Gaudi => Err(Errno::EINVAL),
                _ => Ok(()),
            };
            equal("DEBUG", node.debug(&request), wanted).map_err(|stop| stop.request(&request))?;
        }
    }
    drop(mode);
    still_works(&node)
}

fn short(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let router = super::etr::router(cx.asic());
    let (buffer_address, buffer_size) = router.dram;
    let input = hl_debug_params_etr {
        buffer_address,
        buffer_size,
        sink_mode: 0x0303,
        ..Default::default()
    };
    // Address and size, and as many bytes of the mode.
    for (bytes, wanted) in [(16, 0), (17, 0x03), (18, 0x0303), (24, 0x0303)] {
        poke(cx, router.mode(), 0xdead)?;
        let request = DebugRequest {
            input: std::ptr::from_ref(&input) as u64,
            input_size: bytes,
            ..DebugRequest::new(HL_DEBUG_OP_ETR, 0, true)
        };
        succeed("ETR on", node.debug(&request)).map_err(|stop| stop.request(&request))?;
        equal(&format!("mode after {bytes} bytes"), register(cx, router.mode())?, wanted)?;
        succeed("ETR off", node.debug(&DebugRequest::new(HL_DEBUG_OP_ETR, 0, false)))?;
    }
    drop(mode);
    still_works(&node)
}
