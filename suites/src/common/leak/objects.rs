// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Leaks of small kernel objects, each cache of `kmalloc` by itself: a leak in one does not hide
//! behind what others give back.

use super::Rounds;
use crate::common::files;
use crate::common::resources::shrink;
use case::{CaseResult, Stop};
use std::collections::BTreeMap;

/// Objects in use by cache of `kmalloc`.
pub type Objects = BTreeMap<String, u64>;

/// Those of now; skips where the kernel does not tell.
pub fn objects() -> CaseResult<Objects> {
    settle();
    let objects = parse(&files::read("/proc/slabinfo".as_ref())?);
    if objects.is_empty() {
        return Err(Stop::Skip("needs caches of kmalloc in /proc/slabinfo".into()));
    }
    Ok(objects)
}

/// Takes back what processors hold, so that the counts are exact.
fn settle() {
    let Ok(caches) = std::fs::read_dir("/sys/kernel/slab") else { return };
    for name in caches.flatten().filter_map(|cache| cache.file_name().into_string().ok()) {
        if name.starts_with("kmalloc-") {
            shrink(&name);
        }
    }
}

fn parse(text: &str) -> Objects {
    let counts = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next().filter(|name| name.starts_with("kmalloc-"))?;
        Some((name.to_string(), words.next()?.parse().ok()?))
    });
    counts.collect()
}

/// The caches that have grown by more than this, in words.
pub fn grown(before: &Objects, now: &Objects, allowed: u64) -> Vec<String> {
    let grown = now.iter().filter_map(|(cache, now)| {
        let then = before.get(cache).copied().unwrap_or(0);
        (*now > then + allowed).then(|| format!("{} objects of {cache}", now - then))
    });
    grown.collect()
}

/// Fails when a cache grows in every set of rounds by more than this for each of them.
pub fn kernel_objects_stay(
    rounds: Rounds,
    growth: u64,
    round: impl FnMut() -> CaseResult,
) -> CaseResult {
    let allowed = growth * u64::from(rounds.counted);
    rounds.stay(objects, |before, now| grown(before, now, allowed), round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_caches_of_kmalloc_count() {
        let text = "kmalloc-256 10 20 256 16 1\nkmalloc-rnd-01-32 5 8 32 1 1\npid 7 8 1 1 1\n";
        let expected = [("kmalloc-256".to_string(), 10), ("kmalloc-rnd-01-32".to_string(), 5)];
        assert_eq!(parse(text), Objects::from(expected));
        assert!(parse("pid 7 8\n").is_empty());
        assert!(parse("").is_empty());
    }

    #[test]
    fn caches_that_grow_are_named() {
        let objects = |small, large| {
            Objects::from([("kmalloc-8".to_string(), small), ("kmalloc-64".to_string(), large)])
        };
        assert_eq!(grown(&objects(5, 5), &objects(1, 7), 1), ["2 objects of kmalloc-64"]);
        assert!(grown(&objects(5, 5), &objects(1, 7), 2).is_empty());
    }
}
