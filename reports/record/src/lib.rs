// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The record of a run: one JSON line per event, flushed before the next step.
//!
//! Reports are made from the record alone. A reader accepts every older [`VERSION`]; a change of
//! meaning bumps it. A line that is cut short (power cut) is dropped, all before it stands.

mod event;
mod outcome;
mod reader;

pub use event::{BootEnd, CaseEnd, Event, Facts, Line, Planned, RunEnd, Target, VERSION};
pub use outcome::Outcome;
pub use reader::{ReadError, Record, read};
