// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The dma-buf importer of fixtures/importer, built against the headers of the kernel that is
//! booted. It is loaded before the driver; cases find it by its device node.
//!
//! A kernel without packaged headers, or a machine without a compiler, goes without it: the cases
//! that need it skip with that reason. The failure is noted, so that it costs time once.

use anyhow::{Context as _, Result, bail};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use vm::{Cache, Headers, Kernel, Module};

/// Name of the module.
const NAME: &str = "gauntlet_importer";

/// Its sources.
const FILES: &[(&str, &str)] = &[
    ("Makefile", include_str!("../../../fixtures/importer/Makefile")),
    ("gauntlet_importer.c", include_str!("../../../fixtures/importer/gauntlet_importer.c")),
    ("gauntlet_importer.h", include_str!("../../../fixtures/importer/gauntlet_importer.h")),
];

/// The module for a kernel, where it can be had.
pub fn module(cache: &Cache, kernel: &Kernel) -> Option<Module> {
    let name = thing(&kernel.release);
    if cache.note(&name).is_some() {
        return None;
    }
    match built(cache, kernel, &name) {
        Ok(module) => Some(module),
        Err(why) => {
            eprintln!("gauntlet: no importer module for {}: {why:#}", kernel.release);
            eprintln!("gauntlet: cases that need it skip; to try again, remove {}", noted(cache));
            // Without the note the next run tries again, which is right too.
            let _ = cache.set_note(&name, &format!("{why:#}"));
            None
        }
    }
}

/// Name in the cache: another source is another module.
fn thing(release: &str) -> String {
    let mut hash = DefaultHasher::new();
    FILES.hash(&mut hash);
    format!("importer/{release}-{:016x}", hash.finish())
}

fn noted(cache: &Cache) -> String {
    cache.path("notes").join("importer*").display().to_string()
}

fn built(cache: &Cache, kernel: &Kernel, name: &str) -> Result<Module> {
    let folder = match cache.path(name) {
        folder if folder.is_dir() => folder,
        folder => {
            let built = build(&Headers::find(cache, kernel)?, &cache.path("tmp").join("importer"))?;
            cache.folder(name, |new| {
                let file = new.join(format!("{NAME}.ko"));
                std::fs::copy(&built, &file).map_err(|source| vm::Error::Io {
                    action: "write",
                    path: file.clone(),
                    source,
                })?;
                Ok(())
            })?;
            folder
        }
    };
    Ok(vm::module::read(NAME, &folder.join(format!("{NAME}.ko")))?)
}

/// Builds in a folder that is emptied first.
fn build(headers: &Headers, folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    std::fs::create_dir_all(folder)?;
    for (name, text) in FILES {
        std::fs::write(folder.join(name), text)?;
    }
    let output = headers
        .make(folder)
        .arg("modules")
        .stdin(Stdio::null())
        .output()
        .context("cannot start make; install build-essential")?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let first = errors.lines().find(|line| line.contains("rror")).unwrap_or("make failed");
        bail!("it does not build: {first}");
    }
    Ok(folder.join(format!("{NAME}.ko")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_kernel_is_another_thing() {
        assert_ne!(thing("6.12.1"), thing("6.12.2"));
        assert!(thing("6.12.1").starts_with("importer/6.12.1-"));
    }

    #[test]
    fn the_sources_are_those_of_the_module() {
        for (name, text) in FILES {
            assert!(text.contains("GPL-2.0-only"), "{name}");
        }
    }
}
