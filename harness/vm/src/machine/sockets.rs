// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A short-lived folder for the sockets of one machine. Socket paths are limited to 107 bytes,
//! so they cannot live in the run folder, which may be anywhere.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Removed with everything in it when dropped.
#[derive(Debug)]
pub struct Sockets {
    folder: tempfile::TempDir,
}

impl Sockets {
    /// A new folder in `$XDG_RUNTIME_DIR`, else in the folder for temporary files.
    pub fn new() -> Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let places = runtime.into_iter().chain([std::env::temp_dir(), "/tmp".into()]);
        let mut last = None;
        for place in places.filter(|p| p.as_os_str().len() < 64) {
            match tempfile::Builder::new().prefix("gauntlet-").tempdir_in(&place) {
                Ok(folder) => return Ok(Self { folder }),
                Err(error) => {
                    last = Some(Error::io("create a folder for sockets in", &place, error))
                }
            }
        }
        Err(last.unwrap_or_else(|| Error::Machine("no folder for sockets: set TMPDIR".into())))
    }

    /// The path of the socket of that name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}
