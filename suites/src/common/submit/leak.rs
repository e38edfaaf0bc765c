// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Leaks of small kernel objects, whatever cache they are in.

use crate::common::{files, wait};
use case::{CaseResult, Failure, Stop};
use std::time::Duration;

/// How long the kernel may take to free what is free.
const SETTLE: Duration = Duration::from_secs(5);

/// Objects in use in all caches of `kmalloc`.
fn objects() -> CaseResult<u64> {
    let text = files::read("/proc/slabinfo".as_ref())?;
    parse(&text).ok_or_else(|| Stop::Skip("needs caches of kmalloc in /proc/slabinfo".into()))
}

fn parse(text: &str) -> Option<u64> {
    let counts = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        words.next().filter(|name| name.starts_with("kmalloc-"))?;
        words.next()?.parse::<u64>().ok()
    });
    let counts: Vec<u64> = counts.collect();
    (!counts.is_empty()).then(|| counts.iter().sum())
}

/// Fails when the kernel's objects have grown by about the number of rounds of `round`.
///
/// Half the number of rounds is allowed: the kernel counts the free objects of a slab that a
/// processor holds as used, and other tasks allocate, too.
pub fn kernel_objects_stay(rounds: u64, mut round: impl FnMut() -> CaseResult) -> CaseResult {
    for _ in 0..16 {
        round()?;
    }
    let before = objects()?;
    for _ in 0..rounds {
        round()?;
    }
    let allowed = before + rounds / 2;
    let settled = wait::until(SETTLE, || Ok((objects()? <= allowed).then_some(())))?;
    if settled.is_some() {
        return Ok(());
    }
    let now = objects()?;
    let message = format!("objects of the kernel grow from {before} to {now} in {rounds} rounds");
    Err(Stop::Fail(Failure::new(message).with("rounds", rounds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_caches_of_kmalloc_count() {
        let text = "kmalloc-256 10 20 256 16 1\nkmalloc-rnd-01-32 5 8 32 1 1\npid 7 8 1 1 1\n";
        assert_eq!(parse(text), Some(15));
        assert_eq!(parse("pid 7 8\n"), None);
        assert_eq!(parse(""), None);
    }
}
