// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Loads kernel modules.

use crate::Module;
use anyhow::{Context as _, Result};
use nix::errno::Errno;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsRawFd;

/// `MODULE_INIT_COMPRESSED_FILE`: the kernel decompresses (`CONFIG_MODULE_DECOMPRESS`).
const COMPRESSED: libc::c_int = 4;

/// Loads one; a module that is there already is fine.
pub fn load(module: &Module) -> Result<()> {
    let Module { path, parameters } = module;
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let parameters = CString::new(parameters.as_str()).context("module parameters")?;
    let plain = path.extension().is_some_and(|extension| extension == "ko");
    let flags = if plain { 0 } else { COMPRESSED };
    // SAFETY: the file is open and the parameters are a string with its final zero; both outlive
    // the call, which keeps neither.
    let result = unsafe {
        libc::syscall(libc::SYS_finit_module, file.as_raw_fd(), parameters.as_ptr(), flags)
    };
    match Errno::result(result) {
        Ok(_) | Err(Errno::EEXIST) => Ok(()),
        Err(errno) => Err(errno).with_context(|| {
            let hint = match errno {
                Errno::ENOEXEC => " (is it built for this kernel?)",
                Errno::ENOENT => " (a symbol or a parameter that it needs is missing)",
                Errno::EKEYREJECTED => " (its signature is wrong)",
                _ => "",
            };
            format!("cannot load {}{hint}", path.display())
        }),
    }
}
