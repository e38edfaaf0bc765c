// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! One case in its own process: started, watched by the clocks, killed when they run out.
//!
//! The process is this program again (`case NAME`), in its own session. It reports on a pipe;
//! what it prints is kept within bounds. Its end is seen on a pidfd, so a case that closes its
//! output or leaves children with it is no different from any other.

use crate::kmsg::KernelLog;
use crate::output::Output;
use crate::{family, stacks};
use case::Environment;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Names the file descriptor that takes the report of a case.
pub const REPORT_VARIABLE: &str = "GAUNTLET_REPORT_FD";
/// A report longer than this is cut, and then it is none.
const REPORT_LIMIT: usize = 1 << 20;
/// Reads at one go, so that a flood cannot keep the clocks from being looked at.
const READS: usize = 64;
/// Time between SIGQUIT and SIGKILL.
const QUIT_GRACE: Duration = Duration::from_secs(1);
/// Time that a killed process has to go away.
pub const KILL_GRACE: Duration = Duration::from_secs(10);
/// The longest wait between two looks at the stop flag.
const GLANCE: Duration = Duration::from_millis(200);

/// The clocks of one case, already scaled.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the whole case.
    pub budget: Duration,
    /// Without any output.
    pub silence: Duration,
    /// After a fault of the kernel, for the process to end by itself and for each step after that.
    pub fault: Duration,
    /// End of the whole run.
    pub run: Option<Instant>,
}

/// Which clock ran out, or who asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The case's own.
    Budget,
    /// Nothing was printed for too long.
    Silence,
    /// The kernel said that it cannot be trusted any more, and the process did not end.
    Fault,
    /// That of the run.
    Run,
    /// Somebody asked to stop.
    Asked,
}

/// How a process of a case ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status; `None`: it does not die.
    pub status: Option<ExitStatus>,
    /// Why it was killed, if it was.
    pub cut: Option<Cut>,
    /// Its report, as bytes.
    pub report: Vec<u8>,
    /// What it printed.
    pub output: String,
    /// Kernel stacks at the moment of the cut.
    pub stacks: Option<String>,
    /// Processes that it left behind.
    pub orphans: usize,
    /// Wall time.
    pub duration: Duration,
}

struct Watched {
    child: Child,
    pidfd: OwnedFd,
    report: Option<File>,
    output: Option<File>,
    kept: Output,
    reported: Vec<u8>,
    heard: Instant,
}

/// Runs one case and sees it end.
pub fn run(
    program: &std::path::Path,
    name: &str,
    at: &Environment,
    limits: Limits,
    mut log: Option<&mut KernelLog>,
    stop: &dyn Fn() -> bool,
) -> std::io::Result<Ended> {
    let started = Instant::now();
    let mut watched = Watched::start(program, name, at)?;
    let cut = watched.watch(started, limits, log.as_deref_mut(), stop)?;
    // Who holds a lock of a kernel that faulted will never get away: nobody waits long for it.
    let faulted = log.is_some_and(KernelLog::look);
    let patience = if faulted { limits.fault } else { KILL_GRACE };
    let mut stacks = None;
    if cut.is_some() {
        stacks = Some(stacks::dump(watched.child.id() as i32));
        if cut != Some(Cut::Asked) {
            stacks::ask_kernel();
        }
        watched.kill(patience)?;
    }
    let status = status(&mut watched.child)?;
    let duration = started.elapsed();
    watched.drain();
    let orphans = family::end_all(watched.child.id() as i32, patience);
    watched.drain();
    let status = if orphans.is_err() { None } else { status };
    Ok(Ended {
        status,
        cut,
        report: watched.reported,
        output: watched.kept.text(),
        stacks,
        orphans: orphans.unwrap_or_else(|left| left.len()),
        duration,
    })
}

/// How the process ended; None: it has not, or the kernel took it away without a status, as it does
/// when a task faults again on its way out (`exit.c: make_task_dead`).
fn status(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    match child.try_wait() {
        Err(why) if why.raw_os_error() == Some(libc::ECHILD) => Ok(None),
        result => result,
    }
}

