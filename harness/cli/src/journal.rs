// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The run directory and the record in it: every event is written before anything else happens.

use crate::progress::Progress;
use crate::{clock, exit};
use anyhow::{Context as _, Result};
use record::{Event, Journal, Line, Outcome, Record};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// File name of the record.
pub const FILE: &str = "journal.jsonl";
/// Names the folder in which run directories are made.
const RUNS: &str = "GAUNTLET_RUNS";

/// The record being written.
pub struct Recorder {
    /// The run directory.
    pub folder: PathBuf,
    journal: Mutex<Journal>,
    started: Instant,
    /// Milliseconds of the run before it was resumed.
    before_ms: u64,
    progress: Progress,
}

/// Makes the run directory: the one that was asked for, or a new one.
pub fn folder(asked: Option<&Path>) -> Result<PathBuf> {
    let folder = match asked {
        Some(folder) => folder.to_path_buf(),
        None => {
            let runs = std::env::var_os(RUNS).map_or_else(|| "gauntlet-runs".into(), PathBuf::from);
            fresh(&runs)
        }
    };
    check(&folder)?;
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the run directory {}", folder.display()))?;
    Ok(folder)
}

/// Can this become a run directory?
pub fn check(folder: &Path) -> Result<()> {
    let name = folder.display();
    if folder.join(FILE).exists() {
        return Err(exit::usage(format!(
            "{name} has a record already; `gauntlet resume {name}` goes on with it"
        )));
    }
    if folder.exists() && !folder.is_dir() {
        return Err(exit::usage(format!("--run-dir {name} is no folder")));
    }
    Ok(())
}

/// A name that is not taken.
fn fresh(runs: &Path) -> PathBuf {
    let stamp = clock::stamp();
    let names = (1..).map(|number| match number {
        1 => runs.join(&stamp),
        number => runs.join(format!("{stamp}-{number}")),
    });
    let mut free = names.filter(|folder| !folder.exists());
    free.next().unwrap_or_else(|| runs.join(&stamp))
}

impl Recorder {
    /// Starts a record.
    pub fn create(folder: PathBuf, progress: Progress) -> Result<Self> {
        let path = folder.join(FILE);
        let journal = Journal::create(&path)
            .with_context(|| format!("cannot start the record {}", path.display()))?;
        let (started, before_ms) = (Instant::now(), 0);
        Ok(Recorder { folder, journal: Mutex::new(journal), started, before_ms, progress })
    }

    /// Goes on with one.
    pub fn resume(folder: PathBuf, progress: Progress) -> Result<(Record, Self)> {
        let path = folder.join(FILE);
        let (record, journal) = Journal::resume(&path)
            .with_context(|| format!("cannot go on with {}", path.display()))?;
        let before_ms = record.lines.iter().map(|line| line.at_ms).max().unwrap_or(0);
        // The display learns what the run is about, and how far it has come.
        record.lines.iter().for_each(|line| progress.recall(line.guest, &line.event));
        let (started, journal) = (Instant::now(), Mutex::new(journal));
        Ok((record, Recorder { folder, journal, started, before_ms, progress }))
    }

    /// Writes an event of the host.
    pub fn host(&self, event: Event) -> Result<()> {
        self.write(None, event)
    }

    /// Writes an event of a guest.
    pub fn guest(&self, boot: u32, event: Event) -> Result<()> {
        self.write(Some(boot), event)
    }

    fn write(&self, boot: Option<u32>, event: Event) -> Result<()> {
        let at_ms = self.before_ms + self.started.elapsed().as_millis() as u64;
        let line = match boot {
            None => Line::new(at_ms, event),
            Some(boot) => Line::from_guest(at_ms, boot, event),
        };
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.write(&line).with_context(|| {
            format!("cannot write the record {}", self.folder.join(FILE).display())
        })?;
        drop(journal);
        self.progress.saw(boot, &line.event);
        Ok(())
    }

    /// Did a case of a guest end badly, and do the expectations not account for it?
    pub fn is_unexpected(&self, boot: u32, case: &str, outcome: Outcome) -> bool {
        self.progress.is_unexpected(boot, case, outcome)
    }

    /// Something worth a line that is no event.
    pub fn note(&self, text: &str) {
        self.progress.note(text);
    }

    /// Ends the display of the progress.
    pub fn finish(&self) {
        // A record that is not yet on the disk is still complete for every reader.
        let _ = self.journal.lock().unwrap_or_else(PoisonError::into_inner).sync();
        self.progress.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use record::{RunEnd, end};

    fn ended() -> Event {
        Event::RunEnd(RunEnd { reason: end::DONE.into() })
    }

    #[test]
    fn a_record_is_not_written_over() {
        let root = tempfile::tempdir().unwrap();
        let folder = folder(Some(&root.path().join("a/b"))).unwrap();
        let recorder = Recorder::create(folder.clone(), Progress::silent()).unwrap();
        recorder.host(ended()).unwrap();
        let why = super::folder(Some(&folder)).unwrap_err();
        assert_eq!(exit::of(&why), exit::USAGE);
        assert!(why.to_string().contains("gauntlet resume"), "{why}");
    }

    #[test]
    fn time_goes_on_in_a_resumed_record() {
        let root = tempfile::tempdir().unwrap();
        let line = serde_json::to_string(&Line::new(5000, ended())).unwrap();
        std::fs::write(root.path().join(FILE), format!("{line}\n")).unwrap();
        let (record, recorder) = Recorder::resume(root.path().into(), Progress::silent()).unwrap();
        assert_eq!(record.lines.len(), 1);
        recorder.guest(3, ended()).unwrap();
        let record = record::read_file(&root.path().join(FILE)).unwrap();
        assert!(record.lines[1].at_ms >= 5000);
        assert_eq!(record.lines[1].guest, Some(3));
    }

    #[test]
    fn what_is_no_folder_is_named() {
        let why = folder(Some(Path::new("/dev/full")))
            .map(|folder| Recorder::create(folder, Progress::silent()).map(|_| ()).unwrap_err());
        let why = why.unwrap_or_else(|why| why);
        assert!(format!("{why:#}").contains("/dev/full"), "{why:#}");
    }
}
