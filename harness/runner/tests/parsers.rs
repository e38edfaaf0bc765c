// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a guest and its kernel say, cut, damaged and random: an answer or an error, never a panic.

use proptest::prelude::*;
use record::{Event, RunEnd};
use runner::{Bytes, Entry, KernelLog, Message};

/// A kernel log made of these bytes.
fn log(bytes: &[u8]) -> Vec<Entry> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut log = KernelLog::open(file.path()).expect("it opens");
    std::fs::write(file.path(), bytes).expect("writable");
    log.news().entries
}

/// Something near a record of the kernel's log.
fn record() -> impl Strategy<Value = String> {
    let number = prop_oneof![Just("4"), Just("18446744073709551615"), Just("-1"), Just("")];
    let text = "(BUG|WARNING|Oops|\\PC|;|,| |\n){0,40}";
    (number.clone(), number.clone(), number, text)
        .prop_map(|(level, sequence, time, text)| format!("{level},{sequence},{time},-;{text}\n"))
}

fn messages() -> Vec<Message> {
    let ended = Event::RunEnd(RunEnd { reason: "done".into() });
    vec![
        Message::Up,
        Message::Event(Box::new(ended)),
        Message::Output { stream: 1, bytes: Bytes::from(&b"\xff\x00"[..]) },
        Message::Exit(-1),
        Message::Failed("no \"device\"".into()),
    ]
}

#[test]
fn a_message_cut_anywhere_is_no_message() {
    for message in messages() {
        let text = serde_json::to_string(&message).expect("it has a form");
        assert_eq!(serde_json::from_str::<Message>(&text).expect("whole"), message);
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let part = serde_json::from_str::<Message>(&text[..cut]);
            assert!(part.is_err(), "{} of {text}", &text[..cut]);
        }
    }
}

#[test]
fn a_log_cut_anywhere_gives_whole_records() {
    let text = "4,7,100,-;first line\n SUBSYSTEM=pci\n3,8,200,-;second\n";
    for cut in 0..text.len() {
        let entries = log(&text.as_bytes()[..cut]);
        let told: Vec<&str> = entries.iter().map(|entry| &*entry.text).collect();
        let whole = ["first line", "second"];
        assert!(told == whole[..told.len()], "{cut}: {told:?}");
    }
    assert_eq!(log(text.as_bytes()).len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_logs_never_panic(records in proptest::collection::vec(record(), 0..20)) {
        let entries = log(records.concat().as_bytes());
        let faults = runner::faults(&entries, &["WARNING"]);
        prop_assert!(faults.len() <= entries.len());
    }

    #[test]
    fn random_bytes_are_a_log_without_panic(bytes: Vec<u8>) {
        log(&bytes);
    }

    #[test]
    fn random_messages_never_panic(text in "(\\PC|\"|\\{|\\}|:|event|output|bytes|hex){0,60}") {
        let _ = serde_json::from_str::<Message>(&text);
        let _ = Entry::parse(&text);
        let _ = Bytes::Hex(text).decode();
    }

    #[test]
    fn bytes_come_back(bytes: Vec<u8>) {
        prop_assert_eq!(Bytes::from(&bytes[..]).decode(), bytes);
    }
}
