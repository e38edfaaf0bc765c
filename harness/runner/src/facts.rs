// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What is worth knowing of a machine before its first case.

use crate::{Found, KernelLog, Settings, Taint, fault};
use record::{Facts, fact};
use std::path::Path;

/// Facts that are files of one line.
const FILES: &[(&str, &str)] = &[
    (fact::KERNEL_RELEASE, "/proc/sys/kernel/osrelease"),
    ("kernel_version", "/proc/sys/kernel/version"),
    ("driver_srcversion", "/sys/module/habanalabs/srcversion"),
];

/// The facts of a boot.
pub fn facts(found: &Found, settings: &Settings, log: Option<&mut KernelLog>) -> Facts {
    let mut facts = Facts::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            facts.insert(name.into(), value);
        }
    };
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_string());
    for (name, path) in FILES {
        add(name, read(path));
    }
    add("asic", Some(found.asic.to_string()));
    add("device", Some(found.name.clone()));
    add("status", found.status());
    add("uptime_s", read("/proc/uptime").and_then(|t| Some(t.split_once(' ')?.0.to_string())));
    add(fact::WORKAROUNDS, Some(settings.workarounds.join(" ")));
    let taint = Taint::read(Path::new(Taint::PATH)).unwrap_or_default();
    add("taint", Some(taint.to_string()));
    match log {
        None => add("kernel_log", Some("cannot be read: nothing is said about warnings".into())),
        Some(log) => {
            let faults = fault::faults(&log.news().entries, &[] as &[&str]);
            let headlines: Vec<String> = faults.into_iter().map(|fault| fault.headline).collect();
            add(fact::BOOT_FAULTS, Some(headlines.join(" | ")));
        }
    }
    facts
}
