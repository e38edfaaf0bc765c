// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! MAP of host memory of every kind: shared, of files, huge, many GiB, shared with a child; and
//! what lives until the close.
//!
//! Not covered: files of file systems that track what is dirty, which the kernel does not pin for
//! long (mm/gup.c: writable_file_mapping_allowed): the guest has none.

use super::{host_memory, still_maps};
use crate::common::beside::in_child;
use crate::common::files;
use crate::common::typed::{compute, need};
use crate::common::wait;
use case::{Case, CaseResult, Context, Stop, check, equal, succeed};
use device::procfs::pinned_pages;
use device::region::Region;
use device::{MemoryRequest, Node};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags};
use std::os::fd::OwnedFd;
use std::time::Duration;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("memory/map_host/maps_more_than_four_gib", &["MEM-MAPH-020"], many).budget(60),
        Case::new(
            "memory/map_host/the_parent_keeps_its_pages_over_a_fork",
            &["MEM-MAPH-023"],
            fork,
        ),
        Case::new("memory/timestamps/live_until_the_close", &["MEM-TS-005"], until_close)
            .budget(60),
    ];
    for (name, sharing) in [("shared", MapFlags::MAP_SHARED), ("private", MapFlags::MAP_PRIVATE)] {
        let name = format!("memory/map_host/takes_{name}_memory_of_files");
        let case = Case::new(name, &["MEM-MAPH-011"], move |cx| of_file(cx, sharing));
        cases.push(case);
    }
    cases
}

/// A file in memory.
fn file(size: usize, flags: MFdFlags) -> CaseResult<OwnedFd> {
    let file = need("file in memory", memfd_create(c"case", MFdFlags::MFD_CLOEXEC | flags))?;
    need("size of the file", nix::unistd::ftruncate(&file, size as i64))?;
    Ok(file)
}

/// What the driver finds behind a device address (debugfs `data64`).
fn seen(cx: &Context, address: u64) -> CaseResult<u64> {
    files::write(&files::debugfs(cx, "addr")?, &format!("{address:#x}"))?;
    let text = files::read(&files::debugfs(cx, "data64")?)?;
    files::parse(&text).ok_or_else(|| Stop::Broken(format!("data64 shows {text:?}")))
}

fn of_file(cx: &Context, sharing: MapFlags) -> CaseResult {
    const SIZE: usize = 3 * 4096;
    let node = compute(cx)?;
    let file = file(SIZE, MFdFlags::empty())?;
    let both = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    let memory = need("mmap", Region::file(&file, 0, SIZE, both, sharing))?;
    let pinned = need("count of pinned pages", pinned_pages())?;
    let request = MemoryRequest::map_host(memory.pointer(0), SIZE as u64, 0);
    let map = succeed("MAP", node.map_request(&request))?;
    equal("pages pinned", need("count", pinned_pages())? - pinned, 3)?;
    for offset in [0, 4096, 2 * 4096 + 8] {
        let value = 0x0123_4567_89ab_cdef_u64 + offset as u64;
        memory.write_u64(offset, value);
        let what = format!("what the device sees at {offset:#x}");
        equal(&what, seen(cx, map.address() + offset as u64)?, value)?;
    }
    succeed("UNMAP", map.unmap())?;
    equal("pages pinned after UNMAP", need("count", pinned_pages())?, pinned)?;
    still_maps(&node)
}

/// The size of a huge page of host and device.
const HUGE: usize = 2 << 20;

/// Huge pages in reserve of the kernel; as before when this is dropped.
struct Reserve(String);

const RESERVE: &str = "/proc/sys/vm/nr_hugepages";

impl Reserve {
    fn one() -> CaseResult<Self> {
        let before = files::read(RESERVE.as_ref())?;
        let reserve = Reserve(before);
        files::write(RESERVE.as_ref(), "1")?;
        let now = files::read(RESERVE.as_ref())?;
        if now == "1" { Ok(reserve) } else { Err(Stop::Skip("needs a huge page".into())) }
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        // Nothing is left to be done when this fails: the page stays in reserve.
        let _ = std::fs::write(RESERVE, &self.0);
    }
}

/// One huge page, seen more often than 32 bits count bytes.
fn many(cx: &Context) -> CaseResult {
    const SIZE: usize = (4 << 30) + 3 * HUGE;
    let node = compute(cx)?;
    let _reserve = Reserve::one()?;
    let file = file(HUGE, MFdFlags::MFD_HUGETLB)?;
    let memory = need("mmap", Region::aliased(&file, HUGE, SIZE))?;
    let pinned = need("count of pinned pages", pinned_pages())?;
    let request = MemoryRequest::map_host(memory.pointer(0), SIZE as u64, 0);
    let map = succeed("MAP", node.map_request(&request))?;
    equal("pages pinned", need("count", pinned_pages())? - pinned, SIZE as u64 / 4096)?;
    for (n, part) in [0, 1, 2046, 2047, 2048, 2050].into_iter().enumerate() {
        let inside = 64 * n + 4096 * n;
        let value = 0x0123_4567_89ab_cdef_u64 + n as u64;
        memory.write_u64(inside, value);
        let offset = (part * HUGE + inside) as u64;
        equal(&format!("seen at {offset:#x}"), seen(cx, map.address() + offset)?, value)?;
    }
    succeed("UNMAP", map.unmap())?;
    equal("pages pinned after UNMAP", need("count", pinned_pages())?, pinned)?;
    still_maps(&node)
}

fn fork(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(2 * 4096)?;
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    let child = in_child(|| {
        // The child writes first: a page that is shared would go to the parent as a copy.
        pages.fill(0x99);
        Ok(())
    })?;
    equal("the child writes its own memory", child, Ok(()))?;
    equal("before the parent writes", seen(cx, map.address())?, 0x4242_4242_4242_4242)?;
    for offset in [0, 4096] {
        let value = 0x0123_4567_89ab_cdef_u64 + offset as u64;
        pages.write(offset, &value.to_le_bytes());
        let what = format!("what the device sees at {offset:#x}");
        equal(&what, seen(cx, map.address() + offset as u64)?, value)?;
    }
    succeed("UNMAP", map.unmap())
}

/// Areas of vmalloc that are buffers of time stamps.
fn areas() -> CaseResult<usize> {
    let text = files::read("/proc/vmallocinfo".as_ref())?;
    Ok(text.lines().filter(|line| line.contains("hl_ts_alloc_buf")).count())
}

fn until_close(cx: &Context) -> CaseResult {
    let before = areas()?;
    for _ in 0..3 {
        let node = wait::until(Duration::from_secs(5), || Ok(Node::open(&cx.at.compute).ok()))?;
        let Some(node) = node else { return case::fail("the device stays in use") };
        for _ in 0..5 {
            succeed("TS_ALLOC", node.timestamps(1000))?;
        }
        check(areas()? >= before + 10, "a buffer of time stamps lives until the close")?;
        succeed("close", node.close())?;
        let freed = wait::until(Duration::from_secs(5), || Ok((areas()? == before).then_some(())))?;
        if freed.is_none() {
            equal("areas of time stamps after the close", areas()?, before)?;
        }
    }
    Ok(())
}
