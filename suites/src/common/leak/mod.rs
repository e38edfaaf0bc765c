// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Leaks of the kernel, seen by repetition: what grows with every set of rounds.
//!
//! Others allocate, too, so what is counted for the whole kernel may grow once. A leak grows each
//! time; what a set of rounds has added is judged only when it is added by the next sets as well.
//! What is only kept for a while counts as used, and never the other way round: of several looks
//! the least is the truth.

mod areas;
mod level;
mod memory;
mod objects;
mod pages;

pub use level::{Next, level_stays};
pub use memory::kernel_memory_stays;
pub use objects::{cache_stays, kernel_objects_stay};

use super::wait;
use case::{CaseResult, Failure, Stop};
use std::collections::BTreeMap;
use std::time::Duration;

/// Looks before a set of rounds.
const LOOKS: u32 = 3;

/// How long the kernel may take to free what is free.
const SETTLE: Duration = Duration::from_secs(5);

/// What is counted.
trait Level: Sized {
    /// The least of two looks, each count by itself.
    fn least(self, other: Self) -> Self;
}

/// What is not listed is not used.
impl Level for BTreeMap<String, u64> {
    fn least(mut self, other: Self) -> Self {
        self.retain(|name, _| other.contains_key(name));
        for (name, count) in &mut self {
            *count = (*count).min(other[name]);
        }
        self
    }
}

/// Calls of a case that are repeated.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    /// Before the first look: what is allocated once, or kept in a pool, is allocated then.
    pub first: u32,
    /// In each set.
    pub counted: u32,
    /// Sets, all of which must add for a leak.
    pub sets: u32,
}

impl Rounds {
    /// So many, in up to three sets.
    pub const fn new(first: u32, counted: u32) -> Self {
        Rounds { first, counted, sets: 3 }
    }

    /// All in one set, for rounds whose number is told beforehand.
    pub const fn once(first: u32, counted: u32) -> Self {
        Rounds { first, counted, sets: 1 }
    }

    /// Runs them and fails when each set has added something, which `grown` says in words.
    fn stay<T: Level>(
        self,
        mut read: impl FnMut() -> CaseResult<T>,
        grown: impl Fn(&T, &T) -> Vec<String>,
        mut round: impl FnMut() -> CaseResult,
    ) -> CaseResult {
        for number in 0..self.first {
            round().map_err(|stop| stop.request(&format_args!("round {number} of the first")))?;
        }
        let mut told = Vec::new();
        for set in 0..self.sets {
            let mut before = read()?;
            for _ in 1..LOOKS {
                before = before.least(read()?);
            }
            for number in 0..self.counted {
                let at = format_args!("round {number} of set {set}");
                round().map_err(|stop| stop.request(&at))?;
            }
            let mut least = None;
            let settled = wait::until(SETTLE, || {
                let look = read()?;
                let now = match least.take() {
                    Some(earlier) => look.least(earlier),
                    None => look,
                };
                told = grown(&before, &now);
                least = Some(now);
                Ok(told.is_empty().then_some(()))
            })?;
            if settled.is_some() {
                return Ok(());
            }
        }
        let Rounds { counted, sets, .. } = self;
        let again = if sets > 1 { format!(", each of {sets} times") } else { String::new() };
        let message = format!("{counted} rounds add {}{again}", told.join(", "));
        Err(Stop::Fail(Failure::new(message)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    impl Level for u64 {
        fn least(self, other: u64) -> u64 {
            self.min(other)
        }
    }

    #[test]
    fn the_least_of_two_looks_is_told_name_by_name() {
        let look = |counts: [(&str, u64); 2]| {
            BTreeMap::from(counts.map(|(name, count)| (name.to_string(), count)))
        };
        let least = look([("a", 1), ("b", 5)]).least(look([("b", 3), ("c", 9)]));
        assert_eq!(least, BTreeMap::from([("b".to_string(), 3)]));
    }

    /// Rounds that add as many as this function says of their number.
    fn run(add: impl Fn(u32) -> u64) -> CaseResult {
        let (number, count) = (Cell::new(0), Cell::new(0));
        let rounds = Rounds { first: 2, counted: 4, sets: 2 };
        let read = || Ok(count.get());
        let grown = |before: &u64, now: &u64| match now - before {
            0..4 => Vec::new(),
            more => vec![format!("{more} objects")],
        };
        rounds.stay(read, grown, || {
            count.set(count.get() + add(number.get()));
            number.set(number.get() + 1);
            Ok(())
        })
    }

    #[test]
    fn only_what_every_set_adds_is_a_leak() {
        run(|_| 0).unwrap();
        run(|number| u64::from(number < 2) * 100).unwrap();
        run(|number| u64::from(number == 3) * 100).unwrap();
        let Err(Stop::Fail(failure)) = run(|_| 1) else { panic!("a leak is seen") };
        let message = format!("{failure:?}");
        assert!(message.contains("4 rounds add 4 objects, each of 2 times"), "{message}");
    }
}
