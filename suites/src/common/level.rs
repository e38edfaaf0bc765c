// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Levels of resources: after many rounds everything is as much as it was before them.
//!
//! What the kernel counts one by one must be the same: areas of vmalloc that the driver made,
//! pinned pages, descriptors, the driver's own lists; and what a new buffer and a new mapping get:
//! handle, address, page tables. Small objects and pages of the whole kernel are counted roughly:
//! others allocate too, so a leak is what grows with the number of rounds.

use super::submit::small_objects;
use super::typed::need;
use super::{files, wait};
use case::{CaseResult, Context, Failure, Stop, equal, succeed};
use device::procfs::{descriptors, pinned_pages};
use device::{MapGuard, Node, Pages};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the kernel may take to free what is free.
const SETTLE: Duration = Duration::from_secs(10);

/// Lists of the driver in debugfs (debugfs.c), empty of what was given back.
const LISTS: [&str; 5] =
    ["command_buffers", "command_submission", "command_submission_jobs", "userptr", "vm"];

/// What is counted one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exact {
    areas: BTreeMap<String, u32>,
    pinned: u64,
    descriptors: Vec<(u32, String)>,
    lists: Vec<(&'static str, String)>,
}

impl Exact {
    fn read(cx: &Context) -> CaseResult<Self> {
        let mut lists = Vec::new();
        for name in LISTS {
            if let Ok(path) = files::debugfs(cx, name) {
                lists.push((name, files::read(&path)?));
            }
        }
        Ok(Exact {
            areas: areas(&files::read("/proc/vmallocinfo".as_ref())?),
            pinned: need("count of pinned pages", pinned_pages())?,
            descriptors: need("list of descriptors", descriptors())?,
            lists,
        })
    }
}

/// Areas that a function of the module made, by function: `0x..-0x.. 8192 hl_x+0x1/0x2 [habanalabs]`.
fn areas(text: &str) -> BTreeMap<String, u32> {
    let mut areas = BTreeMap::new();
    for line in text.lines().filter(|line| line.contains("[habanalabs]")) {
        let function = line.split_whitespace().nth(2).and_then(|word| word.split('+').next());
        *areas.entry(function.unwrap_or_default().to_string()).or_default() += 1;
    }
    areas
}

/// Pages of the machine that are in use and not of a file or a process.
fn kernel_pages() -> CaseResult<u64> {
    // Pages and objects that are only kept in case they are needed again.
    files::write("/proc/sys/vm/drop_caches".as_ref(), "3")?;
    let text = files::read("/proc/meminfo".as_ref())?;
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
        number.ok_or_else(|| Stop::Broken(format!("/proc/meminfo has no {name}")))
    };
    let used: u64 = of("MemTotal")?;
    let others = [of("MemFree")?, of("Buffers")?, of("Cached")?, of("AnonPages")?];
    Ok(others.iter().fold(used, |used, part| used.saturating_sub(*part)) / 4)
}

/// Pages that come and go with what else the kernel does.
const NOISE: u64 = 512;

/// The rounds leave nothing behind.
///
/// The first few are not counted: they fill pools that are kept.
pub fn stays(cx: &Context, rounds: u64, mut round: impl FnMut() -> CaseResult) -> CaseResult {
    for _ in 0..4 {
        round()?;
    }
    let before = Exact::read(cx)?;
    let (objects, pages) = (small_objects()?, kernel_pages()?);
    for number in 0..rounds {
        round().map_err(|stop| stop.request(&format_args!("round {number}")))?;
    }
    let same = wait::until(SETTLE, || Ok((Exact::read(cx)? == before).then_some(())))?;
    if same.is_none() {
        equal("what is counted", Exact::read(cx)?, before)?;
    }
    // Half of them is allowed: see `kernel_objects_stay`.
    grew("small objects", rounds, objects + rounds / 2, small_objects)?;
    grew("pages of the kernel", rounds, pages + rounds / 2 + NOISE, kernel_pages)
}

fn grew(
    what: &str,
    rounds: u64,
    allowed: u64,
    mut count: impl FnMut() -> CaseResult<u64>,
) -> CaseResult {
    if wait::until(SETTLE, || Ok((count()? <= allowed).then_some(())))?.is_some() {
        return Ok(());
    }
    let now = count()?;
    let message = format!("{what}: {now} after {rounds} rounds, at most {allowed} are no leak");
    Err(Stop::Fail(Failure::new(message).with("rounds", rounds)))
}

/// What the next buffer and the next mapping of an open node get: the lowest that is free.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    handle: u64,
    addresses: [u64; 2],
    tables: Option<String>,
}

impl Next {
    /// Makes them, looks, and gives them back.
    pub fn of(cx: &Context, node: &Node) -> CaseResult<Self> {
        let buffer = succeed("CREATE", node.create_cb(4096, 0))?;
        let one = need("memory", Pages::new(4096))?;
        let large = need("memory", Pages::aligned(2 << 20, 2 << 20))?;
        let maps = [map(node, &one)?, map(node, &large)?];
        let next = Next {
            handle: buffer.handle(),
            addresses: [maps[0].address(), maps[1].address()],
            tables: tables(cx, maps[0].address())?,
        };
        succeed("DESTROY", buffer.destroy())?;
        maps.into_iter().try_for_each(|map| succeed("UNMAP", map.unmap()))?;
        Ok(next)
    }
}

fn map<'a>(node: &'a Node, pages: &'a Pages) -> CaseResult<MapGuard<'a>> {
    succeed("MAP", node.map_host(pages, 0, 0))
}

/// Addresses of the page tables of an address (debugfs.c: mmu_show), where they can be asked for.
fn tables(cx: &Context, address: u64) -> CaseResult<Option<String>> {
    let Ok(path) = files::debugfs(cx, "mmu") else { return Ok(None) };
    files::write(&path, &format!("1 {address:#x}"))?;
    let text = files::read(&path)?;
    let tables = text.lines().filter(|line| line.contains("_addr:") && line.starts_with("hop"));
    Ok(Some(tables.collect::<Vec<_>>().join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_counted_by_function_of_the_module() {
        let text = "0xa-0xb 8192 hl_ts_alloc_buf+0x5/0x9 [habanalabs] pages=1 vmalloc\n\
                    0xc-0xd 8192 hl_ts_alloc_buf+0x7/0x9 [habanalabs] pages=1 vmalloc\n\
                    0xe-0xf 8192 alloc_large_system_hash+0x1/0x2 pages=1\n";
        assert_eq!(areas(text), BTreeMap::from([("hl_ts_alloc_buf".to_string(), 2)]));
        assert!(areas("").is_empty());
    }
}
