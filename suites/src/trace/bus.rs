// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Events of accesses to the card: registers, the boot protocol, the PCI window
//! (device.c: hl_rreg, hl_wreg; firmware_if.c: hl_fw_dynamic_send_protocol_cmd; pci.c).

use super::events::{Event, Tracing};
use crate::common::node::Node;
use crate::common::typed::generation;
use crate::common::unbound::Unbound;
use crate::common::window::Window;
use crate::info::reset;
use case::{Case, CaseResult, Context, check, equal};
use control::{Asics, BootProtocol};
use hw::Generation;
use hw::memory::{GAUDI, GAUDI2};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("trace/registers/tells_each_access", &["TRACE-011", "TRACE-012"], registers)
            .control_only(),
        Case::new("trace/comms/tells_what_is_sent_and_awaited", COMMS, boot)
            .control_only()
            .resets(1)
            .logs(reset::LOG)
            .budget(90),
        // Firmware of the static protocol leaves the windows of the card to the driver.
        Case::new("trace/elbi/tells_each_write", &["TRACE-014"], elbi)
            .on(Asics::GAUDI)
            .personality("static", |card| card.boot = BootProtocol::Static)
            .control_only()
            .budget(90),
        Case::new("trace/elbi/tells_each_read", &["TRACE-013"], looks)
            .on(Asics::GAUDI)
            .personality("static", |card| card.boot = BootProtocol::Static)
            .control_only()
            .budget(90),
    ]
}

const COMMS: &[&str] = &["TRACE-007", "TRACE-008", "TRACE-009", "TRACE-010"];

/// A sync object: where registers begin, and its offset.
fn object(chip: Generation) -> (u64, u64) {
    const LAST: u64 = 2047 * 4;
    match chip {
        Generation::Gaudi => (GAUDI.cfg_base, u64::from(hw::sync::gaudi::E_N) + LAST),
        Generation::Gaudi2 => (GAUDI2.cfg_base, u64::from(hw::sync::GAUDI2_DCORE0) + LAST),
    }
}

fn registers(cx: &Context) -> CaseResult {
    let window = Window::new(cx)?;
    let (base, offset) = object(generation(cx));
    let address = base + offset;
    let tracing = Tracing::of(cx, &["rreg32", "wreg32"])?;
    let old = window.read(address)?;
    window.write(address, old)?;
    let accesses = tracing
        .events()?
        .into_iter()
        .map(|event: Event| Ok((event.name.clone(), event.number("addr")?, event.number("val")?)));
    let accesses = accesses.collect::<CaseResult<Vec<_>>>()?;
    let of = |name: &str| (name.to_string(), offset, u64::from(old));
    for expected in [of("rreg32"), of("wreg32")] {
        check(accesses.contains(&expected), &format!("{expected:x?} is among {accesses:x?}"))?;
    }
    Ok(())
}

/// Events of the boot protocol; each sends or waits.
const BOOT: [&str; 4] =
    ["comms_protocol_cmd", "comms_send_cmd", "comms_wait_status", "comms_wait_status_done"];

fn boot(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let tracing = Tracing::of(cx, &BOOT)?;
    reset::start(cx)?;
    reset::done(&node)?;
    let events = tracing.events()?;
    // One field, which is not named alike everywhere.
    let of = |name: &str| -> Vec<&str> {
        let of = events.iter().filter(|event| event.name == name);
        of.filter_map(|event| event.fields.values().next()).map(String::as_str).collect()
    };
    let [commands, sent, awaited, done] = BOOT.map(of);
    for command in ["COMMS_RST_STATE", "COMMS_PREP_DESC", "COMMS_EXEC"] {
        check(commands.contains(&command), &format!("{command} is among {commands:?}"))?;
    }
    // Between two commands the driver takes its state back.
    for command in commands.iter().chain(&["COMMS_CLR_STS"]) {
        check(sent.contains(command), &format!("{command} is among what is sent, {sent:?}"))?;
    }
    check(!awaited.is_empty(), "the driver waits for the firmware")?;
    equal("waits that ended", done, awaited)
}

/// `PCIE_AUX_DBI`, low word, and what the driver writes there before each register of the iATU
/// (pci.c: hl_pci_iatu_write).
const DBI: (u64, u64) = (0xfcc0_7490, 0x30_0000);

fn elbi(cx: &Context) -> CaseResult {
    let unbound = Unbound::new(cx)?;
    let tracing = Tracing::of(cx, &["elbi_write"])?;
    unbound.bind()?;
    let events = tracing.events()?;
    let mut selected = Vec::new();
    for event in &events {
        if event.number("addr")? == DBI.0 {
            selected.push(event.number("val")?);
        }
    }
    check(!selected.is_empty(), &format!("{:#x} is written to, {events:?}", DBI.0))?;
    let first = selected.iter().find(|value| **value != DBI.1);
    equal("a value that was not written there", first, None)
}

/// `CPU_BOOT_DEV_STS0`, low word of its address: a probe asks there who sets up the windows
/// (`gaudi.c: gaudi_early_init`). Firmware of the static protocol announces nothing.
const BOOT_STATUS: u64 = 0xfcc4_b150;

fn looks(cx: &Context) -> CaseResult {
    let unbound = Unbound::new(cx)?;
    let tracing = Tracing::of(cx, &["elbi_read"])?;
    unbound.bind()?;
    let events = tracing.events()?.into_iter().map(|e| Ok((e.number("addr")?, e.number("val")?)));
    equal("reads", events.collect::<CaseResult<Vec<_>>>()?, vec![(BOOT_STATUS, 0)])
}
