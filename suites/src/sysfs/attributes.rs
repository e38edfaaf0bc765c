// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What each attribute shows.

use super::attributes;
use crate::common::beside::in_child;
use crate::common::files::Disabled;
use crate::common::node::Node;
use crate::common::submit::Card;
use crate::info::call::ask;
use case::{Case, CaseResult, Change, Context, check, equal, errno, succeed};
use control::{Asics, Personality};
use device::Errno;
use uapi::accel::{hl_info_hw_ip_info, hl_info_reset_count};

/// An attribute of a Gaudi or Gaudi2 and its mode.
const ALL: &[(&str, u32)] = &[
    ("armcp_kernel_ver", 0o444),
    ("armcp_ver", 0o444),
    ("clk_cur_freq_mhz", 0o444),
    ("clk_max_freq_mhz", 0o644),
    ("cpld_ver", 0o444),
    ("cpucp_kernel_ver", 0o444),
    ("cpucp_ver", 0o444),
    ("device_type", 0o444),
    ("eeprom", 0o444),
    ("fuse_ver", 0o444),
    ("fw_os_ver", 0o444),
    ("hard_reset", 0o200),
    ("hard_reset_cnt", 0o444),
    ("max_power", 0o644),
    ("module_id", 0o444),
    ("parent_device", 0o444),
    ("pci_addr", 0o444),
    ("preboot_btl_ver", 0o444),
    ("security_enabled", 0o444),
    ("status", 0o444),
    ("thermal_ver", 0o444),
    ("uboot_ver", 0o444),
];

/// An attribute that shows what the firmware said.
struct Told {
    name: &'static str,
    row: &'static str,
    value: fn(&Personality) -> String,
}

const TOLD: &[Told] = &[
    Told { name: "armcp_kernel_ver", row: "SYSFS-001", value: |card| card.kernel_version.clone() },
    Told { name: "armcp_ver", row: "SYSFS-002", value: |card| card.cpucp_version.clone() },
    Told { name: "cpucp_kernel_ver", row: "SYSFS-003", value: |card| card.kernel_version.clone() },
    Told { name: "cpucp_ver", row: "SYSFS-004", value: |card| card.cpucp_version.clone() },
    Told { name: "fuse_ver", row: "SYSFS-007", value: |card| card.fuse_version.clone() },
    Told { name: "thermal_ver", row: "SYSFS-008", value: |card| card.thermal_version.clone() },
    Told { name: "module_id", row: "SYSFS-037", value: |card| card.card_location.to_string() },
    Told {
        name: "security_enabled",
        row: "SYSFS-036",
        value: |card| u32::from(card.secured).to_string(),
    },
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new(
            "sysfs/folder/has_every_attribute_of_the_chip",
            &["SYSFS-052", "SYSFS-023"],
            every,
        ),
        Case::new("sysfs/folder/others_may_read_but_not_write", &["SYSFS-017"], others),
        Case::new("sysfs/cpld_ver/is_sixteen_digits", &["SYSFS-005"], cpld).model(),
        Case::new("sysfs/device_type/is_the_chip", &["SYSFS-006"], kind),
        revision("is_gaudi2b", "revision_2", |card| card.revision = 2, "GAUDI2B"),
        revision("is_gaudi2c", "revision_3", |card| card.revision = 3, "GAUDI2C"),
        revision("is_gaudi2d", "revision_4", |card| card.revision = 4, "GAUDI2D"),
        Case::new("sysfs/uboot_ver/is_a_part_of_what_firmware_says", &["SYSFS-009"], |cx| {
            part(cx, "uboot_ver", |card| card.uboot_version)
        })
        .model(),
        Case::new("sysfs/preboot_btl_ver/is_a_part_of_what_firmware_says", &["SYSFS-010"], |cx| {
            part(cx, "preboot_btl_ver", |card| card.preboot_version)
        })
        .model(),
        Case::new("sysfs/fw_os_ver/can_be_read", &["SYSFS-011"], |cx| {
            succeed("read", attributes(cx).text("fw_os_ver")).map(drop)
        }),
        Case::new("sysfs/pci_addr/is_the_pci_function", &["SYSFS-012", "SYSFS-038"], address),
        Case::new("sysfs/status/is_a_word_for_each_state", &["SYSFS-013"], status),
        Case::new("sysfs/hard_reset_cnt/is_that_of_reset_count", &["SYSFS-019"], resets),
        // gaudi.c: gaudi_vrm_dev_attrs
        Case::new("sysfs/infineon_ver/is_hexadecimal", &["SYSFS-050"], |cx| {
            hexadecimal(cx, "infineon_ver")
        })
        .on(control::Asics::GAUDI),
        Case::new("sysfs/vrm_ver/is_hexadecimal", &["SYSFS-035", "SYSFS-051"], |cx| {
            hexadecimal(cx, "vrm_ver")
        })
        .on(control::Asics::GAUDI2),
        Case::new("sysfs/security_enabled/is_that_of_hw_ip_info", &["SYSFS-036"], security),
    ];
    cases.extend(TOLD.iter().map(|told| {
        let rows: &[&str] = vec![told.row].leak();
        let name = format!("sysfs/{}/is_what_firmware_says", told.name);
        Case::new(name, rows, |cx| {
            let wanted = (told.value)(&cx.model()?.personality()?);
            equal(told.name, attributes(cx).value(told.name), Ok(wanted))
        })
        .model()
    }));
    cases.into_iter().map(Case::control_only).collect()
}

