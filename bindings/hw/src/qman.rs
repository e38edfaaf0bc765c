// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Queue managers: register offsets and fields.
//!
//! Driver: `include/gaudi/asic_reg/dma0_qm_{regs,masks}.h` (all engines of Gaudi have the same
//! block), `include/gaudi2/asic_reg/pdma0_qm_{regs,masks}.h`.

use crate::Field;

/// Streams with a queue of their own.
pub const STREAMS: usize = 4;
/// Index of the lower command processor in arrays of five.
pub const LOWER: usize = 4;
/// Bytes of a queue entry: address (8), length (4), control (4) (`struct hl_bd`).
pub const ENTRY: u64 = 16;

/// Register offsets. Per-stream arrays have a stride of 4 unless the field says otherwise.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    /// `GLBL_CFG0`: enables.
    pub cfg0: u32,
    /// `GLBL_CFG1`: stops and flushes.
    pub cfg1: u32,
    /// `GLBL_PROT`: who is trusted.
    pub prot: u32,
    /// `GLBL_ERR_CFG`.
    pub err_cfg: u32,
    /// Properties of trusted accesses: ASID and bypass, by stream.
    pub secure: Properties,
    /// Properties of all other accesses.
    pub non_secure: Properties,
    /// `GLBL_STS0`: idle and stopped.
    pub sts0: u32,
    /// `GLBL_STS1_s`, on Gaudi2 `GLBL_ERR_STS_s`: errors, five of them.
    pub errors: u32,
    /// `PQ_BASE_LO`, `_HI`.
    pub pq_base: [u32; 2],
    /// `PQ_SIZE`: log2 of the entries.
    pub pq_size: u32,
    /// `PQ_PI`.
    pub pq_pi: u32,
    /// `PQ_CI`.
    pub pq_ci: u32,
    /// `CQ_PTR_LO`, `_HI`, `CQ_TSIZE`, `CQ_CTL` (stride 0x10, five of them).
    pub cq: [u32; 4],
    /// `CQ_PTR_LO_STS`, `CQ_PTR_HI_STS`, `CQ_TSIZE_STS`: the buffer being executed, five of them.
    pub cq_status: [u32; 3],
    /// `CP_MSG_BASEn_ADDR_LO`; `_HI` is 0x14 after it, the next base 0x28 after it.
    pub message_base: u32,
    /// `CP_FENCE0_RDATA`: writing adds; the next fence is 0x14 after it.
    pub fence_add: u32,
    /// `CP_FENCE0_CNT`: the counter; the next fence is 0x14 after it.
    pub fence_count: u32,
    /// `CP_STS`.
    pub cp_status: u32,
    /// `CP_CURRENT_INST_LO`, `_HI`.
    pub current: [u32; 2],
    /// `CP_PRED`: predicates, five of them (Gaudi2).
    pub predicates: Option<u32>,
    /// `ARB_CFG_0`.
    pub arb_cfg: u32,
    /// `ARB_WRR_WEIGHT_0`.
    pub arb_weight: u32,
    /// `ARB_ERR_CAUSE`.
    pub arb_error: u32,
    /// `CGM_STS`.
    pub cgm_status: u32,
    /// `GLBL_ERR_ADDR_LO`, `_HI`, `GLBL_ERR_WDATA`.
    pub error_message: [u32; 3],
    /// Counting completion of queue entries (Gaudi2).
    pub completion: Option<Completion>,
}

/// Where the ASID and the bypass bit of accesses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Properties {
    /// One register a stream, at this offset, ASID in bits 9:0, bypass in bit 10 (Gaudi).
    PerStream(u32),
    /// One `AXUSER` block for all streams: `HB_ASID` at this offset (read ASID in bits 9:0, write
    /// ASID in 25:16), `HB_MMU_BP` after it (write bit 0, read bit 4) (Gaudi2).
    Block(u32),
}

/// Registers that tell the host of finished queue entries (Gaudi2 `PQC_*`), by stream.
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// `PQC_LBW_WDATA`.
    pub data: u32,
    /// `PQC_LBW_BASE_LO`, `_HI`.
    pub base: [u32; 2],
    /// `PQC_CFG`: bit 0 enables.
    pub config: u32,
}

