// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a reset and a driver that leaves give back (device.c: hl_device_reset, hl_device_fini).
//!
//! The nodes of the device go with the driver and come back with it; the memory of the kernel is
//! as before. Not covered: memory for DMA, a driver that leaves under an open node.

use crate::common::leak::{Rounds, kernel_memory_stays};
use crate::common::node::Node;
use crate::common::unbound::Unbound;
use crate::info::reset;
use case::{Case, CaseResult, Context, check, equal};

/// Each of them is a reset or a probe, which takes its time.
const ROUNDS: Rounds = Rounds::once(2, 6);
/// Rounds in all.
const RESETS: u32 = ROUNDS.first + ROUNDS.counted;

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
    reset::counted(&node, before + RESETS)
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
