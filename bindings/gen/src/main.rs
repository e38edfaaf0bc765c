// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Generates the bindings of crate `uapi` from packaged kernel headers.
//!
//! Run by `scripts/regen-bindings`, which fetches the headers. Needs libclang. For each header
//! generation it writes `src/<name>.rs` (bindgen), `src/<name>_table.rs` (names and layout as
//! the Rust compiler sees them) and `abi/<name>.<arch>.abi` (names and layout as clang sees
//! them). With `--check` it writes nothing and fails when a file differs.

mod abi;
mod bind;
mod header;
mod layout;
mod output;
mod table;

use anyhow::Context;
use clap::Parser;
use std::path::PathBuf;

/// Generates the bindings of crate `uapi`.
#[derive(Parser)]
struct Options {
    /// Folder with `drm/habanalabs_accel.h` and `drm/drm.h`.
    #[arg(long)]
    drm: PathBuf,
    /// Folder with `misc/habanalabs.h`, `linux/` and `asm/`; may be given more than once.
    #[arg(long, required = true)]
    libc: Vec<PathBuf>,
    /// The folder of crate `uapi`.
    #[arg(long)]
    uapi: PathBuf,
    /// Compares instead of writing.
    #[arg(long)]
    check: bool,
}

fn main() -> anyhow::Result<()> {
    let Options { drm, libc, uapi, check } = Options::parse();
    let mut include = vec![drm];
    include.extend(libc);
    let mut output = output::Output::new(uapi, check);
    for generation in header::GENERATIONS {
        one(generation, &include, &mut output)
            .with_context(|| format!("generation {}", generation.name))?;
    }
    output.finish()
}

/// One header generation.
fn one(
    generation: &header::Generation,
    include: &[PathBuf],
    output: &mut output::Output,
) -> anyhow::Result<()> {
    let wrapper = header::wrapper(generation, include)?;
    for arch in bind::ARCHES {
        let text = bind::bindings(generation, &wrapper, include, arch)?;
        let layout = layout::Layout::parse(&text)?;
        let snapshot = abi::text(generation.about, arch.name, &layout)?;
        output.put(&format!("abi/{}.{}.abi", generation.name, arch.name), snapshot)?;
        if arch.compiled {
            let table = table::text(generation, &layout)?;
            output.put(&format!("src/{}_table.rs", generation.name), table)?;
            output.put(&format!("src/{}.rs", generation.name), text)?;
        }
    }
    Ok(())
}
