// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Packets of the command processors: layout, encoding, decoding.
//!
//! Every packet starts with 8 bytes: a word of its own, then the control word with the opcode and
//! the barriers (driver: `include/gaudi/gaudi_packets.h`, `include/gaudi2/gaudi2_packets.h`).
//!
//! Decoding keeps every bit that has a meaning; reserved bits are dropped.

mod decode;
mod encode;

pub use decode::{DecodeError, decode};

use crate::Field;

/// Packet kinds (`enum packet_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Write a register of the engine.
    Wreg32 = 0x1,
    /// Write consecutive registers of the engine.
    WregBulk = 0x2,
    /// Write a word to an address.
    MsgLong = 0x3,
    /// Write a word relative to one of four bases.
    MsgShort = 0x4,
    /// Hand a buffer of packets to the lower command processor.
    CpDma = 0x5,
    /// Start or end of a loop.
    Repeat = 0x6,
    /// Write a word to an address, privileged.
    MsgProt = 0x7,
    /// Wait for a fence counter.
    Fence = 0x8,
    /// Transfer by the engine's DMA core.
    LinDma = 0x9,
    /// Nothing.
    Nop = 0xa,
    /// Stop the command processor.
    Stop = 0xb,
    /// Take part in, or leave, the arbitration between streams.
    ArbPoint = 0xc,
    /// Let cycles pass, then increment a fence counter.
    Wait = 0xd,
    /// Run a command buffer out of a table (Gaudi2).
    CbList = 0xe,
    /// Load registers of the command processor.
    LoadAndExe = 0xf,
    /// Send a stream of words to the engine's ARC (Gaudi2).
    WriteArcStream = 0x10,
    /// Marks the last read from the ARC (Gaudi2).
    LastReadFromArc = 0x11,
    /// Write a 64-bit register pair, base plus short offset (Gaudi2).
    Wreg64Short = 0x12,
    /// Write a 64-bit register pair, base plus 64-bit offset (Gaudi2).
    Wreg64Long = 0x13,
}

impl Opcode {
    /// Every opcode of Gaudi; Gaudi2 has [`Opcode::GAUDI2`] besides.
    pub const GAUDI: &'static [Opcode] = &[
        Opcode::Wreg32,
        Opcode::WregBulk,
        Opcode::MsgLong,
        Opcode::MsgShort,
        Opcode::CpDma,
        Opcode::Repeat,
        Opcode::MsgProt,
        Opcode::Fence,
        Opcode::LinDma,
        Opcode::Nop,
        Opcode::Stop,
        Opcode::ArbPoint,
        Opcode::Wait,
        Opcode::LoadAndExe,
    ];
    /// Opcodes that only Gaudi2 has.
    pub const GAUDI2: &'static [Opcode] = &[
        Opcode::CbList,
        Opcode::WriteArcStream,
        Opcode::LastReadFromArc,
        Opcode::Wreg64Short,
        Opcode::Wreg64Long,
    ];
}

/// Fields of the control word.
pub mod control {
    use super::Field;

    /// `PKT_CTL_OPCODE`.
    pub const OPCODE: Field = Field::bits(28, 24);
    /// `PKT_CTL_EB`: wait until the engine is idle.
    pub const ENGINE_BARRIER: Field = Field::bit(29);
    /// `PKT_CTL_RB`: wait for register writes (Gaudi2: switch streams afterwards).
    pub const REGISTER_BARRIER: Field = Field::bit(30);
    /// `PKT_CTL_MB`: wait for messages.
    pub const MESSAGE_BARRIER: Field = Field::bit(31);
    /// Predicate, where a packet has one (`PKT_FENCE_CTL_PRED`; the others published).
    pub const PREDICATE: Field = Field::bits(4, 0);
    /// Register offset of WREG_32 and WREG_BULK (published).
    pub const REGISTER: Field = Field::bits(23, 8);
    /// `PKT_LONG_CTL_OP` and `PKT_SHORT_CTL_OP`: 0 writes the value, 1 a time stamp.
    pub const OPERATION: Field = Field::bits(21, 20);
    /// `PKT_SHORT_CTL_ADDR`.
    pub const SHORT_OFFSET: Field = Field::bits(15, 0);
    /// `PKT_SHORT_CTL_BASE`.
    pub const SHORT_BASE: Field = Field::bits(23, 22);
}

/// The part of the control word that every packet has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Barriers {
    /// Wait until the engine is idle.
    pub engine: bool,
    /// Wait for register writes (Gaudi); switch streams (Gaudi2).
    pub register: bool,
    /// Wait for messages.
    pub message: bool,
}

impl Barriers {
    /// None.
    pub const NONE: Barriers = Barriers { engine: false, register: false, message: false };
    /// All three.
    pub const ALL: Barriers = Barriers { engine: true, register: true, message: true };
}

