// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Opcodes that ask the device CPU: what it says arrives, in the right fields and units.
//!
//! Each rule runs on the default card and on another one, so neither is a constant.

use super::another_card;
use super::call::{Request, ask, ask_bytes, ask_with, ask_words};
use crate::common::buffer::{Buffer, FILLINGS};
use crate::common::files;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, check, equal, errno};
use control::{Asic, Personality};
use nix::errno::Errno;
use std::path::PathBuf;
use uapi::accel::{self, hl_info_device_utilization};

/// Power of an idle card in milliwatts (`gaudiP.h`, `gaudi2P.h`: DC_POWER_DEFAULT_*).
fn idle_power(asic: Asic, secured: bool) -> u64 {
    match (asic, secured) {
        (Asic::Gaudi, true) => 97_000,
        (Asic::Gaudi, false) | (Asic::Gaudi2, _) => 60_000,
    }
}

/// Rules that hold on any card: name, rows, body.
type Rule = (&'static str, &'static [&'static str], fn(&Context) -> CaseResult);

const RULES: &[Rule] = &[
    ("pci_counters/reports_received_sent_and_replays", &["INFO-PCI_COUNTERS-006"], pci_counters),
    ("total_energy/is_what_the_firmware_says", &["INFO-TOTAL_ENERGY-001"], energy),
    ("power/is_what_the_firmware_says", &["INFO-POWER-001"], power),
    ("dram_pending_rows/is_what_the_firmware_says", &["INFO-DRAM_PENDING_ROWS-001"], pending),
    ("pll_frequency/reports_four_outputs_of_each_pll", &["INFO-PLL_FREQUENCY-001"], plls),
    ("clk_rate/is_in_megahertz_and_agrees_with_sysfs", &["INFO-CLK_RATE-006"], clocks),
    ("device_utilization/is_a_share_of_the_power_range", &["INFO-DEVICE_UTILIZATION-001"], share),
];

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rule, rows, body) in RULES {
        cases.push(Case::new(format!("info/{rule}"), rows, *body).control_only().model());
        let name = format!("info/{rule}_on_another_card");
        cases.push(another_card(Case::new(name, rows, *body).control_only()));
    }
    cases.extend([
        Case::new(
            "info/dram_replaced_rows/is_empty_on_a_healthy_card",
            &["INFO-DRAM_REPLACED_ROWS-001"],
            |cx| {
                let card = cx.model()?.personality()?;
                case::require(card.replaced_rows == 0, "a card without replaced rows")?;
                let bytes = ask_bytes(&Node::control(cx)?, accel::HL_INFO_DRAM_REPLACED_ROWS, 8)?;
                equal("the row information", bytes, vec![0; 8])
            },
        )
        .control_only()
        .model(),
        Case::new("info/pll_frequency/rejects_unknown_index", &["INFO-PLL_FREQUENCY-006"], |cx| {
            bad_pll(cx, Errno::EINVAL)
        })
        .control_only()
        .model()
        .personality("firmware_has_two_plls", two_plls)
        .logs(&["Invalid PLL index"]),
        Case::new(
            "info/pll_frequency/rejects_plls_that_the_firmware_does_not_have",
            &["INFO-PLL_FREQUENCY-007"],
            missing_pll,
        )
        .control_only()
        .model()
        .personality("firmware_has_two_plls", two_plls)
        .logs(&["PLL index", "Failed to"]),
        Case::new(
            "info/pll_frequency/passes_unknown_index_to_old_firmware",
            &["INFO-PLL_FREQUENCY-008", "INFO-PLL_FREQUENCY-011"],
            |cx| bad_pll(cx, Errno::EIO),
        )
        .control_only()
        .model()
        .personality("firmware_numbers_no_plls", |card| {
            card.boot_status0 &= !Personality::DYNAMIC_PLL
        })
        .logs(&["Failed to read PLL info"]),
        Case::new(
            "info/device_utilization/is_refused_without_a_power_range",
            &["INFO-DEVICE_UTILIZATION-006"],
            no_range,
        )
        .control_only()
        .logs(&["device utilization is not supported"]),
        Case::new(
            "info/device_utilization/never_exceeds_100",
            &["INFO-DEVICE_UTILIZATION-007"],
            |cx| clamped(cx, 1, 100),
        )
        .control_only()
        .model(),
        Case::new(
            "info/device_utilization/is_0_below_the_power_of_an_idle_card",
            &["INFO-DEVICE_UTILIZATION-007"],
            |cx| clamped(cx, 1_000_000, 0),
        )
        .control_only()
        .model()
        .personality("draws_little_power", |card| card.power_mw = 1_000),
    ]);
    cases
}

