// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Where the time went: guests that ran side by side in lanes, a histogram, the slowest cases.

use super::case;
use super::tone;
use crate::format::duration;
use crate::{CaseRun, Run};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Width of a plot in its own units.
const WIDTH: f64 = 1000.0;
/// Height of a lane with the gap below it.
const LANE: usize = 24;
/// Bins of the histogram per decade, and the decades from 100 us.
const BINS: usize = 6;
const DECADES: &[&str] = &["0.1 ms", "1 ms", "10 ms", "0.1 s", "1 s", "10 s", "100 s"];
/// Height of the histogram.
const HEIGHT: f64 = 150.0;
/// How many of the slowest are shown.
const SLOWEST: usize = 12;

pub(super) struct Timing {
    pub line: String,
    pub height: usize,
    pub guests: Vec<Guest>,
    pub bins: Vec<Bin>,
    pub ticks: &'static [&'static str],
    pub slowest: Vec<Slow>,
}

/// A guest.
pub(super) struct Guest {
    pub x: String,
    pub y: usize,
    pub width: String,
    /// Class and path of its cases.
    pub paths: BTreeMap<&'static str, String>,
}

pub(super) struct Bin {
    pub x: String,
    pub y: String,
    pub width: String,
    pub height: String,
    pub title: String,
}

pub(super) struct Slow {
    pub anchor: String,
    pub name: String,
    pub duration: String,
    pub percent: u64,
}

pub(super) fn timing(run: &Run) -> Timing {
    let places = places(run);
    Timing {
        line: line(run),
        height: places.iter().max().map_or(1, |last| (last + 1) * LANE),
        guests: guests(run, &places),
        bins: bins(run),
        ticks: DECADES,
        slowest: slowest(run),
    }
}

fn line(run: &Run) -> String {
    let mut times: Vec<u64> = run.cases().map(|(_, case)| case.duration_us()).collect();
    times.retain(|&us| us > 0);
    times.sort_unstable();
    let Some(median) = times.get(times.len() / 2) else { return "No case ran.".into() };
    let booted = run.boots.iter().filter_map(|boot| boot.booted_ms?.checked_sub(boot.started_ms));
    let mut line = format!(
        "{} in cases, half of them within {}.",
        duration(times.iter().sum()),
        duration(*median)
    );
    if let Some(slowest) = booted.max() {
        let _ = write!(line, " Guests were up within {}.", duration(slowest * 1000));
    }
    if let Some(us) = around(run) {
        let _ = write!(line, " Around a case the runner took {}, in the middle.", duration(us));
    }
    line
}

/// The median of the times from the end of a case to the start of the next one in the same guest.
fn around(run: &Run) -> Option<u64> {
    let attempts = run.cases().flat_map(|(_, case)| &case.attempts);
    let mut cases: Vec<(Option<u32>, u64, u64)> = attempts
        .filter(|attempt| attempt.boot.is_some() && attempt.duration_us > 0)
        .map(|attempt| (attempt.boot, attempt.at_ms * 1000, attempt.duration_us))
        .collect();
    cases.sort_unstable();
    let same_guest = cases.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    let mut times: Vec<u64> =
        same_guest.map(|pair| pair[1].1.saturating_sub(pair[0].1 + pair[0].2)).collect();
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

/// The lane of each guest: the first that is free when it starts.
fn places(run: &Run) -> Vec<usize> {
    let mut ends: Vec<u64> = Vec::new();
    let place = |boot: &crate::Boot| {
        let end = boot.ended_ms.unwrap_or(run.duration_ms);
        let free = ends.iter().position(|end| *end <= boot.started_ms).unwrap_or(ends.len());
        match ends.get_mut(free) {
            Some(lane) => *lane = end,
            None => ends.push(end),
        }
        free
    };
    run.boots.iter().map(place).collect()
}

/// Guests in the order in which they were started.
fn guests(run: &Run, places: &[usize]) -> Vec<Guest> {
    let scale = |ms: u64| WIDTH * ms as f64 / run.duration_ms.max(1) as f64;
    let guest = |(boot, place): (&crate::Boot, &usize)| {
        let end = boot.ended_ms.unwrap_or(run.duration_ms);
        Guest {
            x: format!("{:.1}", scale(boot.started_ms)),
            y: place * LANE,
            width: format!("{:.1}", scale(end.saturating_sub(boot.started_ms)).max(1.0)),
            paths: BTreeMap::new(),
        }
    };
    let mut guests: Vec<Guest> = run.boots.iter().zip(places).map(guest).collect();
    for case in run.targets.iter().flat_map(|target| &target.cases) {
        for attempt in &case.attempts {
            let at = run.boots.iter().rposition(|boot| Some(boot.number) == attempt.boot);
            let Some(guest) = at.and_then(|at| guests.get_mut(at)) else { continue };
            let x = scale(attempt.at_ms);
            let width = scale(attempt.duration_us / 1000).max(0.4);
            let y = guest.y + 2;
            let path = guest.paths.entry(class(case)).or_default();
            // Writing to a string does not fail.
            let _ = write!(path, "M{x:.1} {y}h{width:.1}v14h-{width:.1}z");
        }
    }
    guests
}

fn class(case: &CaseRun) -> &'static str {
    match tone::kind(case) {
        "bad" => "bad",
        "known" => "known",
        "skip" => "none",
        _ => "ok",
    }
}

fn bins(run: &Run) -> Vec<Bin> {
    let count = BINS * (DECADES.len() - 1);
    let mut counts = vec![0_usize; count];
    for us in run.cases().map(|(_, case)| case.duration_us()).filter(|&us| us > 0) {
        let decades = (us as f64 / 100.0).log10().max(0.0);
        counts[((decades * BINS as f64) as usize).min(count - 1)] += 1;
    }
    let highest = counts.iter().copied().max().unwrap_or_default();
    let width = WIDTH / count as f64;
    let edge = |bin: usize| duration((100.0 * 10_f64.powf(bin as f64 / BINS as f64)) as u64);
    let bin = |(bin, cases): (usize, usize)| {
        // The root keeps a single case visible beside hundreds.
        let height = HEIGHT * (cases as f64 / highest as f64).sqrt();
        Bin {
            x: format!("{:.1}", bin as f64 * width + 1.0),
            y: format!("{:.1}", HEIGHT - height),
            width: format!("{:.1}", width - 2.0),
            height: format!("{height:.1}"),
            title: format!("{cases} cases from {} to {}", edge(bin), edge(bin + 1)),
        }
    };
    counts.into_iter().enumerate().filter(|(_, cases)| *cases > 0).map(bin).collect()
}

fn slowest(run: &Run) -> Vec<Slow> {
    let mut cases: Vec<(usize, usize)> = Vec::new();
    for (target, of) in run.targets.iter().enumerate() {
        cases.extend((0..of.cases.len()).map(|index| (target, index)));
    }
    let time = |(target, index): (usize, usize)| run.targets[target].cases[index].duration_us();
    cases.retain(|&at| time(at) > 0);
    cases.sort_by_key(|&at| std::cmp::Reverse(time(at)));
    let longest = cases.first().map_or(1, |&at| time(at));
    cases.truncate(SLOWEST);
    let slow = |(target, index): (usize, usize)| {
        let name = &run.targets[target].cases[index].name;
        Slow {
            anchor: case::anchor(target, index),
            name: match run.targets.len() {
                1 => name.clone(),
                _ => format!("{name} ({})", run.targets[target].label()),
            },
            duration: duration(time((target, index))),
            percent: 100 * time((target, index)) / longest,
        }
    };
    cases.into_iter().map(slow).collect()
}
