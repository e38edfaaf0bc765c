// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a run is about before it begins: its targets, its cases, and the facts that its record
//! starts with.

use crate::clock;
use crate::options::RunOptions;
use crate::target::{Host, ReadyKernel};
use crate::words;
use case::Case;
use control::Asic;
use record::{Event, Facts, Planned, Target, VERSION, fact};
use render::Expectations;
use std::collections::BTreeMap;

/// The command that repeats one case.
const REPEAT: &str = "gauntlet run --asic {asic} --kernel {kernel} --exact {case}";

/// A target with what is needed to boot it.
pub struct Aim<'a> {
    /// As the record names it.
    pub target: Target,
    /// The chip.
    pub asic: Asic,
    /// Release of the kernel, for the expectations.
    pub release: String,
    /// The kernel; none on metal.
    pub kernel: Option<&'a ReadyKernel>,
}

/// Every kernel with every chip.
pub fn aims<'a>(kernels: &'a [ReadyKernel], asics: &[Asic]) -> Vec<Aim<'a>> {
    let aim = |kernel: &'a ReadyKernel, asic: &Asic| Aim {
        target: Target { asic: asic.name().into(), kernel: kernel.name.clone() },
        asic: *asic,
        release: kernel.kernel.release.clone(),
        kernel: Some(kernel),
    };
    let of_kernel = |kernel| asics.iter().map(move |asic| aim(kernel, asic));
    kernels.iter().flat_map(of_kernel).collect()
}

/// What is to run, target by target.
pub fn plan(
    aims: &[Aim<'_>],
    cases: &[&Case],
    known: &Expectations,
    options: &RunOptions,
) -> Vec<Planned> {
    let mut plan = Vec::new();
    for (target, aim) in aims.iter().enumerate() {
        let mut exports = BTreeMap::new();
        for case in cases.iter().filter(|case| case.applies(aim.asic)) {
            let listed = known.skip(aim.asic.name(), &aim.release, &case.name);
            let skip = listed.map(|entry| entry.summary());
            let skip = skip.or_else(|| lacks(aim, case, &mut exports));
            let skip = skip.filter(|_| !options.run_skipped);
            let rows = case.proves(aim.asic).map(str::to_string).collect();
            plan.push(Planned { target, case: case.name.to_string(), rows, skip });
        }
    }
    plan
}

/// What the kernel of an aim is known to lack for a case; asks once for each symbol.
fn lacks(aim: &Aim<'_>, case: &Case, exports: &mut BTreeMap<&'static str, bool>) -> Option<String> {
    let (symbol, ready) = (case.kernel_export?, aim.kernel?);
    // An image that cannot be read fails where it is booted, with a better reason.
    let ask = || ready.kernel.exports(symbol).ok().flatten().unwrap_or(true);
    let there = *exports.entry(symbol).or_insert_with(ask);
    (!there).then(|| format!("needs a kernel that exports {symbol}"))
}

/// The first line of the record.
pub fn start(options: &RunOptions, aims: &[Aim<'_>], plan: Vec<Planned>, facts: Facts) -> Event {
    Event::RunStart {
        version: VERSION,
        started: clock::now(),
        command: std::env::args().collect(),
        seed: options.machine.seed.unwrap_or(0),
        targets: aims.iter().map(|aim| aim.target.clone()).collect(),
        plan,
        facts,
    }
}

/// Facts that hold for every run.
pub fn facts(options: &RunOptions) -> Facts {
    let mut facts = Facts::new();
    facts.insert(fact::GAUNTLET.into(), env!("CARGO_PKG_VERSION").into());
    let mut repeat = format!("{REPEAT}{}", words::machine(&options.machine));
    for (option, path) in [("driver", &options.machine.driver), ("tree", &options.machine.tree)] {
        if let Some(path) = path {
            let path = path.to_string_lossy();
            repeat.push_str(&words::option(option, &path));
            facts.insert(option.into(), path.into());
        }
    }
    if options.local {
        repeat = "gauntlet run --local --exact {case}".into();
    }
    facts.insert(fact::REPEAT.into(), repeat);
    if let Ok(folder) = std::env::current_dir() {
        facts.insert("folder".into(), folder.display().to_string());
    }
    let crate::options::Selection { filters, skip, exact: _, asic: _ } = &options.selection;
    let mut selection = filters.clone();
    selection.extend(skip.iter().map(|text| format!("--skip {text}")));
    selection.extend(options.shard.iter().map(|text| format!("--shard {text}")));
    if !selection.is_empty() {
        facts.insert(fact::SELECTION.into(), selection.join(" "));
    }
    facts
}

/// The same with what the host has for guests.
pub fn host_facts(host: &Host, options: &RunOptions) -> Facts {
    let mut facts = facts(options);
    facts.insert("qemu".into(), host.qemu.version.clone());
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Command, Options};
    use clap::Parser;

    const SKIP: &str = "info/a/*,skip  # reason hangs; link https://a.org; since 6.12\n";

    fn options(words: &[&str]) -> RunOptions {
        match Options::try_parse_from(["gauntlet", "run"].iter().chain(words)).unwrap().command {
            Command::Run(run) => *run,
            other => panic!("{other:?}"),
        }
    }

    fn skips(words: &[&str], release: &str) -> Vec<Option<String>> {
        let case = |name: &'static str| Case::new(name, &[], |_| Ok(()));
        let cases = [case("info/a/holds"), case("info/b/holds")];
        let known = Expectations::parse([("gaudi-6.12.expect", SKIP)]).unwrap();
        let target = Target { asic: "gaudi".into(), kernel: "debian:6.12".into() };
        let aim = Aim { target, asic: Asic::Gaudi, release: release.into(), kernel: None };
        let cases: Vec<&Case> = cases.iter().collect();
        let plan = plan(&[aim], &cases, &known, &options(words));
        plan.into_iter().map(|planned| planned.skip).collect()
    }

    #[test]
    fn what_is_listed_as_a_skip_is_planned_with_its_reason() {
        for release in ["6.12.117+deb12-amd64", "7.3.4"] {
            let why = Some("hangs, https://a.org".to_string());
            assert_eq!(skips(&[], release), [why, None], "{release}");
            assert_eq!(skips(&["--run-skipped"], release), [None, None], "{release}");
        }
        assert_eq!(skips(&[], "5.10.1"), [None, None], "older than every file");
    }

    #[test]
    fn the_line_that_repeats_a_case_names_the_machine() {
        let words =
            ["--driver", "a b.ko", "--seed", "7", "--no-workarounds", "--set", "card_name=it's"];
        let facts = facts(&options(&words));
        assert_eq!(
            facts[fact::REPEAT],
            "gauntlet run --asic {asic} --kernel {kernel} --exact {case} --seed 7 \
             --set 'card_name=it'\\''s' --no-workarounds --driver 'a b.ko'"
        );
        let facts = super::facts(&options(&["info/", "--skip", "b", "--shard", "1/2"]));
        assert_eq!(facts[fact::SELECTION], "info/ --skip b --shard 1/2");
    }
}
