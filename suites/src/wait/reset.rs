// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Waits for interrupts that a reset ends (command_submission.c:
//! hl_release_pending_user_interrupts). Gaudi2 only.

use crate::common::submit::{Beside, Card, PATIENCE_US, operational};
use crate::common::typed::need;
use crate::info::reset;
use case::{Case, CaseResult, Context, equal, succeed};
use control::Asics;
use device::{Errno, Pages, WaitRequest};
use uapi::accel::{HL_WAIT_CS_FLAGS_ANY_CQ_INTERRUPT, HL_WAIT_CS_STATUS_ABORTED};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("wait/interrupt/a_reset_ends_it", &["WAIT-INTR-013"], ended)
            .on(Asics::GAUDI2)
            .resets(1)
            .budget(90)
            .logs(&["Hard-Reset requested through sysfs", "interrupt based wait ioctl aborted"]),
    ]
}

/// The common interrupt of all queues.
const ANY_QUEUE: u32 = HL_WAIT_CS_FLAGS_ANY_CQ_INTERRUPT >> 20;

/// A wait for a value of the user says so in its answer, one for a counter fails.
fn ended(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let info = succeed("INFO HW_IP", card.node.hw_ip())?;
    let pages = need("memory", Pages::new(4096))?;
    let address = pages.pointer(0).address();
    let buffer = succeed("CREATE", card.node.create_cb(4096, 0))?;
    let handle = buffer.handle();
    // It goes with the close.
    std::mem::forget(buffer);
    let numbers = [u32::from(info.first_available_interrupt_id), ANY_QUEUE];
    let requests = numbers.map(|number| {
        let user = WaitRequest::interrupt(number, address, 7, PATIENCE_US);
        [user, WaitRequest::kernel_cq(number, handle, 0, 7, PATIENCE_US)]
    });
    let requests = requests.concat();
    let node = &card.node;
    let answers = std::thread::scope(|scope| -> CaseResult<_> {
        let start = |request| Beside::start(scope, move || node.wait(request));
        let waits = requests.iter().map(start).collect::<CaseResult<Vec<_>>>()?;
        waits.iter().try_for_each(Beside::asleep)?;
        reset::start(cx)?;
        waits.into_iter().map(Beside::join).collect::<CaseResult<Vec<_>>>()
    })?;
    let Card { cx, node, chip: _ } = card;
    succeed("close", node.close())?;
    operational(cx)?;
    for (request, [user, counter]) in requests.chunks(2).zip(answers.as_chunks().0) {
        equal("status of a wait for a value", user.status(), Ok(HL_WAIT_CS_STATUS_ABORTED))
            .map_err(|stop| stop.request(&request[0]))?;
        equal("status of a wait for a counter", counter.status(), Err(Errno::EIO))
            .map_err(|stop| stop.request(&request[1]))?;
    }
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}
