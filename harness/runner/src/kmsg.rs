// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kernel log, read record by record from `/dev/kmsg`.
//!
//! A record is `prefix;text`, continued by lines that start with a space (`KEY=value`); the prefix
//! is priority, sequence number, microseconds and flags
//! (`Documentation/ABI/testing/dev-kmsg`). Sequence numbers order the records and show losses.

use crate::fault::is_fatal;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// Records of one case that are kept: the first and the last so many.
pub const KEPT: usize = 400;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Level 0 (emergency) to 7 (debug).
    pub level: u8,
    /// Position in the log.
    pub sequence: u64,
    /// The message.
    pub text: String,
}

impl Entry {
    /// Parses one record without its continuation lines.
    pub fn parse(record: &str) -> Option<Self> {
        let (prefix, text) = record.split_once(';')?;
        let mut fields = prefix.split(',');
        let priority: u32 = fields.next()?.parse().ok()?;
        let sequence = fields.next()?.parse().ok()?;
        let _microseconds: u64 = fields.next()?.parse().ok()?;
        let text = text.trim_end_matches('\n').to_string();
        Some(Entry { level: (priority & 7) as u8, sequence, text })
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<{}>{}", self.level, self.text)
    }
}

/// The log, from where it was opened on.
pub struct KernelLog {
    reader: File,
    /// Its own opening: in a plain file, writing would move the reading position.
    writer: Option<File>,
    /// Waiting for records works; a plain file is always readable.
    waits: bool,
    partial: String,
    next: Option<u64>,
    pending: News,
    /// One of the pending records ends the guest.
    fatal: bool,
}

/// What came since the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// The records.
    pub entries: Vec<Entry>,
    /// Records that were overwritten before they could be read.
    pub lost: u64,
}

impl KernelLog {
    /// Opens the log. `/dev/kmsg`, or a file of records where a test plays the kernel.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
        let reader = File::options().read(true).custom_flags(flags).open(path)?;
        let writer = File::options().append(true).custom_flags(flags).open(path).ok();
        Ok(KernelLog {
            waits: reader.metadata()?.file_type().is_char_device(),
            reader,
            writer,
            partial: String::new(),
            next: None,
            pending: News::default(),
            fatal: false,
        })
    }

    /// Writes a marker; a log that takes none is left alone.
    pub fn mark(&mut self, text: &str) {
        if let Some(writer) = &mut self.writer {
            // A marker is for people who read the whole log; nothing depends on it.
            let _ = writer.write_all(format!("<6>gauntlet: {text}\n").as_bytes());
        }
    }

    /// Becomes readable when something is logged; none where that cannot be waited for.
    pub fn readable(&self) -> Option<BorrowedFd<'_>> {
        self.waits.then(|| self.reader.as_fd())
    }

    /// Reads on. Has anything come since the last [`news`](Self::news) that ends the guest?
    pub fn look(&mut self) -> bool {
        self.read();
        self.fatal
    }

    /// Records since the last [`news`](Self::news) that have been read.
    pub fn pending(&self) -> &[Entry] {
        &self.pending.entries
    }

    /// Waits until nothing has been logged for `silence`, but no longer than `most`.
    pub fn calm(&mut self, silence: Duration, most: Duration) {
        let end = Instant::now() + most;
        loop {
            let before = self.pending().len();
            let patience = silence.min(end.saturating_duration_since(Instant::now()));
            let mut fds = [PollFd::new(self.reader.as_fd(), PollFlags::POLLIN)];
            // An interrupted wait only means another look.
            let _ = poll(&mut fds, PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO));
            self.read();
            if self.pending().len() == before || end <= Instant::now() {
                return;
            }
        }
    }

    /// Everything up to now.
    pub fn news(&mut self) -> News {
        self.read();
        self.fatal = false;
        std::mem::take(&mut self.pending)
    }

    fn read(&mut self) {
        let mut buffer = [0u8; 8192];
        loop {
            match self.reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => {
                    self.partial.push_str(&String::from_utf8_lossy(&buffer[..length]));
                    self.take_lines();
                }
                // The record at the reading position is gone; the next read goes on after it.
                Err(why) if why.raw_os_error() == Some(libc::EPIPE) => {}
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    }

    fn take_lines(&mut self) {
        while let Some(end) = self.partial.find('\n') {
            let line: String = self.partial.drain(..=end).collect();
            if line.starts_with(' ') {
                continue;
            }
            if let Some(entry) = Entry::parse(&line) {
                let lost = self.next.map_or(0, |next| entry.sequence.saturating_sub(next));
                self.pending.lost = self.pending.lost.saturating_add(lost);
                self.next = Some(entry.sequence.saturating_add(1));
                self.fatal |= is_fatal(&entry.text);
                self.pending.entries.push(entry);
            }
        }
    }
}

/// Records as text, at most [`KEPT`]: what is left out is counted.
pub fn lines(entries: &[Entry]) -> Vec<String> {
    if entries.len() <= KEPT {
        return entries.iter().map(Entry::to_string).collect();
    }
    let half = KEPT / 2;
    let mut lines: Vec<String> = entries[..half].iter().map(Entry::to_string).collect();
    lines.push(format!("<7>gauntlet: {} records left out", entries.len() - 2 * half));
    lines.extend(entries[entries.len() - half..].iter().map(Entry::to_string));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_taken_apart() {
        let entry = Entry::parse("28,17,123456,-;habanalabs 0000:00:02.0: a;b\n").unwrap();
        assert_eq!(entry.level, 4);
        assert_eq!(entry.sequence, 17);
        assert_eq!(entry.to_string(), "<4>habanalabs 0000:00:02.0: a;b");
    }

    #[test]
    fn nonsense_is_no_record() {
        for text in ["", ";", "4,5,6", "4;text", "4,5;text", "x,1,2,-;t", "4,5,x,-;t", "4,-1,2,-;t"]
        {
            assert_eq!(Entry::parse(text), None, "{text:?}");
        }
        let whole = "4,5,6,-;text";
        for cut in 0..whole.find(';').unwrap() {
            assert_eq!(Entry::parse(&whole[..cut]), None);
        }
    }

    #[test]
    fn a_log_gives_news_and_counts_losses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kmsg");
        std::fs::write(&path, "6,1,10,-;one\n KEY=value\n4,2,11,-;tw").unwrap();
        let mut log = KernelLog::open(&path).unwrap();
        let news = log.news();
        assert_eq!(news.entries.len(), 1);
        let mut writer = File::options().append(true).open(&path).unwrap();
        writer.write_all(b"o\n3,7,12,-;three\n").unwrap();
        let news = log.news();
        let texts: Vec<&str> = news.entries.iter().map(|entry| entry.text.as_str()).collect();
        assert_eq!(texts, ["two", "three"]);
        assert_eq!(news.lost, 4);
    }

    #[test]
    fn long_logs_keep_both_ends() {
        let entries: Vec<Entry> = (0..1000)
            .map(|sequence| Entry { level: 6, sequence, text: format!("line {sequence}") })
            .collect();
        let lines = lines(&entries);
        assert_eq!(lines.len(), KEPT + 1);
        assert_eq!(lines[0], "<6>line 0");
        assert_eq!(lines[KEPT / 2], "<7>gauntlet: 600 records left out");
        assert_eq!(lines[KEPT], "<6>line 999");
    }
}
