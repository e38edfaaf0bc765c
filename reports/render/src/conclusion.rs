// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a run means for whoever waits for its exit code. Decided here and nowhere else.

use crate::{Boot, Run, Verdict};
use record::{Outcome, end};
use serde::Serialize;

/// What the run says, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Every case ended as expected; known issues and listed flakes included.
    AsExpected,
    /// A rule that held does not hold any more, the driver makes no device, or a case is gone.
    Regression,
    /// Nothing worse than a known issue that does not happen any more.
    UnexpectedPass,
    /// No case ran: nothing was selected, or everything was skipped.
    NothingRan,
    /// A regression took the kernel down.
    KernelDied,
    /// Cases could not be carried out or never ran; nothing is said about the driver.
    Infrastructure,
}

impl Conclusion {
    /// Every conclusion, by exit code.
    pub const ALL: &'static [Conclusion] = &[
        Conclusion::AsExpected,
        Conclusion::Regression,
        Conclusion::UnexpectedPass,
        Conclusion::NothingRan,
        Conclusion::KernelDied,
        Conclusion::Infrastructure,
    ];

    /// The exit code of `gauntlet run`. 2 is left to a wrong command line, and 4 is what the
    /// kernel's selftests use for a skip.
    pub const fn exit_code(self) -> u8 {
        match self {
            Conclusion::AsExpected => 0,
            Conclusion::Regression => 1,
            Conclusion::UnexpectedPass => 3,
            Conclusion::NothingRan => 4,
            Conclusion::KernelDied => 5,
            Conclusion::Infrastructure => 6,
        }
    }

    /// The word in reports for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Conclusion::AsExpected => "as_expected",
            Conclusion::Regression => "regression",
            Conclusion::UnexpectedPass => "unexpected_pass",
            Conclusion::NothingRan => "nothing_ran",
            Conclusion::KernelDied => "kernel_died",
            Conclusion::Infrastructure => "infrastructure",
        }
    }

    /// The headline for people.
    pub const fn title(self) -> &'static str {
        match self {
            Conclusion::AsExpected => "As expected",
            Conclusion::Regression => "Regression",
            Conclusion::UnexpectedPass => "A known issue is gone",
            Conclusion::NothingRan => "Nothing ran",
            Conclusion::KernelDied => "The kernel died",
            Conclusion::Infrastructure => "Could not be carried out",
        }
    }

    /// The rule, in order of weight: what is certain about the driver comes first.
    pub(crate) fn of(run: &Run) -> Self {
        let has = |verdict| run.cases().any(|(_, case)| case.verdict == verdict);
        let ran = |outcome| !matches!(outcome, Outcome::Skip | Outcome::NotRun);
        let regressed = has(Verdict::Regression);
        let dead = |boot: &&Boot| matches!(boot.reason.as_deref(), Some(end::PANIC | end::HANG));
        let by_regression = |boot: &Boot| {
            let case = |name| run.targets.get(boot.target)?.case(name);
            let blamed = boot.blamed.as_deref().and_then(case);
            blamed.is_none_or(|case| case.verdict == Verdict::Regression)
        };
        let died = run.cases().any(|(_, case)| case.verdict == Verdict::Regression && case.died())
            || run.boots.iter().filter(dead).any(by_regression);
        // Without a case to blame nothing is left to do again once the run has been resumed.
        let lost = |boot: &Boot| !boot.resumed && boot.blamed.is_none() && boot.is_trouble();
        let trouble = has(Verdict::Broken)
            || has(Verdict::NotRun)
            || run.is_cut()
            || run.boots.iter().any(lost);
        if died {
            Conclusion::KernelDied
        } else if regressed || has(Verdict::Gone) {
            Conclusion::Regression
        } else if trouble {
            Conclusion::Infrastructure
        } else if !run.cases().any(|(_, case)| ran(case.outcome())) {
            Conclusion::NothingRan
        } else if has(Verdict::Fixed) {
            Conclusion::UnexpectedPass
        } else {
            Conclusion::AsExpected
        }
    }
}
