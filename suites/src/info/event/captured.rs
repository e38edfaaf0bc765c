// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Errors that are captured for the user: the first of a session, until the next open
//! (`device.c: hl_capture_page_fault`, `hl_capture_razwi`, `hl_capture_hw_err`).

use super::{appears, id, now, post, raise};
use crate::common::buffer::{Buffer, FILLINGS};
use crate::common::leak::{Rounds, kernel_memory_stays, level_stays};
use crate::common::node::Node;
use crate::info::call::{Request, ask};
use crate::info::reset;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::{Asic, Asics, Request as Ask};
use device::Pages;
use nix::errno::Errno;
use std::mem::offset_of;
use uapi::accel::{self, hl_info_razwi_event, hl_page_fault_info, hl_user_mapping};

/// Registers in which the MMU of Gaudi keeps a fault, from CFG base (`mmu_up_regs.h`).
mod mmu {
    /// MMU_UP_PAGE_ERROR_CAPTURE: bit 18 valid, bits 17:0 the address from bit 32 on.
    pub const FAULT: u64 = 0xc1_1034;
    /// MMU_UP_PAGE_ERROR_CAPTURE_VA: the low half.
    pub const FAULT_LOW: u64 = 0xc1_1038;
    /// MMU_UP_RAZWI_WRITE_VLD.
    pub const WRITE_VALID: u64 = 0xc1_105c;
    /// MMU_UP_RAZWI_WRITE_ID: X in 27:24, Y in 30:28, AXI id in 23:20.
    pub const WRITE_ID: u64 = 0xc1_1060;
}

/// Registers in which the MMU of Gaudi2 for memory of the host keeps a fault, from CFG base
/// (`pmmu_hbw_mmu_regs.h`, by the offsets of `dcore0_hmmu0_mmu_regs.h`).
mod gaudi2_mmu {
    /// SPI_SEI_CAUSE: bit 0 a page fault.
    pub const CAUSE: u64 = 0x4d0_0030;
    /// PAGE_ERROR_CAPTURE: the address from bit 32 on.
    pub const FAULT: u64 = 0x4d0_0034;
    /// PAGE_ERROR_CAPTURE_VA: the low half.
    pub const FAULT_LOW: u64 = 0x4d0_0038;
    /// ACCESS_PAGE_ERROR_VALID: bit 0 a page fault.
    pub const FAULT_VALID: u64 = 0x4d0_0044;
}

/// Registers of Gaudi2 that tell of an access that was not allowed, from CFG base
/// (`psoc_global_conf_regs.h`, `dcore0_rtr0_ctrl_regs.h`).
mod gaudi2_razwi {
    /// PSOC_GLOBAL_CONF_RAZWI_MASK_INFO: who it was.
    pub const WHO: u64 = 0x4c4_b08c;
    /// DCORE0_RTR0_CTRL_DEC_RAZWI_HBW_AW_HI_ADDR.
    pub const HIGH: u64 = 0x414_0ab8;
    /// DCORE0_RTR0_CTRL_DEC_RAZWI_HBW_AW_LO_ADDR.
    pub const LOW: u64 = 0x414_0abc;
    /// DCORE0_RTR0_CTRL_DEC_RAZWI_HBW_AW_SET.
    pub const SET: u64 = 0x414_0ac0;
    /// Coordinates behind that router that the second decoder and the MMU of the host share; the
    /// latter has no number (`gaudi2.c: common_razwi_info, RAZWI_INITIATOR_ID_X_Y,
    /// RAZWI_GET_AXUSER_XY`).
    pub const DECODER1: u32 = (2 | 4 << 5 | 4 << 23) << 4;
    /// Where it went.
    pub const ADDRESS: u64 = 0x0012_3456_789a_bc80;
}

/// Router coordinates of TPC1 (`gaudi_masks.h: RAZWI_INITIATOR_ID_X_Y_TPC1`).
const TPC1: u32 = 2 << 24 | 1 << 28;

