// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Recorded runs: the expected report in every format, byte for byte.
//!
//! `BLESS=1 cargo test -p render --test records` writes the expected reports anew; a person reads
//! the diff.

mod common;

use render::{Comparison, Conclusion, Format, Verdict};
use std::path::Path;

/// Name of a recorded run, what it concludes, and its cases by verdict.
type Recorded = (&'static str, Conclusion, &'static [(Verdict, usize)]);

const RUNS: &[Recorded] = &[
    (
        "crashed_guest",
        Conclusion::KernelDied,
        &[
            (Verdict::Regression, 1),
            (Verdict::Broken, 1),
            (Verdict::NotRun, 1),
            (Verdict::Expected, 4),
        ],
    ),
    ("cut", Conclusion::Infrastructure, &[(Verdict::NotRun, 3), (Verdict::Expected, 4)]),
    (
        "flake",
        Conclusion::Regression,
        &[
            (Verdict::Regression, 1),
            (Verdict::Fixed, 2),
            (Verdict::Flake, 1),
            (Verdict::Expected, 3),
        ],
    ),
    ("hostile", Conclusion::KernelDied, &[(Verdict::Regression, 1)]),
    ("known_issue", Conclusion::AsExpected, &[(Verdict::KnownIssue, 1), (Verdict::Expected, 6)]),
    ("passed", Conclusion::AsExpected, &[(Verdict::Expected, 7)]),
    ("regression", Conclusion::Regression, &[(Verdict::Regression, 3), (Verdict::Expected, 5)]),
    (
        "two_targets",
        Conclusion::Regression,
        &[
            (Verdict::Regression, 2),
            (Verdict::Gone, 1),
            (Verdict::KnownIssue, 1),
            (Verdict::New, 1),
            (Verdict::Expected, 10),
        ],
    ),
];

/// Base and head of the expected comparisons.
const COMPARISONS: &[(&str, &str)] =
    &[("passed", "regression"), ("regression", "passed"), ("passed", "cut"), ("flake", "flake")];

#[test]
fn every_recorded_run_is_in_the_table() {
    let named: Vec<&str> = RUNS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(common::names(), named);
}

#[test]
fn runs_conclude_as_recorded() {
    for (name, conclusion, verdicts) in RUNS {
        let run = common::run(name);
        assert_eq!(run.conclusion(), *conclusion, "{name}");
        let counts = run.counts();
        let got: Vec<_> =
            counts.verdicts.iter().map(|(v, n)| (*v, *n)).filter(|(_, n)| *n > 0).collect();
        assert_eq!(got, *verdicts, "{name}");
    }
}

#[test]
fn reports_are_as_recorded() {
    let mut different = Vec::new();
    for (name, ..) in RUNS {
        let run = common::run(name);
        for &format in Format::ALL {
            let path = common::folder().join(name).join("expected").join(format.file_name());
            same(&path, &run.render(format), &mut different);
            assert_eq!(run.render(format), common::run(name).render(format), "{name} twice");
        }
    }
    for (base, head) in COMPARISONS {
        let comparison = Comparison::new(&common::run(base), &common::run(head));
        let stem = format!("{base}-to-{head}");
        for (end, text) in
            [("txt", comparison.text()), ("json", comparison.json()), ("html", comparison.html())]
        {
            let path = common::folder().with_file_name("comparisons");
            same(&path.join(format!("{stem}.{end}")), &text, &mut different);
        }
    }
    assert!(different.is_empty(), "differ from what is recorded:\n{}", different.join("\n"));
}

/// A terminal, a parser of lines and a browser see nothing that they would obey.
#[test]
fn no_report_holds_a_control_character() {
    for (name, ..) in RUNS {
        let run = common::run(name);
        let comparison = Comparison::new(&run, &run);
        let reports = Format::ALL.iter().map(|&format| run.render(format));
        for text in reports.chain([comparison.text(), comparison.json(), comparison.html()]) {
            let bad = text.chars().find(|c| c.is_control() && *c != '\n' && *c != '\t');
            assert_eq!(bad, None, "{name}");
        }
    }
}

fn same(path: &Path, text: &str, different: &mut Vec<String>) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, text).expect("writable");
    } else if std::fs::read_to_string(path).unwrap_or_default() != text {
        different.push(path.display().to_string());
    }
}
