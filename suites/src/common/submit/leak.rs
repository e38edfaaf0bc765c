// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Leaks of small kernel objects, whatever cache they are in.

use crate::common::{files, wait};
use case::{CaseResult, Failure, Stop};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the kernel may take to free what is free.
const SETTLE: Duration = Duration::from_secs(5);

/// Objects in use by cache of `kmalloc`.
type Objects = BTreeMap<String, u64>;

fn objects() -> CaseResult<Objects> {
    settle();
    let objects = parse(&files::read("/proc/slabinfo".as_ref())?);
    if objects.is_empty() {
        return Err(Stop::Skip("needs caches of kmalloc in /proc/slabinfo".into()));
    }
    Ok(objects)
}

/// Takes back the slabs that processors hold, whose free objects count as used (slub.c:
/// shrink_store). A kernel without these files counts less exactly.
fn settle() {
    let Ok(caches) = std::fs::read_dir("/sys/kernel/slab") else { return };
    for cache in caches.flatten() {
        if cache.file_name().to_string_lossy().starts_with("kmalloc-") {
            // Refused where the kernel does not take slabs back: counted as they are.
            let _ = std::fs::write(cache.path().join("shrink"), "1");
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

fn total(objects: &Objects) -> u64 {
    objects.values().sum()
}

/// Objects in use in all caches of `kmalloc`; skips where the kernel does not tell.
pub fn small_objects() -> CaseResult<u64> {
    Ok(total(&objects()?))
}

/// The caches that have grown, in words.
fn grown(before: &Objects, now: &Objects) -> String {
    let grown = now.iter().filter_map(|(cache, now)| {
        let then = before.get(cache).copied().unwrap_or(0);
        (*now > then).then(|| format!("{cache} by {}", now - then))
    });
    grown.collect::<Vec<_>>().join(", ")
}

/// Fails when the kernel's objects have grown by more than this in the rounds after the first few.
///
/// Some growth is no leak: other tasks allocate, too.
pub fn kernel_objects_stay(
    first: u64,
    rounds: u64,
    growth: u64,
    mut round: impl FnMut() -> CaseResult,
) -> CaseResult {
    for _ in 0..first {
        round()?;
    }
    let before = objects()?;
    for _ in 0..rounds {
        round()?;
    }
    let allowed = total(&before) + growth;
    let settled = wait::until(SETTLE, || Ok((total(&objects()?) <= allowed).then_some(())))?;
    if settled.is_some() {
        return Ok(());
    }
    let now = objects()?;
    let (then, now, caches) = (total(&before), total(&now), grown(&before, &now));
    let message =
        format!("objects of the kernel grow from {then} to {now} in {rounds} rounds: {caches}");
    Err(Stop::Fail(Failure::new(message).with("rounds", rounds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_caches_of_kmalloc_count() {
        let text = "kmalloc-256 10 20 256 16 1\nkmalloc-rnd-01-32 5 8 32 1 1\npid 7 8 1 1 1\n";
        assert_eq!(total(&parse(text)), 15);
        assert!(parse("pid 7 8\n").is_empty());
        assert!(parse("").is_empty());
    }

    #[test]
    fn caches_that_grow_are_named() {
        let objects = |small, large| {
            Objects::from([("kmalloc-8".to_string(), small), ("kmalloc-64".to_string(), large)])
        };
        assert_eq!(grown(&objects(5, 5), &objects(4, 7)), "kmalloc-64 by 2");
    }
}
