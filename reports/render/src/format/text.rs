// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a maintainer reads in the terminal: the verdict first, then what is not as expected with
//! the line that repeats it, then the rest in ever fewer words.
//!
//! It stays readable for thousands of cases: cases that ended alike are told once, and long logs
//! and lists are cut with a word on how much is left out. The other formats leave nothing out. Where
//! the rest fills a screen, the end names once more what is not as expected: a terminal and the log
//! of a CI job show the end.

use super::{ordered, plural};
use crate::{CaseRun, Counts, RowState, Run, TargetRun, Verdict};
use record::{Outcome, fact};
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many of the slowest cases are named.
const SLOWEST: usize = 5;
/// How many groups of cases that ended alike are told for one verdict.
const GROUPS: usize = 20;
/// How many further cases of a group, or of a known defect, are named.
const NAMED: usize = 10;
/// How many lines of a log, of a console, or of the output of a case are shown.
const LINES: usize = 12;
/// How many lines a terminal shows at least.
const SCREEN: usize = 24;
/// Head of the column of areas.
const AREA: &str = "Area";
/// How many characters of a line are shown.
const LONGEST: usize = 400;
/// What the runner itself writes into a kernel's log, which says nothing.
const MARKERS: &[&str] = &["gauntlet: begin ", "gauntlet: end "];
/// What the line contains that a kernel's last words are read from.
const LAST_WORDS: &[&str] = &["BUG:", "WARNING:", "Oops", "KASAN:", "UBSAN:", "panic"];

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
    if let Some(selection) = run.facts.get(fact::SELECTION) {
        writeln!(out, "  only {selection}")?;
    }
    if run.is_cut() {
        let why = run.end.as_deref().unwrap_or("the record stops before its end");
        writeln!(out, "\nThe run is not complete ({why}): `gauntlet resume` goes on with it.")?;
    }
    for verdict in unaccepted() {
        section(run, verdict, out)?;
    }
    boots(run, out)?;
    let told = out.len();
    known(run, out)?;
    section_short(run, Verdict::Flake, out)?;
    skipped(run, out)?;
    areas(run, out)?;
    requirements(run, out)?;
    slowest(run, out)?;
    if out[told..].lines().count() > SCREEN { once_more(run, out) } else { Ok(()) }
}

/// The verdicts that make a run red.
fn unaccepted() -> impl Iterator<Item = Verdict> {
    Verdict::ALL.iter().copied().filter(|verdict| !verdict.is_accepted())
}

/// What is not as expected, a line a case.
fn once_more(run: &Run, out: &mut String) -> std::fmt::Result {
    let lines: Vec<String> = unaccepted()
        .flat_map(|verdict| run.with(verdict).map(move |(target, case)| (verdict, target, case)))
        .map(|(verdict, target, case)| {
            let first = case.message().lines().next().unwrap_or(case.outcome().name());
            let title = verdict.title().to_uppercase();
            cut(&format!("{title}: {}: {first}", place(run, target, case)))
        })
        .collect();
    if !lines.is_empty() {
        writeln!(out)?;
    }
    some(out, "", &lines, GROUPS)
}

/// `1250 cases: 2 regressions, 3 known issues, 1245 as expected (12 skipped)`.
pub(super) fn headline(counts: &Counts) -> String {
    let shown = Verdict::ALL.iter().filter(|&&verdict| counts.verdict(verdict) > 0);
    let parts: Vec<String> = shown.map(|&verdict| verdict.count(counts.verdict(verdict))).collect();
    let mut text = plural(counts.all, "case");
    if !parts.is_empty() {
        text = format!("{text}: {}", parts.join(", "));
    }
    match counts.outcome(Outcome::Skip) {
        0 => text,
        skipped => format!("{text} ({skipped} skipped)"),
    }
}

