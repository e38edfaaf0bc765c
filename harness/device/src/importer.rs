// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kernel module `gauntlet_importer` (fixtures/importer): somebody who imports a dma-buf.
//!
//! An open importer holds at most one attachment; dropping it unmaps, unpins and detaches. The
//! module never touches the memory. Numbers and layouts are those of `gauntlet_importer.h`.

use crate::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use uapi::raw;

/// Where the module's device is.
pub const PATH: &str = "/dev/gauntlet_importer";

/// `_IOC` type of the module.
const MAGIC: u32 = 0xb9;
const ATTACH: u32 = number(0, size_of::<AttachArgs>());
const DETACH: u32 = number(1, 0);
const PIN: u32 = number(2, 0);
const UNPIN: u32 = number(3, 0);
const MAP: u32 = number(4, size_of::<MapArgs>());
const UNMAP: u32 = number(5, 0);
const ENTRY: u32 = number(6, size_of::<EntryArgs>());
const SEGMENT: u32 = number(7, size_of::<SegmentArgs>());
const ACCEL: u32 = number(8, 0);

/// `_IOWR` for requests with an argument, `_IO` for those without.
const fn number(index: u32, size: usize) -> u32 {
    let direction = if size == 0 { 0 } else { 3 };
    direction << 30 | (size as u32) << 16 | MAGIC << 8 | index
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct AttachArgs {
    fd: i32,
    mode: u32,
    pci: u32,
    peer: u32,
    size: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct MapArgs {
    direction: u32,
    count: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct EntryArgs {
    index: u32,
    has_pages: u32,
    address: u64,
    length: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct SegmentArgs {
    bytes: u32,
    pad: u32,
}

/// How the importer attaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Attach {
    /// `dma_buf_attach`.
    Static = 0,
    /// `dma_buf_dynamic_attach` without peer-to-peer.
    Dynamic = 1,
    /// `dma_buf_dynamic_attach` with peer-to-peer.
    Peer = 2,
}

/// The device that imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importing {
    /// The module's own platform device.
    Own,
    /// A PCI device.
    Pci {
        /// PCI domain.
        domain: u16,
        /// Bus in it.
        bus: u8,
        /// Device and function: `device << 3 | function`.
        devfn: u8,
    },
}

impl Importing {
    fn number(self) -> u32 {
        match self {
            Importing::Own => u32::MAX,
            Importing::Pci { domain, bus, devfn } => {
                u32::from(domain) << 16 | u32::from(bus) << 8 | u32::from(devfn)
            }
        }
    }
}

/// What an attach said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The exporter left peer-to-peer allowed.
    pub peer: bool,
    /// Bytes of the buffer.
    pub size: u64,
}

/// The direction of a mapping (`enum dma_data_direction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Direction {
    /// Both.
    Both = 0,
    /// The importer reads.
    ToDevice = 1,
    /// The importer writes.
    FromDevice = 2,
}

/// One piece of a mapped buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Bus address.
    pub address: u64,
    /// Bytes.
    pub length: u64,
    /// There are struct pages behind it.
    pub has_pages: bool,
}

/// An open importer.
#[derive(Debug)]
pub struct Importer {
    fd: OwnedFd,
}

impl Importer {
    /// Opens the module's device; ENOENT when the module is not loaded.
    pub fn open() -> Result<Self, Errno> {
        let fd = open(Path::new(PATH), OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Importer { fd })
    }

    /// Attaches to a buffer. EBUSY when there is one already; else what the exporter says.
    pub fn attach(
        &self,
        buffer: BorrowedFd<'_>,
        mode: Attach,
        device: Importing,
    ) -> Result<Attached, Errno> {
        let fd = buffer.as_raw_fd();
        let mut args = AttachArgs { fd, mode: mode as u32, pci: device.number(), peer: 0, size: 0 };
        // SAFETY: the argument holds no address.
        unsafe { raw::ioctl(&self.fd, ATTACH, &mut args) }?;
        Ok(Attached { peer: args.peer != 0, size: args.size })
    }

    /// Unmaps, unpins and detaches; ENOENT when nothing is attached.
    pub fn detach(&self) -> Result<(), Errno> {
        self.plain(DETACH)
    }

    /// Pins the buffer. EOPNOTSUPP for a static attachment.
    pub fn pin(&self) -> Result<(), Errno> {
        self.plain(PIN)
    }

    /// Unpins it.
    pub fn unpin(&self) -> Result<(), Errno> {
        self.plain(UNPIN)
    }

    /// Maps the buffer and says where it is.
    pub fn map(&self, direction: Direction) -> Result<Vec<Entry>, Errno> {
        let mut args = MapArgs { direction: direction as u32, count: 0 };
        // SAFETY: the argument holds no address.
        unsafe { raw::ioctl(&self.fd, MAP, &mut args) }?;
        (0..args.count).map(|index| self.entry(index)).collect()
    }

    /// Unmaps it.
    pub fn unmap(&self) -> Result<(), Errno> {
        self.plain(UNMAP)
    }

    /// Tells the importing device, until the detach, to take no larger segments than this.
    /// ENOENT when nothing is attached.
    pub fn limit_segments(&self, bytes: u32) -> Result<(), Errno> {
        let mut args = SegmentArgs { bytes, pad: 0 };
        // SAFETY: the argument holds no address.
        unsafe { raw::ioctl(&self.fd, SEGMENT, &mut args) }.map(|_| ())
    }

    /// Takes the first free number of the accel class, as another accelerator would, until this is
    /// dropped. EBUSY when it has one.
    pub fn take_accel(&self) -> Result<(), Errno> {
        self.plain(ACCEL)
    }

    fn entry(&self, index: u32) -> Result<Entry, Errno> {
        let mut args = EntryArgs { index, has_pages: 0, address: 0, length: 0 };
        // SAFETY: the argument holds no address.
        unsafe { raw::ioctl(&self.fd, ENTRY, &mut args) }?;
        let EntryArgs { index: _, has_pages, address, length } = args;
        Ok(Entry { address, length, has_pages: has_pages != 0 })
    }

    fn plain(&self, request: u32) -> Result<(), Errno> {
        // SAFETY: the request has no argument.
        unsafe { raw::ioctl(&self.fd, request, &mut ()) }.map(|_| ())
    }
}

impl AsFd for Importer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_header() {
        // Printed by a C program that includes gauntlet_importer.h.
        assert_eq!(
            [ATTACH, DETACH, PIN, UNPIN, MAP, UNMAP, ENTRY, SEGMENT, ACCEL],
            [
                0xc018_b900,
                0xb901,
                0xb902,
                0xb903,
                0xc008_b904,
                0xb905,
                0xc018_b906,
                0xc008_b907,
                0xb908,
            ]
        );
    }

    #[test]
    fn a_pci_device_is_one_number() {
        let device = Importing::Pci { domain: 1, bus: 2, devfn: 0x18 };
        assert_eq!(device.number(), 0x0001_0218);
        assert_eq!(Importing::Own.number(), 0xffff_ffff);
    }
}
