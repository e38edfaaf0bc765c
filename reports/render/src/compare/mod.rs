// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Two runs side by side: what a change of the driver changed.
//!
//! Targets are matched by chip and kernel, else by chip alone, so that one kernel can be compared
//! with another. A case that passed and is skipped now counts as a regression: nothing proves its
//! rule any more. A listed flake that fails changes nothing.

mod noise;
mod text;

use crate::{CaseRun, PROBE, Run, TargetRun, Verdict};
use record::{Outcome, fact};
use serde::Serialize;
use std::collections::BTreeMap;

/// How a case changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Fails now, and did not before.
    NewFailure,
    /// Failed before, and ends worse now.
    Worse,
    /// Was there, and is not any more.
    Gone,
    /// Ran before, and is skipped now.
    NewlySkipped,
    /// Ran before, and did not come to an end now.
    NotRun,
    /// Failed before, and passes now.
    Fixed,
    /// Failed before, and fails in a milder way now.
    Milder,
    /// Did not run before, and passes now.
    NowRuns,
    /// Was not there before.
    NewCase,
    /// Passes as before, and takes longer than the noise between the runs explains.
    Slower,
}

impl Change {
    /// Every change, the one that matters most first.
    pub const ALL: &'static [Change] = &[
        Change::NewFailure,
        Change::Worse,
        Change::Gone,
        Change::NewlySkipped,
        Change::NotRun,
        Change::Fixed,
        Change::Milder,
        Change::NowRuns,
        Change::NewCase,
        Change::Slower,
    ];

    /// The word in reports for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Change::NewFailure => "new_failure",
            Change::Worse => "worse",
            Change::Gone => "gone",
            Change::NewlySkipped => "newly_skipped",
            Change::NotRun => "not_run",
            Change::Fixed => "fixed",
            Change::Milder => "milder",
            Change::NowRuns => "now_runs",
            Change::NewCase => "new_case",
            Change::Slower => "slower",
        }
    }

    /// The words in reports for people.
    pub const fn title(self) -> &'static str {
        match self {
            Change::NewFailure => "new failure",
            Change::Worse => "fails worse",
            Change::Gone => "gone",
            Change::NewlySkipped => "newly skipped",
            Change::NotRun => "did not run",
            Change::Fixed => "fixed",
            Change::Milder => "fails milder",
            Change::NowRuns => "runs now",
            Change::NewCase => "new case",
            Change::Slower => "slower",
        }
    }

    /// So many cases of it, in words: `2 new failures`, `2 gone`.
    pub fn count(self, count: usize) -> String {
        match self {
            Change::NewFailure | Change::NewCase => crate::format::plural(count, self.title()),
            Change::Worse
            | Change::Gone
            | Change::NewlySkipped
            | Change::NotRun
            | Change::Fixed
            | Change::Milder
            | Change::NowRuns
            | Change::Slower => format!("{count} {}", self.title()),
        }
    }

    /// Is the driver, or what is known of it, worse off?
    pub const fn is_regression(self) -> bool {
        match self {
            Change::NewFailure | Change::Worse | Change::Gone | Change::NewlySkipped => true,
            Change::NotRun
            | Change::Fixed
            | Change::Milder
            | Change::NowRuns
            | Change::NewCase
            | Change::Slower => false,
        }
    }
}

/// One side of a change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// What happened.
    pub outcome: Outcome,
    /// Why, in one line.
    pub message: String,
    /// Wall time.
    pub duration_us: u64,
}

impl Side {
    fn of(case: &CaseRun) -> Self {
        Side {
            outcome: case.outcome(),
            message: case.message().to_string(),
            duration_us: case.duration_us(),
        }
    }
}

/// A case that changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    /// How.
    pub change: Change,
    /// Target in the head run, as `gaudi2 debian:6.12`.
    pub target: String,
    /// Name of the case.
    pub case: String,
    /// In the base run.
    pub base: Option<Side>,
    /// In the head run.
    pub head: Option<Side>,
    /// `request`, `expected`, `got` ... of the head run.
    pub details: BTreeMap<String, String>,
    /// The command that repeats it.
    pub repeat: String,
}

