// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tensor cores: register offsets and fields of the configuration block.
//!
//! Driver: `include/gaudi/asic_reg/tpc0_cfg_{regs,masks}.h`,
//! `include/gaudi2/asic_reg/dcore0_tpc0_cfg_{regs,masks}.h`.

use crate::Field;
use crate::qman::Properties;

/// Register offsets in the configuration block.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    /// First register of the descriptor that runs.
    pub kernel: u32,
    /// First register of the descriptor that the queue manager writes.
    pub queued: u32,
    /// Bytes of a descriptor.
    pub descriptor: u32,
    /// `SYNC_OBJECT_MESSAGE` and `_ADDR`, from the start of the descriptor.
    pub message: [u32; 2],
    /// `KERNEL_BASE_ADDRESS_LOW`, `_HIGH`, from the start of the descriptor.
    pub code: [u32; 2],
    /// `STATUS`.
    pub status: u32,
    /// `SM_BASE_ADDRESS_HIGH`.
    pub message_high: u32,
    /// `TPC_CMD`.
    pub command: u32,
    /// `TPC_EXECUTE`.
    pub execute: u32,
    /// `TPC_STALL`.
    pub stall: u32,
    /// `TPC_INTR_CAUSE`.
    pub cause: u32,
    /// `TPC_INTR_MASK`.
    pub mask: u32,
    /// `WQ_INFLIGHT_CNTR`.
    pub inflight: u32,
    /// Properties of reads and of writes (Gaudi `ARUSER_LO`, `AWUSER_LO`).
    pub user: [Properties; 2],
}

/// Gaudi.
pub const GAUDI: Registers = Registers {
    kernel: 0x400,
    queued: 0xa00,
    descriptor: 0x440,
    message: [0x380, 0x384],
    code: [0x388, 0x38c],
    status: 0x91c,
    message_high: 0x92c,
    command: 0x930,
    execute: 0x938,
    stall: 0x93c,
    cause: 0x958,
    mask: 0x95c,
    inflight: 0x9b8,
    user: [Properties::PerStream(0x964), Properties::PerStream(0x96c)],
};

/// Gaudi2.
pub const GAUDI2: Registers = Registers {
    kernel: 0,
    queued: 0x5dc,
    descriptor: 0x5dc,
    message: [0x500, 0x504],
    code: [0x508, 0x50c],
    status: 0xd84,
    message_high: 0xd90,
    command: 0xd94,
    execute: 0xd98,
    stall: 0xd9c,
    cause: 0xdb4,
    mask: 0xdb8,
    inflight: 0xdf0,
    user: [Properties::Block(0xe00), Properties::Block(0xe00)],
};

/// Fields of `STATUS`.
pub mod status {
    use crate::Field;

    /// Scalar pipe empty.
    pub const SCALAR_EMPTY: Field = Field::bit(1);
    /// Vector pipe empty.
    pub const VECTOR_EMPTY: Field = Field::bit(2);
    /// Instruction queue empty.
    pub const IQ_EMPTY: Field = Field::bit(3);
    /// Store buffer empty.
    pub const SB_EMPTY: Field = Field::bit(5);
    /// Queue idle.
    pub const QUEUE_IDLE: Field = Field::bit(6);
    /// Queue ready.
    pub const QUEUE_READY: Field = Field::bit(7);
}

/// `STATUS` of a core that does nothing.
pub const IDLE: u32 = 0xee;
/// Operation of the sync-object message (published): 4 adds.
pub const MESSAGE_OPERATION: Field = Field::bits(31, 29);
