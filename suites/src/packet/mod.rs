// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The packets of a job: what the driver lets through on queues that it checks (gaudi.c:
//! gaudi_validate_cb, gaudi_parse_cb_mmu), and what the device makes of the rest.

mod flow;
mod parse;
mod protected;
mod race;

use case::Case;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    [flow::cases(), parse::cases(), protected::cases(), race::cases()]
        .into_iter()
        .flatten()
        .collect()
}
