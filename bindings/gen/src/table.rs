// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The table of names and layout as the Rust compiler sees the bindings: every number in it is
//! computed when `uapi` is compiled, so comparing it with the snapshot compares two compilers.

use crate::header::Generation;
use crate::layout::Layout;
use std::fmt::Write;

/// The Rust text of the table.
pub fn text(generation: &Generation, layout: &Layout) -> anyhow::Result<String> {
    let module = generation.name;
    let mut text = crate::bind::head(generation);
    writeln!(text, "use crate::abi::{{Compiled, Field, Structure}};\nuse crate::{module}::*;")?;
    writeln!(text, "use core::mem::{{align_of, offset_of, size_of}};\n")?;
    writeln!(text, "pub const TABLE: Compiled = Compiled {{ constants: &[")?;
    for name in layout.constants.keys() {
        writeln!(text, "    (\"{name}\", {name} as u64),")?;
    }
    writeln!(text, "], structures: &[")?;
    for (name, structure) in &layout.structures {
        writeln!(
            text,
            "    Structure {{ name: \"{name}\", union: {}, size: size_of::<{name}>(), \
             align: align_of::<{name}>(), fields: &[",
            structure.union
        )?;
        for field in &structure.fields {
            let (field, kind) = (&field.name, &field.kind);
            writeln!(
                text,
                "        Field {{ name: \"{field}\", offset: offset_of!({name}, {field}), \
                 kind: \"{kind}\" }},"
            )?;
        }
        writeln!(text, "    ] }},")?;
    }
    writeln!(text, "] }};")?;
    Ok(text)
}
