// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The reader against whole, cut and random bytes; the journal after a power cut.

use proptest::prelude::*;
use record::{BootEnd, CaseEnd, Event, Journal, Line, Outcome, Planned, ReadError, Record};
use record::{RunEnd, Target, VERSION, end, read, read_file};
use std::collections::BTreeMap;
use std::io::Write;

fn start(version: u32) -> Line {
    let target = Target { asic: "gaudi2".into(), kernel: "debian:6.12".into() };
    let case = "open/compute/refuses_a_second_opener".to_string();
    Line::new(
        0,
        Event::RunStart {
            version,
            started: "2026-01-02T03:04:05Z".into(),
            command: vec!["gauntlet".into(), "run".into()],
            seed: 7,
            targets: vec![target],
            plan: vec![Planned { target: 0, case, rows: vec!["OPEN-003".into()], skip: None }],
            facts: BTreeMap::new(),
        },
    )
}

fn whole() -> Vec<Line> {
    let case = "open/compute/refuses_a_second_opener".to_string();
    let ended = CaseEnd {
        case: case.clone(),
        outcome: Outcome::Fail,
        message: "open gives success, expected EBUSY".into(),
        details: BTreeMap::from([("got".into(), "success \u{1F600} \"quoted\"".into())]),
        duration_us: 1234,
        kernel_log: vec!["<4> a line".into()],
        findings: vec![],
        output: "two\nlines".into(),
    };
    vec![
        start(VERSION),
        Line::new(1, Event::BootStart { boot: 0, target: 0, command: vec![] }),
        Line::from_guest(2, 0, Event::Booted { boot: 0, facts: BTreeMap::new() }),
        Line::from_guest(3, 0, Event::CaseStart { case }),
        Line::from_guest(4, 0, Event::CaseEnd(ended)),
        Line::new(
            5,
            Event::BootEnd(BootEnd { boot: 0, reason: end::DONE.into(), console: vec![] }),
        ),
        Line::new(6, Event::RunEnd(RunEnd { reason: end::DONE.into() })),
    ]
}

fn bytes(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in lines {
        serde_json::to_writer(&mut bytes, line).expect("a line is always JSON");
        bytes.push(b'\n');
    }
    bytes
}

#[test]
fn what_was_written_is_read() {
    let bytes = bytes(&whole());
    let expected = Record { lines: whole(), cut: false, length: bytes.len() as u64 };
    assert_eq!(read(&bytes[..]).expect("whole"), expected);
}

#[test]
fn every_cut_keeps_the_lines_before_it() {
    let bytes = bytes(&whole());
    for cut in 0..bytes.len() {
        let record = read(&bytes[..cut]).expect("a cut record is a record");
        let lines = bytes[..cut].iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(record.lines, whole()[..lines], "cut at {cut}");
        assert_eq!(record.cut, cut > 0 && bytes[cut - 1] != b'\n', "cut at {cut}");
    }
}

#[test]
fn a_bad_line_in_the_middle_is_named() {
    let mut broken = bytes(&whole()[..2]);
    broken.extend(b"{\"at_ms\":3,\"event\":\"no_such_event\"}\n");
    broken.extend(bytes(&whole()[2..]));
    match read(&broken[..]) {
        Err(ReadError::Line { line: 3, why }) => assert!(why.contains("no_such_event"), "{why}"),
        other => panic!("line 3 should be refused, got {other:?}"),
    }
}

#[test]
fn a_newer_version_is_refused() {
    let error = read(&bytes(&[start(VERSION + 1)])[..]).expect_err("newer");
    assert!(error.to_string().contains("use a newer one"), "{error}");
}

#[test]
fn a_journal_goes_on_behind_a_power_cut() {
    let folder = tempfile::tempdir().expect("a folder for a test");
    let path = folder.path().join("journal.jsonl");
    let lines = whole();
    let mut journal = Journal::create(&path).expect("a new journal");
    lines[..4].iter().for_each(|line| journal.write(line).expect("written"));
    drop(journal);
    let mut raw = std::fs::OpenOptions::new().append(true).open(&path).expect("there");
    raw.write_all(b"{\"at_ms\":4,\"ev\0\0\0\0").expect("a torn line");
    assert!(Journal::create(&path).is_err(), "a record is never overwritten");

    let (record, mut journal) = Journal::resume(&path).expect("resumes");
    assert!(record.cut);
    assert_eq!(record.lines, lines[..4]);
    lines[4..].iter().for_each(|line| journal.write(line).expect("written"));
    journal.sync().expect("synced");
    let record = read_file(&path).expect("readable");
    assert_eq!((record.lines, record.cut), (lines, false));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read(&bytes[..]);
    }

    #[test]
    fn a_flipped_byte_never_panics(at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = bytes(&whole());
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = read(&bytes[..]);
    }
}
