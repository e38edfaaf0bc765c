// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Helpers that run beside the body: a forked child, a passed descriptor.

use case::{CaseResult, Stop};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg,
    sendmsg, socketpair,
};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// What a child says when it ends well.
pub type Said = Result<(), Errno>;

/// A forked child whose answer is still to come.
#[derive(Debug)]
pub struct Child {
    pid: Pid,
}

impl Child {
    /// Forks. The child inherits every descriptor, does what it is told and ends without running
    /// anything of the parent's.
    pub fn start(work: impl FnOnce() -> Said) -> CaseResult<Self> {
        // SAFETY: a case has one thread when it forks; the child leaves through _exit.
        match unsafe { fork() } {
            Err(why) => Err(Stop::Broken(format!("fork fails: {why}"))),
            Ok(ForkResult::Parent { child }) => Ok(Child { pid: child }),
            Ok(ForkResult::Child) => {
                let code = match work() {
                    Ok(()) => 0,
                    Err(errno) => errno as i32,
                };
                // SAFETY: ends the child at once; nothing of the parent's is flushed twice.
                unsafe { libc::_exit(code) }
            }
        }
    }

    /// Waits for the answer.
    pub fn answer(self) -> CaseResult<Said> {
        match waitpid(self.pid, None) {
            Ok(WaitStatus::Exited(_, 0)) => Ok(Ok(())),
            Ok(WaitStatus::Exited(_, code)) => Ok(Err(Errno::from_raw(code))),
            other => Err(Stop::Broken(format!("the child ended strangely: {other:?}"))),
        }
    }
}

/// Does something in a forked child and waits for its answer.
pub fn in_child(work: impl FnOnce() -> Said) -> CaseResult<Said> {
    Child::start(work)?.answer()
}

/// Sends a descriptor through a UNIX socket to ourselves: what comes out is what another process
/// would get (SCM_RIGHTS).
pub fn pass(fd: BorrowedFd<'_>) -> CaseResult<OwnedFd> {
    pass_fd(fd).map_err(|why| Stop::Broken(format!("passing a descriptor fails: {why}")))
}

fn pass_fd(fd: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let (here, there) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)?;
    let fds = [fd.as_raw_fd()];
    let rights = [ControlMessage::ScmRights(&fds)];
    sendmsg::<()>(here.as_raw_fd(), &[IoSlice::new(b"x")], &rights, MsgFlags::empty(), None)?;
    let mut byte = [0];
    let mut text = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([i32; 1]);
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(there.as_raw_fd(), &mut text, Some(&mut space), flags)?;
    for part in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = part
            && let Some(fd) = fds.first()
        {
            // SAFETY: the kernel just installed this descriptor for us; nobody else knows it.
            return Ok(unsafe { OwnedFd::from_raw_fd(*fd) });
        }
    }
    Err(Errno::EBADMSG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsFd;

    #[test]
    fn a_passed_descriptor_is_the_same_file() {
        let zero = File::open("/dev/zero").unwrap();
        let mut passed = File::from(pass(zero.as_fd()).unwrap());
        let mut byte = [1];
        passed.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [0]);
    }

    #[test]
    fn the_answer_of_a_child_arrives() {
        assert_eq!(in_child(|| Ok(())).unwrap(), Ok(()));
        assert_eq!(in_child(|| Err(Errno::EBUSY)).unwrap(), Err(Errno::EBUSY));
    }
}
