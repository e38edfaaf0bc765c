// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Expectation files: which entry speaks, what the lint refuses, what an update writes.

mod common;

use record::Outcome;
use render::{Expectation, Expectations, Status, update};

const NOTES: &str = "defect D1; link https://a.org/b; evidence seen; seen 6.12.100..7.3.4";
const SKIP: &str = "reason r; link https://a.org/b; since 6.12";
const FLAKE: &str = "rate 1/200; link https://a.org/b; reason r; since 6.12";

fn parse(files: &[(&str, &str)]) -> Expectations {
    Expectations::parse(files.iter().copied()).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn what_is_wrong_is_named_with_file_and_line() {
    let cases: &[(&str, &str)] = &[
        ("a/b", "gaudi-6.12.expect:2: has no comma: write name,outcome  # notes"),
        ("a b,fail", "\"a b\" is not the name of a case or a pattern"),
        ("a/b,pass", "\"pass\" is not one of fail, kernel_fault"),
        ("a/b,broken", "\"broken\" is not one of fail"),
        ("a/b,fail", "a/b needs the note `defect`"),
        ("a/b,fail # defect D1; link https://a.org; seen 6.1..7.3", "needs the note `evidence`"),
        ("a/b,fail # defect; link https://a.org; evidence e; seen 6.1..7", "`defect` is \"\""),
        ("a/b,fail # defect TODO; link https://a.org; evidence e; seen 6.1..7", "`defect` is"),
        ("a/b,fail # defect D1; link a.org; evidence e; seen 6.1..7.3", "`link` is \"a.org\""),
        ("a/b,fail # defect D1; link https://a; evidence e; seen 7.3..6.1", "`seen` is"),
        ("a/b,fail # defect D1; defect D2", "has the note `defect` twice"),
        ("a/b,skip # reason r; link https://a; since 6.1; rate 1/2", "`rate` is no note of skip"),
        ("a/b,flake # rate 3/2; link https://a; reason r; since 6.1", "`rate` is \"3/2\""),
    ];
    for (line, expected) in cases {
        let text = format!("# comment\n{line}\n");
        let problems = Expectations::parse([("gaudi-6.12.expect", text.as_str())]);
        let problems = problems.expect_err(line).to_string();
        assert!(problems.contains(expected), "{line}: {problems}");
        assert!(problems.starts_with("gaudi-6.12.expect:2: "), "{problems}");
    }
}

#[test]
fn order_duplicates_and_names_of_files_are_checked() {
    let twice = format!("a/b,fail  # {NOTES}\na/b,crash  # {NOTES}\n");
    let problems = Expectations::parse([("gaudi-6.12.expect", twice.as_str())]).expect_err("twice");
    assert_eq!(problems.to_string(), "gaudi-6.12.expect:2: repeats a/b of line 1");
    let order = format!("b/b,fail  # {NOTES}\na/b,fail  # {NOTES}\n");
    let problems = Expectations::parse([("gaudi-6.12.expect", order.as_str())]).expect_err("order");
    assert_eq!(problems.to_string(), "gaudi-6.12.expect:2: a/b is not in sorted order");
    for name in ["gaudi.expect", "gaudi-x6.expect", "gaudi-6.12.txt"] {
        let problems = Expectations::parse([(name, "")]).expect_err(name);
        assert!(problems.to_string().contains("is not named"), "{problems}");
    }
    let problems = Expectations::parse([("gaudi.cases", "b/c\na/b\n")]).expect_err("order");
    assert!(problems.to_string().starts_with("gaudi.cases:2: a/b must be listed once"));
}

#[test]
fn the_file_that_says_most_about_the_kernel_wins() {
    let line = format!("a/b,fail  # {NOTES}\na/c,fail  # {NOTES}\n");
    let build = format!("a/b,crash  # {NOTES}\n");
    let all = parse(&[
        ("gaudi2-6.12.117+deb13.expect", &build),
        ("gaudi2-6.12.expect", &line),
        ("gaudi2-6.1.expect", ""),
    ]);
    let expect = |kernel, case| all.expect("gaudi2", kernel, case);
    assert_eq!(expect("6.12.117+deb13", "a/b"), Expectation::Known(Outcome::Crash));
    assert_eq!(expect("6.12.117+deb13", "a/c"), Expectation::Known(Outcome::Fail));
    assert_eq!(expect("6.12.118", "a/b"), Expectation::Known(Outcome::Fail));
    // Outside of the kernels that it was seen with.
    assert_eq!(expect("6.12.1", "a/b"), Expectation::KnownElsewhere(Outcome::Fail));
    // Newer than every file, older than every file, another chip.
    assert_eq!(expect("7.4.0-rc1", "a/b"), Expectation::KnownElsewhere(Outcome::Fail));
    assert_eq!(expect("5.10", "a/b"), Expectation::Pass);
    assert_eq!(all.expect("gaudi", "6.12.117", "a/b"), Expectation::Pass);
    assert!(!all.covers("gaudi2", "local"));
}

#[test]
fn a_name_wins_over_a_pattern() {
    let text = format!("a/*,skip  # {SKIP}\na/b,flake  # {FLAKE}\n");
    let all = parse(&[("gaudi-6.12.expect", &text)]);
    assert_eq!(all.expect("gaudi", "6.12.1", "a/b"), Expectation::Flake);
    let skip = all.skip("gaudi", "6.12.1", "a/c").expect("listed");
    assert_eq!((skip.status, skip.note("reason")), (Status::Skip, "r"));
    assert!(all.skip("gaudi", "6.12.1", "a/b").is_none());
}

#[test]
fn the_lint_refuses_what_matches_nothing_or_twice() {
    let text = format!("a/*,skip  # {SKIP}\na/b*,skip  # {SKIP}\nc/d,fail  # {NOTES}\n");
    let all = parse(&[("gaudi-6.12.expect", &text)]);
    let problems = all.lint(|_| vec!["a/b", "a/c"]).expect_err("two problems").to_string();
    assert_eq!(
        problems,
        "gaudi-6.12.expect:3: c/d matches no case of gaudi\n\
         gaudi-6.12.expect:2: a/* and a/b* both match a/b"
    );
    let text = format!("a/*,skip  # {SKIP}\n");
    let all = parse(&[("gaudi-6.12.expect", &text)]);
    assert_eq!(all.lint(|_| vec!["a/b", "a/c"]), Ok(()));
}

#[test]
fn an_update_is_read_back_once_somebody_has_filled_it_in() {
    let files = update(&Expectations::default(), &common::run("regression"));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(names, ["gaudi2-6.12.expect", "gaudi2.cases"]);
    let expect = &files["gaudi2-6.12.expect"];
    assert_eq!(expect.matches("TODO").count(), 6, "{expect}");
    let read = |text: &str| {
        Expectations::parse([
            ("gaudi2-6.12.expect", text),
            ("gaudi2.cases", &files["gaudi2.cases"]),
        ])
    };
    assert!(read(expect).is_err(), "TODO must not pass");
    let filled = expect.replace("defect TODO", "defect D9").replace("TODO", "https://a.org/9");
    let all = read(&filled).unwrap_or_else(|problems| panic!("{problems}"));
    for case in &common::run("regression").targets[0].cases {
        let expected = match case.outcome() {
            Outcome::Pass | Outcome::Skip => Expectation::Pass,
            bad => Expectation::Known(bad),
        };
        assert_eq!(all.expect("gaudi2", "6.12.117+deb13-amd64", &case.name), expected);
    }
}

#[test]
fn an_update_drops_what_is_fixed_and_keeps_the_rest() {
    let folder = common::folder().join("flake/expectations");
    let old = Expectations::load(&folder).unwrap_or_else(|problems| panic!("{problems}"));
    let new = &update(&old, &common::run("flake"))["gaudi2-6.12.expect"];
    assert!(!new.contains("mem/map/"), "fixed: {new}");
    assert!(new.contains("cs/wait/*,flake"), "a flake stays: {new}");
    assert!(new.contains("info/hw_ip/answers_in_any_state,fail"), "unlisted failure: {new}");
}
