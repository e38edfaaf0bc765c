// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A process that keeps something of the device until it is killed.

use case::{CaseResult, Stop, equal};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pause, pipe, read, write};

/// The process; killed when this is dropped.
#[derive(Debug)]
pub struct Victim {
    pid: Option<Pid>,
}

impl Victim {
    /// Forks. The child does its work and keeps what came of it, until someone ends it.
    pub fn start<T>(work: impl FnOnce() -> Result<T, Errno>) -> CaseResult<Self> {
        let broken = |why| Stop::Broken(format!("no process can be made: {why}"));
        let (there, here) = pipe().map_err(broken)?;
        // SAFETY: a case has one thread when it forks; the child only leaves through a signal.
        let pid = match unsafe { fork() }.map_err(broken)? {
            ForkResult::Parent { child } => child,
            ForkResult::Child => {
                let got = work();
                let code = got.as_ref().err().map_or(0, |errno| *errno as u8);
                let _ = write(&here, &[code]);
                std::mem::forget(got);
                loop {
                    pause();
                }
            }
        };
        let victim = Victim { pid: Some(pid) };
        drop(here);
        let mut code = [0];
        match read(&there, &mut code) {
            Ok(1) if code[0] == 0 => Ok(victim),
            other => Err(Stop::Broken(format!(
                "the child is not ready: {other:?}, {:?}",
                Errno::from_raw(code[0].into())
            ))),
        }
    }

    /// Waits for its end, which has to be by SIGKILL.
    #[track_caller]
    pub fn killed(mut self) -> CaseResult {
        let Some(pid) = self.pid.take() else { return Ok(()) };
        let ended = waitpid(pid, None)
            .map_err(|why| Stop::Broken(format!("wait for the child fails: {why}")))?;
        equal("how the process ends", ended, WaitStatus::Signaled(pid, Signal::SIGKILL, false))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        if let Some(pid) = self.pid.take() {
            // One that is gone already needs nothing more.
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_victim_stays_until_it_is_killed() {
        let victim = Victim::start(|| Ok(1)).unwrap();
        kill(victim.pid.unwrap(), Signal::SIGKILL).unwrap();
        victim.killed().unwrap();
        Victim::start(|| Err::<(), _>(Errno::EBUSY)).unwrap_err();
    }
}