/// What the driver says about a fault.
const FAULTS: &[&str] = &["H/W interrupt", "MMU page fault", "err cause"];
const MAPPINGS: &[&str] =
    &["INFO-USER_MAPPINGS-002", "INFO-USER_MAPPINGS-004", "INFO-USER_MAPPINGS-005", "ABI-016"];
const RAZWI: &[&str] =
    &["INFO-RAZWI_EVENT-007", "INFO-RAZWI_EVENT-004", "INFO-RAZWI_EVENT-005", "ABI-011", "ABI-029"];
const HARDWARE: &[&str] =
    &["INFO-HW_ERR_EVENT-002", "INFO-HW_ERR_EVENT-004", "INFO-HW_ERR_EVENT-005", "ABI-017"];
const FIRMWARE: &[&str] =
    &["INFO-FW_ERR_EVENT-002", "INFO-FW_ERR_EVENT-004", "INFO-FW_ERR_EVENT-006", "ABI-018"];

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new("info/razwi_event/names_the_engine", RAZWI, razwi).logs(&[
            "H/W interrupt",
            "RAZWI event",
            "PSOC RAZWI",
            "PSOC HBW AW RAZWI",
        ]),
        Case::new("info/hw_err_event/names_the_event", HARDWARE, |cx| {
            let event = match cx.asic() {
                Asic::Gaudi => id::RESET_REQUEST,
                Asic::Gaudi2 => id::GAUDI2_RESET_REQUEST,
            };
            critical(cx, event, accel::HL_INFO_HW_ERR_EVENT, [event, 0])
        })
        .logs(&["H/W interrupt", "DEV_RESET_REQ"])
        .resets(1),
        Case::new("info/fw_err_event/names_the_event", FIRMWARE, |cx| {
            let expected = [accel::HL_INFO_FW_REPORTED_ERR as u16, id::FIRMWARE_ALIVE];
            critical(cx, id::FIRMWARE_ALIVE, accel::HL_INFO_FW_ERR_EVENT, expected)
        })
        .on(Asics::GAUDI)
        .logs(&["H/W interrupt", "FW alive report"])
        .resets(1),
    ];
    let mut cases = Vec::from(cases);
    cases.extend(faults());
    let rows: &[&str] =
        &["INFO-USER_ENGINE_ERR_EVENT-002", "INFO-USER_ENGINE_ERR_EVENT-004", "ABI-019"];
    let name = "info/user_engine_err_event/names_the_first_engine";
    cases.push(Case::new(name, rows, engine).on(Asics::GAUDI2));
    cases.into_iter().map(|case| case.budget(90)).collect()
}

fn faults() -> [Case; 5] {
    [
        Case::new(
            "info/page_fault_event/describes_the_first_fault",
            &["INFO-PAGE_FAULT_EVENT-007", "INFO-PAGE_FAULT_EVENT-005", "ABI-015"],
            fault,
        )
        .logs(FAULTS),
        Case::new(
            "info/page_fault_event/is_forgotten_at_the_next_open",
            &["INFO-PAGE_FAULT_EVENT-006"],
            forgotten,
        )
        .logs(FAULTS),
        Case::new(
            "info/page_fault_event/reports_memory_it_cannot_write",
            &["INFO-PAGE_FAULT_EVENT-004"],
            fault_unmapped,
        )
        .logs(FAULTS),
        Case::new("info/user_mappings/lists_what_was_mapped", MAPPINGS, mappings).logs(FAULTS),
        Case::new(
            "info/user_mappings/are_given_back_at_the_next_open",
            &["INFO-PAGE_FAULT_EVENT-006", "INFO-USER_MAPPINGS-002"],
            rounds,
        )
        .logs(FAULTS),
    ]
}

