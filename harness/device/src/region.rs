// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Memory that the kernel or the device may write to at any time, and addresses of it.
//!
//! Such memory is never a Rust reference: it is read and written through copies.

mod alias;

use nix::errno::Errno;
use nix::sys::mman::{
    MRemapFlags, MapFlags, ProtFlags, mmap, mmap_anonymous, mprotect, mremap, munmap,
};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::ptr::NonNull;

/// The page size of the host.
pub fn page_size() -> usize {
    // SAFETY: sysconf reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// An address that may be handed to the kernel as a place to write to.
///
/// It is memory of a [`Pages`] or [`Region`], or it cannot be written at all; so a kernel that
/// writes to it damages nothing of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pointer(u64);

impl Pointer {
    /// No address.
    pub const NULL: Pointer = Pointer(0);
    /// A page below `mmap_min_addr`, where nothing can be mapped.
    pub const UNMAPPED: Pointer = Pointer(0x1000);
    /// The first address that is not of user space (x86-64, four-level tables).
    pub const BEYOND_USER: Pointer = Pointer(0x0000_8000_0000_0000);
    /// An address of the kernel's half.
    pub const KERNEL: Pointer = Pointer(0xffff_8000_0000_0000);
    /// The last page of the address space: adding a size wraps.
    pub const LAST_PAGE: Pointer = Pointer(0xffff_ffff_ffff_f000);
    /// The last byte of the address space.
    pub const LAST_BYTE: Pointer = Pointer(u64::MAX);

    /// The number.
    pub fn address(self) -> u64 {
        self.0
    }
}

/// A mapping; unmapped when dropped.
#[derive(Debug)]
pub struct Region {
    start: NonNull<libc::c_void>,
    length: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is only accessed by copies.
unsafe impl Send for Region {}
// SAFETY: as above; racing copies yield torn values of integers, nothing worse.
unsafe impl Sync for Region {}

impl Region {
    /// Maps a file.
    pub fn file(
        fd: impl AsFd,
        offset: i64,
        length: usize,
        protection: ProtFlags,
        flags: MapFlags,
    ) -> Result<Self, Errno> {
        let size = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        if flags.contains(MapFlags::MAP_FIXED) {
            return Err(Errno::EINVAL);
        }
        // SAFETY: without MAP_FIXED the kernel picks an unused range, so no memory in use changes.
        let start = unsafe { mmap(None, size, protection, flags, fd, offset) }?;
        Ok(Region { start, length })
    }

    /// Maps anonymous memory.
    pub fn anonymous(length: usize, protection: ProtFlags, flags: MapFlags) -> Result<Self, Errno> {
        let size = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        if flags.contains(MapFlags::MAP_FIXED) {
            return Err(Errno::EINVAL);
        }
        // SAFETY: as in `file`.
        let start = unsafe { mmap_anonymous(None, size, protection, flags) }?;
        Ok(Region { start, length })
    }

    /// Maps private anonymous memory in the lower part of the address space, so that a large size
    /// behind it does not leave user space.
    fn low(length: usize) -> Result<Self, Errno> {
        let size = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_FIXED_NOREPLACE;
        for place in (1..64).filter_map(|step| NonZeroUsize::new(step << 34)) {
            // SAFETY: with MAP_FIXED_NOREPLACE the kernel refuses a range that is in use.
            match unsafe { mmap_anonymous(Some(place), size, ProtFlags::PROT_NONE, flags) } {
                Ok(start) => return Ok(Region { start, length }),
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
        Err(Errno::EEXIST)
    }

    /// Bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Where it is mapped.
    pub fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// The address of a byte of it.
    ///
    /// # Panics
    ///
    /// When `offset` is behind the end.
    pub fn pointer(&self, offset: usize) -> Pointer {
        assert!(offset <= self.length, "offset {offset:#x} is behind the end {:#x}", self.length);
        Pointer(self.address() + offset as u64)
    }

    /// Changes the protection of a part.
    pub fn protect(
        &self,
        offset: usize,
        length: usize,
        protection: ProtFlags,
    ) -> Result<(), Errno> {
        let end = offset.checked_add(length).ok_or(Errno::EINVAL)?;
        if end > self.length {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the range is inside of this mapping, of which no references exist.
        unsafe { mprotect(self.start.byte_add(offset), length, protection) }
    }

    /// Gives a part back to the system; gives what remains before and behind it.
    pub fn unmap_part(
        self,
        offset: usize,
        length: usize,
    ) -> Result<(Option<Region>, Option<Region>), Errno> {
        let end = offset.checked_add(length).ok_or(Errno::EINVAL)?;
        if end > self.length {
            return Err(Errno::EINVAL);
        }
        // SAFETY: both places are inside of this mapping or at its end.
        let (part, behind) = unsafe { (self.start.byte_add(offset), self.start.byte_add(end)) };
        // SAFETY: the range is inside of this mapping, of which no references exist.
        unsafe { munmap(part, length) }?;
        let whole = std::mem::ManuallyDrop::new(self);
        let keep = |start, length| (length > 0).then_some(Region { start, length });
        Ok((keep(whole.start, offset), keep(behind, whole.length - end)))
    }

    /// Makes it longer; it may move.
    pub fn grow(&mut self, length: usize) -> Result<(), Errno> {
        let flags = MRemapFlags::MREMAP_MAYMOVE;
        // SAFETY: the mapping is ours, no references into it exist, and its new place is kept.
        self.start = unsafe { mremap(self.start, self.length, length, flags, None) }?;
        self.length = length;
        Ok(())
    }

    /// Ends the mapping and says how that went.
    pub fn unmap(self) -> Result<(), Errno> {
        let region = std::mem::ManuallyDrop::new(self);
        // SAFETY: the mapping is ours and ends here.
        unsafe { munmap(region.start, region.length) }
    }

    fn at(&self, offset: usize, length: usize) -> *mut u8 {
        let end = offset.checked_add(length);
        assert!(
            end.is_some_and(|end| end <= self.length),
            "{length:#x} bytes at {offset:#x} are not inside of {:#x}",
            self.length
        );
        // SAFETY: the range was just checked to be inside of the mapping.
        unsafe { self.start.as_ptr().cast::<u8>().add(offset) }
    }

    /// Copies bytes out.
    ///
    /// # Panics
    ///
    /// When the range is not inside.
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        let from = self.at(offset, into.len());
        for (index, byte) in into.iter_mut().enumerate() {
            // SAFETY: `at` checked the range; a racing writer changes values of bytes only.
            *byte = unsafe { from.add(index).read_volatile() };
        }
    }

    /// Copies bytes in.
    ///
    /// # Panics
    ///
    /// When the range is not inside.
    pub fn write(&self, offset: usize, from: &[u8]) {
        let to = self.at(offset, from.len());
        for (index, byte) in from.iter().enumerate() {
            // SAFETY: `at` checked the range.
            unsafe { to.add(index).write_volatile(*byte) };
        }
    }

    /// The bytes of a range.
    pub fn bytes(&self, offset: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.read(offset, &mut bytes);
        bytes
    }

    /// Sets every byte.
    pub fn fill(&self, byte: u8) {
        let to = self.at(0, self.length);
        // SAFETY: the whole mapping is ours and `at` checked the range.
        unsafe { to.write_bytes(byte, self.length) };
    }

    /// Reads a little-endian word with one access.
    ///
    /// # Panics
    ///
    /// When the word is not inside or not aligned.
    pub fn read_u32(&self, offset: usize) -> u32 {
        assert!(offset.is_multiple_of(4), "offset {offset:#x} is not a multiple of 4");
        // SAFETY: `at` checked the range, and mappings are aligned to pages.
        u32::from_le(unsafe { self.at(offset, 4).cast::<u32>().read_volatile() })
    }

    /// Writes a little-endian word with one access.
    ///
    /// # Panics
    ///
    /// When the word is not inside or not aligned.
    pub fn write_u32(&self, offset: usize, value: u32) {
        assert!(offset.is_multiple_of(4), "offset {offset:#x} is not a multiple of 4");
        // SAFETY: `at` checked the range, and mappings are aligned to pages.
        unsafe { self.at(offset, 4).cast::<u32>().write_volatile(value.to_le()) };
    }

    /// Reads a little-endian double word with one access.
    ///
    /// # Panics
    ///
    /// When the word is not inside or not aligned.
    pub fn read_u64(&self, offset: usize) -> u64 {
        assert!(offset.is_multiple_of(8), "offset {offset:#x} is not a multiple of 8");
        // SAFETY: `at` checked the range, and mappings are aligned to pages.
        u64::from_le(unsafe { self.at(offset, 8).cast::<u64>().read_volatile() })
    }

    /// Writes a little-endian double word with one access.
    ///
    /// # Panics
    ///
    /// When the word is not inside or not aligned.
    pub fn write_u64(&self, offset: usize, value: u64) {
        assert!(offset.is_multiple_of(8), "offset {offset:#x} is not a multiple of 8");
        // SAFETY: `at` checked the range, and mappings are aligned to pages.
        unsafe { self.at(offset, 8).cast::<u64>().write_volatile(value.to_le()) };
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and ends here. It was valid, so this cannot fail.
        let _ = unsafe { munmap(self.start, self.length) };
    }
}

/// Zeroed memory of whole pages with an inaccessible page before and behind it, so that a kernel
/// that writes too far gets a fault and not our memory.
#[derive(Debug)]
pub struct Pages {
    region: Region,
    start: usize,
    length: usize,
}

impl Pages {
    /// At least `length` bytes, rounded up to pages.
    pub fn new(length: usize) -> Result<Self, Errno> {
        Pages::aligned(length, page_size())
    }

    /// The same, starting at a multiple of `alignment`, a power of two of at least a page.
    pub fn aligned(length: usize, alignment: usize) -> Result<Self, Errno> {
        let page = page_size();
        let length = length.max(1).checked_next_multiple_of(page).ok_or(Errno::ENOMEM)?;
        let room = alignment.max(page).checked_add(page).ok_or(Errno::ENOMEM)?;
        let whole = length.checked_add(room).ok_or(Errno::ENOMEM)?;
        let region = Region::anonymous(whole, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)?;
        let first = region.pointer(page).address() as usize;
        let start = first.next_multiple_of(alignment) - region.address() as usize;
        region.protect(start, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
        Ok(Pages { region, start, length })
    }

    /// One page in the lowest TiB, so that a range of many TiB from it on stays in user space.
    pub fn low() -> Result<Self, Errno> {
        let page = page_size();
        let region = Region::low(3 * page)?;
        region.protect(page, page, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
        Ok(Pages { region, start: page, length: page })
    }

    /// Asks for huge pages; the kernel gives them where it can.
    pub fn prefer_huge(&self) -> Result<(), Errno> {
        let start = self.pointer(0).address() as *mut libc::c_void;
        // SAFETY: the range is ours, and the advice changes no content.
        Errno::result(unsafe { libc::madvise(start, self.length, libc::MADV_HUGEPAGE) }).map(drop)
    }

    /// Usable bytes.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The address of a byte, or of the inaccessible page behind the end.
    ///
    /// # Panics
    ///
    /// When `offset` is behind the end.
    pub fn pointer(&self, offset: usize) -> Pointer {
        assert!(offset <= self.length, "offset {offset:#x} is behind the end {:#x}", self.length);
        self.region.pointer(self.start + offset)
    }

    /// The place that ends where the memory ends: one byte more is a fault.
    ///
    /// # Panics
    ///
    /// When `length` is more than there is.
    pub fn last(&self, length: usize) -> Pointer {
        assert!(length <= self.length, "{length:#x} bytes are more than {:#x}", self.length);
        self.pointer(self.length - length)
    }

    /// The inaccessible page behind the end.
    pub fn inaccessible(&self) -> Pointer {
        self.pointer(self.length)
    }

    /// Makes the memory read-only.
    pub fn read_only(&self) -> Result<(), Errno> {
        self.region.protect(self.start, self.length, ProtFlags::PROT_READ)
    }

    /// Makes the memory inaccessible.
    pub fn closed(&self) -> Result<(), Errno> {
        self.region.protect(self.start, self.length, ProtFlags::PROT_NONE)
    }

    /// Makes the memory writable again.
    pub fn writable(&self) -> Result<(), Errno> {
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        self.region.protect(self.start, self.length, protection)
    }

    /// Copies bytes out; panics as [`Region::read`].
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        self.inside(offset, into.len());
        self.region.read(self.start + offset, into);
    }

    /// Copies bytes in; panics as [`Region::write`].
    pub fn write(&self, offset: usize, from: &[u8]) {
        self.inside(offset, from.len());
        self.region.write(self.start + offset, from);
    }

    /// The bytes of a range.
    pub fn bytes(&self, offset: usize, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.read(offset, &mut bytes);
        bytes
    }

    /// Sets every byte.
    pub fn fill(&self, byte: u8) {
        let part = vec![byte; self.length.min(1 << 20)];
        for offset in (0..self.length).step_by(part.len().max(1)) {
            self.write(offset, &part[..part.len().min(self.length - offset)]);
        }
    }

    fn inside(&self, offset: usize, length: usize) {
        let end = offset.checked_add(length);
        assert!(
            end.is_some_and(|end| end <= self.length),
            "{length:#x} bytes at {offset:#x} are not inside of {:#x}",
            self.length
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_hold_what_was_written() -> Result<(), Errno> {
        let pages = Pages::new(10)?;
        assert_eq!(pages.length(), page_size());
        pages.write(3, b"abc");
        assert_eq!(pages.bytes(2, 5), [0, b'a', b'b', b'c', 0]);
        pages.fill(7);
        assert_eq!(pages.bytes(pages.length() - 1, 1), [7]);
        assert_eq!(pages.last(8).address() + 8, pages.inaccessible().address());
        Ok(())
    }

    #[test]
    fn the_kernel_cannot_write_behind_the_end_or_to_read_only_pages() -> Result<(), Errno> {
        let pages = Pages::new(1)?;
        let read = |pointer: Pointer, length: usize| {
            let file = std::fs::File::open("/dev/zero").map_err(|_| Errno::ENOENT)?;
            let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
            // SAFETY: a `Pointer` is memory for the kernel to write to, or unwritable.
            Errno::result(unsafe { libc::read(fd, pointer.address() as *mut _, length) })
        };
        pages.fill(1);
        assert_eq!(read(pages.last(8), 8), Ok(8));
        assert_eq!(pages.bytes(pages.length() - 9, 9), [1, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(read(pages.inaccessible(), 1), Err(Errno::EFAULT));
        assert_eq!(read(Pointer::NULL, 1), Err(Errno::EFAULT));
        assert_eq!(read(Pointer::KERNEL, 1), Err(Errno::EFAULT));
        assert_eq!(read(Pointer::BEYOND_USER, 1), Err(Errno::EFAULT));
        pages.read_only()?;
        assert_eq!(read(pages.pointer(0), 1), Err(Errno::EFAULT));
        pages.writable()?;
        assert_eq!(read(pages.pointer(0), 1), Ok(1));
        Ok(())
    }

    #[test]
    fn aligned_pages_have_guards_on_both_sides() -> Result<(), Errno> {
        let pages = Pages::aligned(3 * page_size(), 1 << 21)?;
        assert_eq!(pages.pointer(0).address() % (1 << 21), 0);
        assert!(pages.start >= page_size());
        assert!(pages.start + pages.length + page_size() <= pages.region.length());
        pages.fill(3);
        Ok(())
    }

    #[test]
    fn low_pages_are_in_the_lowest_tib() -> Result<(), Errno> {
        let (first, second) = (Pages::low()?, Pages::low()?);
        assert!(first.inaccessible().address() < 1 << 40);
        assert!(second.inaccessible().address() < 1 << 40);
        first.fill(1);
        second.fill(2);
        assert_eq!(first.bytes(0, 1), [1]);
        Ok(())
    }

    #[test]
    fn words() -> Result<(), Errno> {
        let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let region = Region::anonymous(page_size(), both, MapFlags::MAP_PRIVATE)?;
        region.write_u64(8, 0x1122_3344_5566_7788);
        assert_eq!(region.read_u32(8), 0x5566_7788);
        assert_eq!(region.read_u32(12), 0x1122_3344);
        assert_eq!(region.bytes(8, 2), [0x88, 0x77]);
        region.unmap()
    }

    #[test]
    fn grown_memory_keeps_its_content() -> Result<(), Errno> {
        let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let mut region = Region::anonymous(page_size(), both, MapFlags::MAP_PRIVATE)?;
        region.write(5, b"x");
        region.grow(4 * page_size())?;
        assert_eq!(region.bytes(5, 1), b"x");
        assert_eq!(region.bytes(4 * page_size() - 1, 1), [0]);
        Ok(())
    }

    #[test]
    fn a_hole_leaves_two_mappings() -> Result<(), Errno> {
        let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let page = page_size();
        let region = Region::anonymous(3 * page, both, MapFlags::MAP_PRIVATE)?;
        let start = region.address();
        let (before, behind) = region.unmap_part(page, page)?;
        assert_eq!(before.map(|r| (r.address(), r.length())), Some((start, page)));
        let behind = behind.ok_or(Errno::ENOMEM)?;
        assert_eq!((behind.address(), behind.length()), (start + 2 * page as u64, page));
        let (before, behind) = behind.unmap_part(0, page)?;
        assert!(before.is_none() && behind.is_none());
        Ok(())
    }

    #[test]
    #[should_panic(expected = "not inside")]
    fn reads_outside_are_refused() {
        if let Ok(pages) = Pages::new(1) {
            pages.bytes(pages.length() - 1, 2);
        }
    }
}
