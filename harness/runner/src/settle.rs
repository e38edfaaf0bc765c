// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! After a case: waits for the device to be operational again, as long as that can still happen.
//!
//! Two things end the wait early. A kernel that says that it cannot be trusted any more (an oops
//! with a lock held lets every later user of the device wait for ever) is only listened to until
//! it has said everything. A device whose status does not change while the kernel logs nothing is
//! taken for lost.

use crate::kmsg::{Entry, KernelLog};
use crate::locate::Found;
use crate::wait::until;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The longest that a device may take, to be scaled.
pub const LONGEST: Duration = Duration::from_secs(30);
/// A modelled device that shows no sign of a change for so long is lost. Not scaled: what takes
/// time there are the driver's own pauses, of 2 s at most (`gaudi.c: GAUDI_RESET_TIMEOUT_MSEC`,
/// `gaudi2.c: GAUDI2_RESET_TIMEOUT_MSEC`), and it logs before and after each of them.
pub const STILL: Duration = Duration::from_secs(15);
/// A kernel that faulted has said everything after so much silence, and is heard for at most so
/// long; to be scaled.
const SILENCE: Duration = Duration::from_millis(50);
const HEARD: Duration = Duration::from_secs(2);

/// The times that hold on a machine, scaled.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// In all.
    pub longest: Duration,
    /// Without any sign of a change.
    pub still: Duration,
    /// Factor on the rest.
    pub scale: f64,
}

/// Is the kernel beyond trust? If so, hears it out.
pub fn faulted(log: Option<&mut KernelLog>, patience: Patience) -> bool {
    let Some(log) = log else { return false };
    if !log.look() {
        return false;
    }
    log.calm(SILENCE.mul_f64(patience.scale), HEARD.mul_f64(patience.scale));
    true
}

/// Waits for the device to be operational; says why it is not. Nothing is said of the device of a
/// kernel that faults.
pub fn settle(
    found: &Found,
    mut log: Option<&mut KernelLog>,
    patience: Patience,
) -> Option<String> {
    let (mut status, mut read, mut said) = (None, 0, BTreeSet::new());
    let mut changed = Instant::now();
    let (mut operational, mut fault) = (false, false);
    until(patience.longest, || {
        let now = found.status();
        operational = now.as_deref() == Some("Operational");
        fault = log.as_mut().is_some_and(|log| log.look());
        let records = log.as_ref().map_or(&[][..], |log| log.pending());
        let fresh = records[read..].iter().filter(|entry| said.insert(entry.text.clone())).count();
        if fresh > 0 || status != now {
            changed = Instant::now();
        }
        (status, read) = (now, records.len());
        operational || fault || changed.elapsed() > patience.still
    });
    if operational || faulted(log, patience) {
        return None;
    }
    Some(match status {
        Some(status) => format!("its status is {status:?}"),
        None => "its status cannot be read".into(),
    })
}

/// What the driver logs when a hard reset has ended (`device.c: hl_device_reset`).
const ENDED: &str = "Successfully finished resetting";

/// Hard resets since a count. The driver counts one only after the device is operational again and a
/// line of it is logged (`device.c: hl_device_reset`), so what is logged or declared is waited for.
/// A driver that was loaded anew counts from zero.
pub fn resets(
    found: &Found,
    before: u32,
    news: &[Entry],
    declared: u32,
    patience: Duration,
) -> Option<u32> {
    let logged = news.iter().filter(|entry| entry.text.contains(ENDED)).count();
    let due = declared.max(u32::try_from(logged).unwrap_or(u32::MAX));
    let mut now = None;
    until(patience, || {
        now = found.hard_resets();
        now.is_none_or(|now| now < before || now - before >= due)
    });
    now.map(|now| now.saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::Asic;
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    /// A device in a folder whose status stands in a file, and a log that is a file.
    fn played(folder: &Path, status: &str) -> (Found, KernelLog) {
        fs::write(folder.join("status"), status).unwrap();
        fs::write(folder.join("kmsg"), "").unwrap();
        let place = || folder.to_path_buf();
        let found = Found {
            asic: Asic::Gaudi,
            name: "accel0".into(),
            compute: place(),
            control: place(),
            pci: place(),
            sysfs: place(),
            debugfs: None,
        };
        (found, KernelLog::open(&folder.join("kmsg")).unwrap())
    }

    #[test]
    fn a_reset_may_be_counted_late() {
        let folder = tempfile::tempdir().unwrap();
        let (found, _log) = played(folder.path(), "Operational\n");
        let count = folder.path().join("hard_reset_cnt");
        let entry = |text: &str| Entry { level: 6, sequence: 1, text: text.into() };
        let soon = Duration::from_secs(20);
        let logged = [entry("habanalabs 0000:01:00.0: Successfully finished resetting the device")];
        assert_eq!(resets(&found, 2, &logged, 0, soon), None, "no attribute");
        for (news, declared) in [(&logged[..], 0), (&[], 1), (&logged, 1)] {
            fs::write(&count, "2\n").unwrap();
            let late = std::thread::scope(|scope| {
                let waits = scope.spawn(|| resets(&found, 2, news, declared, soon));
                std::thread::yield_now();
                fs::write(folder.path().join("new"), "3\n").unwrap();
                fs::rename(folder.path().join("new"), &count).unwrap();
                waits.join().unwrap()
            });
            assert_eq!(late, Some(1));
        }
        assert_eq!(resets(&found, 3, &[], 0, soon), Some(0), "none is waited for");
        assert_eq!(resets(&found, 2, &[], 0, soon), Some(1), "one that nobody declared");
        assert_eq!(resets(&found, 9, &[], 1, soon), Some(0), "a driver that was loaded anew");
        assert_eq!(resets(&found, 3, &[], 1, Duration::ZERO), Some(0), "one that never came");
    }

    fn patience(still: u64) -> Patience {
        let still = Duration::from_millis(still);
        Patience { longest: Duration::from_secs(60), still, scale: 1.0 }
    }

    fn log(folder: &Path, sequence: u32, text: &str) {
        let mut file = fs::File::options().append(true).open(folder.join("kmsg")).unwrap();
        writeln!(file, "4,{sequence},1,-;{text}").unwrap();
    }

    #[test]
    fn a_device_at_work_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (found, mut log) = played(folder.path(), "Operational\n");
        assert_eq!(settle(&found, Some(&mut log), patience(60_000)), None);
    }

    #[test]
    fn nobody_waits_for_the_device_of_a_kernel_that_faulted() {
        let folder = tempfile::tempdir().unwrap();
        let (found, mut kernel) = played(folder.path(), "In device release\n");
        log(folder.path(), 1, "Oops: 0002 [#1] PREEMPT SMP NOPTI");
        let started = Instant::now();
        assert_eq!(settle(&found, Some(&mut kernel), patience(60_000)), None);
        assert!(started.elapsed() < Duration::from_secs(30));
        assert!(faulted(Some(&mut kernel), patience(0)));
    }

    #[test]
    fn the_same_words_again_are_no_sign_of_life() {
        let folder = tempfile::tempdir().unwrap();
        let (found, mut kernel) = played(folder.path(), "In reset\n");
        let (done, place) = (std::sync::atomic::AtomicBool::new(false), folder.path());
        let started = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1.. {
                    if done.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    log(place, number, "Could not reset device. will try again in 10 seconds");
                    std::thread::yield_now();
                }
            });
            let lost = settle(&found, Some(&mut kernel), patience(300));
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(lost.as_deref(), Some("its status is \"In reset\""));
        });
        assert!(started.elapsed() < Duration::from_secs(30));
    }
}
