// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs a program of the user's inside the guest.

use super::results::Results;
use crate::{Bytes, Message};
use anyhow::{Context as _, Result, bail};
use std::fs::File;
use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;

/// Where programs are looked for.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// Runs it, hands over what it prints, and returns its exit code.
pub fn run(argv: &[String], folder: &Path, results: &mut Results) -> Result<i32> {
    let Some((program, arguments)) = argv.split_first() else { bail!("no program given") };
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs([("PATH", PATH), ("HOME", "/tmp"), ("TERM", "dumb"), ("LANG", "C.UTF-8")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program}"))?;
    let (sender, messages) = mpsc::channel();
    let streams = [
        child.stdout.take().map(|pipe| (1, File::from(std::os::fd::OwnedFd::from(pipe)))),
        child.stderr.take().map(|pipe| (2, File::from(std::os::fd::OwnedFd::from(pipe)))),
    ];
    for (stream, pipe) in streams.into_iter().flatten() {
        let sender = sender.clone();
        std::thread::spawn(move || forward(pipe, stream, &sender));
    }
    drop(sender);
    // Ends when the program and everybody who has its pipes are gone.
    for message in messages {
        results.say(&message)?;
    }
    Ok(code(child.wait()?))
}

fn forward(mut pipe: File, stream: u8, to: &mpsc::Sender<Message>) {
    let mut buffer = [0u8; 4096];
    while let Ok(length @ 1..) = pipe.read(&mut buffer) {
        let bytes = Bytes::from(&buffer[..length]);
        if to.send(Message::Output { stream, bytes }).is_err() {
            return;
        }
    }
}

/// The serial line of a shell (`vm::Machine::shell`).
const SHELL: &str = "/dev/ttyS3";

/// Hands its serial line to a shell until it ends.
pub fn shell(shell: &Path) -> Result<i32> {
    let console = || File::options().read(true).write(true).open(SHELL);
    let mut command = Command::new(shell);
    command
        .arg("-i")
        .env_clear()
        .envs([("PATH", PATH), ("HOME", "/tmp"), ("TERM", "linux"), ("PS1", "gauntlet# ")])
        .stdin(console()?)
        .stdout(console()?)
        .stderr(console()?);
    // SAFETY: both calls are async-signal-safe and touch no memory of ours.
    unsafe {
        command.pre_exec(|| {
            nix::unistd::setsid()?;
            nix::errno::Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
            Ok(())
        })
    };
    let status = command.status().with_context(|| format!("cannot start {}", shell.display()))?;
    Ok(code(status))
}

/// As a shell tells it: the exit code, or 128 and the signal.
fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}
