// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Offsets whose kind the driver does not know.

use crate::common::typed::{compute, still_works};
use case::{Case, CaseResult, Context, errno, succeed};
use device::Errno;
use device::mmap::{MapRequest, TYPE_BLOCK, TYPE_CB, TYPE_SHIFT, TYPE_TS};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("mmap/any/rejects_offset_zero", &["MMAP-022"], zero),
        Case::new("mmap/any/rejects_unknown_kinds", &["MMAP-022"], unknown_kinds),
        Case::new("mmap/any/rejects_mixed_kinds", &["MMAP-023"], mixed_kinds),
    ]
}

fn zero(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    errno("mmap at offset 0", node.map(0, 4096), Errno::EINVAL)?;
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
