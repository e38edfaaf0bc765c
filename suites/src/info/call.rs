// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One INFO call: every field of the argument can be anything.

use crate::common::buffer::FILLINGS;
use crate::common::node::Node;
use case::{CaseResult, succeed};
use nix::errno::Errno;
use std::fmt;
use std::mem::{MaybeUninit, offset_of};
use uapi::accel;

/// The argument of INFO. The fifth field is a union in the header: `dcore_id`, `pll_index`,
/// `eventfd`, `user_buffer_actual_size`, `sec_attest_nonce`, `array_size`, `fw_sub_opcode`.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Request {
    /// `return_pointer`.
    pub pointer: u64,
    /// `return_size`.
    pub size: u32,
    /// `op`.
    pub op: u32,
    /// The union.
    pub extra: u32,
    /// `pad`.
    pub pad: u32,
}

const _: () = {
    assert!(size_of::<Request>() == size_of::<accel::hl_info_args>());
    assert!(offset_of!(Request, pointer) == offset_of!(accel::hl_info_args, return_pointer));
    assert!(offset_of!(Request, size) == offset_of!(accel::hl_info_args, return_size));
    assert!(offset_of!(Request, op) == offset_of!(accel::hl_info_args, op));
    assert!(offset_of!(Request, extra) == offset_of!(accel::hl_info_args, __bindgen_anon_1));
    assert!(offset_of!(Request, pad) == offset_of!(accel::hl_info_args, pad));
};

impl Request {
    /// A call of an opcode with an answer buffer.
    pub fn new(op: u32, pointer: u64, size: u32) -> Self {
        Request { pointer, size, op, ..Request::default() }
    }

    /// The same with a value in the union.
    pub fn extra(mut self, extra: u32) -> Self {
        self.extra = extra;
        self
    }

    /// The same with a value in the padding.
    pub fn pad(mut self, pad: u32) -> Self {
        self.pad = pad;
        self
    }

    /// Sends it. The driver copies the argument back, failed or not.
    pub fn send(&mut self, node: &Node) -> Result<(), Errno> {
        node.ioctl(accel::DRM_IOCTL_HL_INFO, std::ptr::from_mut(self) as u64)
    }

    /// Sends a copy of it.
    pub fn sent(mut self, node: &Node) -> Result<(), Errno> {
        self.send(node)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request { pointer, size, op, extra, pad } = *self;
        write!(
            f,
            "hl_info_args {{ return_pointer: {pointer:#x}, return_size: {size}, op: {op}, \
             union: {extra:#x}, pad: {pad} }}"
        )
    }
}

/// A structure of the header that an opcode answers with.
///
/// # Safety
///
/// Every pattern of bytes is a value: integers and arrays of them.
pub unsafe trait Answer: Copy {
    /// The opcode.
    const OP: u32;
}

macro_rules! answers {
    ($($structure:ident = $op:ident,)*) => {$(
        // SAFETY: the structures of the header consist of integers.
        unsafe impl Answer for accel::$structure {
            const OP: u32 = accel::$op;
        }
    )*};
}

