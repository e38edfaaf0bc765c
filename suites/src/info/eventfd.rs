// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! REGISTER_EVENTFD, UNREGISTER_EVENTFD, GET_EVENTS: how a user hears of events
//! (`habanalabs_ioctl.c: eventfd_register`, `eventfd_unregister`, `events_info`).

use super::call::Request;
use crate::common::buffer::{Buffer, FILLINGS, KERNEL_ADDRESS};
use crate::common::eventfd::{eventfd, eventfd_id};
use crate::common::files::Disabled;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use nix::errno::Errno;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use uapi::accel::{HL_INFO_GET_EVENTS, HL_INFO_REGISTER_EVENTFD, HL_INFO_UNREGISTER_EVENTFD};

/// Rounds in which a leak adds up.
const ROUNDS: u32 = 60;

/// The cases.
pub fn cases() -> Vec<Case> {
    let register: &[&str] = &["INFO-REGISTER_EVENTFD-001", "INFO-UNREGISTER_EVENTFD-001"];
    vec![
        Case::new("info/register_eventfd/takes_one_and_gives_it_back", register, one),
        Case::new(
            "info/register_eventfd/rejects_a_second_one",
            &["INFO-REGISTER_EVENTFD-004"],
            two,
        ),
        Case::new(
            "info/register_eventfd/rejects_what_is_no_eventfd",
            &["INFO-REGISTER_EVENTFD-002"],
            |cx| {
                let null =
                    File::open("/dev/null").map_err(|why| case::Stop::Broken(why.to_string()))?;
                bad_fd(cx, null.as_raw_fd() as u32, Errno::EINVAL)
            },
        ),
        Case::new(
            "info/register_eventfd/rejects_what_is_not_open",
            &["INFO-REGISTER_EVENTFD-003"],
            |cx| {
                for fd in [1000, 0x7fff_ffff, u32::MAX] {
                    bad_fd(cx, fd, Errno::EBADF)?;
                }
                Ok(())
            },
        ),
        Case::new("info/register_eventfd/keeps_its_own_reference", register, own_reference),
        Case::new(
            "info/register_eventfd/gives_ebusy_while_the_device_is_disabled",
            &["INFO-REGISTER_EVENTFD-006"],
            |cx| {
                let node = Node::compute(cx)?;
                let event = eventfd()?;
                let off = Disabled::new(cx)?;
                errno("REGISTER_EVENTFD", register_fd(&node, number(&event)), Errno::EBUSY)?;
                drop(off);
                succeed("REGISTER_EVENTFD", register_fd(&node, number(&event)))
            },
        ),
        Case::new(
            "info/unregister_eventfd/rejects_when_nothing_is_registered",
            &["INFO-UNREGISTER_EVENTFD-002"],
            |cx| errno("UNREGISTER_EVENTFD", unregister(&Node::compute(cx)?), Errno::EINVAL),
        ),
        Case::new(
            "info/unregister_eventfd/rejects_a_second_time",
            &["INFO-UNREGISTER_EVENTFD-003"],
            twice,
        ),
        Case::new(
            "info/unregister_eventfd/answers_while_the_device_is_disabled",
            &["INFO-UNREGISTER_EVENTFD-004"],
            |cx| {
                let node = Node::compute(cx)?;
                succeed("REGISTER_EVENTFD", register_fd(&node, number(&eventfd()?)))?;
                let _off = Disabled::new(cx)?;
                succeed("UNREGISTER_EVENTFD", unregister(&node))
            },
        ),
        Case::new(
            "info/unregister_eventfd/gives_the_eventfd_back",
            &["INFO-UNREGISTER_EVENTFD-001"],
            leak,
        ),
        Case::new(
            "info/get_events/is_empty_on_a_fresh_open",
            &["INFO-GET_EVENTS-001", "INFO-GET_EVENTS-004"],
            empty,
        ),
        Case::new("info/get_events/rejects_null_pointer", &["INFO-GET_EVENTS-002"], |cx| {
            let node = Node::compute(cx)?;
            let request = Request::new(HL_INFO_GET_EVENTS, 0, 8);
            errno("GET_EVENTS", request.sent(&node), Errno::EINVAL)
        }),
        Case::new(
            "info/get_events/reports_memory_it_cannot_write",
            &["INFO-GET_EVENTS-003"],
            unmapped,
        ),
        Case::new("info/get_events/rejects_sizes_below_its_mask", &["INFO-GET_EVENTS-005"], small),
        Case::new("info/get_events/writes_its_mask_and_no_more", &["INFO-GET_EVENTS-001"], large),
        Case::new(
            "info/get_events/answers_while_the_device_is_disabled",
            &["INFO-GET_EVENTS-006"],
            |cx| {
                let node = Node::compute(cx)?;
                let _off = Disabled::new(cx)?;
                equal("events", events(&node)?, 0)
            },
        ),
    ]
}

/// The number that user space passes.
pub fn number(fd: &impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd() as u32
}

/// Registers a descriptor.
pub fn register_fd(node: &Node, fd: u32) -> Result<(), Errno> {
    Request::new(HL_INFO_REGISTER_EVENTFD, 0, 0).extra(fd).sent(node)
}

/// Unregisters what is registered.
pub fn unregister(node: &Node) -> Result<(), Errno> {
    Request::new(HL_INFO_UNREGISTER_EVENTFD, 0, 0).sent(node)
}

