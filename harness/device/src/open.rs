// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! An open node: the compute node (`/dev/accel/accelN`) or the control node
//! (`/dev/accel/accel_controlDN`).
//!
//! Both take the same calls; that the control node refuses all but INFO is for the tests to see
//! (habanalabs_ioctl.c: hl_ioctl_control).

use crate::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use nix::sys::stat::Mode;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::path::Path;
use uapi::raw;

/// An open node; closed when dropped.
#[derive(Debug)]
pub struct Node {
    fd: OwnedFd,
}

impl Node {
    /// Opens for reading and writing.
    pub fn open(path: &Path) -> Result<Self, Errno> {
        Node::open_with(path, OFlag::O_RDWR)
    }

    /// Opens with these flags, and close-on-exec.
    pub fn open_with(path: &Path, flags: OFlag) -> Result<Self, Errno> {
        let fd = open(path, flags | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Node { fd })
    }

    /// A node on a file that is already open.
    pub fn from_fd(fd: OwnedFd) -> Self {
        Node { fd }
    }

    /// A second descriptor of the same open file.
    pub fn duplicate(&self) -> Result<Self, Errno> {
        match self.fd.try_clone() {
            Ok(fd) => Ok(Node { fd }),
            Err(why) => Err(why.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
        }
    }

    /// A second descriptor of the same open file that went through a socket (`SCM_RIGHTS`).
    pub fn through_socket(&self) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let (a, b) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?;
        send_fd(&a, &self.fd)?;
        Ok(Node { fd: receive_fd(&b)? })
    }

    /// Closes and says how that went.
    pub fn close(self) -> Result<(), Errno> {
        nix::unistd::close(self.fd.into_raw_fd())
    }

    /// Sends any request with any argument.
    ///
    /// # Safety
    ///
    /// As [`raw::ioctl`]: addresses inside of the argument.
    pub unsafe fn ioctl<T: Copy>(&self, request: u32, argument: &mut T) -> Result<i32, Errno> {
        // SAFETY: the caller answers for the argument.
        unsafe { raw::ioctl(&self.fd, request, argument) }
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Sends a descriptor over a Unix socket.
pub fn send_fd(socket: impl AsFd, fd: impl AsFd) -> Result<(), Errno> {
    let fds = [fd.as_fd().as_raw_fd()];
    let message = [ControlMessage::ScmRights(&fds)];
    let socket = socket.as_fd().as_raw_fd();
    sendmsg::<()>(socket, &[IoSlice::new(b"f")], &message, MsgFlags::empty(), None)?;
    Ok(())
}

/// Receives a descriptor from a Unix socket; `EBADMSG` when the message holds none.
pub fn receive_fd(socket: impl AsFd) -> Result<OwnedFd, Errno> {
    let mut byte = [0];
    let mut data = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([std::os::fd::RawFd; 1]);
    let socket = socket.as_fd().as_raw_fd();
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket, &mut data, Some(&mut space), flags)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part {
            let fd = fds.first().ok_or(Errno::EBADMSG)?;
            // SAFETY: the kernel just made this descriptor for us, and nobody else knows it.
            return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    Err(Errno::EBADMSG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_survives_a_socket_and_a_duplicate() -> Result<(), Errno> {
        let node = Node::open(Path::new("/dev/null"))?;
        let other = node.through_socket()?;
        let third = other.duplicate()?;
        other.close()?;
        let of = |node: &Node| nix::sys::stat::fstat(node).map(|stat| (stat.st_dev, stat.st_ino));
        assert_eq!(of(&node)?, of(&third)?);
        third.close()
    }

    #[test]
    fn a_missing_node_is_named_by_errno() {
        let result = Node::open(Path::new("/nonexistent/accel0"));
        assert_eq!(result.err(), Some(Errno::ENOENT));
    }
}