/// Gaudi.
pub const GAUDI: Registers = Registers {
    cfg0: 0,
    cfg1: 0x4,
    prot: 0x8,
    err_cfg: 0xc,
    secure: Properties::PerStream(0x10),
    non_secure: Properties::PerStream(0x24),
    sts0: 0x38,
    errors: 0x40,
    pq_base: [0x70, 0x80],
    pq_size: 0x90,
    pq_pi: 0xa0,
    pq_ci: 0xb0,
    cq: [0x174, 0x178, 0x17c, 0x180],
    cq_status: [0x1c4, 0x1d8, 0x1ec],
    message_base: 0x228,
    fence_add: 0x308,
    fence_count: 0x358,
    cp_status: 0x3a8,
    current: [0x3bc, 0x3d0],
    predicates: None,
    arb_cfg: 0xa00,
    arb_weight: 0xa08,
    arb_error: 0xb9c,
    cgm_status: 0xc74,
    error_message: [0xcd0, 0xcd4, 0xcd8],
    completion: None,
};

/// Gaudi2.
pub const GAUDI2: Registers = Registers {
    cfg0: 0,
    cfg1: 0x4,
    prot: 0x4c,
    err_cfg: 0xc,
    secure: Properties::Block(0xb00),
    non_secure: Properties::Block(0xb80),
    sts0: 0x1c,
    errors: 0x24,
    pq_base: [0x50, 0x60],
    pq_size: 0x70,
    pq_pi: 0x80,
    pq_ci: 0x90,
    cq: [0x150, 0x154, 0x158, 0x15c],
    cq_status: [0x1b4, 0x1c8, 0x1a0],
    message_base: 0x1f0,
    fence_add: 0x290,
    fence_count: 0x2e0,
    cp_status: 0x368,
    current: [0x37c, 0x390],
    predicates: Some(0x3a4),
    arb_cfg: 0x4a4,
    arb_weight: 0x4ac,
    arb_error: 0x79c,
    cgm_status: 0xd84,
    error_message: [0xd00, 0xd04, 0xd08],
    completion: Some(Completion { data: 0x45c, base: [0x46c, 0x47c], config: 0x48c }),
};

impl Registers {
    /// `CP_MSG_BASEn_ADDR_LO` and `_HI` of a stream.
    pub const fn base(&self, n: u32, stream: u32) -> [u32; 2] {
        let low = self.message_base + n * 0x28 + stream * 4;
        [low, low + 0x14]
    }

    /// Which fence counter of which stream a register increments, if any.
    pub const fn fence_of(&self, register: u32) -> Option<(usize, usize)> {
        if register < self.fence_add || register >= self.fence_add + 4 * 0x14 {
            return None;
        }
        let index = (register - self.fence_add) / 4;
        Some(((index / 5) as usize, (index % 5) as usize))
    }

    /// The register that increments a fence counter.
    pub const fn fence_register(&self, fence: u32, stream: u32) -> u32 {
        self.fence_add + fence * 0x14 + stream * 4
    }
}

/// Fields of `GLBL_CFG0`, `GLBL_CFG1`, `GLBL_PROT`, `GLBL_STS0`: fetchers of the queue, fetchers of
/// the buffer, command processors. The stop and the idle fields have the same places.
pub mod part {
    use crate::Field;

    /// Queue fetchers, one bit a stream.
    pub const PQF: Field = Field::bits(3, 0);
    /// Buffer fetchers, one bit a stream, the lower one last.
    pub const CQF: Field = Field::bits(8, 4);
    /// Command processors, one bit a stream, the lower one last.
    pub const CP: Field = Field::bits(13, 9);
    /// All of them.
    pub const ALL: u32 = 0x3fff;
}

/// Fields of `GLBL_STS0` that tell what is stopped: the stop fields of `GLBL_CFG1`, 16 higher.
pub const STOPPED_SHIFT: u32 = 16;

/// `GLBL_PROT`: error messages are privileged.
pub const PROT_ERROR: Field = Field::bit(14);

