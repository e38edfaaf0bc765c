// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The INFO ioctl: one opcode, one method (habanalabs_ioctl.c: _hl_info_ioctl).
//!
//! The kernel cuts its answer to the size of the buffer, and a buffer larger than the answer
//! keeps its tail. Methods here offer exactly the structure; for anything else send an
//! [`InfoRequest`].

use crate::{Errno, Node, Pointer};
use std::os::fd::{AsFd, AsRawFd};
use uapi::accel::{self, *};

/// A request as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoRequest {
    /// `HL_INFO_*`.
    pub op: u32,
    /// Where the answer goes.
    pub pointer: Pointer,
    /// Bytes there.
    pub size: u32,
    /// Die, PLL, nonce, descriptor or sub-opcode.
    pub word: u32,
    /// Must be 0.
    pub pad: u32,
}

impl InfoRequest {
    /// An opcode whose answer of `size` bytes goes to `pointer`.
    pub fn new(op: u32, pointer: Pointer, size: u32) -> Self {
        InfoRequest { op, pointer, size, word: 0, pad: 0 }
    }

    /// The same with this word.
    pub fn word(mut self, word: u32) -> Self {
        self.word = word;
        self
    }

    /// The same with this padding.
    pub fn pad(mut self, pad: u32) -> Self {
        self.pad = pad;
        self
    }

    /// What goes to the kernel.
    pub fn arguments(&self) -> accel::hl_info_args {
        let InfoRequest { op, pointer, size, word, pad } = *self;
        arguments(op, pointer.address(), size, word, pad)
    }
}

fn arguments(op: u32, address: u64, size: u32, word: u32, pad: u32) -> accel::hl_info_args {
    let word = accel::hl_info_args__bindgen_ty_1 { dcore_id: word };
    accel::hl_info_args {
        return_pointer: address,
        return_size: size,
        op,
        __bindgen_anon_1: word,
        pad,
    }
}

/// A structure of the kernel that is nothing but integers.
///
/// # Safety
///
/// Every pattern of bytes must be a value.
pub unsafe trait Plain: Copy + Default {}

/// Opcode, method, structure and one line for each that needs nothing but its opcode.
macro_rules! plain {
    ($($op:ident $method:ident $structure:ident $about:literal;)*) => {
        $(
            // SAFETY: the structure is generated from a header of integers.
            unsafe impl Plain for $structure {}
        )*
        impl Node {
            $(
                #[doc = $about]
                #[doc = concat!("(`", stringify!($op), "`).")]
                pub fn $method(&self) -> Result<$structure, Errno> {
                    self.info(accel::$op, 0)
                }
            )*
        }
    };
}

plain! {
    HL_INFO_HW_IP_INFO hw_ip hl_info_hw_ip_info "What the chip is";
    HL_INFO_DRAM_USAGE dram_usage hl_info_dram_usage "Device memory in use";
    HL_INFO_HW_IDLE hw_idle hl_info_hw_idle "Which engines are busy";
    HL_INFO_DEVICE_STATUS device_status hl_info_device_status "The state of the device";
    HL_INFO_DEVICE_UTILIZATION utilization hl_info_device_utilization "How busy it is, in percent";
    HL_INFO_CLK_RATE clock_rate hl_info_clk_rate "The clock";
    HL_INFO_RESET_COUNT reset_count hl_info_reset_count "Resets since the driver was loaded";
    HL_INFO_TIME_SYNC time_sync hl_info_time_sync "The clocks of device and host";
    HL_INFO_CS_COUNTERS cs_counters hl_info_cs_counters "Dropped submissions";
    HL_INFO_PCI_COUNTERS pci_counters hl_info_pci_counters "Traffic and replays";
    HL_INFO_CLK_THROTTLE_REASON clock_throttling hl_info_clk_throttle "Why the clock is slow";
    HL_INFO_TOTAL_ENERGY total_energy hl_info_energy "Energy since boot";
    HL_INFO_POWER power hl_power_info "Power now";
    HL_INFO_OPEN_STATS open_stats hl_open_stats_info "How often it was opened";
    HL_INFO_LAST_ERR_OPEN_DEV_TIME last_failed_open hl_info_last_err_open_dev_time
        "When an open failed because of the device";
    HL_INFO_CS_TIMEOUT_EVENT cs_timeout_event hl_info_cs_timeout_event "The first CS timeout";
    HL_INFO_RAZWI_EVENT razwi_event hl_info_razwi_event "The first illegal access";
    HL_INFO_DEV_MEM_ALLOC_PAGE_SIZES page_sizes hl_info_dev_memalloc_page_sizes
        "Page sizes of device memory";
    HL_INFO_UNDEFINED_OPCODE_EVENT undefined_opcode_event hl_info_undefined_opcode_event
        "The first undefined packet";
    HL_INFO_PAGE_FAULT_EVENT page_fault_event hl_page_fault_info "The first page fault";
    HL_INFO_HW_ERR_EVENT hw_error_event hl_info_hw_err_event "The first hardware error";
    HL_INFO_FW_ERR_EVENT fw_error_event hl_info_fw_err_event "The first firmware error";
    HL_INFO_USER_ENGINE_ERR_EVENT engine_error_event hl_info_engine_err_event
        "The first error of an engine of the user";
}

