// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Counters of events, and how a user hears of them. Overheating is the event that disturbs least:
//! it notifies users and changes nothing else.

use super::{LIMIT, handled, heat, id, post};
use crate::common::buffer::Buffer;
use crate::common::eventfd::{eventfd, signals};
use crate::common::node::Node;
use crate::info::call::Request;
use crate::info::eventfd::{events, number, register_fd, unregister};
use crate::info::reset;
use case::{Case, CaseResult, Context, check, equal, errno, fail, succeed};
use control::Asic;
use nix::errno::Errno;
use uapi::accel::{HL_INFO_GET_EVENTS, HL_NOTIFIER_EVENT_USER_ENGINE_ERR as USER_ENGINE_ERR};

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new(
            "info/hw_events/counts_each_event_once",
            &["INFO-HW_EVENTS-001", "INFO-HW_EVENTS_AGGREGATE-001"],
            counts,
        )
        .control_only(),
        Case::new(
            "info/hw_events/starts_again_after_a_hard_reset",
            &["INFO-HW_EVENTS-008", "INFO-HW_EVENTS_AGGREGATE-006"],
            restarts,
        )
        .control_only()
        .resets(1)
        .logs(reset::LOG),
        Case::new(
            "info/register_eventfd/is_signalled_by_an_event",
            &["INFO-REGISTER_EVENTFD-005"],
            signalled,
        )
        .rows_on(Asic::Gaudi2, &["EVT-006"]),
        Case::new(
            "info/unregister_eventfd/ends_the_signals",
            &["INFO-UNREGISTER_EVENTFD-001"],
            ended,
        ),
        Case::new("info/get_events/gives_each_event_once", &["INFO-GET_EVENTS-004"], once),
        Case::new("info/get_events/loses_what_it_cannot_deliver", &["INFO-GET_EVENTS-003"], lost),
        Case::new("info/get_events/starts_empty_for_the_next_user", &["INFO-GET_EVENTS-001"], next),
    ];
    cases.into_iter().map(|case| case.budget(60)).collect()
}

fn counts(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let mut expected = handled(&node)?;
    let [start, end] = heat(cx.asic());
    for event in [start, end, start, end] {
        post(cx, &node, event)?;
        for counters in &mut expected {
            counters[usize::from(event)] += 1;
            counters[usize::from(id::nothing(cx.asic()))] += 1;
        }
        let seen = handled(&node)?;
        for (index, name) in ["since the reset", "since the driver was loaded"].iter().enumerate() {
            let wrong = (0..seen[index].len()).find(|at| seen[index][*at] != expected[index][*at]);
            if let Some(at) = wrong {
                equal(&format!("event {at} {name}"), seen[index][at], expected[index][at])?;
            }
        }
    }
    Ok(())
}

/// The sum since the driver was loaded outlives a reset, the other count does not.
fn restarts(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let before = reset::resets(&node)?;
    for event in heat(cx.asic()) {
        post(cx, &node, event)?;
    }
    let [since, sum] = handled(&node)?;
    reset::start(cx)?;
    reset::begun(&node, before)?;
    reset::done(&node)?;
    let [since_now, sum_now] = handled(&node)?;
    for event in heat(cx.asic()).map(usize::from) {
        check(since[event] > 0, &format!("event {event} was counted before the reset"))?;
        equal(&format!("count of event {event} since the reset"), since_now[event], 0)?;
        equal(&format!("sum of event {event}"), sum_now[event], sum[event])?;
    }
    Ok(())
}

fn signalled(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let event = eventfd()?;
    succeed("REGISTER_EVENTFD", register_fd(&node, number(&event)))?;
    equal("reading the eventfd before", event.read(), Err(Errno::EAGAIN))?;
    for hardware in heat(cx.asic()) {
        post(cx, &node, hardware)?;
        equal("signals", signals(&event, LIMIT)?, 1)?;
        equal("events", events(&node)?, USER_ENGINE_ERR)?;
    }
    equal("reading the eventfd afterwards", event.read(), Err(Errno::EAGAIN))
}

fn ended(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let event = eventfd()?;
    succeed("REGISTER_EVENTFD", register_fd(&node, number(&event)))?;
    succeed("UNREGISTER_EVENTFD", unregister(&node))?;
    post(cx, &node, heat(cx.asic())[0])?;
    post(cx, &node, heat(cx.asic())[1])?;
    // The mask tells that the notification went out; the eventfd did not hear of it.
    equal("events", events(&node)?, USER_ENGINE_ERR)?;
    equal("reading the eventfd", event.read(), Err(Errno::EAGAIN))
}

fn once(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    for event in heat(cx.asic()) {
        post(cx, &node, event)?;
        equal("events", events(&node)?, USER_ENGINE_ERR)?;
        equal("events again", events(&node)?, 0)?;
    }
    Ok(())
}

/// A mask that cannot be written is cleared all the same (`events_info`).
fn lost(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    post(cx, &node, heat(cx.asic())[0])?;
    let buffer = Buffer::new(8)?;
    let request = Request::new(HL_INFO_GET_EVENTS, buffer.forbidden(), 8);
    errno("GET_EVENTS", request.sent(&node), Errno::EFAULT)?;
    equal("events", events(&node)?, 0)?;
    post(cx, &node, heat(cx.asic())[1])?;
    equal("events of the next event", events(&node)?, USER_ENGINE_ERR)
}

fn next(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let node = Node::compute(cx)?;
    post(cx, &control, heat(cx.asic())[0])?;
    post(cx, &control, heat(cx.asic())[1])?;
    drop(node);
    let node = Node::compute(cx)?;
    if events(&node)? != 0 {
        return fail("a user gets events of the one before");
    }
    Ok(())
}
