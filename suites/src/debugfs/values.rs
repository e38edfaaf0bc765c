// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Files that keep a value, and files that only take one.

use super::{folder, number};
use crate::common::node::Node;
use crate::info::call::ask;
use case::{Case, CaseResult, Context, equal, errno, succeed};
use device::Errno;
use uapi::accel::hl_info_hw_ip_info;

/// File, row, values that it keeps.
const KEPT: &[(&str, &str, &[u64])] = &[
    ("addr", "DBGFS-029", &[0, 1, 0x7f_fc00_0000, u64::MAX]),
    ("i2c_bus", "DBGFS-054", &[0, 7, 255]),
    ("i2c_addr", "DBGFS-055", &[0, 0x50, 255]),
    ("i2c_reg", "DBGFS-056", &[0, 1, 255]),
    ("i2c_len", "DBGFS-057", &[0, 8, 255]),
    ("skip_reset_on_timeout", "DBGFS-076", &[1, 0]),
    ("memory_scrub_val", "DBGFS-086", &[0, 0x0123_4567_89ab_cdef, u64::MAX]),
    ("device_release_watchdog_timeout", "DBGFS-087", &[1, 600, 0xffff_ffff]),
];

/// File, row, texts that it refuses, what the driver says.
type Refusal = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);
const REFUSED: &[Refusal] = &[
    ("monitor_dump_trig", "DBGFS-050", &["0", "2", "x"], &["Must write 1 to trigger monitor dump"]),
    ("set_power_state", "DBGFS-052", &["0", "3", "x"], &[]),
    ("led0", "DBGFS-061", &["x", "0x"], &[]),
    ("led1", "DBGFS-062", &["x", "0x"], &[]),
    ("led2", "DBGFS-063", &["x", "0x"], &[]),
    ("device", "DBGFS-069", &["x", "off", "Disable"], &["Valid values: disable, enable, suspend"]),
    ("state_dump", "DBGFS-079", &["0", "5", "100", "x"], &["Invalid number of dumps to skip"]),
    ("timeout_locked", "DBGFS-082", &["x", "", "-"], &[]),
];

/// Files that read as nothing while nothing happened.
const EMPTY: &[(&str, &str)] = &[
    ("clk_gate", "DBGFS-071"),
    ("dump_security_violations", "DBGFS-074"),
    ("dump_razwi_events", "DBGFS-075"),
    ("state_dump", "DBGFS-077"),
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("debugfs/server_type/is_that_of_hw_ip_info", &["DBGFS-088"], server)
            .control_only(),
        Case::new("debugfs/i2c_data/rejects_more_than_eight_bytes", &["DBGFS-058"], i2c)
            .control_only()
            .logs(&["I2C transaction length"]),
        Case::new("debugfs/clk_gate/takes_anything", &["DBGFS-071"], |cx| {
            succeed("write", folder(cx)?.write("clk_gate", "anything"))
        })
        .control_only(),
        Case::new("debugfs/device/says_how_it_is_used", &["DBGFS-070"], |cx| {
            let text = succeed("read", folder(cx)?.value("device"))?;
            case::check(text.contains("disable") && text.contains("cpu_timeout"), "a list of words")
        })
        .control_only(),
    ];
    cases.extend(KEPT.iter().map(|(name, row, values)| {
        let rows: &[&str] = vec![*row].leak();
        let body = move |cx: &Context| kept(cx, name, values);
        Case::new(format!("debugfs/{name}/keeps_what_is_written"), rows, body).control_only()
    }));
    cases.extend(REFUSED.iter().map(|(name, row, texts, log)| {
        let rows: &[&str] = vec![*row].leak();
        let body = move |cx: &Context| {
            let files = folder(cx)?;
            for text in texts.iter().filter(|text| !text.is_empty()) {
                errno(&format!("write of {text:?}"), files.write(name, text), Errno::EINVAL)?;
            }
            Ok(())
        };
        Case::new(format!("debugfs/{name}/rejects_other_values"), rows, body)
            .control_only()
            .logs(log)
    }));
    cases.extend(EMPTY.iter().map(|(name, row)| {
        let rows: &[&str] = vec![*row].leak();
        let body = move |cx: &Context| equal(name, folder(cx)?.text(name), Ok(String::new()));
        Case::new(format!("debugfs/{name}/reads_as_nothing"), rows, body).control_only()
    }));
    cases
}

fn kept(cx: &Context, name: &str, values: &[u64]) -> CaseResult {
    let files = folder(cx)?;
    let before = number(&files, name)?;
    let mut result = Ok(());
    for value in values {
        result = result
            .and_then(|()| succeed("write", files.write(name, &value.to_string())))
            .and_then(|()| equal(name, number(&files, name)?, *value));
    }
    succeed("write of the old value", files.write(name, &before.to_string()))?;
    result
}

fn server(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let info = ask::<hl_info_hw_ip_info>(&node)?;
    equal("server_type", number(&folder(cx)?, "server_type")?, u64::from(info.server_type))
}

fn i2c(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    for length in ["9", "255"] {
        let _old = succeed("i2c_len", files.change("i2c_len", length))?;
        errno("read", files.text("i2c_data"), Errno::EINVAL)?;
        errno("write", files.write("i2c_data", "1"), Errno::EINVAL)?;
    }
    Ok(())
}
