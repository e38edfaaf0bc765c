// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The rate of the time stamp counter that an emulated guest reads: that of the host, which QEMU
//! hands on (`cpu_get_host_ticks`).
//!
//! A kernel finds it out by the emulated timers while it boots. On a loaded machine that goes wrong
//! now and then (45 and 93 MHz instead of 2000, in 2 of 180 boots): all clocks of the guest run
//! twenty times too fast, and every time-out of the driver and every watchdog of the kernel fires.
//! So the rate is measured here, where only a reading that nothing came between counts, and the
//! guest is told.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Time between two readings: the error of one is below a microsecond.
const APART: Duration = Duration::from_millis(10);
/// Attempts to read both clocks with nothing in between.
const ATTEMPTS: usize = 32;
/// What a counter may run at, kHz; anything else is no counter.
const SANE: std::ops::RangeInclusive<u64> = 100_000..=10_000_000;

/// The rate in kHz; none where it cannot be told.
pub fn khz() -> Option<u64> {
    static RATE: OnceLock<Option<u64>> = OnceLock::new();
    *RATE.get_or_init(measure)
}

fn measure() -> Option<u64> {
    let (first, from) = read()?;
    std::thread::sleep(APART);
    let (second, to) = read()?;
    let ticks = u128::from(to.checked_sub(from)?);
    let khz = ticks * 1_000_000 / second.duration_since(first).as_nanos().max(1);
    u64::try_from(khz).ok().filter(|khz| SANE.contains(khz))
}

/// Both clocks, as close to each other as they can be read.
fn read() -> Option<(Instant, u64)> {
    let attempt = || {
        let before = counter()?;
        let now = Instant::now();
        Some((counter()?.wrapping_sub(before), now, before))
    };
    let best = (0..ATTEMPTS).filter_map(|_| attempt()).min_by_key(|(between, ..)| *between)?;
    let (between, now, before) = best;
    Some((now, before + between / 2))
}

#[cfg(target_arch = "x86_64")]
fn counter() -> Option<u64> {
    // SAFETY: every x86_64 processor has the instruction, and it has no effect on memory.
    Some(unsafe { core::arch::x86_64::_rdtsc() })
}

#[cfg(not(target_arch = "x86_64"))]
fn counter() -> Option<u64> {
    None
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;

    #[test]
    fn measurements_agree() {
        let (one, other) = (measure().unwrap(), measure().unwrap());
        assert!(one.abs_diff(other) * 100 < one, "{one} kHz, {other} kHz");
        assert_eq!(khz(), khz());
    }
}
