// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Writes a record, one event at a time, so that a power cut loses one line at most.

use crate::{Line, ReadError, Record, read_file};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

/// The open record of a run.
#[derive(Debug)]
pub struct Journal {
    file: File,
}

impl Journal {
    /// The name of the record in the folder of a run.
    pub const FILE: &str = "journal.jsonl";

    /// Starts a record; there must be none at this path yet.
    pub fn create(path: &Path) -> io::Result<Self> {
        OpenOptions::new().write(true).create_new(true).open(path).map(|file| Journal { file })
    }

    /// Goes on behind what an interrupted run has left. A cut last line is removed from the file.
    pub fn resume(path: &Path) -> Result<(Record, Self), ReadError> {
        let record = read_file(path)?;
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.set_len(record.length)?;
        file.seek(SeekFrom::Start(record.length))?;
        Ok((record, Journal { file }))
    }

    /// Writes one line; on return it is out of this process and on its way to the disk. A line
    /// that does not fit on the disk leaves nothing behind that a later one would be glued to.
    pub fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let before = self.file.stream_position()?;
        self.file.write_all(&text).inspect_err(|_| {
            // The error of the write is what counts.
            let _ = self.file.set_len(before);
            let _ = self.file.seek(SeekFrom::Start(before));
        })
    }

    /// Waits until everything written is on the disk: at the start of a case that may take the
    /// machine down, and at the end.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
