// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A comparison: a page of its own, and a section of the page of a run.

use super::{STYLE, text};
use crate::format::{duration, ordered};
use crate::{Change, Changed, CompareResult, Comparison, Side};
use askama::Template;

/// Changes of one kind that are opened.
const OPENED: usize = 5;

#[derive(Template)]
#[template(path = "compare.html")]
struct Page<'a> {
    title: &'static str,
    icon: &'static str,
    tone: &'static str,
    comparison: &'a Comparison,
    changes: String,
}

#[derive(Template)]
#[template(path = "changes.html")]
struct Changes<'a> {
    groups: Vec<Group<'a>>,
}

struct Group<'a> {
    tone: &'static str,
    title: &'static str,
    open: bool,
    changed: Vec<&'a Changed>,
}

impl Group<'_> {
    fn details<'a>(&self, changed: &'a Changed) -> Vec<(&'a str, &'static str, &'a str)> {
        ordered(&changed.details)
    }
}

impl Changed {
    /// `pass → fail`, or the durations where that is what changed.
    fn sides(&self) -> String {
        let side = |side: &Option<Side>| match side {
            None => "–".to_string(),
            Some(side) if self.change == Change::Slower => duration(side.duration_us),
            Some(side) => side.outcome.name().replace('_', " "),
        };
        format!("{} → {}", side(&self.base), side(&self.head))
    }
}

/// A comparison as a page.
pub(crate) fn render(comparison: &Comparison) -> String {
    let (tone, icon) = match comparison.result() {
        CompareResult::NoRegression => ("t-ok", "1a7f4b"),
        CompareResult::Regression => ("t-bad", "c02a2a"),
        CompareResult::Incomplete => ("t-odd", "7a3fb0"),
        CompareResult::NothingInCommon => ("t-none", "6b7480"),
    };
    let title = comparison.result().title();
    text(&Page { title, icon, tone, comparison, changes: changes(comparison) })
}

/// The list of what changed; empty where nothing did.
pub(super) fn changes(comparison: &Comparison) -> String {
    let groups: Vec<Group> = Change::ALL
        .iter()
        .map(|&change| {
            let changed: Vec<_> = comparison.with(change).collect();
            let open = change.is_regression() && changed.len() <= OPENED;
            Group { tone: tone(change), title: change.title(), open, changed }
        })
        .filter(|group| !group.changed.is_empty())
        .collect();
    if groups.is_empty() { String::new() } else { text(&Changes { groups }) }
}

const fn tone(change: Change) -> &'static str {
    match change {
        Change::NewFailure | Change::Worse | Change::Gone | Change::NewlySkipped => "t-bad",
        Change::NotRun => "t-odd",
        Change::Fixed => "t-ok",
        Change::Milder | Change::Slower => "t-known",
        Change::NowRuns | Change::NewCase => "t-fixed",
    }
}
