// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Times of a run as dates.

use crate::Run;
use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta};

/// The date of a moment of a run; `None` where the record does not say when it started.
pub(super) fn date(run: &Run, at_ms: u64) -> Option<DateTime<FixedOffset>> {
    let start = DateTime::parse_from_rfc3339(&run.started).ok()?;
    start.checked_add_signed(TimeDelta::try_milliseconds(i64::try_from(at_ms).ok()?)?)
}

/// The same in RFC 3339.
pub(super) fn rfc3339(run: &Run, at_ms: u64) -> Option<String> {
    date(run, at_ms).map(|date| date.to_rfc3339_opts(SecondsFormat::Millis, true))
}
