// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What happened to a case. What it means (the verdict) is decided in `render`.

use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every assertion held, the kernel log stayed clean, the device saw nothing wrong.
    Pass,
    /// The driver did not do what the case asserts.
    Fail,
    /// The kernel warned or worse (WARN, BUG, oops, new taint) while the case ran.
    KernelFault,
    /// The device-side sanitizer reported something that the case did not declare.
    DeviceFinding,
    /// The case's process died by a signal.
    Crash,
    /// The case did not end within its budget.
    Timeout,
    /// The test could not be carried out; says nothing about the driver.
    Broken,
    /// It does not apply here; the message is the reason.
    Skip,
    /// It never ran (cut run, dead guest).
    NotRun,
}

impl Outcome {
    /// Every outcome, worst last.
    pub const ALL: &'static [Outcome] = &[
        Outcome::Pass,
        Outcome::Skip,
        Outcome::NotRun,
        Outcome::Broken,
        Outcome::Fail,
        Outcome::DeviceFinding,
        Outcome::Timeout,
        Outcome::Crash,
        Outcome::KernelFault,
    ];

    /// The word in records, expectations and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::KernelFault => "kernel_fault",
            Outcome::DeviceFinding => "device_finding",
            Outcome::Crash => "crash",
            Outcome::Timeout => "timeout",
            Outcome::Broken => "broken",
            Outcome::Skip => "skip",
            Outcome::NotRun => "not_run",
        }
    }

    /// How bad it is: its place in [`Outcome::ALL`].
    pub fn weight(self) -> usize {
        Outcome::ALL.iter().position(|&other| other == self).unwrap_or_default()
    }

    /// Did the case run and show something wrong?
    pub const fn is_bad(self) -> bool {
        match self {
            Outcome::Pass | Outcome::Skip | Outcome::NotRun => false,
            Outcome::Fail
            | Outcome::KernelFault
            | Outcome::DeviceFinding
            | Outcome::Crash
            | Outcome::Timeout
            | Outcome::Broken => true,
        }
    }
}
