// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One case of the page.

use super::{link, text, tone};
use crate::format::{duration, ordered};
use crate::{CaseRun, Run, TargetRun};
use askama::Template;

/// How a case is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    /// Everything, opened.
    Open,
    /// Everything, closed.
    Closed,
    /// Everything, closed, under the heading of its target.
    Listed,
    /// A line that leads to where it is shown.
    Reference,
}

#[derive(Template)]
#[template(path = "case.html")]
struct View<'a> {
    case: &'a CaseRun,
    reference: bool,
    open: bool,
    kind: &'static str,
    tone: &'static str,
    word: &'static str,
    anchor: &'a str,
    /// `area/subject/`.
    stem: &'a str,
    rule: &'a str,
    duration: String,
    label: Option<String>,
    link: Option<&'a str>,
    details: Vec<(&'a str, &'static str, &'a str)>,
    kernel_log: Vec<(&'static str, &'a str)>,
}

/// Where a case is on the page.
pub(super) fn anchor(target: usize, case: usize) -> String {
    format!("c-{target}-{case}")
}

/// The case of a target, by their places in the run.
pub(super) fn render(run: &Run, target: usize, index: usize, show: Show) -> String {
    let of: &TargetRun = &run.targets[target];
    let case = &of.cases[index];
    let (stem, rule) = match case.name.rfind('/') {
        Some(at) => case.name.split_at(at + 1),
        None => ("", case.name.as_str()),
    };
    let attempt = case.decisive();
    text(&View {
        case,
        reference: show == Show::Reference,
        open: show == Show::Open,
        kind: tone::kind(case),
        tone: tone::of(case.verdict, case.outcome()),
        word: tone::word(case),
        anchor: &anchor(target, index),
        stem,
        rule,
        duration: match case.duration_us() {
            0 => String::new(),
            us => duration(us),
        },
        label: matches!(show, Show::Open | Show::Closed).then(|| of.label()),
        link: case.entry.as_ref().and_then(|entry| link(entry.note("link"))),
        details: attempt.map(|attempt| ordered(&attempt.details)).unwrap_or_default(),
        kernel_log: attempt
            .map(|attempt| attempt.kernel_log.iter().map(|line| (level(line), line.as_str())))
            .into_iter()
            .flatten()
            .collect(),
    })
}

/// Class of a line as in `/dev/kmsg`: `<4>` is a warning, lower is worse.
fn level(line: &str) -> &'static str {
    let number = line.strip_prefix('<').and_then(|rest| rest.split(['>', ',']).next());
    match number.and_then(|number| number.parse::<u32>().ok()).map(|number| number & 7) {
        Some(0..=3) => "e",
        Some(4) => "w",
        Some(_) | None => "",
    }
}
