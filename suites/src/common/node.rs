// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! An open device node. Closes itself; fields of the node are never reused after a close.

use case::{CaseResult, Context, Stop, succeed};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// An open compute or control node.
#[derive(Debug)]
pub struct Node {
    fd: OwnedFd,
}

impl Node {
    /// Opens the compute node; the rule under test needs it.
    #[track_caller]
    pub fn compute(cx: &Context) -> CaseResult<Self> {
        succeed("open of the compute node", Node::try_compute(cx))
    }

    /// Opens the control node; the rule under test needs it.
    #[track_caller]
    pub fn control(cx: &Context) -> CaseResult<Self> {
        succeed("open of the control node", Node::try_control(cx))
    }

    /// Opens the compute node, or says why not.
    pub fn try_compute(cx: &Context) -> Result<Self, Errno> {
        Node::open(&cx.at.compute, OFlag::O_RDWR)
    }

    /// Opens the control node, or says why not.
    pub fn try_control(cx: &Context) -> Result<Self, Errno> {
        Node::open(&cx.at.control, OFlag::O_RDWR)
    }

    /// Opens any node with any flags.
    pub fn open(path: &Path, flags: OFlag) -> Result<Self, Errno> {
        let fd = open(path, flags | OFlag::O_CLOEXEC, Mode::empty())?;
        Ok(Node { fd })
    }

    /// Another descriptor of the same open file.
    pub fn duplicate(&self) -> CaseResult<Self> {
        let fd = self.fd.try_clone().map_err(|why| Stop::Broken(format!("dup fails: {why}")))?;
        Ok(Node { fd })
    }

    /// The typed layer on the same open file.
    pub fn typed(&self) -> CaseResult<device::Node> {
        let Node { fd } = self.duplicate()?;
        Ok(device::Node::from_fd(fd))
    }

    /// Any request with any argument. The value of a successful call is dropped: this driver
    /// answers 0.
    pub fn ioctl(&self, request: u32, argument: u64) -> Result<(), Errno> {
        let argument = argument as *mut std::ffi::c_void;
        // SAFETY: the kernel checks the argument; cases pass addresses of memory that they own and
        // read back through volatile loads, or addresses that nobody may write.
        unsafe { uapi::ioctl_raw(self.fd.as_raw_fd(), request, argument) }.map(drop)
    }

    /// Closes and says how that went.
    pub fn close(self) -> Result<(), Errno> {
        nix::unistd::close(self.fd)
    }
}

impl AsFd for Node {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<OwnedFd> for Node {
    fn from(fd: OwnedFd) -> Self {
        Node { fd }
    }
}
