// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What can go wrong between "a kernel, please" and a booted machine: one clear line each.

use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// The result of everything in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the environment, never of the driver under test. `Display` is one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file operation failed.
    #[error("cannot {action} {path}: {reason}", path = path.display(), reason = reason(source))]
    Io {
        /// Verb, as in "cannot write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The errno behind it.
        source: io::Error,
    },
    /// A program of the machine could not be started.
    #[error("cannot start {program}: {reason}; {hint}", reason = reason(source))]
    Start {
        /// Name of the program.
        program: String,
        /// The errno behind it.
        source: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// A program of the machine ended with an error that fits no other line.
    #[error("{program} failed: {message}")]
    Tool {
        /// Name of the program.
        program: String,
        /// Its own words, on one line.
        message: String,
    },
    /// The package archive cannot be reached.
    #[error(
        "no network: {message}; a kernel given as file (--kernel VMLINUZ --modules DIR) and a \
             host QEMU of 10.1 or later need none"
    )]
    NoNetwork {
        /// The package manager's words.
        message: String,
    },
    /// The package archive's signature could not be checked.
    #[error("cannot verify the package archive: {message}; install debian-archive-keyring")]
    Keyring {
        /// The package manager's words.
        message: String,
    },
    /// No Debian mirror is known to this machine.
    #[error(
        "no Debian mirror in the apt sources of this machine: set GAUNTLET_DEBIAN_MIRROR to \
             the URI of one (and install debian-archive-keyring), or {instead}"
    )]
    NoMirror {
        /// What needs no mirror.
        instead: &'static str,
    },
    /// A package is not in the archive.
    #[error("no package {wanted} in {archive}")]
    PackageMissing {
        /// Name or pattern.
        wanted: String,
        /// The suites searched.
        archive: String,
    },
    /// No room on the disk.
    #[error("disk full while writing {path}: free some space, or choose another place with \
             GAUNTLET_CACHE or --run-dir", path = path.display())]
    DiskFull {
        /// The file or folder.
        path: PathBuf,
    },
    /// The text after `--kernel` is none of the known forms.
    #[error(
        "kernel {spec:?}: {message}; use debian:6.12, debian:7.3, an exact debian:6.12.117, a \
             .deb file, or a vmlinuz with --modules DIR"
    )]
    KernelSpec {
        /// As given.
        spec: String,
        /// What is wrong with it.
        message: String,
    },
    /// A kernel image is damaged or of another architecture.
    #[error("{path} is no usable kernel image: {message}", path = path.display())]
    KernelImage {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A module is missing in the modules folder.
    #[error("no {name}.ko under {folder}: the kernel was built without it, or the folder is of \
             another kernel", folder = folder.display())]
    NoModule {
        /// Module name.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A module is damaged or no module at all.
    #[error("{path} is no usable kernel module: {message}", path = path.display())]
    Module {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A module was built for another kernel.
    #[error("{path} was built for another kernel: its vermagic is {found:?}, the kernel is \
             {kernel:?}", path = path.display())]
    Vermagic {
        /// The module.
        path: PathBuf,
        /// `vermagic=` of the module.
        found: String,
        /// Release or vermagic of the kernel.
        kernel: String,
    },
    /// A file cannot go into the initramfs.
    #[error("cannot put {path:?} into the initramfs: {message}")]
    Archive {
        /// Path in the guest.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// A program cannot be taken along into the guest.
    #[error("cannot take {path} into the guest: {message}", path = path.display())]
    Program {
        /// The program on the host.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The machine description does not make sense.
    #[error("machine: {0}")]
    Machine(String),
}

impl Error {
    /// Wraps an I/O error; a full disk becomes its own line.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            return Self::DiskFull { path: path.to_owned() };
        }
        Self::Io { action, path: path.to_owned(), source }
    }
}

/// `map_err` adapter: `fs::read(p).map_err(io("read", p))`.
pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::io(action, path, source)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}

/// The errno by name, else the library's words.
pub(crate) fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", Errno::from_raw(number)),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errnos_are_named_and_a_full_disk_is_told_apart() {
        let denied = io::Error::from_raw_os_error(libc::EACCES);
        let line = Error::io("write", Path::new("/run/x"), denied).to_string();
        assert_eq!(line, "cannot write /run/x: EACCES");
        let full = io::Error::from_raw_os_error(libc::ENOSPC);
        let line = Error::io("write", Path::new("/run/x"), full).to_string();
        assert!(line.starts_with("disk full while writing /run/x"), "{line}");
    }
}
