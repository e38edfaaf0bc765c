// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Joins the user's terminal with the serial line of a guest's shell.

use anyhow::{Context as _, Result};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc;

/// The line; the terminal gets its settings back when it is dropped.
#[derive(Default)]
pub struct Line {
    listener: Option<UnixListener>,
    before: Option<Termios>,
}

impl Line {
    /// Not listening yet.
    pub fn new() -> Self {
        Line::default()
    }

    /// Listens where QEMU will look for it.
    pub fn listen(&mut self, path: &Path) -> Result<()> {
        let listener = UnixListener::bind(path)
            .with_context(|| format!("cannot listen at {}", path.display()))?;
        self.listener = Some(listener);
        Ok(())
    }

    /// Takes QEMU's connection and passes everything on, both ways, until the program ends. What
    /// the user types waits for the first word of the shell: a line that nobody has opened yet
    /// loses it. Until then Ctrl-C is for this program.
    pub fn connect(&mut self) -> Result<()> {
        let Some(listener) = &self.listener else { return Ok(()) };
        let (line, _) = listener.accept().context("QEMU does not take the shell's line")?;
        self.before = tcgetattr(std::io::stdin()).ok();
        let settings = self.before.clone();
        let other = line.try_clone().context("the shell's line")?;
        let (word, first_word) = mpsc::channel();
        std::thread::spawn(move || {
            if first_word.recv().is_err() {
                return;
            }
            if let Some(mut raw) = settings {
                cfmakeraw(&mut raw);
                // A terminal that takes no settings shows some characters twice.
                let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &raw);
            }
            copy(std::io::stdin(), other);
        });
        std::thread::spawn(move || copy_out(line, &word));
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that is gone needs no settings.
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, before);
        }
    }
}

fn copy(mut from: impl Read, mut to: UnixStream) {
    let mut buffer = [0u8; 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

fn copy_out(mut from: UnixStream, word: &mpsc::Sender<()>) {
    let mut buffer = [0u8; 4096];
    let mut out = std::io::stdout();
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        // Whoever waits for it needs the first one only.
        let _ = word.send(());
        if out.write_all(&buffer[..length]).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}
