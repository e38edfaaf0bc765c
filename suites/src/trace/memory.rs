// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Events of memory: mapped for the device, allocated for it (mmu.c: hl_mmu_map_page,
//! device.c: hl_dma_alloc_common, hl_dma_map_sgtable_caller).

use super::events::{Event, Tracing};
use crate::common::typed::{compute, need};
use case::{Case, CaseResult, Context, equal, succeed};
use device::Pages;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("trace/mmu/tells_each_page_of_a_mapping", &["TRACE-001", "TRACE-002"], mapping),
        Case::new("trace/dma/tells_the_memory_of_a_buffer", &["TRACE-003", "TRACE-004"], buffer),
        Case::new("trace/dma/tells_the_pages_of_a_mapping", &["TRACE-005", "TRACE-006"], pinned),
    ]
}

const PAGE: u64 = 4096;
/// Pages of a mapping.
const PAGES: u64 = 3;

/// What events of a name say in some fields.
fn told(events: &[Event], name: &str, fields: [&str; 2]) -> CaseResult<Vec<[u64; 2]>> {
    let of = events.iter().filter(|event| event.name == name);
    of.map(|event| Ok([event.number(fields[0])?, event.number(fields[1])?])).collect()
}

fn mapping(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = need("memory", Pages::new((PAGES * PAGE) as usize))?;
    let tracing = Tracing::of(cx, &["mmu_map", "mmu_unmap"])?;
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    let start = map.address();
    let expected: Vec<_> = (0..PAGES).map(|n| [start + n * PAGE, PAGE]).collect();
    let events = tracing.events()?;
    equal(
        "pages that are mapped",
        told(&events, "mmu_map", ["vaddr", "psize"])?,
        expected.clone(),
    )?;
    equal("pages that are unmapped", told(&events, "mmu_unmap", ["vaddr", "psize"])?, Vec::new())?;
    let flushed = |event: &Event| event.fields.get("flush").is_some_and(|flush| flush == "true");
    let flushes: Vec<_> = events.iter().map(flushed).collect();
    equal("flushes", flushes, vec![false, false, true])?;
    succeed("UNMAP", map.unmap())?;
    let unmapped = told(&tracing.events()?, "mmu_unmap", ["vaddr", "psize"])?;
    equal("pages that are unmapped", unmapped, expected)
}

fn buffer(cx: &Context) -> CaseResult {
    const BYTES: u32 = 1 << 20;
    let node = compute(cx)?;
    let tracing = Tracing::of(cx, &["dma_alloc", "dma_free"])?;
    let buffer = succeed("CREATE", node.create_cb(BYTES, 0))?;
    let of_size = |name: &str| -> CaseResult<Vec<[u64; 2]>> {
        let mut told = told(&tracing.events()?, name, ["dma_addr", "size"])?;
        told.retain(|[_, size]| *size == u64::from(BYTES));
        Ok(told)
    };
    let got = of_size("dma_alloc")?;
    equal("allocations of its size", got.len(), 1)?;
    equal("memory that is freed before DESTROY", of_size("dma_free")?, Vec::new())?;
    succeed("DESTROY", buffer.destroy())?;
    equal("memory that is freed", of_size("dma_free")?, got)
}

fn pinned(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = need("memory", Pages::new((PAGES * PAGE) as usize))?;
    pages.fill(1);
    let tracing = Tracing::of(cx, &["dma_map_page", "dma_unmap_page"])?;
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    let mapped = told(&tracing.events()?, "dma_map_page", ["dma_addr", "len"])?;
    equal("bytes", mapped.iter().map(|[_, len]| len).sum::<u64>(), PAGES * PAGE)?;
    succeed("UNMAP", map.unmap())?;
    let unmapped = told(&tracing.events()?, "dma_unmap_page", ["dma_addr", "len"])?;
    equal("pages that are given back", unmapped, mapped)
}
