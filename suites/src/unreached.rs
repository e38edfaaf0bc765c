// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Requirements that no case can prove on a chip, each with what was measured: `unreached.tsv`.
//!
//! A reason holds for the mainline driver on the modelled chip. A row that a case proves after all
//! has to leave the table; a test sees to that.

use control::Asic;

/// The table as it is committed: `id`, chips, and what was measured.
pub const TEXT: &str = include_str!("../unreached.tsv");

/// The columns, as the first line names them.
const HEAD: &str = "id\tasics\tmeasured";

/// Why a row has no case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// Id of the row.
    pub id: &'static str,
    /// Chips that this is about: `any`, or names with commas.
    pub asics: &'static str,
    /// What was measured or read, and where.
    pub measured: &'static str,
}

impl Unreached {
    /// Is it about this chip?
    pub fn applies(&self, asic: Asic) -> bool {
        self.asics.split(',').any(|name| name == "any" || name == asic.name())
    }
}

/// Every line, or the first that is none.
pub fn parse(text: &'static str) -> Result<Vec<Unreached>, String> {
    let mut lines = text.lines();
    match lines.next() {
        Some(HEAD) => {}
        other => return Err(format!("the first line is {other:?}, expected {HEAD:?}")),
    }
    let mut all = Vec::new();
    for (number, line) in (2..).zip(lines) {
        let fields: Vec<&'static str> = line.split('\t').collect();
        let &[id, asics, measured] = fields.as_slice() else {
            return Err(format!("line {number} has {} columns, expected 3", fields.len()));
        };
        if measured.is_empty() {
            return Err(format!("line {number} says nothing about {id}"));
        }
        all.push(Unreached { id, asics, measured });
    }
    Ok(all)
}

/// The committed table.
pub fn all() -> Vec<Unreached> {
    parse(TEXT).unwrap_or_else(|why| unreachable!("the committed table is tested: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn every_reason_is_about_a_row_that_no_case_proves() {
        let rows = catalogue::all();
        let cases = crate::all();
        let all = parse(TEXT).unwrap();
        let mut wrong = Vec::new();
        for entry @ Unreached { id, asics, .. } in &all {
            let chips = Asic::ALL.iter().copied().filter(|asic| entry.applies(*asic));
            if chips.clone().count() == 0 {
                wrong.push(format!("{id}: no chip is called {asics:?}"));
            }
            for asic in chips {
                if !rows.get(id).is_some_and(|row| row.applies(asic)) {
                    wrong.push(format!("{id}: no such row of {asic}"));
                }
                let proving = |case: &&case::Case| {
                    case.applies(asic) && case.proves(asic).any(|other| other == *id)
                };
                if let Some(case) = cases.iter().find(proving) {
                    wrong.push(format!("{id} on {asic}: {} proves it", case.name));
                }
                let entries = all.iter().filter(|other| other.id == *id && other.applies(asic));
                if entries.count() > 1 {
                    wrong.push(format!("{id}: two reasons on {asic}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(all.is_sorted_by(|a, b| (a.id, a.asics) < (b.id, b.asics)), "sort the table");
    }

    #[test]
    fn bad_tables_are_refused() {
        let with = |line: &str| parse(String::leak(format!("{HEAD}\n{line}")));
        assert_eq!(with("A-001\tany\twhy").map(|all| all.len()), Ok(1));
        for bad in ["A-001\tany", "A-001\tany\t", "A-001\tany\twhy\tmore", "\n"] {
            assert!(with(bad).is_err(), "accepted {bad:?}");
        }
        assert!(parse("").is_err());
    }
}
