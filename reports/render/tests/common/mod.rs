// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The recorded runs of `tests/records`.
#![allow(dead_code, reason = "each test uses a part")]

use record::Journal;
use render::{Catalogue, Expectations, Run};
use std::path::{Path, PathBuf};

/// The folder of the recorded runs.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/records")
}

/// Names of the recorded runs, sorted.
pub fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder()).expect("the recorded runs are there");
    let folders = entries.map(|entry| entry.expect("readable").path()).filter(|path| path.is_dir());
    let mut names: Vec<String> =
        folders.map(|path| path.file_name().unwrap_or_default().to_string_lossy().into()).collect();
    names.sort();
    names
}

/// The catalogue of the recorded runs.
pub fn catalogue() -> Catalogue {
    let text = std::fs::read_to_string(folder().join("requirements.tsv")).expect("there");
    Catalogue::parse(&text).expect("well formed")
}

/// A recorded run, judged by the expectations beside it.
pub fn run(name: &str) -> Run {
    let folder = folder().join(name);
    let record = record::read_file(&folder.join(Journal::FILE)).expect("a record");
    let expectations = match folder.join("expectations") {
        there if there.is_dir() => Expectations::load(&there).expect("expectations"),
        _ => Expectations::default(),
    };
    Run::from_record(&record, &expectations, &catalogue()).expect("a run")
}
