// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Offsets whose kind the driver does not know.

use crate::common::typed::{compute, need, still_works};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use device::Errno;
use device::mmap::{MapRequest, TYPE_BLOCK, TYPE_CB, TYPE_SHIFT, TYPE_TS};
use nix::sys::mman::ProtFlags;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("mmap/any/rejects_offset_zero", &["MMAP-022"], zero),
        Case::new("mmap/any/rejects_unknown_kinds", &["MMAP-022"], unknown_kinds),
        Case::new("mmap/any/rejects_mixed_kinds", &["MMAP-023"], mixed_kinds),
        Case::new("mmap/any/rejects_offsets_inside_of_a_page", &["MMAP-025"], misaligned),
        Case::new("mmap/any/can_be_executable", &["MMAP-026"], executable),
    ]
}

fn zero(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    errno("mmap at offset 0", node.map(0, 4096), Errno::EINVAL)?;
    still_works(&node)
}

/// The system refuses before the driver is asked (mm/mmap.c); the buffer is as it was.
fn misaligned(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(2 * 4096, 0))?;
    for inside in [1, 8, 0x800, 0xfff] {
        let request = MapRequest::new(buffer.handle() + inside, 2 * 4096);
        let result = node.map_with(&request);
        errno("mmap", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    succeed("mmap of the handle itself", buffer.map())?;
    still_works(&node)
}

/// The driver does not look at the protection: a mapping may be executable where the file system
/// of the node lets it.
fn executable(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE | ProtFlags::PROT_EXEC;
    let request = MapRequest { protection, ..MapRequest::new(buffer.handle(), 4096) };
    let folder = need("mount of the node", nix::sys::statvfs::statvfs(&cx.at.compute))?;
    if folder.flags().contains(nix::sys::statvfs::FsFlags::ST_NOEXEC) {
        errno("mmap where nothing is executed", node.map_with(&request), Errno::EPERM)?;
        return still_works(&node);
    }
    let mapping = succeed("mmap", node.map_with(&request))?;
    mapping.write_u64(8, 0x1122_3344_5566_7788);
    equal("word written", mapping.read_u64(8), 0x1122_3344_5566_7788)?;
    succeed("munmap", mapping.unmap())?;
    still_works(&node)
}

/// The same id under other kinds than its own.
fn kinds(cx: &Context, kinds: impl Iterator<Item = u64>) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    let id = buffer.handle() & !device::mmap::TYPE_MASK;
    for kind in kinds {
        let request = MapRequest::new(kind | id, 4096);
        let result = node.map_with(&request);
        errno("mmap", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    succeed("mmap with its own kind", buffer.map())?;
    still_works(&node)
}

fn unknown_kinds(cx: &Context) -> CaseResult {
    kinds(cx, [0, 0x1, 0x8].into_iter().map(|kind| kind << TYPE_SHIFT))
}

fn mixed_kinds(cx: &Context) -> CaseResult {
    let known = [TYPE_CB, TYPE_BLOCK, TYPE_TS];
    kinds(cx, (0..32).map(|kind| kind << TYPE_SHIFT).filter(move |kind| !known.contains(kind)))
}
