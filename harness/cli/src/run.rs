// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! `gauntlet run`: plans, boots guest after guest (or several side by side), and reports.

use crate::boot::BootPlan;
use crate::journal::{self, Recorder};
use crate::options::{Command, Options, ResumeOptions, RunOptions};
use crate::plan::{Aim, aims, host_facts, plan, start};
use crate::progress::Progress;
use crate::select::{self, Group};
use crate::stop::Stop;
use crate::target::{Host, personality};
use crate::work::{Watch, Went};
use crate::{bisect, describe, exit, local, node_tests, report};
use anyhow::{Context as _, Result};
use case::{Cards, Case, Change};
use clap::Parser;
use record::{Event, Planned, RunEnd, end};
use runner::{Clocks, Settings, Work};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Memory that one guest and its model take, MiB.
const GUEST_MIB: u64 = 1400;

/// Most guests side by side when nobody says.
const DEFAULT_JOBS: usize = 4;

/// Cases that are worth a guest of their own: a boot takes as long as some tens.
const PART: usize = 60;

/// Ends of a guest that say nothing of the case that ran: it runs again when the run is resumed.
const NO_VERDICT: &[&str] = &[end::INTERRUPTED, end::TIME, end::QEMU_DIED, end::MODEL_DIED];

/// Cases that one guest is to run, for some target.
struct Job<'a> {
    target: usize,
    personality: Option<(&'static str, Change)>,
    module_parameters: &'static str,
    kernel_parameters: &'static str,
    cards: Cards,
    as_shipped: bool,
    cases: VecDeque<&'a Case>,
}

/// What an earlier part of this run did already.
#[derive(Default)]
pub struct Past {
    done: BTreeMap<(usize, String), u32>,
    next_boot: u32,
}

/// Runs.
pub fn run(options: RunOptions) -> Result<u8> {
    let all = suites::all();
    let mut cases = select::cases(&all, &options.selection)?;
    if let Some(seed) = options.machine.seed {
        select::shuffle(&mut cases, seed);
    }
    if let Some(shard) = &options.shard {
        let (i, n) = select::shard(shard)?;
        let mut number = 0;
        cases.retain(|_| {
            number += 1;
            number % n == i % n
        });
    }
    if options.list_only {
        return describe::print(&cases, &options.selection.asic);
    }
    if options.bisect_line {
        return bisect::print(&options, &cases);
    }
    let known = report::linted(&all)?;
    if let Some(baseline) = &options.baseline {
        report::is_run(baseline)?;
    }
    if let Some(folder) = &options.run_dir {
        journal::check(folder)?;
    }
    if options.local {
        return local::run(&options, &all, &cases, known);
    }
    let stop = Stop::on_signals()?;
    let host = Host::find(&all)?;
    let kernels = host.kernels(&options.machine)?;
    let aims = aims(&kernels, &select::asics(&options.selection.asic));
    for asic in aims.iter().map(|aim| aim.asic) {
        personality(asic, &options.machine)?;
    }
    let progress = Progress::new(known.clone(), options.repeat);
    let recorder = Recorder::create(journal::folder(options.run_dir.as_deref())?, progress)?;
    let plan = plan(&aims, &cases, &known, &options);
    recorder.host(start(&options, &aims, plan.clone(), host_facts(&host, &options)))?;
    let runner = Run { options: &options, host: &host, aims: &aims, recorder, stop };
    runner.go(&plan, &cases, Past::default())
}

/// Goes on with a run that was cut.
pub fn resume(options: &ResumeOptions) -> Result<u8> {
    let all = suites::all();
    report::is_run(&options.dir)?;
    let stored = stored(&options.dir)?;
    let progress = Progress::new(report::expectations()?, stored.repeat);
    let (record, recorder) = Recorder::resume(options.dir.clone(), progress)?;
    let Some(Event::RunStart { plan, facts, targets, .. }) =
        record.lines.first().map(|line| &line.event)
    else {
        anyhow::bail!("{} has no record of a run", options.dir.display());
    };
    if stored.local {
        return Err(exit::usage("a run on metal is not resumed: run it again"));
    }
    if let Some(folder) = facts.get("folder") {
        std::env::set_current_dir(folder).with_context(|| format!("cannot go to {folder}"))?;
    }
    let stop = Stop::on_signals()?;
    let host = Host::find(&all)?;
    let kernels = host.kernels(&stored.machine)?;
    let aims = aims(&kernels, &select::asics(&stored.selection.asic));
    if !aims.iter().map(|aim| &aim.target).eq(targets) {
        anyhow::bail!("the targets of that run are not those of this machine");
    }
    let mut cases = select::cases(&all, &stored.selection)?;
    let order: BTreeMap<&str, usize> =
        plan.iter().enumerate().map(|(at, planned)| (planned.case.as_str(), at)).collect();
    cases.sort_by_key(|case| order.get(&*case.name));
    let past = Past::of(&record);
    let runner = Run { options: &stored, host: &host, aims: &aims, recorder, stop };
    runner.go(plan, &cases, past)
}

