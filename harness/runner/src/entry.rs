// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The process of a case: runs the body, hands over how it ended.

use crate::child::REPORT_VARIABLE;
use case::{Case, Context, Environment, Report, Stop};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use std::fs::File;
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Runs the case of this name and reports to the runner that started this process.
pub fn run_case(cases: &[Case], name: &str) -> ExitCode {
    let mut report = match report_end() {
        Ok(report) => report,
        Err(why) => {
            eprintln!("cannot run {name} alone: {why}; use `gauntlet run {name}`");
            return ExitCode::from(2);
        }
    };
    let stop = body(cases, name).err();
    let mut line = serde_json::to_vec(&Report { stop }).unwrap_or_default();
    line.push(b'\n');
    match report.write_all(&line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn body(cases: &[Case], name: &str) -> case::CaseResult {
    let text = std::env::var(Environment::VARIABLE)
        .map_err(|why| Stop::Broken(format!("{}: {why}", Environment::VARIABLE)))?;
    let at: Environment = serde_json::from_str(&text)
        .map_err(|why| Stop::Broken(format!("{}: {why}", Environment::VARIABLE)))?;
    let case = cases
        .iter()
        .find(|case| case.name == name)
        .ok_or_else(|| Stop::Broken(format!("this program has no case {name}")))?;
    let context = Context::new(at)?;
    catch_unwind(AssertUnwindSafe(|| (case.body)(&context))).unwrap_or_else(|panic| {
        let why = panic.downcast_ref::<String>().map(String::as_str);
        let why = why.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Stop::Broken(format!("the case panicked: {}", why.unwrap_or("no message"))))
    })
}

fn report_end() -> Result<File, String> {
    let number = std::env::var(REPORT_VARIABLE).map_err(|_| "no runner started it".to_string())?;
    let number: i32 = number.parse().map_err(|_| format!("{REPORT_VARIABLE}={number}"))?;
    // SAFETY: fcntl on any number is harmless; a number that is no open file is refused here.
    let there = unsafe { libc::fcntl(number, libc::F_GETFD) } >= 0;
    if number < 3 || !there {
        return Err(format!("{REPORT_VARIABLE}={number} is no open file"));
    }
    // SAFETY: the runner opened this file for this process alone, and nobody else here uses it.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(|errno| errno.to_string())?;
    Ok(fd.into())
}
