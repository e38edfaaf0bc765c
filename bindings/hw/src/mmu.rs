// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! MMUs: page-table shapes, registers.
//!
//! Driver: `gaudi.c: gaudi_set_fixed_properties, gaudi_mmu_init, gaudi_mmu_invalidate_cache`,
//! `gaudi2.c: gaudi2_set_fixed_properties, gaudi2_mmu_init`, `include/hw_ip/mmu/mmu_v{1_0,1_1,2_0}.h`,
//! `include/gaudi/asic_reg/{mmu_up,stlb}_regs.h`, `include/gaudi2/asic_reg/{pmmu_hbw_stlb,
//! dcore0_hmmu0_mmu}_regs.h`.

/// An entry leads to the next table or to a page (`PAGE_PRESENT_MASK`).
pub const PRESENT: u64 = 1 << 0;
/// An entry leads to a page (`LAST_MASK`).
pub const LAST: u64 = 1 << 11;
/// Address bits of an entry (`HOP_PHYS_ADDR_MASK`).
pub const ADDRESS: u64 = !0xfff;
/// Bytes of a table.
pub const TABLE: u64 = 4096;

/// Levels of a page table.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// For each hop: lowest bit and number of bits of the index.
    pub hops: &'static [(u32, u32)],
    /// The hop at which a page must end, and an earlier one at which it may (`LAST`).
    pub last: usize,
}

/// Gaudi: five hops, 4 KiB pages at the last, 2 MiB at the fourth.
pub const GAUDI: Shape = Shape { hops: &[(48, 2), (39, 9), (30, 9), (21, 9), (12, 9)], last: 4 };
/// Gaudi2, host memory: six hops, 4 KiB pages at the last, 2 MiB at the fifth.
pub const GAUDI2_HOST: Shape =
    Shape { hops: &[(57, 7), (48, 9), (39, 9), (30, 9), (21, 9), (12, 9)], last: 5 };
/// Gaudi2, device memory: four hops; the last shift is that of the page size in use.
pub const GAUDI2_DEVICE: Shape = Shape { hops: &[(57, 7), (48, 9), (39, 9), (30, 9)], last: 3 };

/// Registers of a second-level TLB (hop-0 table and invalidation), offsets in its block.
#[derive(Clone, Copy, Debug)]
pub struct Tlb {
    /// `BUSY`: writing bit 31 stores the hop-0 address, the bit clears when done.
    pub busy: u32,
    /// `ASID` of that.
    pub asid: u32,
    /// Bits 43:12 of the hop-0 address.
    pub hop0_low: u32,
    /// The bits from 44 up.
    pub hop0_high: u32,
    /// `INV_ALL_START`: 1 invalidates everything, reads 0 when done (Gaudi2).
    pub invalidate_all: u32,
    /// `INV_PS`: 2 after 3 invalidates what `CACHE_INV` says, reads 0 when done (Gaudi).
    pub invalidate: u32,
    /// `SRAM_INIT`: reads 0 when done.
    pub sram_init: u32,
    /// `MEM_CACHE_INVALIDATION`.
    pub memory_cache: u32,
    /// `MEM_CACHE_INV_STATUS`: bit 0 when done.
    pub memory_cache_status: u32,
    /// Range invalidation (Gaudi2).
    pub range: Option<Range>,
}

/// Registers of range invalidation.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// `RANGE_CACHE_INVALIDATION`: bit 0 starts, bit 1: of one ASID, which is in bits 11:2.
    pub command: u32,
    /// First address, without the lowest 12 bits: low word, high word.
    pub start: [u32; 2],
    /// Last address likewise.
    pub end: [u32; 2],
}

/// Gaudi.
pub const GAUDI_TLB: Tlb = Tlb {
    busy: 0x0,
    asid: 0x4,
    hop0_low: 0x8,
    hop0_high: 0xc,
    invalidate_all: 0x34,
    invalidate: 0x3c,
    sram_init: 0x4c,
    memory_cache: 0x50,
    memory_cache_status: 0x54,
    range: None,
};

/// Gaudi2.
pub const GAUDI2_TLB: Tlb = Tlb {
    range: Some(Range { command: 0x8c, start: [0x90, 0x94], end: [0x98, 0x9c] }),
    ..GAUDI_TLB
};

/// Registers of the MMU proper, offsets in its block.
#[derive(Clone, Copy, Debug)]
pub struct Mmu {
    /// `MMU_ENABLE`.
    pub enable: u32,
    /// `MMU_BYPASS`.
    pub bypass: u32,
    /// `SPI_CAUSE`, `SPI_SEI_CAUSE`: bit 0 page fault.
    pub cause: u32,
    /// `PAGE_ERROR_CAPTURE`: upper address bits, with the valid bit on Gaudi.
    pub capture: u32,
    /// `PAGE_ERROR_CAPTURE_VA`: lower address bits.
    pub capture_low: u32,
    /// Bit of `capture` that makes it valid (Gaudi).
    pub capture_valid: u32,
    /// Where the valid bits are if not in `capture` (Gaudi2 `ACCESS_PAGE_ERROR_VALID`).
    pub valid: Option<u32>,
}

/// Gaudi (`MMU_UP`).
pub const GAUDI_MMU: Mmu = Mmu {
    enable: 0xc,
    bypass: 0x6c,
    cause: 0x30,
    capture: 0x34,
    capture_low: 0x38,
    capture_valid: 1 << 18,
    valid: None,
};

/// Gaudi2.
pub const GAUDI2_MMU: Mmu = Mmu {
    enable: 0xc,
    bypass: 0x6c,
    cause: 0x30,
    capture: 0x34,
    capture_low: 0x38,
    capture_valid: 0,
    valid: Some(0x44),
};
