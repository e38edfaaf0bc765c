// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Hardware monitors: what the firmware lists is what hwmon shows (hwmon.c:
//! hl_build_hwmon_channel_info, hl_read).

use crate::common::files::Disabled;
use case::{Case, CaseResult, Context, Stop, equal, errno, succeed};
use control::Sensor;
use device::Errno;
use device::sysfs::Attributes;

/// Kinds as firmware numbers them: row, prefix of the files, first channel, and the attributes
/// that are checked: bit and suffix.
struct Kind {
    row: &'static str,
    kind: u32,
    prefix: &'static str,
    first: u32,
    files: &'static [(u32, &'static str)],
}

const KINDS: &[Kind] = &[
    Kind {
        row: "SYSFS-053",
        kind: 1,
        prefix: "temp",
        first: 1,
        files: &[(0, "input"), (6, "max"), (8, "crit")],
    },
    Kind { row: "SYSFS-054", kind: 2, prefix: "in", first: 0, files: &[(0, "input")] },
    Kind { row: "SYSFS-055", kind: 3, prefix: "curr", first: 1, files: &[(0, "input")] },
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = KINDS
        .iter()
        .map(|kind| {
            let rows: &[&str] = vec![kind.row].leak();
            let name = format!("sysfs/hwmon/shows_each_{}_sensor", kind.prefix);
            Case::new(name, rows, |cx| shows(cx, kind)).model().control_only()
        })
        .collect();
    cases.push(
        Case::new("sysfs/hwmon/needs_an_operational_device", &["SYSFS-060"], |cx| {
            let folder = folder(cx)?;
            let _off = Disabled::new(cx)?;
            errno("read", folder.text("temp1_input"), Errno::ENODEV)
        })
        .model()
        .control_only(),
    );
    cases
}

/// The folder of the card's monitors.
fn folder(cx: &Context) -> CaseResult<Attributes> {
    let all = Attributes::new(cx.at.pci.join("hwmon"));
    let names = all.names().map_err(|_| Stop::Skip("needs hwmon of the card".into()))?;
    match names.as_slice() {
        [name] => Ok(all.below(name)),
        other => Err(Stop::Broken(format!("the card has {} hwmon devices", other.len()))),
    }
}

fn shows(cx: &Context, kind: &Kind) -> CaseResult {
    let folder = folder(cx)?;
    let sensors = cx.model()?.personality()?.sensors;
    let sensors: Vec<Sensor> = sensors.into_iter().filter(|s| s.kind == kind.kind).collect();
    for (channel, sensor) in (kind.first..).zip(&sensors) {
        for (bit, suffix) in kind.files {
            let name = format!("{}{channel}_{suffix}", kind.prefix);
            let there = sensor.flags & 1 << bit != 0;
            equal(&format!("{name} is there"), folder.has(&name), there)?;
            if there {
                let wanted = sensor.value + 100 * i64::from(*bit);
                let text = succeed(&name, folder.value(&name))?;
                equal(&name, text, wanted.to_string())?;
            }
        }
    }
    let beyond = kind.first + sensors.len() as u32;
    let name = format!("{}{beyond}_input", kind.prefix);
    equal(&format!("{name} is there"), folder.has(&name), false)
}