/// The options of the run of a record.
fn stored(dir: &Path) -> Result<RunOptions> {
    let path = dir.join(journal::FILE);
    let record = record::read_file(&path)
        .with_context(|| format!("cannot go on with {}", path.display()))?;
    let Some(Event::RunStart { command, .. }) = record.lines.first().map(|line| &line.event) else {
        anyhow::bail!("{} has no record of a run", dir.display());
    };
    let options = Options::try_parse_from(command).context("the command line of that run")?;
    let Command::Run(stored) = options.command else {
        anyhow::bail!("{} is no run", dir.display());
    };
    Ok(*stored)
}

impl Past {
    /// What stands in a record: cases that ended, and those that a dead guest ended.
    fn of(record: &record::Record) -> Self {
        let mut past = Past::default();
        let mut boots: BTreeMap<u32, usize> = BTreeMap::new();
        let mut running: BTreeMap<u32, String> = BTreeMap::new();
        let mut last = 0;
        for line in &record.lines {
            let boot = line.guest.unwrap_or(last);
            let target = boots.get(&boot).copied().unwrap_or_default();
            match &line.event {
                Event::BootStart { boot, target, .. } => {
                    last = *boot;
                    past.next_boot = past.next_boot.max(boot + 1);
                    boots.insert(*boot, *target);
                }
                Event::CaseStart { case } => drop(running.insert(boot, case.clone())),
                Event::CaseEnd(ended) => {
                    running.remove(&boot);
                    if ended.outcome != record::Outcome::NotRun {
                        *past.done.entry((target, ended.case.clone())).or_default() += 1;
                    }
                }
                Event::BootEnd(ended) => {
                    let target = boots.get(&ended.boot).copied().unwrap_or_default();
                    let case = running.remove(&ended.boot);
                    let cut = NO_VERDICT.contains(&ended.reason.as_str());
                    if let Some(case) = case.filter(|_| !cut) {
                        *past.done.entry((target, case)).or_default() += 1;
                    }
                }
                Event::RunStart { .. } | Event::Booted { .. } | Event::RunEnd(_) => {}
            }
        }
        past
    }
}

/// A run that has begun.
struct Run<'a> {
    options: &'a RunOptions,
    host: &'a Host,
    aims: &'a [Aim<'a>],
    recorder: Recorder,
    stop: Stop,
}

