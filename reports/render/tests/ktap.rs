// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kernel's own parser reads the KTAP of every recorded run.
//!
//! Needs `tools/testing/kunit` of a kernel source (`linux-source-6.12` holds it) in the variable
//! `GAUNTLET_KUNIT`, and python3. Without it this test says so and proves nothing.

mod common;

use record::Outcome;
use render::{Format, Verdict};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

fn parser() -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("GAUNTLET_KUNIT").map(PathBuf::from) else {
        eprintln!("skipped: set GAUNTLET_KUNIT to tools/testing/kunit of a kernel source");
        return None;
    };
    let script = folder.join("kunit.py");
    assert!(script.is_file(), "GAUNTLET_KUNIT holds no kunit.py: {}", script.display());
    Some(script)
}

/// What the parser prints, without colours.
fn parse(script: &PathBuf, ktap: &str) -> String {
    let mut child = Command::new("python3")
        .arg(script)
        .arg("parse")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(ktap.as_bytes()).expect("the parser reads");
    drop(input);
    let output = child.wait_with_output().expect("the parser ends");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The number after a word of the line that sums up.
fn number(report: &str, word: &str) -> usize {
    let line = report.lines().rfind(|line| line.contains("Testing complete.")).expect("a sum");
    let Some(at) = line.find(word) else { return 0 };
    let digits: String =
        line[at + word.len()..].chars().skip_while(|c| !c.is_ascii_digit()).collect();
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().expect("a number")
}

#[test]
fn the_kernels_parser_counts_what_we_count() {
    let Some(script) = parser() else { return };
    for name in common::names() {
        let run = common::run(&name);
        let report = parse(&script, &run.render(Format::Ktap));
        let cases: Vec<_> = run.cases().map(|(_, case)| case).collect();
        let failed = cases.iter().filter(|case| !case.verdict.is_accepted()).count();
        let skipped = cases
            .iter()
            .filter(|case| case.outcome() == Outcome::Skip && case.verdict == Verdict::Expected);
        let skipped = skipped.count();
        assert_eq!(number(&report, "failed:"), failed, "{name}\n{report}");
        assert_eq!(number(&report, "skipped:"), skipped, "{name}\n{report}");
        let passed = cases.len() - failed - skipped;
        assert_eq!(number(&report, "passed:"), passed, "{name}\n{report}");
        assert_eq!(number(&report, "errors:"), 0, "{name}\n{report}");
    }
}
