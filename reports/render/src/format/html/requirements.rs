// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The requirement catalogue on the page.

use super::case;
use super::tone::{self, Part};
use crate::{RowRun, RowState, Run};
use std::collections::BTreeMap;

/// A group of rows.
pub(super) struct Group<'a> {
    pub name: &'a str,
    pub parts: Vec<Part>,
    pub line: String,
    pub rows: Vec<Row<'a>>,
}

/// A row.
pub(super) struct Row<'a> {
    pub run: &'a RowRun,
    /// Class and words, one per target where they differ.
    pub states: Vec<(&'static str, String)>,
    /// Names and anchors of the cases that prove it.
    pub cases: Vec<(&'a str, String)>,
}

/// Groups in the order of the catalogue.
pub(super) fn groups(run: &Run) -> Vec<Group<'_>> {
    let mut places: BTreeMap<&str, String> = BTreeMap::new();
    for (target, of) in run.targets.iter().enumerate() {
        for (index, case) in of.cases.iter().enumerate() {
            places.entry(&case.name).or_insert_with(|| case::anchor(target, index));
        }
    }
    let mut groups: Vec<Group<'_>> = Vec::new();
    for row in &run.rows {
        let name = row.row.group();
        if groups.last().is_none_or(|group| group.name != name) {
            groups.push(Group { name, parts: vec![], line: String::new(), rows: vec![] });
        }
        let Some(group) = groups.last_mut() else { continue };
        let place = |name: &'_ String| places.get(name.as_str()).cloned().unwrap_or_default();
        group.rows.push(Row {
            run: row,
            states: states(run, row),
            cases: row.cases.iter().map(|name| (name.as_str(), place(name))).collect(),
        });
    }
    for group in &mut groups {
        let rows = || group.rows.iter().map(|row| row.run);
        (group.parts, group.line) = (parts(rows()), line(rows()));
    }
    groups
}

fn states(run: &Run, row: &RowRun) -> Vec<(&'static str, String)> {
    let same = row.targets.iter().all(|state| *state == row.state);
    if same {
        return vec![(tone::row(row.state), row.state.title().to_string())];
    }
    let of = |(target, state): (&crate::TargetRun, &RowState)| {
        (tone::row(*state), format!("{}: {}", target.label(), state.title()))
    };
    run.targets.iter().zip(&row.targets).map(of).collect()
}

pub(super) fn parts<'a>(rows: impl Iterator<Item = &'a RowRun> + Clone) -> Vec<Part> {
    let part = |&state: &RowState| Part {
        tone: tone::row(state),
        title: state.title(),
        count: rows.clone().filter(|row| row.state == state).count(),
    };
    RowState::ALL.iter().map(part).filter(|part| part.count > 0).collect()
}

/// `3 failed, 800 proven, 331 not reached`.
pub(super) fn line<'a>(rows: impl Iterator<Item = &'a RowRun> + Clone) -> String {
    let parts = parts(rows).into_iter().map(|part| format!("{} {}", part.count, part.title));
    parts.collect::<Vec<_>>().join(", ")
}
