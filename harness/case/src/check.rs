// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Assertions: each names what was expected, what came, and where.

use crate::{CaseResult, Failure, Stop};
use nix::errno::Errno;
use std::fmt::Debug;

/// Fails the case unless `holds`.
#[track_caller]
pub fn check(holds: bool, rule: &str) -> CaseResult {
    if holds { Ok(()) } else { Err(Stop::Fail(Failure::new(rule))) }
}

/// Fails the case.
#[track_caller]
pub fn fail<T>(message: impl Into<String>) -> CaseResult<T> {
    Err(Stop::Fail(Failure::new(message)))
}

/// Fails the case unless `got` is `expected`.
#[track_caller]
pub fn equal<T: PartialEq + Debug>(what: &str, got: T, expected: T) -> CaseResult {
    if got == expected {
        return Ok(());
    }
    let failure = Failure::new(format!("{what} is {got:?}, expected {expected:?}"));
    Err(Stop::Fail(failure.with("got", got).with("expected", expected)))
}

/// Fails the case unless the call was refused with exactly this errno.
#[track_caller]
pub fn errno<T: Debug>(what: &str, result: Result<T, Errno>, expected: Errno) -> CaseResult {
    let got = match result {
        Err(errno) if errno == expected => return Ok(()),
        Err(errno) => format!("{errno:?}"),
        Ok(_) if size_of::<T>() == 0 => "success".into(),
        Ok(value) => format!("success ({value:?})"),
    };
    let mut failure = Failure::new(format!("{what} gives {got}, expected {expected:?}"));
    failure.details.insert("got".into(), got);
    failure.details.insert("expected".into(), format!("{expected:?}"));
    Err(Stop::Fail(failure))
}

/// Fails the case unless the call succeeded; gives its value.
#[track_caller]
pub fn succeed<T>(what: &str, result: Result<T, Errno>) -> CaseResult<T> {
    // No closure: the failure is to be located at the caller.
    match result {
        Ok(value) => Ok(value),
        Err(errno) => {
            let mut failure = Failure::new(format!("{what} gives {errno:?}, expected success"));
            failure.details.insert("got".into(), format!("{errno:?}"));
            failure.details.insert("expected".into(), "success".into());
            Err(Stop::Fail(failure))
        }
    }
}

/// Skips the case unless what it needs is there; `missing` names it.
pub fn require(there: bool, missing: &str) -> CaseResult {
    if there { Ok(()) } else { Err(Stop::Skip(missing.to_string())) }
}