fn pci_counters(cx: &Context) -> CaseResult {
    let answer: accel::hl_info_pci_counters = ask(&Node::control(cx)?)?;
    let got = [answer.rx_throughput, answer.tx_throughput, answer.replay_cnt];
    equal("rx, tx, replays", got, cx.model()?.personality()?.pci_counters())
}

/// What the driver makes of the three counters.
trait Counters {
    fn pci_counters(&self) -> [u64; 3];
}

impl Counters for control::Personality {
    fn pci_counters(&self) -> [u64; 3] {
        let [received, sent, replays] = self.pcie_counters;
        // `hl_fw_cpucp_pci_counters_get` takes 32 bits of the replay counter.
        [received, sent, replays & 0xffff_ffff]
    }
}

fn energy(cx: &Context) -> CaseResult {
    let answer: accel::hl_info_energy = ask(&Node::control(cx)?)?;
    equal(
        "total_energy_consumption",
        answer.total_energy_consumption,
        cx.model()?.personality()?.energy_mj,
    )
}

fn power(cx: &Context) -> CaseResult {
    let answer: accel::hl_power_info = ask(&Node::control(cx)?)?;
    equal("power", answer.power, cx.model()?.personality()?.power_mw)
}

fn pending(cx: &Context) -> CaseResult {
    let answer = ask_words(&Node::control(cx)?, accel::HL_INFO_DRAM_PENDING_ROWS, 1)?;
    equal("pending rows", answer[0], cx.model()?.personality()?.pending_rows)
}

/// Every index gives the four outputs of its PLL. Firmware that numbers PLLs itself and the driver
/// agree about the order only up to a permutation (`gaudi.c: gaudi_map_pll_idx_to_fw_idx`), so
/// there no two indices may give the same ones.
fn plls(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let card = cx.model()?.personality()?;
    let mut seen = Vec::new();
    for index in 0..PLLS[cx.asic() as usize] {
        let answer: accel::hl_pll_frequency_info = ask_with(&node, index)?;
        let output = answer.output;
        if !numbers_plls(&card) {
            equal(&format!("PLL {index}"), Some(&output), card.pll_mhz.get(index as usize))?;
        }
        let known = card.pll_mhz.contains(&output);
        check(known, &format!("PLL {index} ({output:?}) is one of the card's"))?;
        check(!seen.contains(&output), &format!("PLL {index} is not another one's"))?;
        seen.push(output);
    }
    Ok(())
}

fn numbers_plls(card: &Personality) -> bool {
    card.boot_status0 & Personality::DYNAMIC_PLL != 0
}

/// Firmware numbers its PLLs and has two of them.
fn two_plls(card: &mut Personality) {
    card.boot_status0 |= Personality::DYNAMIC_PLL;
    card.pll_mhz.truncate(2);
}

/// Number of PLLs in the header: `enum hl_gaudi_pll_index`, `enum hl_gaudi2_pll_index`.
const PLLS: [u32; 2] = [accel::HL_GAUDI_PLL_MAX, accel::HL_GAUDI2_PLL_MAX];

/// Where firmware numbers PLLs, the driver knows which exist; else the index goes to firmware
/// unchecked, which refuses it (`firmware_if.c: get_used_pll_index`).
fn bad_pll(cx: &Context, expected: Errno) -> CaseResult {
    let node = Node::control(cx)?;
    let buffer = Buffer::new(8)?;
    // 16 bits of the index reach firmware; all of these are unknown to it, too.
    for index in [PLLS[cx.asic() as usize] + 20, 255, 256, 0x8000_ffff, u32::MAX] {
        let request = Request::new(accel::HL_INFO_PLL_FREQUENCY, buffer.start(), 8).extra(index);
        errno("INFO", request.sent(&node), expected).map_err(|stop| stop.request(&request))?;
    }
    equal("the buffer", buffer.read(buffer.start(), 8), vec![FILLINGS[0]; 8])
}

