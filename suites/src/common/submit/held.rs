// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Queues that the device holds back.

use case::{CaseResult, Context};
use control::Request;

/// Queues that execute nothing; they go on when this is dropped.
pub struct Held<'a> {
    cx: &'a Context,
    queues: Vec<u32>,
}

impl<'a> Held<'a> {
    /// Holds queues back before their next packet.
    pub fn new(cx: &'a Context, queues: &[u32]) -> CaseResult<Self> {
        let mut held = Held { cx, queues: Vec::new() };
        for queue in queues {
            cx.model()?.order(Request::Hold { queue: *queue })?;
            held.queues.push(*queue);
        }
        Ok(held)
    }

    /// Lets them go on.
    pub fn release(mut self) -> CaseResult {
        while let Some(queue) = self.queues.pop() {
            self.cx.model()?.order(Request::Release { queue })?;
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        for queue in &self.queues {
            // The model releases what is left when the case ends.
            if let Ok(mut model) = self.cx.model() {
                let _ = model.order(Request::Release { queue: *queue });
            }
        }
    }
}
