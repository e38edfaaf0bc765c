// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Attributes of the device in sysfs (sysfs.c) and its hardware monitors (hwmon.c).
//!
//! Not covered: attributes that no modelled chip has.

mod attributes;
mod leaves;
mod memory;
mod monitors;
mod parameters;
mod reset;
mod writes;

use case::{Case, Context};
use device::sysfs::Attributes;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let parts = [
        attributes::cases,
        writes::cases,
        monitors::cases,
        memory::cases,
        reset::cases,
        leaves::cases,
        parameters::cases,
    ];
    parts.iter().flat_map(|part| part()).collect()
}

/// The driver's attributes.
fn attributes(cx: &Context) -> Attributes {
    Attributes::new(&cx.at.sysfs)
}
