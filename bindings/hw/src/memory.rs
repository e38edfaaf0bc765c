// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Address maps.
//!
//! Driver: `include/gaudi/gaudi.h`, `include/gaudi2/gaudi2.h`, `gaudi/gaudiP.h`, `gaudi2/gaudi2P.h`.

use crate::Generation;

/// Addresses as the device sees them.
#[derive(Clone, Copy, Debug)]
pub struct Map {
    /// `CFG_BASE`.
    pub cfg_base: u64,
    /// `CFG_SIZE`.
    pub cfg_size: u64,
    /// `SRAM_BASE_ADDR`.
    pub sram_base: u64,
    /// `SRAM_SIZE`.
    pub sram_size: u64,
    /// `DRAM_PHYS_BASE`.
    pub dram_base: u64,
    /// Where user data in device memory begins, from there.
    pub dram_user_offset: u64,
    /// Page tables in device memory, from there.
    pub page_tables: u64,
    /// Bytes of page tables and of what follows them for the MMU's own use.
    pub page_tables_size: u64,
    /// `HOST_PHYS_BASE`: added to bus addresses.
    pub host_base: u64,
    /// Host virtual addresses that the driver hands out.
    pub host_va: (u64, u64),
}

/// Gaudi.
pub const GAUDI: Map = Map {
    cfg_base: 0x7f_fc00_0000,
    cfg_size: 0x400_0000,
    sram_base: 0x7f_f000_0000,
    sram_size: 0x140_0000,
    dram_base: 0,
    dram_user_offset: 0x2000_0000,
    page_tables: 0x1000_0000,
    page_tables_size: 0xc00_0000,
    host_base: 0x80_0000_0000,
    host_va: (0x1_0000_0000_0000, 0x3_ff80_0000_0000),
};

/// Gaudi2.
pub const GAUDI2: Map = Map {
    cfg_base: 0x1000_007f_f800_0000,
    cfg_size: 0x800_0000,
    sram_base: 0x1000_ffff_fd00_0000,
    sram_size: 0x300_0000,
    dram_base: 0x1001_0000_0000_0000,
    dram_user_offset: 0x3000_0000,
    page_tables: 0x2fc0_0000,
    page_tables_size: 0x10_0000,
    host_base: 0,
    host_va: (0xfff0_0000_0000_0000, 0xfff0_8000_0000_0000),
};

/// The map of a chip.
pub const fn map(generation: Generation) -> &'static Map {
    match generation {
        Generation::Gaudi => &GAUDI,
        Generation::Gaudi2 => &GAUDI2,
    }
}
