// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The loop of the guest thread.

use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{ChildStderr, ChildStdout, ExitStatus};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::console::{Console, Lines, Tail};
use super::process::Process;
use super::{Cause, Ended, Event};
use crate::error::{Error, Result, reason};

/// The kernel's line (kernel/panic.c).
const PANIC_WORDS: &str = "Kernel panic - not syncing";
/// QEMU's lines when KVM cannot go on (accel/kvm/kvm-all.c).
const KVM_WORDS: &[&str] = &[
    "KVM internal error",
    "failed to initialize kvm",
    "Could not access KVM",
    "error: kvm run failed",
];
/// After a panic the kernel reboots and QEMU exits; if it does not, it is killed after this.
const AFTER_PANIC: Duration = Duration::from_secs(5);

/// What the thread needs besides the process.
pub struct Plan {
    /// Where the console goes.
    pub console: Console,
    /// Where the results port connects to.
    pub listener: Option<UnixListener>,
    /// Readable or closed: kill.
    pub wake: OwnedFd,
    /// For init.
    pub deadline: Duration,
    /// As [`crate::Machine::fatal`].
    pub fatal: fn(&str) -> bool,
}

/// Everything the loop waits for. A closed source is `None`.
struct Sources {
    console: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    listener: Option<UnixListener>,
    results: Option<UnixStream>,
    wake: Option<OwnedFd>,
}

#[derive(Clone, Copy)]
enum Source {
    Console,
    Stderr,
    Listener,
    Results,
    Wake,
}

struct State<'a> {
    start: Instant,
    limit: Option<Instant>,
    booted: bool,
    cause: Option<Cause>,
    console: Console,
    stderr_lines: Lines,
    stderr: Tail,
    result_lines: Lines,
    /// None once it held.
    fatal: Option<fn(&str) -> bool>,
    events: &'a Sender<Event>,
}

/// Follows the process to its end; the last event is `Ended`.
pub fn run(mut process: Process, plan: Plan, events: &Sender<Event>) {
    let Plan { console, listener, wake, deadline, fatal } = plan;
    let (stdout, stderr) = process.outputs();
    let mut sources =
        Sources { console: stdout, stderr, listener, results: None, wake: Some(wake) };
    let start = Instant::now();
    let mut state = State {
        start,
        limit: Some(start + deadline),
        booted: false,
        cause: None,
        console,
        stderr_lines: Lines::default(),
        stderr: Tail::default(),
        result_lines: Lines::default(),
        fatal: Some(fatal),
        events,
    };
    // All of its ends closed: the process has ended, and everything it sent has been read.
    while sources.console.is_some() || sources.stderr.is_some() || sources.results.is_some() {
        match wait(&sources, state.limit) {
            Ok(Some(ready)) => {
                for source in ready {
                    if let Err(error) = state.read(source, &mut sources) {
                        state.stop(Cause::Harness(error), &mut process);
                    }
                }
            }
            Ok(None) => {
                let seconds = deadline.as_secs_f64();
                let why = format!("not within {seconds:.0} s");
                state.stop(Cause::NoBoot(why), &mut process);
            }
            Err(errno) => {
                let error = Error::Machine(format!("poll: {errno:?}"));
                state.stop(Cause::Harness(error), &mut process);
            }
        }
        match &state.cause {
            Some(Cause::Killed | Cause::KvmFailed(_)) => process.kill(),
            Some(
                Cause::PoweredOff
                | Cause::Panic(_)
                | Cause::NoBoot(_)
                | Cause::QemuFailed(_)
                | Cause::Harness(_),
            )
            | None => {}
        }
    }
    let status = process.wait();
    state.finish(status);
}

/// Which sources are ready; `None` when the limit has passed.
fn wait(
    sources: &Sources,
    limit: Option<Instant>,
) -> std::result::Result<Option<Vec<Source>>, Errno> {
    let Sources { console, stderr, listener, results, wake } = sources;
    let all = [
        (Source::Console, console.as_ref().map(AsFd::as_fd)),
        (Source::Stderr, stderr.as_ref().map(AsFd::as_fd)),
        (Source::Listener, listener.as_ref().map(AsFd::as_fd)),
        (Source::Results, results.as_ref().map(AsFd::as_fd)),
        (Source::Wake, wake.as_ref().map(AsFd::as_fd)),
    ];
    let open: Vec<_> = all.iter().filter_map(|(s, fd)| Some((*s, (*fd)?))).collect();
    let mut polled: Vec<_> =
        open.iter().map(|(_, fd)| PollFd::new(*fd, PollFlags::POLLIN)).collect();
    let timeout = match limit {
        None => PollTimeout::NONE,
        Some(limit) => {
            let left = limit.saturating_duration_since(Instant::now());
            // Rounded up, so that the loop does not spin in the last millisecond.
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        }
    };
    match poll(&mut polled, timeout) {
        Ok(0) if limit.is_some_and(|l| Instant::now() >= l) => Ok(None),
        Ok(_) => {
            let ready = polled.iter().zip(&open).filter(|(p, _)| p.any().unwrap_or(true));
            Ok(Some(ready.map(|(_, (source, _))| *source).collect()))
        }
        Err(Errno::EINTR) => Ok(Some(Vec::new())),
        Err(errno) => Err(errno),
    }
}

