// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A disk that is full in mid-run. A program of its own: the limit that plays the disk holds for
//! the whole process while it is set.

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use record::{Event, Journal, Line, read_file};

/// Bytes that fit.
const ROOM: u64 = 1000;

#[test]
fn a_line_that_does_not_fit_leaves_a_whole_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(Journal::FILE);
    let mut journal = Journal::create(&path).expect("a record");
    // SAFETY: the signal is ignored, so there is no handler that could do harm.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.expect("a signal");
    let (soft, hard) = getrlimit(Resource::RLIMIT_FSIZE).expect("the limit");
    setrlimit(Resource::RLIMIT_FSIZE, ROOM, hard).expect("a lower limit");
    let line = |case: &str| Line::new(1, Event::CaseStart { case: case.into() });
    let fits = line("a/b/c");
    journal.write(&fits).expect("room for it");
    let refused = journal.write(&line(&"x".repeat(ROOM as usize)));
    let after = journal.write(&fits);
    // What the test says may go to a file, too.
    setrlimit(Resource::RLIMIT_FSIZE, soft, hard).expect("the old limit");
    refused.expect_err("no room for it");
    after.expect("room for it");
    let record = read_file(&path).expect("a record");
    assert!(!record.cut);
    assert_eq!(record.lines, [fits.clone(), fits]);
}
