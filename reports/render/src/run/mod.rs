// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A run as reports see it, made from its record.

mod build;
mod rows;
mod take;

pub use rows::{RowRun, RowState};
pub use take::outcome_of_end;

use crate::{Conclusion, Entry, Verdict};
use record::{Facts, Outcome, Target, end};
use std::collections::BTreeMap;
use thiserror::Error;

/// The name under which a driver's loading is told, where something went wrong with it. No case
/// has it; expectations may name it.
pub const PROBE: &str = "boot/driver/makes_a_device";

/// So many attempts are told one after the other.
const ATTEMPTS: usize = 8;

/// Why a record gives no run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RunError {
    /// The first line is not `run_start`.
    #[error("the record does not begin with run_start: it is empty or no record")]
    NoStart,
    /// A line names a target or a boot that does not exist.
    #[error("line {line} of the record names {what}, which does not exist")]
    Dangling {
        /// Counted from 1.
        line: usize,
        /// What it names.
        what: String,
    },
}

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    /// UTC, RFC 3339.
    pub started: String,
    /// The command line of the run.
    pub command: Vec<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// Facts of the host.
    pub facts: Facts,
    /// What it was made against, with the cases.
    pub targets: Vec<TargetRun>,
    /// Every guest, in order.
    pub boots: Vec<Boot>,
    /// How it ended; `None` where the record stops before the end.
    pub end: Option<String>,
    /// Time of the last line.
    pub duration_ms: u64,
    /// The requirement catalogue against this run.
    pub rows: Vec<RowRun>,
    /// Rows that cases name and the catalogue does not have.
    pub unknown_rows: Vec<String>,
    conclusion: Conclusion,
}

/// One target of a run.
#[derive(Clone, Debug)]
pub struct TargetRun {
    /// Chip and kernel as asked for.
    pub target: Target,
    /// `uname -r` of the kernel, once a guest of it was up.
    pub release: Option<String>,
    /// Facts of its guests.
    pub facts: Facts,
    /// Expectation files that were used.
    pub expectations: Vec<String>,
    /// Every case: planned, run, or gone; sorted by name.
    pub cases: Vec<CaseRun>,
}

impl TargetRun {
    /// `gaudi2 debian:6.12`.
    pub fn label(&self) -> String {
        format!("{} {}", self.target.asic, self.target.kernel)
    }

    /// What expectations are looked up with: the release where known.
    pub fn kernel(&self) -> &str {
        self.release.as_deref().unwrap_or(&self.target.kernel)
    }

    /// The case of this name.
    pub fn case(&self, name: &str) -> Option<&CaseRun> {
        let at = self.cases.binary_search_by(|case| case.name.as_str().cmp(name)).ok()?;
        self.cases.get(at)
    }

    /// Counts by verdict and outcome.
    pub fn counts(&self) -> Counts {
        Counts::of(&self.cases)
    }

    /// Names of the declared workarounds of its guests.
    pub fn workarounds(&self) -> impl Iterator<Item = &str> {
        let named = self.facts.get(record::fact::WORKAROUNDS);
        named.into_iter().flat_map(|names| names.split_whitespace())
    }
}

/// One guest of a run.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Counted from 0.
    pub number: u32,
    /// Index into the targets.
    pub target: usize,
    /// The exact command line.
    pub command: Vec<String>,
    /// Facts of the guest.
    pub facts: Facts,
    /// When it was started, milliseconds since the start of the run.
    pub started_ms: u64,
    /// When its runner was up.
    pub booted_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// How it ended; one of [`record::end`].
    pub reason: Option<String>,
    /// Last lines of its console, where it ended badly.
    pub console: Vec<String>,
    /// The case that ran when it ended badly.
    pub blamed: Option<String>,
    /// The run ended after it, and was resumed.
    pub resumed: bool,
}