answers! {
    hl_info_hw_ip_info = HL_INFO_HW_IP_INFO,
    hl_info_dram_usage = HL_INFO_DRAM_USAGE,
    hl_info_hw_idle = HL_INFO_HW_IDLE,
    hl_info_device_status = HL_INFO_DEVICE_STATUS,
    hl_info_device_utilization = HL_INFO_DEVICE_UTILIZATION,
    hl_info_clk_rate = HL_INFO_CLK_RATE,
    hl_info_reset_count = HL_INFO_RESET_COUNT,
    hl_info_time_sync = HL_INFO_TIME_SYNC,
    hl_info_cs_counters = HL_INFO_CS_COUNTERS,
    hl_info_pci_counters = HL_INFO_PCI_COUNTERS,
    hl_info_clk_throttle = HL_INFO_CLK_THROTTLE_REASON,
    hl_info_sync_manager = HL_INFO_SYNC_MANAGER,
    hl_info_energy = HL_INFO_TOTAL_ENERGY,
    hl_pll_frequency_info = HL_INFO_PLL_FREQUENCY,
    hl_power_info = HL_INFO_POWER,
    hl_open_stats_info = HL_INFO_OPEN_STATS,
    hl_info_last_err_open_dev_time = HL_INFO_LAST_ERR_OPEN_DEV_TIME,
    hl_info_cs_timeout_event = HL_INFO_CS_TIMEOUT_EVENT,
    hl_info_razwi_event = HL_INFO_RAZWI_EVENT,
    hl_info_dev_memalloc_page_sizes = HL_INFO_DEV_MEM_ALLOC_PAGE_SIZES,
    hl_info_sec_attest = HL_INFO_SECURED_ATTESTATION,
    hl_info_undefined_opcode_event = HL_INFO_UNDEFINED_OPCODE_EVENT,
    hl_page_fault_info = HL_INFO_PAGE_FAULT_EVENT,
    hl_info_hw_err_event = HL_INFO_HW_ERR_EVENT,
    hl_info_fw_err_event = HL_INFO_FW_ERR_EVENT,
    hl_info_engine_err_event = HL_INFO_USER_ENGINE_ERR_EVENT,
    hl_info_signed = HL_INFO_DEV_SIGNED,
}

/// The answer of an opcode; the union holds `extra`.
#[track_caller]
pub fn ask_with<A: Answer>(node: &Node, extra: u32) -> CaseResult<A> {
    let mut answer = MaybeUninit::<A>::uninit();
    // SAFETY: fills memory of this size; what the driver does not write stays recognisable.
    unsafe { std::ptr::write_bytes(&mut answer, FILLINGS[0], 1) };
    let pointer = answer.as_mut_ptr() as u64;
    let request = Request::new(A::OP, pointer, size_of::<A>() as u32).extra(extra);
    succeed("INFO", request.sent(node)).map_err(|stop| stop.request(&request))?;
    // SAFETY: all bytes were written above, and every pattern is a value of the type.
    Ok(unsafe { answer.as_ptr().read_volatile() })
}

/// The answer of an opcode that takes no parameter.
#[track_caller]
pub fn ask<A: Answer>(node: &Node) -> CaseResult<A> {
    ask_with(node, 0)
}

/// The bytes of an opcode whose answer is no structure of the header.
#[track_caller]
pub fn ask_bytes(node: &Node, op: u32, bytes: usize) -> CaseResult<Vec<u8>> {
    let buffer = crate::common::buffer::Buffer::new(bytes)?;
    let pointer = buffer.before_end(bytes);
    let request = Request::new(op, pointer, bytes as u32);
    succeed("INFO", request.sent(node)).map_err(|stop| stop.request(&request))?;
    Ok(buffer.read(pointer, bytes))
}

/// Words of an answer that is an array of u32.
#[track_caller]
pub fn ask_words(node: &Node, op: u32, words: usize) -> CaseResult<Vec<u32>> {
    let bytes = ask_bytes(node, op, words * 4)?;
    let word = |chunk: &[u8]| u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    Ok(bytes.chunks_exact(4).map(word).collect())
}

/// Text in a field of fixed size: up to its first zero.
pub fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ends_at_the_first_zero() {
        assert_eq!(text(b"HL205\0\0x"), "HL205");
        assert_eq!(text(b"full"), "full");
        assert_eq!(text(b""), "");
    }

    #[test]
    fn requests_are_printed_as_the_header_names_them() {
        let request = Request::new(3, 0x1000, 40).extra(7).pad(1);
        let text =
            "hl_info_args { return_pointer: 0x1000, return_size: 40, op: 3, union: 0x7, pad: 1 }";
        assert_eq!(format!("{request:?}"), text);
    }
}
