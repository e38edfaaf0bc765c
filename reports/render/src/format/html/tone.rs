// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What colour things have, and the parts of bars.

use crate::verdict::Gate;
use crate::{CaseRun, Conclusion, RowState, Verdict};
use record::Outcome;

/// A part of a bar with its entry in the legend.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub tone: &'static str,
    pub title: &'static str,
    pub count: usize,
}

impl Part {
    /// The title, in the plural where it has one and there are more.
    pub(super) fn words(&self) -> String {
        let verdict = Verdict::ALL.iter().find(|verdict| verdict.title() == self.title);
        let counted = verdict.map_or_else(String::new, |verdict| verdict.count(self.count));
        let words = counted.split_once(' ').map(|(_, words)| words.to_string());
        words.unwrap_or_else(|| self.title.to_string())
    }
}

/// The class of a verdict on a case that ended like this.
pub(super) const fn of(verdict: Verdict, outcome: Outcome) -> &'static str {
    match Gate::of(verdict, outcome) {
        Gate::Failed => "t-bad",
        Gate::Fixed => "t-fixed",
        Gate::NotCarriedOut => "t-odd",
        Gate::Known => "t-known",
        Gate::Skipped => "t-none",
        Gate::Passed => "t-ok",
    }
}

/// What the filters call a case.
pub(super) fn kind(case: &CaseRun) -> &'static str {
    match (of(case.verdict, case.outcome()), case.verdict.is_accepted()) {
        (_, false) => "bad",
        ("t-known", true) => "known",
        ("t-none", true) => "skip",
        (_, true) => "ok",
    }
}

/// The word on the chip of a case.
pub(super) fn word(case: &CaseRun) -> &'static str {
    match (case.verdict, case.outcome()) {
        (Verdict::Expected, Outcome::Skip) => "skipped",
        (Verdict::Expected, _) => "passed",
        (verdict, _) => verdict.title(),
    }
}

/// Class and colour (without `#`) of a conclusion.
pub(super) const fn conclusion(conclusion: Conclusion) -> (&'static str, &'static str) {
    match conclusion {
        Conclusion::AsExpected => ("t-ok", "1a7f4b"),
        Conclusion::Regression | Conclusion::KernelDied => ("t-bad", "c02a2a"),
        Conclusion::UnexpectedPass => ("t-fixed", "2456c7"),
        Conclusion::NothingRan => ("t-none", "6b7480"),
        Conclusion::Infrastructure => ("t-odd", "7a3fb0"),
    }
}

/// Class of a state of a requirement.
pub(super) const fn row(state: RowState) -> &'static str {
    match state {
        RowState::Failed => "t-bad",
        RowState::Proven => "t-ok",
        RowState::NotReached | RowState::OtherChip => "t-none",
    }
}

/// Cases as parts of a bar: verdicts in order of weight, then what passed, then what was skipped.
pub(super) fn parts<'a>(cases: impl IntoIterator<Item = &'a CaseRun>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut add = |tone, title| match parts.iter_mut().find(|part| part.title == title) {
        Some(part) => part.count += 1,
        None => parts.push(Part { tone, title, count: 1 }),
    };
    for case in cases {
        let title = match case.verdict {
            Verdict::Expected => word(case),
            verdict => verdict.title(),
        };
        add(of(case.verdict, case.outcome()), title);
    }
    let rank = |part: &Part| {
        let listed = Verdict::ALL.iter().position(|verdict| verdict.title() == part.title);
        (listed.unwrap_or(Verdict::ALL.len()), part.title)
    };
    parts.sort_by_key(rank);
    parts
}
