// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! KCIDB JSON (I/O schema 5.3): one build per target, one test per case.
//!
//! The run knows no checkout of the kernel, so one stands for the run. Status is the outcome; the
//! verdict and everything else that the schema has no field for is in `misc`.

use super::clock;
use crate::{CaseRun, Run, TargetRun};
use record::Outcome;
use serde::Serialize;
use serde_json::{Value, json};

/// Who submits.
const ORIGIN: &str = "gauntlet";

/// Longest excerpt that the schema takes, in characters.
const EXCERPT: usize = 16384;

#[derive(Serialize)]
struct Report {
    version: Value,
    checkouts: Vec<Value>,
    builds: Vec<Value>,
    tests: Vec<Value>,
}

pub(super) fn render(run: &Run) -> String {
    let id = format!("{ORIGIN}:{}", run.started);
    let mut checkout = json!({ "id": id, "origin": ORIGIN, "misc": { "facts": run.facts } });
    if let Some(date) = clock::rfc3339(run, 0) {
        checkout["start_time"] = date.into();
    }
    let targets = || run.targets.iter().map(|target| (format!("{id}/{}", slug(target)), target));
    let tests = targets().flat_map(|(build, target)| {
        target.cases.iter().map(move |case| test(run, target, case, &build))
    });
    super::pretty(&Report {
        version: json!({ "major": 5, "minor": 3 }),
        checkouts: vec![checkout],
        builds: targets().map(|(build, target)| build_of(&id, &build, target)).collect(),
        tests: tests.collect(),
    })
}

fn slug(target: &TargetRun) -> String {
    target.label().replace([' ', '\0'], "-")
}

/// The schema refuses the character 0 in texts.
fn clean(text: &str) -> String {
    text.replace('\0', " ")
}

fn build_of(checkout: &str, build: &str, target: &TargetRun) -> Value {
    json!({
        "id": build,
        "checkout_id": checkout,
        "origin": ORIGIN,
        "comment": clean(&format!("kernel {}", target.kernel())),
        "misc": { "facts": target.facts },
    })
}

fn test(run: &Run, target: &TargetRun, case: &CaseRun, build: &str) -> Value {
    let mut misc = json!({
        "outcome": case.outcome().name(),
        "verdict": case.verdict.name(),
        "requirements": case.rows,
        "repeat": case.repeat,
    });
    let mut test = json!({
        "id": format!("{build}/{}", case.name),
        "build_id": build,
        "origin": ORIGIN,
        "path": path(&case.name),
        "status": status(case.outcome()),
        "environment": {
            "comment": clean(&format!("Habana {}", target.target.asic)),
            "misc": { "asic": target.target.asic },
        },
    });
    if !case.message().is_empty() {
        test["comment"] = clean(case.message()).into();
    }
    if let Some(attempt) = case.decisive() {
        misc["details"] = json!(attempt.details);
        misc["findings"] = json!(attempt.findings);
        test["duration"] = json!(attempt.duration_us as f64 / 1e6);
        if let Some(date) = clock::rfc3339(run, attempt.at_ms) {
            test["start_time"] = date.into();
        }
        let log: Vec<&str> =
            attempt.kernel_log.iter().chain(&attempt.console).map(String::as_str).collect();
        if !log.is_empty() {
            let log = clean(&log.join("\n"));
            test["log_excerpt"] = log.chars().take(EXCERPT).collect::<String>().into();
        }
    }
    if let Some(entry) = &case.entry {
        misc["expectation"] = json!(entry.notes);
    }
    test["misc"] = misc;
    test
}

/// Dots between parts; anything else that the schema refuses becomes an underscore.
fn path(name: &str) -> String {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let part = |part: &str| part.replace(|c| !good(c), "_");
    format!("habanalabs.{}", name.split('/').map(part).collect::<Vec<_>>().join("."))
}

const fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "PASS",
        Outcome::Fail
        | Outcome::KernelFault
        | Outcome::DeviceFinding
        | Outcome::Crash
        | Outcome::Timeout => "FAIL",
        Outcome::Broken => "ERROR",
        Outcome::Skip => "SKIP",
        Outcome::NotRun => "MISS",
    }
}
