// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! JUnit XML: one suite per target.
//!
//! Failure: the driver is to blame. Error: the test is. A known issue and a listed flake that
//! failed are skipped with their reason; attempts that ended differently are marked as flaky.

use super::clock;
use crate::verdict::Gate;
use crate::{Attempt, CaseRun, Run, TargetRun, Verdict};
use quick_junit::{
    NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestRerun, TestSuite,
};
use record::Outcome;
use std::time::Duration;

pub(super) fn render(run: &Run) -> String {
    let mut report = Report::new("gauntlet");
    report.set_time(Duration::from_millis(run.duration_ms));
    if let Some(date) = clock::date(run, 0) {
        report.set_timestamp(date);
    }
    report.add_test_suites(run.targets.iter().map(|target| suite(run, target)));
    // The report stands in memory and holds strings that the crate has cleaned for XML.
    report.to_string().unwrap_or_default()
}

fn suite(run: &Run, target: &TargetRun) -> TestSuite {
    let mut suite = TestSuite::new(target.label());
    let named = |(name, value): (&String, &String)| Property::new(name.as_str(), value.as_str());
    suite.add_properties(target.facts.iter().map(named));
    suite.add_property(Property::new("conclusion", run.conclusion().name()));
    suite.add_test_cases(target.cases.iter().map(|case| test_case(run, case)));
    suite
}

fn test_case(run: &Run, case: &CaseRun) -> TestCase {
    let mut test = TestCase::new(case.name.as_str(), status(case));
    test.set_classname(case.area());
    test.set_time(Duration::from_micros(case.duration_us()));
    test.add_property(Property::new("verdict", case.verdict.name()));
    test.add_property(Property::new("outcome", case.outcome().name()));
    if let Some(attempt) = case.decisive() {
        if let Some(date) = clock::date(run, attempt.at_ms) {
            test.set_timestamp(date);
        }
        if !attempt.output.is_empty() {
            test.set_system_out_lossy(&attempt.output);
        }
        let log: Vec<&String> = attempt.kernel_log.iter().chain(&attempt.console).collect();
        if !log.is_empty() {
            let log = log.into_iter().map(|line| format!("{line}\n")).collect::<String>();
            test.set_system_err_lossy(log);
        }
    }
    test
}

fn status(case: &CaseRun) -> TestCaseStatus {
    let mut status = match Gate::of(case.verdict, case.outcome()) {
        Gate::Failed | Gate::Fixed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Gate::NotCarriedOut => TestCaseStatus::non_success(NonSuccessKind::Error),
        Gate::Known if !passed_once(case) => TestCaseStatus::skipped(),
        Gate::Skipped => TestCaseStatus::skipped(),
        Gate::Known | Gate::Passed => TestCaseStatus::success(),
    };
    let word = match case.verdict {
        Verdict::Expected => case.outcome().name(),
        other => other.name(),
    };
    status.set_type(word);
    status.set_message(message(case));
    if !case.verdict.is_accepted() {
        status.set_description(description(case));
    }
    let bad = case.attempts.iter().filter(|attempt| attempt.outcome.is_bad());
    if passed_once(case) || case.verdict == Verdict::Regression {
        let skipped = usize::from(!passed_once(case));
        status.add_reruns(bad.skip(skipped).map(rerun));
    }
    status
}

fn passed_once(case: &CaseRun) -> bool {
    case.attempts.iter().any(|attempt| attempt.outcome == Outcome::Pass)
}

fn rerun(attempt: &Attempt) -> TestRerun {
    let mut rerun = TestRerun::new(NonSuccessKind::Failure);
    rerun.set_type(attempt.outcome.name());
    rerun.set_message(attempt.message.as_str());
    rerun.set_time(Duration::from_micros(attempt.duration_us));
    rerun
}

fn message(case: &CaseRun) -> String {
    let known = match case.verdict {
        Verdict::KnownIssue | Verdict::Flake | Verdict::Fixed => case.entry.as_ref(),
        Verdict::Regression
        | Verdict::Gone
        | Verdict::Broken
        | Verdict::NotRun
        | Verdict::New
        | Verdict::Expected => None,
    };
    match known {
        Some(entry) => format!("{}: {}", case.verdict.title(), entry.summary()),
        None => case.message().to_string(),
    }
}

fn description(case: &CaseRun) -> String {
    let mut lines = vec![format!("{}: {}", case.outcome().name(), case.message())];
    if let Some(attempt) = case.decisive() {
        lines.extend(attempt.details.iter().map(|(name, value)| format!("{name}: {value}")));
        lines.extend(attempt.findings.iter().map(|finding| format!("device: {finding}")));
    }
    lines.push(format!("repeat: {}", case.repeat));
    lines.join("\n")
}
