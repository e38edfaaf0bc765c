// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A made-up run of 3,000 cases on four targets, for measuring and looking at.

use record::{BootEnd, CaseEnd, Event, Facts, Line, Outcome, Planned, Record, RunEnd, Target};
use record::{VERSION, end, fact};
use std::collections::BTreeMap;

/// Cases of all targets together.
pub const CASES: usize = 3000;

const AREAS: &[&str] = &[
    "cb",
    "coresight",
    "cs",
    "debugfs",
    "dmabuf",
    "events",
    "graph",
    "hwmon",
    "info",
    "lifecycle",
    "mem",
    "mmap",
    "open",
    "reset",
    "sysfs",
    "timestamp",
    "wait",
];
const SUBJECTS: &[&str] =
    &["create", "destroy", "map", "queue", "handle", "fence", "pages", "flags", "notifier", "node"];
const RULES: &[&str] = &[
    "rejects_zero_size",
    "close_frees_mappings",
    "gives_each_opener_its_own",
    "survives_a_reset",
    "refuses_unknown_flags",
    "answers_in_any_state",
    "copies_nothing_on_failure",
    "wakes_waiters",
];
const TARGETS: &[(&str, &str, &str)] = &[
    ("gaudi", "debian:6.12", "6.12.117+deb13-amd64"),
    ("gaudi", "debian:7.3", "7.3.4+deb14-amd64"),
    ("gaudi2", "debian:6.12", "6.12.117+deb13-amd64"),
    ("gaudi2", "debian:7.3", "7.3.4+deb14-amd64"),
];

/// The record of the run; `ids` are the requirement rows that its cases name.
pub fn record(ids: &[&str]) -> Record {
    let each = CASES / TARGETS.len();
    let names: Vec<String> = (0..each).map(name).collect();
    let plan = |target| {
        let planned = |(index, name): (usize, &String)| Planned {
            target,
            case: name.clone(),
            rows: ids.get(index).map(|id| vec![id.to_string()]).unwrap_or_default(),
            skip: (index % 41 == 7).then(|| "needs debugfs at /sys/kernel/debug".to_string()),
        };
        names.iter().enumerate().map(planned).collect::<Vec<_>>()
    };
    let target = |(asic, kernel, _): &(&str, &str, &str)| Target {
        asic: asic.to_string(),
        kernel: kernel.to_string(),
    };
    let start = Event::RunStart {
        version: VERSION,
        started: "2026-01-02T03:04:05Z".into(),
        command: vec!["gauntlet".into(), "run".into()],
        seed: 1,
        targets: TARGETS.iter().map(target).collect(),
        plan: (0..TARGETS.len()).flat_map(plan).collect(),
        facts: Facts::from([(fact::GAUNTLET.into(), "0.1.0".into())]),
    };
    let mut record = Record { lines: vec![Line::new(0, start)], cut: false, length: 0 };
    let mut at_ms = 10;
    for (target, (_, _, release)) in TARGETS.iter().enumerate() {
        at_ms = guest(&mut record.lines, target, release, &names, at_ms);
    }
    record.lines.push(Line::new(at_ms, Event::RunEnd(RunEnd { reason: end::DONE.into() })));
    record
}

fn name(index: usize) -> String {
    let area = AREAS[index * 7 / 11 % AREAS.len()];
    let subject = SUBJECTS[index / 3 % SUBJECTS.len()];
    format!("{area}/{subject}/{}_{index}", RULES[index % RULES.len()])
}

fn guest(
    lines: &mut Vec<Line>,
    target: usize,
    release: &str,
    names: &[String],
    mut at_ms: u64,
) -> u64 {
    let boot = target as u32;
    let facts = Facts::from([
        (fact::KERNEL_RELEASE.into(), release.to_string()),
        (fact::WORKAROUNDS.into(), "fop_unsigned_offset".into()),
        ("module".into(), "habanalabs".into()),
    ]);
    let command = vec!["qemu-system-x86_64".into(), "-machine".into(), "q35".into()];
    lines.push(Line::new(at_ms, Event::BootStart { boot, target, command }));
    at_ms += 6100 + 300 * target as u64;
    lines.push(Line::from_guest(at_ms, boot, Event::Booted { boot, facts }));
    for (index, case) in names.iter().enumerate().filter(|(index, _)| index % 41 != 7) {
        let start = Event::CaseStart { case: case.clone() };
        lines.push(Line::from_guest(at_ms, boot, start));
        let ended = ended(index, target, case);
        at_ms += 1 + ended.duration_us / 1000;
        lines.push(Line::from_guest(at_ms, boot, Event::CaseEnd(ended)));
    }
    let reason = end::DONE.into();
    lines.push(Line::new(at_ms + 50, Event::BootEnd(BootEnd { boot, reason, console: vec![] })));
    at_ms + 60
}

fn ended(index: usize, target: usize, case: &str) -> CaseEnd {
    // Durations over four decades, the same in every run.
    let scatter = (index * 7919 + target * 104_729) % 997;
    let duration_us =
        600 + (scatter * scatter / 40) as u64 + 40_000 * u64::from(scatter.is_multiple_of(53));
    let mut end = CaseEnd {
        case: case.into(),
        outcome: Outcome::Pass,
        message: String::new(),
        details: BTreeMap::new(),
        duration_us,
        kernel_log: vec![],
        findings: vec![],
        output: String::new(),
    };
    match (index, target) {
        (91 | 402, 2..) => {
            end.outcome = Outcome::Fail;
            end.message = "MAP of 0 bytes gives success, expected EINVAL".into();
            end.details = BTreeMap::from([
                ("request".into(), "MemIn { op: 3, host_virt_addr: 0, mem_size: 0 }".into()),
                ("expected".into(), "EINVAL".into()),
                ("got".into(), "success (0x1000000000)".into()),
                ("at".into(), "suites/src/mem/map.rs:44".into()),
            ]);
        }
        (600, 3) => {
            end.outcome = Outcome::KernelFault;
            end.message = "the kernel warned: refcount_t: underflow; use-after-free".into();
            end.kernel_log = vec![
                "<4>refcount_t: underflow; use-after-free.".into(),
                "<4>WARNING: CPU: 1 PID: 731 at lib/refcount.c:28".into(),
                "<6>habanalabs 0000:00:04.0: closed".into(),
            ];
        }
        (index, _) if index.is_multiple_of(3) => {
            end.kernel_log = vec!["<6>habanalabs 0000:00:04.0: context 1 opened".into()];
        }
        (_, _) => {}
    }
    end
}
