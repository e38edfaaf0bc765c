// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The events of a record.

use crate::Outcome;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the record format that this crate writes.
pub const VERSION: u32 = 1;

/// Free-form facts of a run or a boot (kernel release, workarounds, seed ...), sorted by name.
pub type Facts = BTreeMap<String, String>;

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Milliseconds since the start of the run.
    pub at_ms: u64,
    /// The boot that a guest's event comes from; with several guests side by side the host must
    /// say it. Without it an event belongs to the boot that was started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guest: Option<u32>,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Line {
    /// An event of the host.
    pub fn new(at_ms: u64, event: Event) -> Self {
        Line { at_ms, guest: None, event }
    }

    /// An event that a guest sent.
    pub fn from_guest(at_ms: u64, boot: u32, event: Event) -> Self {
        Line { at_ms, guest: Some(boot), event }
    }
}

/// What a run is made against: the unit of expectations.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// `gaudi`, `gaudi2`.
    pub asic: String,
    /// Kernel line as asked for (`debian:6.12`, `local`, a file name).
    pub kernel: String,
}

/// A case that the run intends to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Index into the targets of `RunStart`.
    pub target: usize,
    /// Name of the case.
    pub case: String,
    /// Requirement rows that it proves.
    pub rows: Vec<String>,
    /// Why it will not run, where that is known before (listed as a skip, needs the model).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
}

/// An event of a run, written by the side that sees it (host or guest); the host keeps the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// First line.
    RunStart {
        /// [`VERSION`].
        version: u32,
        /// UTC, RFC 3339.
        started: String,
        /// The command line of the run.
        command: Vec<String>,
        /// Seed of everything random.
        seed: u64,
        /// What it runs against.
        targets: Vec<Target>,
        /// What it will run, in order.
        plan: Vec<Planned>,
        /// Facts of the host.
        facts: Facts,
    },
    /// A guest is started (or, on metal, the local machine is taken).
    BootStart {
        /// Counts boots of the run from 0.
        boot: u32,
        /// Index into the targets.
        target: usize,
        /// The exact command line (empty on metal).
        command: Vec<String>,
    },
    /// The guest's runner is up and the device was found.
    Booted {
        /// Which boot.
        boot: u32,
        /// Facts of the guest: kernel release, taint, module version, status.
        facts: Facts,
    },
    /// A case starts.
    CaseStart {
        /// Name of the case.
        case: String,
    },
    /// A case ended.
    CaseEnd(CaseEnd),
    /// A guest ended.
    BootEnd(BootEnd),
    /// Last line.
    RunEnd(RunEnd),
}

/// The end of a case, with everything that a report shows of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseEnd {
    /// Name of the case.
    pub case: String,
    /// What happened.
    pub outcome: Outcome,
    /// Why, in one line; empty on pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Request, expected and got as the case gave them: `request`, `expected`, `got`, `at`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
    /// Wall time, microseconds.
    pub duration_us: u64,
    /// Kernel log lines of the case (level and text as in `/dev/kmsg`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kernel_log: Vec<String>,
    /// Findings of the device model, one line each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// What the case printed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
}

/// How a guest ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootEnd {
    /// Which boot.
    pub boot: u32,
    /// One of [`end`](crate::end).
    pub reason: String,
    /// Last lines of the console where the reason is not `done`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub console: Vec<String>,
}

/// How the run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunEnd {
    /// [`end::DONE`](crate::end::DONE) or why it was cut.
    pub reason: String,
}
