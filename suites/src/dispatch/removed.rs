// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The nodes while the driver is bound to the device and unbound: a device that is not ready yet,
//! and nodes whose device is gone (`device.c: hl_device_init`, `hl_device_fini`,
//! `device_kill_open_processes`, `hl_mmap`; `habanalabs_ioctl.c: hl_ioctl_control`; `drm_ioctl.c:
//! drm_ioctl`).
//!
//! Unbinding kills whoever opened a node, so a child does that and hands the file over. Users of
//! the compute node get ten minutes to go away (`habanalabs.h:
//! HL_WAIT_PROCESS_KILL_ON_DEVICE_FINI`).

use crate::common::beside::Child;
use crate::common::node::Node;
use crate::common::unbound::Unbound;
use crate::common::wait;
use crate::info::call::Request;
use crate::info::reset;
use crate::open::works;
use case::{Case, CaseResult, Context, Stop, check, equal, errno, fail, succeed};
use control::Asics;
use device::open::{receive_fd, send_fd};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::time::{Duration, Instant};
use uapi::accel::{
    DRM_IOCTL_HL_CB, HL_DEVICE_STATUS_IN_DEVICE_CREATION, HL_DEVICE_STATUS_OPERATIONAL,
    HL_INFO_DEVICE_STATUS,
};

/// CPUCP_PACKET_MAX_POWER_SET (`cpucp_if.h`).
const MAX_POWER_SET: u16 = 21;

/// Binds in search of a state that lasts some milliseconds.
const ROUNDS: u32 = 10;

/// How long a device may take to come back.
const LIMIT: Duration = Duration::from_secs(60);

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("dispatch/control/gives_enodev_when_the_device_is_gone", &["DISP-027"], removed)
            .control_only()
            .model()
            .own_guest()
            .budget(120)
            .logs(&[
                "Failed to kill all control device open processes",
                "after device was removed",
                "Killing user process",
            ]),
        Case::new(
            "dispatch/compute/gives_enodev_when_the_device_is_gone",
            &["DISP-011", "MMAP-024"],
            user_removed,
        )
        .own_guest()
        .budget(900)
        .logs(&["Failed to kill all open processes", "Killing user process"]),
        Case::new(
            "info/device_status/is_creation_until_the_device_is_ready",
            &["INFO-DEVICE_STATUS-010"],
            created,
        )
        .control_only()
        .model()
        .on(Asics::GAUDI)
        .own_guest()
        .budget(120),
        Case::new(
            "info/device_status/is_creation_when_it_is_met_before_the_device_is_ready",
            &["INFO-DEVICE_STATUS-010"],
            met,
        )
        .control_only()
        .on(Asics::GAUDI2)
        .own_guest()
        .budget(120),
    ]
}

/// The control node, as soon as there is one.
fn appears(cx: &Context) -> CaseResult<Node> {
    match wait::until(LIMIT, || Ok(Node::try_control(cx).ok()))? {
        Some(node) => Ok(node),
        None => fail(format!("no control node {LIMIT:?} after the device was bound")),
    }
}

/// The nodes are there before the driver has set the power limit (`device.c: hl_device_init`); as
/// long as firmware does not answer that, the state is there to be seen.
fn created(cx: &Context) -> CaseResult {
    let unbound = Unbound::new(cx)?;
    cx.model()?.order(control::Request::HoldCpuAt { opcode: MAX_POWER_SET })?;
    let (seen, bound) = std::thread::scope(|scope| {
        let binder = scope.spawn(|| unbound.bind());
        let seen = appears(cx).and_then(|node| {
            equal("status", reset::status(&node)?, HL_DEVICE_STATUS_IN_DEVICE_CREATION)
        });
        let released =
            cx.model().and_then(|mut model| Ok(model.order(control::Request::ReleaseCpu)?));
        (seen.and(released), binder.join())
    });
    bound.map_err(|_| Stop::Broken("a thread panicked".into()))??;
    seen?;
    works(&Node::control(cx)?)
}

