// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The dma-buf as a file (dma-buf.c: dma_buf_fops).

use super::{FLAGS, PAGE, export, still_exports};
use crate::common::beside::{in_child, pass};
use crate::common::typed::{compute, device_memory, need};
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::Asic;
use device::{DmaBuf, Errno, MemoryRequest};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Whence, lseek};
use std::os::fd::{AsFd, AsRawFd};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("dmabuf/file/cannot_be_mapped", &["DMABUF-023"], no_mmap),
        Case::new("dmabuf/file/cannot_be_read_or_written", &["DMABUF-023"], no_read),
        Case::new("dmabuf/file/sync_succeeds", &["DMABUF-024"], sync),
        Case::new("dmabuf/file/rejects_other_requests", &["DMABUF-024"], requests),
        Case::new("dmabuf/file/seeks_to_start_and_end_only", &[], seek)
            .rows_on(Asic::Gaudi, &["DMABUF-014"])
            .rows_on(Asic::Gaudi2, &["DMABUF-001"]),
        Case::new("dmabuf/file/tells_size_and_exporter", &["DMABUF-018"], fdinfo),
        Case::new("dmabuf/file/has_the_name_that_it_was_given", &["DMABUF-018"], name),
        Case::new("dmabuf/file/is_ready_at_once", &["DMABUF-018"], ready),
        Case::new("dmabuf/file/lives_in_another_process", &["DMABUF-029"], passed),
    ]
}

/// Requests of a dma-buf (`uapi/linux/dma-buf.h`).
mod request {
    pub(super) const SYNC: u64 = 0x4008_6200;
    pub(super) const SET_NAME: u64 = 0x4008_6201;
    /// Flags of SYNC.
    pub(super) const READ: u64 = 1;
    pub(super) const WRITE: u64 = 2;
    pub(super) const END: u64 = 4;
    /// Bytes of a name with its end.
    pub(super) const NAME: usize = 32;
}

fn ioctl(buffer: &DmaBuf, request: u64, argument: u64) -> Result<(), Errno> {
    // SAFETY: the requests used here only read at the address.
    let got =
        unsafe { libc::ioctl(buffer.as_fd().as_raw_fd(), request, argument as *mut libc::c_void) };
    Errno::result(got).map(drop)
}

fn no_mmap(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = export(cx, &node, 4 * PAGE)?;
    for pages in [1, 4, 5] {
        errno("mmap", buffer.map(pages * PAGE as usize), Errno::EINVAL)?;
    }
    drop(buffer);
    still_exports(cx, &node)
}

fn no_read(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    let mut bytes = [0; 8];
    errno("read", nix::unistd::read(&buffer, &mut bytes), Errno::EINVAL)?;
    errno("write", nix::unistd::write(&buffer, &bytes), Errno::EINVAL)?;
    drop(buffer);
    still_exports(cx, &node)
}

fn sync(cx: &Context) -> CaseResult {
    use request::{END, READ, SYNC, WRITE};
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    for access in [READ, WRITE, READ | WRITE] {
        for flags in [access, access | END] {
            let result = ioctl(&buffer, SYNC, std::ptr::from_ref(&flags) as u64);
            succeed(&format!("SYNC with flags {flags:#x}"), result)?;
        }
    }
    for flags in [0, END, 8 | READ, 1 << 63, u64::MAX] {
        let result = ioctl(&buffer, SYNC, std::ptr::from_ref(&flags) as u64);
        errno(&format!("SYNC with flags {flags:#x}"), result, Errno::EINVAL)?;
    }
    errno("SYNC at no address", ioctl(&buffer, SYNC, 0), Errno::EFAULT)?;
    drop(buffer);
    still_exports(cx, &node)
}

fn requests(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    let device = u64::from(uapi::accel::DRM_IOCTL_HL_INFO);
    for request in [0, device, 0x4008_62ff, 0xffff_ffff] {
        errno(&format!("request {request:#x}"), ioctl(&buffer, request, 0), Errno::ENOTTY)?;
    }
    drop(buffer);
    still_exports(cx, &node)
}

