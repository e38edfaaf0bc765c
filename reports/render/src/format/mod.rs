// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The formats of a report, one file each.
//!
//! Formats for gates (text, KTAP, JUnit, LAVA) show the verdict; formats for archives (JSON,
//! KCIDB) hold outcome and verdict. HTML shows everything.

mod clock;
mod html;
mod json;
mod junit;
mod kcidb;
mod ktap;
mod lava;
mod text;

pub(crate) use html::render_comparison;
pub use html::{GraphRun, GraphStep};
pub(crate) use text::duration;

use crate::{Comparison, Run};
use std::collections::BTreeMap;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// What a maintainer reads in the terminal.
    Text,
    /// KTAP version 1, for kernel CI.
    Ktap,
    /// JUnit XML, for CI servers.
    Junit,
    /// KCIDB JSON, for KernelCI's database.
    Kcidb,
    /// Lines that LAVA picks from a console.
    Lava,
    /// Everything that was decided, for programs.
    Json,
    /// One file for people.
    Html,
}

/// Format, word on a command line, name of its file.
const NAMES: &[(Format, &str, &str)] = &[
    (Format::Text, "text", "report.txt"),
    (Format::Ktap, "ktap", "report.ktap"),
    (Format::Junit, "junit", "junit.xml"),
    (Format::Kcidb, "kcidb", "kcidb.json"),
    (Format::Lava, "lava", "lava.txt"),
    (Format::Json, "json", "summary.json"),
    (Format::Html, "html", "report.html"),
];

impl Format {
    /// Every format.
    pub const ALL: &'static [Format] = &[
        Format::Text,
        Format::Ktap,
        Format::Junit,
        Format::Kcidb,
        Format::Lava,
        Format::Json,
        Format::Html,
    ];

    /// The word on a command line.
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(format, ..)| *format == self).map_or("", |(_, name, _)| name)
    }

    /// The name of its file in the folder of a run.
    pub fn file_name(self) -> &'static str {
        NAMES.iter().find(|(format, ..)| *format == self).map_or("", |(.., file)| file)
    }

    /// The format of a word on a command line.
    pub fn find(name: &str) -> Option<Self> {
        NAMES.iter().find(|(_, known, _)| *known == name).map(|(format, ..)| *format)
    }
}

impl Run {
    /// The report in a format.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text => visible(text::render(self)),
            Format::Ktap => visible(ktap::render(self)),
            Format::Junit => junit::render(self),
            Format::Kcidb => kcidb::render(self),
            Format::Lava => lava::render(self),
            Format::Json => json::render(self),
            Format::Html => visible(html::render(self, None)),
        }
    }

    /// The page for people, with what changed since an earlier run.
    pub fn html_since(&self, comparison: &Comparison) -> String {
        visible(html::render(self, Some(comparison)))
    }
}

/// Details of a case as every format shows them: the request, what was expected, what came, then
/// the rest by name. The second word says what kind of value it is, for colours.
pub(crate) fn ordered(details: &BTreeMap<String, String>) -> Vec<(&str, &'static str, &str)> {
    const ORDER: &[(&str, &str)] = &[("request", "wide"), ("expected", "want"), ("got", "got")];
    let place = |name: &str| ORDER.iter().position(|(known, _)| *known == name);
    let kind = |name: &str| place(name).map_or("", |at| ORDER[at].1);
    let shown = details.iter().map(|(name, value)| (name.as_str(), kind(name), value.as_str()));
    let mut shown: Vec<_> = shown.collect();
    shown.sort_by_key(|(name, ..)| place(name).unwrap_or(ORDER.len()));
    shown
}

/// Text without control characters, which a terminal would obey: `\x1b` stands for an escape.
pub(crate) fn visible(text: String) -> String {
    let is_bad = |c: char| c.is_control() && c != '\n' && c != '\t';
    if !text.contains(is_bad) {
        return text;
    }
    let shown = |c: char| match is_bad(c) {
        true => format!("\\x{:02x}", u32::from(c)),
        false => c.to_string(),
    };
    text.chars().map(shown).collect()
}

/// `1 case`, `2 cases`.
pub(crate) fn plural(count: usize, one: &str) -> String {
    match (count, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {one}s"),
    }
}

/// JSON for programs that a person can read too.
pub(crate) fn pretty(value: &impl serde::Serialize) -> String {
    // Strings and numbers under string keys always serialise.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_a_word_and_a_file_of_its_own() {
        assert_eq!(NAMES.len(), Format::ALL.len());
        for &format in Format::ALL {
            assert_eq!(Format::find(format.name()), Some(format));
            let same = NAMES.iter().filter(|(.., file)| *file == format.file_name());
            assert_eq!(same.count(), 1, "{}", format.name());
        }
        assert_eq!(Format::find("pdf"), None);
    }
}
