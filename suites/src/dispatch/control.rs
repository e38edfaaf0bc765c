// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The control node has a dispatcher of its own (`habanalabs_ioctl.c: hl_ioctl_control`,
//! `_hl_ioctl`): it compares the number alone, and takes the direction from its table.

use super::arguments::{self, INFO, WHOLE, answered, bytes_of, status_request};
use super::numbers::refused;
use crate::common::buffer::{Buffer, KERNEL_ADDRESS, PAGE};
use crate::common::node::Node;
use case::{Case, CaseResult, Context, errno, succeed};
use nix::errno::Errno;
use uapi::number::{ACCEL, MISC, request_name};
use uapi::{Direction, Number};

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new("dispatch/control/refuses_every_other_number", &["DISP-023"], others),
        Case::new("dispatch/control/refuses_the_numbers_of_6_1", &["DISP-023"], |cx| {
            let node = Node::control(cx)?;
            let mut all = MISC.iter().map(|(request, _)| Number::of(*request));
            all.try_for_each(|number| refused(&node, number, Errno::ENOTTY))
        }),
        Case::new("dispatch/control/takes_any_direction", &["DISP-022"], directions),
        Case::new("dispatch/control/takes_any_type_letter", &["DISP-024"], letters),
        Case::new("dispatch/control/reads_the_missing_tail_as_zero", &["DISP-022"], |cx| {
            arguments::short(&Node::control(cx)?)
        }),
        Case::new("dispatch/control/ignores_bytes_past_the_argument", &["DISP-025"], |cx| {
            arguments::long(&Node::control(cx)?)
        }),
        Case::new("dispatch/control/takes_an_empty_argument_for_zeros", &["DISP-022"], |cx| {
            arguments::empty(&Node::control(cx)?)
        }),
        Case::new("dispatch/control/reports_arguments_it_cannot_read", &["DISP-026"], unreadable),
        Case::new("dispatch/control/carries_out_what_it_cannot_answer", &["DISP-026"], |cx| {
            arguments::read_only(&Node::control(cx)?)
        }),
        Case::new("dispatch/control/copies_the_argument_back_on_failure", &["DISP-022"], |cx| {
            arguments::back_on_failure(&Node::control(cx)?)
        }),
    ];
    cases.into_iter().map(Case::control_only).collect()
}

fn others(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    for (request, _) in &ACCEL[1..] {
        refused(&node, Number::of(*request), Errno::ENOTTY)?;
    }
    for nr in (0..=u8::MAX).filter(|nr| *nr != INFO.nr) {
        refused(&node, INFO.nr(nr), Errno::ENOTTY)?;
    }
    Ok(())
}

/// A number with a valid request behind it works.
#[track_caller]
fn works(node: &Node, number: Number) -> CaseResult {
    let mut answer = Buffer::new(8)?;
    let mut argument = Buffer::new(WHOLE)?;
    let at = argument.before_end(WHOLE);
    argument.write(at, &bytes_of(status_request(&answer)));
    let request = number.request();
    succeed(&request_name(request), node.ioctl(request, at))?;
    answered(&mut answer)
}

fn directions(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    Direction::ALL.into_iter().try_for_each(|direction| works(&node, INFO.direction(direction)))
}

fn letters(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    (0..=u8::MAX).try_for_each(|kind| works(&node, INFO.kind(kind)))
}

fn unreadable(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let buffer = Buffer::new(PAGE)?;
    // Nothing there, the kernel's memory, the last byte missing.
    let early = buffer.before_end(WHOLE - 1);
    for at in [0, 1, buffer.forbidden(), KERNEL_ADDRESS, u64::MAX, early] {
        let what = format!("{} at {at:#x}", request_name(INFO.request()));
        errno(&what, node.ioctl(INFO.request(), at), Errno::EFAULT)?;
    }
    works(&node, INFO)
}
