// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a person sees while a run goes on, on standard error: a live bar on a terminal, a line
//! per case elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use record::{CaseEnd, Event, Outcome, Target, fact};
use render::{Expectations, Verdict, judge};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The display.
pub struct Progress {
    bar: Option<ProgressBar>,
    silent: bool,
    known: Expectations,
    /// How often every case is to run.
    repeat: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    targets: Vec<Target>,
    boots: BTreeMap<u32, Place>,
    total: usize,
    ended: usize,
    /// How often each case of a target has ended.
    times: BTreeMap<(usize, String), u32>,
}

/// What a boot runs on.
#[derive(Clone, Default)]
struct Place {
    target: usize,
    asic: String,
    kernel: String,
}

impl State {
    fn place(&self, boot: Option<u32>) -> Place {
        boot.and_then(|boot| self.boots.get(&boot)).cloned().unwrap_or_default()
    }

    /// Counts the end of a case; false where it is a further attempt that nobody planned.
    fn count(&mut self, target: usize, case: &str, repeat: u32) -> bool {
        let times = self.times.entry((target, case.to_string())).or_default();
        *times += 1;
        let planned = *times <= repeat;
        self.ended += usize::from(planned);
        planned
    }
}

impl Progress {
    /// A display of a run with these expectations that runs every case so often.
    pub fn new(known: Expectations, repeat: u32) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = "{elapsed_precise} [{bar:30}] {pos}/{len} {wide_msg}";
            bar.set_style(
                ProgressStyle::with_template(style)
                    .unwrap_or_else(|_| ProgressStyle::default_bar()),
            );
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        Progress { bar, silent: false, known, repeat, state: Mutex::default() }
    }

    /// No display.
    #[cfg(test)]
    pub fn silent() -> Self {
        Progress {
            bar: None,
            silent: true,
            known: Expectations::default(),
            repeat: 1,
            state: Mutex::default(),
        }
    }

    /// A line of text.
    pub fn note(&self, text: &str) {
        if self.silent {
            return;
        }
        match &self.bar {
            Some(bar) => bar.println(text),
            // Nobody may be reading any more; the record is what counts.
            None => drop(writeln!(std::io::stderr(), "{text}")),
        }
    }

    /// Ends the bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn message(&self, text: String) {
        if let Some(bar) = &self.bar {
            bar.set_message(text);
        }
    }

    /// Takes an event of an earlier part of the run into account.
    pub fn recall(&self, boot: Option<u32>, event: &Event) {
        match event {
            Event::RunStart { .. } => self.saw(None, event),
            Event::BootStart { boot, target, .. } => {
                self.state().boots.insert(*boot, Place { target: *target, ..Place::default() });
            }
            Event::CaseEnd(end) => {
                let mut state = self.state();
                let target = state.place(boot).target;
                state.count(target, &end.case, self.repeat);
            }
            Event::Booted { .. }
            | Event::CaseStart { .. }
            | Event::BootEnd(_)
            | Event::RunEnd(_) => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Did a case of a guest end badly, and do the expectations not account for it?
    pub fn is_unexpected(&self, boot: u32, case: &str, outcome: Outcome) -> bool {
        let Place { target: _, asic, kernel } = self.state().place(Some(boot));
        let verdict = judge(outcome, self.known.expect(&asic, &kernel, case));
        outcome.is_bad() && !verdict.is_accepted()
    }

    /// Shows an event.
    pub fn saw(&self, boot: Option<u32>, event: &Event) {
        let mut state = self.state();
        match event {
            Event::RunStart { targets, plan, seed, .. } => {
                state.targets = targets.clone();
                let cases = plan.iter().filter(|planned| planned.skip.is_none()).count();
                state.total = cases * self.repeat as usize;
                if let Some(bar) = &self.bar {
                    bar.set_length(state.total as u64);
                }
                let times =
                    if self.repeat > 1 { format!(", {} times", self.repeat) } else { "".into() };
                let cases = plural(cases, "case");
                let targets = plural(targets.len(), "target");
                self.note(&format!("{cases} on {targets}{times}, seed {seed}"));
            }
            Event::BootStart { boot, target, .. } => {
                if let Some(named) = state.targets.get(*target).cloned() {
                    self.message(format!("booting {} with a {}", named.kernel, named.asic));
                    let (asic, kernel) = (named.asic, named.kernel);
                    state.boots.insert(*boot, Place { target: *target, asic, kernel });
                }
            }
            Event::Booted { boot, facts } => {
                if let (Some(place), Some(release)) =
                    (state.boots.get_mut(boot), facts.get(fact::KERNEL_RELEASE))
                {
                    place.kernel = release.clone();
                    self.note(&format!("guest {boot}: {} on {release}", place.asic));
                }
            }
            Event::CaseStart { case } => self.message(case.clone()),
            Event::CaseEnd(end) => self.case_end(&mut state, boot, end),
            Event::BootEnd(end) => {
                if end.reason != record::end::DONE {
                    // A guest without a device says why first, and then what the kernel logged.
                    let why = match end.reason == record::end::NO_DEVICE {
                        true => end.console.first(),
                        false => end.console.last(),
                    };
                    let why = why.map(|line| format!(": {line}")).unwrap_or_default();
                    self.note(&format!("guest {} ended: {}{why}", end.boot, end.reason));
                }
            }
            Event::RunEnd(_) => {}
        }
    }

    fn case_end(&self, state: &mut State, boot: Option<u32>, end: &CaseEnd) {
        let Place { target, asic, kernel } = state.place(boot);
        let planned = state.count(target, &end.case, self.repeat);
        if let Some(bar) = &self.bar {
            bar.set_position(state.ended as u64);
        }
        let verdict = judge(end.outcome, self.known.expect(&asic, &kernel, &end.case));
        // On a terminal only what somebody may want to look at stays.
        if self.bar.is_some() && !end.outcome.is_bad() {
            return;
        }
        let number = if planned { format!("{:>4}", state.ended) } else { "more".into() };
        let total = state.total;
        let time = Duration::from_micros(end.duration_us);
        let word = word(end.outcome, verdict);
        let case = &end.case;
        let mut line = format!("[{number}/{total}] {asic:<6} {word:<14} {case} ({time:.0?})");
        if !end.message.is_empty() {
            line.push_str(&format!("\n       {}", end.message));
        }
        self.note(&line);
    }
}

fn plural(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn word(outcome: Outcome, verdict: Verdict) -> String {
    match verdict {
        Verdict::KnownIssue => "known issue".into(),
        Verdict::Regression => format!("{}!", outcome.name()),
        Verdict::Fixed => "fixed".into(),
        Verdict::Flake => "flake".into(),
        Verdict::Expected | Verdict::New | Verdict::Gone | Verdict::Broken | Verdict::NotRun => {
            outcome.name().into()
        }
    }
}
