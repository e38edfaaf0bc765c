// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A range in which the same memory is seen again and again: many GiB cost the memory of one part.

use super::Region;
use nix::errno::Errno;
use nix::sys::mman::{MapFlags, ProtFlags, mmap};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;

impl Region {
    /// Maps the first `part` bytes of a file, shared and writable, until there are `length` bytes,
    /// starting at a multiple of `part`. `part` is a power of two and `length` a multiple of it.
    pub fn aliased(fd: impl AsFd, part: usize, length: usize) -> Result<Self, Errno> {
        if !part.is_power_of_two() || !length.is_multiple_of(part) {
            return Err(Errno::EINVAL);
        }
        let whole = reserve(part, length)?;
        let size = NonZeroUsize::new(part).ok_or(Errno::EINVAL)?;
        let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = MapFlags::MAP_SHARED | MapFlags::MAP_FIXED;
        for offset in (0..length).step_by(part) {
            let place = NonZeroUsize::new(whole.address() as usize + offset);
            // SAFETY: the range is inside of our own reservation, of which no references exist.
            unsafe { mmap(place, size, both, flags, fd.as_fd(), 0) }?;
        }
        Ok(whole)
    }
}

/// Addresses without memory, aligned.
fn reserve(part: usize, length: usize) -> Result<Region, Errno> {
    let room = length.checked_add(part).ok_or(Errno::ENOMEM)?;
    let room = Region::anonymous(room, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)?;
    let lead = (room.address() as usize).next_multiple_of(part) - room.address() as usize;
    let room = match lead {
        0 => room,
        lead => room.unmap_part(0, lead)?.1.ok_or(Errno::ENOMEM)?,
    };
    match room.length() - length {
        0 => Ok(room),
        behind => room.unmap_part(length, behind)?.0.ok_or(Errno::ENOMEM),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::page_size;
    use nix::sys::memfd::{MFdFlags, memfd_create};

    #[test]
    fn every_part_is_the_same_memory() -> Result<(), Errno> {
        let page = page_size();
        let file = memfd_create(c"aliases", MFdFlags::MFD_CLOEXEC)?;
        nix::unistd::ftruncate(&file, 4 * page as i64)?;
        for part in [page, 4 * page] {
            let region = Region::aliased(&file, part, 5 * part)?;
            assert_eq!((region.length(), region.address() % part as u64), (5 * part, 0));
            region.write(2 * part + 7, b"x");
            assert!((0..5).all(|n| region.bytes(n * part + 7, 1) == b"x"));
        }
        assert_eq!(Region::aliased(&file, page, 5 * page + 1).err(), Some(Errno::EINVAL));
        Ok(())
    }
}
