// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Which cases are slower than the difference between two runs explains.
//!
//! The machines of two runs differ in speed, and every duration scatters. Both are taken from the
//! runs: the median of the ratios of all cases is the speed, the median distance from it is the
//! scatter. A case is slower when its ratio is far outside and the time lost can be noticed.

use crate::{CaseRun, TargetRun};
use record::Outcome;

/// Shorter cases say nothing about speed.
const SHORTEST_US: u64 = 500;
/// Less time lost than this does not matter.
const NOTICEABLE_US: f64 = 20_000.0;
/// At least this much slower than the rest.
const FACTOR: f64 = 2.0;
/// Scatters away from the median that still count as noise.
const SCATTERS: f64 = 6.0;

/// The noise between two runs of a target.
pub(super) struct Noise {
    /// Natural logarithm of the ratio of speeds.
    speed: f64,
    /// How far a ratio may lie above it.
    margin: f64,
}

impl Noise {
    pub(super) fn between(base: &TargetRun, head: &TargetRun) -> Self {
        let pairs = head.cases.iter().filter_map(|case| Some((base.case(&case.name)?, case)));
        let mut ratios: Vec<f64> = pairs.filter_map(|(base, head)| ratio(base, head)).collect();
        let speed = median(&mut ratios);
        let mut distances: Vec<f64> = ratios.iter().map(|ratio| (ratio - speed).abs()).collect();
        let scatter = median(&mut distances);
        Noise { speed, margin: FACTOR.ln().max(SCATTERS * scatter) }
    }

    pub(super) fn is_slower(&self, base: &CaseRun, head: &CaseRun) -> bool {
        let Some(ratio) = ratio(base, head) else { return false };
        let fair = base.duration_us() as f64 * self.speed.exp();
        ratio - self.speed > self.margin && head.duration_us() as f64 - fair > NOTICEABLE_US
    }
}

/// Logarithm of how much longer a case took, where both passed and were long enough.
fn ratio(base: &CaseRun, head: &CaseRun) -> Option<f64> {
    let told =
        |case: &CaseRun| case.outcome() == Outcome::Pass && case.duration_us() >= SHORTEST_US;
    (told(base) && told(head)).then(|| (head.duration_us() as f64 / base.duration_us() as f64).ln())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
