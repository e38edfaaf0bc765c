// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A driver that leaves while its device is in use (`device.c: hl_device_fini`).

use crate::common::files;
use crate::common::submit::Card;
use crate::common::unbound::Unbound;
use crate::common::victim::Victim;
use crate::debugfs::FILES;
use case::{Case, CaseResult, Context, check, equal, errno};
use control::{Asic, Request};
use device::Errno;
use std::fs::File;
use std::io::{Error, Read};

pub(super) fn cases() -> Vec<Case> {
    let cases = [
        Case::new("sysfs/unbind/kills_who_keeps_the_device_open", &["EVT-027"], killed),
        Case::new("sysfs/unbind/resets_the_card_once", &["EVT-028"], once).model(),
        Case::new("sysfs/bind/fails_when_firmware_reports_an_error", &["EVT-029"], sick)
            .model()
            .logs(&[
                "Device boot error",
                "CPU boot failed",
                "Fatal error during",
                "probe with driver",
            ]),
        Case::new("debugfs/folder/ends_what_is_open_with_the_device", &["DBGFS-099"], open),
    ];
    cases.into_iter().map(|case| case.control_only().own_guest().budget(120)).collect()
}

/// The card is bound again and works.
fn back(cx: &Context, unbound: Unbound<'_>) -> CaseResult {
    unbound.bind()?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}

/// An open file keeps the module, so that nobody unloads it; the device may go all the same.
fn killed(cx: &Context) -> CaseResult {
    for node in [&cx.at.compute, &cx.at.control] {
        let victim = Victim::start(|| device::Node::open(node))?;
        let flags = libc::O_NONBLOCK as u32;
        // SAFETY: the name ends with a zero; the call keeps nothing of it.
        let result =
            unsafe { libc::syscall(libc::SYS_delete_module, c"habanalabs".as_ptr(), flags) };
        errno("delete_module", Errno::result(result).map(drop), Errno::EAGAIN)?;
        check(node.exists(), "the node is still there")?;
        let unbound = Unbound::new(cx)?;
        victim.killed()?;
        check(!node.exists(), "the node is gone")?;
        back(cx, unbound)?;
    }
    Ok(())
}

/// What the device sees of it.
fn once(cx: &Context) -> CaseResult {
    let before = cx.model()?.seen()?.hard_resets;
    let unbound = Unbound::new(cx)?;
    let after = cx.model()?.seen()?.hard_resets;
    back(cx, unbound)?;
    equal("hard resets that the card sees", after - before, 1)
}

/// Reading or writing an open file of a device that is gone.
fn open(cx: &Context) -> CaseResult {
    let mut files_open = Vec::new();
    for (name, mode) in FILES {
        if mode & 0o400 != 0 {
            let path = files::debugfs(cx, name)?;
            let file = File::open(&path).map_err(|why| {
                case::Stop::Broken(format!("cannot open {}: {why}", path.display()))
            })?;
            files_open.push((name, file));
        }
    }
    let unbound = Unbound::new(cx)?;
    let read = |file: &mut File| {
        let mut byte = [0];
        file.read(&mut byte).map_err(|why: Error| Errno::from_raw(why.raw_os_error().unwrap_or(0)))
    };
    let answers: Vec<_> = files_open.iter_mut().map(|(name, file)| (*name, read(file))).collect();
    drop(files_open);
    back(cx, unbound)?;
    for (name, answer) in answers {
        errno(&format!("read of {name}"), answer, Errno::EIO)?;
    }
    Ok(())
}

/// CPU_BOOT_ERR0 (`mmPSOC_GLOBAL_CONF_SCRATCHPAD_24`), from CFG base.
fn boot_error(asic: Asic) -> u64 {
    match asic {
        Asic::Gaudi => 0xc4_b160,
        Asic::Gaudi2 => 0x4c4_b160,
    }
}

/// CPU_BOOT_ERR_ENABLED and CPU_BOOT_ERR_DRAM_INIT_FAIL (`hl_boot_if.h`).
pub(super) const DRAM_FAILED: u32 = 1 << 31 | 1;

/// No node is made for a card whose firmware did not come up.
fn sick(cx: &Context) -> CaseResult {
    let unbound = Unbound::new(cx)?;
    let offset = boot_error(cx.asic());
    cx.model()?.order(Request::Poke { offset, value: DRAM_FAILED })?;
    let bound = unbound.try_bind();
    let nodes = [&cx.at.compute, &cx.at.control].map(|node| node.exists());
    cx.model()?.order(Request::Poke { offset, value: 0 })?;
    back(cx, unbound)?;
    equal("bind", bound, Err(Errno::ENODEV))?;
    equal("nodes that are there", nodes, [false, false])
}
