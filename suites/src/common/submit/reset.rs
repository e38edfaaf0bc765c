// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Resets of the device, as sysfs tells of them.

use crate::common::{files, wait};
use case::{CaseResult, Context, check};
use std::time::Duration;

/// A reset takes seconds: the driver sleeps, firmware is loaded again.
const LIMIT: Duration = Duration::from_secs(60);

/// The driver prints a line between the end of a reset and the count of it.
const SOON: Duration = Duration::from_secs(5);

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

/// Hard resets since the driver was loaded. One that ends is counted after the device is operational
/// again (`device.c: hl_device_reset`): what a reset makes of the count is asked of [`counted`].
pub fn hard_resets(cx: &Context) -> CaseResult<u64> {
    files::number(cx, "hard_reset_cnt")
}

/// Fails unless so many hard resets are counted, now or in a moment.
#[track_caller]
pub fn counted(cx: &Context, resets: u64) -> CaseResult {
    wait::equal("hard resets", SOON, || hard_resets(cx), resets)
}
