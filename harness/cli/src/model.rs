// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The device model: a process of its own, so that neither side takes the other down.

use crate::options::ModelOptions;
use anyhow::{Context as _, Result, bail};
use control::Personality;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Serves a card: `gauntlet model`.
pub fn serve(options: ModelOptions) -> Result<u8> {
    let ModelOptions { socket, control, asic, personality, seed, trace, once, watch_input } =
        options;
    serve::main(serve::Options {
        socket,
        control,
        asic,
        personality,
        seed,
        trace,
        once,
        watch_input,
    })?;
    Ok(crate::exit::AS_EXPECTED)
}

/// A running model; ends when dropped.
pub struct ModelProcess {
    child: Child,
    log: std::path::PathBuf,
}

/// What a model is started with.
pub struct ModelStart<'a> {
    /// Its socket for QEMU.
    pub socket: &'a Path,
    /// Its socket for the control port; none for a card that nobody asks.
    pub control: Option<&'a Path>,
    /// The card; written to `card`.
    pub personality: &'a Personality,
    /// File for the card.
    pub card: &'a Path,
    /// File for what it says on standard error.
    pub log: &'a Path,
    /// File for a trace.
    pub trace: Option<&'a Path>,
    /// Seed.
    pub seed: u64,
}

impl ModelProcess {
    /// Starts it and waits until it listens.
    pub fn start(start: &ModelStart<'_>) -> Result<Self> {
        let ModelStart { socket, control, personality, card, log, trace, seed } = start;
        let text = serde_json::to_vec_pretty(personality)?;
        std::fs::write(card, text).with_context(|| format!("cannot write {}", card.display()))?;
        let errors =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new("/proc/self/exe");
        command.arg("model").arg("--socket").arg(socket);
        if let Some(control) = control {
            command.arg("--control").arg(control);
        }
        command.arg("--personality").arg(card).args(["--seed", &seed.to_string()]);
        command.args(["--asic", personality.asic.name(), "--once", "--watch-input"]);
        if let Some(trace) = trace {
            command.arg("--trace").arg(trace);
        }
        // A group of its own: Ctrl-C is for us, and we end the model when the guest is gone.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().context("cannot start the device model")?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            BufReader::new(out).read_line(&mut line).context("the device model says nothing")?;
        }
        let mut process = ModelProcess { child, log: log.to_path_buf() };
        if line.trim() != "ready" {
            // It is about to end, if it has not yet.
            let _ = process.child.wait();
            bail!("the device model did not start: {}", process.last_words());
        }
        Ok(process)
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten()?;
        if status.success() {
            return None;
        }
        Some(format!("the device model ended ({status}): {}", self.last_words()))
    }

    fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let last = lines[lines.len().saturating_sub(3)..].join(" | ");
        if last.is_empty() { "it said nothing".into() } else { last }
    }
}

impl Drop for ModelProcess {
    fn drop(&mut self) {
        // Closing its input is enough for a model that listens; one that hangs is killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
