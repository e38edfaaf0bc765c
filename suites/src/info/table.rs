// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Every INFO opcode: number, answer, when it answers, which rows say so.
//!
//! Sources: `habanalabs_ioctl.c: _hl_info_ioctl` (which opcodes answer in any state),
//! `hl_info_ioctl_control` (which are refused there), one handler an opcode.

use crate::common::node::Node;
use crate::info::call::ask;
use case::CaseResult;
use control::Asics;
use uapi::accel;

/// What a handler does with its answer buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Refuses size 0 and NULL, copies the smaller of size and structure.
    Structure(usize),
    /// The same with an array of u32, one an event (`hw_events_info`).
    PerEvent,
    /// The same, but nothing is copied as long as nothing was captured.
    Captured(usize),
    /// The same, but only NULL is refused; a buffer is too small only once something was captured.
    CapturedWhole(usize),
    /// A rule of its own.
    Own,
}

/// When an opcode answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// In any state of the device.
    Always,
    /// While the device is operational; else EBUSY.
    Operational,
}

/// What the control node says to an opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// The same as the compute node, byte for byte when nothing happens in between.
    Same,
    /// The same rule; the value moves by itself.
    Moves,
    /// EOPNOTSUPP.
    Refused,
}

/// Requirement rows of one opcode, by what they say.
#[derive(Clone, Copy, Debug)]
pub struct Rows {
    /// Fills its structure.
    pub fills: &'static [&'static str],
    /// Refuses size 0.
    pub zero: &'static [&'static str],
    /// Refuses NULL.
    pub null: &'static [&'static str],
    /// An unmapped pointer.
    pub unmapped: &'static [&'static str],
    /// A size smaller than the structure.
    pub short: &'static [&'static str],
    /// A device that is disabled or in reset.
    pub disabled: &'static [&'static str],
    /// The control node.
    pub control: &'static [&'static str],
    /// The firmware answers with an error, is silent, is given up.
    pub firmware: Option<[&'static str; 3]>,
}

/// A buffer that holds any answer of an opcode with rules of its own.
const OWN_BYTES: usize = 64 << 10;

/// One opcode.
#[derive(Clone, Copy, Debug)]
pub struct Opcode {
    /// Its number.
    pub op: u32,
    /// Its subject in case names.
    pub word: &'static str,
    /// What it does with the buffer.
    pub shape: Shape,
    /// When it answers.
    pub answers: Answers,
    /// What the control node says.
    pub control: Control,
    /// Chips whose rows these are.
    pub asics: Asics,
    /// The rows.
    pub rows: Rows,
}

impl Opcode {
    /// Bytes of the answer; asks the device for the number of events where it has to.
    pub fn bytes(&self, node: &Node) -> CaseResult<usize> {
        match self.shape {
            Shape::Structure(bytes) | Shape::Captured(bytes) | Shape::CapturedWhole(bytes) => {
                Ok(bytes)
            }
            Shape::PerEvent => {
                Ok(4 * ask::<accel::hl_info_hw_ip_info>(node)?.num_of_events as usize)
            }
            Shape::Own => Ok(OWN_BYTES),
        }
    }
}

/// Rows of the common pattern: 001 to 005, then the two named ones.
macro_rules! rows {
    ($name:literal, $disabled:literal, $control:literal) => {
        rows!($name, $disabled, $control, None)
    };
    ($name:literal, $disabled:literal, $control:literal, $error:literal $silent:literal $dead:literal) => {
        rows!(
            $name,
            $disabled,
            $control,
            Some([
                concat!("INFO-", $name, "-", $error),
                concat!("INFO-", $name, "-", $silent),
                concat!("INFO-", $name, "-", $dead),
            ])
        )
    };
    ($name:literal, $disabled:literal, $control:literal, $firmware:expr) => {
        Rows {
            fills: &[concat!("INFO-", $name, "-001")],
            zero: &[concat!("INFO-", $name, "-002")],
            null: &[concat!("INFO-", $name, "-003")],
            unmapped: &[concat!("INFO-", $name, "-004")],
            short: &[concat!("INFO-", $name, "-005")],
            disabled: &[concat!("INFO-", $name, "-", $disabled)],
            control: &[concat!("INFO-", $name, "-", $control)],
            firmware: $firmware,
        }
    };
}

