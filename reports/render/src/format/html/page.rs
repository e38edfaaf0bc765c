// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The page of a run.

use super::case::Show;
use super::matrix::{List, Row};
use super::requirements::{self, Group};
use super::timing::{Timing, timing};
use super::tone::{self, Part};
use super::{SCRIPT, STYLE, case, compare, link, matrix, text};
use crate::format::duration;
use crate::run::KnownCase;
use crate::{Comparison, Conclusion, Counts, Run, TargetRun, Verdict};
use askama::Template;
use record::{Outcome, fact};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Unexpected cases that are opened, as long as there are no more: the list must fit a screen.
const OPENED: usize = 3;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    run: &'a Run,
    comparison: Option<&'a Comparison>,
    changes: String,
    title: String,
    icon: &'static str,
    tone: &'static str,
    lead: String,
    parts: Vec<Part>,
    counts: Counts,
    took: String,
    selection: Option<&'a str>,
    workarounds: BTreeMap<&'a str, Vec<String>>,
    nav: Vec<(&'static str, &'static str, String)>,
    unexpected: Vec<String>,
    defects: Vec<Defect<'a>>,
    flakes: Vec<String>,
    matrix: Vec<Row<'a>>,
    lists: Vec<List<'a>>,
    groups: Vec<Group<'a>>,
    row_parts: Vec<Part>,
    rows_line: String,
    timing: Timing,
    boots: Vec<BootView>,
}

/// A known issue with the cases that show it.
struct Defect<'a> {
    name: &'a str,
    evidence: &'a str,
    seen: &'a str,
    link: Option<&'a str>,
    cases: Vec<String>,
}

impl Defect<'_> {
    /// The link in few words: host and file.
    fn place(&self) -> String {
        let link = self.link.unwrap_or_default();
        let words = link.split_once("://").map_or(link, |(_, rest)| rest);
        let words = words.split(['?', '#']).next().unwrap_or_default();
        match (words.split_once('/'), words.rsplit_once('/')) {
            (Some((host, path)), Some((_, file))) if path.contains('/') => {
                format!("{host}/…/{file}")
            }
            _ => words.to_string(),
        }
    }
}

struct BootView {
    number: u32,
    label: String,
    tone: &'static str,
    reason: String,
    blamed: String,
    up: String,
    command: String,
    console: String,
}

pub(super) fn render(run: &Run, comparison: Option<&Comparison>) -> String {
    let (tone, icon) = tone::conclusion(run.conclusion());
    let labels: Vec<String> = run.targets.iter().map(TargetRun::label).collect();
    let page = Page {
        run,
        comparison,
        changes: comparison.map(compare::changes).unwrap_or_default(),
        title: format!("{} · {}", run.conclusion().title(), labels.join(", ")),
        icon,
        tone,
        lead: lead(run),
        parts: tone::parts(run.cases().map(|(_, case)| case)),
        counts: run.counts(),
        took: duration(run.duration_ms * 1000),
        selection: run.facts.get(fact::SELECTION).map(String::as_str),
        workarounds: workarounds(run),
        nav: vec![],
        unexpected: shown(run, |verdict| !verdict.is_accepted()),
        defects: defects(run),
        flakes: shown(run, |verdict| verdict == Verdict::Flake),
        matrix: matrix::matrix(run),
        lists: matrix::lists(run),
        groups: requirements::groups(run),
        row_parts: requirements::parts(run.rows.iter()),
        rows_line: requirements::line(run.rows.iter()),
        timing: timing(run),
        boots: boots(run),
    };
    text(&Page { nav: nav(&page), ..page })
}

/// Names of declared workarounds, with the targets that had them.
fn workarounds(run: &Run) -> BTreeMap<&str, Vec<String>> {
    let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for target in &run.targets {
        for name in target.workarounds() {
            names.entry(name).or_default().push(target.label());
        }
    }
    names
}

