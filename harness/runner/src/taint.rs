// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Taint of the kernel: which bits there are and which end a guest.
//!
//! Source: `Documentation/admin-guide/tainted-kernels.rst`.

use std::path::Path;

/// What a taint bit means for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Says something about how the kernel was built or loaded.
    Harmless,
    /// Something warned; the kernel goes on.
    Warned,
    /// Nothing that happens from here on can be trusted.
    Fatal,
}

/// One taint bit.
#[derive(Debug)]
pub struct Bit {
    /// Number of the bit.
    pub bit: u32,
    /// Letter in kernel messages.
    pub letter: char,
    /// What it says.
    pub meaning: &'static str,
    /// What follows.
    pub weight: Weight,
}

const fn bit(bit: u32, letter: char, weight: Weight, meaning: &'static str) -> Bit {
    Bit { bit, letter, meaning, weight }
}

/// Every bit.
pub const BITS: &[Bit] = &[
    bit(0, 'P', Weight::Harmless, "proprietary module"),
    bit(1, 'F', Weight::Harmless, "module loaded by force"),
    bit(2, 'S', Weight::Harmless, "kernel out of specification"),
    bit(3, 'R', Weight::Harmless, "module unloaded by force"),
    bit(4, 'M', Weight::Fatal, "machine check"),
    bit(5, 'B', Weight::Fatal, "bad page"),
    bit(6, 'U', Weight::Harmless, "set by user space"),
    bit(7, 'D', Weight::Fatal, "oops or BUG"),
    bit(8, 'A', Weight::Harmless, "ACPI table overridden"),
    bit(9, 'W', Weight::Warned, "warning"),
    bit(10, 'C', Weight::Harmless, "staging driver"),
    bit(11, 'I', Weight::Harmless, "firmware workaround"),
    bit(12, 'O', Weight::Harmless, "out-of-tree module"),
    bit(13, 'E', Weight::Harmless, "unsigned module"),
    bit(14, 'L', Weight::Fatal, "soft lockup"),
    bit(15, 'K', Weight::Harmless, "live patch"),
    bit(16, 'X', Weight::Harmless, "of the distribution"),
    bit(17, 'T', Weight::Harmless, "structure randomisation"),
    bit(18, 'N', Weight::Harmless, "in-kernel test"),
    bit(19, 'J', Weight::Harmless, "fwctl"),
];

/// The taint of a kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taint(pub u64);

impl Taint {
    /// Where the kernel shows it.
    pub const PATH: &'static str = "/proc/sys/kernel/tainted";

    /// Reads it (`/proc/sys/kernel/tainted`).
    pub fn read(path: &Path) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(path)?;
        text.trim().parse().map(Taint).map_err(std::io::Error::other)
    }

    /// The bits that were not there before.
    pub fn since(self, before: Taint) -> Taint {
        Taint(self.0 & !before.0)
    }

    /// Its bits of a weight.
    pub fn of(self, weight: Weight) -> Taint {
        let mask = BITS.iter().filter(|b| b.weight == weight).fold(0, |m, b| m | 1u64 << b.bit);
        // A bit that no table knows yet is taken for a warning: it is seen, and nothing is lost.
        let known = BITS.iter().fold(0, |m, b| m | 1u64 << b.bit);
        let unknown = if weight == Weight::Warned { self.0 & !known } else { 0 };
        Taint(self.0 & mask | unknown)
    }

    /// Nothing set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::fmt::Display for Taint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut words = Vec::new();
        for number in (0..64).filter(|number| self.0 >> number & 1 != 0) {
            words.push(match BITS.iter().find(|bit| bit.bit == number) {
                Some(bit) => format!("{} ({})", bit.letter, bit.meaning),
                None => format!("bit {number}"),
            });
        }
        if words.is_empty() {
            return f.write_str("none");
        }
        f.write_str(&words.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_bits_count() {
        let (before, after) = (Taint(1 << 12), Taint(1 << 12 | 1 << 9 | 1 << 7));
        let new = after.since(before);
        assert_eq!(new.of(Weight::Fatal), Taint(1 << 7));
        assert_eq!(new.of(Weight::Warned), Taint(1 << 9));
        assert_eq!(new.to_string(), "D (oops or BUG), W (warning)");
        assert_eq!(Taint(1 << 40).of(Weight::Warned), Taint(1 << 40));
        assert_eq!(Taint(0).to_string(), "none");
    }

    #[test]
    fn bits_are_in_order() {
        for (index, bit) in BITS.iter().enumerate() {
            assert_eq!(bit.bit as usize, index);
        }
    }
}
