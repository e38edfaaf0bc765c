// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The declared workaround for the compute node that cannot be opened.
//!
//! Since Linux 6.12 `drm_open_helper` (drm_file.c) warns and returns EINVAL for a driver whose
//! `struct file_operations` lacks `FOP_UNSIGNED_OFFSET` in `fop_flags`; `hl_fops` of
//! habanalabs_drv.c lacks it. The workaround sets that one bit in the module's data and removes
//! the signature, which no longer fits (none at all only taints). Nothing else changes.
//!
//! Limits: needs the symbol `hl_fops` (modules keep their symbol table) with `fop_flags` at
//! offset 8 (behind `owner`), which holds since the field exists, 6.10.

use object::{Object, ObjectSection, ObjectSymbol};

/// The object that is edited.
const SYMBOL: &str = "hl_fops";
/// include/linux/fs.h: `struct file_operations { struct module *owner; fop_flags_t fop_flags; ...`
const FOP_FLAGS_OFFSET: u64 = 8;
/// include/linux/fs.h
const FOP_UNSIGNED_OFFSET: u32 = 1 << 5;
/// The first release with the check in `drm_open_helper`.
const SINCE: (u32, u32) = (6, 12);

/// What became of the workaround for one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workaround {
    /// The bit is there already, or the kernel does not ask for it.
    NotNeeded,
    /// The bit was missing and has been set in the copy that the guest loads.
    Applied,
    /// The bit is missing and stays so, as asked: the compute node cannot be opened.
    Declined,
}

impl Workaround {
    /// One line for the run's facts.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NotNeeded => "none needed",
            Self::Applied => "set FOP_UNSIGNED_OFFSET in hl_fops and removed the signature",
            Self::Declined => "declined: hl_fops lacks FOP_UNSIGNED_OFFSET",
        }
    }
}

/// Applies the workaround to an unsigned, uncompressed module where needed and `wanted`.
pub fn apply(module: &mut [u8], release: &str, wanted: bool) -> Result<Workaround, String> {
    if !kernel_checks(release) {
        return Ok(Workaround::NotNeeded);
    }
    let at = fop_flags(module)?;
    let word = module.get_mut(at..at + 4).ok_or("hl_fops lies outside of the file")?;
    let flags = u32::from_le_bytes(word.try_into().map_err(|_| "hl_fops is cut off")?);
    if flags & FOP_UNSIGNED_OFFSET != 0 {
        return Ok(Workaround::NotNeeded);
    }
    if !wanted {
        return Ok(Workaround::Declined);
    }
    word.copy_from_slice(&(flags | FOP_UNSIGNED_OFFSET).to_le_bytes());
    Ok(Workaround::Applied)
}

fn kernel_checks(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= SINCE,
        (None | Some(_), None | Some(_)) => true,
    }
}

/// File offset of `hl_fops.fop_flags`.
fn fop_flags(module: &[u8]) -> Result<usize, String> {
    let file = object::File::parse(module).map_err(|e| e.to_string())?;
    let symbol = file
        .symbols()
        .find(|s| s.name() == Ok(SYMBOL))
        .ok_or_else(|| format!("it has no symbol {SYMBOL}"))?;
    let section = symbol
        .section_index()
        .and_then(|index| file.section_by_index(index).ok())
        .ok_or_else(|| format!("{SYMBOL} is in no section"))?;
    let (start, size) = section.file_range().ok_or("the section of hl_fops has no data")?;
    let inside = symbol.address().checked_sub(section.address());
    let offset = inside.and_then(|i| i.checked_add(FOP_FLAGS_OFFSET));
    match offset {
        Some(offset) if offset + 4 <= size => {
            usize::try_from(start + offset).map_err(|e| e.to_string())
        }
        Some(_) | None => Err(format!("{SYMBOL} lies outside of its section")),
    }
}

#[cfg(test)]
mod tests {
    use object::write::{Object as Writer, StandardSection, Symbol, SymbolSection};
    use object::{Architecture, BinaryFormat, Endianness, SymbolFlags, SymbolKind, SymbolScope};

    use super::*;

    /// A module with `hl_fops` behind 16 other bytes of .rodata.
    fn module(flags: u32, size: usize) -> Vec<u8> {
        let mut file = Writer::new(BinaryFormat::Elf, Architecture::X86_64, Endianness::Little);
        let section = file.section_id(StandardSection::ReadOnlyData);
        file.append_section_data(section, &[0xaa; 16], 16);
        let mut fops = vec![0; size];
        if let Some(word) = fops.get_mut(8..12) {
            word.copy_from_slice(&flags.to_le_bytes());
        }
        let value = file.append_section_data(section, &fops, 16);
        file.add_symbol(Symbol {
            name: SYMBOL.into(),
            value,
            size: size as u64,
            kind: SymbolKind::Data,
            scope: SymbolScope::Compilation,
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        });
        file.write().unwrap()
    }

    #[test]
    fn only_the_missing_bit_changes() {
        let before = module(0x1, 64);
        let mut after = before.clone();
        assert_eq!(apply(&mut after, "6.12.117+deb12-amd64", true), Ok(Workaround::Applied));
        let changed: Vec<_> =
            before.iter().zip(&after).filter(|(a, b)| a != b).map(|(a, b)| (*a, *b)).collect();
        assert_eq!(changed, [(0x01, 0x21)]);
        // The second time there is nothing to do.
        assert_eq!(apply(&mut after, "6.12.117", true), Ok(Workaround::NotNeeded));
    }

    #[test]
    fn declined_or_not_needed_changes_nothing() {
        let before = module(0, 64);
        let mut after = before.clone();
        assert_eq!(apply(&mut after, "7.3.4", false), Ok(Workaround::Declined));
        assert_eq!(apply(&mut after, "6.8.0-45-generic", true), Ok(Workaround::NotNeeded));
        assert_eq!(before, after);
    }

    #[test]
    fn damaged_modules_are_refused() {
        assert!(apply(&mut module(0, 8), "6.12", true).is_err());
        let whole = module(0, 64);
        for length in 0..whole.len() {
            // Must not panic; most cuts are errors, those behind the data may still succeed.
            let _ = apply(&mut whole[..length].to_vec(), "6.12", true);
        }
        assert!(apply(&mut Vec::new(), "6.12", true).is_err());
    }
}
