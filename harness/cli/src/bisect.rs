// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `gauntlet run --bisect-line`: the `git bisect run` command that finds the commit which broke the
//! cases of a selection.
//!
//! `git bisect run` takes 0 for good, 125 for a commit that says nothing, and other small codes for
//! bad. A driver that does not build, a guest that does not boot and a wrong command line must not
//! count as bad, so the codes of `gauntlet` are translated. Each step builds the driver of the
//! checked out tree against the packaged headers of the kernel.

use crate::exit;
use crate::options::RunOptions;
use crate::words::{self, option, quoted};
use anyhow::{Context as _, Result};
use case::Case;

/// Codes that mean a good commit: everything as expected, or even better.
const GOOD: &str = "0|3";
/// Codes that mean a bad one: a regression, with or without a dead kernel.
const BAD: &str = "1|5";
/// How many names of cases may stand in the line; more are given as the user gave them.
const NAMES: usize = 8;

/// Prints the line.
pub fn print(options: &RunOptions, cases: &[&Case]) -> Result<u8> {
    if options.machine.driver.is_some() {
        return Err(exit::usage("--bisect-line builds the driver of every commit: omit --driver"));
    }
    let program = std::env::current_exe().context("the path of gauntlet")?;
    println!("{}", line(&program.to_string_lossy(), options, cases));
    Ok(exit::AS_EXPECTED)
}

fn line(program: &str, options: &RunOptions, cases: &[&Case]) -> String {
    let mut run = format!("{} run --tree .", quoted(program));
    options.machine.kernel.iter().for_each(|kernel| run.push_str(&option("kernel", kernel)));
    options.selection.asic.iter().for_each(|asic| run.push_str(&option("asic", asic.name())));
    run.push_str(&words::machine(&options.machine));
    if options.repeat > 1 {
        run.push_str(&option("repeat", &options.repeat.to_string()));
    }
    if cases.len() <= NAMES {
        run.push_str(" --exact");
        cases.iter().for_each(|case| run.push_str(&format!(" {}", quoted(&case.name))));
    } else {
        let skip = options.selection.skip.iter();
        skip.for_each(|text| run.push_str(&option("skip", text)));
        let filters = options.selection.filters.iter();
        filters.for_each(|text| run.push_str(&format!(" {}", quoted(text))));
    }
    // The records stay out of the tree that is bisected.
    let runs = "GAUNTLET_RUNS=${TMPDIR:-/tmp}/gauntlet-bisect";
    let script =
        format!("{runs} {run}; case $? in {GOOD}) exit 0;; {BAD}) exit 1;; *) exit 125;; esac");
    format!("git bisect run sh -c {}", quoted(&script))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Command, Options};
    use clap::Parser;

    fn options(words: &[&str]) -> RunOptions {
        let words = ["gauntlet", "run", "--bisect-line"].iter().chain(words);
        match Options::try_parse_from(words).unwrap().command {
            Command::Run(run) => *run,
            other => panic!("{other:?}"),
        }
    }

    /// Runs the line with a `gauntlet` that ends with a code, and `git bisect run` played by `sh`.
    fn played(code: u8) -> i32 {
        let case = Case::new("info/a", &[], |_| Ok(()));
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("it's gauntlet");
        std::fs::write(&program, format!("#!/bin/sh\nexit {code}\n")).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        let line = line(&program.to_string_lossy(), &options(&["--asic", "gaudi"]), &[&case]);
        let command = line.strip_prefix("git bisect run ").unwrap();
        std::process::Command::new("sh").args(["-c", command]).status().unwrap().code().unwrap()
    }

    #[test]
    fn codes_become_those_of_git_bisect() {
        for (code, bisect) in
            [(0, 0), (3, 0), (1, 1), (5, 1), (2, 125), (4, 125), (6, 125), (130, 125)]
        {
            assert_eq!(played(code), bisect, "{code}");
        }
    }

    #[test]
    fn the_line_names_the_cases_and_the_machine() {
        let case = Case::new("info/a", &[], |_| Ok(()));
        let words = ["--kernel", "debian:7.3", "--asic", "gaudi2", "--seed", "7", "info/a"];
        let line = line("/g", &options(&words), &[&case]);
        let part = "/g run --tree . --kernel debian:7.3 --asic gaudi2 --seed 7 --exact info/a;";
        assert!(line.contains(part), "{line}");
    }

    #[test]
    fn many_cases_are_named_as_they_were_given() {
        let case = Case::new("info/a", &[], |_| Ok(()));
        let many = vec![&case; NAMES + 1];
        let line = line("/g", &options(&["info/*", "--skip", "b"]), &many);
        assert!(line.contains("--skip b '\\''info/*'\\'';"), "{line}");
    }
}
