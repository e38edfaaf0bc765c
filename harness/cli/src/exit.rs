// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The exit codes of `gauntlet`, all of them.
//!
//! What a run means is decided by [`render::Conclusion`]; its codes are repeated here so that
//! there is one list, and a test holds the two together.

/// Every case ended as expected, known issues included.
pub const AS_EXPECTED: u8 = 0;
/// A rule that held does not hold any more, or a case is gone.
#[cfg(test)]
pub const REGRESSION: u8 = 1;
/// Wrong command line, or nothing has the name that was asked for.
pub const USAGE: u8 = 2;
/// Nothing worse than a known issue that does not happen any more.
#[cfg(test)]
pub const UNEXPECTED_PASS: u8 = 3;
/// Nothing ran: everything was skipped, or there is no device. Kernel selftests use it for a skip.
pub const NOTHING_RAN: u8 = 4;
/// A regression took the kernel down.
#[cfg(test)]
pub const KERNEL_DIED: u8 = 5;
/// The run could not be carried out; nothing is said about the driver.
pub const INFRASTRUCTURE: u8 = 6;
/// Ctrl-C; the record is complete up to there.
pub const INTERRUPTED: u8 = 130;

/// An error with an exit code of its own.
#[derive(Debug)]
pub struct Failure {
    code: u8,
    message: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// The command line asks for something that is not there.
pub fn usage(message: impl Into<String>) -> anyhow::Error {
    Failure { code: USAGE, message: message.into() }.into()
}

/// There is nothing to run on.
pub fn nothing(message: impl Into<String>) -> anyhow::Error {
    Failure { code: NOTHING_RAN, message: message.into() }.into()
}

/// An error, with what to do about it.
pub fn with_advice(why: &anyhow::Error, advice: &str) -> anyhow::Error {
    Failure { code: of(why), message: format!("{why:#}; {advice}") }.into()
}

/// The exit code of an error.
pub fn of(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<Failure>() {
        Some(failure) => failure.code,
        None => INFRASTRUCTURE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use render::Conclusion;

    #[test]
    fn the_codes_are_those_of_the_conclusions() {
        let code = |conclusion: Conclusion| match conclusion {
            Conclusion::AsExpected => AS_EXPECTED,
            Conclusion::Regression => REGRESSION,
            Conclusion::UnexpectedPass => UNEXPECTED_PASS,
            Conclusion::NothingRan => NOTHING_RAN,
            Conclusion::KernelDied => KERNEL_DIED,
            Conclusion::Infrastructure => INFRASTRUCTURE,
        };
        for conclusion in Conclusion::ALL {
            assert_eq!(conclusion.exit_code(), code(*conclusion));
        }
    }

    #[test]
    fn an_error_knows_its_code() {
        assert_eq!(of(&usage("x").context("y")), USAGE);
        assert_eq!(of(&anyhow::anyhow!("x")), INFRASTRUCTURE);
        let advised = with_advice(&usage("x").context("y"), "do z");
        assert_eq!((of(&advised), advised.to_string().as_str()), (USAGE, "y: x; do z"));
    }
}
