// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The device's files in debugfs (debugfs.c).
//!
//! Not covered: power states of the card, files of later kernels.

mod device_file;
mod listing;
mod memory;
mod mmu;
mod state;
mod values;

pub(crate) use listing::FILES;

use case::{Case, CaseResult, Context, Stop};
use device::sysfs::Attributes;
use std::path::Path;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let parts = [
        listing::cases,
        memory::cases,
        mmu::cases,
        values::cases,
        device_file::cases,
        state::cases,
    ];
    parts.iter().flat_map(|part| part()).collect()
}

/// The device's folder; skips where it is not there.
fn folder(cx: &Context) -> CaseResult<Attributes> {
    match &cx.at.debugfs {
        Some(folder) => Ok(Attributes::new(folder)),
        None => {
            let place = Path::new("/sys/kernel/debug/accel");
            Err(Stop::Skip(format!("needs debugfs at {}", place.display())))
        }
    }
}

/// The number that a file shows.
fn number(files: &Attributes, name: &str) -> CaseResult<u64> {
    let text = case::succeed(name, files.value(name))?;
    let number = crate::common::files::parse(&text);
    number
        .ok_or_else(|| Stop::Fail(case::Failure::new(format!("{name} shows {text:?}, no number"))))
}
