// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The suites as an ordinary test binary, on a machine with a card:
//!
//! ```text
//! cargo test -p suites --test local -- info/          # part of a name
//! cargo test -p suites --test local -- --list
//! cargo nextest run -p suites --test local
//! GAUNTLET_DEVICE=accel1 cargo test -p suites --test local
//! ```
//!
//! Every case runs under the same runner as with `gauntlet run --local`: in a process of its own,
//! with its clocks, the kernel log and the taint looked at afterwards. On a machine without a card
//! it says so in one line, lists every case as ignored, and is no failure.
//!
//! Limits: one case at a time, across processes too (nextest starts one for each case), because
//! the compute node can only be opened once. No expectations and no record: what fails here fails,
//! be it a known issue or not; `gauntlet run --local` tells them apart.

use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use nix::fcntl::{Flock, FlockArg};
use record::{CaseEnd, Event, Outcome};
use runner::{Found, KernelLog, Machine, Roots, Session, Settings, Stopped, Taint};
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

/// Picks the card (`accel0`); default: the first.
const DEVICE: &str = "GAUNTLET_DEVICE";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let [_, word, name] = &words[..]
        && word == "case"
        && std::env::var_os(case::Environment::VARIABLE).is_some()
    {
        return runner::run_case(&suites::all(), name);
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let wanted = std::env::var(DEVICE).ok();
    let found = match runner::find(&Roots::default(), wanted.as_deref()) {
        Ok(found) => Some(Arc::new(found)),
        Err(_) if arguments.list => None,
        Err(why) => {
            println!("nothing to test: {why}");
            return ExitCode::SUCCESS;
        }
    };
    // The kernel or the device cannot be trusted any more, and why.
    let wrecked = Arc::new(Mutex::new(None));
    let trials = suites::all()
        .into_iter()
        .filter(|case| found.as_ref().is_none_or(|found| case.applies(found.asic)));
    let trials = trials.map(|case| trial(&case.name, found.clone(), wrecked.clone())).collect();
    let conclusion: Conclusion = libtest_mimic::run(&arguments, trials);
    conclusion.exit_code()
}

fn trial(name: &str, found: Option<Arc<Found>>, wrecked: Arc<Mutex<Option<String>>>) -> Trial {
    let case = name.to_string();
    let there = found.is_some();
    let body = move || match &found {
        Some(found) => one(&case, found, &wrecked),
        None => Err("there is no card".into()),
    };
    Trial::test(name, body).with_ignored_flag(!there)
}

/// Runs one case.
fn one(name: &str, found: &Found, wrecked: &Mutex<Option<String>>) -> Result<(), Failed> {
    let mut wrecked = wrecked.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(why) = &*wrecked {
        return Err(format!("not run: {why}").into());
    }
    let _alone = alone(&found.name).map_err(|why| format!("cannot wait for the card: {why}"))?;
    let settings = Settings::default();
    let mut ends = Vec::new();
    let mut session = Session {
        cases: &suites::all(),
        settings: &settings,
        machine: Machine {
            environment: found.environment(None, settings.seed, Vec::new()),
            found: Some(found.clone()),
            log: log(),
            taint: Taint::PATH.into(),
            port: None,
            program: "/proc/self/exe".into(),
        },
        stop: &|| false,
        emit: &mut |event| {
            if let Event::CaseEnd(end) = event {
                ends.push(end);
            }
            Ok(())
        },
    };
    let stopped = session.run(&[name.to_string()]).map_err(|why| why.to_string())?;
    if let Stopped::Wrecked(why) = stopped {
        *wrecked = Some(why);
    }
    ends.pop().map_or_else(|| Err("the runner says nothing".into()), |end| verdict(&end))
}

/// The kernel log from now on; none where it cannot be read.
fn log() -> Option<KernelLog> {
    let mut log = KernelLog::open(Path::new("/dev/kmsg")).ok()?;
    log.news();
    Some(log)
}

/// Held by the one process that uses the card.
fn alone(device: &str) -> std::io::Result<Flock<File>> {
    let path = std::env::temp_dir().join(format!("gauntlet-{device}.lock"));
    let file = File::options().create(true).append(true).open(path)?;
    Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno.into())
}

fn verdict(end: &CaseEnd) -> Result<(), Failed> {
    let CaseEnd {
        case: _,
        outcome,
        message,
        details,
        duration_us: _,
        kernel_log,
        findings,
        output,
    } = end;
    match outcome {
        Outcome::Pass => return Ok(()),
        Outcome::Skip | Outcome::NotRun => {
            // A test harness of this kind knows no skip that is found out while it runs.
            println!("skipped: {message}");
            return Ok(());
        }
        Outcome::Fail
        | Outcome::KernelFault
        | Outcome::DeviceFinding
        | Outcome::Crash
        | Outcome::Timeout
        | Outcome::Broken => {}
    }
    let mut text = format!("{}: {message}", outcome.name());
    for (name, value) in details {
        text.push_str(&format!("\n{name}: {value}"));
    }
    for line in findings.iter().chain(kernel_log) {
        text.push_str(&format!("\n| {line}"));
    }
    if !output.is_empty() {
        text.push_str(&format!("\noutput:\n{output}"));
    }
    Err(text.into())
}
