// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Everything that was decided, for programs. A change of meaning bumps [`VERSION`].

use crate::{CaseRun, Counts, RowState, Run, TargetRun};
use serde::Serialize;
use std::collections::BTreeMap;

/// Version of this format.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Summary<'a> {
    version: u32,
    conclusion: &'static str,
    exit_code: u8,
    complete: bool,
    end: Option<&'a str>,
    started: &'a str,
    duration_ms: u64,
    command: &'a [String],
    seed: u64,
    facts: &'a BTreeMap<String, String>,
    counts: Count,
    targets: Vec<TargetSummary<'a>>,
    boots: Vec<BootSummary<'a>>,
    requirements: Requirements<'a>,
}

#[derive(Serialize)]
struct Count {
    cases: usize,
    verdicts: BTreeMap<&'static str, usize>,
    outcomes: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct TargetSummary<'a> {
    asic: &'a str,
    kernel: &'a str,
    kernel_release: Option<&'a str>,
    facts: &'a BTreeMap<String, String>,
    expectations: &'a [String],
    counts: Count,
    cases: Vec<CaseSummary<'a>>,
}

#[derive(Serialize)]
struct CaseSummary<'a> {
    name: &'a str,
    outcome: &'static str,
    verdict: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    duration_us: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    rows: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<Vec<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<EntrySummary<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repeat: Option<&'a str>,
}

#[derive(Serialize)]
struct EntrySummary<'a> {
    file: &'a str,
    line: usize,
    notes: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct BootSummary<'a> {
    number: u32,
    target: usize,
    boot_ms: Option<u64>,
    reason: Option<&'a str>,
    blamed: Option<&'a str>,
}

#[derive(Serialize)]
struct Requirements<'a> {
    counts: BTreeMap<&'static str, usize>,
    failed: Vec<&'a str>,
    proven: Vec<&'a str>,
    unknown: &'a [String],
}

pub(super) fn render(run: &Run) -> String {
    let rows = |state| run.rows.iter().filter(move |row| row.state == state);
    let ids = |state| rows(state).map(|row| row.row.id.as_str()).collect();
    let summary = Summary {
        version: VERSION,
        conclusion: run.conclusion().name(),
        exit_code: run.conclusion().exit_code(),
        complete: !run.is_cut(),
        end: run.end.as_deref(),
        started: &run.started,
        duration_ms: run.duration_ms,
        command: &run.command,
        seed: run.seed,
        facts: &run.facts,
        counts: count(&run.counts()),
        targets: run.targets.iter().map(target).collect(),
        boots: run.boots.iter().map(boot).collect(),
        requirements: Requirements {
            counts: RowState::ALL.iter().map(|&s| (s.name(), rows(s).count())).collect(),
            failed: ids(RowState::Failed),
            proven: ids(RowState::Proven),
            unknown: &run.unknown_rows,
        },
    };
    super::pretty(&summary)
}

fn count(counts: &Counts) -> Count {
    let some = |n: &usize| *n > 0;
    Count {
        cases: counts.all,
        verdicts: counts
            .verdicts
            .iter()
            .map(|(v, &n)| (v.name(), n))
            .filter(|(_, n)| some(n))
            .collect(),
        outcomes: counts
            .outcomes
            .iter()
            .map(|(o, &n)| (o.name(), n))
            .filter(|(_, n)| some(n))
            .collect(),
    }
}

fn target(target: &TargetRun) -> TargetSummary<'_> {
    TargetSummary {
        asic: &target.target.asic,
        kernel: &target.target.kernel,
        kernel_release: target.release.as_deref(),
        facts: &target.facts,
        expectations: &target.expectations,
        counts: count(&target.counts()),
        cases: target.cases.iter().map(case).collect(),
    }
}

fn case(case: &CaseRun) -> CaseSummary<'_> {
    let bad = case.outcome().is_bad() || !case.verdict.is_accepted();
    let attempts = case.attempts.iter().map(|attempt| attempt.outcome.name());
    CaseSummary {
        name: &case.name,
        outcome: case.outcome().name(),
        verdict: case.verdict.name(),
        message: case.message(),
        duration_us: case.duration_us(),
        rows: &case.rows,
        attempts: (case.attempts.len() > 1).then(|| attempts.collect()),
        details: case
            .decisive()
            .map(|attempt| &attempt.details)
            .filter(|details| !details.is_empty()),
        entry: case.entry.as_ref().map(|entry| EntrySummary {
            file: &entry.file,
            line: entry.line,
            notes: &entry.notes,
        }),
        repeat: bad.then_some(&case.repeat),
    }
}

fn boot(boot: &crate::Boot) -> BootSummary<'_> {
    BootSummary {
        number: boot.number,
        target: boot.target,
        boot_ms: boot.booted_ms.map(|at| at.saturating_sub(boot.started_ms)),
        reason: boot.reason.as_deref(),
        blamed: boot.blamed.as_deref(),
    }
}
