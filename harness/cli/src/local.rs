// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `gauntlet run --local`: the same cases with the same runner on this machine's card.

use crate::journal::{self, Recorder};
use crate::options::RunOptions;
use crate::plan::{Aim, facts, plan, start};
use crate::progress::Progress;
use crate::stop::Stop;
use crate::{exit, report};
use anyhow::Result;
use case::Case;
use record::{BootEnd, Event, RunEnd, Target, end};
use render::Expectations;
use runner::{Clocks, KernelLog, Machine, Roots, Session, Settings, Stopped, Taint};
use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

/// Name of the kernel of such a target.
const LOCAL: &str = "local";

/// Release of the running kernel.
const RELEASE: &str = "/proc/sys/kernel/osrelease";

/// Runs on the local card.
pub fn run(options: &RunOptions, all: &[Case], cases: &[&Case], known: Expectations) -> Result<u8> {
    let found = runner::find(&Roots::default(), options.device.as_deref())
        .map_err(|why| exit::nothing(why.to_string()))?;
    let stop = Stop::on_signals()?;
    let folder = journal::folder(options.run_dir.as_deref())?;
    let recorder = Recorder::create(folder, Progress::new(known.clone(), options.repeat))?;
    let asic = found.asic;
    let target = Target { asic: asic.name().into(), kernel: LOCAL.into() };
    let release = std::fs::read_to_string(RELEASE).unwrap_or_default().trim().to_string();
    let aims = [Aim { target, asic, release, kernel: None }];
    let planned = plan(&aims, cases, &known, options);
    let names: Vec<String> = planned
        .iter()
        .filter(|planned| planned.skip.is_none())
        .flat_map(|planned| std::iter::repeat_n(planned.case.clone(), options.repeat as usize))
        .collect();
    recorder.host(start(options, &aims, planned, facts(options)))?;
    recorder.host(Event::BootStart { boot: 0, target: 0, command: Vec::new() })?;
    let settings = Settings {
        seed: options.machine.seed.unwrap_or(0),
        clocks: Clocks {
            scale: options.machine.timeout_scale.unwrap_or(1.0),
            run: options.time_limit.map(Duration::from_secs),
            ..Clocks::default()
        },
        workarounds: Vec::new(),
    };
    let mut log = KernelLog::open(Path::new("/dev/kmsg")).ok();
    let about = runner::facts(&found, &settings, log.as_mut());
    recorder.guest(0, Event::Booted { boot: 0, facts: about })?;
    let environment = found.environment(None, settings.seed, Vec::new());
    let bad = RefCell::new(Vec::new());
    let mut session = Session {
        cases: all,
        settings: &settings,
        machine: Machine {
            environment,
            found: Some(found),
            log,
            taint: Taint::PATH.into(),
            port: None,
            program: "/proc/self/exe".into(),
        },
        stop: &|| stop.is_asked(),
        emit: &mut |event| {
            if let Event::CaseEnd(ended) = &event
                && ended.outcome.is_bad()
            {
                bad.borrow_mut().push(ended.case.clone());
                if options.until_fail && recorder.is_unexpected(0, &ended.case, ended.outcome) {
                    stop.ask();
                }
            }
            recorder.guest(0, event).map_err(std::io::Error::other)
        },
    };
    let mut stopped = session.run(&names)?;
    for _ in 0..options.retry {
        let again = bad.take();
        if again.is_empty() || stopped != Stopped::Done {
            break;
        }
        stopped = session.run(&again)?;
    }
    let (reason, console) = match stopped {
        // A rule of the run, and nobody, asked.
        Stopped::Asked if !stop.is_signalled() => (end::DONE, vec![]),
        stopped => stopped.told(),
    };
    let reason = reason.to_string();
    recorder.host(Event::BootEnd(BootEnd { boot: 0, reason: reason.clone(), console }))?;
    recorder.host(Event::RunEnd(RunEnd { reason }))?;
    recorder.finish();
    let code = report::conclude(&recorder.folder, options.ktap, options.baseline.as_deref())?;
    if let Some(into) = &options.update {
        report::update(&recorder.folder, into)?;
    }
    Ok(if stop.is_signalled() { exit::INTERRUPTED } else { code })
}
