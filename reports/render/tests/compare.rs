// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Comparison of two runs: what counts as worse, and what is noise.

mod common;

use record::{Outcome, fact};
use render::{Change, CompareResult, Comparison, Run, Verdict};

fn changed(base: &Run, head: &Run) -> Vec<(Change, String)> {
    let comparison = Comparison::new(base, head);
    comparison.changes.iter().map(|changed| (changed.change, changed.case.clone())).collect()
}

fn with(outcome: Outcome) -> Run {
    let mut run = common::run("passed");
    let case = &mut run.targets[0].cases[0];
    case.attempts[0].outcome = outcome;
    case.verdict = if outcome.is_bad() { Verdict::Regression } else { Verdict::Expected };
    run
}

#[test]
fn every_change_of_an_outcome_is_told() {
    use Outcome as O;
    let table = [
        (O::Pass, O::Pass, None),
        (O::Pass, O::Fail, Some(Change::NewFailure)),
        (O::Skip, O::Crash, Some(Change::NewFailure)),
        (O::Fail, O::KernelFault, Some(Change::Worse)),
        (O::KernelFault, O::Fail, Some(Change::Milder)),
        (O::Fail, O::Fail, None),
        (O::Fail, O::Pass, Some(Change::Fixed)),
        (O::Pass, O::Skip, Some(Change::NewlySkipped)),
        (O::Skip, O::Pass, Some(Change::NowRuns)),
        (O::Pass, O::NotRun, Some(Change::NotRun)),
        (O::Pass, O::Broken, Some(Change::NotRun)),
    ];
    for (base, head, expected) in table {
        let comparison = Comparison::new(&with(base), &with(head));
        let got: Vec<Change> = comparison.changes.iter().map(|changed| changed.change).collect();
        assert_eq!(got, Vec::from_iter(expected), "{base:?} to {head:?}");
        let result = match expected {
            Some(Change::NotRun) => CompareResult::Incomplete,
            Some(change) if change.is_regression() => CompareResult::Regression,
            Some(_) | None => CompareResult::NoRegression,
        };
        assert_eq!(comparison.result(), result, "{base:?} to {head:?}");
    }
}

#[test]
fn a_case_that_is_gone_is_a_regression_unless_it_was_not_asked_for() {
    let base = common::run("passed");
    let mut head = common::run("passed");
    let lost = head.targets[0].cases.remove(2).name;
    assert_eq!(changed(&base, &head), [(Change::Gone, lost.clone())]);
    assert_eq!(changed(&head, &base), [(Change::NewCase, lost)]);
    head.facts.insert(fact::SELECTION.into(), "open/*".into());
    assert_eq!(changed(&base, &head), []);
}

#[test]
fn a_slow_machine_is_noise_and_a_slow_case_is_not() {
    let base = common::run("passed");
    let mut head = common::run("passed");
    for case in &mut head.targets[0].cases {
        case.attempts[0].duration_us *= 5;
    }
    assert_eq!(changed(&base, &head), [], "everything is slower alike");
    head.targets[0].cases[3].attempts[0].duration_us *= 20;
    let slow = head.targets[0].cases[3].name.clone();
    assert_eq!(changed(&base, &head), [(Change::Slower, slow)]);
    assert_eq!(Comparison::new(&base, &head).result(), CompareResult::NoRegression);
}

#[test]
fn another_kernel_of_the_chip_is_compared_and_another_chip_is_not() {
    let base = common::run("passed");
    let mut head = common::run("passed");
    head.targets[0].target.kernel = "debian:7.3".into();
    let comparison = Comparison::new(&base, &head);
    assert_eq!(comparison.pairs.len(), 1);
    head.targets[0].target.asic = "gaudi".into();
    let comparison = Comparison::new(&base, &head);
    assert_eq!(comparison.result(), CompareResult::NothingInCommon);
    assert_eq!(comparison.result().exit_code(), 4);
    assert_eq!(comparison.alone, ["head: gaudi debian:7.3", "base: gaudi2 debian:6.12"]);
}
