// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Levels of resources: after many rounds everything is as much as it was before them.
//!
//! What the kernel counts one by one must be the same: areas of vmalloc that the driver made,
//! pinned pages, descriptors, the driver's own lists; and what a new buffer and a new mapping get:
//! handle, address, page tables. Small objects and pages of the whole kernel are counted roughly.

use super::areas::{self, Areas};
use super::objects::{Caches, Objects, grown};
use super::{Level, Rounds, SETTLE, pages};
use crate::common::typed::need;
use crate::common::{files, wait};
use case::{CaseResult, Context, equal, succeed};
use device::procfs::{descriptors, pinned_pages};
use device::{MapGuard, Node, Pages};

/// Rounds before the first look.
const FIRST: u32 = 4;

/// Lists of the driver in debugfs (debugfs.c), empty of what was given back.
const LISTS: [&str; 5] =
    ["command_buffers", "command_submission", "command_submission_jobs", "userptr", "vm"];

/// What is counted one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Exact {
    areas: Areas,
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
            areas: areas::of_driver()?,
            pinned: need("count of pinned pages", pinned_pages())?,
            descriptors: need("list of descriptors", descriptors())?,
            lists,
        })
    }
}

/// What is counted for the whole kernel.
struct Rough {
    objects: Objects,
    pages: u64,
}

/// Pages that come and go with what else the kernel does.
const NOISE: u64 = 512;

impl Level for Rough {
    fn least(self, other: Self) -> Self {
        Rough { objects: self.objects.least(other.objects), pages: self.pages.min(other.pages) }
    }
}

impl Rough {
    fn read(caches: &Caches) -> CaseResult<Self> {
        // The pages first: this empties caches of objects.
        let pages = pages::in_use()?;
        Ok(Rough { objects: caches.objects()?, pages })
    }

    /// What has grown by more than half of the rounds, in words.
    fn grown(&self, before: &Rough, rounds: u32) -> Vec<String> {
        let allowed = u64::from(rounds / 2);
        let mut grown = grown(&before.objects, &self.objects, allowed);
        if self.pages > before.pages + allowed + NOISE {
            grown.push(format!("{} pages", self.pages - before.pages));
        }
        grown
    }
}

/// The rounds leave nothing behind.
///
/// The first few are not counted: they fill pools that are kept.
pub fn level_stays(cx: &Context, rounds: u32, mut round: impl FnMut() -> CaseResult) -> CaseResult {
    (0..FIRST).try_for_each(|_| round())?;
    let caches = Caches::open()?;
    let before = Exact::read(cx)?;
    let grown = |before: &Rough, now: &Rough| now.grown(before, rounds);
    Rounds::new(0, rounds).stay(|| Rough::read(&caches), grown, round)?;
    let same = wait::until(SETTLE, || Ok((Exact::read(cx)? == before).then_some(())))?;
    match same {
        Some(()) => Ok(()),
        None => equal("what is counted", Exact::read(cx)?, before),
    }
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
