// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The compute node has one user at a time (`habanalabs_drv.c: hl_device_open`).

use crate::common::beside::{in_child, pass};
use crate::common::files::Disabled;
use crate::common::node::Node;
use crate::info::call::ask;
use case::{Case, CaseResult, Context, equal, errno, succeed};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::os::fd::AsFd;
use std::sync::Barrier;
use uapi::accel::{HL_DEVICE_STATUS_OPERATIONAL, hl_info_device_status};

/// Opens in a row: what one leaves behind stops a later one.
const ROUNDS: u32 = 12;

/// Threads that open at once.
const CROWD: usize = 8;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("open/compute/works_again_after_each_close", &["OPEN-001", "OPEN-016"], again)
            .budget(60),
        Case::new("open/compute/rejects_a_second_open", &["OPEN-003"], second),
        Case::new("open/compute/rejects_a_second_open_of_another_process", &["OPEN-003"], |cx| {
            let node = Node::compute(cx)?;
            let said = in_child(|| Node::try_compute(cx).map(drop))?;
            errno("open in another process", said, Errno::EBUSY)?;
            works(&node)
        }),
        Case::new("open/compute/lets_one_of_many_in", &["OPEN-003"], crowd).budget(60),
        Case::new("open/compute/is_refused_with_o_excl", &["OPEN-010"], exclusive),
        Case::new("open/compute/is_refused_while_the_device_is_disabled", &["OPEN-008"], disabled),
        Case::new(
            "open/compute/lives_until_the_last_duplicate_is_closed",
            &["OPEN-014"],
            duplicate,
        ),
        Case::new(
            "open/compute/lives_as_long_as_a_child_that_inherited_it",
            &["OPEN-014"],
            inherit,
        ),
        Case::new("open/compute/serves_whoever_it_was_passed_to", &["OPEN-015"], passed),
        Case::new("open/compute/is_free_again_when_its_user_was_killed", &["OPEN-016"], killed)
            .budget(30),
    ]
}

/// The node answers.
#[track_caller]
pub fn works(node: &Node) -> CaseResult {
    let answer: hl_info_device_status = ask(node)?;
    equal("status", answer.status, HL_DEVICE_STATUS_OPERATIONAL)
}

fn again(cx: &Context) -> CaseResult {
    for _ in 0..ROUNDS {
        let node = Node::compute(cx)?;
        works(&node)?;
        succeed("close", node.close())?;
    }
    Ok(())
}

fn second(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    for flags in
        [OFlag::O_RDWR, OFlag::O_RDONLY, OFlag::O_WRONLY, OFlag::O_RDWR | OFlag::O_NONBLOCK]
    {
        errno("the second open", Node::open(&cx.at.compute, flags), Errno::EBUSY)?;
        works(&node)?;
    }
    drop(node);
    works(&Node::compute(cx)?)
}

/// However many come at once, one gets in and the others are told that it is taken.
fn crowd(cx: &Context) -> CaseResult {
    for _ in 0..10 {
        let (start, done) = (Barrier::new(CROWD), Barrier::new(CROWD));
        let results: Vec<_> = std::thread::scope(|scope| {
            let opener = || {
                start.wait();
                let result = Node::try_compute(cx);
                // Nobody closes before everybody has tried.
                done.wait();
                result.map(drop)
            };
            let openers: Vec<_> = (0..CROWD).map(|_| scope.spawn(opener)).collect();
            openers.into_iter().map(|opener| opener.join().unwrap_or(Err(Errno::EPIPE))).collect()
        });
        let count = |wanted: Result<(), Errno>| results.iter().filter(|r| **r == wanted).count();
        equal("opens that succeed", count(Ok(())), 1)?;
        equal("opens that give EBUSY", count(Err(Errno::EBUSY)), CROWD - 1)?;
    }
    Ok(())
}

fn exclusive(cx: &Context) -> CaseResult {
    let flags = OFlag::O_RDWR | OFlag::O_EXCL;
    errno("open with O_EXCL of a free node", Node::open(&cx.at.compute, flags), Errno::EBUSY)?;
    let node = Node::compute(cx)?;
    errno("open with O_EXCL of a taken node", Node::open(&cx.at.compute, flags), Errno::EBUSY)?;
    works(&node)
}

fn disabled(cx: &Context) -> CaseResult {
    let off = Disabled::new(cx)?;
    errno("open of a disabled device", Node::try_compute(cx), Errno::EPERM)?;
    drop(off);
    works(&Node::compute(cx)?)
}

fn duplicate(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let other = node.duplicate()?;
    drop(node);
    works(&other)?;
    errno("open while a duplicate lives", Node::try_compute(cx), Errno::EBUSY)?;
    drop(other);
    works(&Node::compute(cx)?)
}

/// The child closes its copy by ending; the parent's stays.
fn inherit(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let said = in_child(|| works(&node).map_err(|_| Errno::EPROTO))?;
    succeed("INFO of a child", said)?;
    works(&node)?;
    errno("open after the child ended", Node::try_compute(cx), Errno::EBUSY)
}

fn passed(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let other = Node::from(pass(node.as_fd())?);
    drop(node);
    works(&other)?;
    // Another process answers through the same open file, and may close it last.
    let said = in_child(|| works(&other).map_err(|_| Errno::EPROTO))?;
    succeed("INFO of the receiver", said)?;
    errno("open while a passed descriptor lives", Node::try_compute(cx), Errno::EBUSY)?;
    drop(other);
    works(&Node::compute(cx)?)
}

/// A user that dies without closing: the kernel closes for it.
fn killed(cx: &Context) -> CaseResult {
    for _ in 0..3 {
        let said = in_child(|| {
            let node = Node::try_compute(cx)?;
            works(&node).map_err(|_| Errno::EPROTO)?;
            // Ends without running destructors.
            std::mem::forget(node);
            Ok(())
        })?;
        succeed("open in a child", said)?;
        works(&Node::compute(cx)?)?;
    }
    Ok(())
}
