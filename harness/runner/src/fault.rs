// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Which kernel log records are faults of the kernel.
//!
//! A fault is a report by the kernel's own checks: WARN, BUG, oops, lockdep, sanitizers, hung
//! tasks, stalls. What a driver says with `dev_err` or `dev_warn` is no fault: drivers log bad
//! input at that level, and negative cases send it. Such lines are recorded with the case.

use crate::kmsg::Entry;

/// How a headline is recognised and what follows.
#[derive(Debug)]
pub struct Headline {
    /// Start of the text.
    pub start: &'static str,
    /// The kernel cannot be trusted any more: the guest ends.
    pub fatal: bool,
}

const fn warned(start: &'static str) -> Headline {
    Headline { start, fatal: false }
}

const fn fatal(start: &'static str) -> Headline {
    Headline { start, fatal: true }
}

/// Every headline; the first that matches decides.
pub const HEADLINES: &[Headline] = &[
    fatal("BUG: kernel NULL pointer dereference"),
    fatal("BUG: unable to handle"),
    fatal("BUG: KASAN"),
    fatal("BUG: KFENCE"),
    fatal("BUG: Bad page"),
    fatal("BUG: soft lockup"),
    fatal("watchdog: BUG"),
    fatal("watchdog: Watchdog detected hard LOCKUP"),
    warned("BUG: "),
    // The allocator's own reports: `BUG kmalloc-64 (Not tainted): Poison overwritten`.
    fatal("BUG "),
    fatal("kernel BUG at "),
    fatal("Oops"),
    fatal("general protection fault"),
    fatal("Unable to handle kernel"),
    fatal("Kernel panic"),
    fatal("INFO: task "),
    fatal("INFO: rcu_"),
    fatal("rcu: INFO: rcu_"),
    warned("INFO: trying to register non-static key"),
    warned("INFO: possible"),
    warned("WARNING: "),
    warned("UBSAN: "),
    warned("kmemleak: "),
];

/// A fault found in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The record that names it.
    pub headline: String,
    /// The guest ends.
    pub fatal: bool,
    /// A pattern of the case covers it.
    pub declared: bool,
}

/// What a line of the log says, if it is a headline.
fn headline(text: &str) -> Option<&'static Headline> {
    HEADLINES.iter().find(|line| text.starts_with(line.start))
}

/// Does the kernel say with this line that it cannot be trusted any more?
pub fn is_fatal(text: &str) -> bool {
    headline(text).is_some_and(|line| line.fatal)
}

/// The faults of a log; `declared` are the patterns of the case.
pub fn faults(entries: &[Entry], declared: &[impl AsRef<str>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for entry in entries {
        let Some(headline) = headline(&entry.text) else { continue };
        faults.push(Fault {
            headline: entry.text.clone(),
            fatal: headline.fatal,
            declared: covered(&entry.text, declared),
        });
    }
    faults
}

/// Lines of level warning or worse that are neither faults nor declared.
pub fn complaints<'a>(entries: &'a [Entry], declared: &[impl AsRef<str>]) -> Vec<&'a Entry> {
    entries
        .iter()
        .filter(|entry| entry.level <= 4 && headline(&entry.text).is_none())
        .filter(|entry| !covered(&entry.text, declared))
        .collect()
}

fn covered(text: &str, declared: &[impl AsRef<str>]) -> bool {
    declared.iter().any(|pattern| text.contains(pattern.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(lines: &[(u8, &str)]) -> Vec<Entry> {
        let entry = |(sequence, (level, text)): (usize, &(u8, &str))| Entry {
            level: *level,
            sequence: sequence as u64,
            text: (*text).into(),
        };
        lines.iter().enumerate().map(entry).collect()
    }

    const NONE: &[&str] = &[];

    #[test]
    fn a_warning_is_a_fault_unless_declared() {
        let entries = log(&[
            (4, "------------[ cut here ]------------"),
            (4, "WARNING: CPU: 0 PID: 93 at drivers/gpu/drm/drm_file.c:312 drm_open_helper+0x1"),
            (4, "Modules linked in: habanalabs"),
        ]);
        let found = faults(&entries, NONE);
        assert_eq!(found.len(), 1);
        assert!(!found[0].declared && !found[0].fatal);
        assert!(faults(&entries, &["drm_open_helper"])[0].declared);
    }

    #[test]
    fn what_a_driver_says_is_no_fault() {
        let entries = log(&[
            (3, "habanalabs 0000:00:02.0: Error 22 in ioctl. BUG: not one"),
            (4, "habanalabs 0000:00:02.0: WARNING: neither"),
            (6, "habanalabs 0000:00:02.0: fine"),
        ]);
        assert_eq!(faults(&entries, NONE), []);
        assert_eq!(complaints(&entries, NONE).len(), 2);
        assert_eq!(complaints(&entries, &["in ioctl"]).len(), 1);
    }

    #[test]
    fn the_worst_ends_the_guest() {
        let fatal = [
            "BUG: kernel NULL pointer dereference, address: 0000000000000000",
            "Oops: 0002 [#1] PREEMPT SMP NOPTI",
            "BUG: KASAN: slab-use-after-free in hl_ctx_put",
            "watchdog: BUG: soft lockup - CPU#0 stuck for 26s!",
            "INFO: task kworker/0:1:11 blocked for more than 120 seconds.",
            "kernel BUG at mm/slub.c:563!",
        ];
        for text in fatal {
            assert!(faults(&log(&[(1, text)]), NONE)[0].fatal, "{text}");
        }
        let text = "BUG: sleeping function called from invalid context at kernel/locking/mutex.c";
        assert!(!faults(&log(&[(3, text)]), NONE)[0].fatal);
    }
}
