// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads a record back.

use crate::{Event, Line, VERSION};
use std::io::BufRead;
use thiserror::Error;

/// Why a record cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file could not be read.
    #[error("cannot read the record: {0}")]
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
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The lines, in order.
    pub lines: Vec<Line>,
    /// The last line was cut short and dropped.
    pub cut: bool,
}

/// Reads a record. A last line without its newline that does not parse is dropped.
pub fn read(mut input: impl BufRead) -> Result<Record, ReadError> {
    let mut record = Record::default();
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        if input.read_until(b'\n', &mut text)? == 0 {
            break;
        }
        match serde_json::from_slice::<Line>(&text) {
            Ok(line) => {
                if let Event::RunStart { version, .. } = line.event
                    && version > VERSION
                {
                    return Err(ReadError::Version(version));
                }
                record.lines.push(line);
            }
            Err(_) if text.last() != Some(&b'\n') => record.cut = true,
            Err(why) => return Err(ReadError::Line { line: number, why: why.to_string() }),
        }
    }
    Ok(record)
}
