// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Memory of the kernel that something large must give back: a reset, a driver that leaves.
//!
//! Areas of vmalloc by function, and slabs with what is too large for them. Not seen: single small
//! objects (`kernel_objects_stay` sees those of quick operations), memory for DMA.

use super::areas::{self, Areas};
use super::{Level, Rounds, pages};
use case::CaseResult;

/// What the rest of the kernel may keep in slabs meanwhile, for each round. One page of 4 KiB for
/// each of a handful of structures is not seen; a table of a queue (32 KiB) for each of them is.
const SLAB_KIB: u64 = 64;

struct Memory {
    areas: Areas,
    /// In KiB.
    slabs: u64,
}

impl Level for Memory {
    fn least(self, other: Self) -> Self {
        Memory { areas: self.areas.least(other.areas), slabs: self.slabs.min(other.slabs) }
    }
}

impl Memory {
    fn read() -> CaseResult<Self> {
        Ok(Memory { areas: areas::all()?, slabs: pages::slabs()? })
    }

    /// What has grown with the rounds, in words.
    fn grown(&self, before: &Memory, rounds: u32) -> Vec<String> {
        let mut grown = Vec::new();
        for (function, now) in &self.areas {
            let then = before.areas.get(function).copied().unwrap_or(0);
            if *now >= then + u64::from(rounds) {
                grown.push(format!("{} areas of {function}", now - then));
            }
        }
        if self.slabs > before.slabs + u64::from(rounds) * SLAB_KIB {
            grown.push(format!("{} KiB of slabs", self.slabs - before.slabs));
        }
        grown
    }
}

/// Fails when the kernel's memory grows with the rounds of `round`.
pub fn kernel_memory_stays(rounds: Rounds, round: impl FnMut() -> CaseResult) -> CaseResult {
    rounds.stay(Memory::read, |before, now| now.grown(before, rounds.counted), round)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_with_the_rounds_is_told() {
        let memory =
            |areas, slabs| Memory { areas: Areas::from([("f".to_string(), areas)]), slabs };
        let before = memory(3, 1000);
        assert!(memory(6, 1256).grown(&before, 4).is_empty());
        assert_eq!(memory(7, 1000).grown(&before, 4), ["4 areas of f"]);
        assert_eq!(memory(3, 1257).grown(&before, 4), ["257 KiB of slabs"]);
    }
}
