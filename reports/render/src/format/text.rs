// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a maintainer reads in the terminal: the verdict first, then what is not as expected with
//! the line that repeats it, then the rest in ever fewer words.

use super::{ordered, plural};
use crate::{CaseRun, Counts, RowState, Run, TargetRun, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many of the slowest cases are named.
const SLOWEST: usize = 5;

pub(super) fn render(run: &Run) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(run, &mut out);
    out
}

fn write(run: &Run, out: &mut String) -> std::fmt::Result {
    writeln!(out, "{}: {}", run.conclusion().title(), headline(&run.counts()))?;
    for target in &run.targets {
        write!(out, "  {}", target.label())?;
        if let Some(release) = &target.release {
            write!(out, ", kernel {release}")?;
        }
        for name in target.workarounds() {
            write!(out, ", workaround {name}")?;
        }
        match &target.expectations[..] {
            [] => writeln!(out, ", no expectations for this kernel")?,
            files => writeln!(out, ", expectations {}", files.join(" "))?,
        }
    }
    if run.is_cut() {
        let why = run.end.as_deref().unwrap_or("the record stops before its end");
        writeln!(out, "\nThe run is not complete ({why}): `gauntlet resume` goes on with it.")?;
    }
    for verdict in Verdict::ALL.iter().filter(|verdict| !verdict.is_accepted()) {
        section(run, *verdict, out)?;
    }
    boots(run, out)?;
    known(run, out)?;
    section_short(run, Verdict::Flake, out)?;
    areas(run, out)?;
    requirements(run, out)?;
    slowest(run, out)
}

/// `1250 cases: 2 regressions, 3 known issues, 1245 as expected (12 skipped)`.
pub(super) fn headline(counts: &Counts) -> String {
    let shown = Verdict::ALL.iter().filter(|&&verdict| counts.verdict(verdict) > 0);
    let parts: Vec<String> = shown.map(|&verdict| verdict.count(counts.verdict(verdict))).collect();
    let mut text = plural(counts.all, "case");
    if !parts.is_empty() {
        text = format!("{text}: {}", parts.join(", "));
    }
    match counts.outcome(record::Outcome::Skip) {
        0 => text,
        skipped => format!("{text} ({skipped} skipped)"),
    }
}

fn section(run: &Run, verdict: Verdict, out: &mut String) -> std::fmt::Result {
    for (target, case) in run.with(verdict) {
        writeln!(out, "\n{}: {} on {}", verdict.title().to_uppercase(), case.name, target.label())?;
        details(case, out)?;
    }
    Ok(())
}

fn details(case: &CaseRun, out: &mut String) -> std::fmt::Result {
    writeln!(out, "  {}: {}", case.outcome().name(), case.message())?;
    if case.is_unstable() {
        let ends: Vec<&str> = case.attempts.iter().map(|attempt| attempt.outcome.name()).collect();
        writeln!(out, "  unstable, attempts ended: {}", ends.join(", "))?;
    }
    if let Some(entry) = &case.entry {
        writeln!(out, "  {}:{}: {}", entry.file, entry.line, entry.summary())?;
    }
    if let Some(attempt) = case.decisive() {
        for (name, _, value) in ordered(&attempt.details) {
            lines(out, name, value)?;
        }
        lines(out, "output", &attempt.output)?;
        for line in attempt.findings.iter().map(|line| format!("device: {line}")) {
            writeln!(out, "  {line}")?;
        }
        for line in attempt.kernel_log.iter().chain(&attempt.console) {
            writeln!(out, "  | {line}")?;
        }
    }
    if !case.repeat.is_empty() {
        writeln!(out, "  repeat: {}", case.repeat)?;
    }
    Ok(())
}

/// A value of one line after its name, a longer one below it.
fn lines(out: &mut String, name: &str, value: &str) -> std::fmt::Result {
    match value.lines().count() {
        0 => Ok(()),
        1 => writeln!(out, "  {name}: {}", value.trim_end()),
        _ => {
            writeln!(out, "  {name}:")?;
            value.lines().try_for_each(|line| writeln!(out, "    {line}"))
        }
    }
}

