// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kinds of units: operation, how many there are, what is written to one.
//!
//! Counts are those of the enums in `gaudi_coresight.h` and `gaudi2_coresight.h`, addresses those
//! of `gaudi_blocks.h`, registers those of `gaudi_coresight.c: gaudi_config_*`.

use control::Asic;
use uapi::accel::*;

/// A register of a unit, and what it holds when the unit is on and off.
#[derive(Clone, Copy, Debug)]
pub struct Register {
    /// From the base of the unit.
    pub offset: u64,
    /// When it is on.
    pub on: u32,
    /// When it is off.
    pub off: u32,
}

/// One kind of unit.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Its subject in case names.
    pub name: &'static str,
    /// `HL_DEBUG_OP_*`.
    pub op: u32,
    /// Units on Gaudi and on Gaudi2.
    pub count: (u32, u32),
    /// The first and the last unit of Gaudi, from `CFG_BASE`.
    pub ends: (u64, u64),
    /// A register that shows whether it is on (Gaudi).
    pub shown: Register,
    /// Debug mode is off.
    pub without_mode: &'static str,
    /// The index is beyond the table.
    pub beyond: &'static str,
    /// There is no input; none where the kind needs none.
    pub no_input: Option<&'static str>,
}

impl Unit {
    /// How many a chip has.
    pub fn count(&self, asic: Asic) -> u32 {
        match asic {
            Asic::Gaudi => self.count.0,
            Asic::Gaudi2 => self.count.1,
        }
    }
}

/// The kinds that are chosen by an index.
pub const UNITS: &[Unit] = &[
    Unit {
        name: "etf",
        op: HL_DEBUG_OP_ETF,
        count: (48, 141),
        ends: (0x202_3000, 0x3e0_2000),
        shown: Register { offset: 0x20, on: 1, off: 0 },
        without_mode: "DEBUG-006",
        beyond: "DEBUG-015",
        no_input: Some("DEBUG-026"),
    },
    Unit {
        name: "stm",
        op: HL_DEBUG_OP_STM,
        count: (46, 139),
        ends: (0x202_1000, 0x3e0_3000),
        shown: Register { offset: 0xe80, on: 0x23, off: 4 },
        without_mode: "DEBUG-007",
        beyond: "DEBUG-017",
        no_input: Some("DEBUG-027"),
    },
    Unit {
        name: "funnel",
        op: HL_DEBUG_OP_FUNNEL,
        count: (76, 141),
        ends: (0x203_0000, 0x3e0_6000),
        shown: Register { offset: 0, on: 0x33f, off: 0 },
        without_mode: "DEBUG-008",
        beyond: "DEBUG-019",
        no_input: None,
    },
    Unit {
        name: "bmon",
        op: HL_DEBUG_OP_BMON,
        count: (121, 385),
        ends: (0x202_7000, 0x3e0_a000),
        shown: Register { offset: 0x304, on: 1, off: 0 },
        without_mode: "DEBUG-009",
        beyond: "DEBUG-021",
        no_input: Some("DEBUG-028"),
    },
    Unit {
        name: "spmu",
        op: HL_DEBUG_OP_SPMU,
        count: (40, 137),
        ends: (0x202_4000, 0x3e0_1000),
        shown: Register { offset: 0xc00, on: 0x8000_003f, off: 0x8000_003f },
        without_mode: "DEBUG-010",
        beyond: "DEBUG-023",
        no_input: Some("DEBUG-029"),
    },
];
