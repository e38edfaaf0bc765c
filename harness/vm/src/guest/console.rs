// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Cuts a byte stream into lines and keeps the last ones.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Lines kept for a failure report.
const TAIL: usize = 60;
/// A line longer than this is cut: the other side may send anything.
const LONGEST_LINE: usize = 4 << 20;

/// Cuts at line feeds; carriage returns at the end go.
#[derive(Debug, Default)]
pub struct Lines {
    open: Vec<u8>,
}

impl Lines {
    /// Takes bytes, gives whole lines.
    pub fn push(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        for part in bytes.split_inclusive(|&b| b == b'\n') {
            self.open.extend_from_slice(part);
            if part.ends_with(b"\n") || self.open.len() >= LONGEST_LINE {
                line(self.take());
            }
        }
    }

    /// What is left without a line feed.
    pub fn rest(&mut self) -> Option<String> {
        (!self.open.is_empty()).then(|| self.take())
    }

    fn take(&mut self) -> String {
        let bytes = std::mem::take(&mut self.open);
        let text = String::from_utf8_lossy(&bytes);
        text.trim_end_matches(['\n', '\r']).to_owned()
    }
}

/// The last lines of something.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<String>,
}

impl Tail {
    /// Adds a line.
    pub fn push(&mut self, line: String) {
        if self.lines.len() == TAIL {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The kept lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

/// The console: copied to a file as it comes, the last lines kept.
pub struct Console {
    file: File,
    path: PathBuf,
    lines: Lines,
    /// The last lines.
    pub tail: Tail,
}

impl Console {
    /// Copies to this file.
    pub fn new(file: File, path: &Path) -> Self {
        Self { file, path: path.to_owned(), lines: Lines::default(), tail: Tail::default() }
    }

    /// Takes bytes; `line` sees each whole line.
    pub fn push(&mut self, bytes: &[u8], mut line: impl FnMut(&str)) -> Result<()> {
        let Self { file, path, lines, tail } = self;
        lines.push(bytes, |text| {
            line(&text);
            tail.push(text);
        });
        file.write_all(bytes).map_err(|e| Error::io("write", path, e))
    }

    /// The stream has ended.
    pub fn finish(mut self) -> Vec<String> {
        if let Some(text) = self.lines.rest() {
            self.tail.push(text);
        }
        self.tail.into_lines()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_across_reads() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for bytes in [&b"ab"[..], b"c\r\nd", b"\n\n\xff", b"\n", b"open"] {
            lines.push(bytes, |l| seen.push(l));
        }
        assert_eq!(seen, ["abc", "d", "", "\u{fffd}"]);
        assert_eq!(lines.rest().as_deref(), Some("open"));
        assert_eq!(lines.rest(), None);
    }

    #[test]
    fn an_endless_line_is_cut() {
        let mut lines = Lines::default();
        let mut count = 0;
        for _ in 0..6 {
            lines.push(&vec![b'x'; 1 << 20], |_| count += 1);
        }
        assert_eq!(count, 1);
    }

    #[test]
    fn only_the_tail_is_kept() {
        let mut tail = Tail::default();
        (0..100).for_each(|i| tail.push(i.to_string()));
        let lines = tail.into_lines();
        assert_eq!((lines.len(), lines[0].as_str()), (TAIL, "40"));
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let path = Path::new("/dev/full");
        let file = File::options().write(true).open(path).unwrap();
        let error = Console::new(file, path).push(b"x\n", |_| {}).unwrap_err();
        assert!(matches!(error, Error::DiskFull { .. }));
    }
}