/// The mask of events since the last call.
pub fn events(node: &Node) -> CaseResult<u64> {
    let mut mask = u64::from_le_bytes([FILLINGS[0]; 8]);
    let pointer = std::ptr::from_mut(&mut mask);
    let request = Request::new(HL_INFO_GET_EVENTS, pointer as u64, 8);
    succeed("GET_EVENTS", request.sent(node)).map_err(|stop| stop.request(&request))?;
    // SAFETY: the variable is ours; volatile because the kernel wrote it.
    Ok(unsafe { pointer.read_volatile() })
}

fn one(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let event = eventfd()?;
    for _ in 0..3 {
        succeed("REGISTER_EVENTFD", register_fd(&node, number(&event)))?;
        succeed("UNREGISTER_EVENTFD", unregister(&node))?;
    }
    let silent = event.read();
    equal("reading the eventfd", silent, Err(Errno::EAGAIN))
}

fn two(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let (first, second) = (eventfd()?, eventfd()?);
    succeed("REGISTER_EVENTFD", register_fd(&node, number(&first)))?;
    errno("another one", register_fd(&node, number(&second)), Errno::EINVAL)?;
    errno("the same one", register_fd(&node, number(&first)), Errno::EINVAL)?;
    // A duplicate is the same open file, with the same registration.
    errno("through a duplicate", register_fd(&node.duplicate()?, number(&second)), Errno::EINVAL)?;
    succeed("UNREGISTER_EVENTFD", unregister(&node))?;
    succeed("the other one afterwards", register_fd(&node, number(&second)))
}

/// A refused registration leaves nothing registered, not even an error code.
fn bad_fd(cx: &Context, fd: u32, expected: Errno) -> CaseResult {
    let node = Node::compute(cx)?;
    errno(&format!("REGISTER_EVENTFD of {fd:#x}"), register_fd(&node, fd), expected)?;
    errno("UNREGISTER_EVENTFD", unregister(&node), Errno::EINVAL)?;
    succeed("a good one afterwards", register_fd(&node, number(&eventfd()?)))?;
    succeed("UNREGISTER_EVENTFD", unregister(&node))
}

/// The user may close its descriptor; the registration holds the eventfd.
fn own_reference(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let event = eventfd()?;
    let id = eventfd_id(&event)?;
    succeed("REGISTER_EVENTFD", register_fd(&node, number(&event)))?;
    drop(event);
    let next = eventfd()?;
    check(eventfd_id(&next)? != id, "the registered eventfd lives on")?;
    succeed("UNREGISTER_EVENTFD", unregister(&node))?;
    // Its number, the lowest that is free, is given out again.
    equal("id of a later eventfd", eventfd_id(&eventfd()?)?, id)
}

fn twice(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    succeed("REGISTER_EVENTFD", register_fd(&node, number(&eventfd()?)))?;
    succeed("UNREGISTER_EVENTFD", unregister(&node))?;
    for _ in 0..3 {
        errno("UNREGISTER_EVENTFD again", unregister(&node), Errno::EINVAL)?;
    }
    Ok(())
}

/// Numbers of eventfds are given out lowest first: leaked ones push new ones up.
fn leak(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let first = eventfd_id(&eventfd()?)?;
    for _ in 0..ROUNDS {
        let event = eventfd()?;
        succeed("REGISTER_EVENTFD", register_fd(&node, number(&event)))?;
        succeed("UNREGISTER_EVENTFD", unregister(&node))?;
    }
    let last = eventfd_id(&eventfd()?)?;
    let held = last.saturating_sub(first);
    check(held < u64::from(ROUNDS) / 2, &format!("{ROUNDS} rounds keep no eventfd ({held} kept)"))
}

fn empty(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    equal("events", events(&node)?, 0)?;
    equal("events again", events(&node)?, 0)
}

fn unmapped(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let buffer = Buffer::new(8)?;
    for pointer in [buffer.forbidden(), buffer.before_end(7), KERNEL_ADDRESS, 1] {
        let request = Request::new(HL_INFO_GET_EVENTS, pointer, 8);
        errno("GET_EVENTS", request.sent(&node), Errno::EFAULT)
            .map_err(|stop| stop.request(&request))?;
    }
    equal("events", events(&node)?, 0)
}

fn small(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let buffer = Buffer::new(8)?;
    for size in [0, 1, 4, 7] {
        let request = Request::new(HL_INFO_GET_EVENTS, buffer.start(), size);
        errno("GET_EVENTS", request.sent(&node), Errno::EINVAL)
            .map_err(|stop| stop.request(&request))?;
    }
    equal("the buffer", buffer.read(buffer.start(), 8), vec![FILLINGS[0]; 8])
}

fn large(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let mut buffer = Buffer::new(4096)?;
    for size in [8, 9, 16, 4096, u32::MAX] {
        buffer.fill(FILLINGS[0]);
        let room = 64;
        let request = Request::new(HL_INFO_GET_EVENTS, buffer.before_end(room), size);
        succeed("GET_EVENTS", request.sent(&node)).map_err(|stop| stop.request(&request))?;
        let mut expected = vec![0; 8];
        expected.resize(room, FILLINGS[0]);
        equal("the buffer", buffer.read(request.pointer, room), expected)?;
    }
    Ok(())
}
