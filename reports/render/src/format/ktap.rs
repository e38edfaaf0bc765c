// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! KTAP version 1: one block per target, one line per case.
//!
//! A known issue is `ok` with XFAIL, as the kernel's selftests print it. Kernel logs stay out:
//! some of their lines make a parser believe that the output ends.

use crate::{CaseRun, Run, TargetRun, Verdict};
use record::Outcome;
use std::fmt::Write;

pub(super) fn render(run: &Run) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(run, &mut out);
    out
}

fn write(run: &Run, out: &mut String) -> std::fmt::Result {
    writeln!(out, "KTAP version 1\n1..{}", run.targets.len())?;
    for (number, target) in (1..).zip(&run.targets) {
        let name = target.label().replace([' ', '#'], "-");
        writeln!(out, "  KTAP version 1\n  # Subtest: {name}\n  1..{}", target.cases.len())?;
        facts(target, out)?;
        for (number, case) in (1..).zip(&target.cases) {
            line(number, case, out)?;
        }
        let ok = target.cases.iter().all(|case| case.verdict.is_accepted());
        writeln!(out, "{} {number} {name}", if ok { "ok" } else { "not ok" })?;
    }
    writeln!(out, "# conclusion: {}", run.conclusion().name())
}

fn facts(target: &TargetRun, out: &mut String) -> std::fmt::Result {
    target.facts.iter().try_for_each(|(name, value)| comment(out, name, value))
}

fn line(number: usize, case: &CaseRun, out: &mut String) -> std::fmt::Result {
    let ok = if case.verdict.is_accepted() { "ok" } else { "not ok" };
    let directive = directive(case);
    if !case.verdict.is_accepted() {
        comment(out, "verdict", case.verdict.title())?;
        comment(out, case.outcome().name(), case.message())?;
        if let Some(attempt) = case.decisive() {
            let details = super::ordered(&attempt.details);
            details.iter().try_for_each(|(name, _, value)| comment(out, name, value))?;
            attempt.findings.iter().try_for_each(|finding| comment(out, "device", finding))?;
        }
        comment(out, "repeat", &case.repeat)?;
    }
    writeln!(out, "  {ok} {number} {}{directive}", case.name.replace(['#', ' '], "-"))
}

/// A diagnostic line for every line of a value; its name keeps it from looking like a test line.
fn comment(out: &mut String, name: &str, value: &str) -> std::fmt::Result {
    value.lines().try_for_each(|line| writeln!(out, "  # {name}: {line}"))
}

fn directive(case: &CaseRun) -> String {
    let (word, text) = match (case.verdict, case.outcome()) {
        (Verdict::Fixed, _) => ("", String::new()),
        (Verdict::KnownIssue | Verdict::Flake, _) => {
            ("XFAIL", case.entry.as_ref().map_or(String::new(), crate::Entry::summary))
        }
        (_, Outcome::Skip) => ("SKIP", case.message().to_string()),
        (_, Outcome::Timeout) => ("TIMEOUT", case.message().to_string()),
        (_, Outcome::Broken | Outcome::NotRun) => ("ERROR", case.message().to_string()),
        (
            _,
            Outcome::Pass
            | Outcome::Fail
            | Outcome::KernelFault
            | Outcome::DeviceFinding
            | Outcome::Crash,
        ) => ("", String::new()),
    };
    // A `#` in the text would end the directive before it began.
    match word {
        "" => String::new(),
        word => format!(" # {word} {}", text.replace('#', "").replace(char::is_control, " ")),
    }
}
