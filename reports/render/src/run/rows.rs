// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The requirement catalogue against a run.

use super::TargetRun;
use crate::{Catalogue, Row};
use record::Outcome;
use std::collections::{BTreeMap, BTreeSet};

/// What a run says about a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowState {
    /// A case that proves it failed.
    Failed,
    /// A case that proves it passed, and none failed.
    Proven,
    /// No case that proves it came to an end: there is none, or all were skipped.
    NotReached,
    /// It is about chips that this run was not made against.
    OtherChip,
}

impl RowState {
    /// Every state.
    pub const ALL: &'static [RowState] =
        &[RowState::Failed, RowState::Proven, RowState::NotReached, RowState::OtherChip];

    /// The word in reports for machines.
    pub const fn name(self) -> &'static str {
        match self {
            RowState::Failed => "failed",
            RowState::Proven => "proven",
            RowState::NotReached => "not_reached",
            RowState::OtherChip => "other_chip",
        }
    }

    /// The words in reports for people.
    pub const fn title(self) -> &'static str {
        match self {
            RowState::Failed => "failed",
            RowState::Proven => "proven",
            RowState::NotReached => "not reached",
            RowState::OtherChip => "other chip",
        }
    }
}

/// One requirement of a run.
#[derive(Clone, Debug)]
pub struct RowRun {
    /// The requirement.
    pub row: Row,
    /// Over all targets: a failure anywhere is a failure.
    pub state: RowState,
    /// Per target, in the order of the targets.
    pub targets: Vec<RowState>,
    /// Names of the cases that prove it, sorted.
    pub cases: Vec<String>,
}

/// Every row of the catalogue, and the names of rows that it does not have.
pub(super) fn rows(targets: &[TargetRun], catalogue: &Catalogue) -> (Vec<RowRun>, Vec<String>) {
    let mut rows: Vec<RowRun> = Vec::with_capacity(catalogue.rows().len());
    let mut names: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    for row in catalogue.rows() {
        let state = |target: &TargetRun| match row.applies(&target.target.asic) {
            true => RowState::NotReached,
            false => RowState::OtherChip,
        };
        let targets: Vec<RowState> = targets.iter().map(state).collect();
        rows.push(RowRun { row: row.clone(), state: RowState::OtherChip, targets, cases: vec![] });
    }
    for (index, target) in targets.iter().enumerate() {
        for case in &target.cases {
            for id in &case.rows {
                let Some(at) = catalogue.find(id) else {
                    unknown.insert(id.clone());
                    continue;
                };
                names.entry(at).or_default().insert(&case.name);
                let state = &mut rows[at].targets[index];
                *state = join(*state, case.outcome());
            }
        }
    }
    for (at, row) in rows.iter_mut().enumerate() {
        row.state = row.targets.iter().copied().min().unwrap_or(RowState::NotReached);
        row.cases = names.remove(&at).into_iter().flatten().map(str::to_string).collect();
    }
    (rows, unknown.into_iter().collect())
}

fn join(state: RowState, outcome: Outcome) -> RowState {
    match outcome {
        Outcome::Pass => state.min(RowState::Proven),
        Outcome::Skip | Outcome::NotRun | Outcome::Broken => state,
        Outcome::Fail
        | Outcome::KernelFault
        | Outcome::DeviceFinding
        | Outcome::Crash
        | Outcome::Timeout => RowState::Failed,
    }
}
