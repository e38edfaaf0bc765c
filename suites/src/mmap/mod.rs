// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! mmap of the compute node (device.c: hl_mmap, memory_mgr.c: hl_mem_mgr_mmap).
//!
//! Not covered: a device that was removed (area of removal), misaligned offsets (refused before
//! the driver is asked), executable mappings (decided by how /dev is mounted).

mod block;
mod buffer;
mod offset;

use case::Case;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    [buffer::cases(), block::cases(), offset::cases()].into_iter().flatten().collect()
}