impl Watched {
    fn start(program: &std::path::Path, name: &str, at: &Environment) -> std::io::Result<Self> {
        let (report, report_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let (output, output_end) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        fcntl(&report, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let inherited = report_end.as_raw_fd();
        let mut command = Command::new(program);
        command
            .args(["case", name])
            .env(Environment::VARIABLE, serde_json::to_string(at)?)
            .env(REPORT_VARIABLE, inherited.to_string())
            .stdin(Stdio::null())
            .stdout(output_end.try_clone()?)
            .stderr(output_end);
        let parent = std::process::id();
        // SAFETY: the closure only makes async-signal-safe calls and allocates nothing.
        unsafe { command.pre_exec(move || prepare(inherited, parent)) };
        let child = command.spawn()?;
        drop((command, report_end));
        let pidfd = open_pidfd(&child)?;
        Ok(Watched {
            child,
            pidfd,
            report: Some(report.into()),
            output: Some(output.into()),
            kept: Output::default(),
            reported: Vec::new(),
            heard: Instant::now(),
        })
    }

    /// Waits for the end of the process or for a reason to cut it.
    fn watch(
        &mut self,
        started: Instant,
        limits: Limits,
        mut log: Option<&mut KernelLog>,
        stop: &dyn Fn() -> bool,
    ) -> std::io::Result<Option<Cut>> {
        let mut faulted = None;
        loop {
            if faulted.is_none() && log.as_mut().is_some_and(|log| log.look()) {
                faulted = Some(Instant::now());
            }
            let clocks = [
                (faulted.map(|at| at + limits.fault), Cut::Fault),
                (Some(started + limits.budget), Cut::Budget),
                (Some(self.heard + limits.silence), Cut::Silence),
                (limits.run, Cut::Run),
            ];
            let first =
                clocks.iter().filter_map(|(at, cut)| at.map(|at| (at, *cut))).min_by_key(|c| c.0);
            let now = Instant::now();
            if stop() {
                return Ok(Some(Cut::Asked));
            }
            let left = match first {
                Some((at, cut)) if at <= now => return Ok(Some(cut)),
                Some((at, _)) => at - now,
                None => GLANCE,
            };
            if self.wait(left.min(GLANCE), log.as_deref().filter(|_| faulted.is_none()))? {
                return Ok(None);
            }
        }
    }

    /// Waits for something to happen; true when the process is gone.
    fn wait(&mut self, patience: Duration, log: Option<&KernelLog>) -> std::io::Result<bool> {
        let pipes = [&self.report, &self.output];
        let mut fds = vec![PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        let open = pipes.iter().filter_map(|pipe| pipe.as_ref());
        fds.extend(open.map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)));
        let logged = log.and_then(KernelLog::readable);
        fds.extend(logged.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
        // Rounded up: a last millisecond is waited for, not spun through.
        let milliseconds = patience.as_micros().div_ceil(1000).min(60_000) as u16;
        match poll(&mut fds, PollTimeout::from(milliseconds)) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let happened = |fd: &PollFd| fd.revents().is_some_and(|events| !events.is_empty());
        let (gone, talked) = (happened(&fds[0]), fds[1..].iter().any(happened));
        drop(fds);
        if talked {
            self.drain();
        }
        Ok(gone)
    }

    /// Reads what is there, without waiting.
    fn drain(&mut self) {
        let Watched { output, report, kept, reported, heard, .. } = self;
        read_some(output, |bytes| {
            *heard = Instant::now();
            kept.push(bytes);
        });
        read_some(report, |bytes| {
            if reported.len() + bytes.len() <= REPORT_LIMIT {
                reported.extend(bytes);
            }
        });
    }

    /// The kill ladder: asks for a backtrace, then insists.
    fn kill(&mut self, patience: Duration) -> std::io::Result<()> {
        let group = Pid::from_raw(self.child.id() as i32);
        for (signal, grace) in [(Signal::SIGQUIT, QUIT_GRACE), (Signal::SIGKILL, patience)] {
            // A group that is gone needs no signal.
            let _ = killpg(group, signal);
            let deadline = Instant::now() + grace;
            while let Some(left) = deadline.checked_duration_since(Instant::now()) {
                if self.wait(left.min(GLANCE), None)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// Reads a pipe until it is empty (or has said a lot); at its end, closes it.
fn read_some(pipe: &mut Option<File>, mut take: impl FnMut(&[u8])) {
    let mut buffer = [0u8; 16 * 1024];
    for _ in 0..READS {
        let Some(file) = pipe else { return };
        match file.read(&mut buffer) {
            Ok(0) => *pipe = None,
            Ok(length) => take(&buffer[..length]),
            Err(why) if why.kind() == ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn open_pidfd(child: &Child) -> std::io::Result<OwnedFd> {
    // SAFETY: pidfd_open takes two integers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, child.id() as libc::pid_t, 0) };
    let fd = Errno::result(fd)?;
    // SAFETY: the call succeeded, so this is an open file descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

/// In the new process, before it becomes the case.
fn prepare(report: i32, parent: u32) -> std::io::Result<()> {
    nix::unistd::setsid()?;
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    if nix::unistd::getppid().as_raw() as u32 != parent {
        return Err(Errno::ESRCH.into());
    }
    // SAFETY: `report` is inherited from the parent and stays open until the program is replaced.
    let report = unsafe { std::os::fd::BorrowedFd::borrow_raw(report) };
    fcntl(report, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(())
}

/// The signal that ended a process, by name.
pub fn signal(status: ExitStatus) -> Option<String> {
    let number = status.signal()?;
    Some(Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |s| s.to_string()))
}
