// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The formats of a report, one file each.
//!
//! Formats for gates (text, KTAP, JUnit, LAVA) show the verdict; formats for archives (JSON,
//! KCIDB) hold outcome and verdict.

mod text;

use crate::Run;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// What a maintainer reads in the terminal.
    Text,
}

impl Format {
    /// Every format.
    pub const ALL: &'static [Format] = &[Format::Text];

    /// The word on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Text => "text",
        }
    }

    /// The name of its file in the folder of a run.
    pub const fn file_name(self) -> &'static str {
        match self {
            Format::Text => "report.txt",
        }
    }
}

impl Run {
    /// The report in a format.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text => text::render(self),
        }
    }
}