fn section(run: &Run, verdict: Verdict, out: &mut String) -> std::fmt::Result {
    let mut groups: Vec<Vec<(&TargetRun, &CaseRun)>> = Vec::new();
    let mut places: BTreeMap<_, usize> = BTreeMap::new();
    for (target, case) in run.with(verdict) {
        let place =
            *places.entry((case.outcome(), case.message(), place_of(case))).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push((target, case)),
            None => groups.push(vec![(target, case)]),
        }
    }
    for group in groups.iter().take(GROUPS) {
        let [(target, case), others @ ..] = &group[..] else { continue };
        let title = verdict.title().to_uppercase();
        writeln!(out, "\n{title}: {}", place(run, target, case))?;
        details(case, out)?;
        if !others.is_empty() {
            writeln!(out, "  and the same for {}:", plural(others.len(), "more case"))?;
            let name = |(target, case): &(&TargetRun, &CaseRun)| place(run, target, case);
            some(out, "    ", &others.iter().map(name).collect::<Vec<_>>(), NAMED)?;
        }
    }
    let left: usize = groups.iter().skip(GROUPS).map(Vec::len).sum();
    if left > 0 {
        let (more, title) = (plural(left, "more case"), verdict.title());
        writeln!(out, "\n... and {more} with the verdict {title}: see the HTML report")?;
    }
    Ok(())
}

/// A case, and its target where there are several.
fn place(run: &Run, target: &TargetRun, case: &CaseRun) -> String {
    match &run.targets[..] {
        [_] => case.name.clone(),
        _ => format!("{} on {}", case.name, target.label()),
    }
}

/// Where the expectations speak of a case.
fn place_of(case: &CaseRun) -> Option<(&str, usize)> {
    case.entry.as_ref().map(|entry| (entry.file.as_str(), entry.line))
}

/// The first of many lines.
fn some<T: std::fmt::Display>(
    out: &mut String,
    indent: &str,
    lines: &[T],
    most: usize,
) -> std::fmt::Result {
    lines.iter().take(most).try_for_each(|line| writeln!(out, "{indent}{line}"))?;
    match lines.len().saturating_sub(most) {
        0 => Ok(()),
        left => writeln!(out, "{indent}... and {left} more"),
    }
}

/// The lines of a kernel log from where it becomes interesting; all where nothing is left out.
fn interesting(log: &[String]) -> &[String] {
    if log.len() <= LINES {
        return log;
    }
    let first = log.iter().position(|line| LAST_WORDS.iter().any(|word| line.contains(word)));
    &log[first.unwrap_or(log.len() - LINES).min(log.len() - LINES)..]
}

fn kernel_lines(out: &mut String, log: &[String]) -> std::fmt::Result {
    let is_marker = |line: &&String| MARKERS.iter().any(|marker| line.contains(marker));
    let log: Vec<String> =
        log.iter().filter(|line| !is_marker(line)).map(|line| cut(line)).collect();
    let shown = interesting(&log);
    if shown.len() < log.len() {
        writeln!(out, "  | ... {} before", plural(log.len() - shown.len(), "line"))?;
    }
    some(out, "  | ", shown, LINES)
}

fn details(case: &CaseRun, out: &mut String) -> std::fmt::Result {
    match case.message() {
        "" => writeln!(out, "  {}", case.outcome().name())?,
        message => lines(out, case.outcome().name(), message)?,
    }
    if let Some(told) = case.attempts_told() {
        let unstable = if case.is_unstable() { "unstable, " } else { "" };
        writeln!(out, "  {unstable}attempts ended: {told}")?;
    }
    if let Some(entry) = &case.entry {
        writeln!(out, "  {}:{}: {}", entry.file, entry.line, entry.summary())?;
    }
    if let Some(attempt) = case.decisive() {
        for (name, _, value) in ordered(&attempt.details) {
            lines(out, name, value)?;
        }
        lines(out, "output", &attempt.output)?;
        some(out, "  device: ", &attempt.findings, LINES)?;
        kernel_lines(out, &attempt.kernel_log)?;
        kernel_lines(out, &attempt.console)?;
    }
    if !case.repeat.is_empty() {
        writeln!(out, "  repeat: {}", case.repeat)?;
    }
    Ok(())
}

/// A value of one line after its name, a longer one below it.
fn lines(out: &mut String, name: &str, value: &str) -> std::fmt::Result {
    let lines: Vec<String> = value.lines().map(|line| cut(line.trim_end())).collect();
    match &lines[..] {
        [] => Ok(()),
        [line] => writeln!(out, "  {name}: {line}"),
        lines => {
            writeln!(out, "  {name}:")?;
            some(out, "    ", lines, LINES)
        }
    }
}

/// A line of bearable length.
fn cut(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        None => line.into(),
        Some((at, _)) => {
            format!(
                "{} ... and {} more",
                &line[..at],
                plural(line[at..].chars().count(), "character")
            )
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
                kernel_lines(out, &boot.console)?;
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
        if cases.len() > NAMED {
            writeln!(out, "  {defect}: {}", plural(cases.len(), "case"))?;
        }
        for (target, case, entry) in cases.into_iter().take(NAMED) {
            if entry.note("link") != last || last.is_empty() {
                writeln!(out, "  {}", named(defect, &entry.summary()))?;
                last = entry.note("link");
            }
            writeln!(out, "    {}: {}", place(run, target, case), case.outcome().name())?;
        }
    }
    Ok(())
}

