// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Waiting for a state, by polls with growing pauses under a deadline; how long the kernel waited.

use case::{CaseResult, Stop, check};
use nix::time::{ClockId, clock_gettime};
use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Asks until the answer is `Some`, or until the deadline has passed.
pub fn until<T>(
    limit: Duration,
    mut ask: impl FnMut() -> CaseResult<Option<T>>,
) -> CaseResult<Option<T>> {
    let end = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    loop {
        if let Some(answer) = ask()? {
            return Ok(Some(answer));
        }
        if Instant::now() >= end {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// Reads until the value is the expected one; fails when it is another at the deadline.
#[track_caller]
pub fn equal<T: Debug + PartialEq>(
    name: &str,
    limit: Duration,
    mut read: impl FnMut() -> CaseResult<T>,
    expected: T,
) -> CaseResult {
    until(limit, || Ok((read()? == expected).then_some(())))?;
    case::equal(name, read()?, expected)
}

/// The longest tick of a kernel (HZ=100). Its clock and its count of ticks move together, but may
/// begin a tick at different moments.
pub const TICK: Duration = Duration::from_millis(10);

/// A moment by the kernel's ticks, which its timeouts count.
///
/// A machine may handle ticks late, an emulated one by many milliseconds. A timeout then begins
/// with ticks that have passed already and is over too early by every other clock.
#[derive(Clone, Copy, Debug)]
pub struct Ticks(Duration);

impl Ticks {
    /// Now.
    pub fn now() -> CaseResult<Self> {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE)
            .map_err(|errno| Stop::Broken(format!("the clock of ticks gives {errno:?}")))?;
        Ok(Ticks(now.into()))
    }

    /// What has passed since, give or take a tick.
    pub fn elapsed(self) -> CaseResult<Duration> {
        Ok(Ticks::now()?.0.saturating_sub(self.0))
    }

    /// Fails unless so much has passed since.
    #[track_caller]
    pub fn lasted(self, least: Duration) -> CaseResult {
        let elapsed = self.elapsed()?;
        check(elapsed + TICK >= least, &format!("it lasts {least:?}, not {elapsed:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_pass() {
        let start = Ticks::now().unwrap();
        let moved =
            until(Duration::from_secs(5), || Ok((start.elapsed()? > Duration::ZERO).then_some(())));
        assert_eq!(moved.unwrap(), Some(()));
        start.lasted(Duration::ZERO).unwrap();
        Ticks::now().unwrap().lasted(Duration::from_secs(60)).unwrap_err();
    }

    #[test]
    fn a_value_may_take_its_time_and_has_to_stay() {
        let becomes = |values: &[u32]| {
            let mut values = values.iter().copied();
            let mut last = 0;
            let read = || {
                last = values.next().unwrap_or(last);
                Ok(last)
            };
            equal("value", Duration::from_millis(1), read, 2)
        };
        becomes(&[1, 2]).unwrap();
        becomes(&[1]).unwrap_err();
        becomes(&[3]).unwrap_err();
        becomes(&[1, 2, 3]).unwrap_err();
    }

    #[test]
    fn gives_the_first_answer_or_none() {
        let mut asked = 0;
        let third = until(Duration::from_secs(5), || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(third.unwrap(), Some(3));
        assert_eq!(until(Duration::ZERO, || Ok(None::<()>)).unwrap(), None);
    }
}
