// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! DMA cores: register offsets and fields.
//!
//! Driver: `include/gaudi/asic_reg/dma0_core_{regs,masks}.h`,
//! `include/gaudi2/asic_reg/{pdma0_core,pdma0_core_ctx,arc_farm_kdma,arc_farm_kdma_ctx}_*.h`.

use crate::Field;
use crate::qman::Properties;

/// Register offsets.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    /// `CFG_0`: bit 0 enables.
    pub cfg0: u32,
    /// `CFG_1`: bit 0 halts.
    pub cfg1: u32,
    /// `SRC_BASE_LO`, `_HI`.
    pub source: [u32; 2],
    /// `DST_BASE_LO`, `_HI`.
    pub destination: [u32; 2],
    /// `DST_TSIZE_0`: bytes.
    pub size: u32,
    /// `SRC_TSIZE_0`: bytes of the innermost dimension of a strided source.
    pub source_size0: u32,
    /// `SRC_TSIZE_1`: then the stride, then size and stride of dimensions 2 to 4.
    pub source_dims: u32,
    /// `DST_TSIZE_1`: likewise.
    pub destination_dims: u32,
    /// `COMMIT`: starts the transfer.
    pub commit: u32,
    /// `WR_COMP_ADDR_LO`, `_HI`.
    pub completion_address: [u32; 2],
    /// `WR_COMP_WDATA`.
    pub completion_data: u32,
    /// `PROT`: bit 0 privileged.
    pub prot: u32,
    /// Properties of privileged accesses, `None`: they bypass.
    pub secure: Option<Properties>,
    /// Properties of all other accesses.
    pub non_secure: Properties,
    /// `ERR_CFG`.
    pub err_cfg: u32,
    /// `ERR_CAUSE`.
    pub err_cause: u32,
    /// `ERRMSG_ADDR_LO`, `_HI`, `ERRMSG_WDATA`.
    pub error_message: [u32; 3],
    /// `STS0`.
    pub sts0: u32,
    /// `STS1`: bit 0 halted.
    pub sts1: u32,
}

/// Gaudi.
pub const GAUDI: Registers = Registers {
    cfg0: 0,
    cfg1: 0x4,
    source: [0x14, 0x18],
    destination: [0x1c, 0x20],
    size: 0x74,
    source_size0: 0x4c,
    source_dims: 0x2c,
    destination_dims: 0x54,
    commit: 0x78,
    completion_address: [0x80, 0x84],
    completion_data: 0x7c,
    prot: 0xb8,
    secure: Some(Properties::PerStream(0xf0)),
    non_secure: Properties::PerStream(0xf4),
    err_cfg: 0x160,
    err_cause: 0x164,
    error_message: [0x170, 0x174, 0x178],
    sts0: 0x190,
    sts1: 0x194,
};

/// Gaudi2: PDMA, EDMA and KDMA alike (`CORE_CTX` is at 0x860 of the core).
pub const GAUDI2: Registers = Registers {
    cfg0: 0,
    cfg1: 0x4,
    source: [0x8d8, 0x8dc],
    destination: [0x8e0, 0x8e4],
    size: 0x8e8,
    source_size0: 0x878,
    source_dims: 0x87c,
    destination_dims: 0x89c,
    commit: 0x8ec,
    completion_address: [0x8c0, 0x8bc],
    completion_data: 0x8c4,
    prot: 0x8,
    secure: Some(Properties::Block(0x800)),
    non_secure: Properties::Block(0x800),
    err_cfg: 0x300,
    err_cause: 0x304,
    error_message: [0x308, 0x30c, 0x310],
    sts0: 0x380,
    sts1: 0x384,
};

/// Fields of `COMMIT` that both chips have.
pub mod commit {
    use crate::Field;

    /// Write the completion word.
    pub const COMPLETE: Field = Field::bit(0);
    /// Transpose (Gaudi).
    pub const TRANSPOSE: Field = Field::bit(1);
    /// Element of a transposition: 0 two bytes, 1 four (Gaudi).
    pub const DTYPE: Field = Field::bit(2);
    /// Linear (Gaudi).
    pub const LINEAR_GAUDI: Field = Field::bit(3);
    /// Byte swap (Gaudi2).
    pub const ENDIAN: Field = Field::bits(2, 1);
    /// Fill.
    pub const MEMSET: Field = Field::bit(4);
    /// Compress (Gaudi).
    pub const COMPRESS: Field = Field::bit(5);
    /// Decompress (Gaudi).
    pub const DECOMPRESS: Field = Field::bit(6);
    /// Linear (Gaudi2).
    pub const LINEAR_GAUDI2: Field = Field::bit(31);
}

/// Bits of `ERR_CAUSE`.
pub mod error {
    /// `HBW_RD_ERR`.
    pub const READ: u32 = 1 << 0;
    /// `HBW_WR_ERR`.
    pub const WRITE: u32 = 1 << 1;
    /// `LBW_WR_ERR`.
    pub const MESSAGE: u32 = 1 << 2;
    /// `DESC_OVF`.
    pub const OVERFLOW: u32 = 1 << 3;
}

/// `STS0`: a transfer is under way.
pub const BUSY: Field = Field::bit(31);
/// `ERR_CFG`: send the error message.
pub const ERR_MESSAGE: Field = Field::bit(0);
/// `ERR_CFG`: stop on an error.
pub const ERR_STOP: Field = Field::bit(1);
/// Bits 55:0 of a Gaudi destination are the address, the rest context.
pub const GAUDI_DESTINATION: u64 = (1 << 56) - 1;