/// A summary with the name of its defect before it, which that of a defect has already.
fn named(defect: &str, summary: &str) -> String {
    if summary.starts_with(defect) { summary.into() } else { format!("{defect}: {summary}") }
}

fn section_short(run: &Run, verdict: Verdict, out: &mut String) -> std::fmt::Result {
    let mut head = Some(verdict.title());
    // Flakes are few: each is an entry that somebody wrote.
    for (target, case) in run.with(verdict) {
        if let Some(title) = head.take() {
            writeln!(out, "\n{}{}", title[..1].to_uppercase(), &title[1..])?;
        }
        writeln!(out, "  {}: {}", place(run, target, case), case.message())?;
    }
    Ok(())
}

/// What was skipped, and why.
fn skipped(run: &Run, out: &mut String) -> std::fmt::Result {
    let mut reasons: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (target, case) in run.cases().filter(|(_, case)| case.outcome() == Outcome::Skip) {
        reasons.entry(case.message()).or_default().push(place(run, target, case));
    }
    if !reasons.is_empty() {
        writeln!(out, "\nSkipped")?;
    }
    for (reason, cases) in &reasons {
        writeln!(out, "  {reason}")?;
        some(out, "    ", cases, NAMED)?;
    }
    Ok(())
}

/// What a table says of an area on a target: passed of all, and what the others did.
type Cell = (String, String);

/// Passed of all, per area and target; what did not pass is named.
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
    let rows: Vec<(&str, Vec<Cell>)> = areas
        .into_iter()
        .map(|(area, targets)| {
            (area, targets.into_iter().map(|cases| cell(&Counts::of(cases))).collect())
        })
        .collect();
    let names = rows.iter().map(|(area, _)| area.len()).max().unwrap_or(0).max(AREA.len());
    let mut head = format!("{AREA:names$}");
    let mut lines: Vec<String> = rows.iter().map(|(area, _)| format!("{area:names$}")).collect();
    for (column, target) in run.targets.iter().enumerate() {
        let cells: Vec<&Cell> = rows.iter().map(|(_, cells)| &cells[column]).collect();
        let ratios = cells.iter().map(|(ratio, _)| ratio.len()).max().unwrap_or(0);
        let cells = cells.iter().map(|(ratio, rest)| format!("{ratio:>ratios$}  {rest}"));
        let cells: Vec<String> = cells.map(|cell| cell.trim_end().to_string()).collect();
        let label = target.label();
        let width = cells.iter().chain([&label]).map(String::len).max().unwrap_or(0);
        for (line, cell) in lines.iter_mut().zip(&cells) {
            line.push_str(&format!("  {cell:width$}"));
        }
        head.push_str(&format!("  {label:width$}"));
    }
    writeln!(out, "\n{}", head.trim_end())?;
    lines.iter().try_for_each(|line| writeln!(out, "{}", line.trim_end()))
}

fn cell(counts: &Counts) -> Cell {
    if counts.all == 0 {
        return ("-".into(), String::new());
    }
    let parts = [
        (counts.unaccepted(), "not ok"),
        (counts.verdict(Verdict::KnownIssue), "known"),
        (counts.verdict(Verdict::Flake), "flaked"),
        (counts.outcome(Outcome::Skip), "skipped"),
    ];
    let shown = parts.into_iter().filter(|(count, _)| *count > 0);
    let rest: Vec<String> = shown.map(|(count, word)| format!("{count} {word}")).collect();
    let ratio = format!("{}/{}", counts.outcome(Outcome::Pass), counts.all);
    (ratio, rest.join(", "))
}

fn requirements(run: &Run, out: &mut String) -> std::fmt::Result {
    if run.rows.is_empty() {
        return Ok(());
    }
    let count = |state| run.rows.iter().filter(|row| row.state == state).count();
    let parts: Vec<String> =
        RowState::ALL.iter().map(|&state| format!("{} {}", count(state), state.title())).collect();
    writeln!(out, "\n{}: {}", plural(run.rows.len(), "requirement"), parts.join(", "))?;
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
        writeln!(out, "  {duration:>8}  {}", place(run, target, case))?;
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
