// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Firmware that refuses a packet, or whose processor is given up: what the opcodes say that ask
//! it (`firmware_if.c: hl_fw_send_cpu_message`).

use super::call::Request;
use super::reset;
use super::table::{OPCODES, Opcode};
use crate::common::buffer::{Buffer, FILLINGS};
use crate::common::files;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, Stop, equal, errno, succeed};
use control::Request as Ask;
use nix::errno::Errno;
use uapi::accel;

/// An opcode of INFO, the packet that it sends (`cpucp_if.h: enum cpucp_packet_id`), and what it
/// gives when firmware refuses that.
pub(super) struct Asker {
    pub(super) op: u32,
    pub(super) packets: &'static [u16],
    pub(super) refused: Errno,
    rows: &'static [&'static str],
    /// What it gives when firmware is silent; none where every reason looks alike.
    pub(super) silent: &'static [&'static str],
}

/// Those of 6.12 and 7.3. Utilization hides every reason behind EINVAL (`habanalabs_ioctl.c:
/// device_utilization`).
#[rustfmt::skip]
pub(super) const ASKERS: &[Asker] = &[
    Asker { op: accel::HL_INFO_DEVICE_UTILIZATION, packets: &[32], refused: Errno::EINVAL, rows: &["INFO-DEVICE_UTILIZATION-008"], silent: &[] },
    Asker { op: accel::HL_INFO_CLK_RATE, packets: &[10, 19], refused: Errno::EIO, rows: &["INFO-CLK_RATE-009"], silent: &["INFO-CLK_RATE-010"] },
    Asker { op: accel::HL_INFO_PCI_COUNTERS, packets: &[27, 28], refused: Errno::EIO, rows: &["INFO-PCI_COUNTERS-009"], silent: &["INFO-PCI_COUNTERS-010"] },
    Asker { op: accel::HL_INFO_TOTAL_ENERGY, packets: &[29], refused: Errno::EIO, rows: &["INFO-TOTAL_ENERGY-008"], silent: &["INFO-TOTAL_ENERGY-009"] },
    Asker { op: accel::HL_INFO_PLL_FREQUENCY, packets: &[30], refused: Errno::EIO, rows: &["INFO-PLL_FREQUENCY-011"], silent: &["INFO-PLL_FREQUENCY-012"] },
    Asker { op: accel::HL_INFO_POWER, packets: &[32], refused: Errno::EIO, rows: &["INFO-POWER-008"], silent: &["INFO-POWER-009"] },
    Asker { op: accel::HL_INFO_DRAM_REPLACED_ROWS, packets: &[43], refused: Errno::EIO, rows: &["INFO-DRAM_REPLACED_ROWS-009"], silent: &["INFO-DRAM_REPLACED_ROWS-010"] },
    Asker { op: accel::HL_INFO_DRAM_PENDING_ROWS, packets: &[44], refused: Errno::EIO, rows: &["INFO-DRAM_PENDING_ROWS-008"], silent: &["INFO-DRAM_PENDING_ROWS-009"] },
    Asker { op: accel::HL_INFO_SECURED_ATTESTATION, packets: &[49], refused: Errno::EIO, rows: &["INFO-SECURED_ATTESTATION-010", "INFO-SECURED_ATTESTATION-007"], silent: &["INFO-SECURED_ATTESTATION-011"] },
    Asker { op: accel::HL_INFO_DEV_SIGNED, packets: &[50], refused: Errno::EIO, rows: &["INFO-DEV_SIGNED-010", "INFO-DEV_SIGNED-007"], silent: &["INFO-DEV_SIGNED-011"] },
    Asker { op: accel::HL_INFO_FW_GENERIC_REQ, packets: &[56], refused: Errno::EIO, rows: &["INFO-FW_GENERIC_REQ-011"], silent: &["INFO-FW_GENERIC_REQ-012"] },
];

/// Rows about a processor that was given up.
const DEAD: &[&str] = &[
    "INFO-CLK_RATE-011",
    "INFO-PCI_COUNTERS-011",
    "INFO-TOTAL_ENERGY-010",
    "INFO-PLL_FREQUENCY-013",
    "INFO-POWER-010",
    "INFO-DRAM_REPLACED_ROWS-011",
    "INFO-DRAM_PENDING_ROWS-010",
    "INFO-SECURED_ATTESTATION-012",
    "INFO-DEV_SIGNED-012",
    "INFO-FW_GENERIC_REQ-013",
];