/// What a comparison means for whoever waits for its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CompareResult {
    /// Nothing got worse.
    NoRegression,
    /// Something did.
    Regression,
    /// Nothing got worse as far as it ran, and not everything ran.
    Incomplete,
    /// No target of one run is in the other.
    NothingInCommon,
}

impl CompareResult {
    /// The exit code of `gauntlet compare`, in the manner of [`Conclusion`](crate::Conclusion).
    pub const fn exit_code(self) -> u8 {
        match self {
            CompareResult::NoRegression => 0,
            CompareResult::Regression => 1,
            CompareResult::NothingInCommon => 4,
            CompareResult::Incomplete => 6,
        }
    }

    /// The headline for people.
    pub const fn title(self) -> &'static str {
        match self {
            CompareResult::NoRegression => "No regression",
            CompareResult::Regression => "Regression",
            CompareResult::Incomplete => "No regression as far as it ran",
            CompareResult::NothingInCommon => "Nothing to compare",
        }
    }
}

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// When the base run started.
    pub base: String,
    /// When the head run started.
    pub head: String,
    /// Pairs of targets that were compared: base, head.
    pub pairs: Vec<(String, String)>,
    /// Targets of one run with no partner in the other.
    pub alone: Vec<String>,
    /// What changed; by change, then target, then name.
    pub changes: Vec<Changed>,
    /// Cases that both runs ran to the same end.
    pub same: usize,
}

impl Comparison {
    /// Compares a run with an earlier one.
    pub fn new(base: &Run, head: &Run) -> Self {
        let mut comparison = Comparison {
            base: base.started.clone(),
            head: head.started.clone(),
            pairs: vec![],
            alone: vec![],
            changes: vec![],
            same: 0,
        };
        let complete = !head.facts.contains_key(fact::SELECTION);
        let mut taken = vec![false; base.targets.len()];
        for target in &head.targets {
            let Some(at) = partner(base, target, &taken) else {
                comparison.alone.push(format!("head: {}", target.label()));
                continue;
            };
            taken[at] = true;
            let partner = &base.targets[at];
            comparison.pairs.push((partner.label(), target.label()));
            comparison.pair(partner, target, complete);
        }
        let lost = base.targets.iter().zip(&taken).filter(|(_, taken)| !**taken);
        comparison.alone.extend(lost.map(|(target, _)| format!("base: {}", target.label())));
        comparison
            .changes
            .sort_by(|a, b| (a.change, &a.target, &a.case).cmp(&(b.change, &b.target, &b.case)));
        comparison
    }

    /// What it means.
    pub fn result(&self) -> CompareResult {
        if self.pairs.is_empty() {
            CompareResult::NothingInCommon
        } else if self.changes.iter().any(|changed| changed.change.is_regression()) {
            CompareResult::Regression
        } else if self.changes.iter().any(|changed| changed.change == Change::NotRun) {
            CompareResult::Incomplete
        } else {
            CompareResult::NoRegression
        }
    }

    /// The cases that changed like this.
    pub fn with(&self, change: Change) -> impl Iterator<Item = &Changed> {
        self.changes.iter().filter(move |changed| changed.change == change)
    }

    /// `2 new failures, 1 fixed, 800 the same`.
    pub fn headline(&self) -> String {
        let count = |&change: &Change| (change, self.with(change).count());
        let there = Change::ALL.iter().map(count).filter(|(_, n)| *n > 0);
        let mut parts: Vec<String> = there.map(|(change, n)| change.count(n)).collect();
        parts.push(format!("{} the same", self.same));
        parts.join(", ")
    }

    /// What a maintainer reads in the terminal.
    pub fn text(&self) -> String {
        crate::format::visible(text::render(self))
    }

    /// Everything, for programs.
    pub fn json(&self) -> String {
        text::json(self)
    }

    /// One file for people.
    pub fn html(&self) -> String {
        crate::format::visible(crate::format::render_comparison(self))
    }

