// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A comparison for the terminal and for programs.

use super::{Change, Changed, Comparison, Side};
use crate::format::{duration, ordered, pretty};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Version of the JSON format.
const VERSION: u32 = 1;

pub(super) fn render(comparison: &Comparison) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(comparison, &mut out);
    out
}

fn write(comparison: &Comparison, out: &mut String) -> std::fmt::Result {
    let Comparison { base, head, pairs, alone, changes, same: _ } = comparison;
    writeln!(out, "{}: {}", comparison.result().title(), comparison.headline())?;
    for (base_target, head_target) in pairs {
        writeln!(out, "  {base_target} of {base} -> {head_target} of {head}")?;
    }
    for target in alone {
        writeln!(out, "  not compared, only in {target}")?;
    }
    for &change in Change::ALL {
        let mut title = Some(change.title());
        for changed in changes.iter().filter(|changed| changed.change == change) {
            if let Some(title) = title.take() {
                writeln!(out, "\n{}", title.to_uppercase())?;
            }
            one(changed, out)?;
        }
    }
    Ok(())
}

fn one(changed: &Changed, out: &mut String) -> std::fmt::Result {
    let Changed { change, target, case, base, head, details, repeat } = changed;
    writeln!(out, "  {case} on {target}: {} -> {}", side(base, *change), side(head, *change))?;
    if !change.is_regression() {
        return Ok(());
    }
    if let Some(Side { message, .. }) = head.as_ref().filter(|side| !side.message.is_empty()) {
        writeln!(out, "    {message}")?;
    }
    for (name, _, value) in ordered(details) {
        writeln!(out, "    {name}: {value}")?;
    }
    match repeat.as_str() {
        "" => Ok(()),
        repeat => writeln!(out, "    repeat: {repeat}"),
    }
}

fn side(side: &Option<Side>, change: Change) -> String {
    match side {
        None => "-".into(),
        Some(side) if change == Change::Slower => duration(side.duration_us),
        Some(side) => side.outcome.name().into(),
    }
}

#[derive(Serialize)]
struct Summary<'a> {
    version: u32,
    result: super::CompareResult,
    exit_code: u8,
    base: &'a str,
    head: &'a str,
    pairs: &'a [(String, String)],
    alone: &'a [String],
    counts: BTreeMap<&'static str, usize>,
    same: usize,
    changes: &'a [Changed],
}

pub(super) fn json(comparison: &Comparison) -> String {
    let Comparison { base, head, pairs, alone, changes, same } = comparison;
    let count = |&change: &Change| (change.name(), comparison.with(change).count());
    pretty(&Summary {
        version: VERSION,
        result: comparison.result(),
        exit_code: comparison.result().exit_code(),
        base,
        head,
        pairs,
        alone,
        counts: Change::ALL.iter().map(count).filter(|(_, n)| *n > 0).collect(),
        same: *same,
        changes,
    })
}
