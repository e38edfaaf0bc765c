// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! EXPORT_DMABUF_FD where device memory is virtual: what is exported is a part of a mapping
//! (memory.c: memhash_node_export_get, validate_export_params).

use super::{FLAGS, PAGE, still_exports};
use crate::common::typed::{compute, need};
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::{Asics, Personality};
use device::procfs::descriptors;
use device::{DmaBuf, Errno, MapGuard, MemoryRequest, Node, Pages};
use nix::unistd::{Whence, lseek};

/// Size and offset of an export.
type Part = (u64, u64);

/// Bytes of a page of device memory behind the MMU (`gaudi2.c: gaudi2_set_dram_properties`: 8 MiB
/// of each of 6 HBMs, times 16).
pub(super) const DEVICE_PAGE: u64 = 768 << 20;

/// A rule with parts of a mapping of one page that break it.
struct Refused {
    rule: &'static str,
    row: &'static [&'static str],
    parts: &'static [Part],
}

const REFUSED: &[Refused] = &[
    Refused {
        rule: "rejects_no_bytes_of_a_mapping",
        row: &["DMABUF-008"],
        parts: &[(0, 0), (0, PAGE)],
    },
    Refused {
        rule: "rejects_parts_of_pages_of_a_mapping",
        row: &["DMABUF-009"],
        parts: &[(1, 0), (PAGE - 1, 0), (PAGE + 1, PAGE), (3 << 9, 0)],
    },
    Refused {
        rule: "rejects_offsets_inside_a_page_of_a_mapping",
        row: &["DMABUF-010"],
        parts: &[(PAGE, 1), (PAGE, PAGE - 1), (PAGE, PAGE + 1), (PAGE, u64::MAX)],
    },
    Refused {
        rule: "rejects_what_exceeds_a_mapping",
        row: &["DMABUF-011"],
        parts: &[
            (DEVICE_PAGE + PAGE, 0),
            (DEVICE_PAGE, PAGE),
            (PAGE, DEVICE_PAGE),
            (2 * PAGE, DEVICE_PAGE - PAGE),
            (PAGE, 1 << 63),
            (1 << 63, 0),
            (u64::MAX - PAGE + 1, 0),
        ],
    },
    // Defect D3: the sum is compared, and it wraps.
    Refused {
        rule: "rejects_parts_that_wrap",
        row: &["DMABUF-012"],
        parts: &[
            (PAGE, u64::MAX - PAGE + 1),
            (2 * PAGE, u64::MAX - PAGE + 1),
            (1 << 63, 1 << 63),
            (u64::MAX - PAGE + 1, PAGE),
        ],
    },
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(
            "dmabuf/export/gives_a_descriptor_of_a_mapping",
            &["DMABUF-001", "DMABUF-002", "ABI-030"],
            sizes,
        ),
        Case::new(
            "dmabuf/export/rejects_what_is_no_mapping_of_device_memory",
            &["DMABUF-003", "DMABUF-004", "DMABUF-005", "DMABUF-006", "DMABUF-007"],
            elsewhere,
        ),
        Case::new("dmabuf/export/rejects_pages_outside_of_the_bar", &["DMABUF-013"], outside)
            .model()
            .personality("two_gib_bar", two_gib_bar),
        Case::new("dmabuf/export/keeps_its_mapping", &["DMABUF-021", "MEM-UNMAP-005"], keeps)
            .logs(&["memory is exported", "is mapped, cannot free"]),
    ];
    cases.extend(REFUSED.iter().map(|rule| {
        let name = format!("dmabuf/export/{}", rule.rule);
        Case::new(name, rule.row, move |cx| refused(cx, rule.parts))
    }));
    cases.into_iter().map(|case| case.on(Asics::GAUDI2)).collect()
}

/// Memory of so many bytes, mapped.
pub(super) fn mapping(node: &Node, size: u64) -> CaseResult<MapGuard<'_>> {
    let allocation = succeed("ALLOC", node.alloc(size, 0, 0))?;
    let map = succeed("MAP", node.map_device(allocation.handle(), 0, 0))?;
    // The close of the node frees it: an export may outlive the rest.
    std::mem::forget(allocation);
    Ok(map)
}

fn part(node: &Node, address: u64, (size, offset): Part) -> Result<DmaBuf, Errno> {
    node.export(&MemoryRequest::export(address, size, offset, FLAGS))
}