/// Overheating is an event of users that no engine stands for (`gaudi2.c:
/// event_id_to_engine_id`, `gaudi2_print_clk_change_info`).
fn engine(cx: &Context) -> CaseResult {
    const NO_ENGINE: u16 = u16::MAX;
    const NO_CAUSE: u16 = 0xff;
    // An open clears what earlier sessions captured.
    drop(Node::compute(cx)?);
    let node = Node::control(cx)?;
    let mark = i64::from_le_bytes([FILLINGS[0]; 8]);
    let before = now()?;
    let mut times = Vec::new();
    for (count, event) in super::heat(cx.asic()).into_iter().enumerate() {
        post(cx, &node, event)?;
        let first: accel::hl_info_engine_err_event = appears("a captured error", || {
            let answer: accel::hl_info_engine_err_event = ask(&node)?;
            Ok((answer.timestamp != mark).then_some(answer))
        })?;
        let what = format!("engine_id, error_count after {} events", count + 1);
        equal(&what, (first.engine_id, first.error_count), (NO_ENGINE, NO_CAUSE))?;
        let bracket = before..=now()?;
        check(bracket.contains(&first.timestamp), &format!("it is of {bracket:?}"))?;
        times.push(first.timestamp);
    }
    equal("times of the first event, later too", times[1], times[0])?;
    whole_or_nothing(&node, accel::HL_INFO_USER_ENGINE_ERR_EVENT)
}

pub(super) fn poke(cx: &Context, offset: u64, value: u32) -> CaseResult {
    Ok(cx.model()?.order(Ask::Poke { offset, value })?)
}

/// Lets the MMU report a fault at an address of 50 bits; that of Gaudi2 is the one for memory of the
/// host.
pub(super) fn post_fault(cx: &Context, node: &Node, address: u64) -> CaseResult {
    let (low, high) = (address as u32, (address >> 32) as u32);
    match cx.asic() {
        Asic::Gaudi => {
            poke(cx, mmu::FAULT_LOW, low)?;
            poke(cx, mmu::FAULT, 1 << 18 | high)?;
            post(cx, node, id::PAGE_FAULT)
        }
        Asic::Gaudi2 => {
            use gaudi2_mmu::{CAUSE, FAULT, FAULT_LOW, FAULT_VALID};
            for (register, value) in [(FAULT_LOW, low), (FAULT, high), (FAULT_VALID, 1), (CAUSE, 1)]
            {
                poke(cx, register, value)?;
            }
            post(cx, node, id::GAUDI2_PAGE_FAULT)
        }
    }
}

/// Does the MMU keep a fault that the driver has not looked at?
pub(crate) fn fault_is_kept(cx: &Context) -> CaseResult<bool> {
    let (register, valid) = match cx.asic() {
        Asic::Gaudi => (mmu::FAULT, 1 << 18),
        Asic::Gaudi2 => (gaudi2_mmu::FAULT_VALID, 1),
    };
    Ok(cx.model()?.peek(register)? & valid != 0)
}

/// The captured fault, once it is there.
fn captured(node: &Node) -> CaseResult<hl_page_fault_info> {
    let mark = i64::from_le_bytes([FILLINGS[0]; 8]);
    appears("a captured page fault", || {
        let answer: hl_page_fault_info = ask(node)?;
        Ok((answer.timestamp != mark).then_some(answer))
    })
}

