// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The requirements: rules read out of the driver, one a row of `requirements.tsv`.
//!
//! The catalogue is corrected by what is measured; each row names the source of its rule.

use control::Asic;
use std::collections::BTreeMap;

/// The table as it is committed.
pub const TEXT: &str = include_str!("../requirements.tsv");

/// The columns, as the first line names them.
const HEAD: &str = "id\top\tprecondition\texpected\tevidence\tany\tsince";

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// `GROUP-NNN`.
    pub id: &'static str,
    /// The operation that it is about.
    pub op: &'static str,
    /// What has to be so for it to apply.
    pub precondition: &'static str,
    /// What the driver does.
    pub expected: &'static str,
    /// Where that was read: file and function.
    pub evidence: &'static str,
    /// Chips: `any`, `none` (nothing upstream reaches it), or names with commas.
    pub asics: &'static str,
    /// The first kernel that does so.
    pub since: &'static str,
}

impl Requirement {
    /// Does it apply to this chip?
    pub fn applies(&self, asic: Asic) -> bool {
        self.asics.split(',').any(|name| name == "any" || name == asic.name())
    }

    /// The id without its number: rows of one subject share it.
    pub fn group(&self) -> &'static str {
        self.id.rsplit_once('-').map_or(self.id, |(group, _)| group)
    }
}

/// Every requirement by id, or the first line that is no row.
pub fn parse(text: &'static str) -> Result<BTreeMap<&'static str, Requirement>, String> {
    let mut lines = text.lines();
    match lines.next() {
        Some(HEAD) => {}
        other => return Err(format!("the first line is {other:?}, expected {HEAD:?}")),
    }
    let mut all = BTreeMap::new();
    for (number, line) in (2..).zip(lines) {
        let fields: Vec<&'static str> = line.split('\t').collect();
        let &[id, op, precondition, expected, evidence, asics, since] = fields.as_slice() else {
            return Err(format!("line {number} has {} columns, expected 7", fields.len()));
        };
        let row = Requirement { id, op, precondition, expected, evidence, asics, since };
        if !well_formed(&row) {
            return Err(format!("line {number} has a bad id or an unknown chip: {id} {asics}"));
        }
        if all.insert(id, row).is_some() {
            return Err(format!("line {number} repeats {id}"));
        }
    }
    Ok(all)
}

/// The committed table by id.
pub fn all() -> BTreeMap<&'static str, Requirement> {
    parse(TEXT).unwrap_or_else(|why| unreachable!("the committed table is tested: {why}"))
}

fn well_formed(row: &Requirement) -> bool {
    let id = row.id.rsplit_once('-').is_some_and(|(group, number)| {
        !group.is_empty() && number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit())
    });
    let known = |name: &str| matches!(name, "any" | "none" | "goya" | "gaudi" | "gaudi2");
    id && row.asics.split(',').all(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_committed_table_parses() {
        let all = parse(TEXT).unwrap();
        assert!(all.len() > 1000, "only {} rows", all.len());
        assert!(all["OPEN-003"].applies(Asic::Gaudi));
        assert_eq!(all["INFO-HW_IP_INFO-001"].group(), "INFO-HW_IP_INFO");
        let gaudi2 = &all["OPEN-023"];
        assert!(gaudi2.applies(Asic::Gaudi2) && !gaudi2.applies(Asic::Gaudi));
    }

    #[test]
    fn bad_tables_are_refused() {
        const ROW: &str = "id\top\tprecondition\texpected\tevidence\tany\tsince\n";
        let with = |row: &str| parse(String::leak(format!("{ROW}{row}")));
        assert!(with("A-001\to\tp\te\tf\tany\t6.1\n").is_ok());
        for bad in [
            "A-001\to\tp\te\tf\tany\n",
            "A-001\to\tp\te\tf\tany\t6.1\tmore\n",
            "A-01\to\tp\te\tf\tany\t6.1\n",
            "-001\to\tp\te\tf\tany\t6.1\n",
            "A-001\to\tp\te\tf\tgaudi3\t6.1\n",
            "A-001\to\tp\te\tf\tany\t6.1\nA-001\to\tp\te\tf\tany\t6.1\n",
            "\n",
        ] {
            assert!(with(bad).is_err(), "accepted {bad:?}");
        }
        assert!(parse("").is_err());
        for end in 0..200 {
            let _ = parse(TEXT.get(..end).unwrap_or(""));
        }
    }

    #[test]
    fn every_row_of_a_case_exists_and_applies() {
        let rows = all();
        let mut wrong = Vec::new();
        for case in crate::all() {
            for asic in Asic::ALL.iter().copied().filter(|asic| case.applies(*asic)) {
                let mut proven: Vec<&str> = case.proves(asic).collect();
                if proven.is_empty() {
                    wrong.push(format!("{} on {asic}: proves no row", case.name));
                }
                for id in &proven {
                    match rows.get(id) {
                        None => wrong.push(format!("{} on {asic}: no row {id}", case.name)),
                        Some(row) if !row.applies(asic) => {
                            wrong
                                .push(format!("{} on {asic}: {id} is of {}", case.name, row.asics));
                        }
                        Some(_) => {}
                    }
                }
                proven.sort_unstable();
                if let Some(twice) = proven.windows(2).find(|pair| pair[0] == pair[1]) {
                    wrong.push(format!("{} on {asic}: names {} twice", case.name, twice[0]));
                }
            }
            for (asic, _) in case.chip_rows.iter().filter(|(asic, _)| !case.applies(*asic)) {
                wrong.push(format!("{}: has rows of {asic}, where it does not run", case.name));
            }
        }
        assert!(wrong.is_empty(), "{} mismatches:\n{}", wrong.len(), wrong.join("\n"));
    }

    #[test]
    fn names_are_unique_and_well_formed() {
        let mut seen = BTreeSet::new();
        for case in crate::all() {
            assert!(is_name(&case.name), "{:?} is no name", case.name);
            assert!(seen.insert(case.name.to_string()), "{} twice", case.name);
        }
        assert!(!seen.is_empty());
    }

    /// `area/subject/rule`: lower case, digits, underscores.
    fn is_name(name: &str) -> bool {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let parts: Vec<&str> = name.split('/').collect();
        parts.len() == 3 && parts.iter().all(|p| !p.is_empty() && p.bytes().all(allowed))
    }

    #[test]
    fn the_name_rule_has_teeth() {
        assert!(is_name("open/compute/rejects_second_open"));
        for bad in ["open/compute", "open//x", "Open/a/b", "a/b/c d", "a/b/c/d", "a/b/c#"] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
