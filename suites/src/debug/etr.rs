// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The trace router: one unit that writes its trace to memory (gaudi_coresight.c: gaudi_config_etr,
//! gaudi_etr_validate_address).

use super::{FAILED, poke, register, still_works};
use crate::common::typed::{compute, need};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use control::Asics;
use device::{DebugRequest, Errno, Node, Pages};
use uapi::accel::*;

/// Registers of Gaudi from `CFG_BASE` (`psoc_etr_regs.h`, `psoc_global_conf_regs.h`).
pub(super) const CONTROL: u64 = 0x2c4_3020;
const SIZE: u64 = 0x2c4_3004;
const STATUS: u64 = 0x2c4_300c;
const POINTER_LOW: u64 = 0x2c4_3018;
const MODE: u64 = 0x2c4_3028;
const POINTER_HIGH: u64 = 0x2c4_303c;
const BUFFER_LOW: u64 = 0x2c4_3118;
const BUFFER_HIGH: u64 = 0x2c4_311c;
const TOP_BITS: u64 = 0xc4_b320;

/// A buffer: address and size.
pub(super) type Place = (u64, u64);

/// Where user data in device memory begins, in SRAM, and among host addresses (Gaudi).
pub(super) const DRAM: Place = (hw::memory::GAUDI.dram_user_offset, 0x1_0000);
const SRAM: Place =
    (hw::memory::GAUDI.sram_base + hw::memory::GAUDI.sram_size - 0x1_0000, 0x1_0000);
const HOST: Place = (hw::memory::GAUDI.host_va.0, 0x1_0000);

/// What the driver says to a place that it refuses.
const REFUSED: &[&str] = &[FAILED, "ETR buffer"];

pub(super) fn cases() -> Vec<Case> {
    let rejects = |rule: &str, row: &'static [&'static str], places: &'static [Place]| {
        Case::new(format!("debug/etr/{rule}"), row, |cx| refused(cx, places))
            .on(Asics::GAUDI)
            .logs(REFUSED)
    };
    let host_end = hw::memory::GAUDI.host_va.1;
    vec![
        Case::new("debug/etr/rejects_enable_without_input", &["DEBUG-025"], no_input)
            .logs(&[FAILED]),
        rejects("rejects_an_empty_buffer", &["DEBUG-030"], &[(DRAM.0, 0), (0, 0), (HOST.0, 0)]),
        rejects(
            "rejects_a_buffer_that_wraps",
            &["DEBUG-031"],
            &[(DRAM.0, u64::MAX), (HOST.0, u64::MAX - 4096), (1, u64::MAX)],
        ),
        rejects(
            "rejects_addresses_above_50_bits",
            &["DEBUG-032"],
            &[(1 << 50, 4096), (1 << 63, 4096), (u64::MAX, 1), (u64::MAX - 4095, 4096)],
        ),
        rejects(
            "rejects_memory_that_is_not_the_users",
            &["DEBUG-033"],
            vec![
                (0, 4096),
                (DRAM.0 - 1, 4096),
                (DRAM.0 - 4096, 4096),
                (hw::memory::GAUDI.cfg_base, 4096),
                (HOST.0 - 4096, 4096),
                (host_end, 4096),
                (DRAM.0, HOST.0),
            ]
            .leak(),
        ),
        Case::new("debug/etr/takes_memory_of_the_user", &["DEBUG-033"], places)
            .on(Asics::GAUDI)
            .model(),
        Case::new("debug/etr/enable_when_enabled_changes_nothing", &["DEBUG-034"], again)
            .on(Asics::GAUDI)
            .model(),
        Case::new("debug/etr/disable_gives_the_write_pointer", &["DEBUG-035"], pointer)
            .on(Asics::GAUDI)
            .model(),
        Case::new("debug/etr/gives_up_on_a_memory_that_is_never_ready", &["DEBUG-036"], stuck)
            .on(Asics::GAUDI)
            .model()
            .logs(&[FAILED, "Timeout while waiting for coresight", "ETR on timeout"]),
    ]
}

fn enable(node: &Node, (buffer_address, buffer_size): Place) -> Result<(), Errno> {
    let input =
        hl_debug_params_etr { buffer_address, buffer_size, sink_mode: 3, ..Default::default() };
    node.debug_with(&DebugRequest::new(HL_DEBUG_OP_ETR, 0, true), &input)
}

