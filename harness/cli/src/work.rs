// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs cases in one guest and follows them: what the guest says goes into the record, and a
//! guest that says nothing for longer than its work can take is ended.

use crate::boot::{BootPlan, Booted, Heard};
use crate::journal::Recorder;
use crate::stop::Stop;
use anyhow::Result;
use record::{BootEnd, Event, Outcome, end};
use render::outcome_of_end;
use runner::{Clocks, Message};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use vm::Cause;

/// Time to load the driver: its own limits for firmware add up to less.
const TO_PROBE: Duration = Duration::from_secs(120);
/// Time that the runner itself needs around a case: kill ladder, settling of the device.
const AROUND: Duration = Duration::from_secs(75);
/// Time that a runner has to hand over its last case once the kernel is beyond trust. Kernels that
/// cannot even do that are ended by the host.
const AFTER_FAULT: Duration = Duration::from_secs(15);
/// The longest wait between two looks at the model and at who wants to stop.
const GLANCE: Duration = Duration::from_millis(250);
/// Time that QEMU has to go away after the guest said that it is done.
const TO_END: Duration = Duration::from_secs(5);

/// How one guest went.
#[derive(Debug, Default)]
pub struct Went {
    /// Cases that ended, in order, and whether they ended badly.
    pub ended: Vec<(String, bool)>,
    /// The case that ran when the guest ended.
    pub running: Option<String>,
    /// One of [`record::end`].
    pub reason: String,
    /// KVM gave up: try again with emulation.
    pub kvm: Option<String>,
}

/// Follows a guest that runs cases.
pub struct Watch<'a> {
    /// The record.
    pub recorder: &'a Recorder,
    /// Who wants to stop.
    pub stop: &'a Stop,
    /// Budgets of the cases.
    pub budgets: &'a BTreeMap<String, Duration>,
    /// The clocks of the guest.
    pub clocks: Clocks,
    /// End of the whole run.
    pub until: Option<Instant>,
    /// A case that ends badly, other than as known, ends the run.
    pub until_fail: bool,
}

/// Why the host ends a guest, and what it knows about it.
struct Verdict {
    reason: &'static str,
    console: Vec<String>,
}