impl Boot {
    /// Did it end in another way than asked for?
    pub fn is_trouble(&self) -> bool {
        // A guest that gave up after a case has written down what that case did; one that was
        // stopped has only lost what did not run, which is told anyway.
        let fine = [end::DONE, end::WRECKED, end::INTERRUPTED, end::TIME];
        self.reason.as_deref().is_some_and(|reason| !fine.contains(&reason))
    }
}

/// One time that a case ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// In which guest; `None` where the host decided (a skip).
    pub boot: Option<u32>,
    /// When it started, milliseconds since the start of the run.
    pub at_ms: u64,
    /// What happened.
    pub outcome: Outcome,
    /// Why, in one line.
    pub message: String,
    /// `request`, `expected`, `got`, `at` and whatever else the case gave.
    pub details: BTreeMap<String, String>,
    /// Wall time.
    pub duration_us: u64,
    /// Kernel log of the case.
    pub kernel_log: Vec<String>,
    /// Findings of the device model.
    pub findings: Vec<String>,
    /// What the case printed.
    pub output: String,
    /// Console of the guest that died with it.
    pub console: Vec<String>,
    /// The case did not report its end: the host's record of the guest's end stands for it.
    pub derived: bool,
}

impl Attempt {
    /// An attempt that the host knows of, and no guest.
    pub(crate) fn of_host(boot: Option<u32>, at_ms: u64, outcome: Outcome, message: &str) -> Self {
        Attempt {
            boot,
            at_ms,
            outcome,
            message: message.into(),
            details: BTreeMap::new(),
            duration_us: 0,
            kernel_log: vec![],
            findings: vec![],
            output: String::new(),
            console: vec![],
            derived: false,
        }
    }
}

/// A case of a target.
#[derive(Clone, Debug)]
pub struct CaseRun {
    /// `area/subject/rule`.
    pub name: String,
    /// Requirement rows that it proves.
    pub rows: Vec<String>,
    /// What it means.
    pub verdict: Verdict,
    /// The entry of the expectations that speaks of it.
    pub entry: Option<Entry>,
    /// Every time that it ran; the last one is not better than the others.
    pub attempts: Vec<Attempt>,
    /// Why there is no attempt.
    pub absent: String,
    /// The command that repeats it.
    pub repeat: String,
}

impl CaseRun {
    /// The attempt that counts: the first of the worst. A repetition never makes a failure a pass.
    pub fn decisive(&self) -> Option<&Attempt> {
        self.attempts.iter().rev().max_by_key(|attempt| attempt.outcome.weight())
    }

    /// What happened.
    pub fn outcome(&self) -> Outcome {
        self.decisive().map_or(Outcome::NotRun, |attempt| attempt.outcome)
    }

    /// Why, in one line.
    pub fn message(&self) -> &str {
        self.decisive().map_or(&self.absent, |attempt| &attempt.message)
    }

    /// Wall time of the attempt that counts, microseconds.
    pub fn duration_us(&self) -> u64 {
        self.decisive().map_or(0, |attempt| attempt.duration_us)
    }

    /// Did its attempts end in different ways?
    pub fn is_unstable(&self) -> bool {
        let mut outcomes = self.attempts.iter().map(|attempt| attempt.outcome);
        outcomes.next().is_some_and(|first| outcomes.any(|outcome| outcome != first))
    }

