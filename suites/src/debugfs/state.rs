// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Files of a device that is at work or in reset, and files that act on the card (debugfs.c:
//! command_submission_show, hl_monitor_dump_trigger, hl_device_write, hl_stop_on_err_write).

use super::folder;
use crate::common::buffer::Buffer;
use crate::common::files::trimmed;
use crate::common::node::Node;
use crate::common::submit::{Card, Held, PATIENCE};
use crate::common::wait;
use crate::info::call::{Request as Info, ask};
use crate::info::reset;
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::Asics;
use device::sysfs::Attributes;
use device::{CsRequest, Errno};
use uapi::accel::{HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT, HL_INFO_POWER, hl_power_info};

/// What the driver says of accesses during a reset.
const BUSY: &[&str] = &[
    "Hard-Reset requested through sysfs",
    "Can't read during reset",
    "Failed to read from I2C",
    "Failed to write to I2C",
];

/// What it says of a submission that takes too long.
const LATE: &[&str] =
    &["has not finished in", "has timed-out while user process", "completed after"];

/// Opcodes of packets (`cpucp_if.h`): CPUCP_PACKET_DISABLE_PCI_ACCESS and
/// CPUCP_PACKET_POWER_GET.
const DISABLE_PCI_ACCESS: u16 = 1;
const POWER_GET: u16 = 32;

const SILENT: &[&str] = &["DBGFS-068"];

pub(super) fn cases() -> Vec<Case> {
    let reset = |case: Case, count| case.control_only().resets(count).budget(90);
    let told = |case: Case| reset(case, 1).model().logs(reset::LOG);
    vec![
        Case::new("debugfs/command_submission/lists_each_submission", &["DBGFS-006"], |cx| {
            listed(cx, "command_submission", |sequence, _| {
                vec![(0, sequence), (1, 0), (2, 1), (4, 1), (5, 0)]
            })
        })
        .model(),
        Case::new("debugfs/command_submission_jobs/lists_each_job", &["DBGFS-009"], |cx| {
            listed(cx, "command_submission_jobs", |sequence, queue| {
                vec![(1, sequence), (2, 0), (3, 1), (5, u64::from(queue))]
            })
        })
        .model(),
        reset(
            Case::new(
                "debugfs/folder/touches_no_device_in_reset",
                &["DBGFS-034", "DBGFS-040", "DBGFS-059"],
                meanwhile,
            )
            .logs(BUSY),
            1,
        ),
        Case::new("debugfs/monitor_dump_trig/is_not_for_this_chip", &["DBGFS-051"], |cx| {
            let files = folder(cx)?;
            errno("write", files.write("monitor_dump_trig", "1"), Errno::EIO)?;
            equal("monitor_dump", files.text("monitor_dump"), Ok(String::new()))
        })
        .on(Asics::GAUDI2)
        .control_only()
        .logs(&["Failed to dump monitors"]),
        told(Case::new(
            "debugfs/device/suspends_and_resumes",
            &["DBGFS-066", "DBGFS-067"],
            suspends,
        )),
        told(Case::new("debugfs/device/gives_firmware_up", SILENT, silent)),
        reset(
            Case::new("debugfs/stop_on_err/resets_the_device", &["DBGFS-072"], stops)
                .on(Asics::GAUDI),
            2,
        ),
        Case::new("debugfs/stop_on_err/is_not_for_this_chip", &["DBGFS-073"], |cx| {
            let files = folder(cx)?;
            errno("read", files.text("stop_on_err"), Errno::EOPNOTSUPP)?;
            errno("write", files.write("stop_on_err", "1"), Errno::EOPNOTSUPP)
        })
        .on(Asics::GAUDI2)
        .control_only(),
        Case::new("debugfs/state_dump/tells_of_what_takes_too_long", &["DBGFS-078"], dumped)
            .on(Asics::GAUDI)
            .model()
            .budget(120)
            .logs(LATE),
    ]
}

/// Fields of the one line that a list has while a submission is held back: place and number.
type Fields = fn(u64, u32) -> Vec<(usize, u64)>;

fn listed(cx: &Context, name: &str, fields: Fields) -> CaseResult {
    let files = folder(cx)?;
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let job = card.nop(queue)?;
    let held = Held::new(cx, &[queue])?;
    let sequence = card.submit(&CsRequest::execute([job.chunk()]))?;
    let text = succeed(name, files.text(name));
    held.release()?;
    card.finish(sequence)?;
    let text = text?;
    let numbers = |line: &str| -> Option<Vec<u64>> {
        line.split_whitespace().map(|word| word.parse().ok()).collect()
    };
    let lines: Vec<_> = text.lines().filter_map(numbers).filter(|line| !line.is_empty()).collect();
    equal(&format!("lines in {text:?}"), lines.len(), 1)?;
    for (place, expected) in fields(sequence, queue) {
        equal(&format!("field {place} of {text:?}"), lines[0].get(place), Some(&expected))?;
    }
    let gone =
        wait::until(PATIENCE, || Ok(succeed(name, files.text(name))?.is_empty().then_some(())))?;
    check(gone.is_some(), "the list is empty when all is done")
}

