// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The processes that a case leaves behind.
//!
//! The runner is a subreaper: whatever a case forks, in whatever session, comes to the runner when
//! its parent is gone. After each case the runner has no child but those, so all of them go.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::time::{Duration, Instant};

/// Makes the calling process the parent of orphans.
pub fn become_subreaper() -> nix::Result<()> {
    // SAFETY: PR_SET_CHILD_SUBREAPER takes an integer and touches no memory of ours.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }).map(drop)
}

/// Threads of a process.
pub fn threads(pid: i32) -> Vec<i32> {
    let Ok(folder) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Children of a process.
pub fn children(pid: i32) -> Vec<i32> {
    let mut children = Vec::new();
    for thread in threads(pid) {
        match std::fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")) {
            Ok(list) => {
                children.extend(list.split_whitespace().filter_map(|p| p.parse::<i32>().ok()))
            }
            Err(_) => return children_by_scan(pid),
        }
    }
    children
}

/// Children, their children and so on.
pub fn descendants(pid: i32) -> Vec<i32> {
    let mut all = children(pid);
    let mut next = 0;
    while next < all.len() {
        let more = children(all[next]);
        all.extend(more);
        next += 1;
    }
    all
}

/// For kernels without `CONFIG_PROC_CHILDREN`.
fn children_by_scan(parent: i32) -> Vec<i32> {
    let Ok(folder) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = folder.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: i32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; the state and the parent follow it.
    stat.rsplit_once(") ")?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Kills what is left of a case: its process group and every orphan that came to us. Returns how
/// many orphans there were; an orphan that does not die before the deadline is an error.
pub fn end_all(group: i32, patience: Duration) -> Result<usize, Vec<i32>> {
    // The group may be gone already; then there is nobody to kill.
    let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    let deadline = Instant::now() + patience;
    let mut count = 0;
    let mut pause = Duration::from_micros(100);
    loop {
        let left = children(std::process::id() as i32);
        if left.is_empty() {
            return Ok(count);
        }
        for pid in &left {
            let pid = Pid::from_raw(*pid);
            let _ = kill(pid, Signal::SIGKILL);
            if let Ok(status) = waitpid(pid, Some(WaitPidFlag::WNOHANG))
                && status.pid().is_some()
            {
                count += 1;
            }
        }
        if Instant::now() > deadline {
            return Err(left);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
