// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The guest's only program: all cases and the runner, linked statically (`scripts/build`).

use std::process::ExitCode;

fn main() -> ExitCode {
    runner::guest::main(&suites::all())
}
