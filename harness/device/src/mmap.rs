// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! mmap of a node: the offset is a handle with the kind of memory in its top bits
//! (memory_mgr.c: hl_mem_mgr_mmap, habanalabs_drv.c: hl_mmap).

use crate::region::Region;
use crate::{Errno, Node};
use nix::sys::mman::{MapFlags, ProtFlags};
use std::ops::Deref;
use std::os::fd::AsFd;

/// Where the kind of memory stands in an offset (habanalabs.h: HL_MMAP_TYPE_SHIFT, for pages of
/// 4 KiB: bit 59).
pub const TYPE_SHIFT: u32 = 59;
/// The kind of timestamp buffers (habanalabs.h: HL_MMAP_TYPE_TS_BUFF).
pub const TYPE_TS: u64 = 0x10 << TYPE_SHIFT;
/// The kind of hardware blocks (habanalabs.h: HL_MMAP_TYPE_BLOCK).
pub const TYPE_BLOCK: u64 = 0x4 << TYPE_SHIFT;
/// The kind of command buffers (habanalabs.h: HL_MMAP_TYPE_CB).
pub const TYPE_CB: u64 = 0x2 << TYPE_SHIFT;
/// All kinds (habanalabs.h: HL_MMAP_TYPE_MASK).
pub const TYPE_MASK: u64 = 0x1f << TYPE_SHIFT;

/// What an mmap call says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRequest {
    /// The handle, or any offset.
    pub offset: u64,
    /// Bytes.
    pub length: usize,
    /// `PROT_*`.
    pub protection: ProtFlags,
    /// `MAP_*`; never `MAP_FIXED`.
    pub flags: MapFlags,
}

impl MapRequest {
    /// Shared, for reading and writing.
    pub fn new(offset: u64, length: usize) -> Self {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        MapRequest { offset, length, protection, flags: MapFlags::MAP_SHARED }
    }
}

/// Mapped memory of a node; unmapped when dropped.
#[derive(Debug)]
pub struct Mapping(Region);

impl Mapping {
    /// Maps a file exactly as asked.
    pub fn of(file: impl AsFd, request: &MapRequest) -> Result<Self, Errno> {
        let MapRequest { offset, length, protection, flags } = *request;
        // The kind stands in bits up to 63, so the offset is negative as the C library takes it.
        Region::file(file, offset.cast_signed(), length, protection, flags).map(Mapping)
    }

    /// Ends the mapping and says how that went.
    pub fn unmap(self) -> Result<(), Errno> {
        self.0.unmap()
    }

    /// Makes it longer; see [`Region::grow`].
    pub fn grow(&mut self, length: usize) -> Result<(), Errno> {
        self.0.grow(length)
    }

    /// Gives a part back; see [`Region::unmap_part`].
    pub fn unmap_part(
        self,
        offset: usize,
        length: usize,
    ) -> Result<(Option<Region>, Option<Region>), Errno> {
        self.0.unmap_part(offset, length)
    }
}

impl Deref for Mapping {
    type Target = Region;

    fn deref(&self) -> &Region {
        &self.0
    }
}

impl Node {
    /// Maps exactly as asked.
    pub fn map_with(&self, request: &MapRequest) -> Result<Mapping, Errno> {
        Mapping::of(self, request)
    }

    /// Maps shared, for reading and writing.
    pub fn map(&self, handle: u64, length: usize) -> Result<Mapping, Errno> {
        self.map_with(&MapRequest::new(handle, length))
    }
}