fn sizes(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let map = mapping(&node, 2 * DEVICE_PAGE)?;
    for (size, offset) in [
        (2 * DEVICE_PAGE, 0),
        (PAGE, 0),
        (PAGE, 2 * DEVICE_PAGE - PAGE),
        (2 * PAGE, DEVICE_PAGE - PAGE),
        (DEVICE_PAGE + PAGE, PAGE),
    ] {
        let what = format!("EXPORT of {size:#x} bytes at {offset:#x}");
        let buffer = succeed(&what, part(&node, map.address(), (size, offset)))?;
        let end = succeed("lseek to the end", lseek(&buffer, 0, Whence::SeekEnd))?;
        equal("size of the dma-buf", end as u64, size)?;
    }
    drop(map);
    still_exports(cx, &node)
}

/// Parts of a mapping that the driver must not hand out; the mapping is as free as before.
fn refused(cx: &Context, parts: &[Part]) -> CaseResult {
    let node = compute(cx)?;
    let map = mapping(&node, 1)?;
    let open = need("list of descriptors", descriptors())?;
    for (size, offset) in parts {
        let what = format!("EXPORT of {size:#x} bytes at {offset:#x}");
        errno(&what, part(&node, map.address(), (*size, *offset)), Errno::EINVAL)?;
    }
    equal("open descriptors", need("list of descriptors", descriptors())?, open)?;
    succeed("UNMAP", map.unmap())?;
    still_exports(cx, &node)
}

fn elsewhere(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let allocation = succeed("ALLOC", node.alloc(1, 0, 0))?;
    let map = succeed("MAP", allocation.map())?;
    let pages = need("memory", Pages::new(4096))?;
    let request = MemoryRequest::map_host(pages.pointer(0), 4096, 0);
    let host = succeed("MAP of host memory", node.map_request(&request))?;
    let physical = hw::memory::GAUDI2.dram_base + hw::memory::GAUDI2.dram_user_offset;
    let places = [
        // What 6.1 took.
        allocation.handle(),
        host.address(),
        map.address() + PAGE,
        map.address() - PAGE,
        map.address() + 1,
        physical,
        0,
        u64::MAX - PAGE + 1,
    ];
    for address in places {
        let what = format!("EXPORT of a page at {address:#x}");
        errno(&what, part(&node, address, (PAGE, 0)), Errno::EINVAL)?;
    }
    succeed("UNMAP of host memory", host.unmap())?;
    succeed("UNMAP", map.unmap())?;
    errno("EXPORT of what is unmapped", part(&node, physical, (PAGE, 0)), Errno::EINVAL)?;
    succeed("FREE", allocation.free())?;
    still_exports(cx, &node)
}

/// One page of device memory lies in the window, the next does not.
fn two_gib_bar(card: &mut Personality) {
    card.dram_bar_bytes = 2 << 30;
}

fn outside(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let inside = mapping(&node, DEVICE_PAGE)?;
    drop(succeed("EXPORT of a page in the window", part(&node, inside.address(), (PAGE, 0)))?);
    let outside = mapping(&node, DEVICE_PAGE)?;
    let result = part(&node, outside.address(), (PAGE, 0));
    errno("EXPORT of a page outside of the window", result, Errno::EINVAL)?;
    drop((inside, outside));
    crate::common::typed::still_works(&node)
}

fn keeps(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let allocation = succeed("ALLOC", node.alloc(1, 0, 0))?;
    let map = succeed("MAP", allocation.map())?;
    let address = map.address();
    let one = succeed("EXPORT", part(&node, address, (PAGE, 0)))?;
    let two = succeed("EXPORT again", part(&node, address, (2 * PAGE, PAGE)))?;
    errno("UNMAP of what two have", node.unmap(address), Errno::EINVAL)?;
    need("close of the first", one.close())?;
    errno("UNMAP of what one has", node.unmap(address), Errno::EINVAL)?;
    errno("FREE of what one has", node.free(allocation.handle()), Errno::EINVAL)?;
    let size = succeed("lseek to the end", lseek(&two, 0, Whence::SeekEnd))?;
    equal("size of what is left", size as u64, 2 * PAGE)?;
    need("close of the second", two.close())?;
    succeed("UNMAP", map.unmap())?;
    check(allocation.handle() != 0, "the memory is still there")?;
    succeed("FREE", allocation.free())?;
    still_exports(cx, &node)
}
