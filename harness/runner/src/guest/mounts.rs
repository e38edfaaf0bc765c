// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The mounts of the guest.

use anyhow::{Context as _, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

struct Mount {
    kind: &'static str,
    on: &'static str,
    /// A kernel without it can still run cases; those that need it skip.
    optional: bool,
}

const fn needed(kind: &'static str, on: &'static str) -> Mount {
    Mount { kind, on, optional: false }
}

const fn optional(kind: &'static str, on: &'static str) -> Mount {
    Mount { kind, on, optional: true }
}

/// In this order: a later one may lie inside an earlier one.
const MOUNTS: &[Mount] = &[
    needed("proc", "/proc"),
    needed("sysfs", "/sys"),
    needed("devtmpfs", "/dev"),
    optional("devpts", "/dev/pts"),
    optional("tmpfs", "/dev/shm"),
    optional("debugfs", "/sys/kernel/debug"),
    optional("tracefs", "/sys/kernel/tracing"),
    optional("configfs", "/sys/kernel/config"),
];

/// Folders that programs expect. Not mounted: the root is in memory anyway, and what a user takes
/// along from such a folder must stay visible.
const FOLDERS: &[&str] = &["/tmp", "/run", "/var"];

/// Mounts all of them.
pub fn all() -> Result<()> {
    for Mount { kind, on, optional } in MOUNTS {
        // A folder that exists, or cannot be made, shows in the mount itself.
        let _ = std::fs::create_dir_all(on);
        let result = mount(Some(*kind), *on, Some(*kind), MsFlags::empty(), None::<&str>);
        match result {
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(_) if *optional => {}
            Err(errno) => {
                return Err(errno).with_context(|| format!("cannot mount {kind} on {on}"));
            }
        }
    }
    for folder in FOLDERS {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {folder}"))?;
    }
    Ok(())
}
