// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Polling under a deadline, for things that give no event (attributes of sysfs).

use std::time::{Duration, Instant};

/// Waits until `holds`, with growing pauses; false when the time is over.
pub fn until(patience: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    let mut pause = Duration::from_micros(500);
    while !holds() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
    true
}
