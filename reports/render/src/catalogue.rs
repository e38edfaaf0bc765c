// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The requirement catalogue: rows read out of the driver, as data.

use std::collections::BTreeMap;
use thiserror::Error;

/// Columns of the file, tab separated, in its first line.
const COLUMNS: usize = 7;

/// One requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `OPEN-001`.
    pub id: String,
    /// What user space does.
    pub op: String,
    /// In which state.
    pub precondition: String,
    /// What must come of it.
    pub expected: String,
    /// Where the driver says so.
    pub evidence: String,
    /// Chips that it is about; none named is every chip.
    pub asics: Vec<String>,
    /// First kernel with this behaviour.
    pub since: String,
}

impl Row {
    /// Is it about this chip?
    pub fn applies(&self, asic: &str) -> bool {
        self.asics.is_empty() || self.asics.iter().any(|name| name == asic)
    }

    /// The group: `CB` of `CB-CREATE-001`.
    pub fn group(&self) -> &str {
        self.id.split_once('-').map_or(self.id.as_str(), |(group, _)| group)
    }
}

/// What is wrong with a catalogue.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CatalogueError {
    /// A line with too few or too many columns.
    #[error("line {line} of the catalogue has {got} columns, expected {COLUMNS}")]
    Columns {
        /// Counted from 1.
        line: usize,
        /// How many it has.
        got: usize,
    },
    /// Two rows with one id.
    #[error("line {line} of the catalogue repeats the id {id}")]
    Duplicate {
        /// Counted from 1.
        line: usize,
        /// The id.
        id: String,
    },
}

/// Every requirement, in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    rows: Vec<Row>,
    by_id: BTreeMap<String, usize>,
}

impl Catalogue {
    /// Reads the file (`requirements.tsv`); its first line names the columns.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let mut catalogue = Catalogue::default();
        for (line, text) in (1..).zip(text.lines()).skip(1) {
            if text.is_empty() {
                continue;
            }
            let columns: Vec<&str> = text.split('\t').collect();
            let Ok([id, op, precondition, expected, evidence, asics, since]) =
                <[&str; COLUMNS]>::try_from(columns.as_slice())
            else {
                return Err(CatalogueError::Columns { line, got: columns.len() });
            };
            if catalogue.by_id.insert(id.into(), catalogue.rows.len()).is_some() {
                return Err(CatalogueError::Duplicate { line, id: id.into() });
            }
            catalogue.rows.push(Row {
                id: id.into(),
                op: op.into(),
                precondition: precondition.into(),
                expected: expected.into(),
                evidence: evidence.into(),
                asics: if asics == "any" {
                    vec![]
                } else {
                    asics.split(',').map(|name| name.trim().to_string()).collect()
                },
                since: since.into(),
            });
        }
        Ok(catalogue)
    }

    /// Every row.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Where a row stands in [`Catalogue::rows`].
    pub fn find(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: &str = "id\top\tprecondition\texpected\tevidence\tany\tsince\n";

    #[test]
    fn rows_are_read() {
        let text =
            format!("{HEAD}A-1\to\tp\te\tv\tany\t6.1\nA-2\to\tp\te\tv\tgaudi,gaudi2\t6.12\n");
        let catalogue = Catalogue::parse(&text).expect("well formed");
        assert_eq!(catalogue.rows().len(), 2);
        assert!(catalogue.rows()[0].applies("goya"));
        assert!(catalogue.rows()[1].applies("gaudi2") && !catalogue.rows()[1].applies("goya"));
        assert_eq!(catalogue.find("A-2"), Some(1));
        assert_eq!(catalogue.rows()[1].group(), "A");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let short = format!("{HEAD}A-1\tonly two\n");
        let error = Catalogue::parse(&short).expect_err("short");
        assert_eq!(error.to_string(), "line 2 of the catalogue has 2 columns, expected 7");
        let twice = format!("{HEAD}{0}{0}", "A-1\to\tp\te\tv\tany\t6.1\n");
        let error = Catalogue::parse(&twice).expect_err("twice");
        assert_eq!(error.to_string(), "line 3 of the catalogue repeats the id A-1");
    }

    #[test]
    fn the_catalogue_of_the_suites_is_read() {
        let text = include_str!("../../../suites/requirements.tsv");
        let catalogue = Catalogue::parse(text).expect("the catalogue of the project");
        assert!(catalogue.rows().len() > 1000);
    }

    proptest! {
        #[test]
        fn random_text_never_panics(text in "(\\PC|\t|\n){0,400}") {
            let _ = Catalogue::parse(&text);
        }
    }
}
