// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A QEMU that can talk to a device model over vfio-user: the host's if its `-device help` lists
//! `vfio-user-pci` (10.1 and later), else a private copy in the cache, run through its own loader
//! so that neither root nor a chroot is needed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::apt::{Apt, Suites};
use crate::cache::Cache;
use crate::error::{Error, Result};

/// The program's name, on the host's path and in the package.
const PROGRAM: &str = "qemu-system-x86_64";
/// The device that makes it usable.
const DEVICE: &str = "vfio-user-pci";
/// Name of the private copy in the cache.
const PRIVATE: &str = "qemu/trixie-backports";
/// Where the parts of the private copy are.
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const LOADER: &str = "ld-linux-x86-64.so.2";
const DATA: &[&str] = &["usr/share/qemu", "usr/share/seabios"];

/// A QEMU and how to start it.
#[derive(Debug, Clone)]
pub struct Qemu {
    /// The start of the command line.
    pub command: Vec<OsString>,
    /// First line of `--version`.
    pub version: String,
}

impl Qemu {
    /// The host's QEMU, else the private one, fetched if need be.
    pub fn find(cache: &Cache) -> Result<Self> {
        if let Some(qemu) = Self::with_device(vec![PROGRAM.into()])? {
            return Ok(qemu);
        }
        Self::private(cache)
    }

    /// This very QEMU.
    pub fn at(program: &Path) -> Result<Self> {
        Self::with_device(vec![program.into()])?.ok_or_else(|| {
            Error::Machine(format!(
                "{} has no {DEVICE} (QEMU 10.1 or later does)",
                program.display()
            ))
        })
    }

    /// The private copy, fetched if need be.
    pub fn private(cache: &Cache) -> Result<Self> {
        let root = private_root(cache)?;
        Self::with_device(private_command(&root))?.ok_or_else(|| {
            Error::Machine(format!(
                "the QEMU in {} does not list {DEVICE}: remove that folder and try again",
                root.display()
            ))
        })
    }

    /// `None` if it cannot be started or lacks the device.
    fn with_device(command: Vec<OsString>) -> Result<Option<Self>> {
        let Some(devices) = ask(&command, &["-device", "help"]) else { return Ok(None) };
        if !devices.contains(&format!("\"{DEVICE}\"")) {
            return Ok(None);
        }
        let version = ask(&command, &["--version"]).unwrap_or_default();
        let version = version.lines().next().unwrap_or("").to_owned();
        Ok(Some(Self { command, version }))
    }
}

/// The folder of the private copy, fetched if need be.
pub(crate) fn private_root(cache: &Cache) -> Result<PathBuf> {
    cache.folder(PRIVATE, |folder| {
        let apt = Apt::open(cache, Suites::Trixie)?
            .ok_or(Error::NoMirror { instead: "install QEMU 10.1 or later" })?;
        apt.unpack_closure("qemu-system-x86", "trixie-backports", folder)
    })
}

/// The start of a command that runs a program with the libraries of the private copy.
pub(crate) fn through_loader(root: &Path) -> Vec<OsString> {
    let libraries = root.join(LIBRARIES);
    vec![libraries.join(LOADER).into(), "--library-path".into(), libraries.into()]
}

fn private_command(root: &Path) -> Vec<OsString> {
    let mut command = through_loader(root);
    command.extend(["--argv0".into(), PROGRAM.into()]);
    command.push(root.join("usr/bin").join(PROGRAM).into());
    for folder in DATA {
        command.push("-L".into());
        command.push(PathBuf::from(root).join(folder).into());
    }
    command
}

fn ask(command: &[OsString], args: &[&str]) -> Option<String> {
    let (program, rest) = command.split_first()?;
    let output = Command::new(program).args(rest).args(args).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_the_device_is_refused() {
        let message = Qemu::at(Path::new("/bin/echo")).unwrap_err().to_string();
        assert!(message.contains("/bin/echo has no vfio-user-pci"), "{message}");
        assert!(Qemu::at(Path::new("/nonexistent/qemu")).is_err());
    }

    #[test]
    fn the_private_copy_runs_through_its_own_loader() {
        let command = private_command(Path::new("/c"));
        assert_eq!(command[0], "/c/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2");
        assert_eq!(command[5], "/c/usr/bin/qemu-system-x86_64");
        assert_eq!(command.last().unwrap(), "/c/usr/share/seabios");
    }
}
