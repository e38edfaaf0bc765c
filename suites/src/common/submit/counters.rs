// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The counters of dropped submissions (command_submission.c, hw_queue.c: `cs_counters`).

use case::{CaseResult, equal, succeed};
use device::Node;
use uapi::accel::hl_info_cs_counters;

/// Why a submission was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The kernel's memory is used up.
    Memory,
    /// A packet or the address of a job is not allowed.
    Parsing,
    /// A queue has no room.
    QueueFull,
    /// The device is in reset.
    InReset,
    /// Too many submissions are not completed.
    InFlight,
    /// An argument is wrong.
    Validation,
}

/// The counters, by the order of [`Dropped`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Of the device.
    pub total: [u64; 6],
    /// Of the context.
    pub own: [u64; 6],
}

impl Counters {
    /// Reads them.
    #[track_caller]
    pub fn read(node: &Node) -> CaseResult<Self> {
        let now: hl_info_cs_counters = succeed("INFO CS_COUNTERS", node.cs_counters())?;
        Ok(Counters {
            total: [
                now.total_out_of_mem_drop_cnt,
                now.total_parsing_drop_cnt,
                now.total_queue_full_drop_cnt,
                now.total_device_in_reset_drop_cnt,
                now.total_max_cs_in_flight_drop_cnt,
                now.total_validation_drop_cnt,
            ],
            own: [
                now.ctx_out_of_mem_drop_cnt,
                now.ctx_parsing_drop_cnt,
                now.ctx_queue_full_drop_cnt,
                now.ctx_device_in_reset_drop_cnt,
                now.ctx_max_cs_in_flight_drop_cnt,
                now.ctx_validation_drop_cnt,
            ],
        })
    }

    /// The same after some submissions were dropped.
    pub fn after(mut self, reason: Option<Dropped>, times: u64) -> Self {
        if let Some(reason) = reason {
            self.total[reason as usize] += times;
            self.own[reason as usize] += times;
        }
        self
    }

    /// Only this counter has grown since, by so much.
    #[track_caller]
    pub fn grew(self, node: &Node, reason: Option<Dropped>, times: u64) -> CaseResult {
        let now = Counters::read(node)?;
        equal("counters of dropped submissions", now, self.after(reason, times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_moves_its_two_counters() {
        let before = Counters { total: [9; 6], own: [0; 6] };
        let after = before.after(Some(Dropped::QueueFull), 2);
        assert_eq!(after.total, [9, 9, 11, 9, 9, 9]);
        assert_eq!(after.own, [0, 0, 2, 0, 0, 0]);
        assert_eq!(before.after(None, 5), before);
    }
}
