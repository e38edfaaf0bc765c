// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The record of a run: one JSON line per event, flushed before the next step.
//!
//! Reports are made from the record alone. A reader accepts every older [`VERSION`]; a change of
//! meaning bumps it. A line that is cut short (power cut) is dropped, all before it stands.
//!
//! * write: [`Journal::create`], then [`Journal::write`] per event; [`Journal::resume`] reads what
//!   is there, drops a cut last line from the file and goes on behind it
//! * read: [`read`] (any reader) or [`read_file`]
//! * the names of facts and of ways to end are constants: [`fact`], [`end`]

mod event;
mod journal;
mod names;
mod outcome;
mod reader;

pub use event::{BootEnd, CaseEnd, Event, Facts, Line, Planned, RunEnd, Target, VERSION};
pub use journal::Journal;
pub use names::{end, fact};
pub use outcome::Outcome;
pub use reader::{ReadError, Record, read, read_file};
