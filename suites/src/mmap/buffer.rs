// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Buffers of the kernel: command buffers and buffers of timestamps share their rules.

use crate::common::beside::in_child;
use crate::common::typed::{compute, need, still_works};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use device::mmap::{MapRequest, TYPE_MASK, TYPE_TS};
use device::{CbRequest, Errno, Node};
use nix::sys::mman::MapFlags;

/// What is mapped, and the rows of its rules.
struct Kind {
    name: &'static str,
    make: fn(&Node, usize) -> Result<u64, Errno>,
    exact: &'static [&'static str],
    smaller: &'static [&'static str],
    larger: &'static [&'static str],
    twice: &'static [&'static str],
    again: &'static [&'static str],
}

fn command_buffer(node: &Node, size: usize) -> Result<u64, Errno> {
    node.cb(&CbRequest::create(size as u32))
}

fn timestamps(node: &Node, size: usize) -> Result<u64, Errno> {
    node.timestamps((size / 8) as u32)
}

const KINDS: &[Kind] = &[
    Kind {
        name: "cb",
        make: command_buffer,
        exact: &["MMAP-001"],
        smaller: &["MMAP-002"],
        larger: &["MMAP-003"],
        twice: &["MMAP-004"],
        again: &["MMAP-005"],
    },
    Kind {
        name: "timestamps",
        make: timestamps,
        exact: &["MMAP-012", "MEM-TS-001"],
        smaller: &["MMAP-013"],
        larger: &["MMAP-013"],
        twice: &["MMAP-014"],
        again: &["MMAP-005"],
    },
];

/// What the driver says when the size is wrong.
const SIZE: &[&str] = &["Memory mmap failed, mmap VM size"];
/// What it says when the buffer is mapped already.
const MAPPED: &[&str] = &["Memory mmap failed, already mapped to user"];
/// What it says when there is no such buffer.
const NO_MATCH: &[&str] = &["Memory mmap failed, no match to handle"];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS {
        let mut add = |rule: &str, rows, logs, body: fn(&Context, &Kind) -> CaseResult| {
            let name = format!("mmap/{}/{rule}", kind.name);
            cases.push(Case::new(name, rows, move |cx| body(cx, kind)).logs(logs));
        };
        add("maps_exactly_its_pages", kind.exact, &[], exact);
        add("rejects_smaller_sizes", kind.smaller, SIZE, smaller);
        add("rejects_larger_sizes", kind.larger, SIZE, larger);
        add("rejects_a_second_mapping", kind.twice, MAPPED, twice);
        add("maps_again_after_munmap", kind.again, &[], again);
    }
    cases.extend([
        Case::new("mmap/cb/a_hole_keeps_the_buffer_mapped", &["MMAP-006"], hole).logs(MAPPED),
        Case::new("mmap/cb/rejects_unknown_ids", &["MMAP-007"], unknown).logs(NO_MATCH),
        Case::new("mmap/cb/rejects_destroyed_buffers", &["MMAP-008"], destroyed).logs(NO_MATCH),
        Case::new("mmap/cb/is_not_inherited", &["MMAP-009"], fork),
        Case::new("mmap/cb/cannot_grow", &["MMAP-010"], grow),
        Case::new("mmap/cb/private_mapping_shows_the_content", &["MMAP-011"], private),
        Case::new("mmap/timestamps/rejects_the_handle_as_a_cb", &["MMAP-007"], other_kind),
    ]);
    cases
}

/// Pages of the buffers here.
const SIZE_OF_BUFFER: usize = 4 * 4096;

fn make(node: &Node, kind: &Kind) -> CaseResult<u64> {
    succeed("creation of the buffer", (kind.make)(node, SIZE_OF_BUFFER))
}

fn exact(cx: &Context, kind: &Kind) -> CaseResult {
    let node = compute(cx)?;
    let handle = make(&node, kind)?;
    let mapping = succeed("mmap", node.map(handle, SIZE_OF_BUFFER))?;
    let dirty = mapping.bytes(0, SIZE_OF_BUFFER).iter().position(|byte| *byte != 0);
    equal("first byte of a new buffer that is not zero", dirty, None)?;
    for offset in (0..SIZE_OF_BUFFER).step_by(8) {
        mapping.write_u64(offset, !(offset as u64));
    }
    let wrong = (0..SIZE_OF_BUFFER)
        .step_by(8)
        .find(|offset| mapping.read_u64(*offset) != !(*offset as u64));
    equal("first word that is not as written", wrong, None)?;
    succeed("munmap", mapping.unmap())
}