fn seek(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = export(cx, &node, 7 * PAGE)?;
    equal("end", lseek(&buffer, 0, Whence::SeekEnd), Ok(7 * PAGE as i64))?;
    equal("start", lseek(&buffer, 0, Whence::SeekSet), Ok(0))?;
    for (offset, whence) in
        [(1, Whence::SeekSet), (-1, Whence::SeekEnd), (0, Whence::SeekCur), (1, Whence::SeekCur)]
    {
        errno("lseek", lseek(&buffer, offset, whence), Errno::EINVAL)?;
    }
    drop(buffer);
    still_exports(cx, &node)
}

/// A line of the dma-buf's fdinfo.
fn info(buffer: &DmaBuf, line: &str) -> CaseResult<Option<String>> {
    let path = format!("/proc/self/fdinfo/{}", buffer.as_fd().as_raw_fd());
    let text = crate::common::files::read(path.as_ref())?;
    Ok(text
        .lines()
        .find_map(|text| text.strip_prefix(line)?.strip_prefix(":\t").map(str::to_string)))
}

fn fdinfo(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = export(cx, &node, 5 * PAGE)?;
    equal("size", info(&buffer, "size")?, Some((5 * PAGE).to_string()))?;
    equal("exporter", info(&buffer, "exp_name")?, Some("habanalabs".to_string()))?;
    equal("descriptors", info(&buffer, "count")?, Some("1".to_string()))?;
    let copy = need("dup", buffer.duplicate())?;
    equal("name", info(&copy, "name")?, None)?;
    drop((buffer, copy));
    still_exports(cx, &node)
}

fn name(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    let longest = "n".repeat(request::NAME - 1);
    for name in ["weights", "x", longest.as_str()] {
        let text = std::ffi::CString::new(name).map_err(|why| Stop::Broken(why.to_string()))?;
        let result = ioctl(&buffer, request::SET_NAME, text.as_ptr() as u64);
        succeed(&format!("SET_NAME {name:?}"), result)?;
        equal("name", info(&buffer, "name")?, Some(name.to_string()))?;
    }
    let long = [b'n'; request::NAME + 8];
    let result = ioctl(&buffer, request::SET_NAME, long.as_ptr() as u64);
    errno("SET_NAME with a name that is too long", result, Errno::EINVAL)?;
    errno("SET_NAME at no address", ioctl(&buffer, request::SET_NAME, 0), Errno::EFAULT)?;
    equal("name afterwards", info(&buffer, "name")?, Some(longest))?;
    drop(buffer);
    still_exports(cx, &node)
}

fn ready(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    for wanted in [PollFlags::POLLIN, PollFlags::POLLOUT, PollFlags::POLLIN | PollFlags::POLLOUT] {
        let mut fds = [PollFd::new(buffer.as_fd(), wanted)];
        equal("ready descriptors", poll(&mut fds, PollTimeout::from(5000u16)), Ok(1))?;
        equal("ready for", fds[0].revents(), Some(wanted))?;
    }
    drop(buffer);
    still_exports(cx, &node)
}

fn passed(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let request = MemoryRequest::export(device_memory(cx, &node, PAGE)?, PAGE, 0, FLAGS);
    let buffer = succeed("EXPORT", node.export(&request))?;
    let got = pass(buffer.as_fd())?;
    drop(buffer);
    equal("size of what was passed", lseek(&got, 0, Whence::SeekEnd), Ok(PAGE as i64))?;
    let child = in_child(|| {
        let end = lseek(&got, 0, Whence::SeekEnd)?;
        if end == PAGE as i64 { Ok(()) } else { Err(Errno::EBADMSG) }
    })?;
    equal("the child sees the size", child, Ok(()))?;
    drop(got);
    check(node.device_status().is_ok(), "the device answers")?;
    still_exports(cx, &node)
}
