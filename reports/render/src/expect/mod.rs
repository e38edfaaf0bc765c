// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What is known about the cases of a target.
//!
//! `<chip>-<kernel>.expect` holds what is not a plain pass, one entry per line, sorted:
//!
//! ```text
//! # comment
//! open/compute/opens,fail  # defect D1; link https://…; evidence what was seen; seen 6.12.115..7.3.4
//! reset/*,skip  # reason takes the host down; link https://…; since 6.12
//! cs/wait/times_out,flake  # rate 1/200; link https://…; reason the timer of TCG; since 6.12
//! ```
//!
//! `<kernel>` is a line (`6.12`) or a build (`6.12.117+deb13-amd64`); the file that says more
//! about the kernel wins. A kernel newer than every file is read with the newest one before it.
//!
//! `<chip>.cases` lists the cases of a chip, one name per line, sorted. With it, a case that is
//! not on the list is new, and one that is on the list and not in a complete run is gone.

mod lint;
mod parse;
mod pattern;
mod update;

pub use lint::{Problem, Problems};
pub use pattern::Pattern;
pub use update::update;

use crate::{Expectation, Version};
use record::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Ends like this because of a defect.
    Known(Outcome),
    /// Is not run unless asked for.
    Skip,
    /// Fails now and then.
    Flake,
}

/// One line of an expectation file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The cases.
    pub pattern: Pattern,
    /// What it says of them.
    pub status: Status,
    /// `defect`, `link`, `evidence`, `seen`, `rate`, `reason`, `since`.
    pub notes: BTreeMap<String, String>,
    /// File name.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
}

impl Entry {
    /// A note, empty where there is none.
    pub fn note(&self, name: &str) -> &str {
        self.notes.get(name).map_or("", String::as_str)
    }

    /// First and last kernel that a known issue was seen with.
    pub fn seen(&self) -> Option<(Version, Version)> {
        let (first, last) = self.note("seen").split_once("..")?;
        Some((Version::find(first)?, Version::find(last)?))
    }

    /// The same in words; empty where nobody says it.
    pub fn seen_words(&self) -> &str {
        match self.note("seen").split_once("..") {
            Some((first, last)) if first == last => first,
            Some(_) | None => self.note("seen"),
        }
    }

    /// Was it seen with this kernel, or with older and newer ones?
    fn covers(&self, kernel: Option<&Version>) -> bool {
        match (self.seen(), kernel) {
            (Some((first, last)), Some(kernel)) => {
                first <= *kernel && (*kernel <= last || kernel.is_within(&last))
            }
            (None, _) | (_, None) => true,
        }
    }

    /// The word of the second column.
    pub fn word(&self) -> &'static str {
        parse::word(self.status)
    }

    /// One line for a report: what it is and where to read on.
    pub fn summary(&self) -> String {
        let text = match self.status {
            Status::Known(_) => format!("{}: {}", self.note("defect"), self.note("evidence")),
            Status::Skip => self.note("reason").to_string(),
            Status::Flake => format!("{} ({})", self.note("reason"), self.note("rate")),
        };
        format!("{text}, {}", self.note("link"))
    }
}

/// One expectation file.
#[derive(Clone, Debug)]
struct File {
    asic: String,
    kernel: String,
    version: Version,
    entries: Vec<Entry>,
}

/// Every expectation file of the project.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    files: Vec<File>,
    cases: BTreeMap<String, BTreeSet<String>>,
}

