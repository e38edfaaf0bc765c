// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A running machine: a thread that owns QEMU, follows console, results port and process, and
//! says over a channel what happened.
//!
//! The thread waits in `poll` and nowhere else. QEMU is its child: it has its own process group,
//! so that Ctrl-C reaches only us, and dies with the thread (`PR_SET_PDEATHSIG` follows the
//! thread that forked), so that a killed `gauntlet` leaves no QEMU behind.

mod console;
mod process;
mod watch;

use std::fmt;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result, io, reason};
use crate::machine::Machine;

/// Something that the machine did. The last event is always `Ended`.
#[derive(Debug)]
pub enum Event {
    /// The first line came over the results port: init runs.
    Init {
        /// Since QEMU was started.
        after: Duration,
    },
    /// A line from the results port, the first one included.
    Line(String),
    /// A line for which [`Machine::fatal`] holds; the first one only.
    Fatal(String),
    /// The kernel panicked; QEMU is about to exit.
    Panic(String),
    /// QEMU is gone.
    Ended(Ended),
}

/// Why it ended.
#[derive(Debug)]
pub enum Cause {
    /// The guest powered off or rebooted.
    PoweredOff,
    /// [`Guest::kill`] or drop.
    Killed,
    /// The kernel panicked; its line.
    Panic(String),
    /// Init was not reached: the deadline passed, or the guest ended before.
    NoBoot(String),
    /// KVM gave up; restart with TCG. QEMU's line.
    KvmFailed(String),
    /// QEMU ended with an error; its line.
    QemuFailed(String),
    /// We could not go on, such as when the console file's disk is full.
    Harness(Error),
}

/// How it ended. `Display` is one line.
#[derive(Debug)]
pub struct Ended {
    /// Why.
    pub cause: Cause,
    /// Since QEMU was started.
    pub after: Duration,
    /// Whether init had been reached.
    pub booted: bool,
    /// The last lines of the console.
    pub console: Vec<String>,
    /// What QEMU wrote to stderr.
    pub stderr: Vec<String>,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.after.as_secs_f64();
        match &self.cause {
            Cause::PoweredOff => write!(f, "the guest ended after {seconds:.1} s"),
            Cause::Killed => write!(f, "stopped after {seconds:.1} s"),
            Cause::Panic(line) => write!(f, "kernel panic after {seconds:.1} s: {line}"),
            Cause::NoBoot(why) => write!(f, "the guest did not reach init: {why}"),
            Cause::KvmFailed(line) => write!(f, "KVM failed: {line}"),
            Cause::QemuFailed(line) => write!(f, "QEMU failed: {line}"),
            Cause::Harness(error) => error.fmt(f),
        }
    }
}

/// A running machine. Dropping it kills QEMU and waits until it is gone.
pub struct Guest {
    /// What happened, in order.
    pub events: Receiver<Event>,
    /// QEMU's process id.
    pub pid: u32,
    wake: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Guest {
    /// Starts QEMU. The console goes to a file; init must come up before the deadline (a machine
    /// without results port is only ever ended by the guest, by a panic, or by the deadline).
    /// Whoever serves the devices and the control port must already listen.
    pub fn start(machine: &Machine, console: &Path, deadline: Duration) -> Result<Self> {
        let command = machine.command()?;
        let file = std::fs::File::create(console).map_err(io("create", console))?;
        let listener = match &machine.results {
            None => None,
            Some(path) => {
                crate::cache::remove(path)?;
                Some(UnixListener::bind(path).map_err(io("listen on", path))?)
            }
        };
        let (wake_read, wake) = std::io::pipe()
            .map_err(|e| Error::Machine(format!("cannot make a pipe: {}", reason(&e))))?;
        let (events, receiver) = channel();
        let (started, start) = channel();
        let console = console::Console::new(file, console);
        let fatal = machine.fatal;
        let plan = watch::Plan { console, listener, wake: wake_read.into(), deadline, fatal };
        let thread = std::thread::Builder::new()
            .name("guest".into())
            .spawn(move || match process::Process::start(&command) {
                Err(error) => drop(started.send(Err(error))),
                Ok(process) => {
                    // The receivers may be gone; QEMU is watched to its end all the same.
                    let _ = started.send(Ok(process.id()));
                    watch::run(process, plan, &events);
                }
            })
            .map_err(|e| Error::Machine(format!("cannot start a thread: {}", reason(&e))))?;
        let pid = start.recv().map_err(|_| Error::Machine("the guest thread ended".into()))??;
        Ok(Self { events: receiver, pid, wake: Some(wake.into()), thread: Some(thread) })
    }

    /// Tells the thread to kill QEMU; `Ended` follows.
    pub fn kill(&mut self) {
        if let Some(wake) = self.wake.take() {
            // A full pipe or a closed one means that the thread is being told already.
            let _ = std::fs::File::from(wake).write_all(b"k");
        }
    }

    /// Waits for the next event. `None` when the time is over.
    pub fn next(&self, timeout: Duration) -> Option<Event> {
        self.events.recv_timeout(timeout).ok()
    }

    /// Waits for the end, dropping all other events.
    pub fn wait(self) -> Ended {
        for event in &self.events {
            match event {
                Event::Ended(ended) => return ended,
                Event::Init { .. } | Event::Line(_) | Event::Fatal(_) | Event::Panic(_) => {}
            }
        }
        Ended {
            cause: Cause::Harness(Error::Machine("the guest thread ended early".into())),
            after: Duration::ZERO,
            booted: false,
            console: Vec::new(),
            stderr: Vec::new(),
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.kill();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has already been printed; QEMU died with it.
            let _ = thread.join();
        }
    }
}
