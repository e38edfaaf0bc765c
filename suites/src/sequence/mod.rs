// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Sequences of calls, drawn by chance and cut down to the shortest that still fails.
//!
//! What a call must answer says a reference model of the interface ([`reference`]); the driver is
//! asked the same ([`drive`]). A failure prints its sequence as text and the seed: with the same
//! `--seed` the same sequences come again, and a line in `saved.txt` makes a sequence a case of
//! its own.
//!
//! Not covered: sequences over a reset, device memory behind an MMU, waits for several at once.

mod arguments;
mod drive;
mod reference;
mod step;

use case::{Case, CaseResult, Context, Failure, Stop};
use control::Asic;
use drive::Drive;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::fmt::Debug;
use step::Sequence;

/// Sequences that once failed: `name: step; step; ...` a line.
const SAVED: &str = include_str!("saved.txt");

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("sequence/one_thread/follows_the_interface", ROWS, one),
        Case::new("sequence/three_threads/follow_the_interface", ROWS, three),
    ];
    cases.extend(saved().map(|(name, sequence)| {
        let body = move |cx: &Context| Drive::new(cx)?.alone(&sequence);
        Case::new(format!("sequence/saved/{name}"), ROWS, body)
    }));
    cases.extend(arguments::cases());
    let cases = cases.into_iter().map(|case| case.logs(LOG).budget(120));
    cases.collect()
}

/// The rules that the reference model states.
const ROWS: &[&str] = &[
    "CB-CREATE-001",
    "CB-DESTROY-002",
    "CB-INFO-005",
    "MMAP-004",
    "MMAP-008",
    "MEM-MAPH-001",
    "MEM-UNMAP-002",
    "CS-OK-001",
    "WAIT-CS-001",
];

/// What the driver says of calls that it refuses.
const LOG: &[&str] = &[
    "CB info failed",
    "could not be respected",
    "cannot be respected",
    "no available va block",
    "Memory mmap failed",
    "unmap failed, no mem hnode",
    "CB handle",
    "CB with handle",
    "Can't wait on CS",
    "User requested CB size",
    "no match",
    "size to pin is invalid",
    "causes integer overflow",
    "user pointer is invalid",
    "to pin host memory",
    "Unknown opcode",
    "Invalid",
    "invalid",
    "exceeds",
    "must be larger than 0",
    "Failed to",
    "not supported",
];

/// The saved sequences.
fn saved() -> impl Iterator<Item = (String, Sequence)> {
    let lines = SAVED.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| {
        let (name, steps) = line.split_once(':')?;
        // Lines that cannot be read are found by the test below.
        Some((name.trim().to_string(), steps.parse().ok()?))
    })
}

/// Lets a rule hold for many values; the shortest for which it does not is the failure.
fn holds<S>(
    cx: &Context,
    values: &S,
    count: u32,
    rule: impl Fn(&S::Value) -> CaseResult,
) -> CaseResult
where
    S: Strategy,
    S::Value: Debug + ToString,
{
    let config = Config {
        cases: count,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    };
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&cx.at.seed.to_le_bytes());
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let last = std::cell::RefCell::new(None);
    let result = TestRunner::new_with_rng(config, random).run(values, |value| {
        rule(&value).map_err(|stop| {
            let reason = format!("{stop:?}");
            last.replace(Some((value.to_string(), stop)));
            TestCaseError::fail(reason)
        })
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Abort(why)) => Err(Stop::Broken(format!("no values: {why}"))),
        Err(TestError::Fail(_, value)) => Err(failure(cx, &value.to_string(), last.into_inner())),
    }
}

/// How the shortest value failed, with all that is needed to see it again.
fn failure(cx: &Context, shortest: &str, last: Option<(String, Stop)>) -> Stop {
    let failure = match last {
        Some((_, Stop::Fail(failure))) => failure,
        Some((_, other)) => return other,
        None => Failure::new("a sequence failed"),
    };
    Stop::Fail(failure.with("shortest", format_args!("{shortest}")).with("seed", cx.at.seed))
}

/// Sequences of one thread, and of several: each opens the device, which takes several times as
/// long on the later chip.
fn counts(asic: Asic) -> [u32; 2] {
    match asic {
        Asic::Gaudi => [48, 16],
        Asic::Gaudi2 => [16, 8],
    }
}

fn one(cx: &Context) -> CaseResult {
    let [count, _] = counts(cx.asic());
    holds(cx, &step::sequence(40), count, |sequence| Drive::new(cx)?.alone(sequence))
}

fn three(cx: &Context) -> CaseResult {
    let [_, count] = counts(cx.asic());
    let threads = step::threads(3, 30);
    holds(cx, &threads, count, |threads| Drive::new(cx)?.together(&threads.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_sequences_can_be_read_and_have_names_of_their_own() {
        let lines = SAVED.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let mut names: Vec<_> = saved().map(|(name, _)| name).collect();
        assert_eq!(names.len(), lines.count());
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