// SAFETY: integers.
unsafe impl Plain for u32 {}
// SAFETY: integers.
unsafe impl Plain for u64 {}
// SAFETY: generated from a header of integers.
unsafe impl Plain for hl_info_sync_manager {}
// SAFETY: generated from a header of integers.
unsafe impl Plain for hl_pll_frequency_info {}
// SAFETY: generated from a header of integers.
unsafe impl Plain for hl_info_sec_attest {}
// SAFETY: generated from a header of integers.
unsafe impl Plain for hl_info_signed {}
// SAFETY: generated from a header of integers.
unsafe impl Plain for hl_user_mapping {}

impl Node {
    /// Sends a request exactly so; gives the word of the answer.
    pub fn info_request(&self, request: &InfoRequest) -> Result<u32, Errno> {
        self.info_send(&mut request.arguments())
    }

    fn info_send(&self, arguments: &mut accel::hl_info_args) -> Result<u32, Errno> {
        // SAFETY: the answer goes to a `Pointer`, or to a buffer of its size that the caller
        // holds.
        unsafe { self.ioctl(accel::DRM_IOCTL_HL_INFO, arguments) }?;
        // SAFETY: all members are one integer.
        Ok(unsafe { arguments.__bindgen_anon_1.array_size })
    }

    /// Asks with an opcode and a word; the answer fills the structure.
    pub fn info<T: Plain>(&self, op: u32, word: u32) -> Result<T, Errno> {
        let mut values = self.info_list(op, word, 1)?;
        values.pop().ok_or(Errno::ENODATA)
    }

    /// Asks for a list of this length.
    pub fn info_list<T: Plain>(&self, op: u32, word: u32, count: usize) -> Result<Vec<T>, Errno> {
        self.info_list_and_word(op, word, count).map(|(list, _)| list)
    }

    fn info_list_and_word<T: Plain>(
        &self,
        op: u32,
        word: u32,
        count: usize,
    ) -> Result<(Vec<T>, u32), Errno> {
        let mut values = vec![T::default(); count];
        let bytes = u32::try_from(size_of_val(values.as_slice())).map_err(|_| Errno::E2BIG)?;
        let address = values.as_mut_ptr() as u64;
        let word = self.info_send(&mut arguments(op, address, bytes, word, 0))?;
        Ok((values, word))
    }

    /// Asks for bytes; gives the word of the answer.
    pub fn info_bytes(&self, op: u32, word: u32, into: &mut [u8]) -> Result<u32, Errno> {
        let bytes = u32::try_from(into.len()).map_err(|_| Errno::E2BIG)?;
        let address = into.as_mut_ptr() as u64;
        self.info_send(&mut arguments(op, address, bytes, word, 0))
    }

    /// Events of the hardware since the last reset, by number (`HL_INFO_HW_EVENTS`); `count` is
    /// `hl_info_hw_ip_info::num_of_events`.
    pub fn hw_events(&self, count: usize) -> Result<Vec<u32>, Errno> {
        self.info_list(HL_INFO_HW_EVENTS, 0, count)
    }

    /// The same since the driver was loaded (`HL_INFO_HW_EVENTS_AGGREGATE`).
    pub fn hw_events_aggregate(&self, count: usize) -> Result<Vec<u32>, Errno> {
        self.info_list(HL_INFO_HW_EVENTS_AGGREGATE, 0, count)
    }

    /// The first sync objects that are free for user space on a die (`HL_INFO_SYNC_MANAGER`).
    pub fn sync_manager(&self, die: u32) -> Result<hl_info_sync_manager, Errno> {
        self.info(HL_INFO_SYNC_MANAGER, die)
    }

    /// Frequencies of a PLL (`HL_INFO_PLL_FREQUENCY`).
    pub fn pll_frequency(&self, pll: u32) -> Result<hl_pll_frequency_info, Errno> {
        self.info(HL_INFO_PLL_FREQUENCY, pll)
    }