/// Rows of handlers that only refuse NULL (001) and say what an empty capture answers (003).
macro_rules! whole {
    ($name:literal, $disabled:literal, $control:literal) => {
        Rows {
            fills: &[concat!("INFO-", $name, "-003")],
            zero: &[concat!("INFO-", $name, "-003")],
            null: &[concat!("INFO-", $name, "-001")],
            unmapped: &[concat!("INFO-", $name, "-003")],
            short: &[concat!("INFO-", $name, "-003")],
            disabled: &[concat!("INFO-", $name, "-", $disabled)],
            control: &[concat!("INFO-", $name, "-", $control)],
            firmware: None,
        }
    };
}

/// The same with a row of its own for what an empty capture answers.
macro_rules! nothing {
    ($name:literal, $empty:literal, $rows:expr) => {
        Rows {
            fills: &[concat!("INFO-", $name, "-001"), concat!("INFO-", $name, "-", $empty)],
            ..$rows
        }
    };
}

/// The same with a second row about small buffers.
macro_rules! short {
    ($name:literal, $short:literal, $rows:expr) => {
        Rows {
            short: &[concat!("INFO-", $name, "-005"), concat!("INFO-", $name, "-", $short)],
            ..$rows
        }
    };
}

/// Rows of handlers with rules of their own; the generic cases only use these two.
macro_rules! own {
    ($name:literal, $disabled:literal, $control:literal) => {
        own!($name, $disabled, $control, None)
    };
    ($name:literal, $disabled:literal, $control:literal, $firmware:expr) => {
        Rows {
            fills: &[],
            zero: &[],
            null: &[],
            unmapped: &[],
            short: &[],
            disabled: &[concat!("INFO-", $name, "-", $disabled)],
            control: &[concat!("INFO-", $name, "-", $control)],
            firmware: $firmware,
        }
    };
}

macro_rules! opcodes {
    ($($op:ident $word:literal $shape:expr, $answers:ident, $control:ident, $rows:expr;)*) => {
        &[$(Opcode {
            op: accel::$op,
            word: $word,
            shape: $shape,
            answers: Answers::$answers,
            control: Control::$control,
            asics: Asics::ALL,
            rows: $rows,
        },)*]
    };
}

/// A structure of the header.
const fn of<T>() -> Shape {
    Shape::Structure(size_of::<T>())
}

/// A structure of the header that stays untouched while nothing was captured.
const fn captured<T>() -> Shape {
    Shape::Captured(size_of::<T>())
}

/// The same without a check of the size.
const fn captured_whole<T>() -> Shape {
    Shape::CapturedWhole(size_of::<T>())
}

/// `struct cpucp_hbm_row_info` of the firmware interface (`cpucp_if.h`); not in the header.
const HBM_ROW_INFO: Shape = Shape::Structure(8);

