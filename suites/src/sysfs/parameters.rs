// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Parameters of the module (habanalabs_drv.c: module_param, fixup_device_params).

use super::leaves::DRAM_FAILED;
use crate::common::node::Node;
use crate::common::submit::{Card, Held};
use crate::common::wait::{self, Ticks};
use crate::common::{files, typed};
use crate::info::reset;
use case::{Case, CaseResult, Context, check, equal, succeed};
use control::Asic;
use device::CsRequest;
use device::sysfs::Attributes;
use std::time::Duration;
use uapi::accel;

/// Where they are.
const FOLDER: &str = "/sys/module/habanalabs/parameters";

/// Each parameter and its value when nothing is given.
const DEFAULTS: &[(&str, &str)] = &[
    ("timeout_locked", "30"),
    ("reset_on_lockup", "1"),
    ("memory_scrub", "0"),
    ("boot_error_status_mask", "18446744073709551615"),
];

const ROWS: &[&str] = &["PARAM-001", "PARAM-002", "PARAM-003", "PARAM-004"];
const GIVEN_ROWS: &[&str] = &["PARAM-001", "PARAM-002", "PARAM-004"];

/// What is given. The mask leaves out the error that the card reports, with which no card is taken
/// otherwise (`hl_boot_if.h`: CPU_BOOT_ERR_FATAL_MASK).
const GIVEN: &str = "timeout_locked=2 reset_on_lockup=0 boot_error_status_mask=0xfffffffffffffffe";
const GIVEN_VALUES: &[(&str, &str)] = &[
    ("timeout_locked", "2"),
    ("reset_on_lockup", "0"),
    ("memory_scrub", "0"),
    ("boot_error_status_mask", "18446744073709551614"),
];

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("sysfs/parameters/have_defaults", ROWS, |cx| {
            // Gaudi takes another time where none was asked for.
            let seconds = match cx.asic() {
                Asic::Gaudi => 600,
                Asic::Gaudi2 => 30,
            };
            shown(cx, DEFAULTS, seconds)
        })
        .control_only(),
        Case::new("sysfs/parameters/take_what_is_given", GIVEN_ROWS, given)
            .model()
            .personality("reports_a_boot_error", |card| card.boot_error0 = DRAM_FAILED)
            .module_parameters(GIVEN)
            .budget(120)
            .resets(1)
            .logs(LOG),
    ]
}

const LOG: &[&str] = &[
    "Device boot error",
    "has not finished in",
    "has timed-out while user process",
    "has been aborted while user process",
    "Killing CS",
    "device still in use",
];

/// The files, and the time that submissions get, in seconds.
fn shown(cx: &Context, values: &[(&str, &str)], seconds: u64) -> CaseResult {
    let files = Attributes::new(FOLDER);
    for (name, value) in values {
        equal(&format!("mode of {name}"), files.mode(name), Ok(0o444))?;
        equal(name, files.value(name), Ok((*value).to_string()))?;
    }
    let text = files::read(&files::debugfs(cx, "timeout_locked")?)?;
    equal("timeout_locked in debugfs", files::parse(files::trimmed(&text)), Some(seconds))
}

/// The card is there though it reports an error; a submission takes too long after the time that was
/// given, and the driver leaves the reset to the close.
fn given(cx: &Context) -> CaseResult {
    shown(cx, GIVEN_VALUES, 2)?;
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))?;
    let dump = files::debugfs(cx, "state_dump")?;
    let dumped = files::read(&dump)?;
    let held = Held::new(cx, &[card.upload(0)])?;
    let job = card.nop(card.upload(0))?;
    let began = Ticks::now()?;
    card.submit(&CsRequest::execute([job.chunk()]))?;
    // The close ends it.
    std::mem::forget(job);
    let needed = wait::until(Duration::from_secs(60), || {
        let status = reset::status(&control)?;
        Ok((status == accel::HL_DEVICE_STATUS_NEEDS_RESET).then_some(()))
    })?;
    let lasted = began.lasted(Duration::from_secs(2));
    let soon = began.elapsed()?;
    // The driver holds on to the submission while it writes down the state of all sync objects.
    wait::until(Duration::from_secs(20), || Ok((files::read(&dump)? != dumped).then_some(())))?;
    let resets = reset::resets(&control)?;
    let Card { node, .. } = card;
    succeed("close", node.close())?;
    reset::begun(&control, before)?;
    held.release()?;
    reset::done(&control)?;
    check(needed.is_some(), "a submission that takes too long makes a reset needed")?;
    lasted?;
    check(soon < Duration::from_secs(30), &format!("it is noted after {soon:?}"))?;
    equal("hard resets until the close", resets, before)?;
    typed::still_works(&typed::compute(cx)?)
}