/// A linear transfer, or a fill.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinDma {
    /// Bytes (`tsize`).
    pub size: u32,
    /// Source address; for a fill, the 64-bit pattern.
    pub source: u64,
    /// Destination address (56 bits on Gaudi).
    pub destination: u64,
    /// Write the completion word of the DMA core when done.
    pub write_completion: bool,
    /// Fill instead of copy.
    pub memset: bool,
    /// Linear; clear: use the strides of the DMA core (Gaudi).
    pub linear: bool,
    /// Transpose (Gaudi, published).
    pub transpose: bool,
    /// Data type of a transposition: `false` 16 bits, `true` 32 bits (Gaudi, published).
    pub dtype: bool,
    /// Compress (Gaudi, published).
    pub compress: bool,
    /// Decompress (Gaudi, published).
    pub decompress: bool,
    /// Byte swap: 0 none, 1 in 16, 2 in 32, 3 in 64 bits (Gaudi2).
    pub endian: u8,
    /// Context id: 16 bits.
    pub context: u16,
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Write an engine register.
    Wreg32 {
        /// Byte offset in the register space of the engine.
        register: u16,
        /// The value.
        value: u32,
    },
    /// Write consecutive engine registers.
    WregBulk {
        /// Byte offset of the first.
        register: u16,
        /// Two registers each, low word first.
        values: Vec<u64>,
    },
    /// Write a word to an address.
    MsgLong {
        /// Where.
        address: u64,
        /// What.
        value: u32,
        /// 0 writes the value, 1 a time stamp.
        operation: u8,
    },
    /// Write a word relative to a base.
    MsgShort {
        /// Which of `CP_MSG_BASE0..3`.
        base: u8,
        /// Bytes from there.
        offset: u16,
        /// What.
        value: u32,
        /// 0 writes the value, 1 a time stamp.
        operation: u8,
    },
    /// Hand packets to the lower command processor.
    CpDma {
        /// Where they are.
        source: u64,
        /// Bytes.
        size: u32,
    },
    /// Loop.
    Repeat {
        /// Start (`false`) or end (`true`) of a loop (published: `sore`).
        end: bool,
        /// Of the outer loop.
        outer: bool,
        /// Jump distance of an end.
        jump: u16,
    },
    /// Write a word to an address, privileged.
    MsgProt {
        /// Where.
        address: u64,
        /// What.
        value: u32,
        /// 0 writes the value, 1 a time stamp.
        operation: u8,
    },
    /// Wait for a fence counter.
    Fence {
        /// Which of four.
        id: u8,
        /// Goes on when the counter is at least this.
        target: u8,
        /// Then subtracts this.
        decrement: u8,
    },
    /// Transfer.
    LinDma(LinDma),
    /// Nothing.
    Nop,
    /// Stop.
    Stop,
    /// Arbitration.
    ArbPoint {
        /// Priority of the request.
        priority: u32,
        /// Leave instead of enter.
        release: bool,
    },
    /// Let cycles pass, then increment a fence counter.
    Wait {
        /// Cycles.
        cycles: u32,
        /// Which fence counter.
        id: u8,
        /// By how much.
        increment: u8,
    },
    /// Run a command buffer out of a table.
    CbList {
        /// Address of the index.
        index: u64,
        /// Address of the table.
        table: u64,
    },
    /// Load command-processor registers, then (optionally) run them.
    LoadAndExe {
        /// `cfg` as it is: destination bit 0, load bit 8, execute bit 9, type bit 10.
        config: u32,
        /// Where from.
        source: u64,
    },
    /// Words for the ARC.
    WriteArcStream {
        /// The words.
        values: Vec<u64>,
    },
    /// Last read from the ARC.
    LastReadFromArc,
    /// 64-bit register write: base register plus 32-bit offset.
    Wreg64Short {
        /// Which base.
        base: u8,
        /// Destination, in units of 8 bytes as the packet has it.
        register: u16,
        /// Offset added to the base.
        offset: u32,
    },
    /// 64-bit register write: base register plus 64-bit offset.
    Wreg64Long {
        /// Which base.
        base: u8,
        /// Relative to the base.
        relative: bool,
        /// Which halves are written.
        halves: u8,
        /// Destination, in units of 8 bytes as the packet has it.
        register: u16,
        /// Offset added to the base.
        offset: u64,
    },
}

/// `cfg` bits of LOAD_AND_EXE.
pub mod load_and_exe {
    use super::Field;

    /// `LOAD_AND_EXE_CFG_DST`: 0 predicates, 1 scalars (published).
    pub const DESTINATION: Field = Field::bit(0);
    /// Load (published).
    pub const LOAD: Field = Field::bit(8);
    /// Execute (published).
    pub const EXECUTE: Field = Field::bit(9);
    /// Type of what is executed (published).
    pub const TYPE: Field = Field::bit(10);
}

/// A packet with what all packets have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Barriers.
    pub barriers: Barriers,
    /// Predicate: 0 always, n only if bit n of the stream's predicates is set. Packets without
    /// the field have 0.
    pub predicate: u8,
    /// What it does.
    pub body: Body,
}

impl Packet {
    /// A packet that is always executed.
    pub fn new(barriers: Barriers, body: Body) -> Self {
        Packet { barriers, predicate: 0, body }
    }

    /// Its opcode.
    pub fn opcode(&self) -> Opcode {
        match self.body {
            Body::Wreg32 { .. } => Opcode::Wreg32,
            Body::WregBulk { .. } => Opcode::WregBulk,
            Body::MsgLong { .. } => Opcode::MsgLong,
            Body::MsgShort { .. } => Opcode::MsgShort,
            Body::CpDma { .. } => Opcode::CpDma,
            Body::Repeat { .. } => Opcode::Repeat,
            Body::MsgProt { .. } => Opcode::MsgProt,
            Body::Fence { .. } => Opcode::Fence,
            Body::LinDma(_) => Opcode::LinDma,
            Body::Nop => Opcode::Nop,
            Body::Stop => Opcode::Stop,
            Body::ArbPoint { .. } => Opcode::ArbPoint,
            Body::Wait { .. } => Opcode::Wait,
            Body::CbList { .. } => Opcode::CbList,
            Body::LoadAndExe { .. } => Opcode::LoadAndExe,
            Body::WriteArcStream { .. } => Opcode::WriteArcStream,
            Body::LastReadFromArc => Opcode::LastReadFromArc,
            Body::Wreg64Short { .. } => Opcode::Wreg64Short,
            Body::Wreg64Long { .. } => Opcode::Wreg64Long,
        }
    }
}
