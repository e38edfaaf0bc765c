// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Device memory handed to others: EXPORT_DMABUF_FD (memory.c: export_dmabuf_from_addr) and the
//! dma-buf that it gives (dma-buf.c).
//!
//! Not covered: importers that really read the memory.

mod bus;
mod close;
mod export;
mod file;
mod import;
mod mapped;
mod peers;

use crate::common::typed::{device_memory, need, still_works};
use case::{Case, CaseResult, Context, succeed};
use device::{DmaBuf, MemoryRequest, Node};
use libc::{O_CLOEXEC, O_RDWR};

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let parts =
        [export::cases, file::cases, close::cases, import::cases, mapped::cases, peers::cases];
    parts.iter().flat_map(|part| part()).collect()
}

/// The flags that users pass.
const FLAGS: u32 = (O_RDWR | O_CLOEXEC) as u32;
/// Bytes of a page of the host, the unit of exports.
const PAGE: u64 = 4096;

/// Exports so many bytes.
#[track_caller]
fn export(cx: &Context, node: &Node, size: u64) -> CaseResult<DmaBuf> {
    let request = MemoryRequest::export(device_memory(cx, node, size)?, size, 0, FLAGS);
    succeed("EXPORT", node.export(&request)).map_err(|stop| stop.request(&request))
}

/// Exports and everything else still work.
#[track_caller]
fn still_exports(cx: &Context, node: &Node) -> CaseResult {
    let buffer = export(cx, node, PAGE)?;
    need("close of a dma-buf", buffer.close())?;
    still_works(node)
}
