// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The nodes of a card that is not the first accelerator of the machine
//! (`habanalabs_drv.c: hl_device_open_ctrl`, `device.c: cdev_sysfs_debugfs_add`).
//!
//! The module of fixtures/importer takes the first number of the accel class while the driver is
//! not bound.

use super::compute::works;
use crate::common::importer::importer;
use crate::common::node::Node;
use crate::common::unbound::Unbound;
use crate::info::call::ask;
use case::{Case, CaseResult, Context, Stop, equal, succeed};
use nix::fcntl::OFlag;
use std::path::{Path, PathBuf};
use uapi::accel::hl_info_device_status;

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new("open/compute/works_beside_another_accelerator", &["OPEN-001"], compute),
        Case::new("open/control/works_beside_another_accelerator", &["OPEN-031"], control)
            .logs(&["Couldn't find device"]),
    ];
    cases.into_iter().map(|case| case.control_only().own_guest().budget(120)).collect()
}

/// The node of the next number: `accel0` has `accel1`.
fn next(path: &Path) -> CaseResult<PathBuf> {
    let text = path.to_string_lossy();
    let name = text.trim_end_matches(|digit: char| digit.is_ascii_digit());
    let number: Option<u32> = text.strip_prefix(name).and_then(|digits| digits.parse().ok());
    match number {
        Some(number) => Ok(format!("{name}{}", number + 1).into()),
        None => Err(Stop::Broken(format!("{text} has no number"))),
    }
}

/// Runs with the nodes that the card has behind another accelerator, then without it.
fn beside(cx: &Context, body: impl FnOnce(&Path, &Path) -> CaseResult) -> CaseResult {
    let other = importer()?;
    let unbound = Unbound::new(cx)?;
    succeed("a number of the accel class", other.take_accel())?;
    let (compute, control) = (next(&cx.at.compute)?, next(&cx.at.control)?);
    unbound.bind_as(&compute, &control)?;
    let result = body(&compute, &control);
    let unbound = Unbound::new(cx)?;
    drop(other);
    unbound.bind()?;
    result
}

fn compute(cx: &Context) -> CaseResult {
    beside(cx, |compute, _| {
        let node = succeed("open of the compute node", Node::open(compute, OFlag::O_RDWR))?;
        works(&node)
    })
}

fn control(cx: &Context) -> CaseResult {
    beside(cx, |_, control| {
        let node = succeed("open of the control node", Node::open(control, OFlag::O_RDWR))?;
        let status: hl_info_device_status = ask(&node)?;
        equal("status", status.status, uapi::accel::HL_DEVICE_STATUS_OPERATIONAL)
    })
}
