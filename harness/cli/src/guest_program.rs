// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Finds the static program of the guest.

use anyhow::{Context as _, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names another place.
const VARIABLE: &str = "GAUNTLET_GUEST";

/// Where it is, seen from the folder of this program: installed, or built in a checkout.
const PLACES: &[&str] =
    &["gauntlet-guest", "../lib/gauntlet/guest", "../guest/x86_64-unknown-linux-gnu/guest/guest"];

/// Finds it and makes sure that it has the cases of this program.
pub fn find(cases: &[case::Case]) -> Result<PathBuf> {
    let path = look()?;
    let output = Command::new(&path)
        .arg("names")
        .output()
        .with_context(|| format!("cannot run the guest program {}", path.display()))?;
    let theirs = String::from_utf8_lossy(&output.stdout);
    if !theirs.lines().eq(cases.iter().map(|case| &*case.name)) {
        bail!("{} has other cases than this program: run ./scripts/build", path.display());
    }
    Ok(path)
}

fn look() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(VARIABLE).map(PathBuf::from) {
        if path.is_file() {
            return Ok(path);
        }
        bail!("{VARIABLE}={}: no such file", path.display());
    }
    let program = std::env::current_exe().context("cannot find this program")?;
    let folder = program.parent().unwrap_or(Path::new("."));
    let mut places = PLACES.iter().map(|place| folder.join(place));
    places.find(|path| path.is_file()).ok_or_else(|| {
        anyhow::anyhow!("the guest program is not built: run ./scripts/build, or set {VARIABLE}")
    })
}
