// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! SECURED_ATTESTATION, DEV_SIGNED and FW_GENERIC_REQ: data that firmware prepares in host memory
//! (`firmware_if.c: hl_fw_get_sec_attest_data`, `habanalabs_ioctl.c: send_fw_generic_request`).

use super::call::{Request, ask_with};
use crate::common::buffer::{Buffer, FILLINGS, KERNEL_ADDRESS};
use crate::common::node::Node;
use case::{Case, CaseResult, Context, check, equal, errno, require, succeed};
use nix::errno::Errno;
use uapi::accel::{HL_INFO_FW_GENERIC_REQ, hl_info_sec_attest, hl_info_signed};

/// Numbers that a caller chooses so that an answer cannot be an older one.
const NONCES: [u32; 4] = [0, 1, 0x89ab_cdef, u32::MAX];

/// Size of `struct cpucp_info` (`cpucp_if.h`), which the signed device information holds.
const CPUCP_INFO: u16 = 1768;

/// `HL_PASSTHROUGH_VERSIONS` of `enum hl_passthrough_type` (`cpucp_if.h`).
pub const VERSIONS: u32 = 0;

/// Largest buffer that firmware may fill.
const LARGEST: u32 = 1 << 20;

/// CPUCP_PACKET_GENERIC_PASSTHROUGH (`cpucp_if.h`).
const GENERIC_PACKET: u16 = 56;

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new(
            "info/secured_attestation/echoes_the_nonce",
            &["INFO-SECURED_ATTESTATION-006"],
            attestation,
        ),
        Case::new("info/dev_signed/echoes_the_nonce", &["INFO-DEV_SIGNED-006"], signed),
        Case::new(
            "info/fw_generic_req/rejects_unknown_requests",
            &["INFO-FW_GENERIC_REQ-002"],
            unknown,
        ),
        Case::new(
            "info/fw_generic_req/rejects_buffers_above_1_mib",
            &["INFO-FW_GENERIC_REQ-003"],
            large,
        )
        .logs(&["buffer size cannot exceed 1MB"]),
        Case::new("info/fw_generic_req/has_no_empty_buffer", &["INFO-FW_GENERIC_REQ-004"], |cx| {
            let request = Request::new(HL_INFO_FW_GENERIC_REQ, 0, 0).extra(VERSIONS);
            errno("FW_GENERIC_REQ", request.sent(&Node::control(cx)?), Errno::ENOMEM)
        }),
        Case::new(
            "info/fw_generic_req/reports_memory_it_cannot_write",
            &["INFO-FW_GENERIC_REQ-001"],
            unwritable,
        ),
        Case::new(
            "info/fw_generic_req/rejects_requests_of_later_kernels",
            &["INFO-FW_GENERIC_REQ-008"],
            later,
        ),
        Case::new(
            "info/fw_generic_req/passes_counters_and_power_states",
            &["INFO-FW_GENERIC_REQ-006", "INFO-FW_GENERIC_REQ-007"],
            passed,
        ),
        Case::new("info/fw_generic_req/gives_its_buffer_back", &["INFO-FW_GENERIC_REQ-005"], pool)
            .budget(60),
        Case::new(
            "info/fw_generic_req/gives_all_of_its_buffer_back_after_a_short_answer",
            &["INFO-FW_GENERIC_REQ-005"],
            short_answer,
        )
        .budget(60),
    ];
    cases.into_iter().map(|case| case.control_only().model()).collect()
}

fn attestation(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    for nonce in NONCES {
        let answer: hl_info_sec_attest = ask_with(&node, nonce)?;
        equal("nonce", answer.nonce, nonce)?;
        equal("pad0", answer.pad0, [0; 2])?;
        check(usize::from(answer.pcr_quote_len) <= answer.pcr_quote.len(), "the quote fits")?;
        check(usize::from(answer.pub_data_len) <= answer.public_data.len(), "public data fits")?;
        check(usize::from(answer.certificate_len) <= answer.certificate.len(), "certificate fits")?;
        check(usize::from(answer.quote_sig_len) <= answer.quote_sig.len(), "signature fits")?;
    }
    Ok(())
}

fn signed(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    for nonce in NONCES {
        let answer: hl_info_signed = ask_with(&node, nonce)?;
        equal("nonce", answer.nonce, nonce)?;
        equal("dev_info_len", answer.dev_info_len, CPUCP_INFO)?;
        equal("pad", answer.pad, [0; 2])?;
        let rest = &answer.dev_info[usize::from(CPUCP_INFO)..];
        check(rest.iter().all(|byte| *byte == 0), "dev_info is zero behind the information")?;
        check(usize::from(answer.info_sig_len) <= answer.info_sig.len(), "the signature fits")?;
    }
    Ok(())
}

