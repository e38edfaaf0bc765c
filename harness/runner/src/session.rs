// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Runs cases one after the other and tells what happened.
//!
//! Limits: the calling process must have no other children, for all that are left after a case
//! are taken for the case's and killed.

use crate::child::{self, Ended, Limits};
use crate::fault::{complaints, faults};
use crate::judge::{Around, Declared, Judgement, judge, line};
use crate::kmsg::{KernelLog, News, lines};
use crate::locate::Found;
use crate::settle::{self, Patience};
use crate::taint::{Taint, Weight};
use crate::wait::until;
use crate::{Settings, family};
use case::{Case, Environment, ModelPort};
use control::{Answer, Request};
use nix::errno::Errno;
use record::{CaseEnd, Event, Outcome, end};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time for each step of getting rid of a case whose kernel faulted.
const FAULT: Duration = Duration::from_secs(1);
/// Lets the `_ONCE` warnings warn again (`kernel/panic.c: register_warn_debugfs`), so that a case
/// is told of its own and not only the first one that runs into it.
const WARN_AGAIN: &str = "/sys/kernel/debug/clear_warn_once";
/// Time that the driver has to drop the references of a closed file, and to count a reset.
const RELEASE: Duration = Duration::from_secs(5);

/// The machine that cases run on.
pub struct Machine {
    /// What every case is told.
    pub environment: Environment,
    /// The device; none where a test plays one.
    pub found: Option<Found>,
    /// The kernel log, where it can be read.
    pub log: Option<KernelLog>,
    /// The taint of the kernel.
    pub taint: PathBuf,
    /// The runner's own end of the control port.
    pub port: Option<ModelPort>,
    /// The program that runs one case as `PROGRAM case NAME`.
    pub program: PathBuf,
}

/// Why the cases ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// All of them ran.
    Done,
    /// The kernel, the device or a process cannot be trusted any more; why.
    Wrecked(String),
    /// Somebody asked to stop.
    Asked,
    /// The clock of the run ran out.
    Time,
}

impl Stopped {
    /// As the record tells it: one of [`record::end`], and why.
    pub fn told(self) -> (&'static str, Vec<String>) {
        match self {
            Stopped::Done => (end::DONE, vec![]),
            Stopped::Wrecked(why) => (end::WRECKED, vec![why]),
            Stopped::Asked => (end::INTERRUPTED, vec![]),
            Stopped::Time => (end::TIME, vec![]),
        }
    }
}

/// A run of cases.
pub struct Session<'a> {
    /// The cases of this program.
    pub cases: &'a [Case],
    /// What holds for all.
    pub settings: &'a Settings,
    /// Where they run.
    pub machine: Machine,
    /// Somebody wants to stop.
    pub stop: &'a dyn Fn() -> bool,
    /// Takes every event before the next step.
    pub emit: &'a mut dyn FnMut(Event) -> std::io::Result<()>,
}

