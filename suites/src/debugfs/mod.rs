// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The device's files in debugfs (debugfs.c).
//!
//! Not covered: power states and suspending of the card, state dumps of a hanging submission
//! (area of submissions), files of later kernels.

mod device_file;
mod listing;
mod memory;
mod mmu;
mod values;

use case::{Case, CaseResult, Context, Stop};
use device::sysfs::Attributes;
use std::path::Path;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let parts = [listing::cases, memory::cases, mmu::cases, values::cases, device_file::cases];
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

/// A number as the files show it: hexadecimal with 0x, else decimal.
fn number(files: &Attributes, name: &str) -> CaseResult<u64> {
    let text = case::succeed(name, files.value(name))?;
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| Stop::Fail(case::Failure::new(format!("{name} shows {text:?}, no number"))))
}
