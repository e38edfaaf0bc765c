// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Trace and profiling units: the DEBUG ioctl (habanalabs_ioctl.c: hl_debug_ioctl,
//! gaudi_coresight.c, gaudi2_coresight.c).
//!
//! Not covered: what the units record. The model keeps their registers; it does not trace.

mod answer;
mod etr;
mod input;
mod mode;
mod spmu;
mod table;
mod units;

use case::{Case, CaseResult, Context};
use control::{Asic, Request};
use device::{DebugRequest, Errno, Node};

/// What the driver says when a unit refuses.
const FAILED: &str = "debug coresight operation failed";

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let parts = [mode::cases, units::cases, etr::cases, spmu::cases, input::cases, answer::cases];
    parts.iter().flat_map(|part| part()).collect()
}

/// What the driver of a chip answers when a unit does not become ready (`gaudi_coresight.c` and
/// `gaudi2_coresight.c`: the callers of `*_coresight_timeout`).
fn never_ready(asic: Asic) -> Errno {
    match asic {
        Asic::Gaudi => Errno::EFAULT,
        Asic::Gaudi2 => Errno::ETIMEDOUT,
    }
}

/// What a register holds, by its offset in the configuration space.
fn register(cx: &Context, offset: u64) -> CaseResult<u32> {
    Ok(cx.model()?.peek(offset)? as u32)
}

/// Lets a register hold something until the case ends.
fn poke(cx: &Context, offset: u64, value: u32) -> CaseResult {
    Ok(cx.model()?.order(Request::Poke { offset, value })?)
}

/// Debug mode can still be entered and left, and units still be configured.
#[track_caller]
fn still_works(node: &Node) -> CaseResult {
    let mode = case::succeed("SET_MODE afterwards", node.debugging())?;
    let funnel = DebugRequest::new(uapi::accel::HL_DEBUG_OP_FUNNEL, 0, false);
    case::succeed("FUNNEL afterwards", node.debug(&funnel))?;
    drop(mode);
    crate::common::typed::still_works(node)
}