impl Session<'_> {
    /// Runs the named cases in order.
    pub fn run(&mut self, names: &[String]) -> std::io::Result<Stopped> {
        // On a machine without the right, orphans go to init and are not ours to kill.
        let _ = family::become_subreaper();
        let end = self.settings.clocks.run.map(|time| Instant::now() + time);
        let mut refused = None;
        for name in names {
            if (self.stop)() {
                return Ok(Stopped::Asked);
            }
            if end.is_some_and(|end| end <= Instant::now()) {
                return Ok(Stopped::Time);
            }
            let cases = self.cases;
            let Some(case) = cases.iter().find(|case| case.name == *name) else {
                self.without_running(
                    name,
                    Outcome::Broken,
                    "this program has no such case".into(),
                )?;
                continue;
            };
            if case.compute && refused.is_none() {
                refused = Some(self.compute_refused());
            }
            if let Some(reason) = self.not_here(case, refused.as_ref().and_then(|r| r.as_deref())) {
                self.without_running(name, Outcome::Skip, reason)?;
                continue;
            }
            if let Some(stopped) = self.one(case, end)? {
                return Ok(stopped);
            }
        }
        Ok(Stopped::Done)
    }

    fn without_running(
        &mut self,
        name: &str,
        outcome: Outcome,
        why: String,
    ) -> std::io::Result<()> {
        (self.emit)(Event::CaseStart { case: name.into() })?;
        (self.emit)(Event::CaseEnd(unrun(name, outcome, why)))
    }

    /// Why a case does not apply to this machine.
    fn not_here(&self, case: &Case, refused: Option<&str>) -> Option<String> {
        let asic = self.machine.environment.asic;
        if !case.applies(asic) {
            return Some(format!("does not apply to {asic}"));
        }
        if case.model && self.machine.port.is_none() {
            return Some("needs the device model (control port)".into());
        }
        refused.filter(|_| case.compute).map(str::to_string)
    }

    /// Does the driver refuse every open of the compute node (defect D1)? With a workaround in
    /// place nobody asks: the open of a probe is not free of side effects.
    fn compute_refused(&mut self) -> Option<String> {
        if self.machine.found.is_none() || !self.machine.environment.workarounds.is_empty() {
            return None;
        }
        let node = self.machine.environment.compute.clone();
        match std::fs::File::options().read(true).write(true).open(&node) {
            Err(why) if why.raw_os_error() == Some(Errno::EINVAL as i32) => {
                let node = node.display();
                self.news();
                Some(format!("needs the compute node, and every open of {node} gives EINVAL (D1)"))
            }
            Ok(_) | Err(_) => None,
        }
    }

    fn one(&mut self, case: &Case, end: Option<Instant>) -> std::io::Result<Option<Stopped>> {
        (self.emit)(Event::CaseStart { case: case.name.to_string() })?;
        let before = self.before(case);
        let clocks = self.settings.clocks;
        let limits = Limits {
            budget: clocks.scaled(case.budget),
            silence: clocks.scaled(clocks.silence.max(case.budget)),
            fault: clocks.scaled(FAULT),
            run: end,
        };
        let ended = match &before.port {
            None => {
                let Machine { program, environment, log, .. } = &mut self.machine;
                child::run(program, &case.name, environment, limits, log.as_mut(), self.stop)?
            }
            Some(why) => {
                let message = format!("the control port failed: {why}");
                let unrun = unrun(&case.name, Outcome::Broken, message.clone());
                (self.emit)(Event::CaseEnd(unrun))?;
                return Ok(Some(Stopped::Wrecked(message)));
            }
        };
        let (around, news) = self.after(case, &before);
        let declared = Declared { findings: case.findings.to_vec(), resets: case.resets };
        let judgement = judge(&ended, &declared, &around);
        let next = self.next(&ended, &around).or_else(|| self.doubtful(case, judgement.outcome));
        (self.emit)(Event::CaseEnd(case_end(case, ended, judgement, &around, &news)))?;
        Ok(next)
    }

    /// The state before a case.
    fn before(&mut self, case: &Case) -> Before {
        if let Some(log) = &mut self.machine.log {
            log.mark(&format!("begin {}", case.name));
        }
        if self.machine.found.is_some() {
            // Where it is not there or not allowed, a warning is seen by the first case only.
            let _ = std::fs::write(WARN_AGAIN, "1");
        }
        let begin = Request::Begin { case: case.name.to_string() };
        let port = self.machine.port.as_mut().and_then(|port| port.order(begin).err());
        Before {
            taint: Taint::read(&self.machine.taint).unwrap_or_default(),
            resets: self.machine.found.as_ref().and_then(Found::hard_resets),
            references: references(),
            port: port.map(|why| format!("{why:?}")),
        }
    }

    /// What changed while the case ran.
    fn after(&mut self, case: &Case, before: &Before) -> (Around, News) {
        let (mut around, patience) = (Around::default(), self.patience());
        let faulted = settle::faulted(self.machine.log.as_mut(), patience);
        if let (false, Some(found)) = (faulted, &self.machine.found) {
            around.lost = settle::settle(found, self.machine.log.as_mut(), patience);
        }
        let faulted = self.machine.log.as_mut().is_some_and(KernelLog::look);
        if let Some(port) = &mut self.machine.port {
            match port.ask(Request::End) {
                Ok(Answer::Findings(findings)) => around.findings = findings,
                Ok(other) => around.port = Some(format!("End is answered with {other:?}")),
                Err(why) => around.port = Some(format!("{why:?}")),
            }
        }
        if !faulted && before.references < references() {
            let settled = || references() <= before.references;
            until(self.settings.clocks.scaled(RELEASE), settled);
            around.references = references() - before.references;
        }
        if let Some(log) = &mut self.machine.log {
            log.mark(&format!("end {}", case.name));
        }
        let news = self.news();
        around.faults = faults(&news.entries, case.kernel_log);
        let taint = Taint::read(&self.machine.taint).unwrap_or_default();
        around.taint = taint.since(before.taint);
        if let (Some(found), Some(before)) = (&self.machine.found, before.resets) {
            let patience =
                if faulted { Duration::ZERO } else { self.settings.clocks.scaled(RELEASE) };
            around.resets = settle::resets(found, before, &news.entries, case.resets, patience);
        }
        (around, news)
    }

    /// How long a device is waited for.
    fn patience(&self) -> Patience {
        let clocks = self.settings.clocks;
        let longest = clocks.scaled(settle::LONGEST);
        let still = if self.machine.port.is_some() { settle::STILL } else { longest };
        Patience { longest, still, scale: clocks.scale }
    }

    fn news(&mut self) -> News {
        self.machine.log.as_mut().map(KernelLog::news).unwrap_or_default()
    }

    /// A case that may wreck the kernel and did not hold may have done so unseen: in a guest the
    /// next one gets another.
    fn doubtful(&self, case: &Case, outcome: Outcome) -> Option<Stopped> {
        let held = matches!(outcome, Outcome::Pass | Outcome::Skip);
        (case.guest.own && !held && self.machine.port.is_some())
            .then(|| Stopped::Wrecked(format!("{} did not hold", case.name)))
    }

    /// Can this machine run another case?
    fn next(&self, ended: &Ended, around: &Around) -> Option<Stopped> {
        use child::Cut;
        let fatal = around.faults.iter().find(|fault| fault.fatal);
        let taint = around.taint.of(Weight::Fatal);
        if let Some(fault) = fatal {
            return Some(Stopped::Wrecked(fault.headline.clone()));
        }
        if !taint.is_empty() {
            return Some(Stopped::Wrecked(format!("the kernel is tainted: {taint}")));
        }
        if ended.status.is_none() {
            return Some(Stopped::Wrecked("a process of the case does not die".into()));
        }
        let trouble = around.lost.as_ref().or(around.port.as_ref());
        if let Some(why) = trouble {
            return Some(Stopped::Wrecked(why.clone()));
        }
        match ended.cut {
            Some(Cut::Asked) => Some(Stopped::Asked),
            Some(Cut::Run) => Some(Stopped::Time),
            Some(Cut::Budget | Cut::Silence | Cut::Fault) | None => None,
        }
    }
}

