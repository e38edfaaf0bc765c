// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a person sees while a run goes on, on standard error: a live bar on a terminal, a line
//! per case elsewhere.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use record::{CaseEnd, Event, Outcome, Target, fact};
use render::{Expectations, Verdict, judge};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The display.
pub struct Progress {
    bar: Option<ProgressBar>,
    silent: bool,
    known: Expectations,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    targets: Vec<Target>,
    /// Chip and kernel of a boot.
    boots: BTreeMap<u32, (String, String)>,
    total: usize,
    ended: usize,
    bad: usize,
}

impl Progress {
    /// A display of a run with these expectations.
    pub fn new(known: Expectations) -> Self {
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
        Progress { bar, silent: false, known, state: Mutex::default() }
    }

    /// No display.
    #[cfg(test)]
    pub fn silent() -> Self {
        Progress {
            bar: None,
            silent: true,
            known: Expectations::default(),
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
    pub fn recall(&self, event: &Event) {
        match event {
            Event::RunStart { .. } => self.saw(None, event),
            Event::CaseEnd(_) => {
                self.state.lock().unwrap_or_else(PoisonError::into_inner).ended += 1;
            }
            Event::BootStart { .. }
            | Event::Booted { .. }
            | Event::CaseStart { .. }
            | Event::BootEnd(_)
            | Event::RunEnd(_) => {}
        }
    }

    /// Shows an event.
    pub fn saw(&self, boot: Option<u32>, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::RunStart { targets, plan, seed, .. } => {
                state.targets = targets.clone();
                state.total = plan.iter().filter(|planned| planned.skip.is_none()).count();
                if let Some(bar) = &self.bar {
                    bar.set_length(state.total as u64);
                }
                let (total, seed) = (state.total, *seed);
                self.note(&format!("{total} cases on {} targets, seed {seed}", targets.len()));
            }
            Event::BootStart { boot, target, .. } => {
                if let Some(target) = state.targets.get(*target).cloned() {
                    self.message(format!("booting {} with a {}", target.kernel, target.asic));
                    state.boots.insert(*boot, (target.asic, target.kernel));
                }
            }
            Event::Booted { boot, facts } => {
                if let (Some(place), Some(release)) =
                    (state.boots.get_mut(boot), facts.get(fact::KERNEL_RELEASE))
                {
                    place.1 = release.clone();
                    self.note(&format!("guest {boot}: {} on {release}", place.0));
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
        state.ended += 1;
        if let Some(bar) = &self.bar {
            bar.set_position(state.ended as u64);
        }
        let place = boot.and_then(|boot| state.boots.get(&boot)).cloned().unwrap_or_default();
        let verdict = judge(end.outcome, self.known.expect(&place.0, &place.1, &end.case));
        let bad = end.outcome.is_bad();
        state.bad += usize::from(bad);
        // On a terminal only what somebody may want to look at stays.
        if self.bar.is_some() && !bad {
            return;
        }
        let (number, total) = (state.ended, state.total);
        let asic = &place.0;
        let time = Duration::from_micros(end.duration_us);
        let word = word(end.outcome, verdict);
        let case = &end.case;
        let mut line = format!("[{number:>4}/{total}] {asic:<6} {word:<14} {case} ({time:.0?})");
        if !end.message.is_empty() {
            line.push_str(&format!("\n       {}", end.message));
        }
        self.note(&line);
    }
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
