// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a reset and a driver that leaves give back (device.c: hl_device_reset, hl_device_fini).
//!
//! The nodes of the device go with the driver and come back with it; the memory of the kernel is
//! as before. Not covered: memory for DMA, a driver that leaves under an open node.

use crate::common::leak::{Rounds, kernel_memory_stays};
use crate::common::node::Node;
use crate::common::submit::operational;
use crate::common::{files, wait};
use crate::info::reset;
use case::{Case, CaseResult, Context, Stop, check, equal};
use std::path::PathBuf;
use std::time::Duration;

/// Each of them is a reset or a probe, which takes its time.
const ROUNDS: Rounds = Rounds::once(2, 6);
/// Rounds in all.
const RESETS: u32 = ROUNDS.first + ROUNDS.counted;
/// How long a probe may take.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn cases() -> Vec<Case> {
    let cases = [
        Case::new("sysfs/hard_reset/gives_all_memory_back", &["EVT-014", "SYSFS-014"], resets)
            .logs(reset::LOG)
            .resets(RESETS),
        Case::new("sysfs/unbind/takes_the_nodes_until_bind", &["EVT-031"], nodes).own_guest(),
        Case::new("sysfs/unbind/gives_all_memory_back", &["EVT-031"], unbinds).own_guest(),
    ];
    cases.into_iter().map(|case| case.control_only().budget(120)).collect()
}

fn resets(cx: &Context) -> CaseResult {
    // Stays open over all of them.
    let node = Node::control(cx)?;
    let before = reset::resets(&node)?;
    kernel_memory_stays(ROUNDS, || {
        reset::start(cx)?;
        reset::done(&node)
    })?;
    equal("hard resets", reset::resets(&node)?, before + RESETS)
}

/// The device without its driver, which comes back when this is dropped.
struct Unbound<'a> {
    cx: &'a Context,
    driver: PathBuf,
    device: String,
}

impl<'a> Unbound<'a> {
    fn new(cx: &'a Context) -> CaseResult<Self> {
        let broken = |what: &str| Stop::Broken(format!("{} {what}", cx.at.pci.display()));
        let driver = cx.at.pci.join("driver").canonicalize();
        let driver = driver.map_err(|why| broken(&format!("has no driver: {why}")))?;
        // The folder's own name is the address, whatever link leads there.
        let folder = cx.at.pci.canonicalize().map_err(|why| broken(&why.to_string()))?;
        let name = folder.file_name().ok_or_else(|| broken("is no folder"))?;
        let device = name.to_string_lossy().into_owned();
        let unbound = Unbound { cx, driver, device };
        files::write(&unbound.driver.join("unbind"), &unbound.device)?;
        Ok(unbound)
    }

    /// Binds the driver again; the device is operational afterwards.
    fn bind(self) -> CaseResult {
        files::write(&self.driver.join("bind"), &self.device)?;
        let cx = self.cx;
        let back = wait::until(LIMIT, || {
            Ok((cx.at.compute.exists() && cx.at.control.exists()).then_some(()))
        })?;
        check(back.is_some(), "both nodes are there again after bind")?;
        operational(cx)
    }
}

impl Drop for Unbound<'_> {
    fn drop(&mut self) {
        if !self.cx.at.pci.join("driver").exists() {
            // The next case says when the device does not come back.
            let _ = std::fs::write(self.driver.join("bind"), &self.device);
        }
    }
}

fn nodes(cx: &Context) -> CaseResult {
    for _ in 0..3 {
        let unbound = Unbound::new(cx)?;
        for path in [&cx.at.compute, &cx.at.control, &cx.at.sysfs.join("status")] {
            check(!path.exists(), &format!("{} is gone with the driver", path.display()))?;
        }
        unbound.bind()?;
        let node = Node::control(cx)?;
        equal("hard resets of a fresh driver", reset::resets(&node)?, 0)?;
    }
    Ok(())
}

fn unbinds(cx: &Context) -> CaseResult {
    kernel_memory_stays(ROUNDS, || Unbound::new(cx)?.bind())
}
