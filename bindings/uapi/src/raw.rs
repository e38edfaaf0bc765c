// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The raw ioctl: any file, any number, any argument. `EINTR` is not retried; a test may want it.

use std::ffi::c_void;
use std::os::fd::{AsFd, AsRawFd, RawFd};

pub use nix::errno::Errno;

/// Sends `request` with an address as its argument; gives what the kernel returned.
///
/// # Safety
///
/// The kernel may write wherever `argument`, and any address inside what it points to, says: that
/// memory must be the caller's to lose, or unmapped.
pub unsafe fn ioctl_raw(fd: RawFd, request: u32, argument: *mut c_void) -> Result<i32, Errno> {
    // SAFETY: the caller answers for the argument; the kernel checks the rest.
    let result = unsafe { libc::ioctl(fd, request as _, argument) };
    Errno::result(result)
}

/// Sends `request` with `argument`, which the kernel may change.
///
/// Refused with `E2BIG` before the kernel sees it when the request says a size larger than the
/// argument, because the kernel would write behind it.
///
/// # Safety
///
/// Addresses inside of `argument` must be of memory that is the caller's to lose, or unmapped.
pub unsafe fn ioctl<T: Copy>(fd: impl AsFd, request: u32, argument: &mut T) -> Result<i32, Errno> {
    if crate::Number::of(request).size as usize > size_of::<T>() {
        return Err(Errno::E2BIG);
    }
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: `argument` is as large as the request says; the caller answers for what is in it.
    unsafe { ioctl_raw(fd, request, std::ptr::from_mut(argument).cast()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accel;
    use std::fs::File;

    #[test]
    fn a_file_without_ioctls() -> std::io::Result<()> {
        let file = File::open("/dev/null")?;
        let mut argument = accel::hl_info_args::default();
        // SAFETY: the argument holds no address.
        let result = unsafe { ioctl(&file, accel::DRM_IOCTL_HL_INFO, &mut argument) };
        assert_eq!(result, Err(Errno::ENOTTY));
        Ok(())
    }

    #[test]
    fn no_file() {
        // SAFETY: there is no argument.
        let result = unsafe { ioctl_raw(-1, accel::DRM_IOCTL_HL_INFO, std::ptr::null_mut()) };
        assert_eq!(result, Err(Errno::EBADF));
    }

    #[test]
    fn short_argument() -> std::io::Result<()> {
        let file = File::open("/dev/null")?;
        // SAFETY: the argument holds no address.
        let result = unsafe { ioctl(&file, accel::DRM_IOCTL_HL_INFO, &mut 0u32) };
        assert_eq!(result, Err(Errno::E2BIG));
        Ok(())
    }
}