impl<'a> Run<'a> {
    /// Runs what is left of a plan and reports.
    fn go(&self, plan: &[Planned], cases: &[&'a Case], past: Past) -> Result<u8> {
        let wanted = self.options.jobs.unwrap_or_else(default_jobs).max(1);
        let jobs = wanted.min(most_jobs());
        if jobs < wanted {
            self.recorder.note(&format!("only {jobs} guests at a time: there is no more memory"));
        }
        let queue = Mutex::new(self.jobs(plan, cases, &past, jobs));
        let next_boot = AtomicU32::new(past.next_boot);
        let limit = self.options.time_limit.map(Duration::from_secs);
        let until = limit.map(|limit| Instant::now() + limit);
        let trouble: Mutex<Option<anyhow::Error>> = Mutex::new(None);
        std::thread::scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(|| {
                    while !self.stop.is_asked() && until.is_none_or(|until| until > Instant::now())
                    {
                        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                        let Some(job) = job else { return };
                        if let Err(why) = self.job(job, &next_boot, until) {
                            trouble
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .get_or_insert(why);
                            self.stop.ask();
                        }
                    }
                });
            }
        });
        let trouble = trouble.into_inner().unwrap_or_else(PoisonError::into_inner);
        let reason = if self.stop.is_signalled() {
            end::INTERRUPTED.into()
        } else if let Some(why) = &trouble {
            format!("{why:#}")
        } else if until.is_some_and(|until| until <= Instant::now()) {
            end::TIME.into()
        } else {
            end::DONE.into()
        };
        let ended = self.recorder.host(Event::RunEnd(RunEnd { reason }));
        self.recorder.finish();
        if let Some(why) = trouble {
            let place = self.recorder.folder.display();
            let advice = format!("`gauntlet resume {place}` goes on with this run");
            return Err(exit::with_advice(&why, &advice));
        }
        ended?;
        let code = report::conclude(
            &self.recorder.folder,
            self.options.ktap,
            self.options.baseline.as_deref(),
        )?;
        if let Some(into) = &self.options.update {
            report::update(&self.recorder.folder, into)?;
        }
        Ok(if self.stop.is_signalled() { exit::INTERRUPTED } else { code })
    }

    /// The guests that are needed for what is left of a plan.
    fn jobs(
        &self,
        plan: &[Planned],
        cases: &[&'a Case],
        past: &Past,
        side_by_side: usize,
    ) -> VecDeque<Job<'a>> {
        let mut jobs = VecDeque::new();
        for (target, aim) in self.aims.iter().enumerate() {
            let planned: BTreeSet<&str> = plan
                .iter()
                .filter(|planned| planned.target == target && planned.skip.is_none())
                .map(|planned| planned.case.as_str())
                .collect();
            let wanted: Vec<&Case> =
                cases.iter().copied().filter(|case| planned.contains(&*case.name)).collect();
            for group in select::groups(&wanted, aim.asic) {
                let Group {
                    personality,
                    module_parameters,
                    kernel_parameters,
                    cards,
                    as_shipped,
                    cases,
                } = group;
                let times = |case: &'a Case| {
                    let done = past.done.get(&(target, case.name.to_string())).copied();
                    let left = self.options.repeat.saturating_sub(done.unwrap_or(0));
                    std::iter::repeat_n(case, left as usize)
                };
                let cases: Vec<&Case> = cases.into_iter().flat_map(times).collect();
                let size = cases.len().div_ceil(side_by_side).max(PART);
                jobs.extend(cases.chunks(size).map(|part| Job {
                    target,
                    personality,
                    module_parameters,
                    kernel_parameters,
                    cards,
                    as_shipped,
                    cases: part.iter().copied().collect(),
                }));
            }
        }
        jobs
    }

    /// Boots until all cases of a job have run or no guest comes up any more.
    fn job(&self, mut job: Job<'a>, next: &AtomicU32, until: Option<Instant>) -> Result<()> {
        let (mut idle, mut retries) = (0, Retries::new(self.options.retry));
        while !job.cases.is_empty() && !self.stop.is_asked() {
            let went = self.boot(&job, next.fetch_add(1, Ordering::Relaxed), until)?;
            let running = went.running.iter().map(|name| (name, true));
            let ended = went.ended.iter().map(|(name, bad)| (name, *bad));
            let (mut done, mut again) = (0, Vec::new());
            for (name, bad) in ended.chain(running) {
                let Some(at) = job.cases.iter().position(|case| case.name == *name) else {
                    continue;
                };
                done += 1;
                again.extend(job.cases.remove(at).filter(|case| bad && retries.take(&case.name)));
            }
            job.cases.extend(again);
            idle = if done > 0 { 0 } else { idle + 1 };
            let hopeless = [end::NO_BOOT, end::NO_DEVICE, end::TIME, end::INTERRUPTED]
                .contains(&went.reason.as_str());
            if went.kvm.is_none() && (hopeless || idle > 1) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn boot(&self, job: &Job<'a>, number: u32, until: Option<Instant>) -> Result<Went> {
        let Some(aim) = self.aims.get(job.target) else { return Ok(Went::default()) };
        let Some(kernel) = aim.kernel else { return Ok(Went::default()) };
        let options = &self.options.machine;
        let mut card = personality(aim.asic, options)?;
        if let Some((_, change)) = job.personality {
            change(&mut card);
        }
        let scale = options.timeout_scale.unwrap_or_else(|| kernel.scale());
        let clocks = Clocks { scale, ..Clocks::default() };
        let names = job.cases.iter().map(|case| case.name.to_string()).collect();
        let files = node_tests::files(job.cases.iter().copied())?;
        let plan = BootPlan {
            host: self.host,
            kernel,
            load: kernel.load(job.as_shipped),
            number,
            personality: &card,
            module_parameters: job.module_parameters,
            kernel_parameters: job.kernel_parameters,
            cards: job.cards,
            settings: Settings {
                seed: options.seed.unwrap_or(0),
                clocks,
                workarounds: kernel.load(job.as_shipped).workarounds(),
            },
            work: Work::Cases(names),
            files: files.as_ref(),
            folder: &self.recorder.folder,
            trace: options.trace,
            keep: self.options.keep,
            shell: false,
        };
        let budgets = job.cases.iter().map(|case| (case.name.to_string(), case.budget)).collect();
        let watch = Watch {
            recorder: &self.recorder,
            stop: &self.stop,
            budgets: &budgets,
            clocks,
            until,
            until_fail: self.options.until_fail,
        };
        let went = watch.run(&plan, job.target)?;
        if let Some(why) = &went.kvm {
            let Host { cache, qemu, .. } = self.host;
            vm::accelerator::distrust_kvm(cache, qemu, &kernel.kernel, why)?;
            anyhow::bail!("KVM does not work here ({why}); run again, it will not be used");
        }
        Ok(went)
    }
}

/// Attempts that are left for cases that failed.
struct Retries {
    most: u32,
    used: BTreeMap<String, u32>,
}

impl Retries {
    fn new(most: u32) -> Self {
        Retries { most, used: BTreeMap::new() }
    }

    /// May this case run once more?
    fn take(&mut self, case: &str) -> bool {
        let used = self.used.entry(case.into()).or_default();
        *used += 1;
        *used <= self.most
    }
}

/// Guests side by side when nobody says: what an emulated one has to do keeps a processor busy.
fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().min(DEFAULT_JOBS))
}

/// How many guests the memory of this machine is good for.
fn most_jobs() -> usize {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(1, |kib| (kib / 1024 / GUEST_MIB).max(1) as usize)
}
