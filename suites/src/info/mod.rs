// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! INFO: every opcode, on both nodes.

pub mod call;
mod generic;
pub mod table;

use case::Case;

/// The cases.
pub fn cases() -> Vec<Case> {
    [generic::cases()].into_iter().flatten().collect()
}
