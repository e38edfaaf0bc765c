// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The guest's end of the control port: a serial line in raw mode, one JSON line each way.

use crate::Stop;
use control::{Answer, Envelope, Finding, Personality, Reply, Request, Seen};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// The model answers at once; a line that is silent for so long is broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the model did not answer as asked.
#[derive(Debug)]
pub enum ModelError {
    /// The line broke or spoke nonsense.
    Port(std::io::Error),
    /// The model refuses; it says why.
    Refused(String),
    /// The answer is of another kind than the request.
    Unexpected(Box<Answer>),
}

impl From<ModelError> for Stop {
    fn from(error: ModelError) -> Self {
        Stop::Broken(match error {
            ModelError::Port(why) => format!("the control port failed: {why}"),
            ModelError::Refused(why) => format!("the model refused: {why}"),
            ModelError::Unexpected(answer) => format!("the model answered {answer:?}"),
        })
    }
}

/// The open control port.
pub struct ModelPort {
    line: BufReader<File>,
    next: u64,
}

impl ModelPort {
    /// Opens the serial line.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        // A case leads its session: without O_NOCTTY the line would become its terminal, and its
        // end would hang the line up for the runner too.
        let line =
            File::options().read(true).write(true).custom_flags(nix::libc::O_NOCTTY).open(path)?;
        let mut settings = termios::tcgetattr(&line)?;
        termios::cfmakeraw(&mut settings);
        termios::tcsetattr(&line, termios::SetArg::TCSANOW, &settings)?;
        let mut port = ModelPort { line: BufReader::new(line), next: first_id() };
        // Ends a line that a killed process left half written; an empty line is nothing.
        port.line.get_mut().write_all(b"\n")?;
        Ok(port)
    }

    /// Asks and waits for the answer; answers to other askers are dropped.
    pub fn ask(&mut self, request: Request) -> Result<Answer, ModelError> {
        self.next += 1;
        let id = self.next;
        let mut text = serde_json::to_vec(&Envelope { id, request })
            .map_err(|why| ModelError::Port(why.into()))?;
        text.push(b'\n');
        self.line.get_mut().write_all(&text).map_err(ModelError::Port)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.line(deadline).map_err(ModelError::Port)?;
            match serde_json::from_slice::<Reply>(&answer) {
                Ok(reply) if reply.id == id => {
                    return match reply.answer {
                        Answer::Refused(why) => Err(ModelError::Refused(why)),
                        answer => Ok(answer),
                    };
                }
                Ok(_) | Err(_) => {}
            }
        }
    }

    /// One line, which must be complete before the deadline.
    fn line(&mut self, deadline: Instant) -> std::io::Result<Vec<u8>> {
        let mut line = Vec::new();
        loop {
            if self.line.buffer().is_empty() {
                wait(self.line.get_ref(), deadline)?;
            }
            let bytes = self.line.fill_buf()?;
            if bytes.is_empty() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(bytes.len(), |end| end + 1);
            line.extend(&bytes[..taken]);
            self.line.consume(taken);
            if end.is_some() {
                return Ok(line);
            }
        }
    }

    /// Asks for something that answers `Done`.
    pub fn order(&mut self, request: Request) -> Result<(), ModelError> {
        match self.ask(request)? {
            Answer::Done => Ok(()),
            other => Err(ModelError::Unexpected(Box::new(other))),
        }
    }

    /// What a register holds, by its offset in the configuration space.
    pub fn peek(&mut self, offset: u64) -> Result<u64, ModelError> {
        match self.ask(Request::Peek { offset })? {
            Answer::Value(value) => Ok(value),
            other => Err(ModelError::Unexpected(Box::new(other))),
        }
    }

    /// How the card is configured.
    pub fn personality(&mut self) -> Result<Personality, ModelError> {
        match self.ask(Request::Personality)? {
            Answer::Personality(personality) => Ok(*personality),
            other => Err(ModelError::Unexpected(Box::new(other))),
        }
    }

    /// What the device saw since the case began.
    pub fn seen(&mut self) -> Result<Seen, ModelError> {
        match self.ask(Request::Seen)? {
            Answer::Seen(seen) => Ok(*seen),
            other => Err(ModelError::Unexpected(Box::new(other))),
        }
    }

    /// Ends the case on the side of the device.
    pub fn end(&mut self) -> Result<Vec<Finding>, ModelError> {
        match self.ask(Request::End)? {
            Answer::Findings(findings) => Ok(findings),
            other => Err(ModelError::Unexpected(Box::new(other))),
        }
    }
}

/// The first id of a process: replies to another asker's requests are told apart by it.
fn first_id() -> u64 {
    u64::from(std::process::id()) << 20
}

/// Waits until there is something to read.
fn wait(line: &File, deadline: Instant) -> std::io::Result<()> {
    let mut fds = [PollFd::new(line.as_fd(), PollFlags::POLLIN)];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let milliseconds = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
        match poll(&mut fds, PollTimeout::from(milliseconds)) {
            Ok(0) if left.is_zero() => return Err(std::io::ErrorKind::TimedOut.into()),
            Ok(0) | Err(nix::errno::Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}