/// Fields of `GLBL_ERR_CFG`: messages enabled as in [`part`], stops 16 higher.
pub const STOP_ON_ERROR_SHIFT: u32 = 16;

/// Bits of `GLBL_STS1` (Gaudi) and `GLBL_ERR_STS` (Gaudi2).
pub mod error {
    /// `PQF_RD_ERR`.
    pub const PQF_READ: u32 = 1 << 0;
    /// `CQF_RD_ERR`.
    pub const CQF_READ: u32 = 1 << 1;
    /// `CP_RD_ERR`.
    pub const CP_READ: u32 = 1 << 2;
    /// `CP_UNDEF_CMD_ERR`.
    pub const UNDEFINED: u32 = 1 << 3;
    /// `CP_STOP_OP`.
    pub const STOP: u32 = 1 << 4;
    /// `CP_MSG_WR_ERR`.
    pub const MESSAGE_WRITE: u32 = 1 << 5;
    /// `CP_WREG_ERR`.
    pub const REGISTER: u32 = 1 << 6;
    /// `CP_FENCE0_OVF_ERR`; fence n is n bits higher.
    pub const FENCE_OVERFLOW: u32 = 1 << 8;
    /// `CP_FENCE0_UDF_ERR`; fence n is n bits higher.
    pub const FENCE_UNDERFLOW: u32 = 1 << 12;
}

/// Fields of `CP_STS`.
pub mod cp_status {
    use crate::Field;

    /// `ERDY`: engine ready.
    pub const ENGINE_READY: Field = Field::bit(16);
    /// `RRDY`.
    pub const REGISTER_READY: Field = Field::bit(17);
    /// `MRDY`.
    pub const MESSAGE_READY: Field = Field::bit(18);
    /// `SW_STOP`.
    pub const STOPPED: Field = Field::bit(19);
    /// `FENCE_ID`.
    pub const FENCE_ID: Field = Field::bits(21, 20);
    /// `FENCE_IN_PROGRESS`.
    pub const FENCE: Field = Field::bit(22);
}

/// Fields of `ARB_CFG_0`.
pub mod arbitration {
    use crate::Field;

    /// 0 priority, 1 weighted round robin.
    pub const ROUND_ROBIN: Field = Field::bit(0);
    /// Master of other queue managers.
    pub const MASTER: Field = Field::bit(4);
    /// Enabled.
    pub const ENABLED: Field = Field::bit(8);
}

/// `CGM_STS`: the agent is idle.
pub const AGENT_IDLE: Field = Field::bit(8);

/// ASID of `NON_SECURE_PROPS`, `SECURE_PROPS` (Gaudi).
pub const ASID: Field = Field::bits(9, 0);
/// Bypass of the MMU in `NON_SECURE_PROPS`, `SECURE_PROPS` (Gaudi).
pub const BYPASS: Field = Field::bit(10);
/// `CP_FENCEn_RDATA`: how much a write adds.
pub const FENCE_INCREMENT: Field = Field::bits(3, 0);
/// Largest value of a fence counter (`CP_FENCEn_CNT_VAL`).
pub const FENCE_MAX: u32 = 0x3fff;
/// Gaudi, `CQ_CTL`: how often loops of the buffer are run (`CQ_CTL_RPT`).
pub const REPEAT: Field = Field::bits(15, 0);
/// Gaudi, `struct hl_bd.ctl`: that number is valid; otherwise it is one (`BD_CTL_REPEAT_VALID`).
pub const REPEAT_VALID: Field = Field::bit(24);
/// Gaudi2, `struct hl_bd.ctl`: which completion object, times four (`BD_CTL_COMP_OFFSET`).
pub const COMPLETION_OFFSET: Field = Field::bits(27, 16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_are_found_by_register() {
        for registers in [&GAUDI, &GAUDI2] {
            for fence in 0..4 {
                for stream in 0..5 {
                    let register = registers.fence_register(fence, stream);
                    let found = registers.fence_of(register);
                    assert_eq!(found, Some((fence as usize, stream as usize)));
                }
            }
            assert_eq!(registers.fence_of(registers.fence_add - 4), None);
            assert_eq!(registers.fence_of(registers.fence_add + 0x50), None);
        }
    }
}
