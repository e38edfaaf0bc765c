// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Resets of the device, as sysfs tells of them.

use crate::common::{files, wait};
use case::{CaseResult, Context, check};
use std::time::Duration;

/// A reset takes seconds: the driver sleeps, firmware is loaded again.
const LIMIT: Duration = Duration::from_secs(60);

/// Waits until the device is operational.
#[track_caller]
pub fn operational(cx: &Context) -> CaseResult {
    let back =
        wait::until(
            LIMIT,
            || Ok((files::attribute(cx, "status")? == "Operational").then_some(())),
        )?;
    check(back.is_some(), "the device becomes operational again")
}

/// Hard resets since the driver was loaded.
pub fn hard_resets(cx: &Context) -> CaseResult<u64> {
    files::number(cx, "hard_reset_cnt")
}
