// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The driver's trace events (include/trace/events/habanalabs.h): each tells what was done.

mod bus;
mod events;
mod memory;

use case::Case;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    [memory::cases(), bus::cases()].into_iter().flatten().collect()
}
