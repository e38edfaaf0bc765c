// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The rules of the guest thread, each against a shell script in the place of QEMU.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use vm::{Backend, Cause, Ended, Error, Event, Guest, Machine, Qemu, Sockets};

/// Far longer than any of these tests may take.
const LONG: Duration = Duration::from_secs(60);

fn machine(script: &str) -> Machine {
    let command = ["sh", "-c", script, "qemu"].map(Into::into).to_vec();
    Machine::new(&Qemu { command, version: String::new() }, Backend::Tcg, Path::new("/k"))
}

fn ended(script: &str, deadline: Duration) -> Ended {
    Guest::start(&machine(script), Path::new("/dev/null"), deadline).unwrap().wait()
}

fn alive(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_panic_is_reported_with_the_console() {
    let script = "echo before; echo '[    1.0] Kernel panic - not syncing: no init'; echo behind";
    let guest = Guest::start(&machine(script), Path::new("/dev/null"), LONG).unwrap();
    let Some(Event::Panic(line)) = guest.next(LONG) else { panic!("no panic event") };
    assert_eq!(line, "Kernel panic - not syncing: no init");
    let ended = guest.wait();
    assert!(matches!(&ended.cause, Cause::Panic(l) if *l == line), "{ended}");
    assert_eq!(ended.console.first().map(String::as_str), Some("before"));
    assert_eq!(ended.console.last().map(String::as_str), Some("behind"));
}

#[test]
fn the_first_line_beyond_help_is_reported_and_the_guest_goes_on() {
    let script = "echo up; echo '[    5.71] BUG: one'; echo '[    5.72] BUG: two'; echo behind";
    let mut machine = machine(script);
    machine.fatal = |line| line.starts_with("BUG: ");
    let guest = Guest::start(&machine, Path::new("/dev/null"), LONG).unwrap();
    let Some(Event::Fatal(line)) = guest.next(LONG) else { panic!("no such event") };
    assert_eq!(line, "BUG: one");
    let Some(Event::Ended(ended)) = guest.next(LONG) else { panic!("a second one") };
    assert_eq!(ended.console.last().map(String::as_str), Some("behind"));
}

#[test]
fn qemus_own_error_is_reported() {
    let ended = ended("echo 'qemu: no such device' >&2; exit 1", LONG);
    assert_eq!(ended.to_string(), "QEMU failed: qemu: no such device");
    assert_eq!(ended.stderr, ["qemu: no such device"]);
}

#[test]
fn a_signal_is_reported() {
    let ended = ended("kill -SEGV $$", LONG);
    assert!(matches!(&ended.cause, Cause::QemuFailed(l) if l.contains("signal")), "{ended}");
}

#[test]
fn silence_ends_at_the_deadline() {
    let script = "echo booting; exec sleep 1000";
    let guest = Guest::start(&machine(script), Path::new("/dev/null"), Duration::from_millis(300));
    let guest = guest.unwrap();
    let pid = guest.pid;
    let ended = guest.wait();
    assert!(matches!(ended.cause, Cause::NoBoot(_)), "{ended}");
    assert_eq!(ended.console, ["booting"]);
    assert!(ended.after < Duration::from_secs(30));
    assert!(!alive(pid));
}

#[test]
fn an_early_end_is_no_boot() {
    let ended = ended("exit 0", LONG);
    assert!(matches!(ended.cause, Cause::NoBoot(_)), "{ended}");
}

#[test]
fn kvm_that_stays_paused_is_killed_at_once() {
    let start = Instant::now();
    let ended = ended("echo 'KVM internal error. Suberror: 1' >&2; exec sleep 1000", LONG);
    assert!(matches!(ended.cause, Cause::KvmFailed(_)), "{ended}");
    assert!(start.elapsed() < LONG);
}

#[test]
fn dropping_leaves_no_process_not_even_a_grandchild() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("pid");
    let script = format!("sleep 1000 & echo $! >{}; echo up; wait", note.display());
    let console = folder.path().join("console");
    let guest = Guest::start(&machine(&script), &console, LONG).unwrap();
    while !std::fs::read_to_string(&console).unwrap().contains("up") {
        std::thread::yield_now();
    }
    let pid = guest.pid;
    let grandchild: u32 = std::fs::read_to_string(&note).unwrap().trim().parse().unwrap();
    drop(guest);
    assert!(!alive(pid));
    // The kill is delivered, not yet carried out: it is waited for, as is its new parent, who reaps it.
    let start = Instant::now();
    while std::fs::read_to_string(format!("/proc/{grandchild}/stat"))
        .is_ok_and(|stat| !stat.contains(") Z"))
    {
        assert!(start.elapsed() < LONG, "the grandchild {grandchild} still runs");
        std::thread::yield_now();
    }
}

#[test]
fn the_results_port_says_when_init_runs() {
    let sockets = Sockets::new().unwrap();
    let done = sockets.path("done");
    let script = format!("while [ ! -e {} ]; do sleep 0.01; done", done.display());
    let mut machine = machine(&script);
    machine.results = Some(sockets.path("results"));
    // The deadline is for init only: it is over long before this guest ends.
    let deadline = Duration::from_secs(5);
    let guest = Guest::start(&machine, Path::new("/dev/null"), deadline).unwrap();
    let mut port = UnixStream::connect(sockets.path("results")).unwrap();
    port.write_all(b"one\r\ntwo\nthr").unwrap();
    assert!(matches!(guest.next(LONG), Some(Event::Init { .. })));
    assert!(matches!(guest.next(LONG), Some(Event::Line(l)) if l == "one"));
    assert!(matches!(guest.next(LONG), Some(Event::Line(l)) if l == "two"));
    assert!(guest.next(Duration::from_millis(20)).is_none());
    std::fs::write(done, "").unwrap();
    port.write_all(b"ee\n").unwrap();
    drop(port);
    assert!(matches!(guest.next(LONG), Some(Event::Line(l)) if l == "three"));
    let ended = guest.wait();
    assert!(matches!(ended.cause, Cause::PoweredOff) && ended.booted, "{ended}");
}

#[test]
fn a_full_disk_ends_the_machine() {
    let script = "while :; do echo noise; sleep 0.01; done";
    let ended = Guest::start(&machine(script), Path::new("/dev/full"), LONG).unwrap().wait();
    assert!(matches!(ended.cause, Cause::Harness(Error::DiskFull { .. })), "{ended}");
}

#[test]
fn an_unwritable_console_or_a_missing_qemu_is_one_line() {
    let start = |m: &Machine, console: &str| Guest::start(m, Path::new(console), LONG).err();
    let error = start(&machine("exit 0"), "/nonexistent/console").unwrap();
    assert_eq!(error.to_string(), "cannot create /nonexistent/console: ENOENT");
    let mut machine = machine("exit 0");
    machine.qemu.command = vec!["/nonexistent/qemu".into()];
    let error = start(&machine, "/dev/null").unwrap();
    assert!(error.to_string().starts_with("cannot start /nonexistent/qemu: ENOENT"), "{error}");
}
