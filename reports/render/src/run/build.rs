// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Judges what a record says.

use super::take::{Taken, take};
use super::{Attempt, CaseRun, PROBE, Run, RunError, TargetRun, rows};
use crate::{Catalogue, Conclusion, Expectations, Verdict, judge};
use record::{Facts, Outcome, Record, Target, end, fact};
use std::collections::{BTreeMap, BTreeSet};

/// The command that repeats one case, where the run does not say its own.
const REPEAT: &str = "gauntlet run --asic {asic} --kernel {kernel} --exact {case}";

impl Run {
    /// The run of a record, judged by the expectations and held against the catalogue.
    pub fn from_record(
        record: &Record,
        expectations: &Expectations,
        catalogue: &Catalogue,
    ) -> Result<Self, RunError> {
        let mut taken = take(record)?;
        let targets = std::mem::take(&mut taken.targets);
        let targets: Vec<TargetRun> = targets
            .into_iter()
            .enumerate()
            .map(|(index, target)| target_run(&mut taken, index, target, expectations))
            .collect();
        let (rows, unknown_rows) = rows::rows(&targets, catalogue);
        let Taken { started, command, seed, facts, boots, end, duration_ms, .. } = taken;
        let mut run = Run {
            started,
            command,
            seed,
            facts,
            targets,
            boots,
            end,
            duration_ms,
            rows,
            unknown_rows,
            conclusion: Conclusion::NothingRan,
        };
        run.conclusion = Conclusion::of(&run);
        Ok(run)
    }
}

fn target_run(
    taken: &mut Taken,
    index: usize,
    target: Target,
    expectations: &Expectations,
) -> TargetRun {
    let mut facts = Facts::new();
    for boot in taken.boots.iter().filter(|boot| boot.target == index) {
        facts.extend(boot.facts.clone());
    }
    let release = facts.get(fact::KERNEL_RELEASE).cloned();
    let kernel = release.as_deref().unwrap_or(&target.kernel).to_string();

    let absent = absent(taken, index);
    let mut cases: BTreeMap<String, CaseRun> = BTreeMap::new();
    for planned in taken.plan.iter().filter(|planned| planned.target == index) {
        let repeat = repeat(&taken.facts, &target, &planned.case);
        let mut case = case_run(&planned.case, planned.rows.clone(), &absent, repeat);
        let skip = planned.skip.as_deref();
        case.attempts.extend(skip.map(|why| Attempt::of_host(None, 0, Outcome::Skip, why)));
        cases.insert(planned.case.clone(), case);
    }
    let ran: Vec<_> = taken.attempts.keys().filter(|(at, _)| *at == index).cloned().collect();
    for key in ran {
        let Some(attempts) = taken.attempts.remove(&key) else { continue };
        let (_, name) = key;
        // Any case shows how the driver is loaded.
        let planned = taken.plan.iter().find(|planned| planned.target == index);
        let shown = match planned {
            Some(planned) if name == PROBE => &planned.case,
            Some(_) | None => &name,
        };
        let repeat = repeat(&taken.facts, &target, shown);
        let case =
            cases.entry(name.clone()).or_insert_with(|| case_run(&name, vec![], &absent, repeat));
        // What ran counts more than the host's word that something would not run, or that QEMU or
        // the model died beneath it.
        let said = |attempt: &Attempt| {
            attempt.outcome != Outcome::NotRun
                && !(attempt.derived && attempt.outcome == Outcome::Broken)
        };
        let really = attempts.iter().any(said);
        if really {
            case.attempts.clear();
        }
        case.attempts.extend(attempts.into_iter().filter(|attempt| !really || said(attempt)));
    }
    for case in cases.values_mut() {
        let expectation = expectations.expect(&target.asic, &kernel, &case.name);
        case.verdict = judge(case.outcome(), expectation);
        case.entry = expectations.entry(&target.asic, &kernel, &case.name).cloned();
    }
    if !taken.facts.contains_key(fact::SELECTION) {
        add_gone(&mut cases, &target, &kernel, expectations);
    }
    TargetRun {
        expectations: expectations.files(&target.asic, &kernel),
        cases: cases.into_values().collect(),
        target,
        release,
        facts,
    }
}

/// The cases that a complete run should have had: on the list of the chip, or named by an entry.
fn add_gone(
    cases: &mut BTreeMap<String, CaseRun>,
    target: &Target,
    kernel: &str,
    expectations: &Expectations,
) {
    // A driver that loads as it should leaves no trace of that in the record.
    let there: BTreeSet<&str> = cases.keys().map(String::as_str).chain([PROBE]).collect();
    let mut gone: BTreeMap<String, String> = BTreeMap::new();
    for entry in expectations.unmatched(&target.asic, kernel, &there) {
        let place = format!("{}:{}", entry.file, entry.line);
        gone.insert(entry.pattern.to_string(), format!("{place} names it, and no case has it"));
    }
    for name in expectations.listed(&target.asic).filter(|name| !there.contains(name)) {
        let why = format!("{}.cases lists it, and there is no such case", target.asic);
        gone.entry(name.to_string()).or_insert(why);
    }
    for (name, why) in gone {
        let mut case = case_run(&name, vec![], &why, String::new());
        case.verdict = Verdict::Gone;
        cases.insert(name, case);
    }
}

fn case_run(name: &str, rows: Vec<String>, absent: &str, repeat: String) -> CaseRun {
    CaseRun {
        name: name.into(),
        rows,
        verdict: Verdict::NotRun,
        entry: None,
        attempts: vec![],
        absent: absent.into(),
        repeat,
    }
}

/// Why cases of a target did not run.
fn absent(taken: &Taken, index: usize) -> String {
    let last = taken.boots.iter().rfind(|boot| boot.target == index);
    match (&taken.end, last.and_then(|boot| boot.reason.as_deref())) {
        (None, _) => "the record stops before it ended".into(),
        (Some(_), Some(reason)) if reason != end::DONE => {
            format!("the last guest ended before it: {reason}")
        }
        (Some(reason), _) if reason != end::DONE => format!("the run was cut: {reason}"),
        (Some(_), None) => "no guest was started for it".into(),
        (Some(_), Some(_)) => "the run ended without it".into(),
    }
}

fn repeat(facts: &Facts, target: &Target, case: &str) -> String {
    let template = facts.get(fact::REPEAT).map_or(REPEAT, String::as_str);
    let line = template.replace("{asic}", &target.asic).replace("{kernel}", &target.kernel);
    line.replace("{case}", case)
}
