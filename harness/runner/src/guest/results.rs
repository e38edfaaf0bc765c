// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The results port: one JSON line per message, on a serial line in raw mode.

use crate::Message;
use anyhow::{Context as _, Result};
use nix::sys::termios;
use record::Event;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The open port.
pub struct Results(File);

impl Results {
    /// Opens the serial line.
    pub fn open(path: &Path) -> Result<Self> {
        let open = || -> std::io::Result<File> {
            let line =
                File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path)?;
            let mut settings = termios::tcgetattr(&line)?;
            termios::cfmakeraw(&mut settings);
            termios::tcsetattr(&line, termios::SetArg::TCSANOW, &settings)?;
            Ok(line)
        };
        let line = open().with_context(|| format!("cannot open the port {}", path.display()))?;
        Ok(Results(line))
    }

    /// Says one message.
    pub fn say(&mut self, message: &Message) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }

    /// Says one event.
    pub fn event(&mut self, event: Event) -> std::io::Result<()> {
        self.say(&Message::Event(Box::new(event)))
    }

    /// Waits until everything is out.
    pub fn finish(&mut self) -> Result<()> {
        termios::tcdrain(&self.0).context("cannot drain the results port")
    }
}
