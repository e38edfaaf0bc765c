// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Which cases run, in which order, and which of them share a guest.

use crate::exit;
use crate::options::Selection;
use case::{Cards, Case, Change};
use control::Asic;
use rand::SeedableRng;
use rand::seq::SliceRandom;

/// One filter of the command line.
struct Filter<'a> {
    text: &'a str,
    exact: bool,
}

impl Filter<'_> {
    fn matches(&self, name: &str) -> bool {
        let Filter { text, exact } = self;
        if *exact {
            name == *text
        } else if text.contains('*') {
            glob(text, name)
        } else {
            name.contains(text)
        }
    }
}

/// Does the whole name match a pattern whose `*` stand for anything?
fn glob(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The cases that a selection names, in their order.
pub fn cases<'a>(all: &'a [Case], selection: &Selection) -> anyhow::Result<Vec<&'a Case>> {
    let Selection { filters, skip, exact, asic: _ } = selection;
    let given = filters.iter().map(|text| (text, *exact));
    for (text, exact) in given.chain(skip.iter().map(|text| (text, false))) {
        let filter = Filter { text, exact };
        if !all.iter().any(|case| filter.matches(&case.name)) {
            let near = if exact { "" } else { "; `gauntlet list` shows all names" };
            return Err(exit::usage(format!("no case matches {text:?}{near}")));
        }
    }
    let wanted = |name: &str| {
        let is = |text: &String, exact| Filter { text, exact }.matches(name);
        (filters.is_empty() || filters.iter().any(|text| is(text, *exact)))
            && !skip.iter().any(|text| is(text, false))
    };
    Ok(all.iter().filter(|case| wanted(&case.name)).collect())
}

/// The chips of a selection: those that are asked for, or all; in the order of reports.
pub fn asics(asked: &[Asic]) -> Vec<Asic> {
    let wanted = |asic: &&Asic| asked.is_empty() || asked.contains(asic);
    Asic::ALL.iter().filter(wanted).copied().collect()
}

/// `i/n` with i from 1.
pub fn shard(text: &str) -> anyhow::Result<(usize, usize)> {
    let parse = || -> Option<(usize, usize)> {
        let (i, n) = text.split_once('/')?;
        let (i, n) = (i.parse().ok()?, n.parse().ok()?);
        (1..=n).contains(&i).then_some((i, n))
    };
    parse().ok_or_else(|| exit::usage(format!("--shard {text}: give i/n with i from 1 to n")))
}

/// Puts the cases into an order drawn from a seed.
pub fn shuffle(cases: &mut [&Case], seed: u64) {
    cases.shuffle(&mut rand::rngs::StdRng::seed_from_u64(seed));
}

/// Cases that share a guest.
pub struct Group<'a> {
    /// Changes of the card.
    pub personality: Option<(&'static str, Change)>,
    /// Parameters of the driver's module.
    pub module_parameters: &'static str,
    /// Parameters of the kernel.
    pub kernel_parameters: &'static str,
    /// The cards.
    pub cards: Cards,
    /// No declared workaround is applied.
    pub as_shipped: bool,
    /// The cases, in order.
    pub cases: Vec<&'a Case>,
}

