// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `gauntlet headers`: builds the modules of a folder against the headers of a kernel, which need
//! not be installed.

use crate::exit;
use crate::options::HeadersOptions;
use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::Command;
use vm::{Cache, Headers, Kernel, KernelSpec};

/// `gauntlet headers KERNEL FOLDER [-- MAKE ARGUMENT ...]`.
pub fn headers(options: &HeadersOptions) -> Result<u8> {
    let HeadersOptions { kernel, folder, modules, arguments } = options;
    if !folder.is_dir() {
        return Err(exit::usage(format!("{} is no folder", folder.display())));
    }
    let spec: KernelSpec = kernel.parse().map_err(|why: vm::Error| exit::usage(why.to_string()))?;
    let cache = Cache::open_default()?;
    let kernel = Kernel::find(&cache, &spec, modules.as_deref())?;
    let folder = std::path::absolute(folder)?;
    let mut make = make(&cache, &kernel, &folder)?;
    let status =
        make.args(arguments).status().context("cannot start make; install make and gcc")?;
    Ok(if status.success() { exit::AS_EXPECTED } else { exit::INFRASTRUCTURE })
}

/// `make` for the modules of a folder: with the headers of this machine or of the kernel's own
/// build where they are, else with fetched ones.
pub fn make(cache: &Cache, kernel: &Kernel, source: &Path) -> Result<Command> {
    let release = &kernel.release;
    let places = [
        format!("/usr/src/linux-headers-{release}").into(),
        format!("/lib/modules/{release}/build").into(),
        kernel.modules.join("build"),
        kernel.modules.clone(),
    ];
    if let Some(build) = places.into_iter().find(|place| place.join("Module.symvers").is_file()) {
        let mut make = Command::new("make");
        make.arg("-C").arg(build).arg(format!("M={}", source.display()));
        return Ok(make);
    }
    let headers = Headers::find(cache, kernel).with_context(|| {
        format!(
            "no headers of {release} to build a driver: install linux-headers-{release}, or build \
             the module yourself and give it with --driver"
        )
    })?;
    Ok(headers.make(source))
}
