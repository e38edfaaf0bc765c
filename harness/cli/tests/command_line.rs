// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The real program, as far as it goes without a guest: what it answers, in how many lines, and
//! with which exit code.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CASE: &str = "open/compute/can_be_opened_as_shipped";

fn gauntlet(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gauntlet")).args(words).output().expect("it starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A recorded run, copied so that reports can be written beside it.
fn recorded(name: &str, root: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../reports/render/tests/records");
    let folder = root.join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    let journal = from.join(name).join("journal.jsonl");
    std::fs::copy(journal, folder.join("journal.jsonl")).expect("the record");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of plain letters")
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let nowhere = tempfile::tempdir().expect("a folder");
    let folder = text(nowhere.path());
    for (words, code, part) in [
        (&["run", "no/such/case"][..], 2, "no case matches"),
        (&["run", "--exact", "open"], 2, "no case matches"),
        (&["run", "--asic", "gaudi9"], 2, "no chip is called \"gaudi9\"; known: gaudi, gaudi2"),
        (&["run", "--retry", "2", "--until-fail"], 2, "cannot be used with '--until-fail'"),
        (&["run", "--untilfail"], 2, "exists: '--until-fail'"),
        (&["run", "--repeat", "many"], 2, "--repeat"),
        (&["run", "--device", "accel0"], 2, "--local"),
        (&["describe"], 2, "<CASE>"),
        (&["nonsense"], 2, "nonsense"),
        (&["run", "--list-only", "--shard", "3/2"], 2, "--shard 3/2"),
        (&["run", "--list-only", "--shard", "0/2"], 2, "--shard 0/2"),
        (&["run", "--bisect-line", "--driver", "x.ko"], 2, "omit --driver"),
        (&["describe", "open/compute"], 2, "did you mean"),
        (&["report", folder], 2, "no run directory"),
        (&["compare", folder, folder], 2, "no run directory"),
        (&["resume", folder], 2, "no run directory"),
        (&["headers", "debian:6.12", "/dev/null"], 2, "no folder"),
        (&["run", "--run-dir", "/dev/full"], 2, "no folder"),
        (&["run", "--baseline", folder], 2, "no run directory"),
        (&["headers", "nonsense", folder], 2, "nonsense"),
        (&["exec", "--", "/no/such/program"], 2, "no program"),
        (&["run", "--local", "--device", "accel99"], 4, "no accel99"),
    ] {
        let output = gauntlet(words);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}");
        assert!(said.contains(part), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{words:?}: {said}");
        assert_eq!(out(&output), "", "{words:?}");
    }
}

#[test]
fn shards_are_parts_of_the_whole() {
    let all = out(&gauntlet(&["run", "--list-only"]));
    let mut parts: Vec<String> = Vec::new();
    for shard in ["1/3", "2/3", "3/3"] {
        let part = out(&gauntlet(&["run", "--list-only", "--shard", shard]));
        parts.extend(part.lines().map(String::from));
    }
    let mut all: Vec<String> = all.lines().map(String::from).collect();
    assert!(all.len() > 100);
    all.sort();
    parts.sort();
    assert_eq!(all, parts);
}

#[test]
fn a_seed_gives_an_order() {
    let order = |seed| out(&gauntlet(&["run", "--list-only", "--seed", seed]));
    assert_eq!(order("7"), order("7"));
    assert_ne!(order("7"), order("8"));
}

#[test]
fn the_bisect_line_names_the_case() {
    let line = out(&gauntlet(&["run", "--bisect-line", "--exact", CASE]));
    assert!(line.starts_with("git bisect run sh -c "), "{line}");
    assert!(line.contains(&format!("--tree . --kernel debian:6.12 --exact {CASE};")), "{line}");
    assert_eq!(line.lines().count(), 1);
}

#[test]
fn a_report_is_made_from_the_record() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = recorded("known_issue", root.path());
    let output = gauntlet(&["report", text(&folder)]);
    let said = out(&output);
    let page = folder.join("report.html");
    assert_eq!(said.lines().last(), page.to_str(), "the page comes last");
    assert!(page.is_file() && folder.join("junit.xml").is_file());
    for (format, part) in [("ktap", "KTAP version 1"), ("json", "\"conclusion\""), ("lava", "LAVA")]
    {
        let output = gauntlet(&["report", text(&folder), "--format", format]);
        assert!(out(&output).contains(part), "{format}");
    }
    let output = gauntlet(&["report", text(&folder), "--format", "rtf"]);
    assert_eq!(output.status.code(), Some(2), "{}", err(&output));
    assert!(err(&output).contains("known: text, ktap"), "{}", err(&output));
}

#[test]
fn a_comparison_names_what_broke_and_leaves_a_page() {
    let root = tempfile::tempdir().expect("a folder");
    let (base, head) = (recorded("passed", root.path()), recorded("regression", root.path()));
    let output = gauntlet(&["compare", text(&base), text(&head)]);
    let said = out(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("Regression: ") && said.contains("NEW FAILURE"), "{said}");
    let page = head.join("compare.html");
    assert_eq!(said.lines().last(), page.to_str());
    assert!(page.is_file() && head.join("compare.json").is_file());
    let json = gauntlet(&["compare", text(&base), text(&head), "--format", "json"]);
    assert!(out(&json).contains("\"exit_code\": 1"));
    let output = gauntlet(&["report", text(&head), "--baseline", text(&base)]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let report = std::fs::read_to_string(head.join("report.html")).expect("a page");
    assert!(report.contains("new failure") && report.contains("Since the baseline"));
    let same = gauntlet(&["compare", text(&base), text(&base)]);
    assert_eq!(same.status.code(), Some(0));
}

#[test]
fn new_expectations_wait_for_a_person() {
    let root = tempfile::tempdir().expect("a folder");
    let folder = recorded("regression", root.path());
    let into = root.path().join("new");
    let output = gauntlet(&["report", text(&folder), "--update", text(&into)]);
    assert!(err(&output).contains("entries to complete"), "{}", err(&output));
    let files: Vec<_> = std::fs::read_dir(&into).expect("written").flatten().collect();
    let expect = files.iter().find(|file| file.path().extension().is_some_and(|e| e == "expect"));
    let text = std::fs::read_to_string(expect.expect("a file").path()).expect("readable");
    assert!(text.contains("defect TODO; link TODO; evidence "), "{text}");
}

#[test]
fn expectations_of_a_folder_stand_for_those_of_the_project() {
    let root = tempfile::tempdir().expect("a folder");
    let file = root.path().join("gaudi-6.12.expect");
    let describe = |line: &str| {
        std::fs::write(&file, line).expect("writable");
        let mut command = Command::new(env!("CARGO_BIN_EXE_gauntlet"));
        command.args(["describe", CASE]).env("GAUNTLET_EXPECTATIONS", root.path());
        command.output().expect("it starts")
    };
    let told = describe("open/*,skip  # reason hangs; link https://a.org; since 6.12\n");
    let line = "known       gaudi-6.12.expect:1, skip: hangs, https://a.org";
    assert!(out(&told).lines().any(|told| told == line), "{}", out(&told));
    let told = describe("open/*,skip\n");
    assert_eq!(told.status.code(), Some(2));
    assert!(err(&told).contains("gaudi-6.12.expect:1: open/* needs the note"), "{}", err(&told));
}
