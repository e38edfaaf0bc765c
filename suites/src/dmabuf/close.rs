// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Whoever closes first: an export keeps the device's file open (memory.c: export_dmabuf,
//! hl_release_dmabuf).

use super::{PAGE, export, still_exports};
use crate::common::beside::in_child;
use crate::common::node::Node as Raw;
use crate::common::typed::{compute, need};
use crate::common::wait;
use crate::info::reset;
use case::{Case, CaseResult, Context, Stop, equal, errno, fail, succeed};
use device::{Errno, Node};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("dmabuf/close/an_export_keeps_the_device_in_use", KEEPS, after),
        Case::new("dmabuf/close/any_order_frees_the_device", &["DMABUF-029"], orders).budget(60),
        Case::new("dmabuf/close/an_export_outlives_its_process", &["DMABUF-029"], orphan),
        Case::new("dmabuf/close/many_exports_at_exit_free_the_device", &["DMABUF-029"], exit)
            .budget(30),
        Case::new("dmabuf/close/a_reset_ends_the_process_and_its_exports", &["DMABUF-030"], killed)
            .resets(1)
            .logs(crate::info::reset::LOG)
            .budget(90),
    ]
}

/// An export keeps the open file.
const KEEPS: &[&str] = &["DMABUF-029", "OPEN-020"];

/// Resets so far, as the control node says.
fn resets(cx: &Context) -> CaseResult<(u32, u32)> {
    let node = succeed("open of the control node", Node::open(&cx.at.control))?;
    let count = succeed("INFO RESET_COUNT", node.reset_count())?;
    Ok((count.hard_reset_cnt, count.soft_reset_cnt))
}

/// Opens the compute node as soon as its last user is gone.
fn open_again(cx: &Context) -> CaseResult<Node> {
    let mut last = Ok(());
    let node = wait::until(Duration::from_secs(5), || match Node::open(&cx.at.compute) {
        Ok(node) => Ok(Some(node)),
        Err(errno @ (Errno::EBUSY | Errno::EAGAIN)) => {
            last = Err(errno);
            Ok(None)
        }
        Err(errno) => succeed("open of the compute node", Err(errno)),
    })?;
    match node {
        Some(node) => Ok(node),
        None => fail(format!("the device is still in use 5 s after the last close ({last:?})")),
    }
}

fn after(cx: &Context) -> CaseResult {
    let before = resets(cx)?;
    let node = compute(cx)?;
    let buffer = export(cx, &node, PAGE)?;
    succeed("close of the device", node.close())?;
    for _ in 0..3 {
        errno("open while an export lives", Node::open(&cx.at.compute), Errno::EBUSY)?;
    }
    succeed("close of the dma-buf", buffer.close())?;
    let node = open_again(cx)?;
    equal("resets", resets(cx)?, before)?;
    still_exports(cx, &node)
}

/// What there is to close: the device, a copy of its descriptor, two exports, a copy of the first.
const THINGS: usize = 5;

fn orders(cx: &Context) -> CaseResult {
    let before = resets(cx)?;
    for first in 0..THINGS {
        for step in [1, 2, 3, 4] {
            let node = open_again(cx)?;
            let buffers = [export(cx, &node, PAGE)?, export(cx, &node, 2 * PAGE)?];
            let copy = need("dup", buffers[0].duplicate())?;
            let again = need("dup", node.duplicate())?;
            let [one, two] = buffers;
            let fds = [owned(node)?, owned(again)?, owned(one)?, owned(two)?, owned(copy)?];
            let mut fds = fds.map(Some);
            // 5 is a prime number: every step visits all.
            for at in (0..THINGS).map(|turn| (first + turn * step) % THINGS) {
                let busy = Node::open(&cx.at.compute);
                errno("open while something is left", busy, Errno::EBUSY)?;
                fds[at] = None;
            }
        }
    }
    let node = open_again(cx)?;
    equal("resets", resets(cx)?, before)?;
    still_exports(cx, &node)
}

/// A descriptor of the same open file; the original is closed.
fn owned(file: impl AsFd) -> CaseResult<OwnedFd> {
    need("dup", nix::unistd::dup(&file))
}

fn orphan(cx: &Context) -> CaseResult {
    let before = resets(cx)?;
    let flags = nix::sys::socket::SockFlag::SOCK_CLOEXEC;
    let pair = nix::sys::socket::socketpair(
        nix::sys::socket::AddressFamily::Unix,
        nix::sys::socket::SockType::Stream,
        None,
        flags,
    );
    let (here, there) = need("socketpair", pair)?;
    let child = in_child(|| {
        let node = Node::open(&cx.at.compute)?;
        let buffer = export(cx, &node, PAGE).map_err(|_| Errno::EPROTO)?;
        device::open::send_fd(&there, &buffer)
    })?;
    equal("the child exports and ends", child, Ok(()))?;
    let buffer = need("descriptor", device::open::receive_fd(&here))?;
    errno("open while the export lives", Node::open(&cx.at.compute), Errno::EBUSY)?;
    drop(buffer);
    let node = open_again(cx)?;
    equal("resets", resets(cx)?, before)?;
    still_exports(cx, &node)
}

fn exit(cx: &Context) -> CaseResult {
    let before = resets(cx)?;
    for exports in [1, 40] {
        let child = in_child(|| {
            let node = Node::open(&cx.at.compute)?;
            for _ in 0..exports {
                std::mem::forget(export(cx, &node, PAGE).map_err(|_| Errno::EPROTO)?);
            }
            Ok(())
        })?;
        equal("the child exports and ends", child, Ok(()))?;
        let node = open_again(cx)?;
        drop(node);
    }
    let node = open_again(cx)?;
    equal("resets", resets(cx)?, before)?;
    still_exports(cx, &node)
}

fn killed(cx: &Context) -> CaseResult {
    let control = Raw::control(cx)?;
    let before = reset::resets(&control)?;
    let (there, here) = need("pipe", nix::unistd::pipe())?;
    // SAFETY: a case has one thread when it forks; the child leaves through _exit or a signal.
    let child = match need("fork", unsafe { fork() })? {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            let made = Node::open(&cx.at.compute).is_ok_and(|node| {
                let made = export(cx, &node, PAGE).map(std::mem::forget).is_ok();
                std::mem::forget(node);
                made
            });
            let _ = nix::unistd::write(&here, &[made.into()]);
            loop {
                nix::unistd::pause();
            }
        }
    };
    let mut made = [0];
    let read = nix::unistd::read(&there, &mut made);
    if read != Ok(1) || made[0] != 1 {
        let _ = nix::sys::signal::kill(child, Signal::SIGKILL);
        return Err(Stop::Broken("the child cannot export".into()));
    }
    reset::start(cx)?;
    let ended = need("wait for the child", waitpid(child, None))?;
    equal("how the child ends", ended, WaitStatus::Signaled(child, Signal::SIGKILL, false))?;
    reset::done(&control)?;
    reset::counted(&control, before + 1)?;
    let node = open_again(cx)?;
    still_exports(cx, &node)
}