/// Firmware lists its PLLs (`cpucp_info.pll_map`): of all indices that the driver knows, only those
/// are asked for.
fn missing_pll(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let card = cx.model()?.personality()?;
    let mut answered = 0;
    for index in 0..PLLS[cx.asic() as usize] {
        let buffer = Buffer::new(8)?;
        let request = Request::new(accel::HL_INFO_PLL_FREQUENCY, buffer.start(), 8).extra(index);
        match request.sent(&node) {
            Ok(()) => answered += 1,
            refused => {
                errno("INFO", refused, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
                equal("the buffer", buffer.read(buffer.start(), 8), vec![FILLINGS[0]; 8])?;
            }
        }
    }
    check(answered <= card.pll_mhz.len(), &format!("{answered} PLLs answer, too many"))?;
    check(answered < PLLS[cx.asic() as usize] as usize, "some PLL is missing")
}

fn clocks(cx: &Context) -> CaseResult {
    let answer: accel::hl_info_clk_rate = ask(&Node::control(cx)?)?;
    let now = files::number(cx, "clk_cur_freq_mhz")?;
    equal("cur_clk_rate_mhz", u64::from(answer.cur_clk_rate_mhz), now)?;
    let max = files::number(cx, "clk_max_freq_mhz")?;
    equal("max_clk_rate_mhz", u64::from(answer.max_clk_rate_mhz), max)?;
    check((1..100_000).contains(&max), "a clock rate in MHz is between 1 and 100,000")
}

fn utilization(cx: &Context) -> CaseResult<u32> {
    let answer: hl_info_device_utilization = ask(&Node::control(cx)?)?;
    equal("pad", answer.pad, 0)?;
    Ok(answer.utilization)
}

fn share(cx: &Context) -> CaseResult {
    let card = cx.model()?.personality()?;
    let idle = idle_power(card.asic, card.secured);
    let limit = PowerLimit::set(cx, idle + 200_000)?;
    let drawn = card.power_mw.clamp(idle, idle + 200_000);
    let expected = (drawn - idle) * 100 / 200_000;
    equal("utilization", u64::from(utilization(cx)?), expected)?;
    limit.restore()
}

/// The limit that the driver divides by is the one last written to sysfs; a limit that equals the
/// power of an idle card leaves no range.
fn no_range(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let secured = files::number(cx, "security_enabled")? != 0;
    let limit = PowerLimit::set(cx, idle_power(cx.asic(), secured))?;
    let buffer = Buffer::new(8)?;
    let request = Request::new(accel::HL_INFO_DEVICE_UTILIZATION, buffer.start(), 8);
    errno("INFO", request.sent(&node), Errno::EINVAL)?;
    limit.restore()
}

fn clamped(cx: &Context, above_idle: u64, expected: u32) -> CaseResult {
    let card = cx.model()?.personality()?;
    let limit = PowerLimit::set(cx, idle_power(card.asic, card.secured) + above_idle)?;
    let drawn = utilization(cx)?;
    limit.restore()?;
    equal("utilization", drawn, expected)
}

/// A power limit written to sysfs, put back at the end.
struct PowerLimit {
    path: PathBuf,
    before: String,
}

impl PowerLimit {
    fn set(cx: &Context, milliwatts: u64) -> CaseResult<Self> {
        let path = cx.at.sysfs.join("max_power");
        let before = files::read(&path)?;
        files::write(&path, &milliwatts.to_string())?;
        Ok(PowerLimit { path, before })
    }

    fn restore(self) -> CaseResult {
        files::write(&self.path, &self.before)
    }
}

impl Drop for PowerLimit {
    fn drop(&mut self) {
        // Repeated after `restore`, which reports; here only a failed case is on its way out.
        let _ = std::fs::write(&self.path, &self.before);
    }
}
