// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Facts of the hardware that user space and the device model share.
//!
//! Packet layouts, queue ids, register offsets, address maps and page-table shapes stand here once.
//! Every fact names the driver file it was read from; `tests/headers.rs` compares the numbers with
//! the headers of a kernel tree when `GAUNTLET_KERNEL_SOURCE` names one. Packet fields that the
//! driver does not name (predicates, arbitration, loops) follow the packet headers that the vendor
//! publishes with its graph compiler; those are marked "published".
//!
//! Nothing here has behaviour beyond encoding and decoding.

pub mod dma;
pub mod memory;
pub mod mmu;
pub mod packet;
pub mod qman;
pub mod queue;
pub mod sync;
pub mod tpc;

/// The chip generations whose facts differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    /// Gaudi.
    Gaudi,
    /// Gaudi2.
    Gaudi2,
}

/// A bit field of a 32-bit word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Lowest bit.
    pub shift: u32,
    /// Number of bits.
    pub width: u32,
}

impl Field {
    /// Bits `high:low`.
    pub const fn bits(high: u32, low: u32) -> Self {
        Field { shift: low, width: high - low + 1 }
    }

    /// A single bit.
    pub const fn bit(bit: u32) -> Self {
        Field { shift: bit, width: 1 }
    }

    /// The mask in place.
    pub const fn mask(self) -> u32 {
        (((1u64 << self.width) - 1) << self.shift) as u32
    }

    /// The field's value in a word.
    pub const fn get(self, word: u32) -> u32 {
        (word & self.mask()) >> self.shift
    }

    /// A word with only this field set; excess bits of the value are cut off.
    pub const fn put(self, value: u32) -> u32 {
        value << self.shift & self.mask()
    }

    /// Is any bit of the field set?
    pub const fn is_set(self, word: u32) -> bool {
        word & self.mask() != 0
    }
}
