// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Takes the expectation files of `suites/expectations` into the program: an installed `gauntlet`
//! judges a run like one in the checkout.

use std::fmt::Write as _;
use std::path::Path;

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let folder = Path::new(&root).join("../../suites/expectations");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    let mut text = String::from("pub const FILES: &[(&str, &str)] = &[\n");
    for path in files {
        let wanted = path.extension().is_some_and(|end| end == "expect" || end == "cases");
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|_| wanted) {
            writeln!(text, "    ({name:?}, include_str!({path:?})),").expect("a string takes all");
        }
    }
    text.push_str("];\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("expectations.rs"), text).expect("the build folder");
}
