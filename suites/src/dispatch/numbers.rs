// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Numbers that are no ioctl of this driver, on the compute node (`drm_ioctl.c: drm_ioctl`).

use crate::common::buffer::Buffer;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, errno};
use nix::errno::Errno;
use uapi::number::{ACCEL, DRM_KIND, MISC, request_name};
use uapi::{Direction, Number};

/// First number of DRM's range for drivers, and the first behind it.
const DRIVER_RANGE: std::ops::Range<u8> = 0x40..0xa0;

/// Above every number that DRM core has or is about to have.
const NO_CORE: std::ops::RangeInclusive<u8> = 0xe8..=0xff;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("dispatch/compute/refuses_other_type_letters", &["DISP-001"], letters),
        Case::new("dispatch/compute/refuses_the_numbers_of_6_1", &["DISP-002"], legacy),
        Case::new(
            "dispatch/compute/refuses_driver_numbers_past_the_last",
            &["DISP-003"],
            past_driver,
        ),
        Case::new("dispatch/compute/refuses_core_numbers_past_the_last", &["DISP-004"], past_core),
    ]
}

/// Sends a number with a harmless argument of any size.
#[track_caller]
pub fn refused(node: &Node, number: Number, expected: Errno) -> CaseResult {
    let buffer = Buffer::new(1 << 14)?;
    let request = number.request();
    errno(&request_name(request), node.ioctl(request, buffer.start()), expected)
}

fn letters(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    for (request, _) in ACCEL {
        for kind in (0..=u8::MAX).filter(|kind| *kind != DRM_KIND) {
            refused(&node, Number::of(request).kind(kind), Errno::ENOTTY)?;
        }
    }
    Ok(())
}

fn legacy(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    MISC.iter().try_for_each(|(request, _)| refused(&node, Number::of(*request), Errno::ENOTTY))
}

fn past_driver(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let first = DRIVER_RANGE.start + ACCEL.len() as u8;
    for nr in first..DRIVER_RANGE.end {
        for size in [0, 24, 40, 56] {
            let number = Number { direction: Direction::ReadWrite, kind: DRM_KIND, nr, size };
            refused(&node, number, Errno::EINVAL)?;
        }
    }
    Ok(())
}

fn past_core(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    for nr in NO_CORE {
        let number = Number { direction: Direction::ReadWrite, kind: DRM_KIND, nr, size: 24 };
        refused(&node, number, Errno::EINVAL)?;
    }
    Ok(())
}
