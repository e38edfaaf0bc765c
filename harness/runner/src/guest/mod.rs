// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The guest's only program: init of the initramfs, runner, and the process of each case.
//!
//! As process 1 it mounts, loads the modules of the plan, finds the device, does the work and
//! ends the machine. Everything it says goes to the results port as one JSON line; the console
//! belongs to the kernel.

mod exec;
mod modules;
mod mounts;
mod results;

use crate::Taint;
use crate::kmsg::KernelLog;
use crate::{Found, Machine, Message, Plan, Roots, Session, Stopped, Work, locate};
use anyhow::{Context as _, Result, anyhow, bail};
use case::{Case, ModelPort};
use nix::errno::Errno;
use record::{BootEnd, Event, end as names};
use results::Results;
use std::path::Path;
use std::process::ExitCode;

const KMSG: &str = "/dev/kmsg";
/// How many lines of the kernel log tell why there is no device.
const LAST: usize = 8;

/// The `main` of the guest program.
pub fn main(cases: &[Case]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "case", name] => crate::run_case(cases, name),
        [_, "names"] => {
            cases.iter().for_each(|case| println!("{}", case.name));
            ExitCode::SUCCESS
        }
        _ if std::process::id() == 1 => init(cases),
        _ => {
            eprintln!("this program runs inside the guest of gauntlet; start `gauntlet run`");
            ExitCode::from(2)
        }
    }
}

fn init(cases: &[Case]) -> ExitCode {
    if let Err(why) = work(cases) {
        // Nothing but the console is left to say it on.
        eprintln!("gauntlet: {why:#}");
    }
    nix::unistd::sync();
    // With `-no-reboot` a reboot ends QEMU; the call only returns when it is not allowed.
    let why = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT);
    eprintln!("gauntlet: cannot end the machine: {why:?}");
    ExitCode::FAILURE
}

fn work(cases: &[Case]) -> Result<()> {
    mounts::all()?;
    let text = std::fs::read(Plan::PATH).with_context(|| format!("cannot read {}", Plan::PATH))?;
    let plan: Plan =
        serde_json::from_slice(&text).with_context(|| format!("{} makes no sense", Plan::PATH))?;
    let mut results = Results::open(&plan.results)?;
    results.say(&Message::Up)?;
    if let Err(why) = planned(cases, &plan, &mut results) {
        results.say(&Message::Failed(format!("{why:#}")))?;
    }
    results.finish()
}

fn planned(cases: &[Case], plan: &Plan, results: &mut Results) -> Result<()> {
    let mut log = KernelLog::open(Path::new(KMSG)).context("cannot open the kernel log")?;
    let found = match device(plan) {
        Ok(found) => found,
        Err(why) if is_misfit(&why) => return Err(why),
        Err(why) => {
            let mut console = vec![format!("{why:#}")];
            console.extend(complaints(&mut log));
            let (boot, reason) = (plan.boot, names::NO_DEVICE.to_string());
            return Ok(results.event(Event::BootEnd(BootEnd { boot, reason, console }))?);
        }
    };
    let port = match &plan.control {
        None => None,
        Some(path) => Some(
            ModelPort::open(path)
                .with_context(|| format!("cannot open the control port {}", path.display()))?,
        ),
    };
    let boot = plan.boot;
    let facts = crate::facts(&found, &plan.settings, Some(&mut log));
    results.event(Event::Booted { boot, facts })?;
    match &plan.work {
        Work::Program { argv, folder } => {
            let code = exec::run(argv, folder, results)?;
            results.say(&Message::Exit(code))?;
            end(results, boot, Stopped::Done)
        }
        Work::Shell(shell) => {
            let code = exec::shell(shell)?;
            results.say(&Message::Exit(code))?;
            end(results, boot, Stopped::Done)
        }
        Work::Cases(names) => {
            let settings = &plan.settings;
            let port_path = plan.control.clone();
            let environment =
                found.environment(port_path, settings.seed, settings.workarounds.clone());
            let mut session = Session {
                cases,
                settings,
                machine: Machine {
                    environment,
                    found: Some(found),
                    log: Some(log),
                    taint: Taint::PATH.into(),
                    port,
                    program: "/proc/self/exe".into(),
                },
                stop: &|| false,
                emit: &mut |event| results.event(event),
            };
            let stopped = session.run(names)?;
            end(results, boot, stopped)
        }
    }
}

fn end(results: &mut Results, boot: u32, stopped: Stopped) -> Result<()> {
    let (reason, console) = stopped.told();
    let reason = reason.to_string();
    Ok(results.event(Event::BootEnd(BootEnd { boot, reason, console }))?)
}

/// Does a module not fit the kernel? Then nothing is said about the driver's behaviour.
fn is_misfit(why: &anyhow::Error) -> bool {
    let misfits = [Errno::ENOEXEC, Errno::ENOENT, Errno::EKEYREJECTED];
    why.downcast_ref::<Errno>().is_some_and(|errno| misfits.contains(errno))
}

/// Loads the driver and finds what it made of the device.
fn device(plan: &Plan) -> Result<Found> {
    for module in &plan.modules {
        modules::load(module)?;
    }
    let found = locate::find(&Roots::default(), None)
        .map_err(|missing| anyhow!("the driver made no device: {missing}"))?;
    if found.asic != plan.asic {
        bail!("the device is a {}, not a {}", found.asic, plan.asic);
    }
    Ok(found)
}

/// What the kernel had to say last.
fn complaints(log: &mut KernelLog) -> Vec<String> {
    let news = log.news();
    let bad: Vec<String> =
        news.entries.iter().filter(|e| e.level <= 4).map(|e| e.text.clone()).collect();
    bad[bad.len().saturating_sub(LAST)..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_does_not_fit_is_no_word_on_the_driver() {
        let of = |errno: Errno| Err::<(), _>(errno).context("cannot load it").unwrap_err();
        assert!(is_misfit(&of(Errno::ENOEXEC)) && is_misfit(&of(Errno::ENOENT)));
        assert!(!is_misfit(&of(Errno::EINVAL)) && !is_misfit(&anyhow!("no device")));
    }
}
