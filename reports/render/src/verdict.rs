// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The rule book: outcome x expectation = verdict.

use record::Outcome;
use serde::Serialize;

/// What the expectations of a target say about a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing special: the rule holds.
    Pass,
    /// Known to end like this with the kernel of this target.
    Known(Outcome),
    /// Known to end like this, with other kernels than the one of this target.
    KnownElsewhere(Outcome),
    /// Listed as a skip.
    Skip,
    /// Listed as a flake.
    Flake,
    /// There is a list of the cases of this chip, and this one is not on it.
    Unlisted,
}

/// What an outcome means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It used to hold and does not any more (or ends worse than known).
    Regression,
    /// A case that the list of this chip names does not exist any more.
    Gone,
    /// It could not be carried out; nothing is said about the driver.
    Broken,
    /// It was planned and never ran.
    NotRun,
    /// Listed as a known issue, and it passes.
    Fixed,
    /// Fails as known, with a defect and a link.
    KnownIssue,
    /// Failed, and it is listed as a flake.
    Flake,
    /// The first time that this case is seen, and nothing is wrong.
    New,
    /// As expected.
    Expected,
}

impl Verdict {
    /// Every verdict, the one that matters most first.
    pub const ALL: &'static [Verdict] = &[
        Verdict::Regression,
        Verdict::Gone,
        Verdict::Broken,
        Verdict::NotRun,
        Verdict::Fixed,
        Verdict::KnownIssue,
        Verdict::Flake,
        Verdict::New,
        Verdict::Expected,
    ];

    /// The word in reports for machines.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Regression => "regression",
            Verdict::Gone => "gone",
            Verdict::Broken => "broken",
            Verdict::NotRun => "not_run",
            Verdict::Fixed => "fixed",
            Verdict::KnownIssue => "known_issue",
            Verdict::Flake => "flake",
            Verdict::New => "new",
            Verdict::Expected => "expected",
        }
    }

    /// The words in reports for people.
    pub const fn title(self) -> &'static str {
        match self {
            Verdict::Regression => "regression",
            Verdict::Gone => "gone",
            Verdict::Broken => "broken",
            Verdict::NotRun => "not run",
            Verdict::Fixed => "fixed",
            Verdict::KnownIssue => "known issue",
            Verdict::Flake => "flake",
            Verdict::New => "new",
            Verdict::Expected => "as expected",
        }
    }

    /// So many cases of it, in words: `2 regressions`, `2 as expected`.
    pub fn count(self, count: usize) -> String {
        match self {
            Verdict::Regression | Verdict::KnownIssue | Verdict::Flake => {
                crate::format::plural(count, self.title())
            }
            Verdict::Gone
            | Verdict::Broken
            | Verdict::NotRun
            | Verdict::Fixed
            | Verdict::New
            | Verdict::Expected => format!("{count} {}", self.title()),
        }
    }

    /// Does it leave the run as good as it was?
    pub const fn is_accepted(self) -> bool {
        match self {
            Verdict::Regression
            | Verdict::Gone
            | Verdict::Broken
            | Verdict::NotRun
            | Verdict::Fixed => false,
            Verdict::KnownIssue | Verdict::Flake | Verdict::New | Verdict::Expected => true,
        }
    }
}

/// What a format with fewer words makes of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The driver is worse than it was.
    Failed,
    /// It is better than the expectations say.
    Fixed,
    /// The test is to blame.
    NotCarriedOut,
    /// It fails as listed.
    Known,
    /// It does not apply.
    Skipped,
    /// Nothing is wrong.
    Passed,
}

impl Gate {
    /// The rule.
    pub const fn of(verdict: Verdict, outcome: Outcome) -> Self {
        match verdict {
            Verdict::Regression | Verdict::Gone => Gate::Failed,
            Verdict::Fixed => Gate::Fixed,
            Verdict::Broken | Verdict::NotRun => Gate::NotCarriedOut,
            Verdict::KnownIssue | Verdict::Flake => Gate::Known,
            Verdict::New | Verdict::Expected => match outcome {
                Outcome::Skip => Gate::Skipped,
                Outcome::Pass
                | Outcome::Fail
                | Outcome::KernelFault
                | Outcome::DeviceFinding
                | Outcome::Crash
                | Outcome::Timeout
                | Outcome::Broken
                | Outcome::NotRun => Gate::Passed,
            },
        }
    }
}

