// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes expectation files anew from a run, for a person to look over.
//!
//! Entries that still hold stay as they are, with the range of kernels grown to what was seen.
//! Entries of single cases that pass now go. What failed unexpectedly gets an entry with notes
//! that say TODO: the lint refuses them until somebody has written what is known.

use super::{Entry, Expectations, Status, parse};
use crate::{Run, TargetRun, Verdict, Version};
use std::collections::{BTreeMap, BTreeSet};

const HEAD: &str = "# SPDX-License-Identifier: GPL-2.0-only OR MIT\n";

/// The files to write, by name. Only files that the run speaks of are among them.
pub fn update(expectations: &Expectations, run: &Run) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for target in &run.targets {
        let Some(version) = Version::find(target.kernel()) else { continue };
        let name = format!("{}-{}.expect", target.target.asic, line_of(&version));
        files.insert(name.clone(), expect_file(expectations, target, &name, &version));
        let mut cases: BTreeSet<&str> = target
            .cases
            .iter()
            .filter(|case| case.verdict != Verdict::Gone)
            .map(|case| case.name.as_str())
            .collect();
        if run.facts.contains_key(record::fact::SELECTION) {
            let listed: Vec<&str> = expectations.listed(&target.target.asic).collect();
            if listed.is_empty() {
                // A part of the cases makes no list of them.
                continue;
            }
            cases.extend(listed);
        }
        // What only shows where something went wrong is no case.
        cases.remove(crate::PROBE);
        let list = cases.into_iter().map(|case| format!("{case}\n")).collect::<String>();
        files.insert(format!("{}.cases", target.target.asic), format!("{HEAD}{list}"));
    }
    files
}

/// `6.12` of 6.12.117.
fn line_of(version: &Version) -> String {
    version.to_string().split('.').take(2).collect::<Vec<_>>().join(".")
}

fn expect_file(all: &Expectations, target: &TargetRun, name: &str, version: &Version) -> String {
    let mut lines: BTreeMap<String, String> = BTreeMap::new();
    let old =
        all.files.iter().filter(|file| format!("{}-{}.expect", file.asic, file.kernel) == name);
    for entry in old.flat_map(|file| &file.entries) {
        let gone = target.cases.iter().any(|case| {
            entry.pattern.to_string() == case.name
                && matches!(case.verdict, Verdict::Fixed | Verdict::Gone)
        });
        if !gone {
            lines.insert(entry.pattern.to_string(), line(entry, None));
        }
    }
    for case in &target.cases {
        match (case.verdict, &case.entry) {
            (Verdict::KnownIssue, Some(entry)) if entry.pattern.is_exact() => {
                lines.insert(case.name.clone(), line(entry, Some(version)));
            }
            (Verdict::Regression, _) => {
                lines.insert(case.name.clone(), todo(case, version));
            }
            (
                Verdict::KnownIssue
                | Verdict::Gone
                | Verdict::Broken
                | Verdict::NotRun
                | Verdict::Fixed
                | Verdict::Flake
                | Verdict::New
                | Verdict::Expected,
                _,
            ) => {}
        }
    }
    HEAD.to_string() + &lines.into_values().collect::<String>()
}

fn todo(case: &crate::CaseRun, version: &Version) -> String {
    let evidence = case.message().replace([';', '\n'], ",");
    let word = parse::word(Status::Known(case.outcome()));
    let notes = format!("defect TODO; link TODO; evidence {evidence}; seen {version}..{version}");
    format!("{},{word}  # {notes}\n", case.name)
}

/// The line of an entry, with `seen` grown to a kernel.
fn line(entry: &Entry, seen_with: Option<&Version>) -> String {
    const ORDER: &[&str] = &["defect", "rate", "reason", "link", "evidence", "seen", "since"];
    let mut notes = entry.notes.clone();
    if let (Some(version), Some((first, last))) = (seen_with, entry.seen()) {
        let within = first <= *version && (*version <= last || version.is_within(&last));
        if !within {
            let (first, last) = (first.min(version.clone()), last.max(version.clone()));
            notes.insert("seen".into(), format!("{first}..{last}"));
        }
    }
    let shown = ORDER.iter().filter_map(|name| Some(format!("{name} {}", notes.get(*name)?)));
    let shown = shown.collect::<Vec<_>>().join("; ");
    format!("{},{}  # {shown}\n", entry.pattern, parse::word(entry.status))
}
