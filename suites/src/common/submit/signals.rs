// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A thread that sleeps in the driver beside the body, and signals for it.

use crate::common::wait;
use case::{CaseResult, Stop};
use nix::errno::Errno;
use nix::unistd::{Pid, gettid};
use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

/// How long a thread may take to fall asleep or to wake up.
const LIMIT: Duration = Duration::from_secs(20);

/// A thread beside the body.
pub struct Beside<'scope, T> {
    thread: Pid,
    handle: ScopedJoinHandle<'scope, T>,
}

extern "C" fn nothing(_: libc::c_int) {}

impl<'scope, T: Send + 'scope> Beside<'scope, T> {
    /// Starts it.
    pub fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> CaseResult<Self> {
        let (tell, told) = mpsc::channel();
        let handle = scope.spawn(move || {
            // Nobody listens any more only when the starter has failed.
            let _ = tell.send(gettid());
            work()
        });
        let gone = |_| Stop::Broken("a thread ended before it began".into());
        Ok(Beside { thread: told.recv().map_err(gone)?, handle })
    }

    /// Waits until it sleeps in an ioctl.
    pub fn asleep(&self) -> CaseResult {
        self.asleep_in(libc::SYS_ioctl)
    }

    /// Waits until it sleeps in this system call.
    pub fn asleep_in(&self, call: i64) -> CaseResult {
        let path = format!("/proc/self/task/{}/syscall", self.thread);
        let number = format!("{call} ");
        let asleep = wait::until(LIMIT, || {
            if self.handle.is_finished() {
                return Ok(Some(()));
            }
            // The file says "running" unless the thread is blocked.
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            Ok(text.starts_with(&number).then_some(()))
        })?;
        asleep.ok_or_else(|| Stop::Broken("a thread does not come to sleep in the driver".into()))
    }

    /// Has it ended?
    pub fn is_done(&self) -> bool {
        self.handle.is_finished()
    }

    /// Sends signals, which are handled by doing nothing, until it ends.
    pub fn interrupt(self) -> CaseResult<T> {
        use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
        let action =
            SigAction::new(SigHandler::Handler(nothing), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler does nothing, so it is safe at any time.
        unsafe { sigaction(Signal::SIGUSR1, &action) }
            .map_err(|why| Stop::Broken(format!("sigaction gives {why}")))?;
        let (process, thread) = (nix::unistd::getpid().as_raw(), self.thread.as_raw());
        let signal = || {
            // SAFETY: tgkill takes numbers only; the thread is ours and still joinable.
            let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, libc::SIGUSR1) };
            Errno::result(sent)
        };
        let done = wait::until(LIMIT, || {
            if !self.is_done() {
                // It may end in between: then there is nobody to signal.
                let _ = signal();
            }
            Ok(self.is_done().then_some(()))
        })?;
        if done.is_none() {
            return case::fail("a signal does not wake a thread that waits in the driver");
        }
        self.join()
    }

    /// Its result.
    pub fn join(self) -> CaseResult<T> {
        self.handle.join().map_err(|_| Stop::Broken("a thread panicked".into()))
    }
}