/// The verdict on a case that was planned. ([`Verdict::Gone`] is for those that were not.)
pub fn judge(outcome: Outcome, expectation: Expectation) -> Verdict {
    use Expectation as E;
    use Outcome as O;
    match (outcome, expectation) {
        (O::NotRun, E::Pass | E::Known(_) | E::KnownElsewhere(_)) => Verdict::NotRun,
        (O::NotRun, E::Skip | E::Flake | E::Unlisted) => Verdict::NotRun,
        (O::Broken, E::Pass | E::Known(_) | E::KnownElsewhere(_)) => Verdict::Broken,
        (O::Broken, E::Skip | E::Flake | E::Unlisted) => Verdict::Broken,

        (O::Skip, E::Pass | E::Known(_) | E::KnownElsewhere(_) | E::Skip) => Verdict::Expected,
        (O::Skip, E::Flake) => Verdict::Expected,
        (O::Skip, E::Unlisted) => Verdict::New,

        (O::Pass, E::Pass | E::Flake | E::KnownElsewhere(_)) => Verdict::Expected,
        (O::Pass, E::Known(_) | E::Skip) => Verdict::Fixed,
        (O::Pass, E::Unlisted) => Verdict::New,

        (bad, E::Known(known) | E::KnownElsewhere(known)) if bad == known => Verdict::KnownIssue,
        (
            O::Fail | O::KernelFault | O::DeviceFinding | O::Crash | O::Timeout,
            E::Pass | E::Known(_) | E::KnownElsewhere(_) | E::Unlisted,
        ) => Verdict::Regression,
        // A skip often stands for a case that takes the kernel down.
        (O::Fail | O::KernelFault | O::DeviceFinding | O::Crash | O::Timeout, E::Skip) => {
            Verdict::KnownIssue
        }
        (O::Fail | O::DeviceFinding | O::Crash | O::Timeout, E::Flake) => Verdict::Flake,
        // No flake excuses a kernel that warns.
        (O::KernelFault, E::Flake) => Verdict::Regression,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One row per expectation, one letter per outcome of [`Outcome::ALL`].
    const RULES: &[(Expectation, &str)] = &[
        //                                       pass skip not_run broken fail finding timeout crash fault
        (Expectation::Pass, "E E N B R R R R R"),
        (Expectation::Known(Outcome::Fail), "F E N B K R R R R"),
        (Expectation::Known(Outcome::KernelFault), "F E N B R R R R K"),
        (Expectation::KnownElsewhere(Outcome::Fail), "E E N B K R R R R"),
        (Expectation::Skip, "F E N B K K K K K"),
        (Expectation::Flake, "E E N B f f f f R"),
        (Expectation::Unlisted, "n n N B R R R R R"),
    ];

    fn letter(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Regression => "R",
            Verdict::Gone => "G",
            Verdict::Broken => "B",
            Verdict::NotRun => "N",
            Verdict::Fixed => "F",
            Verdict::KnownIssue => "K",
            Verdict::Flake => "f",
            Verdict::New => "n",
            Verdict::Expected => "E",
        }
    }

    #[test]
    fn the_rules_are_the_table() {
        for (expectation, row) in RULES {
            let got: Vec<_> =
                Outcome::ALL.iter().map(|&outcome| letter(judge(outcome, *expectation))).collect();
            assert_eq!(got.join(" "), *row, "{expectation:?}");
        }
    }

    #[test]
    fn nothing_that_went_wrong_is_called_expected() {
        for (expectation, _) in RULES {
            for &outcome in Outcome::ALL.iter().filter(|outcome| outcome.is_bad()) {
                let verdict = judge(outcome, *expectation);
                assert!(!matches!(verdict, Verdict::Expected | Verdict::New | Verdict::Fixed));
            }
        }
    }
}