    /// Rows of memory that were replaced, as the firmware says it
    /// (`HL_INFO_DRAM_REPLACED_ROWS`); the structure is not part of the header.
    pub fn dram_replaced_rows(&self, into: &mut [u8]) -> Result<(), Errno> {
        self.info_bytes(HL_INFO_DRAM_REPLACED_ROWS, 0, into).map(|_| ())
    }

    /// Rows of memory that wait for replacement (`HL_INFO_DRAM_PENDING_ROWS`).
    pub fn dram_pending_rows(&self) -> Result<u32, Errno> {
        self.info(HL_INFO_DRAM_PENDING_ROWS, 0)
    }

    /// The signed report of the boot (`HL_INFO_SECURED_ATTESTATION`).
    pub fn attestation(&self, nonce: u32) -> Result<Box<hl_info_sec_attest>, Errno> {
        self.info(HL_INFO_SECURED_ATTESTATION, nonce).map(Box::new)
    }

    /// Signed facts of the device (`HL_INFO_DEV_SIGNED`).
    pub fn signed_info(&self, nonce: u32) -> Result<Box<hl_info_signed>, Errno> {
        self.info(HL_INFO_DEV_SIGNED, nonce).map(Box::new)
    }

    /// Registers an eventfd for notifications (`HL_INFO_REGISTER_EVENTFD`).
    pub fn register_eventfd(&self, fd: impl AsFd) -> Result<(), Errno> {
        self.register_eventfd_number(fd.as_fd().as_raw_fd().cast_unsigned())
    }

    /// The same with any number.
    pub fn register_eventfd_number(&self, fd: u32) -> Result<(), Errno> {
        let request = InfoRequest::new(HL_INFO_REGISTER_EVENTFD, Pointer::NULL, 0).word(fd);
        self.info_request(&request).map(|_| ())
    }

    /// Ends the registration (`HL_INFO_UNREGISTER_EVENTFD`).
    pub fn unregister_eventfd(&self) -> Result<(), Errno> {
        let request = InfoRequest::new(HL_INFO_UNREGISTER_EVENTFD, Pointer::NULL, 0);
        self.info_request(&request).map(|_| ())
    }

    /// Takes the notifications, `HL_NOTIFIER_EVENT_*` (`HL_INFO_GET_EVENTS`).
    pub fn take_events(&self) -> Result<u64, Errno> {
        self.info(HL_INFO_GET_EVENTS, 0)
    }

