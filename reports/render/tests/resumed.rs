// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs that were cut and resumed: the report tells what is true in the end.

use record::{BootEnd, CaseEnd, Event, Facts, Line, Outcome, Planned, Record, RunEnd, Target, end};
use render::{Catalogue, Conclusion, Expectations, Run, Verdict};

const CASES: &[&str] = &["info/a/holds", "info/b/holds"];

fn run_start() -> Event {
    let planned =
        |case: &&str| Planned { target: 0, case: case.to_string(), rows: vec![], skip: None };
    Event::RunStart {
        version: record::VERSION,
        started: "2026-01-02T03:04:05Z".into(),
        command: vec![],
        seed: 0,
        targets: vec![Target { asic: "gaudi".into(), kernel: "debian:6.12".into() }],
        plan: CASES.iter().map(planned).collect(),
        facts: Facts::new(),
    }
}

fn boot(number: u32) -> [Event; 2] {
    [
        Event::BootStart { boot: number, target: 0, command: vec![] },
        Event::Booted { boot: number, facts: Facts::new() },
    ]
}

fn boot_end(boot: u32, reason: &str) -> Event {
    Event::BootEnd(BootEnd { boot, reason: reason.into(), console: vec!["last words".into()] })
}

fn start(case: &str) -> Event {
    Event::CaseStart { case: case.into() }
}

fn passed(case: &str) -> Event {
    Event::CaseEnd(CaseEnd {
        case: case.into(),
        outcome: Outcome::Pass,
        message: String::new(),
        details: Default::default(),
        duration_us: 5,
        kernel_log: vec![],
        findings: vec![],
        output: String::new(),
    })
}

fn run(events: impl IntoIterator<Item = Event>) -> Run {
    let lines = events.into_iter().enumerate();
    let lines = lines.map(|(at, event)| Line::new(at as u64, event)).collect();
    let record = Record { lines, cut: false, length: 0 };
    Run::from_record(&record, &Expectations::default(), &Catalogue::default()).expect("a run")
}

fn run_end(reason: &str) -> Event {
    Event::RunEnd(RunEnd { reason: reason.into() })
}

/// One case ran, and the other when the guest ended.
fn cut(reason: &str) -> Vec<Event> {
    let [up, booted] = boot(0);
    let (first, second) = (CASES[0], CASES[1]);
    vec![run_start(), up, booted, start(first), passed(first), start(second), boot_end(0, reason)]
}

#[test]
fn a_run_that_was_cut_is_whole_once_it_is_resumed() {
    for reason in [end::INTERRUPTED, end::TIME, end::QEMU_DIED, end::MODEL_DIED] {
        let first = cut(reason).into_iter().chain([run_end(reason)]);
        assert_eq!(run(first).conclusion(), Conclusion::Infrastructure, "{reason}");
        let [up, booted] = boot(1);
        let rest = [up, booted, start(CASES[1]), passed(CASES[1]), boot_end(1, end::DONE)];
        let resumed = cut(reason).into_iter().chain([run_end(reason)]).chain(rest);
        let resumed = run(resumed.chain([run_end(end::DONE)]));
        assert_eq!(resumed.conclusion(), Conclusion::AsExpected, "{reason}");
        assert_eq!(resumed.with(Verdict::Expected).count(), CASES.len(), "{reason}");
    }
}

#[test]
fn a_guest_lost_between_two_cases_is_history_once_the_run_is_resumed() {
    for reason in [end::QEMU_DIED, end::MODEL_DIED] {
        let [up, booted] = boot(0);
        let (first, second) = (CASES[0], CASES[1]);
        let lost = [run_start(), up, booted, start(first), passed(first), boot_end(0, reason)];
        let [up, booted] = boot(1);
        let rest = [up, booted, start(second), passed(second), boot_end(1, end::DONE)];
        let once: Vec<Event> = lost.into_iter().chain(rest).chain([run_end(end::DONE)]).collect();
        assert_eq!(run(once.clone()).conclusion(), Conclusion::Infrastructure, "{reason}");
        let resumed = run(once.into_iter().chain([run_end(end::DONE)]));
        assert_eq!(resumed.conclusion(), Conclusion::AsExpected, "{reason}");
    }
}

#[test]
fn a_kernel_that_died_stays_dead() {
    for reason in [end::PANIC, end::HANG] {
        let [up, booted] = boot(1);
        let rest = [up, booted, start(CASES[1]), passed(CASES[1]), boot_end(1, end::DONE)];
        let resumed = run(cut(reason).into_iter().chain(rest).chain([run_end(end::DONE)]));
        assert_eq!(resumed.conclusion(), Conclusion::KernelDied, "{reason}");
    }
}
