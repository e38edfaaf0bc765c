// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Waits: the WAIT_CS ioctl (command_submission.c: hl_wait_ioctl).
//!
//! Waits that end with a reset are in `cs/timeout`.

mod gone;
mod interrupt;
mod kept;
mod many;
mod one;
mod reset;
mod timestamp;

use crate::common::submit::Beside;
use case::{Case, CaseResult, equal, errno};
use device::{Errno, Node, WaitRequest};

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    [
        one::cases(),
        gone::cases(),
        many::cases(),
        kept::cases(),
        interrupt::cases(),
        timestamp::cases(),
        reset::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Where a write of a number raises the interrupt of Gaudi2 with that number (gaudi2.h:
/// RESERVED_VA_FOR_VIRTUAL_MSIX_DOORBELL_START).
pub(crate) const DOORBELL: u64 = 0xfff0_77ff_ffff_0000;

/// The arguments of a wait as words.
fn words(arguments: &uapi::accel::hl_wait_cs_args) -> [u64; 7] {
    // SAFETY: both are 56 bytes of integers.
    unsafe { std::mem::transmute::<uapi::accel::hl_wait_cs_args, [u64; 7]>(*arguments) }
}

/// A signal ends a wait that sleeps: EINTR, with the arguments as they were.
fn ended_by_a_signal(node: &Node, request: &WaitRequest) -> CaseResult {
    let (answer, after) = std::thread::scope(|scope| -> CaseResult<_> {
        let beside = Beside::start(scope, || {
            let mut arguments = request.arguments();
            let answer = node.wait_raw(&mut arguments);
            (answer, words(&arguments))
        })?;
        beside.asleep()?;
        beside.interrupt()
    })?;
    errno("WAIT_CS with a signal", answer.result, Errno::EINTR)?;
    equal("arguments afterwards", after, words(&request.arguments()))
}
