// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Lines that LAVA picks from a console: one test set per target.
//!
//! `/` of a name becomes `.`, because LAVA builds addresses of the names. A failure that is known
//! is a skip: it neither proves the rule nor breaks the gate.

use crate::verdict::Gate;
use crate::{CaseRun, Run};
use std::fmt::Write;

pub(super) fn render(run: &Run) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write(run, &mut out);
    out
}

fn write(run: &Run, out: &mut String) -> std::fmt::Result {
    for target in &run.targets {
        let set = target.label().replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
        writeln!(out, "<LAVA_SIGNAL_TESTSET START {set}>")?;
        for case in &target.cases {
            let name = case.name.replace('/', ".").replace(['<', '>', ' ', '*'], "_");
            let result = result(case);
            write!(out, "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID={name} RESULT={result}")?;
            match case.duration_us() {
                0 => writeln!(out, ">")?,
                us => writeln!(out, " MEASUREMENT={}.{:03} UNITS=ms>", us / 1000, us % 1000)?,
            }
        }
        writeln!(out, "<LAVA_SIGNAL_TESTSET STOP>")?;
    }
    Ok(())
}

fn result(case: &CaseRun) -> &'static str {
    match Gate::of(case.verdict, case.outcome()) {
        Gate::Failed | Gate::Fixed => "fail",
        Gate::NotCarriedOut => "unknown",
        Gate::Known | Gate::Skipped => "skip",
        Gate::Passed => "pass",
    }
}
