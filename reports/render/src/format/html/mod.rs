// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One file for people: self-contained, readable with scripts off, the verdict on the first screen.
//!
//! The templates (`templates/`) escape every value. A value that was rendered by a template before
//! is the only kind that goes in as it is; so does the picture of a graph.

mod case;
mod compare;
mod graph;
mod matrix;
mod page;
mod requirements;
mod timing;
mod tone;

pub(crate) use compare::render as render_comparison;
pub use graph::{GraphRun, GraphStep};

use crate::{Comparison, Run};

const STYLE: &str = include_str!("../../../templates/style.css");
const SCRIPT: &str = include_str!("../../../templates/script.js");

/// The report of a run; with a comparison where there is an earlier run.
pub(super) fn render(run: &Run, comparison: Option<&Comparison>) -> String {
    page::render(run, comparison)
}

/// What a template gives. Templates write to memory and hold no fallible filter.
fn text(template: &impl askama::Template) -> String {
    template.render().unwrap_or_default()
}

/// An address that a browser may follow.
fn link(address: &str) -> Option<&str> {
    (address.starts_with("https://") || address.starts_with("http://")).then_some(address)
}
