// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! QEMU as a child that cannot outlive us.

use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpid, getppid};

use crate::error::{Error, Result};
use crate::machine::CommandLine;

/// A child in its own process group.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts the command. The calling thread must stay alive as long as the child shall.
    pub fn start(command: &CommandLine) -> Result<Self> {
        let (program, args) = command
            .0
            .split_first()
            .ok_or_else(|| Error::Machine("an empty command line".into()))?;
        let parent = getpid();
        let mut command = Command::new(program);
        command.args(args).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // SAFETY: the closure runs between fork and exec and makes only system calls that are
        // async-signal-safe (prctl, getppid); it allocates nothing.
        unsafe {
            command.pre_exec(move || {
                prctl::set_pdeathsig(Signal::SIGKILL)?;
                // The parent may have died before the line above.
                if getppid() == parent { Ok(()) } else { Err(nix::errno::Errno::ESRCH.into()) }
            });
        }
        let child = command.spawn().map_err(|source| Error::Start {
            program: program.to_string_lossy().into_owned(),
            source,
            hint: "install QEMU 10.1 or later",
        })?;
        Ok(Self { child })
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its output, once.
    pub fn outputs(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.child.stdout.take(), self.child.stderr.take())
    }

    /// Kills the whole group.
    pub fn kill(&mut self) {
        if let Ok(id) = i32::try_from(self.child.id()) {
            // Fails only if it is gone already.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            self.kill();
            // Killed: it ends at once, and no zombie is left.
            let _ = self.child.wait();
        }
    }
}
