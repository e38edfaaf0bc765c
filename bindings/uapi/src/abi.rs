// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The ABI snapshots: what each header generation says, as clang sees it, next to what the
//! bindings say, as the Rust compiler sees them.
//!
//! The text of a snapshot (`abi/<generation>.<machine>.abi`), sorted by name:
//! ```text
//! # comment
//! constant NAME 0xVALUE
//! struct NAME size BYTES align BYTES      (or: union)
//!   OFFSET FIELD TYPE
//! ```
//! A change of a committed snapshot is a change of the kernel interface.

use std::fmt::Write;

/// A field of a structure.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name; bindgen names those without.
    pub name: &'static str,
    /// Its offset.
    pub offset: usize,
    /// Its type in Rust.
    pub kind: &'static str,
}

/// A structure or union.
#[derive(Clone, Copy, Debug)]
pub struct Structure {
    /// Its name.
    pub name: &'static str,
    /// Is it a union?
    pub union: bool,
    /// Its size.
    pub size: usize,
    /// Its alignment.
    pub align: usize,
    /// Its fields in order.
    pub fields: &'static [Field],
}

/// Bindings as compiled.
#[derive(Clone, Copy, Debug)]
pub struct Compiled {
    /// Constants by name.
    pub constants: &'static [(&'static str, u64)],
    /// Structures by name.
    pub structures: &'static [Structure],
}

/// A header generation: the bindings as compiled, and its snapshots.
#[derive(Clone, Copy, Debug)]
pub struct Generation {
    /// Its name.
    pub name: &'static str,
    /// The kernels that have it.
    pub kernels: &'static str,
    /// The bindings as compiled.
    pub compiled: Compiled,
    /// The snapshot of x86-64.
    pub snapshot: &'static str,
    /// The snapshot of i386, whose programs call the same kernel.
    pub snapshot_32: &'static str,
}

/// Every generation.
pub const GENERATIONS: [Generation; 3] = [
    Generation {
        name: "accel",
        kernels: "6.12 to 7.3",
        compiled: crate::accel_table::TABLE,
        snapshot: include_str!("../abi/accel.x86_64.abi"),
        snapshot_32: include_str!("../abi/accel.i386.abi"),
    },
    Generation {
        name: "misc",
        kernels: "6.1",
        compiled: crate::misc_table::TABLE,
        snapshot: include_str!("../abi/misc.x86_64.abi"),
        snapshot_32: include_str!("../abi/misc.i386.abi"),
    },
    Generation {
        name: "drm",
        kernels: "6.12",
        compiled: crate::drm_table::TABLE,
        snapshot: include_str!("../abi/drm.x86_64.abi"),
        snapshot_32: include_str!("../abi/drm.i386.abi"),
    },
];

impl Compiled {
    /// The compiled bindings in the text of a snapshot, without comments.
    pub fn text(&self) -> String {
        let Compiled { constants, structures } = *self;
        let mut text = String::new();
        for (name, value) in constants {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "constant {name} {value:#x}");
        }
        for Structure { name, union, size, align, fields } in structures {
            let kind = if *union { "union" } else { "struct" };
            let _ = writeln!(text, "{kind} {name} size {size} align {align}");
            for Field { name, offset, kind } in *fields {
                let _ = writeln!(text, "  {offset} {name} {kind}");
            }
        }
        text
    }

    /// The value of a constant.
    pub fn constant(&self, name: &str) -> Option<u64> {
        self.constants.iter().find(|(constant, _)| *constant == name).map(|(_, value)| *value)
    }

    /// A structure.
    pub fn structure(&self, name: &str) -> Option<&'static Structure> {
        self.structures.iter().find(|structure| structure.name == name)
    }
}

/// The lines of a snapshot that are no comments.
fn lines(snapshot: &str) -> impl Iterator<Item = &str> {
    snapshot.lines().filter(|line| !line.starts_with('#'))
}

/// Lines that differ between two texts in the format of a snapshot: `-` only in the first, `+`
/// only in the second, with the structure that a field belongs to.
pub fn differences(first: &str, second: &str) -> Vec<String> {
    let keyed = |text: &str| {
        let mut owner = String::new();
        let mut list = std::collections::BTreeSet::new();
        for line in lines(text) {
            if line.starts_with(' ') {
                list.insert(format!("{owner}: {}", line.trim_start()));
            } else {
                owner = line.split(' ').nth(1).unwrap_or_default().to_string();
                list.insert(line.to_string());
            }
        }
        list
    };
    let (first, second) = (keyed(first), keyed(second));
    let gone = first.difference(&second).map(|line| format!("- {line}"));
    gone.chain(second.difference(&first).map(|line| format!("+ {line}"))).collect()
}

impl Generation {
    /// Where compiled bindings and snapshot disagree; empty when they agree.
    pub fn disagreements(&self) -> Vec<String> {
        differences(self.snapshot, &self.compiled.text())
    }

    /// Where 32-bit and 64-bit callers of the same kernel disagree; empty when they agree.
    ///
    /// The alignment is left out: it is 4 on i386 for structures of 64-bit fields, and matters
    /// only inside of others, where it would change an offset.
    pub fn width_disagreements(&self) -> Vec<String> {
        let without_align = |text: &str| {
            let cut = |line: &str| match line.split_once(" align ") {
                Some((kept, _)) => format!("{kept}\n"),
                None => format!("{line}\n"),
            };
            text.lines().map(cut).collect::<String>()
        };
        differences(&without_align(self.snapshot), &without_align(self.snapshot_32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(name: &str) -> Generation {
        let found = GENERATIONS.into_iter().find(|generation| generation.name == name);
        found.unwrap_or_else(|| panic!("no generation {name}"))
    }

    #[test]
    fn bindings_and_snapshots_agree() {
        for generation in GENERATIONS {
            assert_eq!(generation.disagreements(), [""; 0], "{}", generation.name);
            assert!(generation.compiled.constants.len() > 50);
            assert!(generation.compiled.structures.len() > 10);
        }
    }

    #[test]
    fn callers_of_both_widths_agree_on_the_driver() {
        for name in ["accel", "misc"] {
            assert_eq!(generation(name).width_disagreements(), [""; 0], "{name}");
        }
    }

    #[test]
    fn drm_version_is_different_for_32_bit_callers() {
        // It holds pointers and sizes: the check above can fail.
        let differences = generation("drm").width_disagreements();
        assert!(differences.iter().any(|line| line.contains("struct drm_version size 36")));
    }

    #[test]
    fn a_changed_snapshot_is_noticed() {
        let accel = generation("accel");
        for (from, to) in [
            ("constant HL_CB_OP_INFO 0x2", "constant HL_CB_OP_INFO 0x3"),
            ("struct hl_cb_in size 24", "struct hl_cb_in size 32"),
            ("  8 op u32", "  12 op u32"),
        ] {
            let changed = accel.snapshot.replacen(from, to, 1);
            assert_ne!(changed, accel.snapshot, "{from}");
            assert_eq!(differences(&changed, &accel.compiled.text()).len(), 2, "{from}");
        }
    }

    #[test]
    fn known_sizes() {
        let size = |name: &str, structure: &str| {
            generation(name).compiled.structure(structure).map(|structure| structure.size)
        };
        assert_eq!(size("accel", "hl_info_hw_ip_info"), Some(304));
        assert_eq!(size("misc", "hl_info_hw_ip_info"), Some(256));
        assert_eq!(size("accel", "hl_info_razwi_event"), Some(280));
        assert_eq!(size("misc", "hl_info_razwi_event"), Some(24));
        assert_eq!(size("misc", "hl_info_signed"), None);
    }
}
