// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Hardware monitors: what the firmware lists is what hwmon shows (hwmon.c:
//! hl_build_hwmon_channel_info, hl_read).

use crate::common::files::Disabled;
use case::{Case, CaseResult, Context, Stop, equal, errno, succeed};
use control::{Personality, Sensor};
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
    /// The attribute that answers the value of the sensor.
    base: u32,
}

const KINDS: &[Kind] = &[
    Kind {
        row: "SYSFS-053",
        kind: 1,
        prefix: "temp",
        first: 1,
        files: &[(0, "input"), (6, "max"), (8, "crit")],
        base: 0,
    },
    Kind { row: "SYSFS-054", kind: 2, prefix: "in", first: 0, files: &[(0, "input")], base: 0 },
    Kind { row: "SYSFS-055", kind: 3, prefix: "curr", first: 1, files: &[(0, "input")], base: 0 },
    Kind {
        row: "SYSFS-058",
        kind: 4,
        prefix: "power",
        first: 1,
        files: &[(8, "input"), (9, "input_highest")],
        base: 8,
    },
];

/// Kinds that only a card with a cooler of its own has.
const COOLERS: &[Kind] = &[
    Kind {
        row: "SYSFS-056",
        kind: 7,
        prefix: "fan",
        first: 1,
        files: &[(0, "input"), (2, "min")],
        base: 0,
    },
    Kind { row: "SYSFS-057", kind: 8, prefix: "pwm", first: 1, files: &[(1, "enable")], base: 0 },
];

/// Two fans, their drive, and a sensor whose offset can be set (`cpucp_if.h`: cpucp_fan_input, _min,
/// cpucp_pwm_input, _enable, cpucp_temp_input, _offset).
fn cooled(card: &mut Personality) {
    card.sensors.extend([
        Sensor { kind: 7, flags: 0x001, value: 4_200 },
        Sensor { kind: 7, flags: 0x005, value: 3_100 },
        Sensor { kind: 8, flags: 0x003, value: 128 },
        Sensor { kind: 1, flags: 1 | 1 << 19, value: 39_000 },
    ]);
}

pub(super) fn cases() -> Vec<Case> {
    let cooled = |case: Case| case.model().control_only().personality("cooled", cooled);
    let mut cases: Vec<Case> = KINDS
        .iter()
        .map(|kind| {
            let rows: &[&str] = vec![kind.row].leak();
            let name = format!("sysfs/hwmon/shows_each_{}_sensor", kind.prefix);
            Case::new(name, rows, |cx| shows(cx, kind)).model().control_only()
        })
        .collect();
    cases.extend(COOLERS.iter().map(|kind| {
        let rows: &[&str] = vec![kind.row].leak();
        let name = format!("sysfs/hwmon/shows_each_{}_sensor", kind.prefix);
        cooled(Case::new(name, rows, |cx| shows(cx, kind)))
    }));
    cases.push(cooled(Case::new(
        "sysfs/hwmon/sets_the_offset_of_a_sensor",
        &["SYSFS-059"],
        |cx| {
            // Attribute 19 of a sensor of 39000.
            set(cx, "temp3_offset", 40_900)?;
            equal("temp3_input", folder(cx)?.value("temp3_input"), Ok("39000".into()))
        },
    )));
    cases.push(cooled(Case::new("sysfs/hwmon/sets_a_drive", &["SYSFS-057"], |cx| {
        set(cx, "pwm1", 128)?;
        set(cx, "pwm1_enable", 228)
    })));
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
                let wanted = sensor.value + 100 * (i64::from(*bit) - i64::from(kind.base));
                let text = succeed(&name, folder.value(&name))?;
                equal(&name, text, wanted.to_string())?;
            }
        }
    }
    let beyond = kind.first + sensors.len() as u32;
    let name = format!("{}{beyond}_input", kind.prefix);
    equal(&format!("{name} is there"), folder.has(&name), false)
}

/// An attribute that can be set is what firmware was told last.
fn set(cx: &Context, name: &str, first: i64) -> CaseResult {
    let folder = folder(cx)?;
    equal(&format!("mode of {name}"), folder.mode(name), Ok(0o644))?;
    equal(name, folder.value(name), Ok(first.to_string()))?;
    for value in ["7", "200"] {
        succeed(name, folder.write(name, value))?;
        equal(name, folder.value(name), Ok(value.to_string()))?;
    }
    Ok(())
}