/// The sections that there are, with how much is in them.
fn nav(page: &Page<'_>) -> Vec<(&'static str, &'static str, String)> {
    let known: usize = page.defects.iter().map(|defect| defect.cases.len()).sum();
    let rows = page.run.rows.len();
    let changed = page.comparison.map_or(0, |comparison| comparison.changes.len());
    let all = [
        ("unexpected", "Not as expected", page.unexpected.len(), true),
        ("changes", "Since the baseline", changed, page.comparison.is_none()),
        ("matrix", "Matrix", 0, false),
        ("known", "Known issues", known, true),
        ("flakes", "Flakes", page.flakes.len(), true),
        ("cases", "Cases", page.counts.all, false),
        ("requirements", "Requirements", rows, true),
        ("timing", "Timing", 0, false),
        ("run", "The run", 0, false),
    ];
    let there = all.into_iter().filter(|(_, _, count, optional)| !optional || *count > 0);
    there
        .map(|(id, title, count, _)| {
            let count = if count > 0 { count.to_string() } else { String::new() };
            (id, title, count)
        })
        .collect()
}

/// One sentence that says it all.
fn lead(run: &Run) -> String {
    let counts = run.counts();
    let passed = counts.outcome(Outcome::Pass);
    let n = |verdict| counts.verdict(verdict);
    let cases = |n: usize| if n == 1 { "1 case".into() } else { format!("{n} cases") };
    let rest = format!("{passed} of {} passed", cases(counts.all));
    match run.conclusion() {
        Conclusion::AsExpected => format!("Nothing new. {rest}; what failed is known."),
        Conclusion::Regression | Conclusion::KernelDied => {
            let broke = cases(n(Verdict::Regression) + n(Verdict::Gone));
            format!("{broke} ended worse than before. {rest}.")
        }
        Conclusion::UnexpectedPass => {
            let fixed = cases(n(Verdict::Fixed));
            format!(
                "{fixed} passed although listed as known to fail: update the expectations. {rest}."
            )
        }
        Conclusion::NothingRan => {
            "No case ran: nothing was selected, or everything skipped.".into()
        }
        Conclusion::Infrastructure => {
            let lost = cases(n(Verdict::Broken) + n(Verdict::NotRun));
            format!("{lost} could not be carried out; that says nothing about the driver. {rest}.")
        }
    }
}

/// Cases with a verdict, worst first; opened when they turn the run red and are few.
fn shown(run: &Run, wanted: impl Fn(Verdict) -> bool) -> Vec<String> {
    let mut places: Vec<(Verdict, Reverse<usize>, &str, usize, usize)> = Vec::new();
    for (target, of) in run.targets.iter().enumerate() {
        let found = of.cases.iter().enumerate().filter(|(_, case)| wanted(case.verdict));
        places.extend(found.map(|(index, case)| {
            (case.verdict, Reverse(case.outcome().weight()), case.name.as_str(), target, index)
        }));
    }
    places.sort_unstable();
    let few = places.len() <= OPENED;
    let shown = places.into_iter().map(|(verdict, _, _, target, index)| {
        let open = few && !verdict.is_accepted();
        case::render(run, target, index, if open { Show::Open } else { Show::Closed })
    });
    shown.collect()
}

fn defects(run: &Run) -> Vec<Defect<'_>> {
    let all = run.defects().into_iter();
    all.filter_map(|(name, cases)| defect(run, name, &cases)).collect()
}

fn defect<'a>(run: &'a Run, name: &'a str, cases: &[KnownCase<'a>]) -> Option<Defect<'a>> {
    let (.., entry) = cases.first()?;
    let place = |target: &TargetRun, name: &str| {
        let at = run.targets.iter().position(|other| std::ptr::eq(other, target))?;
        let index = run.targets[at].cases.iter().position(|case| case.name == name)?;
        Some((at, index))
    };
    Some(Defect {
        name,
        evidence: entry.note("evidence"),
        seen: entry.seen_words(),
        link: link(entry.note("link")),
        cases: cases
            .iter()
            .filter_map(|(target, case, _)| place(target, &case.name))
            .map(|(target, index)| case::render(run, target, index, Show::Closed))
            .collect(),
    })
}

fn boots(run: &Run) -> Vec<BootView> {
    let boot = |boot: &crate::Boot| BootView {
        number: boot.number,
        label: run.targets[boot.target].label(),
        tone: if boot.reason.as_deref() == Some(record::end::DONE) { "t-ok" } else { "t-bad" },
        reason: boot.reason.clone().unwrap_or_else(|| "no end in the record".into()),
        blamed: boot.blamed.clone().unwrap_or_default(),
        up: match boot.booted_ms {
            Some(at) => format!("up in {}", duration(at.saturating_sub(boot.started_ms) * 1000)),
            None => "never up".into(),
        },
        command: boot.command.join(" "),
        console: boot.console.join("\n"),
    };
    run.boots.iter().map(boot).collect()
}