/// One read; `None` at the end of the stream.
fn read(from: &mut impl Read) -> Result<Option<Vec<u8>>> {
    let mut buffer = vec![0; 64 << 10];
    match from.read(&mut buffer) {
        Ok(0) => Ok(None),
        Ok(count) => {
            buffer.truncate(count);
            Ok(Some(buffer))
        }
        Err(e) if matches!(e.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {
            Ok(Some(Vec::new()))
        }
        // The other side was killed in the middle.
        Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(None),
        Err(e) => Err(Error::Machine(format!("cannot read from QEMU: {}", reason(&e)))),
    }
}

/// A line of the kernel without the time before it: `[    5.713619] `.
fn without_time(line: &str) -> &str {
    let time =
        |text: &str| text.bytes().all(|byte| byte == b' ' || byte == b'.' || byte.is_ascii_digit());
    match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
        Some((inside, text)) if time(inside) => text,
        Some(_) | None => line,
    }
}

impl State<'_> {
    fn read(&mut self, source: Source, sources: &mut Sources) -> Result<()> {
        match source {
            Source::Console => match sources.console.as_mut().map(read).transpose()?.flatten() {
                Some(bytes) => self.console_bytes(&bytes)?,
                None => sources.console = None,
            },
            Source::Stderr => match sources.stderr.as_mut().map(read).transpose()?.flatten() {
                Some(bytes) => self.stderr_bytes(&bytes),
                None => sources.stderr = None,
            },
            Source::Listener => {
                let accepted = sources.listener.take().map(|l| l.accept()).transpose();
                let accepted = accepted
                    .map_err(|e| Error::Machine(format!("results port: {}", reason(&e))))?;
                sources.results = accepted.map(|(stream, _)| stream);
            }
            Source::Results => match sources.results.as_mut().map(read).transpose()?.flatten() {
                Some(bytes) => self.result_bytes(&bytes),
                None => sources.results = None,
            },
            Source::Wake => {
                sources.wake = None;
                self.cause.get_or_insert(Cause::Killed);
            }
        }
        Ok(())
    }

    fn console_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        let (mut panic, mut fault, fatal) = (None, None, self.fatal);
        let result = self.console.push(bytes, |line| {
            let line = without_time(line);
            if fault.is_none() && fatal.is_some_and(|fatal| fatal(line)) {
                fault = Some(line.to_owned());
            }
            if panic.is_none()
                && let Some(at) = line.find(PANIC_WORDS)
            {
                panic = Some(line[at..].to_owned());
            }
        });
        if let Some(line) = fault {
            self.fatal = None;
            self.send(Event::Fatal(line));
        }
        if let Some(line) = panic
            && self.cause.is_none()
        {
            self.send(Event::Panic(line.clone()));
            self.cause = Some(Cause::Panic(line));
            self.limit = Some(Instant::now() + AFTER_PANIC);
        }
        result
    }

    fn stderr_bytes(&mut self, bytes: &[u8]) {
        let Self { stderr_lines, stderr, cause, .. } = self;
        stderr_lines.push(bytes, |line| {
            if KVM_WORDS.iter().any(|words| line.contains(words)) && cause.is_none() {
                *cause = Some(Cause::KvmFailed(line.clone()));
            }
            stderr.push(line);
        });
    }

    fn result_bytes(&mut self, bytes: &[u8]) {
        let mut lines = Vec::new();
        self.result_lines.push(bytes, |line| lines.push(line));
        for line in lines {
            if !self.booted {
                self.booted = true;
                self.limit = self.limit.filter(|_| self.cause.is_some());
                self.send(Event::Init { after: self.start.elapsed() });
            }
            self.send(Event::Line(line));
        }
    }

    /// The first cause counts.
    fn stop(&mut self, cause: Cause, process: &mut Process) {
        self.cause.get_or_insert(cause);
        self.limit = None;
        process.kill();
    }

    fn send(&self, event: Event) {
        // Nobody listens any more: the guest is being dropped.
        let _ = self.events.send(event);
    }

    fn finish(mut self, status: std::io::Result<ExitStatus>) {
        if let Some(line) = self.stderr_lines.rest() {
            self.stderr.push(line);
        }
        let after = self.start.elapsed();
        let Self { cause, console, stderr, events, booted, .. } = self;
        let stderr = stderr.into_lines();
        let cause = cause.unwrap_or_else(|| match status {
            Ok(status) if status.success() && booted => Cause::PoweredOff,
            Ok(status) if status.success() => {
                Cause::NoBoot(format!("it ended after {:.1} s", after.as_secs_f64()))
            }
            Ok(status) => {
                let line = stderr.last().cloned().unwrap_or_else(|| status.to_string());
                Cause::QemuFailed(line)
            }
            Err(error) => Cause::QemuFailed(reason(&error)),
        });
        let console = console.finish();
        let _ = events.send(Event::Ended(Ended { cause, after, booted, console, stderr }));
    }
}

#[cfg(test)]
mod tests {
    use super::without_time;

    #[test]
    fn the_time_of_a_line_is_no_part_of_it() {
        for (line, text) in [
            ("[    5.713619] BUG: here", "BUG: here"),
            ("BUG: here", "BUG: here"),
            ("[drm] Initialized", "[drm] Initialized"),
            ("[    5.7] [drm] up", "[drm] up"),
            ("[    5.7]", "[    5.7]"),
        ] {
            assert_eq!(without_time(line), text);
        }
    }
}