struct Before {
    taint: Taint,
    resets: Option<u32>,
    references: i64,
    port: Option<String>,
}

/// References to the driver's module: one per open file, and what else pins it.
fn references() -> i64 {
    let text = std::fs::read_to_string("/sys/module/habanalabs/refcnt").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

/// The end of a case whose body did not start.
fn unrun(name: &str, outcome: Outcome, message: String) -> CaseEnd {
    CaseEnd {
        case: name.into(),
        outcome,
        message,
        details: Default::default(),
        duration_us: 0,
        kernel_log: Vec::new(),
        findings: Vec::new(),
        output: String::new(),
    }
}

fn case_end(
    case: &Case,
    ended: Ended,
    judgement: Judgement,
    around: &Around,
    news: &News,
) -> CaseEnd {
    let Judgement { outcome, message, mut details } = judgement;
    let complaints = complaints(&news.entries, case.kernel_log).len();
    if complaints > 0 {
        details.insert("kernel_complaints".into(), complaints.to_string());
    }
    if news.lost > 0 {
        details.insert("kernel_log_lost".into(), news.lost.to_string());
    }
    CaseEnd {
        case: case.name.to_string(),
        outcome,
        message,
        details,
        duration_us: ended.duration.as_micros() as u64,
        kernel_log: lines(&news.entries),
        findings: around.findings.iter().map(line).collect(),
        output: ended.output,
    }
}
