// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reports are made from the record: at the end of a run, again by `gauntlet report`, and for two
//! runs by `gauntlet compare`.

use crate::options::{CompareOptions, ReportOptions};
use crate::{exit, journal};
use anyhow::{Context as _, Result, anyhow};
use case::Case;
use control::Asic;
use render::{Catalogue, Comparison, Expectations, Format, Run};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The expectation files of the project.
mod embedded {
    #![allow(missing_docs, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/expectations.rs"));
}

/// Names a folder whose expectation files stand for those of the project.
const EXPECTATIONS: &str = "GAUNTLET_EXPECTATIONS";

/// What is known of the cases.
pub fn expectations() -> Result<Expectations> {
    match std::env::var_os(EXPECTATIONS) {
        Some(folder) => Expectations::load(Path::new(&folder))
            .map_err(|why| exit::usage(format!("{EXPECTATIONS}: {why}"))),
        None => {
            Expectations::parse(embedded::FILES.iter().copied()).map_err(|why| anyhow!("{why}"))
        }
    }
}

/// The expectations, held against the cases: an entry that matches no case of its chip, and two
/// patterns for one case, are errors.
pub fn linted(cases: &[Case]) -> Result<Expectations> {
    let known = expectations()?;
    let cases_of = |asic: &str| {
        let asic = Asic::ALL.iter().find(|known| known.name() == asic);
        let of_asic = |case: &&Case| asic.is_some_and(|asic| case.applies(*asic));
        let names = cases.iter().filter(of_asic).map(|case| &*case.name);
        names.chain([render::PROBE]).collect()
    };
    known.lint(cases_of).map_err(|why| exit::usage(format!("expectations: {why}")))?;
    Ok(known)
}

/// The record of a run directory.
pub fn is_run(folder: &Path) -> Result<PathBuf> {
    let path = folder.join(journal::FILE);
    if path.is_file() {
        return Ok(path);
    }
    let folder = folder.display();
    Err(exit::usage(format!("{folder} is no run directory: it has no {}", journal::FILE)))
}

/// The run in a run directory.
fn load(folder: &Path) -> Result<Run> {
    let path = is_run(folder)?;
    let record = record::read_file(&path).with_context(|| path.display().to_string())?;
    let catalogue = Catalogue::parse(suites::catalogue::TEXT).map_err(|why| anyhow!("{why}"))?;
    Run::from_record(&record, &expectations()?, &catalogue)
        .with_context(|| path.display().to_string())
}

/// Writes every report of a run and prints what a person (or, with KTAP, a program) wants to see.
pub fn conclude(folder: &Path, ktap: bool, baseline: Option<&Path>) -> Result<u8> {
    let run = load(folder)?;
    let since = baseline.map(|base| Ok::<_, anyhow::Error>(Comparison::new(&load(base)?, &run)));
    let since = since.transpose()?;
    let write = |&format: &Format| {
        let path = folder.join(format.file_name());
        let text = match &since {
            Some(since) if format == Format::Html => run.html_since(since),
            Some(_) | None => run.render(format),
        };
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    // What came of the run is said even where there is no room for the files.
    let written = Format::ALL.iter().try_for_each(write);
    let shown = if ktap { Format::Ktap } else { Format::Text };
    say(&run.render(shown))?;
    written?;
    if !ktap {
        let place = std::path::absolute(folder)?;
        let page = place.join(Format::Html.file_name());
        say(&format!("\nrecord and reports: {}\n{}\n", place.display(), page.display()))?;
    }
    Ok(run.conclusion().exit_code())
}

/// Writes the expectation files anew: what fails gets an entry that a person has to complete.
pub fn update(folder: &Path, into: &Path) -> Result<()> {
    let run = load(folder)?;
    std::fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    for (name, text) in render::update(&expectations()?, &run) {
        let path = into.join(name);
        let todo = text.lines().filter(|line| line.contains(" TODO")).count();
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        let todo = if todo > 0 { format!(", {todo} entries to complete") } else { String::new() };
        eprintln!("gauntlet: wrote {}{todo}", path.display());
    }
    Ok(())
}

/// `gauntlet report`.
pub fn report(options: &ReportOptions) -> Result<u8> {
    if let Some(into) = &options.update {
        update(&options.dir, into)?;
    }
    let baseline = options.baseline.as_deref();
    let Some(name) = &options.format else { return conclude(&options.dir, false, baseline) };
    let format = Format::find(name).ok_or_else(|| {
        let known: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        exit::usage(format!("no format is called {name:?}; known: {}", known.join(", ")))
    })?;
    let run = load(&options.dir)?;
    let text = match baseline {
        Some(base) if format == Format::Html => {
            run.html_since(&Comparison::new(&load(base)?, &run))
        }
        Some(_) | None => run.render(format),
    };
    say(&text)?;
    Ok(run.conclusion().exit_code())
}

/// `gauntlet compare`.
pub fn compare(options: &CompareOptions) -> Result<u8> {
    let CompareOptions { base, head, format, out } = options;
    let comparison = Comparison::new(&load(base)?, &load(head)?);
    match format.as_deref() {
        None => {
            say(&comparison.text())?;
            let folder = std::path::absolute(out.as_ref().unwrap_or(head))?;
            let page = folder.join("compare.html");
            for (path, text) in
                [(&page, comparison.html()), (&folder.join("compare.json"), comparison.json())]
            {
                std::fs::write(path, text)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            say(&format!("\n{}\n", page.display()))?;
        }
        Some("text") => say(&comparison.text())?,
        Some("json") => say(&comparison.json())?,
        Some("html") => say(&comparison.html())?,
        Some(name) => {
            return Err(exit::usage(format!("no format {name:?}; known: text, json, html")));
        }
    }
    Ok(comparison.result().exit_code())
}

/// Prints; a reader that has seen enough is no error.
fn say(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => Err(why.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expectations_speak_of_cases_that_there_are() {
        let known = linted(&suites::all()).unwrap_or_else(|why| panic!("{why}"));
        assert!(known.covers("gaudi", "debian:6.12"));
    }

    #[test]
    fn an_entry_that_matches_no_case_is_an_error() {
        let why = linted(&[Case::new("info/a", &[], |_| Ok(()))]).unwrap_err();
        assert_eq!(exit::of(&why), exit::USAGE);
        assert!(why.to_string().contains("matches no case"), "{why}");
    }
}
