// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A hard reset asked for through sysfs: what answers while it runs, what it leaves behind.
//!
//! The request only starts it, so its state is there to be seen when the write returns
//! (`device.c: hl_device_reset`).

use super::call::{Request, ask, ask_words};
use super::table::{Answers, Control, OPCODES};
use crate::common::buffer::Buffer;
use crate::common::node::Node;
use crate::common::{files, wait};
use case::{Case, CaseResult, Context, equal, errno, fail, succeed};
use nix::errno::Errno;
use std::time::Duration;
use uapi::accel;

/// A reset takes seconds: the driver sleeps, firmware is loaded again.
const LIMIT: Duration = Duration::from_secs(60);

/// The driver prints a line between the end of a reset and the count of it.
const SOON: Duration = Duration::from_secs(5);

/// What the driver says about a reset that was asked for.
pub const LOG: &[&str] = &["Hard-Reset requested through sysfs"];

/// Rows that the walk through the table proves, beside those of the state itself.
const WALK: &[&str] =
    &["INFO-DEVICE_STATUS-007", "INFO-RESET_COUNT-006", "INFO-GEN-003", "OPEN-004", "OPEN-028"];

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [Case::new("info/hard_reset/keeps_the_rule_of_every_opcode", WALK, walk)];
    cases.into_iter().map(|case| case.resets(1).logs(LOG).budget(90)).collect()
}

/// State of the device (HL_INFO_DEVICE_STATUS).
pub fn status(node: &Node) -> CaseResult<u32> {
    Ok(ask::<accel::hl_info_device_status>(node)?.status)
}

/// Starts a reset; the device is in reset afterwards.
pub fn start(cx: &Context) -> CaseResult {
    files::write(&cx.at.sysfs.join("hard_reset"), "1")
}

/// Waits until a reset that something else starts has begun, or has even ended.
pub fn begun(node: &Node, count_before: u32) -> CaseResult {
    let seen = wait::until(LIMIT, || {
        let moved = resets(node)? != count_before;
        Ok((moved || status(node)? != accel::HL_DEVICE_STATUS_OPERATIONAL).then_some(()))
    })?;
    match seen {
        Some(()) => Ok(()),
        None => fail(format!("no reset begins within {LIMIT:?}")),
    }
}

/// Waits until the device is operational.
pub fn done(node: &Node) -> CaseResult {
    let back = wait::until(LIMIT, || {
        Ok((status(node)? == accel::HL_DEVICE_STATUS_OPERATIONAL).then_some(()))
    })?;
    match back {
        Some(()) => Ok(()),
        None => fail(format!("the device is not operational {LIMIT:?} after the reset began")),
    }
}

/// Hard resets since the driver was loaded. One that ends is counted after the device is operational
/// again (`device.c: hl_device_reset`): what a reset makes of the count is asked of [`counted`].
pub fn resets(node: &Node) -> CaseResult<u32> {
    Ok(ask::<accel::hl_info_reset_count>(node)?.hard_reset_cnt)
}

/// Fails unless so many hard resets are counted, now or in a moment.
#[track_caller]
pub fn counted(node: &Node, count: u32) -> CaseResult {
    wait::equal("hard resets", SOON, || resets(node), count)
}

fn walk(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let before = resets(&node)?;
    let words = ask::<accel::hl_info_hw_ip_info>(&node)?.num_of_events as usize;
    let aggregate = ask_words(&node, accel::HL_INFO_HW_EVENTS_AGGREGATE, words)?;
    start(cx)?;
    let seen = during(cx, &node);
    done(&node)?;
    seen?;
    counted(&node, before + 1)?;
    equal("hard_reset_cnt in sysfs", files::number(cx, "hard_reset_cnt")?, u64::from(before) + 1)?;
    // What firmware reported before the reset is kept in the sum only.
    let sum = ask_words(&node, accel::HL_INFO_HW_EVENTS_AGGREGATE, words)?;
    for (event, (now, then)) in sum.iter().zip(&aggregate).enumerate() {
        case::check(now >= then, &format!("the sum of event {event} does not shrink"))?;
    }
    equal("status in sysfs", files::attribute(cx, "status")?.as_str(), "Operational")
}

/// Everything here has to be seen before the reset ends; the state is looked at last, too.
fn during(cx: &Context, node: &Node) -> CaseResult {
    equal("status", status(node)?, accel::HL_DEVICE_STATUS_IN_RESET)?;
    equal("status in sysfs", files::attribute(cx, "status")?.as_str(), "In reset")?;
    errno("open of the compute node", Node::try_compute(cx), Errno::EAGAIN)?;
    succeed("open of the control node", Node::try_control(cx).map(drop))?;
    for opcode in OPCODES.iter().filter(|opcode| opcode.control != Control::Refused) {
        let bytes = opcode.bytes(node)?;
        let buffer = Buffer::new(bytes)?;
        let request = Request::new(opcode.op, buffer.start(), bytes as u32);
        match opcode.answers {
            Answers::Always => succeed(opcode.word, request.sent(node))?,
            Answers::Operational => errno(opcode.word, request.sent(node), Errno::EBUSY)?,
        }
    }
    let buffer = Buffer::new(8)?;
    errno("an unknown opcode", Request::new(255, buffer.start(), 8).sent(node), Errno::EBUSY)?;
    equal("status at the end", status(node)?, accel::HL_DEVICE_STATUS_IN_RESET)
}