    /// The state of the engines as text in a buffer of this size (`HL_INFO_ENGINE_STATUS`).
    pub fn engine_status(&self, buffer: usize) -> Result<String, Errno> {
        let mut bytes = vec![0; buffer];
        let actual = self.info_bytes(HL_INFO_ENGINE_STATUS, 0, &mut bytes)?;
        bytes.truncate(usize::try_from(actual).unwrap_or(usize::MAX));
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The mappings at the time of the first page fault, from a buffer for `room` of them
    /// (`HL_INFO_USER_MAPPINGS`).
    pub fn user_mappings(&self, room: usize) -> Result<Vec<hl_user_mapping>, Errno> {
        let (mut list, count) = self.info_list_and_word(HL_INFO_USER_MAPPINGS, 0, room)?;
        list.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(list)
    }

    /// Passes a request to the firmware (`HL_INFO_FW_GENERIC_REQ`).
    pub fn firmware_request(&self, sub_opcode: u32, buffer: &mut [u8]) -> Result<(), Errno> {
        self.info_bytes(HL_INFO_FW_GENERIC_REQ, sub_opcode, buffer).map(|_| ())
    }
}

/// Every opcode of 6.12 to 7.3 with its name and the size of its answer; `None` where the size
/// depends on the device or on the caller.
pub const OPCODES: &[(u32, &str, Option<usize>)] = &[
    (HL_INFO_HW_IP_INFO, "hw_ip_info", Some(size_of::<hl_info_hw_ip_info>())),
    (HL_INFO_HW_EVENTS, "hw_events", None),
    (HL_INFO_DRAM_USAGE, "dram_usage", Some(size_of::<hl_info_dram_usage>())),
    (HL_INFO_HW_IDLE, "hw_idle", Some(size_of::<hl_info_hw_idle>())),
    (HL_INFO_DEVICE_STATUS, "device_status", Some(size_of::<hl_info_device_status>())),
    (
        HL_INFO_DEVICE_UTILIZATION,
        "device_utilization",
        Some(size_of::<hl_info_device_utilization>()),
    ),
    (HL_INFO_HW_EVENTS_AGGREGATE, "hw_events_aggregate", None),
    (HL_INFO_CLK_RATE, "clk_rate", Some(size_of::<hl_info_clk_rate>())),
    (HL_INFO_RESET_COUNT, "reset_count", Some(size_of::<hl_info_reset_count>())),
    (HL_INFO_TIME_SYNC, "time_sync", Some(size_of::<hl_info_time_sync>())),
    (HL_INFO_CS_COUNTERS, "cs_counters", Some(size_of::<hl_info_cs_counters>())),
    (HL_INFO_PCI_COUNTERS, "pci_counters", Some(size_of::<hl_info_pci_counters>())),
    (HL_INFO_CLK_THROTTLE_REASON, "clk_throttle_reason", Some(size_of::<hl_info_clk_throttle>())),
    (HL_INFO_SYNC_MANAGER, "sync_manager", Some(size_of::<hl_info_sync_manager>())),
    (HL_INFO_TOTAL_ENERGY, "total_energy", Some(size_of::<hl_info_energy>())),
    (HL_INFO_PLL_FREQUENCY, "pll_frequency", Some(size_of::<hl_pll_frequency_info>())),
    (HL_INFO_POWER, "power", Some(size_of::<hl_power_info>())),
    (HL_INFO_OPEN_STATS, "open_stats", Some(size_of::<hl_open_stats_info>())),
    (HL_INFO_DRAM_REPLACED_ROWS, "dram_replaced_rows", None),
    (HL_INFO_DRAM_PENDING_ROWS, "dram_pending_rows", Some(size_of::<u32>())),
    (
        HL_INFO_LAST_ERR_OPEN_DEV_TIME,
        "last_err_open_dev_time",
        Some(size_of::<hl_info_last_err_open_dev_time>()),
    ),
    (HL_INFO_CS_TIMEOUT_EVENT, "cs_timeout_event", Some(size_of::<hl_info_cs_timeout_event>())),
    (HL_INFO_RAZWI_EVENT, "razwi_event", Some(size_of::<hl_info_razwi_event>())),
    (
        HL_INFO_DEV_MEM_ALLOC_PAGE_SIZES,
        "dev_mem_alloc_page_sizes",
        Some(size_of::<hl_info_dev_memalloc_page_sizes>()),
    ),
    (HL_INFO_SECURED_ATTESTATION, "secured_attestation", Some(size_of::<hl_info_sec_attest>())),
    (HL_INFO_REGISTER_EVENTFD, "register_eventfd", None),
    (HL_INFO_UNREGISTER_EVENTFD, "unregister_eventfd", None),
    (HL_INFO_GET_EVENTS, "get_events", Some(size_of::<u64>())),
    (
        HL_INFO_UNDEFINED_OPCODE_EVENT,
        "undefined_opcode_event",
        Some(size_of::<hl_info_undefined_opcode_event>()),
    ),
    (HL_INFO_ENGINE_STATUS, "engine_status", None),
    (HL_INFO_PAGE_FAULT_EVENT, "page_fault_event", Some(size_of::<hl_page_fault_info>())),
    (HL_INFO_USER_MAPPINGS, "user_mappings", None),
    (HL_INFO_FW_GENERIC_REQ, "fw_generic_req", None),
    (HL_INFO_HW_ERR_EVENT, "hw_err_event", Some(size_of::<hl_info_hw_err_event>())),
    (HL_INFO_FW_ERR_EVENT, "fw_err_event", Some(size_of::<hl_info_fw_err_event>())),
    (
        HL_INFO_USER_ENGINE_ERR_EVENT,
        "user_engine_err_event",
        Some(size_of::<hl_info_engine_err_event>()),
    ),
    (HL_INFO_DEV_SIGNED, "dev_signed", Some(size_of::<hl_info_signed>())),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_where_the_kernel_reads_them() {
        let request = InfoRequest::new(1, Pointer::LAST_PAGE, 2).word(3).pad(4);
        let arguments = request.arguments();
        assert_eq!(arguments.return_pointer, Pointer::LAST_PAGE.address());
        assert_eq!((arguments.op, arguments.return_size, arguments.pad), (1, 2, 4));
        // SAFETY: all members are one integer.
        assert_eq!(unsafe { arguments.__bindgen_anon_1.pll_index }, 3);
    }

    #[test]
    fn the_table_of_opcodes_is_complete_and_sorted() {
        assert_eq!(OPCODES.len(), 37);
        assert!(OPCODES.is_sorted_by(|a, b| a.0 < b.0));
    }
}
