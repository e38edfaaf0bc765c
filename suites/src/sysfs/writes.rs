// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Attributes that ask the firmware, and those that can be written.

use super::attributes;
use crate::common::files::Disabled;
use crate::common::node::Node;
use crate::info::reset;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::Request;
use device::Errno;

/// CPUCP_PACKET_FREQUENCY_GET (`cpucp_if.h`).
const FREQUENCY_GET: u16 = 10;

/// Attributes that only an operational device has, and their rows.
const OPERATIONAL: &[(&str, &str, bool)] = &[
    ("max_power", "SYSFS-027", true),
    ("clk_max_freq_mhz", "SYSFS-031", true),
    ("clk_cur_freq_mhz", "SYSFS-034", false),
    ("eeprom", "SYSFS-040", false),
];

/// Attributes that take a number, and their rows.
const NUMBERS: &[(&str, &str)] =
    &[("hard_reset", "SYSFS-015"), ("max_power", "SYSFS-025"), ("clk_max_freq_mhz", "SYSFS-030")];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("sysfs/max_power/keeps_what_is_written", &["SYSFS-024", "SYSFS-028"], power),
        Case::new("sysfs/clk_max_freq_mhz/is_a_frequency", &["SYSFS-029"], |cx| {
            frequency(cx, "clk_max_freq_mhz")
        }),
        Case::new("sysfs/clk_cur_freq_mhz/is_a_frequency", &["SYSFS-033"], |cx| {
            frequency(cx, "clk_cur_freq_mhz")
        }),
        Case::new("sysfs/eeprom/is_the_same_every_time", &["SYSFS-039"], eeprom),
        Case::new("sysfs/eeprom/gives_an_error_when_firmware_does", &["SYSFS-041"], silent)
            .logs(&["Hard-Reset requested through sysfs", "Device CPU", "Failed", "Error"])
            .resets(1)
            .budget(90),
        Case::new(
            "sysfs/clk_max_freq_mhz/gives_an_error_when_firmware_does",
            &["SYSFS-032"],
            |cx| {
                let answer = {
                    let request = Request::FailCpu { opcode: FREQUENCY_GET, rc: 1, result: None };
                    cx.model()?.order(request)?;
                    attributes(cx).text("clk_max_freq_mhz")
                };
                errno("read", answer, Errno::EIO)?;
                frequency(cx, "clk_cur_freq_mhz")
            },
        )
        .model()
        .logs(&["Failed to get frequency of PLL", "F/W", "Failed to"]),
        Case::new("sysfs/hard_reset/cannot_be_read", &["SYSFS-018"], |cx| {
            errno("read", attributes(cx).text("hard_reset"), Errno::EACCES)
        }),
        Case::new("sysfs/hard_reset/any_number_resets", &["SYSFS-014", "SYSFS-016"], zero)
            .logs(reset::LOG)
            .resets(1)
            .budget(90),
        Case::new(
            "sysfs/hard_reset/attributes_of_firmware_are_gone_meanwhile",
            &["SYSFS-026", "SYSFS-027", "SYSFS-031", "SYSFS-034", "SYSFS-040"],
            meanwhile,
        )
        .logs(reset::LOG)
        .resets(1)
        .budget(90),
    ];
    cases.extend(OPERATIONAL.iter().map(|(name, row, written)| {
        let rows: &[&str] = vec![*row].leak();
        Case::new(format!("sysfs/{name}/needs_an_operational_device"), rows, move |cx| {
            let _off = Disabled::new(cx)?;
            gone(cx, name, *written)
        })
    }));
    cases.extend(NUMBERS.iter().map(|(name, row)| {
        let rows: &[&str] = vec![*row].leak();
        Case::new(format!("sysfs/{name}/rejects_what_is_no_number"), rows, move |cx| {
            for text in ["x", "abc", "-1", "1 2", "0x", "1.5"] {
                errno(&format!("{text:?}"), attributes(cx).write(name, text), Errno::EINVAL)?;
            }
            Ok(())
        })
    }));
    cases.into_iter().map(Case::control_only).collect()
}

fn gone(cx: &Context, name: &str, written: bool) -> CaseResult {
    errno(&format!("read of {name}"), attributes(cx).bytes(name), Errno::ENODEV)?;
    if written {
        errno(&format!("write of {name}"), attributes(cx).write(name, "1"), Errno::ENODEV)?;
    }
    Ok(())
}

fn number(cx: &Context, name: &str) -> CaseResult<u64> {
    crate::common::files::number(cx, name)
}

fn power(cx: &Context) -> CaseResult {
    let before = number(cx, "max_power")?;
    check(before > 0, "there is a limit")?;
    for value in [before - 1, 100_000, before] {
        succeed("write", attributes(cx).write("max_power", &value.to_string()))?;
        equal("max_power", number(cx, "max_power")?, value)?;
    }
    Ok(())
}

fn frequency(cx: &Context, name: &str) -> CaseResult {
    let megahertz = number(cx, name)?;
    check((1..100_000).contains(&megahertz), &format!("{megahertz} MHz is a clock"))
}

fn eeprom(cx: &Context) -> CaseResult {
    let first = succeed("read", attributes(cx).bytes("eeprom"))?;
    check(first.iter().any(|byte| *byte != 0), "the EEPROM holds something")?;
    equal("second read", attributes(cx).bytes("eeprom"), Ok(first))
}

fn silent(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let files = crate::common::files::debugfs(cx, "device")?;
    crate::common::files::write(&files, "cpu_timeout")?;
    let answer = attributes(cx).bytes("eeprom");
    // Only a reset lets the driver talk to the firmware again.
    reset::start(cx)?;
    reset::done(&node)?;
    succeed("read afterwards", attributes(cx).bytes("eeprom"))?;
    match answer {
        Err(Errno::EIO | Errno::EAGAIN | Errno::ETIMEDOUT) => Ok(()),
        other => errno("read without firmware", other.map(|bytes| bytes.len()), Errno::EIO),
    }
}

fn zero(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let before = reset::resets(&node)?;
    equal("bytes written", attributes(cx).write_bytes("hard_reset", b"0\n"), Ok(2))?;
    reset::done(&node)?;
    reset::counted(&node, before + 1)
}

fn meanwhile(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    reset::start(cx)?;
    let seen = OPERATIONAL.iter().try_for_each(|(name, _, written)| gone(cx, name, *written));
    reset::done(&node)?;
    seen?;
    for (name, _, _) in OPERATIONAL {
        succeed(&format!("read of {name} afterwards"), attributes(cx).bytes(name))?;
    }
    Ok(())
}