fn disable(node: &Node) -> Result<(), Errno> {
    node.debug(&DebugRequest::new(HL_DEBUG_OP_ETR, 0, false))
}

/// Switches it on.
#[track_caller]
pub(super) fn on(node: &Node, place: Place) -> CaseResult {
    succeed("ETR on", enable(node, place))
}

fn no_input(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(24))?;
    let request = DebugRequest::new(HL_DEBUG_OP_ETR, 0, true);
    let requests = [
        request,
        DebugRequest { input_size: 24, ..request },
        DebugRequest { input: pages.pointer(0).address(), ..request },
    ];
    for request in requests {
        let result = node.debug(&request);
        errno("ETR on", result, Errno::EINVAL).map_err(|stop| stop.request(&request))?;
    }
    drop(mode);
    still_works(&node)
}

fn refused(cx: &Context, places: &[Place]) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    for place in places {
        let what = format!("ETR on with {:#x} bytes at {:#x}", place.1, place.0);
        errno(&what, enable(&node, *place), Errno::EINVAL)?;
        succeed("ETR off", disable(&node))?;
    }
    drop(mode);
    still_works(&node)
}

fn places(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    for (address, size) in [DRAM, SRAM, HOST, (DRAM.0 + 1, 1)] {
        on(&node, (address, size))?;
        let registers = [
            ("control", CONTROL, 1),
            ("size", SIZE, size as u32),
            ("mode", MODE, 3),
            ("low half of the address", BUFFER_LOW, address as u32),
            ("high half of the address", BUFFER_HIGH, (address >> 32) as u32),
            ("its top bits", TOP_BITS, (address >> 40) as u32 & 0x3ff),
        ];
        for (name, offset, wanted) in registers {
            equal(&format!("{name} for {address:#x}"), register(cx, offset)?, wanted)?;
        }
        succeed("ETR off", disable(&node))?;
        equal("control afterwards", register(cx, CONTROL)?, 0)?;
        equal("address afterwards", register(cx, BUFFER_LOW)?, 0)?;
    }
    drop(mode);
    still_works(&node)
}

fn again(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    on(&node, DRAM)?;
    on(&node, SRAM)?;
    equal("buffer", register(cx, BUFFER_LOW)?, DRAM.0 as u32)?;
    // Not even the input is looked at.
    succeed("ETR on without input", node.debug(&DebugRequest::new(HL_DEBUG_OP_ETR, 0, true)))?;
    equal("control", register(cx, CONTROL)?, 1)?;
    succeed("ETR off", disable(&node))?;
    succeed("ETR off again", disable(&node))?;
    drop(mode);
    still_works(&node)
}

fn pointer(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let pages = need("memory", Pages::new(24))?;
    let request = DebugRequest::new(HL_DEBUG_OP_ETR, 0, false);
    for (size, wanted) in [(8, 0x0001_55ab_89ab_cdef), (16, 0x0001_55ab_89ab_cdef), (7, 0), (4, 0)]
    {
        on(&node, DRAM)?;
        poke(cx, POINTER_LOW, 0x89ab_cdef)?;
        poke(cx, POINTER_HIGH, 0xffff_ffab)?;
        poke(cx, TOP_BITS, 0xffff_fd55)?;
        pages.fill(0x5a);
        let request = request.output(pages.last(size as usize), size);
        succeed("ETR off", node.debug(&request)).map_err(|stop| stop.request(&request))?;
        let start = pages.length() - size as usize;
        let mut word = [0; 8];
        pages.read(start, &mut word[..8.min(size as usize)]);
        equal(&format!("write pointer in {size} bytes"), u64::from_le_bytes(word), wanted)?;
        equal("byte before the answer", pages.bytes(start - 1, 1), vec![0x5a])?;
    }
    drop(mode);
    still_works(&node)
}

fn stuck(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    poke(cx, STATUS, 0)?;
    errno("ETR on", enable(&node, DRAM), Errno::EFAULT)?;
    equal("control", register(cx, CONTROL)?, 0)?;
    poke(cx, STATUS, 4)?;
    on(&node, DRAM)?;
    poke(cx, STATUS, 0)?;
    errno("ETR off", disable(&node), Errno::EFAULT)?;
    equal("control", register(cx, CONTROL)?, 1)?;
    poke(cx, STATUS, 4)?;
    succeed("ETR off when it is ready", disable(&node))?;
    drop(mode);
    still_works(&node)
}
