// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Where a process that does not end hangs: its kernel stacks, read before it is killed.

use crate::family;
use std::fmt::Write as _;
use std::path::Path;

/// Files of `/proc/PID/task/TID` that tell where a thread is.
const FILES: &[&str] = &["wchan", "syscall", "stack"];

/// The stacks of a process and of its descendants, as text.
pub fn dump(pid: i32) -> String {
    let mut text = String::new();
    for pid in std::iter::once(pid).chain(family::descendants(pid)) {
        for thread in family::threads(pid) {
            let folder = format!("/proc/{pid}/task/{thread}");
            let _ = writeln!(text, "thread {thread} of process {pid} ({})", state(&folder));
            for file in FILES {
                if let Ok(content) = std::fs::read_to_string(Path::new(&folder).join(file)) {
                    let _ = writeln!(text, "{file}: {}", content.trim_end());
                }
            }
        }
    }
    text
}

/// Lets the kernel log all blocked tasks (`w`) and what every CPU does (`l`).
pub fn ask_kernel() {
    for key in ["w", "l"] {
        // Where this is not allowed, the stacks of the case have to do.
        let _ = std::fs::write("/proc/sysrq-trigger", key);
    }
}

fn state(folder: &str) -> String {
    let status = std::fs::read_to_string(format!("{folder}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("State:"));
    line.map_or_else(|| "gone".to_string(), |state| state.trim().to_string())
}
