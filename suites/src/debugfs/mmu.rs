// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The walk through the page tables, and errors of the MMU (debugfs.c: mmu_asid_va_write, mmu_show,
//! mmu_ack_error).

use super::folder;
use crate::common::typed::{compute, need};
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::Asics;
use device::{Errno, Pages};

/// Texts that are refused, with the row.
const REFUSED: &[(&str, &[&str], &[&str])] = &[
    ("rejects_a_line_without_a_space", &["DBGFS-023"], &["1", "0x1000", "10x1000"]),
    ("rejects_an_address_without_0x", &["DBGFS-024"], &["1 1000", "1 x1000", "1 "]),
    (
        "rejects_long_lines",
        &["DBGFS-025"],
        &["1 0x0000000000000000000000000000000000000000000000000000001000"],
    ),
    ("rejects_what_is_no_context", &["DBGFS-026"], &["x 0x1000", " 0x1000", "0x1 0x1000"]),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("debugfs/mmu/walks_to_the_page", &["DBGFS-022"], walk).on(Asics::GAUDI),
        Case::new("debugfs/mmu/finds_nothing_that_is_not_mapped", &["DBGFS-022"], nothing)
            .on(Asics::GAUDI)
            .logs(&["is not mapped to phys addr"]),
        Case::new("debugfs/mmu_error/needs_a_mask", &["DBGFS-027"], |cx| {
            errno("read", folder(cx)?.text("mmu_error"), Errno::EINVAL)
        })
        .control_only()
        .logs(&["mmu_cap_mask is not set"]),
        Case::new("debugfs/mmu_error/rejects_a_mask_without_0x", &["DBGFS-028"], |cx| {
            let files = folder(cx)?;
            for text in ["1", "x", "ff"] {
                errno(&format!("{text:?}"), files.write("mmu_error", text), Errno::EINVAL)?;
            }
            Ok(())
        })
        .control_only()
        .logs(&["usage: echo <0xmmu_cap_mask > > mmu_error"]),
    ];
    cases.extend(REFUSED.iter().map(|(rule, row, texts)| {
        Case::new(format!("debugfs/mmu/{rule}"), row, move |cx| {
            let files = folder(cx)?;
            for text in *texts {
                errno(&format!("{text:?}"), files.write("mmu", text), Errno::EINVAL)?;
            }
            Ok(())
        })
        .control_only()
        .logs(&["usage: echo <asid> <0xaddr> > mmu"])
    }));
    cases
}

fn walk(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let node = compute(cx)?;
    let pages = need("memory", Pages::new(2 * 4096))?;
    pages.fill(1);
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    for offset in [0, 0x123, 4096] {
        let address = map.address() + offset;
        succeed("write", files.write("mmu", &format!("1 {address:#x}")))?;
        let text = succeed("read", files.text("mmu"))?;
        let first = text.lines().next().unwrap_or_default().to_string();
        check(first.contains(&format!("virt_addr: {address:#x}")), "the address is shown")?;
        let physical = first.rsplit("0x").next().and_then(|hex| u64::from_str_radix(hex, 16).ok());
        equal("offset in the page", physical.map(|address| address % 4096), Some(offset % 4096))?;
        let hops = text.lines().filter(|line| line.contains("_pte: 0x")).count();
        check(hops >= 4, "a page of 4 KiB has a hop of each level")?;
    }
    succeed("UNMAP", map.unmap())
}

fn nothing(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let _node = compute(cx)?;
    // The start of the range belongs to buffers of the driver.
    let address = hw::memory::GAUDI.host_va.0 + (1 << 40);
    succeed("write", files.write("mmu", &format!("1 {address:#x}")))?;
    equal("text", files.text("mmu"), Ok(String::new()))
}