fn unknown(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let buffer = Buffer::new(4096)?;
    // 7.3 knows three requests; what lies above is nobody's.
    for request in [16, 255, 0x8000_0000, u32::MAX] {
        let request = Request::new(HL_INFO_FW_GENERIC_REQ, buffer.start(), 4096).extra(request);
        errno("FW_GENERIC_REQ", request.sent(&node), Errno::EINVAL)
            .map_err(|stop| stop.request(&request))?;
    }
    equal("the buffer", buffer.read(buffer.start(), 4096), vec![FILLINGS[0]; 4096])
}

/// Firmware is asked first: that it answered is wasted, and nothing is lost by it.
fn unwritable(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let asked = || -> CaseResult<u64> { Ok(cx.model()?.seen()?.answered(GENERIC_PACKET)) };
    let mut buffer = Buffer::new(4096)?;
    let early = buffer.before_end(4095);
    for (count, pointer) in (1..).zip([buffer.forbidden(), early, KERNEL_ADDRESS, 0]) {
        let request = Request::new(HL_INFO_FW_GENERIC_REQ, pointer, 4096).extra(VERSIONS);
        errno("FW_GENERIC_REQ", request.sent(&node), Errno::EFAULT)
            .map_err(|stop| stop.request(&request))?;
        equal("requests that reached the firmware", asked()?, count)?;
    }
    buffer.read_only()?;
    let request = Request::new(HL_INFO_FW_GENERIC_REQ, buffer.start(), 4096).extra(VERSIONS);
    errno("FW_GENERIC_REQ to a read-only page", request.sent(&node), Errno::EFAULT)?;
    pool(cx)
}

/// Requests that 6.12 does not know and 7.3 does: counters of errors, power state.
const LATER: [u32; 2] = [1, 2];

/// The first kernel that knows them.
const KNOWN_SINCE: (i32, i32) = (7, 3);

fn knows_them() -> CaseResult<bool> {
    let (major, minor, _) = crate::dispatch::version::running()?;
    Ok((major, minor) >= KNOWN_SINCE)
}

fn later(cx: &Context) -> CaseResult {
    require(!knows_them()?, "a kernel before 7.3")?;
    let node = Node::control(cx)?;
    let buffer = Buffer::new(4096)?;
    for pointer in [buffer.start(), buffer.forbidden()] {
        for request in LATER {
            let request = Request::new(HL_INFO_FW_GENERIC_REQ, pointer, 4096).extra(request);
            errno("FW_GENERIC_REQ", request.sent(&node), Errno::EINVAL)
                .map_err(|stop| stop.request(&request))?;
        }
    }
    equal("the buffer", buffer.read(buffer.start(), 4096), vec![FILLINGS[0]; 4096])
}

/// The request about counters brings data along: what the firmware of the model gives back is what
/// it was given.
fn passed(cx: &Context) -> CaseResult {
    require(knows_them()?, "a kernel from 7.3 on")?;
    let node = Node::control(cx)?;
    let mut buffer = Buffer::new(4096)?;
    for request in LATER {
        buffer.fill(FILLINGS[1]);
        let request = Request::new(HL_INFO_FW_GENERIC_REQ, buffer.start(), 4096).extra(request);
        succeed("FW_GENERIC_REQ", request.sent(&node)).map_err(|stop| stop.request(&request))?;
    }
    let counters = Request::new(HL_INFO_FW_GENERIC_REQ, buffer.start(), 4096).extra(LATER[0]);
    buffer.fill(FILLINGS[1]);
    succeed("FW_GENERIC_REQ", counters.sent(&node))?;
    equal("the data", buffer.read(buffer.start(), 4096), vec![FILLINGS[1]; 4096])?;
    let unreadable = Request { pointer: buffer.forbidden(), ..counters };
    errno("FW_GENERIC_REQ without its data", unreadable.sent(&node), Errno::EFAULT)
}

fn large(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let buffer = Buffer::new(1)?;
    for size in [LARGEST + 1, 0x8000_0000, u32::MAX] {
        let request = Request::new(HL_INFO_FW_GENERIC_REQ, buffer.start(), size).extra(VERSIONS);
        errno("FW_GENERIC_REQ", request.sent(&node), Errno::EINVAL)
            .map_err(|stop| stop.request(&request))?;
    }
    Ok(())
}

/// Firmware's pool has 2 MiB: buffers that are not given back as a whole run out of it soon.
fn pool(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let mut buffer = Buffer::new(LARGEST as usize / 2)?;
    for size in [LARGEST / 2, 4096, 100] {
        for _ in 0..24 {
            buffer.fill(FILLINGS[0]);
            let pointer = buffer.before_end(size as usize);
            let request = Request::new(HL_INFO_FW_GENERIC_REQ, pointer, size).extra(VERSIONS);
            succeed("FW_GENERIC_REQ", request.sent(&node))
                .map_err(|stop| stop.request(&request))?;
        }
    }
    Ok(())
}

/// The same while firmware says that it filled only a part: what was taken is given back, not what
/// was filled.
fn short_answer(cx: &Context) -> CaseResult {
    let answer = control::Request::FailCpu { opcode: GENERIC_PACKET, rc: 0, result: Some(64) };
    cx.model()?.order(answer)?;
    pool(cx)
}
