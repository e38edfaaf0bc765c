// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Walks the lines of a record: who ran what in which guest, and how each attempt ended.
//!
//! A case that started and did not report its end ends with its guest: a dead kernel is a kernel
//! fault, a guest that stopped answering a timeout, a dead QEMU or model says nothing about the
//! driver. A report of the same case that comes after that replaces it. A case that was running
//! when the record or the run was cut did not run.
//!
//! What a driver does before any case can start is told as a case of its own ([`PROBE`]), which is
//! there only where something went wrong: no device, a dead kernel, a warning.

use super::PROBE;
use super::{Attempt, Boot, RunError};
use record::{CaseEnd, Event, Facts, Line, Outcome, Planned, Record, Target, end, fact};
use std::collections::BTreeMap;

/// What the record says, before anything is judged.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub started: String,
    pub command: Vec<String>,
    pub seed: u64,
    pub facts: Facts,
    pub targets: Vec<Target>,
    pub plan: Vec<Planned>,
    pub boots: Vec<Boot>,
    /// By index of the target and name of the case.
    pub attempts: BTreeMap<(usize, String), Vec<Attempt>>,
    pub end: Option<String>,
    pub duration_ms: u64,
    /// How many guests there were when the run ended last.
    until_end: usize,
    /// Case and start of what runs in a guest, by its index in `boots`.
    running: BTreeMap<usize, (String, u64)>,
    /// The case that ended last in a guest, by its index in `boots`, and whether it ended badly.
    last: BTreeMap<usize, (String, bool)>,
}

/// How an attempt ends that did not report its end.
fn derive(reason: &str) -> Option<(Outcome, &'static str)> {
    match reason {
        end::PANIC => Some((Outcome::KernelFault, "the kernel died while the case ran")),
        end::HANG => Some((Outcome::Timeout, "the guest stopped answering while the case ran")),
        end::QEMU_DIED => Some((Outcome::Broken, "QEMU ended while the case ran")),
        end::MODEL_DIED => Some((Outcome::Broken, "the device model ended while the case ran")),
        end::DONE => Some((Outcome::Broken, "the guest ended before the case reported its end")),
        _ => None,
    }
}

/// How a case ends that runs when its guest ends, by the reason of that end; none where that says
/// nothing about the case.
pub fn outcome_of_end(reason: &str) -> Option<Outcome> {
    derive(reason).map(|(outcome, _)| outcome)
}

/// What it means that a guest ended before its first case could start.
fn derive_probe(reason: &str) -> Option<(Outcome, &'static str)> {
    match reason {
        end::NO_DEVICE => Some((Outcome::Fail, "the driver was loaded and made no usable device")),
        end::PANIC => Some((Outcome::KernelFault, "the kernel died while the driver was loaded")),
        end::HANG => {
            Some((Outcome::Timeout, "the guest stopped answering while the driver was loaded"))
        }
        _ => None,
    }
}

pub(super) fn take(record: &Record) -> Result<Taken, RunError> {
    let mut taken = Taken::default();
    let Some(Line { event: Event::RunStart { .. }, .. }) = record.lines.first() else {
        return Err(RunError::NoStart);
    };
    for (number, line) in (1..).zip(&record.lines) {
        taken.duration_ms = taken.duration_ms.max(line.at_ms);
        taken.line(line).map_err(|what| RunError::Dangling { line: number, what })?;
    }
    Ok(taken)
}

