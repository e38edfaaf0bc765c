// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Opening and closing of both nodes, and what their files can do besides ioctls.

mod close;
mod compute;
mod control;
mod files;
mod held;
mod leave;
mod neighbour;
mod nodes;
mod race;
mod shipped;

pub use compute::works;

use case::Case;

/// The cases.
pub fn cases() -> Vec<Case> {
    let parts = [
        nodes::cases,
        shipped::cases,
        compute::cases,
        control::cases,
        files::cases,
        close::cases,
        race::cases,
        held::cases,
        leave::cases,
        neighbour::cases,
    ];
    parts.iter().flat_map(|part| part()).collect()
}
