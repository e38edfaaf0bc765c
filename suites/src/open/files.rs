// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What the files of the nodes can do besides ioctls: next to nothing
//! (`habanalabs_drv.c: hl_fops`, `device.c: hl_ctrl_ops`).

use crate::common::buffer::Buffer;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, check, equal, errno};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::unistd::{Whence, lseek, read, write};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd};

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("open/compute/is_always_ready_to_poll", &["OPEN-033"], |cx| {
            ready(&Node::compute(cx)?)
        }),
        Case::new("open/compute/cannot_be_read", &["OPEN-034"], |cx| no_read(&Node::compute(cx)?)),
        Case::new("open/compute/cannot_be_written", &["OPEN-035"], |cx| {
            no_write(&Node::compute(cx)?)
        }),
        Case::new("open/compute/seeks_nowhere", &["OPEN-036"], seek),
        Case::new("open/compute/shows_generic_fdinfo", &["OPEN-040"], fdinfo),
        Case::new("open/control/cannot_seek", &["OPEN-037"], no_seek).control_only(),
        Case::new("open/control/cannot_be_mapped", &["OPEN-038"], no_mmap).control_only(),
        Case::new("open/control/cannot_be_read_and_is_always_ready", &["OPEN-039"], |cx| {
            let node = Node::control(cx)?;
            no_read(&node)?;
            no_write(&node)?;
            ready(&node)
        })
        .control_only(),
    ]
}

/// A file without a poll method is ready for everything (`include/linux/poll.h`:
/// DEFAULT_POLLMASK).
fn ready(node: &Node) -> CaseResult {
    let all = PollFlags::POLLIN
        | PollFlags::POLLOUT
        | PollFlags::POLLRDNORM
        | PollFlags::POLLWRNORM
        | PollFlags::POLLPRI;
    let mut files = [PollFd::new(node.as_fd(), all)];
    let ready = case::succeed("poll", poll(&mut files, PollTimeout::ZERO))?;
    equal("files that are ready", ready, 1)?;
    equal("events", files[0].revents(), Some(all.difference(PollFlags::POLLPRI)))
}

fn no_read(node: &Node) -> CaseResult {
    errno("read", read(node, &mut [0; 16]), Errno::EINVAL)
}

fn no_write(node: &Node) -> CaseResult {
    errno("write", write(node, &[0; 16]), Errno::EINVAL)
}

fn seek(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    for (offset, whence) in [(0, Whence::SeekCur), (4096, Whence::SeekSet), (-1, Whence::SeekEnd)] {
        equal("lseek", lseek(&node, offset, whence), Ok(0))?;
    }
    Ok(())
}

fn no_seek(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    for whence in [Whence::SeekCur, Whence::SeekSet, Whence::SeekEnd] {
        errno("lseek", lseek(&node, 0, whence), Errno::ESPIPE)?;
    }
    Ok(())
}

fn no_mmap(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let page = Buffer::new(1)?;
    let size = NonZeroUsize::new(page.bytes()).unwrap_or(NonZeroUsize::MIN);
    for offset in [0, 4096, i64::MAX & !0xfff] {
        let rights = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: without MAP_FIXED the kernel picks an unused range; a success is unmapped below.
        let result = unsafe { mmap(None, size, rights, MapFlags::MAP_SHARED, &node, offset) };
        if let Ok(start) = result {
            // SAFETY: the mapping was just made and nobody has used it.
            let _ = unsafe { munmap(start, size.get()) };
        }
        let expected = if offset > 1 << 50 { Errno::EOVERFLOW } else { Errno::ENODEV };
        let result = result.map(|_| "a mapping");
        // The largest offsets are refused before the file is asked, where the kernel does so.
        if result != Err(expected) {
            errno(&format!("mmap at {offset:#x}"), result, Errno::ENODEV)?;
        }
    }
    Ok(())
}

/// No driver statistics: keys of DRM start with `drm-`.
fn fdinfo(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let path = format!("/proc/self/fdinfo/{}", node.as_fd().as_raw_fd());
    let text = crate::common::files::read(path.as_ref())?;
    for key in ["pos:", "flags:", "mnt_id:"] {
        check(text.contains(key), &format!("fdinfo has {key}"))?;
    }
    check(!text.contains("drm-"), "fdinfo has no keys of DRM")
}