fn boots(run: &Run, out: &mut String) -> std::fmt::Result {
    for boot in run.boots.iter().filter(|boot| boot.is_trouble()) {
        let target = &run.targets[boot.target];
        let reason = boot.reason.as_deref().unwrap_or_default();
        write!(out, "\nGuest {} ({}) ended: {reason}", boot.number, target.label())?;
        match &boot.blamed {
            Some(case) => writeln!(out, " in {case}")?,
            None => {
                writeln!(out, ", no case to blame")?;
                for line in &boot.console {
                    writeln!(out, "  | {line}")?;
                }
            }
        }
    }
    Ok(())
}

fn known(run: &Run, out: &mut String) -> std::fmt::Result {
    let defects = run.defects();
    if defects.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nKnown issues")?;
    for (defect, cases) in defects {
        let mut last = "";
        for (target, case, entry) in cases {
            if entry.note("link") != last || last.is_empty() {
                writeln!(out, "  {defect}: {}", entry.summary())?;
                last = entry.note("link");
            }
            writeln!(out, "    {} on {}: {}", case.name, target.label(), case.outcome().name())?;
        }
    }
    Ok(())
}

fn section_short(run: &Run, verdict: Verdict, out: &mut String) -> std::fmt::Result {
    let mut head = Some(verdict.title());
    for (target, case) in run.with(verdict) {
        if let Some(title) = head.take() {
            writeln!(out, "\n{}{}", title[..1].to_uppercase(), &title[1..])?;
        }
        writeln!(out, "  {} on {}: {}", case.name, target.label(), case.message())?;
    }
    Ok(())
}

/// Passed of run, per area and target.
fn areas(run: &Run, out: &mut String) -> std::fmt::Result {
    let mut areas: BTreeMap<&str, Vec<Vec<&CaseRun>>> = BTreeMap::new();
    for (index, target) in run.targets.iter().enumerate() {
        for case in &target.cases {
            areas.entry(case.area()).or_insert_with(|| vec![vec![]; run.targets.len()])[index]
                .push(case);
        }
    }
    if areas.is_empty() {
        return Ok(());
    }
    let width = areas.keys().map(|area| area.len()).max().unwrap_or_default().max(4);
    let labels: Vec<String> = run.targets.iter().map(TargetRun::label).collect();
    write!(out, "\n{:width$}", "Area")?;
    for label in &labels {
        write!(out, "  {label:>24}")?;
    }
    writeln!(out)?;
    for (area, targets) in areas {
        write!(out, "{area:width$}")?;
        for cases in targets {
            write!(out, "  {:>24}", cell(&Counts::of(cases)))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn cell(counts: &Counts) -> String {
    if counts.all == 0 {
        return "-".into();
    }
    let passed = counts.outcome(record::Outcome::Pass);
    match counts.unaccepted() {
        0 => format!("{passed}/{}", counts.all),
        bad => format!("{bad} not ok, {passed}/{}", counts.all),
    }
}

fn requirements(run: &Run, out: &mut String) -> std::fmt::Result {
    if run.rows.is_empty() {
        return Ok(());
    }
    let count = |state| run.rows.iter().filter(|row| row.state == state).count();
    let parts: Vec<String> =
        RowState::ALL.iter().map(|&state| format!("{} {}", count(state), state.title())).collect();
    writeln!(out, "\nRequirements: {} of {}", parts.join(", "), run.rows.len())?;
    if !run.unknown_rows.is_empty() {
        writeln!(out, "  not in the catalogue: {}", run.unknown_rows.join(" "))?;
    }
    Ok(())
}

fn slowest(run: &Run, out: &mut String) -> std::fmt::Result {
    let slowest = run.slowest(SLOWEST);
    if !slowest.is_empty() {
        writeln!(out, "\nSlowest")?;
    }
    for (target, case) in slowest {
        let duration = duration(case.duration_us());
        writeln!(out, "  {duration:>8}  {} on {}", case.name, target.label())?;
    }
    writeln!(out, "\nTook {}, seed {}.", duration(run.duration_ms * 1000), run.seed)
}

/// A duration with a unit that fits.
pub(crate) fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        1_000_000..60_000_000 => format!("{}.{} s", us / 1_000_000, us % 1_000_000 / 100_000),
        _ => format!("{} min {:02} s", us / 60_000_000, us % 60_000_000 / 1_000_000),
    }
}