/// Nothing holds the state here, which lasts some milliseconds: it is looked for bind after bind.
fn met(cx: &Context) -> CaseResult {
    for _ in 0..ROUNDS {
        let unbound = Unbound::new(cx)?;
        let (seen, bound) = std::thread::scope(|scope| {
            let binder = scope.spawn(|| unbound.bind());
            (states(cx), binder.join())
        });
        bound.map_err(|_| Stop::Broken("a thread panicked".into()))??;
        let seen = seen?;
        equal("the last state", seen.last(), Some(&HL_DEVICE_STATUS_OPERATIONAL))?;
        match &seen[..seen.len() - 1] {
            [] => {}
            [HL_DEVICE_STATUS_IN_DEVICE_CREATION] => return Ok(()),
            other => return fail(format!("the states before are {other:?}")),
        }
    }
    fail(format!("none of {ROUNDS} binds shows a device that is not ready yet"))
}

/// The states of a device that is bound, one after the other, from its first node on.
fn states(cx: &Context) -> CaseResult<Vec<u32>> {
    let end = Instant::now() + LIMIT;
    let mut states = Vec::new();
    while states.last() != Some(&HL_DEVICE_STATUS_OPERATIONAL) && Instant::now() < end {
        let Ok(node) = Node::try_control(cx) else { continue };
        let state = reset::status(&node)?;
        if states.last() != Some(&state) {
            states.push(state);
        }
    }
    Ok(states)
}

/// A node that a process opened which is no more.
fn orphan(cx: &Context, open: fn(&Context) -> Result<Node, Errno>) -> CaseResult<Node> {
    let broken = |what: &str, why: Errno| Stop::Broken(format!("{what} fails: {why}"));
    let flags = SockFlag::SOCK_CLOEXEC;
    let (here, there) = socketpair(AddressFamily::Unix, SockType::Stream, None, flags)
        .map_err(|why| broken("socketpair", why))?;
    let child = Child::start(|| {
        let node = open(cx)?;
        send_fd(&there, &node)
    })?;
    let fd = receive_fd(&here).map_err(|why| broken("receiving a descriptor", why))?;
    child.answer()?.map_err(|why| broken("opening in a child", why))?;
    Ok(Node::from(fd))
}

fn removed(cx: &Context) -> CaseResult {
    let node = orphan(cx, Node::try_control)?;
    works(&node)?;
    let unbound = Unbound::new(cx)?;
    let gone = !cx.at.control.exists();
    let answers = [
        Request::new(HL_INFO_DEVICE_STATUS, 0, 0).sent(&node),
        node.ioctl(DRM_IOCTL_HL_CB, 0),
        node.ioctl(0, 0),
    ];
    let closed = node.close();
    unbound.bind()?;
    check(gone, "the node is gone with the device")?;
    for answer in answers {
        errno("an ioctl of a device that is gone", answer, Errno::ENODEV)?;
    }
    check(closed == Ok(()), "the file can be closed")?;
    works(&Node::control(cx)?)
}

fn user_removed(cx: &Context) -> CaseResult {
    let node = orphan(cx, Node::try_compute)?;
    let user = node.typed()?;
    let buffer = succeed("CREATE", user.create_cb(4096, 0))?;
    let unbound = Unbound::new(cx)?;
    let asked = Request::new(HL_INFO_DEVICE_STATUS, 0, 0).sent(&node);
    let mapped = buffer.map().map(drop);
    // The buffer ended with the device.
    std::mem::forget(buffer);
    drop(user);
    let closed = node.close();
    unbound.bind()?;
    errno("an ioctl of a device that is gone", asked, Errno::ENODEV)?;
    errno("mmap of a device that is gone", mapped, Errno::ENODEV)?;
    check(closed == Ok(()), "the file can be closed")?;
    works(&Node::control(cx)?)
}
