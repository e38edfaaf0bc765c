// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Dispatch of ioctl numbers, on both nodes: letters, numbers, sizes, directions, bad arguments,
//! and what DRM core answers for a device that is no display.

mod arguments;
mod compat;
mod control;
mod core;
mod fuzz;
mod numbers;
mod removed;
pub(crate) mod version;

use case::Case;

/// The cases.
pub fn cases() -> Vec<Case> {
    let parts = [
        numbers::cases,
        arguments::cases,
        control::cases,
        compat::cases,
        version::cases,
        core::cases,
        fuzz::cases,
        removed::cases,
    ];
    parts.iter().flat_map(|part| part()).collect()
}