/// Puts the cases of a chip into guests; the order of the cases stays. Cases that may wreck their
/// kernel share one of their own: one that does costs a boot, one that does not costs none.
pub fn groups<'a>(cases: &[&'a Case], asic: Asic) -> Vec<Group<'a>> {
    let mut groups: Vec<(Group<'a>, bool)> = Vec::new();
    for case in cases.iter().filter(|case| case.applies(asic)) {
        let case::Guest {
            personality,
            module_parameters,
            kernel_parameters,
            cards,
            own,
            as_shipped,
        } = &case.guest;
        let name = personality.map(|(name, _)| name);
        let fits = |group: &Group<'_>| {
            group.personality.map(|(name, _)| name) == name
                && group.module_parameters == *module_parameters
                && group.kernel_parameters == *kernel_parameters
                && group.cards == *cards
                && group.as_shipped == *as_shipped
        };
        match groups.iter_mut().find(|(group, fragile)| own == fragile && fits(group)) {
            Some((group, _)) => group.cases.push(case),
            None => groups.push((
                Group {
                    personality: *personality,
                    module_parameters,
                    kernel_parameters,
                    cards: *cards,
                    as_shipped: *as_shipped,
                    cases: vec![case],
                },
                *own,
            )),
        }
    }
    groups.into_iter().map(|(group, _)| group).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<Case> {
        let case = |name: &'static str| Case::new(name, &[], |_| Ok(()));
        vec![
            case("info/a"),
            case("open/b").own_guest(),
            case("open/c").module_parameters("x=1"),
            case("open/d"),
            case("open/e").own_guest(),
            case("open/f").module_parameters("x=1").on(control::Asics::GAUDI2),
            case("open/g").kernel_parameters("y=1"),
            case("open/h").cards(Cards::Switch),
        ]
    }

    fn names(cases: &[&Case]) -> Vec<String> {
        cases.iter().map(|case| case.name.to_string()).collect()
    }

    #[test]
    fn filters_and_skips() {
        let all = some();
        let select = |filters: &[&str], skip: &[&str], exact| {
            let selection = Selection {
                filters: filters.iter().map(|text| text.to_string()).collect(),
                skip: skip.iter().map(|text| text.to_string()).collect(),
                exact,
                asic: vec![],
            };
            cases(&all, &selection).map(|cases| names(&cases))
        };
        assert_eq!(select(&[], &[], false).unwrap().len(), 8);
        assert_eq!(
            select(&["open/*"], &["c", "*/d"], false).unwrap(),
            ["open/b", "open/e", "open/f", "open/g", "open/h"]
        );
        assert_eq!(select(&["info"], &[], false).unwrap(), ["info/a"]);
        assert_eq!(select(&["open/c"], &[], true).unwrap(), ["open/c"]);
        assert!(select(&["open"], &[], true).is_err());
        for (filter, skip) in [("nothing", "info"), ("info", "nothing")] {
            let why = select(&[filter], &[skip], false).unwrap_err();
            assert!(why.to_string().contains("\"nothing\""), "{why}");
        }
    }

    #[test]
    fn globs() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("*b*", "abc", true),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
        ] {
            assert_eq!(glob(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn guests_are_shared_where_possible() {
        let all = some();
        let all: Vec<&Case> = all.iter().collect();
        let of = |asic| -> Vec<Vec<String>> {
            groups(&all, asic).iter().map(|group| names(&group.cases)).collect()
        };
        let gaudi2 = of(Asic::Gaudi2);
        assert_eq!(gaudi2[0], ["info/a", "open/d"]);
        assert_eq!(gaudi2[1], ["open/b", "open/e"]);
        assert_eq!(gaudi2[2], ["open/c", "open/f"]);
        assert_eq!(gaudi2[3], ["open/g"]);
        assert_eq!(gaudi2[4], ["open/h"]);
        assert_eq!(gaudi2.len(), 5);
        assert_eq!(of(Asic::Gaudi)[2], ["open/c"]);
    }

    #[test]
    fn shards() {
        assert_eq!(shard("2/3").unwrap(), (2, 3));
        for text in ["", "0/3", "4/3", "1", "a/b", "1/0", "-1/2"] {
            assert!(shard(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_order_is_that_of_the_seed() {
        let all = some();
        let order = |seed| {
            let mut cases: Vec<&Case> = all.iter().collect();
            shuffle(&mut cases, seed);
            names(&cases)
        };
        assert_eq!(order(1), order(1));
        assert_ne!((0..8).map(order).collect::<std::collections::BTreeSet<_>>().len(), 1);
    }
}
