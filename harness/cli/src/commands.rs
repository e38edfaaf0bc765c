// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `exec` and `shell`: the user's own programs against driver and model.

use crate::boot::{BootPlan, Booted, Heard};
use crate::options::{ExecOptions, GuestOptions};
use crate::stop::Stop;
use crate::target::{Host, personality};
use crate::{exit, terminal};
use anyhow::{Context as _, Result, bail};
use case::Cards;
use record::Event;
use runner::{Clocks, Message, Settings, Work};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vm::Archive;

const GLANCE: Duration = Duration::from_millis(250);
/// What a shell is given where the host has it.
const TOOLS: &[&str] = &[
    "bash", "cat", "chmod", "cp", "dd", "dmesg", "echo", "env", "find", "grep", "head", "hexdump",
    "id", "kill", "less", "ln", "ls", "lspci", "lsmod", "mkdir", "mount", "od", "ps", "rm", "sed",
    "sh", "sleep", "stat", "strace", "stty", "tail", "tree", "uname", "vi", "wc",
];

/// `gauntlet exec`.
pub fn exec(options: ExecOptions) -> Result<u8> {
    let ExecOptions { guest, mut command } = options;
    let folder = std::env::current_dir().context("the working folder")?;
    let mut files = Archive::new();
    files.folder(&folder.to_string_lossy())?;
    let Some(program) = command.first_mut() else {
        return Err(exit::usage("no program given"));
    };
    let found = find(program).ok_or_else(|| exit::usage(format!("no program {program:?} here")))?;
    take_along(&mut files, &found)?;
    *program = found.to_string_lossy().into_owned();
    let work = Work::Program { argv: command, folder };
    one(&guest, work, files, false).map(|(code, _)| code)
}

/// `gauntlet shell`.
pub fn shell(guest: GuestOptions) -> Result<u8> {
    let mut files = Archive::new();
    for tool in TOOLS.iter().filter_map(|tool| find(tool)) {
        take_along(&mut files, &tool)?;
    }
    let shell = ["bash", "sh"].iter().find_map(|name| find(name));
    let shell = shell.ok_or_else(|| exit::usage("this machine has no sh"))?;
    one(&guest, Work::Shell(shell), files, true).map(|(code, _)| code)
}

/// A program by path, or by name in `$PATH`.
fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return std::path::absolute(program).ok().filter(|path| path.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Puts a file into the guest at its own path; a program with its libraries.
fn take_along(files: &mut Archive, path: &Path) -> Result<()> {
    let path = std::path::absolute(path)?;
    let mut start = [0u8; 4];
    let program = std::fs::File::open(&path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start))
        .is_ok_and(|()| start == *b"\x7fELF" || start.starts_with(b"#!"));
    if program {
        files.program(&path)?;
    } else {
        files.host_file(&path.to_string_lossy(), &path)?;
    }
    Ok(())
}

/// One guest for one purpose; its exit code is ours. Gives what it wrote to its standard output,
/// too, which was shown.
pub fn one(
    guest: &GuestOptions,
    work: Work,
    mut files: Archive,
    shell: bool,
) -> Result<(u8, Vec<u8>)> {
    let GuestOptions { add, asic, machine: options } = guest;
    for path in add {
        take_along(&mut files, path)?;
    }
    let stop = Stop::on_signals()?;
    let host = Host::find(&suites::all())?;
    let kernels = host.kernels(options)?;
    let Some(kernel) = kernels.first() else { bail!("no kernel given") };
    let folder = tempfile::tempdir().context("no folder for temporary files")?;
    let scale = options.timeout_scale.unwrap_or_else(|| kernel.scale());
    let plan = BootPlan {
        host: &host,
        kernel,
        load: kernel.load(false),
        number: 0,
        personality: &personality(*asic, options)?,
        module_parameters: "",
        kernel_parameters: "",
        cards: Cards::One,
        settings: Settings {
            seed: options.seed.unwrap_or(0),
            clocks: Clocks { scale, ..Clocks::default() },
            workarounds: kernel.load(false).workarounds(),
        },
        work,
        files: Some(&files),
        folder: folder.path(),
        trace: options.trace,
        keep: false,
        shell,
    };
    let mut line = terminal::Line::new();
    let mut booted = plan.start(|_, sockets| match shell {
        true => line.listen(&sockets.path("shell")),
        false => Ok(()),
    })?;
    line.connect()?;
    let mut output = Vec::new();
    let code = follow(&mut booted, &stop, &mut output);
    booted.guest.kill();
    if options.trace {
        let kept = folder.keep();
        eprintln!("gauntlet: the trace is in {}", kept.display());
    }
    Ok((code?, output))
}

fn follow(booted: &mut Booted, stop: &Stop, output: &mut Vec<u8>) -> Result<u8> {
    loop {
        match booted.next(GLANCE) {
            Heard::Said(message) => match *message {
                Message::Output { stream, bytes } => {
                    let bytes = bytes.decode();
                    show(stream, &bytes)?;
                    if stream == 1 {
                        output.extend(bytes);
                    }
                }
                Message::Exit(code) => return Ok(u8::try_from(code).unwrap_or(u8::MAX)),
                Message::Failed(why) => bail!("{why}"),
                Message::Event(event) => {
                    if let Event::BootEnd(ended) = *event {
                        bail!(
                            "the guest gave up ({}): {}",
                            ended.reason,
                            ended.console.join(" | ")
                        );
                    }
                }
                Message::Up => {}
            },
            Heard::Garbled(line) => {
                eprintln!("gauntlet: the guest says what makes no sense: {line}")
            }
            Heard::Fatal(_) | Heard::Panic => {}
            Heard::Ended(ended) => {
                if let Some(why) = booted.model_ended() {
                    bail!("{why}");
                }
                bail!("{ended}; last lines: {}", ended.console.join(" | "));
            }
            Heard::Nothing => {}
        }
        if stop.is_asked() {
            return Ok(exit::INTERRUPTED);
        }
        if let Some(why) = booted.model_ended() {
            bail!("{why}");
        }
    }
}

fn show(stream: u8, bytes: &[u8]) -> Result<()> {
    let result = match stream {
        1 => std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()),
        _ => std::io::stderr().write_all(bytes),
    };
    match result {
        // Nobody reads any more: let the program go on to its end.
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => Err(why.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}