fn fault(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let control = Node::control(cx)?;
    let before = now()?;
    post_fault(cx, &node, 0x1_2345_6789_a000)?;
    let first = captured(&node)?;
    equal("addr", first.addr, 0x1_2345_6789_a000)?;
    equal("engine_id, pad", (first.engine_id, first.pad), (0, [0; 6]))?;
    let bracket = before..=now()?;
    check(bracket.contains(&first.timestamp), &format!("{} is in {bracket:?}", first.timestamp))?;
    post_fault(cx, &node, 0x2_0000_0000_1000)?;
    for node in [&node, &control] {
        let later: hl_page_fault_info = ask(node)?;
        equal("addr after a second fault", later.addr, first.addr)?;
        equal("timestamp after a second fault", later.timestamp, first.timestamp)?;
    }
    // Sizes around that of the structure.
    let bytes = size_of::<hl_page_fault_info>();
    for size in [1, bytes - 1, bytes, bytes + 1, 4096] {
        let buffer = Buffer::new(4096)?;
        let pointer = buffer.before_end(size);
        let op = accel::HL_INFO_PAGE_FAULT_EVENT;
        succeed("PAGE_FAULT_EVENT", Request::new(op, pointer, size as u32).sent(&node))?;
        let content = buffer.read(buffer.start(), buffer.bytes());
        let outside = |at: &usize| *at < 4096 - size || *at >= 4096 - size + bytes;
        let written = (0..4096).filter(outside).any(|at| content[at] != FILLINGS[0]);
        check(!written, &format!("nothing outside is written with return_size {size}"))?;
    }
    Ok(())
}

fn forgotten(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    post_fault(cx, &node, 0x1_0000_0000_0000)?;
    captured(&node)?;
    drop(node);
    let node = Node::compute(cx)?;
    let answer: hl_page_fault_info = ask(&node)?;
    equal("timestamp in the buffer", answer.timestamp, i64::from_le_bytes([FILLINGS[0]; 8]))?;
    // A fault of the new session is its first.
    post_fault(cx, &node, 0x1_0000_0000_3000)?;
    equal("addr", captured(&node)?.addr, 0x1_0000_0000_3000)
}

fn fault_unmapped(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    post_fault(cx, &node, 0x1_0000_0000_0000)?;
    captured(&node)?;
    let buffer = Buffer::new(64)?;
    let bytes = size_of::<hl_page_fault_info>();
    for pointer in [buffer.forbidden(), buffer.before_end(bytes - 1)] {
        let op = accel::HL_INFO_PAGE_FAULT_EVENT;
        let request = Request::new(op, pointer, bytes as u32);
        errno("PAGE_FAULT_EVENT", request.sent(&node), Errno::EFAULT)?;
    }
    Ok(())
}

/// Two host mappings: both are listed, in any order.
fn mappings(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let typed = node.typed()?;
    let broken = |why| case::Stop::Broken(format!("cannot map memory: {why}"));
    let host = [Pages::new(2 * 4096).map_err(broken)?, Pages::new(5 * 4096).map_err(broken)?];
    let mut expected = Vec::new();
    let mut guards = Vec::new();
    for pages in &host {
        let guard = succeed("MAP", typed.map_host(pages, 0, 0))?;
        expected.push((guard.address(), pages.length() as u64));
        guards.push(guard);
    }
    post_fault(cx, &node, 0x1_0000_0000_0000)?;
    captured(&node)?;
    let bytes = expected.len() * size_of::<hl_user_mapping>();
    let op = accel::HL_INFO_USER_MAPPINGS;
    let mut buffer = Buffer::new(4096)?;
    for size in [0, 1, 16, bytes - 1] {
        let mut request = Request::new(op, buffer.before_end(bytes), size as u32);
        errno("USER_MAPPINGS", request.send(&node), Errno::ENOMEM)
            .map_err(|stop| stop.request(&request))?;
        equal("array_size", request.extra as usize, expected.len())?;
        let untouched = buffer.read(buffer.start(), 4096).iter().all(|b| *b == FILLINGS[0]);
        check(untouched, "a refused call leaves the buffer alone")?;
    }
    let early = Request::new(op, buffer.before_end(bytes - 1), bytes as u32);
    errno("USER_MAPPINGS", early.sent(&node), Errno::EFAULT)?;
    for size in [bytes, bytes + 1, 4096] {
        buffer.fill(FILLINGS[0]);
        let mut request = Request::new(op, buffer.before_end(size), size as u32);
        succeed("USER_MAPPINGS", request.send(&node))?;
        equal("array_size", request.extra as usize, expected.len())?;
        let rest = buffer.read(request.pointer + bytes as u64, size - bytes);
        check(rest.iter().all(|b| *b == FILLINGS[0]), "nothing is written behind the array")?;
        let array = buffer.read(request.pointer, bytes);
        let word = |at: usize| {
            array[at..at + 8].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        };
        let mut got: Vec<_> =
            (0..expected.len()).map(|i| (word(16 * i), word(16 * i + 8))).collect();
        got.sort_unstable();
        expected.sort_unstable();
        equal("the mappings", &got, &expected)?;
    }
    Ok(())
}