fn sizes(cx: &Context, kind: &Kind, sizes: &[usize]) -> CaseResult {
    let node = compute(cx)?;
    let handle = make(&node, kind)?;
    for size in sizes {
        let request = MapRequest::new(handle, *size);
        let result = node.map_with(&request);
        errno("mmap", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    // A refused mapping must not count as one.
    succeed("mmap of the right size", node.map(handle, SIZE_OF_BUFFER))?;
    still_works(&node)
}

fn smaller(cx: &Context, kind: &Kind) -> CaseResult {
    sizes(cx, kind, &[4096, SIZE_OF_BUFFER - 4096])
}

fn larger(cx: &Context, kind: &Kind) -> CaseResult {
    sizes(cx, kind, &[SIZE_OF_BUFFER + 1, 2 * SIZE_OF_BUFFER, SIZE_OF_BUFFER + (4 << 30)])
}

fn twice(cx: &Context, kind: &Kind) -> CaseResult {
    let node = compute(cx)?;
    let handle = make(&node, kind)?;
    let first = succeed("mmap", node.map(handle, SIZE_OF_BUFFER))?;
    first.write(0, &[1]);
    errno("second mmap", node.map(handle, SIZE_OF_BUFFER), Errno::EINVAL)?;
    equal("content of the first mapping", first.bytes(0, 1), vec![1])?;
    succeed("munmap", first.unmap())?;
    still_works(&node)
}

fn again(cx: &Context, kind: &Kind) -> CaseResult {
    let node = compute(cx)?;
    let handle = make(&node, kind)?;
    for round in 0..20 {
        let mapping = succeed("mmap", node.map(handle, SIZE_OF_BUFFER))?;
        equal("byte of the mapping before", mapping.bytes(7, 1), vec![round])?;
        mapping.write(7, &[round + 1]);
        succeed("munmap", mapping.unmap())?;
    }
    Ok(())
}

fn hole(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(SIZE_OF_BUFFER as u32, 0))?;
    let mapping = succeed("mmap", buffer.map())?;
    mapping.fill(0x31);
    let (before, behind) = succeed("munmap of one page", mapping.unmap_part(4096, 4096))?;
    let (Some(before), Some(behind)) = (before, behind) else {
        return case::fail("a hole leaves something on both sides");
    };
    errno("mmap while parts are left", buffer.map(), Errno::EINVAL)?;
    equal("byte before the hole", before.bytes(4095, 1), vec![0x31])?;
    succeed("munmap of the part before", before.unmap())?;
    errno("mmap while the last part is left", buffer.map(), Errno::EINVAL)?;
    equal("byte behind the hole", behind.bytes(0, 1), vec![0x31])?;
    succeed("munmap of the last part", behind.unmap())?;
    let mapping = succeed("mmap when nothing is left", buffer.map())?;
    equal("byte of the hole", mapping.bytes(4096, 1), vec![0x31])
}

fn unknown(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    for offset in [4096, 0x7fff_f000, 1 << 40] {
        let request = MapRequest::new(buffer.handle() + offset, 4096);
        let result = node.map_with(&request);
        errno("mmap", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    still_works(&node)
}

fn destroyed(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = succeed("CREATE", node.cb(&CbRequest::create(4096)))?;
    succeed("DESTROY", node.destroy_cb(handle))?;
    errno("mmap of a destroyed buffer", node.map(handle, 4096), Errno::EINVAL)?;
    still_works(&node)
}

fn fork(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    let mapping = succeed("mmap", buffer.map())?;
    let start = format!("{:x}-", mapping.address());
    let listed = |start: &str| -> Result<bool, Errno> {
        let maps = std::fs::read_to_string("/proc/self/maps").map_err(|_| Errno::EIO)?;
        Ok(maps.lines().any(|line| line.trim_start_matches('0').starts_with(start)))
    };
    equal("listed in the parent", need("list of mappings", listed(&start))?, true)?;
    let child = in_child(|| if listed(&start)? { Err(Errno::EEXIST) } else { Ok(()) })?;
    equal("the child is without the mapping (VM_DONTCOPY)", child, Ok(()))?;
    mapping.write(0, &[1]);
    succeed("munmap", mapping.unmap())
}

fn grow(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    let mut mapping = succeed("mmap", buffer.map())?;
    errno("mremap to two pages (VM_DONTEXPAND)", mapping.grow(8192), Errno::EFAULT)?;
    mapping.write(4095, &[1]);
    equal("the last byte", mapping.bytes(4095, 1), vec![1])
}

fn private(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
    succeed("write through a shared mapping", buffer.write(b"content"))?;
    let request =
        MapRequest { flags: MapFlags::MAP_PRIVATE, ..MapRequest::new(buffer.handle(), 4096) };
    let mapping = succeed("private mmap", node.map_with(&request))?;
    equal("content", mapping.bytes(0, 7), b"content".to_vec())?;
    succeed("munmap", mapping.unmap())
}

fn other_kind(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = succeed("TS_ALLOC", node.timestamps(512))?;
    equal("kind of the handle", handle & TYPE_MASK, TYPE_TS)?;
    // Such a handle was never given out (defect D2: the lookup looks at the id only).
    let forged = handle & !TYPE_MASK | device::mmap::TYPE_CB;
    errno("mmap of a forged handle", node.map(forged, 4096), Errno::EINVAL)?;
    still_works(&node)
}
