// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Builds the driver of a kernel tree against a kernel's headers.
//!
//! Only the driver's folder is taken from the tree; everything else (configuration, exported
//! symbols, headers) is that of the kernel that is booted. A tree whose driver needs newer core
//! code than that does not build, and the compiler says so.

use crate::{exit, headers};
use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use vm::{Cache, Kernel};

/// The driver in a tree.
const DRIVER: &str = "drivers/accel/habanalabs";

/// Builds `habanalabs.ko`.
pub fn build(tree: &Path, cache: &Cache, kernel: &Kernel) -> Result<PathBuf> {
    let source = tree.join(DRIVER);
    if !source.join("Kconfig").is_file() {
        let tree = tree.display();
        return Err(exit::usage(format!("--tree {tree}: there is no {DRIVER} in it")));
    }
    let folder = cache.path(&format!("tree-{}", kernel.release));
    copy(&source, &folder)?;
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let output = headers::make(cache, kernel, &folder)?
        .args([&format!("-j{jobs}"), "CONFIG_DRM_ACCEL_HABANALABS=m", "modules"])
        .stdin(Stdio::null())
        .output()
        .context("cannot start make; install build-essential")?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let first = errors.lines().find(|line| line.contains("error")).unwrap_or("make failed");
        let log = folder.join("build.log");
        // The first error is on the screen in any case.
        let _ = std::fs::write(&log, &*errors);
        bail!("the driver of {} does not build: {first} ({})", tree.display(), log.display());
    }
    Ok(folder.join("habanalabs.ko"))
}

/// Copies the driver, so that nothing is written into the user's tree.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let put = || -> std::io::Result<()> {
        if to.exists() {
            std::fs::remove_dir_all(to)?;
        }
        copy_folder(from, to)
    };
    put().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

fn copy_folder(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &place)?;
        } else {
            std::fs::copy(entry.path(), place)?;
        }
    }
    Ok(())
}