/// Faults in one session after the other, each of which is a reset on Gaudi2: few, and what counts
/// are the areas that the kernel tells of.
fn rounds(cx: &Context) -> CaseResult {
    let broken = |why| case::Stop::Broken(format!("cannot map memory: {why}"));
    let host = [Pages::new(4096).map_err(broken)?, Pages::new(4096).map_err(broken)?];
    let round = || {
        let node = Node::compute(cx)?;
        let typed = node.typed()?;
        let maps = host.iter().map(|pages| succeed("MAP", typed.map_host(pages, 0, 0)));
        let maps = maps.collect::<CaseResult<Vec<_>>>()?;
        post_fault(cx, &node, 0x1_0000_0000_0000)?;
        captured(&node)?;
        maps.into_iter().try_for_each(|map| succeed("UNMAP", map.unmap()))
    };
    match cx.asic() {
        Asic::Gaudi => level_stays(cx, 24, round),
        Asic::Gaudi2 => kernel_memory_stays(Rounds::new(1, 3), round),
    }
}

/// What is told of an access that was not allowed.
pub(super) struct Razwi {
    /// Those that may have done it.
    engines: &'static [u32],
    flags: u32,
    address: u64,
}

/// Lets a write that is not allowed be reported. Gaudi knows no address of it.
pub(super) fn post_razwi(cx: &Context, node: &Node) -> CaseResult<Razwi> {
    match cx.asic() {
        Asic::Gaudi => {
            poke(cx, mmu::WRITE_ID, TPC1)?;
            poke(cx, mmu::WRITE_VALID, 1)?;
            post(cx, node, id::RAZWI)?;
            let engines = &[accel::GAUDI_ENGINE_ID_TPC_1];
            Ok(Razwi { engines, flags: accel::HL_RAZWI_WRITE, address: 0 })
        }
        Asic::Gaudi2 => {
            use gaudi2_razwi::{ADDRESS, DECODER1, HIGH, LOW, SET, WHO};
            let (low, high) = (ADDRESS as u32, (ADDRESS >> 32) as u32);
            for (register, value) in [(WHO, DECODER1), (HIGH, high), (LOW, low), (SET, 1)] {
                poke(cx, register, value)?;
            }
            post(cx, node, id::GAUDI2_RAZWI)?;
            Ok(Razwi {
                engines: &[accel::GAUDI2_DCORE0_ENGINE_ID_DEC_1, accel::GAUDI2_ENGINE_ID_SIZE],
                flags: accel::HL_RAZWI_WRITE | accel::HL_RAZWI_HBW,
                address: ADDRESS,
            })
        }
    }
}

