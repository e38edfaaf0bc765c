// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! CREATE.

use crate::common::files::{debugfs, read};
use crate::common::typed::{compute, still_works};
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::Asics;
use device::region::page_size;
use device::{CbRequest, Errno, mmap};
use std::collections::BTreeSet;
use uapi::accel::{HL_CB_FLAGS_MAP, HL_MAX_CB_SIZE};

/// Sizes that are accepted, and why they are interesting.
const SIZES: &[(&str, &[&str], u32)] = &[
    ("one_page", &["CB-CREATE-001"], 4096),
    ("no_bytes", &["CB-CREATE-002"], 0),
    ("one_byte", &["CB-CREATE-003"], 1),
    ("a_page_less_one", &["CB-CREATE-003"], 4095),
    ("a_page_and_one", &["CB-CREATE-003"], 4097),
    ("an_odd_number", &["CB-CREATE-003"], 0x1_2345),
    ("the_maximum", &["CB-CREATE-004"], HL_MAX_CB_SIZE),
];

/// Sizes that are refused.
const TOO_LARGE: &[(&str, &[&str], u32)] = &[
    ("the_maximum_and_one", &["CB-CREATE-005"], HL_MAX_CB_SIZE + 1),
    ("two_mib", &["CB-CREATE-005"], 0x20_0000),
    ("the_largest_number", &["CB-CREATE-006"], u32::MAX),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, rows, size) in SIZES {
        let name = format!("cb/create/accepts_{name}");
        cases.push(Case::new(name, rows, |cx| accepts(cx, *size)));
    }
    for (name, rows, size) in TOO_LARGE {
        let case = Case::new(format!("cb/create/rejects_{name}"), rows, |cx| rejects(cx, *size));
        cases.push(case.logs(&["User requested CB size"]));
    }
    cases.extend([
        Case::new("cb/create/memory_is_zero", &["CB-CREATE-013"], memory_is_zero),
        Case::new("cb/create/ignores_unknown_flags", &["CB-CREATE-012"], unknown_flags),
        Case::new("cb/create/ignores_the_context", &["CB-CREATE-014"], context),
        Case::new("cb/create/handles_are_unique", &["CB-CREATE-015"], unique),
        Case::new("cb/create/map_is_refused_where_unsupported", &["CB-CREATE-009"], no_map)
            .on(Asics::GAUDI)
            .logs(&[
                "Mapping a CB to the device's MMU is not supported",
                "Failure in buffer alloc",
            ]),
        Case::new("cb/create/map_gives_a_device_address", &["CB-CREATE-008"], map)
            .on(Asics::GAUDI2),
    ]);
    cases
}

/// Whole pages that a buffer of this size has.
fn mapped(size: u32) -> usize {
    (size.max(1) as usize).next_multiple_of(page_size())
}

fn accepts(cx: &Context, size: u32) -> CaseResult {
    let node = compute(cx)?;
    let buffer = succeed("CREATE", node.create_cb(size, 0))?;
    equal("kind of the handle", buffer.handle() & mmap::TYPE_MASK, mmap::TYPE_CB)?;
    check(buffer.handle() & !mmap::TYPE_MASK != 0, "a handle has an id")?;
    let length = mapped(size);
    let mapping = succeed("mmap of its pages", node.map(buffer.handle(), length))?;
    mapping.write(0, &[0x5a]);
    mapping.write(length - 1, &[0xa5]);
    equal("first byte", mapping.bytes(0, 1), vec![0x5a])?;
    equal("last byte", mapping.bytes(length - 1, 1), vec![0xa5])?;
    succeed("munmap", mapping.unmap())?;
    succeed("DESTROY", buffer.destroy())
}

