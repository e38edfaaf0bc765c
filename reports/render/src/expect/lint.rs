// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What is wrong with expectation files, beyond what can be read.

use super::{Entry, Expectations};
use std::collections::BTreeSet;
use std::fmt;
use thiserror::Error;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// File name.
    pub file: String,
    /// Counted from 1; 0 is the file as a whole.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { file, line, what } = self;
        match line {
            0 => write!(f, "{file}: {what}"),
            line => write!(f, "{file}:{line}: {what}"),
        }
    }
}

/// Everything that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Problems(vec![problem])
    }
}

impl Expectations {
    /// Checks the entries against the cases of each chip: one that matches no case, and two
    /// patterns for one case, are errors.
    pub fn lint<'a>(&self, cases_of: impl Fn(&str) -> Vec<&'a str>) -> Result<(), Problems> {
        let mut problems = Vec::new();
        let mut problem = |entry: &Entry, what: String| {
            problems.push(Problem { file: entry.file.clone(), line: entry.line, what });
        };
        for file in &self.files {
            let cases: BTreeSet<&str> = cases_of(&file.asic).into_iter().collect();
            for entry in &file.entries {
                if !cases.iter().any(|case| entry.pattern.matches(case)) {
                    problem(entry, format!("{} matches no case of {}", entry.pattern, file.asic));
                }
            }
            for case in &cases {
                let patterns = file
                    .entries
                    .iter()
                    .filter(|entry| !entry.pattern.is_exact() && entry.pattern.matches(case));
                let patterns: Vec<&Entry> = patterns.collect();
                if let [first, second, ..] = patterns[..] {
                    let what =
                        format!("{} and {} both match {case}", first.pattern, second.pattern);
                    problem(second, what);
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    }
}
