// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reports are made from the record: at the end of a run, again by `gauntlet report`, and for two
//! runs by `gauntlet compare`.

use crate::options::{CompareOptions, ReportOptions};
use crate::{exit, journal};
use anyhow::{Context as _, Result, anyhow};
use render::{Catalogue, Comparison, Expectations, Format, Run};
use std::io::Write;
use std::path::Path;

/// The expectation files of the project.
mod embedded {
    #![allow(missing_docs, reason = "generated")]
    include!(concat!(env!("OUT_DIR"), "/expectations.rs"));
}

/// What is known of the cases.
pub fn expectations() -> Result<Expectations> {
    Expectations::parse(embedded::FILES.iter().copied()).map_err(|why| anyhow!("{why}"))
}

/// The run in a run directory.
fn load(folder: &Path) -> Result<Run> {
    let path = folder.join(journal::FILE);
    if !path.is_file() {
        let folder = folder.display();
        return Err(exit::usage(format!(
            "{folder} is no run directory: it has no {}",
            journal::FILE
        )));
    }
    let record = record::read_file(&path).with_context(|| path.display().to_string())?;
    let catalogue = Catalogue::parse(suites::catalogue::TEXT).map_err(|why| anyhow!("{why}"))?;
    Run::from_record(&record, &expectations()?, &catalogue)
        .with_context(|| path.display().to_string())
}

/// Writes every report of a run and prints what a person (or, with KTAP, a program) wants to see.
pub fn conclude(folder: &Path, ktap: bool) -> Result<u8> {
    let run = load(folder)?;
    for format in Format::ALL {
        let path = folder.join(format.file_name());
        std::fs::write(&path, run.render(*format))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let shown = if ktap { Format::Ktap } else { Format::Text };
    say(&run.render(shown))?;
    if !ktap {
        say(&format!("\nrecord and reports: {}\n", folder.display()))?;
    }
    Ok(run.conclusion().exit_code())
}

/// `gauntlet report`.
pub fn report(options: &ReportOptions) -> Result<u8> {
    let Some(name) = &options.format else { return conclude(&options.dir, false) };
    let format = Format::find(name).ok_or_else(|| {
        let known: Vec<&str> = Format::ALL.iter().map(|format| format.name()).collect();
        exit::usage(format!("no format is called {name:?}; known: {}", known.join(", ")))
    })?;
    let run = load(&options.dir)?;
    say(&run.render(format))?;
    Ok(run.conclusion().exit_code())
}

/// `gauntlet compare`.
pub fn compare(options: &CompareOptions) -> Result<u8> {
    let comparison = Comparison::new(&load(&options.base)?, &load(&options.head)?);
    say(&comparison.text())?;
    Ok(comparison.result().exit_code())
}

/// Prints; a reader that has seen enough is no error.
fn say(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => Err(why.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