    /// How its attempts ended, where there are several: one after the other, or, of many, how
    /// often each way.
    pub fn attempts_told(&self) -> Option<String> {
        let ends: Vec<&str> = self.attempts.iter().map(|attempt| attempt.outcome.name()).collect();
        match ends.len() {
            0 | 1 => None,
            2..=ATTEMPTS => Some(ends.join(", ")),
            _ => {
                let times = |outcome: &Outcome| {
                    let count = ends.iter().filter(|name| **name == outcome.name()).count();
                    (count > 0).then(|| format!("{count} times {}", outcome.name()))
                };
                Some(Outcome::ALL.iter().rev().filter_map(times).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Did the guest die with it?
    pub fn died(&self) -> bool {
        let deadly = |attempt: &Attempt| match attempt.outcome {
            Outcome::KernelFault | Outcome::Timeout => attempt.derived,
            Outcome::Pass
            | Outcome::Fail
            | Outcome::DeviceFinding
            | Outcome::Crash
            | Outcome::Broken
            | Outcome::Skip
            | Outcome::NotRun => false,
        };
        self.attempts.iter().any(deadly)
    }

    /// `area` of `area/subject/rule`.
    pub fn area(&self) -> &str {
        self.name.split_once('/').map_or(self.name.as_str(), |(area, _)| area)
    }
}

/// A case that fails as known, with its target and the entry that knows it.
pub type KnownCase<'a> = (&'a TargetRun, &'a CaseRun, &'a Entry);

/// How many cases ended how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By verdict; every verdict is there.
    pub verdicts: BTreeMap<Verdict, usize>,
    /// By outcome; every outcome is there.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// All.
    pub all: usize,
}

impl Counts {
    /// Counts cases.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a CaseRun>) -> Self {
        let mut counts = Counts {
            verdicts: Verdict::ALL.iter().map(|&verdict| (verdict, 0)).collect(),
            outcomes: Outcome::ALL.iter().map(|&outcome| (outcome, 0)).collect(),
            all: 0,
        };
        for case in cases {
            *counts.verdicts.entry(case.verdict).or_default() += 1;
            *counts.outcomes.entry(case.outcome()).or_default() += 1;
            counts.all += 1;
        }
        counts
    }

    /// Cases with this verdict.
    pub fn verdict(&self, verdict: Verdict) -> usize {
        self.verdicts.get(&verdict).copied().unwrap_or_default()
    }

    /// Cases with this outcome.
    pub fn outcome(&self, outcome: Outcome) -> usize {
        self.outcomes.get(&outcome).copied().unwrap_or_default()
    }

    /// Cases whose verdict turns the run red.
    pub fn unaccepted(&self) -> usize {
        self.verdicts.iter().filter(|(verdict, _)| !verdict.is_accepted()).map(|(_, n)| n).sum()
    }
}

impl Run {
    /// What the run means.
    pub fn conclusion(&self) -> Conclusion {
        self.conclusion
    }

    /// Every case with its target: targets in order, cases by name.
    pub fn cases(&self) -> impl Iterator<Item = (&TargetRun, &CaseRun)> {
        self.targets.iter().flat_map(|target| target.cases.iter().map(move |case| (target, case)))
    }

    /// The cases with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = (&TargetRun, &CaseRun)> {
        self.cases().filter(move |(_, case)| case.verdict == verdict)
    }

    /// Counts of all targets.
    pub fn counts(&self) -> Counts {
        Counts::of(self.cases().map(|(_, case)| case))
    }

    /// Did the record stop before the end of the run, or the run before its end?
    pub fn is_cut(&self) -> bool {
        self.end.as_deref() != Some(end::DONE)
    }

    /// Known issues by defect, D2 before D10: cases that fail as known.
    pub fn defects(&self) -> Vec<(&str, Vec<KnownCase<'_>>)> {
        let mut defects: BTreeMap<&str, Vec<KnownCase<'_>>> = BTreeMap::new();
        for (target, case) in self.with(Verdict::KnownIssue) {
            if let Some(entry) = &case.entry {
                let name = match entry.note("defect") {
                    "" => "listed as a skip",
                    name => name,
                };
                defects.entry(name).or_default().push((target, case, entry));
            }
        }
        let mut defects: Vec<_> = defects.into_iter().collect();
        defects.sort_by_key(|(name, _)| {
            let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
            (letters, name[letters.len()..].parse::<u64>().unwrap_or_default())
        });
        defects
    }

    /// The slowest cases, slowest first.
    pub fn slowest(&self, count: usize) -> Vec<(&TargetRun, &CaseRun)> {
        let mut cases: Vec<_> = self.cases().filter(|(_, case)| case.duration_us() > 0).collect();
        cases.sort_by_key(|(_, case)| std::cmp::Reverse(case.duration_us()));
        cases.truncate(count);
        cases
    }
}