fn razwi(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let before = now()?;
    let expected = post_razwi(cx, &node)?;
    let mark = i64::from_le_bytes([FILLINGS[0]; 8]);
    let event: hl_info_razwi_event = appears("a captured RAZWI", || {
        let answer: hl_info_razwi_event = ask(&node)?;
        Ok((answer.timestamp != mark).then_some(answer))
    })?;
    let bracket = before..=now()?;
    check(bracket.contains(&event.timestamp), &format!("{} is in {bracket:?}", event.timestamp))?;
    let count = usize::from(event.num_of_possible_engines);
    equal("num_of_possible_engines", count, expected.engines.len())?;
    for (id, engine) in event.engine_id.into_iter().zip(expected.engines) {
        equal("engine_id", u32::from(id), *engine)?;
    }
    equal("flags", u32::from(event.flags), expected.flags)?;
    equal("addr", event.addr, expected.address)?;
    let bytes = size_of::<hl_info_razwi_event>();
    let op = accel::HL_INFO_RAZWI_EVENT;
    let buffer = Buffer::new(4096)?;
    let early = Request::new(op, buffer.before_end(bytes - 1), bytes as u32);
    errno("RAZWI_EVENT", early.sent(&node), Errno::EFAULT)?;
    let buffer = Buffer::new(4096)?;
    let short = Request::new(op, buffer.before_end(bytes), 16);
    succeed("RAZWI_EVENT", short.sent(&node))?;
    let rest = buffer.read(short.pointer + 16, bytes - 16);
    check(rest.iter().all(|b| *b == FILLINGS[0]), "no more than return_size is written")?;
    let buffer = Buffer::new(4096)?;
    let large = Request::new(op, buffer.before_end(2 * bytes), 2 * bytes as u32);
    succeed("RAZWI_EVENT", large.sent(&node))?;
    let content = buffer.read(large.pointer, 2 * bytes);
    let written = content.iter().rposition(|b| *b != FILLINGS[0]).map_or(0, |last| last + 1);
    equal("bytes written", written, bytes)?;
    // A program of 6.1 finds time and address where they were, and nothing else.
    let old = offset_of!(uapi::misc::hl_info_razwi_event, error_type);
    let new = offset_of!(hl_info_razwi_event, flags);
    check(old != new && content[old] == 0, "the kind of access is not where 6.1 had it")?;
    equal("flags", u32::from(content[new]), expected.flags)
}

/// An event after which the device is reset: what was captured outlives the reset.
fn critical(cx: &Context, event: u16, op: u32, expected: [u16; 2]) -> CaseResult {
    // An open clears what earlier sessions captured.
    drop(Node::compute(cx)?);
    let node = Node::control(cx)?;
    let resets = reset::resets(&node)?;
    let before = now()?;
    raise(cx, &node, event)?;
    let mut buffer = Buffer::new(4096)?;
    let pointer = buffer.before_end(16);
    let captured = appears("a captured error", || {
        buffer.fill(FILLINGS[0]);
        succeed("INFO", Request::new(op, pointer, 16).sent(&node))?;
        let content = buffer.read(pointer, 16);
        Ok((content != [FILLINGS[0]; 16]).then_some(content))
    })?;
    let bracket = before..=now()?;
    // The reset that follows is over before the case goes on.
    reset::begun(&node, resets)?;
    reset::done(&node)?;
    let word = |at: usize| u16::from_le_bytes([captured[at], captured[at + 1]]);
    let time = captured[..8].iter().rev().fold(0i64, |sum, byte| sum << 8 | i64::from(*byte));
    check(bracket.contains(&time), &format!("timestamp {time} is in {bracket:?}"))?;
    equal("the words behind the timestamp", [word(8), word(10)], expected)?;
    whole_or_nothing(&node, op)
}

/// A captured structure of 16 bytes is given as a whole or not at all.
pub fn whole_or_nothing(node: &Node, op: u32) -> CaseResult {
    let untouched = Buffer::new(4096)?;
    for size in [0, 1, 15] {
        let request = Request::new(op, untouched.before_end(16), size);
        errno("INFO", request.sent(node), Errno::ENOMEM).map_err(|stop| stop.request(&request))?;
    }
    let content = untouched.read(untouched.start(), 4096);
    check(content.iter().all(|b| *b == FILLINGS[0]), "a refused call leaves the buffer alone")?;
    let early = Request::new(op, untouched.before_end(15), 16);
    errno("INFO", early.sent(node), Errno::EFAULT)?;
    let buffer = Buffer::new(4096)?;
    succeed("INFO", Request::new(op, buffer.before_end(32), 32).sent(node))?;
    let rest = buffer.read(buffer.before_end(16), 16);
    check(rest.iter().all(|b| *b == FILLINGS[0]), "nothing is written behind the structure")
}