/// What the driver says about a packet that came to nothing.
const FAILED: &[&str] = &["Failed to", "failed to", "F/W", "not supported by F/W"];

/// The same, and about the reset that repairs it; the heartbeat may be the first to notice.
pub(super) const LOST: &[&str] = &[
    "Failed to",
    "failed to",
    "Hard-Reset requested through sysfs",
    "heartbeat",
    "Heartbeat",
    "Device CPU packet timeout",
    "Pkt info",
];

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for asker in ASKERS {
        let word = opcode(asker.op).map_or("unknown", |opcode| opcode.word);
        let name = format!("info/{word}/passes_a_refusal_of_the_firmware_on");
        cases.push(Case::new(name, asker.rows, move |cx| refused(cx, asker)).model().logs(FAILED));
    }
    cases.push(
        Case::new("info/any_opcode/gives_eagain_when_the_device_cpu_is_given_up", DEAD, dead)
            .resets(1)
            .logs(LOST)
            .budget(90),
    );
    cases.into_iter().map(Case::control_only).collect()
}

pub(super) fn opcode(op: u32) -> Option<&'static Opcode> {
    OPCODES.iter().find(|opcode| opcode.op == op)
}

/// A good call of the opcode.
pub(super) fn request(
    node: &Node,
    asker: &Asker,
    buffer: &mut Option<Buffer>,
) -> CaseResult<Request> {
    let opcode = opcode(asker.op)
        .ok_or_else(|| Stop::Broken(format!("opcode {} is not in the table", asker.op)))?;
    let bytes = opcode.bytes(node)?;
    let buffer = buffer.insert(Buffer::new(bytes)?);
    Ok(Request::new(asker.op, buffer.start(), bytes as u32))
}

/// Each packet of the opcode in turn is refused with each return code.
fn refused(cx: &Context, asker: &Asker) -> CaseResult {
    let node = Node::control(cx)?;
    let mut buffer = None;
    let request = request(&node, asker, &mut buffer)?;
    for opcode in asker.packets.iter().copied() {
        for rc in [1, 2, 3, 4] {
            if let Some(buffer) = &mut buffer {
                buffer.fill(FILLINGS[0]);
            }
            cx.model()?.order(Ask::FailCpu { opcode, rc, result: Some(5) })?;
            let what = format!("INFO while packet {opcode} gives {rc}");
            errno(&what, request.sent(&node), asker.refused)
                .map_err(|stop| stop.request(&request))?;
            if let Some(buffer) = &buffer {
                let content = buffer.read(buffer.start(), buffer.bytes());
                let written = content.iter().filter(|byte| **byte != FILLINGS[0]).count();
                equal("bytes that a refused call writes", written, 0)?;
            }
        }
        cx.model()?.order(Ask::FailCpu { opcode, rc: 0, result: None })?;
        succeed("INFO afterwards", request.sent(&node)).map_err(|stop| stop.request(&request))?;
    }
    Ok(())
}

/// Given up through debugfs; a hard reset takes it into service again (`device.c:
/// hl_device_reset`).
fn dead(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let before = reset::resets(&node)?;
    files::write(&files::debugfs(cx, "device")?, "cpu_timeout")?;
    let seen = ASKERS.iter().try_for_each(|asker| {
        let expected = match asker.refused {
            Errno::EINVAL => Errno::EINVAL,
            _ => Errno::EAGAIN,
        };
        let mut buffer = None;
        let request = request(&node, asker, &mut buffer)?;
        errno("INFO", request.sent(&node), expected).map_err(|stop| stop.request(&request))
    });
    reset::start(cx)?;
    reset::begun(&node, before)?;
    reset::done(&node)?;
    seen?;
    ASKERS.iter().try_for_each(|asker| {
        let mut buffer = None;
        let request = request(&node, asker, &mut buffer)?;
        succeed("INFO after the reset", request.sent(&node)).map_err(|stop| stop.request(&request))
    })
}
