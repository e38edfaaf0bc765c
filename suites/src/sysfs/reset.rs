// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Hard resets that something stands in the way of, and those that nobody asked the driver for
//! (`device.c: hl_device_reset`; `habanalabs_drv.c: hl_pci_reset_done`).

use crate::common::log::Log;
use crate::common::node::Node;
use crate::common::submit::Card;
use crate::common::victim::Victim;
use crate::common::wait::{self, Ticks};
use crate::common::{files, typed};
use crate::info::reset;
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::{Asic, Request};
use device::Errno;
use std::path::Path;
use std::sync::Barrier;
use std::time::Duration;
use uapi::accel;

/// How long anything here may take.
const LIMIT: Duration = Duration::from_secs(60);

/// What the driver says of engines that work after the chip was reset, and of the reset then.
const BUSY: &str = "device is not idle after reset";
const FAILS: &[&str] = &["Hard-Reset requested through sysfs", BUSY, "Failed to reset!"];

pub(super) fn cases() -> Vec<Case> {
    let cases = [
        Case::new("sysfs/hard_reset/kills_who_keeps_the_device_open", &["EVT-013"], killed)
            .logs(reset::LOG)
            .resets(1),
        Case::new("sysfs/hard_reset/one_meanwhile_is_none", &["EVT-016"], meanwhile)
            .logs(reset::LOG)
            .resets(2),
        Case::new("sysfs/hard_reset/fails_when_the_device_stays_busy", &["EVT-017"], busy)
            .model()
            .logs(FAILS)
            .resets(2),
        Case::new("sysfs/power/a_sleep_ends_in_a_hard_reset", &["EVT-026"], sleeps)
            .own_guest()
            .resets(1),
        Case::new("sysfs/pci_reset/ends_in_a_hard_reset", &["EVT-024"], function).resets(1),
    ];
    cases.into_iter().map(|case| case.control_only().budget(120)).collect()
}

/// The device works for a next user.
fn works(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))?;
    typed::still_works(&card.node)
}

/// Who does not listen is killed after the second that is left for a close
/// (`device.c: device_kill_open_processes`).
fn killed(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let victim = Victim::start(|| device::Node::open(&cx.at.compute))?;
    let began = Ticks::now()?;
    reset::start(cx)?;
    let killed = victim.killed();
    let lasted = began.lasted(Duration::from_secs(1));
    reset::done(&control)?;
    killed?;
    lasted?;
    reset::counted(&control, before + 1)?;
    works(cx)
}

/// Requests during a reset, and two at a time, are answered alike and come to one reset.
fn meanwhile(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    reset::start(cx)?;
    for _ in 0..3 {
        reset::start(cx)?;
    }
    equal("status", reset::status(&control)?, accel::HL_DEVICE_STATUS_IN_RESET)?;
    reset::done(&control)?;
    reset::counted(&control, before + 1)?;
    let ready = Barrier::new(2);
    let results = std::thread::scope(|scope| {
        let start = || {
            ready.wait();
            reset::start(cx)
        };
        let threads = [scope.spawn(start), scope.spawn(start)];
        threads.map(|thread| thread.join().unwrap_or(Err(Stop::Broken("a panic".into()))))
    });
    reset::done(&control)?;
    results.into_iter().collect::<CaseResult<Vec<()>>>()?;
    reset::counted(&control, before + 2)?;
    works(cx)
}

/// Status of the first tensor core, from CFG base; 0: no pipe is empty
/// (mmTPC0_CFG_STATUS, mmDCORE0_TPC0_CFG_STATUS).
fn tensor_core(asic: Asic) -> u64 {
    match asic {
        Asic::Gaudi => 0xe0_691c,
        Asic::Gaudi2 => 0x400_bd84,
    }
}

/// An engine that works after the chip was reset: the device is given up, until a reset succeeds.
fn busy(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let mut log = Log::from_now()?;
    reset::start(cx)?;
    let begun = wait::until(LIMIT, || Ok((cx.model()?.seen()?.hard_resets > 0).then_some(())))?;
    cx.model()?.order(Request::Poke { offset: tensor_core(cx.asic()), value: 0 })?;
    let ended = wait::until(LIMIT, || {
        let now = reset::status(&control)?;
        Ok((now != accel::HL_DEVICE_STATUS_IN_RESET).then_some(now))
    })?;
    let text = files::attribute(cx, "status")?;
    let count = reset::resets(&control)?;
    let opened = Node::try_compute(cx).map(drop);
    let told = log.with(BUSY)?;
    reset::start(cx)?;
    reset::done(&control)?;
    check(begun.is_some(), "the chip is reset")?;
    equal("lines that say why", told.len(), 1)?;
    equal("status after the reset", ended, Some(accel::HL_DEVICE_STATUS_MALFUNCTION))?;
    equal("status in sysfs", text.as_str(), "Disabled")?;
    equal("hard resets with the one that failed", count, before + 1)?;
    errno("open of the compute node", opened, Errno::EPERM)?;
    reset::counted(&control, before + 2)?;
    works(cx)
}

/// A reset of the PCI function takes the firmware away, so the driver resets the card.
fn function(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    files::write(&cx.at.pci.join("reset_method"), "flr")?;
    files::write(&cx.at.pci.join("reset"), "1")?;
    // A card that nobody resets would be reset for its lost heartbeat, seconds later.
    let begun = reset::status(&control)? == accel::HL_DEVICE_STATUS_IN_RESET;
    check(
        begun || reset::resets(&control)? > before,
        "the reset begins with that of the function",
    )?;
    reset::done(&control)?;
    reset::counted(&control, before + 1)?;
    succeed("open", Node::try_compute(cx).map(drop))?;
    works(cx)
}

/// The machine goes to sleep as far as its devices, and comes back (`pm_test`,
/// `device.c: hl_device_suspend`, `hl_device_resume`).
fn sleeps(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let test = Path::new("/sys/power/pm_test");
    if !test.exists() {
        return Err(Stop::Skip(format!("needs {}", test.display())));
    }
    files::write(test, "devices")?;
    let slept = files::write(Path::new("/sys/power/state"), "freeze");
    files::write(test, "none")?;
    slept?;
    reset::begun(&control, before)?;
    reset::done(&control)?;
    reset::counted(&control, before + 1)?;
    works(cx)
}
