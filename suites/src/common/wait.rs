// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Waiting for a state: polls with growing pauses under a deadline.

use case::CaseResult;
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

#[cfg(test)]
mod tests {
    use super::*;

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
