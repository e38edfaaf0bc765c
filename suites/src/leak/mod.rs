// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Nothing is left behind: rounds of calls that succeed, of calls that are refused, and of closes
//! with everything still in use; then every resource is at its level (`common::level`).
//!
//! Not covered: resets, whose rounds would take minutes.

mod refused;
mod used;

use case::Case;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    [used::cases(), refused::cases()].into_iter().flatten().collect()
}
