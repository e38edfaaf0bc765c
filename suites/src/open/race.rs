// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! An open while the previous user is still being released (`device.c: hpriv_release`).

use super::compute::works;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, Stop, check, fail};
use nix::errno::Errno;
use std::sync::atomic::{AtomicBool, Ordering};

/// Closes that are raced with; each is a reset on Gaudi2.
const ROUNDS: u32 = 8;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "open/compute/is_refused_until_the_previous_user_is_released",
            &["OPEN-006"],
            releasing,
        )
        .budget(60),
    ]
}

/// One thread closes, another opens as fast as it can: it is told to try again or that the node is
/// taken until it gets in, and what it gets works.
fn releasing(cx: &Context) -> CaseResult {
    for _ in 0..ROUNDS {
        let node = Node::compute(cx)?;
        let started = AtomicBool::new(false);
        let (closed, next) = std::thread::scope(|scope| {
            let opener = scope.spawn(|| next_user(cx, &started));
            while !started.load(Ordering::Acquire) {
                std::thread::yield_now();
            }
            let closed = node.close();
            (closed, opener.join())
        });
        case::succeed("close", closed)?;
        let next = next.map_err(|_| Stop::Broken("a thread panicked".into()))??;
        works(&next)?;
    }
    Ok(())
}

fn next_user(cx: &Context, started: &AtomicBool) -> CaseResult<Node> {
    let mut refusals = 0u64;
    loop {
        match Node::try_compute(cx) {
            Ok(node) => {
                check(refusals > 0, "the node was taken when the opener came")?;
                return Ok(node);
            }
            Err(Errno::EBUSY | Errno::EAGAIN) => {
                refusals += 1;
                started.store(true, Ordering::Release);
            }
            Err(other) => {
                started.store(true, Ordering::Release);
                return fail(format!("open gives {other:?} while the node is taken"));
            }
        }
    }
}
