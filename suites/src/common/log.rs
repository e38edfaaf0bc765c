// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What the kernel says from a moment on (`/dev/kmsg`, one record a read).

use case::{CaseResult, Stop};
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;

/// The records that come after it was made.
pub struct Log(File);

impl Log {
    /// Starts behind the last record.
    pub fn from_now() -> CaseResult<Self> {
        let broken = |why| Stop::Broken(format!("the kernel log cannot be read: {why}"));
        let mut options = File::options();
        let mut file =
            options.read(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg").map_err(broken)?;
        file.seek(SeekFrom::End(0)).map_err(broken)?;
        Ok(Log(file))
    }

    /// The records since the last look that hold this text.
    pub fn with(&mut self, text: &str) -> CaseResult<Vec<String>> {
        let mut found = Vec::new();
        let mut record = [0; 8192];
        loop {
            match self.0.read(&mut record) {
                Ok(length) => {
                    let line = String::from_utf8_lossy(&record[..length]);
                    if line.contains(text) {
                        found.push(line.trim_end().to_string());
                    }
                }
                Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(found),
                // Records were overwritten; the next read goes on with the oldest.
                Err(why) if why.raw_os_error() == Some(libc::EPIPE) => {}
                Err(why) => return Err(Stop::Broken(format!("reading the kernel log: {why}"))),
            }
        }
    }
}
