// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The kinds of units: operation, how many there are, what is written to one.
//!
//! Counts are those of the enums in `gaudi_coresight.h` and `gaudi2_coresight.h`, addresses those
//! of `gaudi_blocks.h` and `gaudi2_blocks_linux_driver.h`, registers those of
//! `gaudi_coresight.c: gaudi_config_*` and `gaudi2_coresight.c: gaudi2_config_*`.

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
    /// The first and the last unit of Gaudi and of Gaudi2, from `CFG_BASE`.
    pub ends: [(u64, u64); 2],
    /// A register that shows whether it is on, on Gaudi and on Gaudi2.
    pub shown: [Register; 2],
    /// The first unit of the spare tensor core of Gaudi2: index and place.
    pub spare: (u32, u64),
    /// A unit that is binned out.
    pub binned: &'static str,
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

    /// Where the first and the last unit of a chip are.
    pub fn ends(&self, asic: Asic) -> (u64, u64) {
        self.ends[chip(asic)]
    }

    /// What shows whether a unit of a chip is on.
    pub fn shown(&self, asic: Asic) -> Register {
        self.shown[chip(asic)]
    }
}

fn chip(asic: Asic) -> usize {
    match asic {
        Asic::Gaudi => 0,
        Asic::Gaudi2 => 1,
    }
}

/// The kinds that are chosen by an index.
pub const UNITS: &[Unit] = &[
    Unit {
        name: "etf",
        op: HL_DEBUG_OP_ETF,
        count: (48, 141),
        ends: [(0x202_3000, 0x3e0_2000), (0x2000, 0x75e_3000)],
        shown: [Register { offset: 0x20, on: 1, off: 0 }, Register { offset: 0x20, on: 1, off: 0 }],
        spare: (6, 0xc0_2000),
        binned: "DEBUG-016",
        without_mode: "DEBUG-006",
        beyond: "DEBUG-015",
        no_input: Some("DEBUG-026"),
    },
    Unit {
        name: "stm",
        op: HL_DEBUG_OP_STM,
        count: (46, 139),
        ends: [(0x202_1000, 0x3e0_3000), (0x3000, 0x75e_1000)],
        shown: [
            Register { offset: 0xe80, on: 0x23, off: 4 },
            Register { offset: 0xe80, on: 0x27, off: 4 },
        ],
        spare: (6, 0xc0_3000),
        binned: "DEBUG-018",
        without_mode: "DEBUG-007",
        beyond: "DEBUG-017",
        no_input: Some("DEBUG-027"),
    },
    Unit {
        name: "funnel",
        op: HL_DEBUG_OP_FUNNEL,
        count: (76, 141),
        ends: [(0x203_0000, 0x3e0_6000), (0x6000, 0x75f_9000)],
        shown: [
            Register { offset: 0, on: 0x33f, off: 0 },
            Register { offset: 0, on: 0xfff, off: 0 },
        ],
        spare: (6, 0xc0_6000),
        binned: "DEBUG-020",
        without_mode: "DEBUG-008",
        beyond: "DEBUG-019",
        no_input: None,
    },
    Unit {
        name: "bmon",
        op: HL_DEBUG_OP_BMON,
        count: (121, 385),
        ends: [(0x202_7000, 0x3e0_a000), (0x7000, 0x75e_9000)],
        shown: [
            Register { offset: 0x304, on: 1, off: 0 },
            Register { offset: 0, on: 0x53, off: 0x41 },
        ],
        spare: (24, 0xc0_7000),
        binned: "DEBUG-022",
        without_mode: "DEBUG-009",
        beyond: "DEBUG-021",
        no_input: Some("DEBUG-028"),
    },
    Unit {
        name: "spmu",
        op: HL_DEBUG_OP_SPMU,
        count: (40, 137),
        ends: [(0x202_4000, 0x3e0_1000), (0x1000, 0x75e_4000)],
        shown: [
            Register { offset: 0xc00, on: 0x8000_003f, off: 0x8000_003f },
            Register { offset: 0xe04, on: 0x4101_3041, off: 0x4101_3040 },
        ],
        spare: (6, 0xc0_1000),
        binned: "DEBUG-024",
        without_mode: "DEBUG-010",
        beyond: "DEBUG-023",
        no_input: Some("DEBUG-029"),
    },
];
