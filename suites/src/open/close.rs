// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a close gives back (`device.c: hl_device_release`, `hpriv_release`).

use super::compute::works;
use crate::common::eventfd::{eventfd, eventfd_id};
use crate::common::leak::{Rounds, cache_stays};
use crate::common::node::Node;
use crate::info::call::Request;
use case::{Case, CaseResult, Context, Stop, check, succeed};
use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd};
use uapi::accel::HL_INFO_REGISTER_EVENTFD;

/// Rounds in which a leaked eventfd adds up. Each is a reset on Gaudi2.
const ROUNDS: u32 = 20;

/// Rounds in which a leaked process id does: others come and go meanwhile.
const THREADS: u32 = 40;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("open/close/gives_back_a_registered_eventfd", &["OPEN-025"], registered)
            .budget(60),
        Case::new("open/close/gives_back_its_process_id", &["OPEN-016"], |cx| {
            process_ids(cx, THREADS, Node::try_compute)
        })
        .budget(120),
    ]
}

/// Numbers of eventfds are given out lowest first: leaked ones push new ones up.
fn registered(cx: &Context) -> CaseResult {
    let first = eventfd_id(&eventfd()?)?;
    for _ in 0..ROUNDS {
        let node = Node::compute(cx)?;
        let event = eventfd()?;
        let fd = event.as_fd().as_raw_fd() as u32;
        let request = Request::new(HL_INFO_REGISTER_EVENTFD, 0, 0).extra(fd);
        succeed("REGISTER_EVENTFD", request.sent(&node))?;
        drop(node);
    }
    let last = eventfd_id(&eventfd()?)?;
    let allowed = first + u64::from(ROUNDS) / 2;
    check(last <= allowed, &format!("{ROUNDS} closes keep no eventfd (ids {first} to {last})"))?;
    works(&Node::compute(cx)?)
}

/// Every thread has a `struct pid` of its own, which an open holds and a close gives back
/// (`device.c: hpriv_release`, `hl_device_release_ctrl`).
pub(super) fn process_ids(
    cx: &Context,
    threads: u32,
    open: fn(&Context) -> Result<Node, Errno>,
) -> CaseResult {
    cache_stays("pid", Rounds::new(1, threads), || {
        let user =
            std::thread::scope(|scope| scope.spawn(|| open(cx).and_then(Node::close)).join());
        match user {
            Ok(result) => succeed("open and close", result),
            Err(_) => Err(Stop::Broken("a thread panicked".into())),
        }
    })
}
