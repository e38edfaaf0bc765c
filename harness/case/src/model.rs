// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The guest's end of the control port: a serial line in raw mode, one JSON line each way.

use crate::Stop;
use control::{Answer, Envelope, Finding, Personality, Reply, Request, Seen};
use nix::sys::termios;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

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
        let line = File::options().read(true).write(true).open(path)?;
        let mut settings = termios::tcgetattr(&line)?;
        termios::cfmakeraw(&mut settings);
        termios::tcsetattr(&line, termios::SetArg::TCSANOW, &settings)?;
        let first = u64::from(std::process::id()) << 20;
        Ok(ModelPort { line: BufReader::new(line), next: first })
    }

    /// Asks and waits for the answer; answers to other askers are dropped.
    pub fn ask(&mut self, request: Request) -> Result<Answer, ModelError> {
        self.next += 1;
        let id = self.next;
        let mut text = serde_json::to_vec(&Envelope { id, request })
            .map_err(|why| ModelError::Port(why.into()))?;
        text.push(b'\n');
        self.line.get_mut().write_all(&text).map_err(ModelError::Port)?;
        loop {
            let mut answer = String::new();
            if self.line.read_line(&mut answer).map_err(ModelError::Port)? == 0 {
                return Err(ModelError::Port(std::io::ErrorKind::UnexpectedEof.into()));
            }
            match serde_json::from_str::<Reply>(&answer) {
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

    /// Asks for something that answers `Done`.
    pub fn order(&mut self, request: Request) -> Result<(), ModelError> {
        match self.ask(request)? {
            Answer::Done => Ok(()),
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