fn every(cx: &Context) -> CaseResult {
    let folder = attributes(cx);
    let names = succeed("list of attributes", folder.names())?;
    for absent in ["soft_reset", "soft_reset_cnt"] {
        check(!names.iter().any(|name| name == absent), &format!("there is no {absent}"))?;
    }
    for (name, mode) in ALL {
        equal(&format!("mode of {name}"), folder.mode(name), Ok(*mode))?;
    }
    Ok(())
}

fn others(cx: &Context) -> CaseResult {
    let folder = attributes(cx);
    let said = in_child(|| {
        nix::unistd::setegid(65534.into())?;
        nix::unistd::seteuid(65534.into())?;
        folder.text("status")?;
        let writable = ["hard_reset", "max_power", "clk_max_freq_mhz"];
        let open = writable.iter().filter(|name| folder.write(name, "1") != Err(Errno::EACCES));
        if open.count() == 0 { Ok(()) } else { Err(Errno::EEXIST) }
    })?;
    equal("another user reads and does not write", said, Ok(()))
}

fn cpld(cx: &Context) -> CaseResult {
    let text = succeed("read", attributes(cx).value("cpld_ver"))?;
    equal("characters", text.len(), 18)?;
    let number = text.strip_prefix("0x").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    let version = cx.model()?.personality()?.cpld_version;
    equal("version", number.map(|number| number as u32), Some(version))
}

/// The revision of the PCI function tells the variants of Gaudi2 apart
/// (habanalabs_drv.c: get_asic_type); each of them takes jobs.
fn revision(rule: &str, name: &'static str, change: Change, text: &'static str) -> Case {
    let body = move |cx: &Context| {
        let seen = succeed("read", attributes(cx).value("device_type"))?;
        equal("device_type", seen.as_str(), text)?;
        let card = Card::open(cx)?;
        card.still_runs(card.upload(0))
    };
    let case = Case::new(format!("sysfs/device_type/{rule}"), &["SYSFS-006"], body);
    case.on(Asics::GAUDI2).model().personality(name, change)
}

fn kind(cx: &Context) -> CaseResult {
    let names: &[&str] = match cx.asic() {
        control::Asic::Gaudi => &["GAUDI", "GAUDI SEC"],
        control::Asic::Gaudi2 => &["GAUDI2", "GAUDI2B", "GAUDI2C", "GAUDI2D"],
    };
    let text = succeed("read", attributes(cx).value("device_type"))?;
    check(names.contains(&text.as_str()), &format!("{text:?} is one of {names:?}"))
}

fn part(cx: &Context, name: &str, whole: fn(Personality) -> String) -> CaseResult {
    let whole = whole(cx.model()?.personality()?);
    let text = succeed("read", attributes(cx).value(name))?;
    check(!text.is_empty() && whole.contains(&text), &format!("{text:?} is a part of {whole:?}"))
}

fn address(cx: &Context) -> CaseResult {
    let place = cx.at.pci.canonicalize().unwrap_or_else(|_| cx.at.pci.clone());
    let name = place.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_default();
    equal("pci_addr", attributes(cx).value("pci_addr"), Ok(name.clone()))?;
    equal("parent_device", attributes(cx).value("parent_device"), Ok(name))
}

fn status(cx: &Context) -> CaseResult {
    equal("status", attributes(cx).text("status"), Ok("Operational\n".to_string()))?;
    let off = Disabled::new(cx)?;
    equal("status when disabled", attributes(cx).text("status"), Ok("Disabled\n".to_string()))?;
    drop(off);
    equal("status afterwards", attributes(cx).text("status"), Ok("Operational\n".to_string()))
}

fn resets(cx: &Context) -> CaseResult {
    let count = ask::<hl_info_reset_count>(&Node::control(cx)?)?.hard_reset_cnt;
    equal("hard_reset_cnt", attributes(cx).value("hard_reset_cnt"), Ok(count.to_string()))
}

fn hexadecimal(cx: &Context, name: &str) -> CaseResult {
    let text = succeed("read", attributes(cx).value(name))?;
    let numbers = text.split([' ', ':']);
    let hex =
        |word: &str| word.strip_prefix("0x").is_some_and(|h| u32::from_str_radix(h, 16).is_ok());
    check(numbers.into_iter().all(hex), &format!("{text:?} is made of hexadecimal numbers"))
}

fn security(cx: &Context) -> CaseResult {
    let info = ask::<hl_info_hw_ip_info>(&Node::control(cx)?)?;
    let wanted = info.security_enabled.to_string();
    equal("security_enabled", attributes(cx).value("security_enabled"), Ok(wanted))?;
    errno("write", attributes(cx).write("no_such_attribute", "1"), Errno::ENOENT)
}
