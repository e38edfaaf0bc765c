// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Areas against targets, and the list of areas.

use super::case::{self, Show};
use super::tone::{self, Part};
use crate::{CaseRun, Counts, Run};
use record::Outcome;
use std::collections::{BTreeMap, BTreeSet};

/// An area of all targets.
pub(super) struct Row<'a> {
    pub area: &'a str,
    pub cells: Vec<Cell>,
}

/// An area of a target.
pub(super) struct Cell {
    pub anchor: String,
    pub parts: Vec<Part>,
    pub passed: usize,
    pub all: usize,
    pub bad: usize,
}

/// An area of a target with its cases.
pub(super) struct Area<'a> {
    pub name: &'a str,
    pub anchor: String,
    pub parts: Vec<Part>,
    pub passed: usize,
    pub all: usize,
    pub cases: Vec<String>,
}

/// A target with its areas.
pub(super) struct List<'a> {
    pub label: String,
    pub parts: Vec<Part>,
    pub passed: usize,
    pub all: usize,
    pub areas: Vec<Area<'a>>,
}

/// Target and area: the cases, by their places in the target.
type Grouped<'a> = BTreeMap<(usize, &'a str), Vec<(usize, &'a CaseRun)>>;

fn grouped(run: &Run) -> Grouped<'_> {
    let mut grouped = Grouped::new();
    for (target, of) in run.targets.iter().enumerate() {
        for (index, case) in of.cases.iter().enumerate() {
            grouped.entry((target, case.area())).or_default().push((index, case));
        }
    }
    grouped
}

pub(super) fn matrix(run: &Run) -> Vec<Row<'_>> {
    let grouped = grouped(run);
    let areas: BTreeSet<&str> = grouped.keys().map(|(_, area)| *area).collect();
    let places: BTreeMap<(usize, &str), usize> =
        grouped.keys().enumerate().map(|(place, key)| (*key, place)).collect();
    let cell = |target, area| {
        let key = (target, area);
        let cases: Vec<&CaseRun> =
            grouped.get(&key).into_iter().flatten().map(|(_, case)| *case).collect();
        let counts = Counts::of(cases.iter().copied());
        Cell {
            anchor: places.get(&key).map(|&place| anchor(place)).unwrap_or_default(),
            parts: tone::parts(cases),
            passed: counts.outcome(Outcome::Pass),
            all: counts.all,
            bad: counts.unaccepted(),
        }
    };
    let cells = |area| (0..run.targets.len()).map(|target| cell(target, area)).collect();
    areas.into_iter().map(|area| Row { area, cells: cells(area) }).collect()
}

/// Every case, by target and area.
pub(super) fn lists(run: &Run) -> Vec<List<'_>> {
    let list = |target: &crate::TargetRun| {
        let counts = target.counts();
        List {
            label: target.label(),
            parts: tone::parts(&target.cases),
            passed: counts.outcome(Outcome::Pass),
            all: counts.all,
            areas: vec![],
        }
    };
    let mut lists: Vec<List<'_>> = run.targets.iter().map(list).collect();
    for (place, ((target, name), cases)) in grouped(run).into_iter().enumerate() {
        lists[target].areas.push(area(run, target, place, name, &cases));
    }
    lists
}

fn area<'a>(
    run: &'a Run,
    target: usize,
    place: usize,
    name: &'a str,
    cases: &[(usize, &CaseRun)],
) -> Area<'a> {
    let only = || cases.iter().map(|(_, case)| *case);
    let counts = Counts::of(only());
    let show = |case: &CaseRun| match tone::kind(case) {
        "bad" | "known" => Show::Reference,
        _ => Show::Listed,
    };
    let rendered =
        |(index, case): &(usize, &CaseRun)| case::render(run, target, *index, show(case));
    Area {
        name,
        anchor: anchor(place),
        parts: tone::parts(only()),
        passed: counts.outcome(Outcome::Pass),
        all: counts.all,
        cases: cases.iter().map(rendered).collect(),
    }
}

fn anchor(place: usize) -> String {
    format!("a-{place}")
}
