// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Memory that shows what a call wrote: filled before, with an inaccessible page behind.
//!
//! The kernel writes into it through its address, so contents are read with volatile loads.

use case::{CaseResult, Stop};
use std::ptr::NonNull;

/// Bytes of a page on the machines that the driver builds for (x86-64).
pub const PAGE: usize = 4096;

/// An address of the kernel's half: no process may pass it.
pub const KERNEL_ADDRESS: u64 = 0xffff_8880_0000_0000;

/// Two fillings: a byte that holds the first after one call and the second after another was
/// written by neither.
pub const FILLINGS: [u8; 2] = [0xa5, 0x5a];

/// Whole pages, followed by one that nobody may touch.
#[derive(Debug)]
pub struct Buffer {
    map: NonNull<u8>,
    bytes: usize,
}

impl Buffer {
    /// At least this many bytes, filled with the first of [`FILLINGS`].
    pub fn new(bytes: usize) -> CaseResult<Self> {
        let bytes = bytes.max(1).next_multiple_of(PAGE);
        // SAFETY: an anonymous mapping at an address that the kernel chooses touches no memory
        // that exists.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes + PAGE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        let broken = |what: &str| {
            Stop::Broken(format!(
                "{what} of {bytes} bytes fails: {}",
                std::io::Error::last_os_error()
            ))
        };
        if map == libc::MAP_FAILED {
            return Err(broken("mmap"));
        }
        let map = NonNull::new(map.cast::<u8>()).ok_or_else(|| broken("mmap"))?;
        let mut buffer = Buffer { map, bytes };
        buffer.protect(bytes, PAGE, libc::PROT_NONE)?;
        buffer.fill(FILLINGS[0]);
        Ok(buffer)
    }

    /// Fills all of it.
    pub fn fill(&mut self, value: u8) {
        // SAFETY: the mapping has this many bytes and nobody holds a reference into it.
        unsafe { self.map.write_bytes(value, self.bytes) }
    }

    /// How many bytes may be accessed.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Address of the first byte.
    pub fn start(&self) -> u64 {
        self.map.as_ptr() as u64
    }

    /// Address of the inaccessible page behind.
    pub fn forbidden(&self) -> u64 {
        self.start() + self.bytes as u64
    }

    /// Address from which exactly `room` bytes may be accessed.
    pub fn before_end(&self, room: usize) -> u64 {
        self.forbidden() - room.min(self.bytes) as u64
    }

    /// The content from an address that lies inside.
    pub fn read(&self, address: u64, bytes: usize) -> Vec<u8> {
        let first = (address - self.start()) as usize;
        assert!(first + bytes <= self.bytes, "reads past the end of the buffer");
        // SAFETY: the range was just checked; volatile because the kernel writes it.
        (first..first + bytes).map(|at| unsafe { self.map.add(at).read_volatile() }).collect()
    }

    /// Writes bytes at an address that lies inside.
    pub fn write(&mut self, address: u64, bytes: &[u8]) {
        let first = (address - self.start()) as usize;
        assert!(first + bytes.len() <= self.bytes, "writes past the end of the buffer");
        // SAFETY: the range was just checked and the sources are distinct memory.
        unsafe {
            self.map.add(first).copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len())
        }
    }

    /// Takes the right to write away, for this process and for the kernel on its behalf.
    pub fn read_only(&mut self) -> CaseResult {
        self.protect(0, self.bytes, libc::PROT_READ)
    }

    /// Gives the right to write back.
    pub fn writable(&mut self) -> CaseResult {
        self.protect(0, self.bytes, libc::PROT_READ | libc::PROT_WRITE)
    }

    fn protect(&mut self, from: usize, bytes: usize, rights: i32) -> CaseResult {
        // SAFETY: the range lies in the mapping, which includes the page behind `bytes`.
        let failed = unsafe { libc::mprotect(self.map.add(from).as_ptr().cast(), bytes, rights) };
        if failed == 0 {
            return Ok(());
        }
        Err(Stop::Broken(format!("mprotect fails: {}", std::io::Error::last_os_error())))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and goes away with us.
        unsafe { libc::munmap(self.map.as_ptr().cast(), self.bytes + PAGE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;

    /// What the kernel says to a read of one byte from /dev/zero into an address.
    fn kernel_writes(address: u64) -> Result<(), Errno> {
        let zero = std::fs::File::open("/dev/zero").unwrap();
        // SAFETY: the kernel checks the address; the tests own what it may hit.
        let got = unsafe {
            libc::read(std::os::fd::AsRawFd::as_raw_fd(&zero), address as *mut libc::c_void, 1)
        };
        Errno::result(got).map(drop)
    }

    #[test]
    fn the_page_behind_is_forbidden() {
        let buffer = Buffer::new(10).unwrap();
        assert_eq!(buffer.bytes(), PAGE);
        assert_eq!(kernel_writes(buffer.forbidden()), Err(Errno::EFAULT));
        assert_eq!(kernel_writes(buffer.before_end(1)), Ok(()));
        assert_eq!(buffer.read(buffer.before_end(2), 2), [FILLINGS[0], 0]);
    }

    #[test]
    fn read_only_stops_the_kernel_too() {
        let mut buffer = Buffer::new(1).unwrap();
        buffer.read_only().unwrap();
        assert_eq!(kernel_writes(buffer.start()), Err(Errno::EFAULT));
        buffer.writable().unwrap();
        assert_eq!(kernel_writes(buffer.start()), Ok(()));
    }

    #[test]
    fn addresses_of_the_kernel_are_refused() {
        assert_eq!(kernel_writes(KERNEL_ADDRESS), Err(Errno::EFAULT));
    }

    #[test]
    fn writes_are_read_back() {
        let mut buffer = Buffer::new(PAGE).unwrap();
        let at = buffer.before_end(3);
        buffer.write(at, &[1, 2, 3]);
        assert_eq!(buffer.read(at, 3), [1, 2, 3]);
    }
}