fn meanwhile(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let files = folder(cx)?;
    reset::start(cx)?;
    let words = ["data32", "data64"].map(|name| files.text(name));
    let i2c = (files.text("i2c_data").map(drop), files.write("i2c_data", "1"));
    let status = crate::common::files::attribute(cx, "status");
    reset::done(&node)?;
    equal("status afterwards", status?.as_str(), "In reset")?;
    equal("data32, data64", words, [Ok(String::new()), Ok(String::new())])?;
    equal("i2c_data, read and written", i2c, (Err(Errno::EBUSY), Err(Errno::EBUSY)))
}

/// How many packets of an opcode firmware answered.
fn packets(cx: &Context, opcode: u16) -> CaseResult<u64> {
    Ok(cx.model()?.seen()?.answered(opcode))
}

/// Firmware is told to leave the bus alone. Firmware that sets up the windows of the card is told
/// nothing to resume (`gaudi.c: gaudi_init_iatu`, `gaudi2.c: gaudi2_init_iatu`); a reset puts all
/// right.
fn suspends(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let files = folder(cx)?;
    let before = packets(cx, DISABLE_PCI_ACCESS)?;
    let suspended = files.write("device", "suspend");
    let told = packets(cx, DISABLE_PCI_ACCESS)?;
    let resumed = files.write("device", "resume");
    let later = packets(cx, DISABLE_PCI_ACCESS)?;
    reset::start(cx)?;
    reset::done(&node)?;
    equal("suspend, resume", (suspended, resumed), (Ok(()), Ok(())))?;
    equal("packets of suspend and of resume", (told - before, later - told), (1, 0))?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}

/// Firmware is asked nothing more, until a reset.
fn silent(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let files = folder(cx)?;
    let buffer = Buffer::new(8)?;
    let call = || Info::new(HL_INFO_POWER, buffer.start(), 8).sent(&node);
    let before = packets(cx, POWER_GET)?;
    let written = files.write("device", "cpu_timeout");
    let answers = [call(), call()];
    let after = packets(cx, POWER_GET)?;
    reset::start(cx)?;
    reset::done(&node)?;
    succeed("write", written)?;
    equal("INFO POWER", answers, [Err(Errno::EAGAIN); 2])?;
    equal("packets", after, before)?;
    ask::<hl_power_info>(&node).map(drop)
}

/// Back to what it was, which is "on".
fn stops(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let files = folder(cx)?;
    let change = |files: &Attributes, value: &str, count: u32| -> CaseResult {
        let before = reset::resets(&node)?;
        succeed("write", files.write("stop_on_err", value))?;
        reset::begun(&node, before)?;
        reset::done(&node)?;
        reset::counted(&node, before + count)
    };
    let read = || -> CaseResult<String> {
        Ok(trimmed(&succeed("read", files.text("stop_on_err"))?).to_string())
    };
    let first = read()?;
    change(&files, "0", 1)?;
    let second = read()?;
    change(&files, "7", 1)?;
    let third = read()?;
    equal("before, after 0, after 7", [first, second, third], ["1", "0", "1"].map(String::from))
}

/// The driver writes down the state of all sync objects (state_dump.c: hl_state_dump).
fn dumped(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let job = card.nop(queue)?;
    let before = succeed("state_dump", files.text("state_dump"))?;
    let held = Held::new(cx, &[queue])?;
    let request = CsRequest::execute([job.chunk()])
        .custom_timeout(1)
        .flags(HL_CS_FLAGS_SKIP_RESET_ON_TIMEOUT);
    let sequence = card.submit(&request)?;
    let text = wait::until(3 * PATIENCE, || {
        let now = succeed("state_dump", files.text("state_dump"))?;
        Ok((now != before).then_some(now))
    });
    held.release()?;
    card.finish(sequence)?;
    let Some(text) = text? else {
        return Err(Stop::Fail(case::Failure::new("nothing is written down")));
    };
    // What is read is thrown away, so that the next reader finds nothing.
    for count in ["4", "1"] {
        succeed("write", files.write("state_dump", count))?;
    }
    for word in ["Timestamp taken on: ", "Non zero sync objects:"] {
        check(text.contains(word), &format!("{word:?} is in {text:?}"))?;
    }
    equal("state_dump afterwards", files.text("state_dump"), Ok(String::new()))
}