/// Every opcode of 6.12 and 7.3.
#[rustfmt::skip]
pub const OPCODES: &[Opcode] = opcodes! {
    HL_INFO_HW_IP_INFO "hw_ip_info" of::<accel::hl_info_hw_ip_info>(), Always, Same, rows!("HW_IP_INFO", "010", "011");
    HL_INFO_HW_EVENTS "hw_events" Shape::PerEvent, Always, Same, short!("HW_EVENTS", "006", rows!("HW_EVENTS", "009", "010"));
    HL_INFO_DRAM_USAGE "dram_usage" of::<accel::hl_info_dram_usage>(), Always, Same, rows!("DRAM_USAGE", "008", "009");
    HL_INFO_HW_IDLE "hw_idle" of::<accel::hl_info_hw_idle>(), Operational, Same, rows!("HW_IDLE", "008", "009");
    HL_INFO_DEVICE_STATUS "device_status" of::<accel::hl_info_device_status>(), Always, Same, rows!("DEVICE_STATUS", "012", "013");
    HL_INFO_DEVICE_UTILIZATION "device_utilization" of::<accel::hl_info_device_utilization>(), Operational, Moves, rows!("DEVICE_UTILIZATION", "009", "010");
    HL_INFO_HW_EVENTS_AGGREGATE "hw_events_aggregate" Shape::PerEvent, Always, Same, rows!("HW_EVENTS_AGGREGATE", "007", "008");
    HL_INFO_CLK_RATE "clk_rate" of::<accel::hl_info_clk_rate>(), Operational, Moves, rows!("CLK_RATE", "007", "008", "009" "010" "011");
    HL_INFO_RESET_COUNT "reset_count" of::<accel::hl_info_reset_count>(), Always, Same, rows!("RESET_COUNT", "008", "009");
    HL_INFO_TIME_SYNC "time_sync" of::<accel::hl_info_time_sync>(), Operational, Moves, rows!("TIME_SYNC", "007", "008");
    HL_INFO_CS_COUNTERS "cs_counters" of::<accel::hl_info_cs_counters>(), Always, Same, rows!("CS_COUNTERS", "012", "013");
    HL_INFO_PCI_COUNTERS "pci_counters" of::<accel::hl_info_pci_counters>(), Operational, Moves, rows!("PCI_COUNTERS", "007", "008", "009" "010" "011");
    HL_INFO_CLK_THROTTLE_REASON "clk_throttle_reason" of::<accel::hl_info_clk_throttle>(), Always, Same, rows!("CLK_THROTTLE_REASON", "008", "009");
    HL_INFO_SYNC_MANAGER "sync_manager" of::<accel::hl_info_sync_manager>(), Always, Same, rows!("SYNC_MANAGER", "009", "010");
    HL_INFO_TOTAL_ENERGY "total_energy" of::<accel::hl_info_energy>(), Operational, Moves, rows!("TOTAL_ENERGY", "006", "007", "008" "009" "010");
    HL_INFO_PLL_FREQUENCY "pll_frequency" of::<accel::hl_pll_frequency_info>(), Operational, Moves, rows!("PLL_FREQUENCY", "009", "010", "011" "012" "013");
    HL_INFO_POWER "power" of::<accel::hl_power_info>(), Operational, Moves, rows!("POWER", "006", "007", "008" "009" "010");
    HL_INFO_OPEN_STATS "open_stats" of::<accel::hl_open_stats_info>(), Always, Same, rows!("OPEN_STATS", "009", "010");
    HL_INFO_DRAM_REPLACED_ROWS "dram_replaced_rows" HBM_ROW_INFO, Operational, Same, rows!("DRAM_REPLACED_ROWS", "007", "008", "009" "010" "011");
    HL_INFO_DRAM_PENDING_ROWS "dram_pending_rows" of::<u32>(), Operational, Same, rows!("DRAM_PENDING_ROWS", "006", "007", "008" "009" "010");
    HL_INFO_LAST_ERR_OPEN_DEV_TIME "last_err_open_dev_time" of::<accel::hl_info_last_err_open_dev_time>(), Always, Same, rows!("LAST_ERR_OPEN_DEV_TIME", "007", "008");
    HL_INFO_CS_TIMEOUT_EVENT "cs_timeout_event" of::<accel::hl_info_cs_timeout_event>(), Always, Same, rows!("CS_TIMEOUT_EVENT", "008", "009");
    HL_INFO_RAZWI_EVENT "razwi_event" captured::<accel::hl_info_razwi_event>(), Always, Same, nothing!("RAZWI_EVENT", "006", rows!("RAZWI_EVENT", "008", "009"));
    HL_INFO_DEV_MEM_ALLOC_PAGE_SIZES "dev_mem_alloc_page_sizes" of::<accel::hl_info_dev_memalloc_page_sizes>(), Always, Same, rows!("DEV_MEM_ALLOC_PAGE_SIZES", "007", "008");
    HL_INFO_SECURED_ATTESTATION "secured_attestation" of::<accel::hl_info_sec_attest>(), Operational, Same, rows!("SECURED_ATTESTATION", "008", "009", "010" "011" "012");
    HL_INFO_REGISTER_EVENTFD "register_eventfd" Shape::Own, Operational, Refused, own!("REGISTER_EVENTFD", "006", "007");
    HL_INFO_UNREGISTER_EVENTFD "unregister_eventfd" Shape::Own, Always, Refused, own!("UNREGISTER_EVENTFD", "004", "005");
    HL_INFO_GET_EVENTS "get_events" Shape::Own, Always, Refused, own!("GET_EVENTS", "006", "007");
    HL_INFO_UNDEFINED_OPCODE_EVENT "undefined_opcode_event" of::<accel::hl_info_undefined_opcode_event>(), Always, Same, rows!("UNDEFINED_OPCODE_EVENT", "009", "010");
    HL_INFO_ENGINE_STATUS "engine_status" Shape::Own, Operational, Same, own!("ENGINE_STATUS", "008", "009");
    HL_INFO_PAGE_FAULT_EVENT "page_fault_event" captured::<accel::hl_page_fault_info>(), Always, Same, rows!("PAGE_FAULT_EVENT", "008", "009");
    HL_INFO_USER_MAPPINGS "user_mappings" captured_whole::<accel::hl_user_mapping>(), Always, Same, whole!("USER_MAPPINGS", "006", "007");
    HL_INFO_FW_GENERIC_REQ "fw_generic_req" Shape::Own, Operational, Same, own!("FW_GENERIC_REQ", "009", "010");
    HL_INFO_HW_ERR_EVENT "hw_err_event" captured_whole::<accel::hl_info_hw_err_event>(), Always, Same, whole!("HW_ERR_EVENT", "006", "007");
    HL_INFO_FW_ERR_EVENT "fw_err_event" captured_whole::<accel::hl_info_fw_err_event>(), Always, Same, whole!("FW_ERR_EVENT", "007", "008");
    HL_INFO_USER_ENGINE_ERR_EVENT "user_engine_err_event" captured_whole::<accel::hl_info_engine_err_event>(), Always, Same, whole!("USER_ENGINE_ERR_EVENT", "005", "006");
    HL_INFO_DEV_SIGNED "dev_signed" of::<accel::hl_info_signed>(), Operational, Same, rows!("DEV_SIGNED", "008", "009", "010" "011" "012");
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    #[test]
    fn rows_say_what_the_table_says() {
        let all = catalogue::all();
        for opcode in OPCODES {
            let row = &all[opcode.rows.disabled[0]];
            let expected = match opcode.answers {
                Answers::Always => "still answers",
                Answers::Operational => "EBUSY",
            };
            assert_eq!((row.precondition, row.expected), ("device in reset or disabled", expected));
            let row = &all[opcode.rows.control[0]];
            let expected = match opcode.control {
                Control::Same | Control::Moves => "same result as on compute node",
                Control::Refused => "EOPNOTSUPP",
            };
            assert_eq!(
                (row.precondition, row.expected),
                ("on control node", expected),
                "{}",
                row.id
            );
            assert!(row.op.ends_with(&format!("({})", opcode.op)), "{}: {}", row.id, row.op);
            for rows in [opcode.rows.zero, opcode.rows.short] {
                assert!(rows.iter().all(|id| all.contains_key(id)), "{rows:?}");
            }
        }
    }

    #[test]
    fn sizes_are_those_of_the_catalogue() {
        let all = catalogue::all();
        for opcode in OPCODES {
            let Shape::Structure(bytes) = opcode.shape else { continue };
            let expected = all[opcode.rows.fills[0]].expected;
            if let Some((_, rest)) = expected.split_once('(') {
                assert!(rest.starts_with(&format!("{bytes} B)")), "{}: {expected}", opcode.word);
            }
        }
    }
}
