// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Memory of the kernel that something large must give back: a reset, a driver that leaves.
//!
//! Seen by repetition in two places that every kernel shows: areas by the function that asked for
//! them (/proc/vmallocinfo), and slabs with what is too large for them (/proc/meminfo, SUnreclaim).
//! Not seen: single small objects (`submit::kernel_objects_stay` sees those of quick operations),
//! memory for DMA.

use super::{files, wait};
use case::{CaseResult, Failure, Stop};
use std::collections::BTreeMap;
use std::time::Duration;

/// Stacks of threads, which come and go with the kernel's own workers.
const STACKS: &[&str] = &["dup_task_struct", "alloc_thread_stack_node", "copy_process"];

/// What the rest of the kernel may keep in slabs meanwhile, for each round. One page of 4 KiB for
/// each of a handful of structures is not seen; a table of a queue (32 KiB) for each of them is.
const SLAB_KIB: u64 = 64;

/// How long the kernel may take to free what is free.
const SETTLE: Duration = Duration::from_secs(10);

/// Rounds before the first look: what is allocated once is allocated then.
const WARM_UP: u32 = 2;

struct Memory {
    /// Areas by function.
    areas: BTreeMap<String, u64>,
    /// Slabs that cannot be reclaimed, in KiB.
    slabs: u64,
}

impl Memory {
    fn read() -> CaseResult<Self> {
        let areas = areas(&files::read("/proc/vmallocinfo".as_ref())?);
        let slabs = slabs(&files::read("/proc/meminfo".as_ref())?)
            .ok_or_else(|| Stop::Skip("needs SUnreclaim in /proc/meminfo".into()))?;
        if areas.is_empty() {
            return Err(Stop::Skip("needs areas in /proc/vmallocinfo".into()));
        }
        Ok(Memory { areas, slabs })
    }

    /// What has grown with the rounds, in words.
    fn grown(&self, before: &Memory, rounds: u32) -> Vec<String> {
        let mut grown = Vec::new();
        for (function, now) in &self.areas {
            let then = before.areas.get(function).copied().unwrap_or(0);
            if *now >= then + u64::from(rounds) {
                grown.push(format!("areas of {function} grow from {then} to {now}"));
            }
        }
        if self.slabs > before.slabs + u64::from(rounds) * SLAB_KIB {
            grown.push(format!("slabs grow from {} to {} KiB", before.slabs, self.slabs));
        }
        grown
    }
}

fn areas(text: &str) -> BTreeMap<String, u64> {
    let mut areas = BTreeMap::new();
    for line in text.lines() {
        // Range, bytes, function+offset; areas that wait to be freed have no function.
        let function = line.split_whitespace().nth(2).and_then(|word| word.split_once('+'));
        let Some((function, _)) = function else { continue };
        if !STACKS.contains(&function) {
            *areas.entry(function.to_string()).or_default() += 1;
        }
    }
    areas
}

fn slabs(text: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix("SUnreclaim:"))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Fails when the kernel's memory grows with the rounds of `round`.
pub fn kernel_memory_stays(rounds: u32, mut round: impl FnMut() -> CaseResult) -> CaseResult {
    for _ in 0..WARM_UP {
        round()?;
    }
    let before = Memory::read()?;
    for _ in 0..rounds {
        round()?;
    }
    let settled = wait::until(SETTLE, || {
        Ok(Memory::read()?.grown(&before, rounds).is_empty().then_some(()))
    })?;
    if settled.is_some() {
        return Ok(());
    }
    let grown = Memory::read()?.grown(&before, rounds);
    let message = format!("in {rounds} rounds {}", grown.join(", "));
    Err(Stop::Fail(Failure::new(message).with("rounds", rounds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AREAS: &str = "0x00000000a-0x00000000b    8192 gen_pool_add_owner+0x42/0xc0 pages=1 vmalloc\n\
        0x00000000c-0x00000000d   20480 dup_task_struct+0x5b/0x1b0 pages=4 vmalloc\n\
        0x00000000e-0x00000000f  135168 unpurged vm_area\n\
        0x00000000e-0x00000000f    8192 gen_pool_add_owner+0x42/0xc0 pages=1 vmalloc";

    #[test]
    fn areas_are_counted_by_function() {
        let expected = BTreeMap::from([("gen_pool_add_owner".to_string(), 2)]);
        assert_eq!(areas(AREAS), expected);
        assert!(areas("").is_empty());
    }

    #[test]
    fn slabs_are_found() {
        assert_eq!(slabs("Slab: 5 kB\nSUnreclaim:      12345 kB\n"), Some(12345));
        assert_eq!(slabs("SReclaimable: 5 kB"), None);
        assert_eq!(slabs("SUnreclaim:"), None);
    }

    #[test]
    fn growth_with_the_rounds_is_told() {
        let memory =
            |areas, slabs| Memory { areas: BTreeMap::from([("f".to_string(), areas)]), slabs };
        let before = memory(3, 1000);
        assert!(memory(6, 1256).grown(&before, 4).is_empty());
        assert_eq!(memory(7, 1000).grown(&before, 4), ["areas of f grow from 3 to 7"]);
        assert_eq!(memory(3, 1257).grown(&before, 4), ["slabs grow from 1000 to 1257 KiB"]);
    }
}