impl Taken {
    fn line(&mut self, line: &Line) -> Result<(), String> {
        match &line.event {
            Event::RunStart { version: _, started, command, seed, targets, plan, facts } => {
                if let Some(lost) = plan.iter().find(|planned| planned.target >= targets.len()) {
                    return Err(format!("target {}", lost.target));
                }
                // A resumed run says again what it runs: the first word stands.
                if self.targets.is_empty() {
                    self.started = started.clone();
                    self.command = command.clone();
                    self.seed = *seed;
                    self.targets = targets.clone();
                    self.plan = plan.clone();
                    self.facts = facts.clone();
                }
            }
            Event::BootStart { boot, target, command } => {
                if *target >= self.targets.len() {
                    return Err(format!("target {target}"));
                }
                self.boots.push(Boot {
                    number: *boot,
                    target: *target,
                    command: command.clone(),
                    facts: Facts::new(),
                    started_ms: line.at_ms,
                    booted_ms: None,
                    ended_ms: None,
                    reason: None,
                    console: vec![],
                    blamed: None,
                    resumed: false,
                });
                self.end = None;
            }
            Event::Booted { boot, facts } => {
                let at = self.boot(Some(*boot))?;
                self.boots[at].booted_ms = Some(line.at_ms);
                self.boots[at].facts = facts.clone();
                if let Some(faults) = facts.get(fact::BOOT_FAULTS) {
                    let message = "the kernel complained while the driver was loaded";
                    let fault = Outcome::KernelFault;
                    let mut attempt = Attempt::of_host(Some(*boot), line.at_ms, fault, message);
                    attempt.kernel_log = faults.split(" | ").map(str::to_string).collect();
                    self.attempts
                        .entry((self.boots[at].target, PROBE.into()))
                        .or_default()
                        .push(attempt);
                }
            }
            Event::CaseStart { case } => {
                let at = self.boot(line.guest)?;
                self.running.insert(at, (case.clone(), line.at_ms));
            }
            Event::CaseEnd(ended) => self.case_end(line, ended)?,
            Event::BootEnd(ended) => {
                let at = self.boot(Some(ended.boot))?;
                self.boot_end(at, line.at_ms, &ended.reason, &ended.console);
            }
            Event::RunEnd(ended) => {
                let before = std::mem::replace(&mut self.until_end, self.boots.len());
                self.boots[..before].iter_mut().for_each(|boot| boot.resumed = true);
                self.end = Some(ended.reason.clone());
            }
        }
        Ok(())
    }

    /// The guest of a number, or the one that was started last.
    fn boot(&self, number: Option<u32>) -> Result<usize, String> {
        let found = match number {
            Some(number) => self.boots.iter().rposition(|boot| boot.number == number),
            None => self.boots.len().checked_sub(1),
        };
        found.ok_or_else(|| match number {
            Some(number) => format!("boot {number}"),
            None => "a guest before any was started".into(),
        })
    }

    fn case_end(&mut self, line: &Line, ended: &CaseEnd) -> Result<(), String> {
        let at = self.boot(line.guest)?;
        let CaseEnd { case, outcome, message, details, duration_us, kernel_log, findings, output } =
            ended;
        let mut at_ms = line.at_ms.saturating_sub(duration_us / 1000);
        if let Some((running, started)) = self.running.get(&at)
            && running == case
        {
            at_ms = *started;
            self.running.remove(&at);
        }
        self.last.insert(at, (case.clone(), outcome.is_bad()));
        let boot = Some(self.boots[at].number);
        let attempts = self.attempts.entry((self.boots[at].target, case.clone())).or_default();
        let console = match attempts.last() {
            Some(last) if last.derived && last.boot == boot => {
                attempts.pop().map(|last| last.console).unwrap_or_default()
            }
            Some(_) | None => vec![],
        };
        let derived = !console.is_empty();
        attempts.push(Attempt {
            boot,
            at_ms,
            outcome: *outcome,
            message: message.clone(),
            details: details.clone(),
            duration_us: *duration_us,
            kernel_log: kernel_log.clone(),
            findings: findings.clone(),
            output: output.clone(),
            console,
            derived,
        });
        Ok(())
    }

    fn boot_end(&mut self, at: usize, at_ms: u64, reason: &str, console: &[String]) {
        let boot = &mut self.boots[at];
        boot.ended_ms = Some(at_ms);
        boot.reason = Some(reason.to_string());
        boot.console = console.to_vec();
        let booted = boot.booted_ms.is_some();
        let (case, started, (outcome, message)) = match self.running.remove(&at) {
            Some((case, started)) => match derive(reason) {
                Some(derived) => (case, started, derived),
                None => return,
            },
            None if booted => return self.blame_last(at, reason),
            None => match derive_probe(reason) {
                Some(derived) => (PROBE.to_string(), self.boots[at].started_ms, derived),
                None => return,
            },
        };
        self.boots[at].blamed = Some(case.clone());
        let boot = Some(self.boots[at].number);
        let mut attempt = Attempt::of_host(boot, started, outcome, message);
        attempt.duration_us = at_ms.saturating_sub(started) * 1000;
        attempt.console = console.to_vec();
        // A driver that makes no device leaves a kernel that goes on.
        attempt.derived = reason != end::NO_DEVICE;
        self.attempts.entry((self.boots[at].target, case)).or_default().push(attempt);
    }

    /// A kernel that dies between two cases: the last one is to blame if it ended badly, for an
    /// oops often reports its case before it takes the machine along.
    fn blame_last(&mut self, at: usize, reason: &str) {
        if derive(reason).is_some_and(|(outcome, _)| outcome != Outcome::Broken)
            && let Some((case, true)) = self.last.get(&at)
        {
            self.boots[at].blamed = Some(case.clone());
        }
    }
}