impl Watch<'_> {
    /// Boots, runs, ends.
    pub fn run(&self, plan: &BootPlan<'_>, target: usize) -> Result<Went> {
        let boot = plan.number;
        let mut booted = plan.start(|command, _| {
            let command = command.to_vec();
            self.recorder.host(Event::BootStart { boot, target, command })
        })?;
        let mut went = Went::default();
        let verdict = self.follow(&mut booted, boot, &mut went);
        booted.guest.kill();
        let verdict = verdict?;
        drop(booted);
        went.reason = verdict.reason.into();
        if let (Some(case), Some(outcome)) = (&went.running, outcome_of_end(verdict.reason)) {
            self.bad(boot, case, outcome);
        }
        let (reason, console) = (went.reason.clone(), verdict.console);
        self.recorder.host(Event::BootEnd(BootEnd { boot, reason, console }))?;
        Ok(went)
    }

    fn follow(&self, booted: &mut Booted, boot: u32, went: &mut Went) -> Result<Verdict> {
        let clocks = &self.clocks;
        let mut deadline = Instant::now() + clocks.scaled(TO_PROBE) * 2;
        let mut said_end: Option<Verdict> = None;
        let mut asked: Option<&'static str> = None;
        let mut fault: Option<(String, Instant)> = None;
        loop {
            if let Some((_, end)) = &fault {
                deadline = deadline.min(*end);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match booted.next(left.min(GLANCE)) {
                Heard::Said(message) => match *message {
                    Message::Up => deadline = Instant::now() + clocks.scaled(TO_PROBE),
                    Message::Event(event) => {
                        if let Event::BootEnd(BootEnd { reason, console, .. }) = &*event {
                            said_end = Some(known(reason, console.clone()));
                            deadline = Instant::now() + TO_END;
                            continue;
                        }
                        deadline = Instant::now() + self.limit(&event);
                        self.event(boot, *event, went)?;
                    }
                    Message::Failed(why) => {
                        said_end = Some(Verdict { reason: end::NO_BOOT, console: vec![why] });
                        deadline = Instant::now() + TO_END;
                    }
                    Message::Output { .. } | Message::Exit(_) => {}
                },
                Heard::Garbled(line) => {
                    self.recorder.note(&format!("guest {boot} says what makes no sense: {line}"));
                }
                Heard::Fatal(line) => {
                    fault = Some((line, Instant::now() + clocks.scaled(AFTER_FAULT)));
                }
                Heard::Panic => {}
                Heard::Ended(ended) => {
                    let model = booted.model_ended();
                    let fault = fault.map(|(line, _)| line);
                    return Ok(conclude(ended, model, said_end, asked, fault, went));
                }
                Heard::Nothing => {}
            }
            if asked.is_none() {
                asked = self.reason_to_end(booted, deadline, said_end.is_some());
                if asked.is_some() {
                    booted.guest.kill();
                }
            }
        }
    }

    /// Must the guest be ended now?
    fn reason_to_end(
        &self,
        booted: &mut Booted,
        deadline: Instant,
        done: bool,
    ) -> Option<&'static str> {
        let now = Instant::now();
        if self.stop.is_asked() {
            Some(end::INTERRUPTED)
        } else if self.until.is_some_and(|until| until <= now) {
            Some(end::TIME)
        } else if booted.model_ended().is_some() {
            Some(end::MODEL_DIED)
        } else if done || deadline <= now {
            // A guest that has said its last word need not shut down in an orderly way.
            Some(if done { end::DONE } else { end::HANG })
        } else {
            None
        }
    }

    /// Time until the next word after an event.
    fn limit(&self, event: &Event) -> Duration {
        let clocks = &self.clocks;
        match event {
            Event::CaseStart { case } => {
                let budget = self.budgets.get(case).copied().unwrap_or_default();
                clocks.scaled(budget + AROUND)
            }
            Event::RunStart { .. }
            | Event::BootStart { .. }
            | Event::Booted { .. }
            | Event::CaseEnd(_)
            | Event::BootEnd(_)
            | Event::RunEnd(_) => clocks.scaled(AROUND),
        }
    }

    fn event(&self, boot: u32, event: Event, went: &mut Went) -> Result<()> {
        match &event {
            Event::CaseStart { case } => went.running = Some(case.clone()),
            Event::CaseEnd(ended) => {
                went.running = None;
                went.ended.push((ended.case.clone(), ended.outcome.is_bad()));
                self.bad(boot, &ended.case, ended.outcome);
            }
            Event::RunStart { .. }
            | Event::BootStart { .. }
            | Event::Booted { .. }
            | Event::BootEnd(_)
            | Event::RunEnd(_) => {}
        }
        self.recorder.guest(boot, event)
    }

    /// A case ended like this: is it the one that ends the run?
    fn bad(&self, boot: u32, case: &str, outcome: Outcome) {
        if self.until_fail && self.recorder.is_unexpected(boot, case, outcome) {
            self.stop.ask();
        }
    }
}

/// The guest's own word on its end.
fn known(reason: &str, console: Vec<String>) -> Verdict {
    let names = [end::DONE, end::WRECKED, end::NO_DEVICE, end::TIME, end::INTERRUPTED];
    let reason = names.into_iter().find(|name| *name == reason).unwrap_or(end::WRECKED);
    Verdict { reason, console }
}

/// Why a guest ended, from everything that is known.
fn conclude(
    ended: vm::Ended,
    model: Option<String>,
    said: Option<Verdict>,
    asked: Option<&'static str>,
    fault: Option<String>,
    went: &mut Went,
) -> Verdict {
    if let Some(said) = said {
        return said;
    }
    let line = ended.to_string();
    let mut console = ended.console;
    let reason = match (asked, model, ended.cause) {
        (Some(end::INTERRUPTED | end::TIME), ..) => asked.unwrap_or(end::INTERRUPTED),
        (_, Some(why), _) => {
            console.push(why);
            return Verdict { reason: end::MODEL_DIED, console };
        }
        (_, None, Cause::Panic(_)) => end::PANIC,
        (_, None, Cause::NoBoot(_)) => end::NO_BOOT,
        (_, None, Cause::KvmFailed(why)) => {
            went.kvm = Some(why);
            end::QEMU_DIED
        }
        (Some(end::HANG), None, Cause::Killed) if fault.is_some() => {
            console.extend(fault);
            end::PANIC
        }
        (Some(reason), None, Cause::Killed) => reason,
        (_, None, Cause::QemuFailed(_) | Cause::Killed | Cause::Harness(_)) => {
            console.extend(ended.stderr);
            end::QEMU_DIED
        }
        // Without a last word, and without a panic: something ended the machine from inside.
        (_, None, Cause::PoweredOff) => end::QEMU_DIED,
    };
    console.push(line);
    Verdict { reason, console }
}
