// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The WAIT_CS ioctl: three families of waits (command_submission.c: hl_wait_ioctl).
//!
//! The kernel only reads at the addresses of a wait, so they may be any number.

use crate::{Errno, Node};
use uapi::accel;

/// A wait. Start from a constructor and change what should be wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WaitRequest {
    /// Sequence number, address of the list, address to compare, or handle of the counters.
    pub subject: u64,
    /// Sequence numbers; when there are any, their address replaces `subject`.
    pub list: Vec<u64>,
    /// Microseconds for command submissions, target value for interrupts.
    pub limit: u64,
    /// The context; unused by the driver.
    pub ctx_id: u32,
    /// `HL_WAIT_CS_FLAGS_*` and the interrupt.
    pub flags: u32,
    /// Length of the list in the low byte, or microseconds for interrupts.
    pub third: u64,
    /// Index of the counter.
    pub counter_offset: u64,
    /// Handle of a timestamp buffer.
    pub timestamp_handle: u64,
    /// Index of the timestamp.
    pub timestamp_offset: u64,
}

/// Compares nothing: any interrupt completes the wait.
pub const NO_COMPARISON: u64 = u64::MAX;

/// The place of the interrupt in the flags.
const INTERRUPT_SHIFT: u32 = accel::HL_WAIT_CS_FLAGS_INTERRUPT_MASK.trailing_zeros();

impl WaitRequest {
    /// Waits for one submission.
    pub fn cs(sequence: u64, timeout_us: u64) -> Self {
        WaitRequest { subject: sequence, limit: timeout_us, ..Default::default() }
    }

    /// Waits for any of several submissions.
    pub fn multi_cs(sequences: &[u64], timeout_us: u64) -> Self {
        WaitRequest {
            list: sequences.to_vec(),
            limit: timeout_us,
            flags: accel::HL_WAIT_CS_FLAGS_MULTI_CS,
            third: sequences.len() as u64 & 0xff,
            ..Default::default()
        }
    }

    /// Waits until an interrupt comes and the value at an address of user space is at least the
    /// target.
    pub fn interrupt(interrupt: u32, address: u64, target: u64, timeout_us: u64) -> Self {
        let number = interrupt << INTERRUPT_SHIFT;
        WaitRequest {
            subject: address,
            limit: target,
            flags: accel::HL_WAIT_CS_FLAGS_INTERRUPT | number,
            third: timeout_us,
            ..Default::default()
        }
    }

    /// The same for a counter in a command buffer of the kernel.
    pub fn kernel_cq(
        interrupt: u32,
        handle: u64,
        offset: u64,
        target: u64,
        timeout_us: u64,
    ) -> Self {
        WaitRequest {
            counter_offset: offset,
            ..WaitRequest::interrupt(interrupt, handle, target, timeout_us)
                .flags(accel::HL_WAIT_CS_FLAGS_INTERRUPT_KERNEL_CQ)
        }
    }

    /// Registers a timestamp that is written when the counter reaches the target.
    pub fn register_timestamp(
        interrupt: u32,
        counters: u64,
        counter_offset: u64,
        target: u64,
        timestamps: u64,
        timestamp_offset: u64,
    ) -> Self {
        WaitRequest {
            timestamp_handle: timestamps,
            timestamp_offset,
            ..WaitRequest::kernel_cq(interrupt, counters, counter_offset, target, 0)
                .flags(accel::HL_WAIT_CS_FLAGS_REGISTER_INTERRUPT)
        }
    }

    /// Adds flags.
    pub fn flags(mut self, flags: u32) -> Self {
        self.flags |= flags;
        self
    }

    /// What goes to the kernel; valid as long as `self`.
    pub fn arguments(&self) -> accel::hl_wait_cs_args {
        let WaitRequest {
            subject,
            ref list,
            limit,
            ctx_id,
            flags,
            third,
            counter_offset,
            timestamp_handle,
            timestamp_offset,
        } = *self;
        let mut input = accel::hl_wait_cs_in {
            ctx_id,
            flags,
            cq_counters_offset: counter_offset,
            timestamp_handle,
            timestamp_offset,
            ..Default::default()
        };
        let subject = if list.is_empty() { subject } else { list.as_ptr() as u64 };
        input.__bindgen_anon_1.__bindgen_anon_1 =
            accel::hl_wait_cs_in__bindgen_ty_1__bindgen_ty_1 { seq: subject, timeout_us: limit };
        input.__bindgen_anon_2.interrupt_timeout_us = third;
        accel::hl_wait_cs_args { in_: input }
    }
}

/// What a wait answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitAnswer {
    /// The errno; `ETIMEDOUT` and `EIO` come with a status.
    pub result: Result<(), Errno>,
    /// `HL_WAIT_CS_STATUS_*`. When the kernel wrote no answer these are bytes of the request.
    pub status: u32,
    /// `HL_WAIT_CS_STATUS_FLAG_*`.
    pub flags: u32,
    /// When it completed, where the flags say so.
    pub timestamp_nsec: i64,
    /// Which of the list completed.
    pub completed: u32,
}

impl WaitAnswer {
    /// The status, where the call succeeded.
    pub fn status(&self) -> Result<u32, Errno> {
        self.result.map(|()| self.status)
    }
}

impl Node {
    /// Waits.
    pub fn wait(&self, request: &WaitRequest) -> WaitAnswer {
        self.wait_raw(&mut request.arguments())
    }

    /// Waits for one submission; gives the status.
    pub fn wait_cs(&self, sequence: u64, timeout_us: u64) -> Result<u32, Errno> {
        self.wait(&WaitRequest::cs(sequence, timeout_us)).status()
    }

    /// Waits with arguments in the kernel's own layout.
    pub fn wait_raw(&self, arguments: &mut accel::hl_wait_cs_args) -> WaitAnswer {
        // SAFETY: the kernel only reads at the addresses inside.
        let result = unsafe { self.ioctl(accel::DRM_IOCTL_HL_WAIT_CS, arguments) }.map(|_| ());
        // SAFETY: all members are integers, and the union is initialised as a whole.
        let out = unsafe { arguments.out };
        WaitAnswer {
            result,
            status: out.status,
            flags: out.flags,
            timestamp_nsec: out.timestamp_nsec,
            completed: out.cs_completion_map,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(request: &WaitRequest) -> [u64; 7] {
        let arguments = request.arguments();
        // SAFETY: both are 56 bytes of integers.
        unsafe { std::mem::transmute::<accel::hl_wait_cs_args, [u64; 7]>(arguments) }
    }

    #[test]
    fn one_submission() {
        assert_eq!(words(&WaitRequest::cs(5, 6)), [5, 6, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn several_submissions() {
        let request = WaitRequest::multi_cs(&[1, 2, 3], 9);
        let words = words(&request);
        assert_eq!(words[0], request.list.as_ptr() as u64);
        assert_eq!(words[1..4], [9, 4 << 32, 3]);
    }

    #[test]
    fn interrupts() {
        let words = words(&WaitRequest::register_timestamp(3, 4, 5, 6, 7, 8));
        assert_eq!(words, [4, 6, (3 << 20 | 0x32) << 32, 0, 5, 7, 8]);
    }
}