    fn pair(&mut self, base: &TargetRun, head: &TargetRun, complete: bool) {
        let noise = noise::Noise::between(base, head);
        for case in head.cases.iter().filter(|case| case.verdict != Verdict::Gone) {
            let before = base.case(&case.name).filter(|case| case.verdict != Verdict::Gone);
            let change = match before {
                Some(before) => changed(before, case)
                    .or_else(|| noise.is_slower(before, case).then_some(Change::Slower)),
                None => appeared(case),
            };
            match change {
                Some(change) => self.add(change, head, before, Some(case)),
                None => self.same += 1,
            }
        }
        if !complete {
            return;
        }
        for before in base.cases.iter().filter(|case| case.verdict != Verdict::Gone) {
            let there = head.case(&before.name).is_some_and(|case| case.verdict != Verdict::Gone);
            // A driver that loads as it should leaves no trace of that in a record.
            let change = if before.name == PROBE { Change::Fixed } else { Change::Gone };
            if !there {
                self.add(change, head, Some(before), None);
            }
        }
    }

    fn add(
        &mut self,
        change: Change,
        target: &TargetRun,
        base: Option<&CaseRun>,
        head: Option<&CaseRun>,
    ) {
        let Some(case) = head.or(base) else { return };
        let details = head.and_then(CaseRun::decisive).map(|attempt| attempt.details.clone());
        self.changes.push(Changed {
            change,
            target: target.label(),
            case: case.name.clone(),
            base: base.map(Side::of),
            head: head.map(Side::of),
            details: details.unwrap_or_default(),
            repeat: head.map(|case| case.repeat.clone()).unwrap_or_default(),
        });
    }
}

/// The target of the base run that a target of the head run is compared with.
fn partner(base: &Run, target: &TargetRun, taken: &[bool]) -> Option<usize> {
    let free = || base.targets.iter().enumerate().filter(|(at, _)| !taken[*at]);
    let same = free().find(|(_, other)| other.target == target.target);
    same.or_else(|| free().find(|(_, other)| other.target.asic == target.target.asic))
        .map(|(at, _)| at)
}

/// What an outcome is for a comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Pass,
    Bad,
    /// A listed flake that failed.
    Flaky,
    Skip,
    /// It did not come to an end.
    Nothing,
}

fn class(case: &CaseRun) -> Class {
    match case.outcome() {
        Outcome::Pass => Class::Pass,
        Outcome::Skip => Class::Skip,
        Outcome::NotRun | Outcome::Broken => Class::Nothing,
        Outcome::Fail
        | Outcome::KernelFault
        | Outcome::DeviceFinding
        | Outcome::Crash
        | Outcome::Timeout => match case.verdict == Verdict::Flake {
            true => Class::Flaky,
            false => Class::Bad,
        },
    }
}

/// The rule book for a case that both runs have.
fn changed(base: &CaseRun, head: &CaseRun) -> Option<Change> {
    match (class(base), class(head)) {
        (Class::Bad, Class::Bad) => match head.outcome().weight().cmp(&base.outcome().weight()) {
            std::cmp::Ordering::Less => Some(Change::Milder),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Change::Worse),
        },
        (Class::Pass | Class::Flaky | Class::Skip | Class::Nothing, Class::Bad) => {
            Some(Change::NewFailure)
        }
        (Class::Bad, Class::Pass) => Some(Change::Fixed),
        (Class::Skip | Class::Nothing, Class::Pass) => Some(Change::NowRuns),
        (Class::Pass | Class::Bad | Class::Flaky, Class::Skip) => Some(Change::NewlySkipped),
        (Class::Pass | Class::Bad | Class::Flaky, Class::Nothing) => Some(Change::NotRun),
        (Class::Skip, Class::Nothing) => Some(Change::NotRun),
        (Class::Pass | Class::Flaky, Class::Pass | Class::Flaky) => None,
        (Class::Bad | Class::Skip | Class::Nothing, Class::Flaky) => None,
        (Class::Skip | Class::Nothing, Class::Skip) => None,
        (Class::Nothing, Class::Nothing) => None,
    }
}

/// The same for a case that only the head run has.
fn appeared(case: &CaseRun) -> Option<Change> {
    match class(case) {
        Class::Bad => Some(Change::NewFailure),
        Class::Pass | Class::Flaky | Class::Skip => Some(Change::NewCase),
        Class::Nothing => Some(Change::NotRun),
    }
}
