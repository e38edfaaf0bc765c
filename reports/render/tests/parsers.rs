// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Cut, damaged and random input: an answer or an error that says where, never a panic.

mod common;

use proptest::prelude::*;
use record::{BootEnd, CaseEnd, Event, Facts, Journal, Line, Outcome, Planned, Record, RunEnd};
use record::{Target, VERSION, end};
use render::{Catalogue, Comparison, Expectations, Format, Run};
use std::collections::BTreeMap;

fn render_all(record: &Record) {
    let none = Expectations::default();
    if let Ok(run) = Run::from_record(record, &none, &common::catalogue()) {
        for &format in Format::ALL {
            assert!(!run.render(format).is_empty() || run.targets.is_empty());
        }
        let _ = Comparison::new(&run, &run).html();
    }
}

#[test]
fn a_record_cut_anywhere_gives_every_report() {
    for name in common::names() {
        let path = common::folder().join(&name).join(Journal::FILE);
        let bytes = std::fs::read(path).expect("a record");
        for cut in (0..bytes.len()).step_by(97) {
            let record = record::read(&bytes[..cut]).expect("a cut record is a record");
            let run = Run::from_record(&record, &Expectations::default(), &common::catalogue());
            let Ok(run) = run else {
                assert!(record.lines.is_empty(), "{name} cut at {cut}");
                continue;
            };
            assert!(run.is_cut(), "{name} cut at {cut}");
            assert_ne!(run.conclusion().exit_code(), 0, "{name} cut at {cut}");
            assert!(run.render(Format::Html).contains("id=\"cut\""), "{name} cut at {cut}");
        }
    }
}

/// What may stand in a line of a record, right or wrong.
fn event() -> impl Strategy<Value = Event> {
    let case = prop_oneof![Just("a/b/c"), Just("a/b/d"), Just("x"), Just("<i>&\u{0}")];
    let text = "\\PC{0,12}";
    let reason = prop_oneof![
        Just(end::DONE),
        Just(end::PANIC),
        Just(end::HANG),
        Just(end::MODEL_DIED),
        Just("?")
    ];
    let outcome = proptest::sample::select(Outcome::ALL);
    prop_oneof![
        (0..3u32, 0..3usize).prop_map(|(boot, target)| Event::BootStart {
            boot,
            target,
            command: vec![]
        }),
        (0..3u32, text).prop_map(|(boot, release)| {
            let facts = Facts::from([(record::fact::KERNEL_RELEASE.to_string(), release)]);
            Event::Booted { boot, facts }
        }),
        case.clone().prop_map(|case| Event::CaseStart { case: case.into() }),
        (case, outcome, text, any::<u64>()).prop_map(|(case, outcome, text, duration_us)| {
            Event::CaseEnd(CaseEnd {
                case: case.into(),
                outcome,
                message: text.clone(),
                details: BTreeMap::from([(text.clone(), text.clone())]),
                duration_us: duration_us >> 20,
                kernel_log: vec![text.clone()],
                findings: vec![text.clone()],
                output: text,
            })
        }),
        (0..3u32, reason.clone()).prop_map(|(boot, reason)| {
            Event::BootEnd(BootEnd { boot, reason: reason.into(), console: vec!["<b>".into()] })
        }),
        reason.prop_map(|reason| Event::RunEnd(RunEnd { reason: reason.into() })),
    ]
}

fn start() -> Event {
    let target = |asic: &str| Target { asic: asic.into(), kernel: "6.12".into() };
    let plan = |target| Planned { target, case: "a/b/c".into(), rows: vec![], skip: None };
    Event::RunStart {
        version: VERSION,
        started: "no date".into(),
        command: vec![],
        seed: 0,
        targets: vec![target("gaudi"), target("gaudi2")],
        plan: vec![plan(0), plan(1)],
        facts: Facts::new(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_order_of_events_gives_every_report(
        events in proptest::collection::vec((event(), proptest::option::of(0..3u32)), 0..40),
    ) {
        let line = |(at, (event, guest))| Line { at_ms: at, guest, event };
        let lines = (1..).zip(events).map(line);
        let lines = std::iter::once(Line::new(0, start())).chain(lines).collect();
        render_all(&Record { lines, cut: false, length: 0 });
    }

    #[test]
    fn random_expectations_never_panic(text in "(\\PC|\n|,|#|;|\\*| ){0,300}") {
        let _ = Expectations::parse([("gaudi2-6.12.expect", text.as_str())]);
        let _ = Expectations::parse([("gaudi2.cases", text.as_str())]);
        let _ = Expectations::parse([(text.as_str(), text.as_str())]);
    }

    #[test]
    fn damaged_expectations_never_panic(at in 0..180usize, byte in any::<char>()) {
        let good = "a/b/c,fail  # defect D1; link https://a.b/c; evidence seen; seen 6.12.1..7.3\n\
                    a/d/*,skip  # reason r; link https://a.b/c; since 6.12\n\
                    a/e/f,flake  # rate 1/9; link https://a.b/c; reason r; since 6.12\n";
        let mut text: Vec<char> = good.chars().collect();
        text[at] = byte;
        let text: String = text.into_iter().collect();
        if let Ok(all) = Expectations::parse([("gaudi2-6.12.expect", text.as_str())]) {
            let _ = all.expect("gaudi2", "6.12.1", "a/b/c");
        }
    }

    #[test]
    fn random_catalogues_never_panic(text in "(\\PC|\n|\t){0,300}") {
        let _ = Catalogue::parse(&text);
    }

    #[test]
    fn nothing_in_a_value_becomes_markup(text in "[<>&\"'a-z /=]{0,40}") {
        let mut run = common::run("regression");
        let value = format!("{text}<zz>");
        run.command = vec![value.clone()];
        run.facts.insert(value.clone(), value.clone());
        for case in &mut run.targets[0].cases {
            case.repeat = value.clone();
            for attempt in &mut case.attempts {
                attempt.message = value.clone();
                attempt.output = value.clone();
                attempt.kernel_log = vec![value.clone()];
                attempt.findings = vec![value.clone()];
                attempt.details = BTreeMap::from([(value.clone(), value.clone())]);
            }
        }
        prop_assert!(!run.render(Format::Html).contains("<zz>"));
        prop_assert!(!run.render(Format::Junit).contains("<zz>"));
    }
}
