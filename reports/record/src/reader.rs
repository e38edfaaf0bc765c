// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads a record back.

use crate::{Event, Line, VERSION};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use thiserror::Error;

/// Why a record cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("cannot read the record")]
    Io(#[from] std::io::Error),
    /// A line in the middle is not an event.
    #[error("line {line} of the record is not an event: {why}")]
    Line {
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        why: String,
    },
    /// Written by a newer gauntlet.
    #[error("the record has version {0}, this gauntlet reads up to {VERSION}; use a newer one")]
    Version(u32),
}

/// A record as lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Record {
    /// The lines, in order.
    pub lines: Vec<Line>,
    /// The last line was cut short and dropped.
    pub cut: bool,
    /// Bytes of the lines that stand; what follows is the cut line.
    pub length: u64,
}

/// Reads a record. A last line that does not parse or lacks its newline is dropped.
pub fn read(mut input: impl BufRead) -> Result<Record, ReadError> {
    let mut record = Record::default();
    let mut bad = None;
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let length = input.read_until(b'\n', &mut text)?;
        if length == 0 {
            break;
        }
        if let Some((line, why)) = bad {
            return Err(ReadError::Line { line, why });
        }
        match parse(&text) {
            Ok(line) => {
                if let Event::RunStart { version, .. } = line.event
                    && version > VERSION
                {
                    return Err(ReadError::Version(version));
                }
                record.lines.push(line);
                record.length += length as u64;
            }
            Err(why) => bad = Some((number, why)),
        }
    }
    record.cut = bad.is_some();
    Ok(record)
}

/// Reads the record in a file.
pub fn read_file(path: &Path) -> Result<Record, ReadError> {
    read(BufReader::new(File::open(path)?))
}

/// A line without its newline is cut even where it happens to parse: its writer was not done.
fn parse(text: &[u8]) -> Result<Line, String> {
    match text.strip_suffix(b"\n") {
        Some(text) => serde_json::from_slice(text).map_err(|why| why.to_string()),
        None => Err("cut short".into()),
    }
}
