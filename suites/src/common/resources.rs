// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Leak accounting with what every kernel shows.
//!
//! A leak is shown by repetition: after many rounds of an operation that gives everything back,
//! what the kernel counts must not have grown by the number of rounds.

use super::wait;
use case::{CaseResult, Failure, Stop};
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

/// Takes back the slabs of a cache that processors hold, whose free objects count as used (slub.c:
/// shrink_store).
fn shrink(cache: &str) {
    // A kernel that refuses or has no such file counts less exactly.
    let _ = std::fs::write(format!("/sys/kernel/slab/{cache}/shrink"), "1");
}

/// Objects in use in a slab cache, as /proc/slabinfo says; skips where the cache is not listed.
pub fn slab_objects(cache: &str) -> CaseResult<u64> {
    shrink(cache);
    let text = super::files::read("/proc/slabinfo".as_ref())?;
    parse_slabs(&text, cache)
        .ok_or_else(|| Stop::Skip(format!("needs slab cache {cache:?} in /proc/slabinfo")))
}

fn parse_slabs(text: &str, cache: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(cache)).then(|| words.next()?.parse().ok()).flatten()
    })
}

/// Fails when a slab cache has grown by about the number of rounds of `round`.
///
/// Half the number of rounds is allowed: others allocate, too, and the kernel frees some objects
/// late.
pub fn slab_stays(cache: &str, rounds: u32, mut round: impl FnMut() -> CaseResult) -> CaseResult {
    round()?;
    let before = slab_objects(cache)?;
    for _ in 0..rounds {
        round()?;
    }
    let allowed = before + u64::from(rounds) / 2;
    let settled = wait::until(Duration::from_secs(5), || {
        let now = slab_objects(cache)?;
        Ok((now <= allowed).then_some(now))
    })?;
    if settled.is_some() {
        return Ok(());
    }
    let now = slab_objects(cache)?;
    let message = format!("slab cache {cache:?} grows from {before} to {now} in {rounds} rounds");
    Err(Stop::Fail(Failure::new(message).with("rounds", rounds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLABS: &str =
        "slabinfo - version: 2.1\n# name <active_objs>\npid 120 128 128 32 1 : tunables\n";

    #[test]
    fn slabs_are_found_by_their_whole_name() {
        assert_eq!(parse_slabs(SLABS, "pid"), Some(120));
        assert_eq!(parse_slabs(SLABS, "pi"), None);
        assert_eq!(parse_slabs("pid", "pid"), None);
        assert_eq!(parse_slabs("pid x", "pid"), None);
    }

    #[test]
    fn leaked_eventfds_push_the_number_up() {
        let first = eventfd().unwrap();
        let kept: Vec<_> = (0..50).map(|_| eventfd().unwrap()).collect();
        let last = eventfd().unwrap();
        assert!(eventfd_id(&last).unwrap() > eventfd_id(&first).unwrap());
        drop(kept);
    }
}
