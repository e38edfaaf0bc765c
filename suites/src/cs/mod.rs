// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Command submission: the CS ioctl (command_submission.c: hl_cs_ioctl, hw_queue.c).
//!
//! Waits for submissions are in `wait`, the packets inside of jobs in `packet`, data that moves in
//! `transfer`. Not covered: running out of kernel memory.

mod buffer;
mod chunk;
mod complete;
mod encapsulate;
mod engine;
mod limit;
mod queue;
mod refuse;
mod signal;
mod stage;
mod timeout;

use case::Case;

pub use queue::faulty;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    [
        refuse::cases(),
        chunk::cases(),
        queue::cases(),
        buffer::cases(),
        complete::cases(),
        limit::cases(),
        signal::cases(),
        encapsulate::cases(),
        stage::cases(),
        timeout::cases(),
        engine::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
