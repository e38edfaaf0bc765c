// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Leaks of small kernel objects, each cache by itself: a leak in one does not hide behind what
//! others give back.

use super::Rounds;
use case::{CaseResult, Stop, require};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Objects in use by cache.
pub type Objects = BTreeMap<String, u64>;

/// A cache's files in sysfs (slub.c: shrink_attr, objects_attr).
struct Cache {
    name: String,
    shrink: File,
    objects: File,
}

impl Cache {
    fn open(folder: &Path) -> Option<Self> {
        let name = folder.file_name()?.to_str()?.to_string();
        let objects = File::open(folder.join("objects")).ok()?;
        let shrink = File::options().write(true).open(folder.join("shrink")).ok()?;
        Some(Cache { name, shrink, objects })
    }

    /// Objects in use. Free ones of slabs that a processor holds count as used, so these are taken
    /// back first, and nothing is opened in between: that would allocate.
    fn objects(&self) -> CaseResult<u64> {
        // A kernel that refuses this counts less exactly.
        let _ = self.shrink.write_at(b"1", 0);
        let mut text = [0; 64];
        let told =
            self.objects.read_at(&mut text, 0).ok().and_then(|length| parse(&text[..length]));
        let broken =
            || Stop::Broken(format!("/sys/kernel/slab/{}/objects has no number", self.name));
        told.ok_or_else(broken)
    }
}

/// Some caches.
pub struct Caches(Vec<Cache>);

impl Caches {
    /// Opens those of `kmalloc`; skips where the kernel does not tell.
    pub fn open() -> CaseResult<Self> {
        Self::named("kmalloc-*", |name| name.starts_with("kmalloc-"))
    }

    /// Opens those of some names, told as `which`; skips where the kernel does not tell.
    fn named(which: &str, meant: impl Fn(&str) -> bool) -> CaseResult<Self> {
        let listed = std::fs::read_dir("/sys/kernel/slab").into_iter().flatten().flatten();
        let wanted = listed.filter(|entry| meant(&entry.file_name().to_string_lossy()));
        let mut caches: Vec<Cache> =
            wanted.filter_map(|entry| Cache::open(&entry.path())).collect();
        require(!caches.is_empty(), &format!("needs objects of {which} in /sys/kernel/slab"))?;
        caches.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Caches(caches))
    }

    /// Their objects in use.
    pub fn objects(&self) -> CaseResult<Objects> {
        self.0.iter().map(|cache| Ok((cache.name.clone(), cache.objects()?))).collect()
    }
}

/// The sum of a file that tells one count, and those of each node behind it.
fn parse(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.split_whitespace().next()?.parse().ok()
}

/// The caches that have grown by more than this, in words.
pub fn grown(before: &Objects, now: &Objects, allowed: u64) -> Vec<String> {
    let grown = now.iter().filter_map(|(cache, now)| {
        let then = before.get(cache).copied().unwrap_or(0);
        (*now > then + allowed).then(|| format!("{} objects of {cache}", now - then))
    });
    grown.collect()
}

/// Fails when a cache of `kmalloc` grows in every set of rounds by more than this for each of them.
pub fn kernel_objects_stay(
    rounds: Rounds,
    growth: u64,
    round: impl FnMut() -> CaseResult,
) -> CaseResult {
    stay(&Caches::open()?, rounds, growth * u64::from(rounds.counted), round)
}

/// Fails when the cache of this name grows in every set of rounds by an object for about each.
/// Half as many are allowed: others allocate, too, and the kernel frees some objects late.
pub fn cache_stays(cache: &str, rounds: Rounds, round: impl FnMut() -> CaseResult) -> CaseResult {
    let caches = Caches::named(cache, |name| name == cache)?;
    stay(&caches, rounds, u64::from(rounds.counted) / 2, round)
}

fn stay(
    caches: &Caches,
    rounds: Rounds,
    allowed: u64,
    round: impl FnMut() -> CaseResult,
) -> CaseResult {
    rounds.stay(|| caches.objects(), |before, now| grown(before, now, allowed), round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_all_nodes_counts() {
        assert_eq!(parse(b"1234 N0=1000 N1=234\n"), Some(1234));
        assert_eq!(parse(b"\n"), None);
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
