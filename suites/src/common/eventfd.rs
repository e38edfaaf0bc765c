// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Eventfds, and the numbers that tell whether the kernel has kept some.

use case::{CaseResult, Stop, equal, succeed};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// The kernel's number of an eventfd context (`fs/eventfd.c: eventfd_show_fdinfo`). Numbers of
/// freed contexts are given out again, lowest first, so leaked contexts push new numbers up.
pub fn eventfd_id(eventfd: &EventFd) -> CaseResult<u64> {
    let path = format!("/proc/self/fdinfo/{}", eventfd.as_fd().as_raw_fd());
    let text = super::files::read(path.as_ref())?;
    let id = text.lines().find_map(|line| line.strip_prefix("eventfd-id:"));
    id.and_then(|id| id.trim().parse().ok())
        .ok_or_else(|| Stop::Skip("needs eventfd-id in /proc/self/fdinfo".into()))
}

/// An eventfd that reads do not block on.
pub fn eventfd() -> CaseResult<EventFd> {
    EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
        .map_err(|why| Stop::Broken(format!("eventfd fails: {why}")))
}

/// Signals of an eventfd, once there are some; fails when none comes within the limit.
#[track_caller]
pub fn signals(eventfd: &EventFd, limit: Duration) -> CaseResult<u64> {
    let mut files = [PollFd::new(eventfd.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
    equal("eventfds that are ready", succeed("poll", poll(&mut files, timeout))?, 1)?;
    succeed("reading the eventfd", eventfd.read())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaked_eventfds_push_the_number_up() {
        let first = eventfd().unwrap();
        let kept: Vec<_> = (0..50).map(|_| eventfd().unwrap()).collect();
        let last = eventfd().unwrap();
        assert!(eventfd_id(&last).unwrap() > eventfd_id(&first).unwrap());
        drop(kept);
    }
}