fn rejects(cx: &Context, size: u32) -> CaseResult {
    let node = compute(cx)?;
    let request = CbRequest::create(size);
    let (result, words) = node.cb_words(&request);
    errno("CREATE", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    equal("handle of a refused buffer", words[0], 0)?;
    still_works(&node)
}

fn memory_is_zero(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    // A buffer that was written to is freed first: its memory must not come back as it was.
    for size in [4096, 0x1_0000, HL_MAX_CB_SIZE] {
        for round in ["first", "second"] {
            let buffer = succeed("CREATE", node.create_cb(size, 0))?;
            let mapping = succeed("mmap", buffer.map())?;
            let dirty = mapping.bytes(0, mapping.length()).iter().position(|byte| *byte != 0);
            equal(&format!("first byte of {size} that is not zero, {round} buffer"), dirty, None)?;
            mapping.fill(0xff);
        }
    }
    Ok(())
}

fn unknown_flags(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    // The driver looks at MAP only: all others are reserved for later, and accepted.
    let buffer = succeed("CREATE", node.create_cb(4096, !HL_CB_FLAGS_MAP))?;
    succeed("DESTROY", buffer.destroy())
}

fn context(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let request = CbRequest { ctx_id: u32::MAX, ..CbRequest::create(4096) };
    let handle = succeed("CREATE", node.cb(&request)).map_err(|stop| stop.request(&request))?;
    let request = CbRequest { ctx_id: 7, ..CbRequest::destroy(handle) };
    succeed("DESTROY", node.cb(&request)).map(drop).map_err(|stop| stop.request(&request))
}

/// Buffers that live at once.
const MANY: usize = 256;

fn unique(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mut buffers = Vec::new();
    for _ in 0..MANY {
        buffers.push(succeed("CREATE", node.create_cb(4096, 0))?);
    }
    let handles: BTreeSet<u64> = buffers.iter().map(|buffer| buffer.handle()).collect();
    equal("different handles", handles.len(), MANY)?;
    // debugfs.c: command_buffers_show lists decimal handles in the first column.
    if cx.at.debugfs.is_some() {
        let listed = listed(cx)?;
        equal("handles that debugfs does not list", handles.difference(&listed).next(), None)?;
        drop(buffers);
        let left = listed_of(cx, &handles)?;
        equal("destroyed handles that debugfs still lists", left, BTreeSet::new())?;
    }
    Ok(())
}

fn listed(cx: &Context) -> CaseResult<BTreeSet<u64>> {
    let text = read(&debugfs(cx, "command_buffers")?)?;
    Ok(text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect())
}

fn listed_of(cx: &Context, handles: &BTreeSet<u64>) -> CaseResult<BTreeSet<u64>> {
    Ok(listed(cx)?.intersection(handles).copied().collect())
}

fn no_map(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let request = CbRequest::create(4096).flags(HL_CB_FLAGS_MAP);
    let (result, words) = node.cb_words(&request);
    // The reason (EINVAL) is folded by memory_mgr.c: hl_mmap_mem_buf_alloc.
    errno("CREATE with MAP", result, Errno::ENOMEM).map_err(|stop| stop.request(&request))?;
    equal("handle of a refused buffer", words[0], 0)?;
    still_works(&node)
}

/// Device addresses for buffers of the kernel (command_buffer.c: CB_VA_POOL_SIZE).
const WINDOW: u64 = 4 << 30;

fn map(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mut addresses = BTreeSet::new();
    let mut buffers = Vec::new();
    for size in [4096, 8192, HL_MAX_CB_SIZE] {
        let buffer = succeed("CREATE with MAP", node.create_cb(size, HL_CB_FLAGS_MAP))?;
        let address = succeed("INFO with GET_DEVICE_VA", buffer.device_va())?;
        equal("offset in its page", address % page_size() as u64, 0)?;
        check(address != 0, "a mapped buffer has an address")?;
        addresses.insert(address);
        buffers.push(buffer);
    }
    equal("different addresses", addresses.len(), buffers.len())?;
    let spread = addresses.last().zip(addresses.first()).map(|(last, first)| last - first);
    check(spread.is_some_and(|spread| spread < WINDOW), "addresses come from one window of 4 GiB")
}
