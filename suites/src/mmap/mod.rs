// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! mmap of the compute node (device.c: hl_mmap, memory_mgr.c: hl_mem_mgr_mmap).
//!
//! Not covered: a device that was removed: the driver kills who has it open before it goes
//! (device.c: hl_device_fini), so nobody is left to map.

mod block;
mod buffer;
mod offset;
mod window;

use case::Case;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    [buffer::cases(), block::cases(), offset::cases(), window::cases()]
        .into_iter()
        .flatten()
        .collect()
}
