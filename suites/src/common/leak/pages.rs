// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Pages of the kernel (`/proc/meminfo`, `/proc/zoneinfo`).

use crate::common::files;
use case::{CaseResult, Stop};

/// Pages of 4 KiB that are in use and not of a file or a process.
///
/// Free pages that a processor keeps for itself, thousands of them, count as free
/// (mm/page_alloc.c: the high mark of these lists follows the load).
pub fn in_use() -> CaseResult<u64> {
    // Pages and objects that are only kept in case they are needed again.
    files::write("/proc/sys/vm/drop_caches".as_ref(), "3")?;
    let kept = kept(&files::read("/proc/zoneinfo".as_ref())?);
    let text = files::read("/proc/meminfo".as_ref())?;
    let of = |name: &str| {
        field(&text, name).ok_or_else(|| Stop::Broken(format!("/proc/meminfo has no {name}")))
    };
    let used: u64 = of("MemTotal")?;
    let others = [of("MemFree")?, of("Buffers")?, of("Cached")?, of("AnonPages")?];
    let pages = others.iter().fold(used, |used, part| used.saturating_sub(*part)) / 4;
    Ok(pages.saturating_sub(kept))
}

/// Slabs that cannot be reclaimed, with what is too large for them, in KiB.
pub fn slabs() -> CaseResult<u64> {
    field(&files::read("/proc/meminfo".as_ref())?, "SUnreclaim")
        .ok_or_else(|| Stop::Skip("needs SUnreclaim in /proc/meminfo".into()))
}

/// A number of `/proc/meminfo`, in KiB.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Free pages in the lists of the processors.
fn kept(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("count:")?.trim().parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_meminfo_are_found() {
        assert_eq!(field("Slab: 5 kB\nSUnreclaim:      12345 kB\n", "SUnreclaim"), Some(12345));
        assert_eq!(field("SUnreclaimed: 5 kB", "SUnreclaim"), None);
        assert_eq!(field("SUnreclaim:", "SUnreclaim"), None);
    }

    #[test]
    fn pages_of_all_processors_and_zones_are_added() {
        let zone = "Node 0, zone DMA32\n  pagesets\n    cpu: 0\n              count:    252\n\
            \x20             high:     1000\n    cpu: 1\n              count:    3\n";
        assert_eq!(kept(zone), 255);
        assert_eq!(kept(""), 0);
    }
}