impl Expectations {
    /// Reads the files of a folder (`suites/expectations`).
    pub fn load(folder: &Path) -> Result<Self, Problems> {
        let unreadable = |why: std::io::Error| Problem {
            file: folder.display().to_string(),
            line: 0,
            what: format!("cannot be read: {why}"),
        };
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|end| end == "expect" || end == "cases") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                files.push((name, std::fs::read_to_string(&path).map_err(unreadable)?));
            }
        }
        files.sort();
        Self::parse(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }

    /// Every entry that speaks of a case, with its file and line.
    pub fn about(&self, case: &str) -> impl Iterator<Item = (String, &Entry)> {
        let entries = self.files.iter().flat_map(|file| &file.entries);
        let entries = entries.filter(move |entry| entry.pattern.matches(case));
        entries.map(|entry| (format!("{}:{}", entry.file, entry.line), entry))
    }

    /// Reads files given as (name, text).
    pub fn parse<'a>(
        files: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, Problems> {
        parse::files(files)
    }

    /// Is there any word about this chip and kernel?
    pub fn covers(&self, asic: &str, kernel: &str) -> bool {
        !self.for_kernel(asic, kernel).is_empty()
    }

    /// Names of the files that are used for a target, the one that wins first.
    pub fn files(&self, asic: &str, kernel: &str) -> Vec<String> {
        let named = |file: &&File| format!("{}-{}.expect", file.asic, file.kernel);
        self.for_kernel(asic, kernel).iter().map(named).collect()
    }

    /// The entry about a case. `kernel` is a release (`uname -r`) or a kernel as asked for
    /// (`debian:6.12`).
    pub fn entry(&self, asic: &str, kernel: &str, case: &str) -> Option<&Entry> {
        self.for_kernel(asic, kernel).into_iter().find_map(|file| {
            let of_case = || file.entries.iter().filter(|entry| entry.pattern.matches(case));
            of_case().find(|entry| entry.pattern.is_exact()).or_else(|| of_case().next())
        })
    }

    /// The entry that lists a case as a skip: the run leaves it out and says this reason
    /// ([`Entry::summary`]).
    pub fn skip(&self, asic: &str, kernel: &str, case: &str) -> Option<&Entry> {
        self.entry(asic, kernel, case).filter(|entry| entry.status == Status::Skip)
    }

    /// What is expected of a case.
    pub fn expect(&self, asic: &str, kernel: &str, case: &str) -> Expectation {
        match self.entry(asic, kernel, case) {
            Some(entry) => match entry.status {
                Status::Known(outcome) if entry.covers(Version::find(kernel).as_ref()) => {
                    Expectation::Known(outcome)
                }
                Status::Known(outcome) => Expectation::KnownElsewhere(outcome),
                Status::Skip => Expectation::Skip,
                Status::Flake => Expectation::Flake,
            },
            None => match self.cases.get(asic) {
                Some(cases) if !cases.contains(case) => Expectation::Unlisted,
                Some(_) | None => Expectation::Pass,
            },
        }
    }

    /// The cases that the list of a chip names.
    pub fn listed(&self, asic: &str) -> impl Iterator<Item = &str> {
        self.cases.get(asic).into_iter().flatten().map(String::as_str)
    }

    /// The entries for a target that match none of these cases.
    pub fn unmatched(&self, asic: &str, kernel: &str, cases: &BTreeSet<&str>) -> Vec<&Entry> {
        let files = self.for_kernel(asic, kernel);
        let entries = files.into_iter().flat_map(|file| &file.entries);
        entries.filter(|entry| !cases.iter().any(|case| entry.pattern.matches(case))).collect()
    }

    /// Files for this kernel, the one that says more about it first.
    fn for_kernel(&self, asic: &str, kernel: &str) -> Vec<&File> {
        let version = Version::find(kernel);
        let is_plain = |file: &File| file.kernel == file.version.to_string();
        let of_asic = || self.files.iter().filter(|file| file.asic == asic);
        let exact = |file: &&File| {
            kernel == file.kernel
                || (is_plain(file)
                    && version.as_ref().is_some_and(|version| version.is_within(&file.version)))
        };
        let mut files: Vec<&File> = of_asic().filter(exact).collect();
        files.sort_by_key(|file| std::cmp::Reverse(file.kernel.len()));
        if files.is_empty() {
            // A file of one build says nothing about other kernels.
            let is_line = |file: &File| file.kernel.split('.').count() == 2 && is_plain(file);
            let before = |file: &&File| {
                is_line(file) && version.as_ref().is_some_and(|version| file.version < *version)
            };
            files.extend(of_asic().filter(before).max_by(|a, b| a.version.cmp(&b.version)));
        }
        files
    }
}
