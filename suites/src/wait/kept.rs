// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What waits keep of submissions when they fail (command_submission.c: hl_cs_poll_fences,
//! hl_cs_wait_ioctl; context.c: hl_ctx_get_fences).
//!
//! A wait that keeps its hold on a submission keeps a small object of the kernel for good. The
//! context holds the latest submissions, too, so the objects are counted after each close.

use crate::common::leak::{Rounds, kernel_objects_stay};
use crate::common::submit::{Beside, Card, PATIENCE_US, operational};
use crate::info::reset;
use case::{Case, CaseResult, Context, Stop, equal, errno, succeed};
use control::Asics;
use device::{Errno, WaitAnswer, WaitRequest};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("wait/many/keeps_nothing_of_refused_lists", &["WAIT-MULTI-006"], refused)
            .on(Asics::GAUDI)
            .budget(60)
            .logs(&["Failed to get fence for CS", "Can't wait on CS"]),
        Case::new("wait/many/keeps_nothing_of_those_that_are_aborted", ABORTED, aborted)
            .on(Asics::GAUDI)
            .budget(120)
            .resets(ROUNDS.first + ROUNDS.counted)
            .logs(LOG),
    ]
}

const ABORTED: &[&str] = &["WAIT-CS-011", "WAIT-MULTI-007"];
const LOG: &[&str] = &[
    "Hard-Reset requested through sysfs",
    "has been aborted while user process",
    "Killing CS",
    "device still in use",
    "wait_for_fence error",
];

/// Each is a reset.
const ROUNDS: Rounds = Rounds::once(2, 6);
/// The longest list of a wait (`HL_WAIT_MULTI_CS_LIST_MAX_LEN`).
const LIST: usize = 32;

fn refused(cx: &Context) -> CaseResult {
    kernel_objects_stay(Rounds::new(2, 6), LIST as u64, || {
        let card = Card::open(cx)?;
        let job = card.nop(card.upload(0))?;
        // Two lists, so that a round that keeps them keeps twice what is allowed.
        for _ in 0..2 {
            let mut list = (1..LIST).map(|_| card.run(&job)).collect::<CaseResult<Vec<_>>>()?;
            list.push(u64::MAX);
            let answer = card.node.wait(&WaitRequest::multi_cs(&list, PATIENCE_US));
            errno("WAIT_CS with one to come", answer.result, Errno::EINVAL)
                .map_err(|stop| stop.request(&answer))?;
        }
        Ok(())
    })
}

fn aborted(cx: &Context) -> CaseResult {
    // Half of what rounds keep that keep their list.
    kernel_objects_stay(ROUNDS, LIST as u64 / 2, || round(cx))
}

/// Waits for many and for single ones which a reset ends. The process has a second to close.
fn round(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let list = {
        // Behind a job that waits for a fence that nobody raises.
        let stuck = card.job(queue, &card.program().fence(0, 1, 1))?;
        let mut list = vec![card.start(&stuck)?];
        let job = card.nop(queue)?;
        for _ in 1..LIST {
            list.push(card.start(&job)?);
        }
        list
    };
    let node = &card.node;
    let (many, single) = std::thread::scope(|scope| -> CaseResult<_> {
        let list = &list;
        let wait = move |request: WaitRequest| move || node.wait(&request);
        let many = Beside::start(scope, wait(WaitRequest::multi_cs(list, PATIENCE_US)))?;
        let single = [0, 1, LIST - 1]
            .map(|at| Beside::start(scope, wait(WaitRequest::cs(list[at], PATIENCE_US))));
        let single = single.into_iter().collect::<CaseResult<Vec<_>>>()?;
        many.asleep()?;
        single.iter().try_for_each(Beside::asleep)?;
        reset::start(cx)?;
        let single = single.into_iter().map(Beside::join).collect::<CaseResult<Vec<_>>>()?;
        Ok((many.join()?, single))
    })?;
    let Card { cx, node, chip: _ } = card;
    succeed("close", node.close())?;
    operational(cx)?;
    for answer in single.iter().chain([&many]) {
        ended(answer)?;
    }
    equal("submissions that many call done", many.completed, 0)
}

/// A wait that a reset has ended.
#[track_caller]
fn ended(answer: &WaitAnswer) -> CaseResult {
    errno("WAIT_CS for what a reset aborts", answer.result, Errno::EIO)
        .map_err(|stop: Stop| stop.request(answer))
}
