// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The trace router: one unit that writes its trace to memory (gaudi_coresight.c: gaudi_config_etr,
//! gaudi_etr_validate_address; gaudi2_coresight.c: the same).

use super::{FAILED, never_ready, poke, register, still_works};
use crate::common::typed::{compute, need};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use control::{Asic, Asics};
use device::{DebugRequest, Errno, Node, Pages};
use uapi::accel::*;

/// A buffer: address and size.
pub(super) type Place = (u64, u64);

/// The trace router of a chip, and the memory that it may write to.
pub(super) struct Router {
    /// Its registers, from `CFG_BASE`.
    base: u64,
    /// The register that holds the top bits of its buffer (`psoc_global_conf_regs.h`), and those
    /// that the driver looks at.
    top_bits: (u64, u32),
    /// In device memory.
    pub(super) dram: Place,
    /// In SRAM: its last bytes.
    sram: Place,
    /// Among host addresses.
    host: Place,
    /// Among host addresses of huge pages, where those have a range of their own.
    huge: Option<Place>,
}

/// Registers (`psoc_etr_regs.h`).
const SIZE: u64 = 0x4;
const STATUS: u64 = 0xc;
const POINTER_LOW: u64 = 0x18;
const CONTROL: u64 = 0x20;
const MODE: u64 = 0x28;
const POINTER_HIGH: u64 = 0x3c;
const BUFFER_LOW: u64 = 0x118;
const BUFFER_HIGH: u64 = 0x11c;

impl Router {
    /// Its control register.
    pub(super) fn control(&self) -> u64 {
        self.base + CONTROL
    }

    /// Its mode register.
    pub(super) fn mode(&self) -> u64 {
        self.base + MODE
    }
}

const BYTES: u64 = 0x1_0000;

/// Device memory is physical.
const GAUDI: Router = Router {
    base: 0x2c4_3000,
    top_bits: (0xc4_b320, 0x3ff),
    dram: (hw::memory::GAUDI.dram_user_offset, BYTES),
    sram: (hw::memory::GAUDI.sram_base + hw::memory::GAUDI.sram_size - BYTES, BYTES),
    host: (hw::memory::GAUDI.host_va.0, BYTES),
    huge: None,
};

/// Device memory is virtual: its addresses begin behind the 96 GiB that there are
/// (`gaudi2.c: gaudi2_set_dram_properties`).
const GAUDI2: Router = Router {
    base: 0x6c4_4000,
    top_bits: (0x4c4_b320, 0xff_ffff),
    dram: (hw::memory::GAUDI2.dram_base + (96 << 30), BYTES),
    sram: (hw::memory::GAUDI2.sram_base + hw::memory::GAUDI2.sram_size - BYTES, BYTES),
    host: (hw::memory::GAUDI2.host_va.0, BYTES),
    huge: Some((hw::memory::GAUDI2.host_va.1, BYTES)),
};

/// The router of a chip.
pub(super) fn router(asic: Asic) -> &'static Router {
    match asic {
        Asic::Gaudi => &GAUDI,
        Asic::Gaudi2 => &GAUDI2,
    }
}

/// What the driver says to a place that it refuses.
const REFUSED: &[&str] = &[FAILED, "ETR buffer"];

/// Places that are refused for a reason, on each chip.
type Wrong = fn(Asic) -> Vec<Place>;

pub(super) fn cases() -> Vec<Case> {
    let rejects = |rule: &str, row: &'static [&'static str], places: Wrong| {
        Case::new(format!("debug/etr/{rule}"), row, move |cx| refused(cx, &places(cx.asic())))
            .logs(REFUSED)
    };
    vec![
        Case::new("debug/etr/rejects_enable_without_input", &["DEBUG-025"], no_input)
            .logs(&[FAILED]),
        rejects("rejects_an_empty_buffer", &["DEBUG-030"], |asic| {
            vec![(router(asic).dram.0, 0), (0, 0), (router(asic).host.0, 0)]
        }),
        rejects("rejects_a_buffer_that_wraps", &["DEBUG-031"], |asic| {
            let Router { dram, host, .. } = router(asic);
            vec![(dram.0, u64::MAX), (host.0, u64::MAX - 4096), (1, u64::MAX)]
        }),
        rejects("rejects_addresses_above_50_bits", &["DEBUG-032"], |_| {
            vec![(1 << 50, 4096), (1 << 63, 4096), (u64::MAX, 1), (u64::MAX - 4095, 4096)]
        })
        .on(Asics::GAUDI),
        rejects("rejects_memory_that_is_not_the_users", &["DEBUG-033"], not_the_users),
        Case::new("debug/etr/takes_memory_of_the_user", &["DEBUG-033"], places).model(),
        Case::new("debug/etr/enable_when_enabled_changes_nothing", &["DEBUG-034"], again).model(),
        Case::new("debug/etr/disable_gives_the_write_pointer", &["DEBUG-035"], pointer).model(),
        Case::new("debug/etr/gives_up_on_a_memory_that_is_never_ready", &["DEBUG-036"], stuck)
            .model()
            .logs(&[FAILED, "Timeout while waiting for coresight", "ETR on timeout"]),
    ]
}

fn not_the_users(asic: Asic) -> Vec<Place> {
    let Router { dram, host, .. } = router(asic);
    let mut places = vec![(0, 4096), (dram.0 - 1, 4096), (dram.0 - 4096, 4096)];
    match asic {
        Asic::Gaudi => {
            let map = hw::memory::GAUDI;
            places.extend([
                (map.cfg_base, 4096),
                (host.0 - 4096, 4096),
                (map.host_va.1, 4096),
                (dram.0, host.0),
            ]);
        }
        Asic::Gaudi2 => {
            let map = hw::memory::GAUDI2;
            places.extend([
                (map.cfg_base, 4096),
                (host.0 - 4096, 4096),
                // Physical addresses of device memory, and the gap between two ranges.
                (map.dram_base + map.dram_user_offset, 4096),
                (map.host_va.1 - 4096, 8192),
                (map.sram_base + map.sram_size, 4096),
            ]);
        }
    }
    places
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
    let Router { base, top_bits, dram, sram, host, huge } = router(cx.asic());
    for (address, size) in [*dram, *sram, *host, (dram.0 + 1, 1)].into_iter().chain(*huge) {
        on(&node, (address, size))?;
        let registers = [
            ("control", base + CONTROL, 1),
            ("size", base + SIZE, size as u32),
            ("mode", base + MODE, 3),
            ("low half of the address", base + BUFFER_LOW, address as u32),
            ("high half of the address", base + BUFFER_HIGH, (address >> 32) as u32),
            ("its top bits", top_bits.0, (address >> 40) as u32 & top_bits.1),
        ];
        for (name, offset, wanted) in registers {
            equal(&format!("{name} for {address:#x}"), register(cx, offset)?, wanted)?;
        }
        succeed("ETR off", disable(&node))?;
        equal("control afterwards", register(cx, base + CONTROL)?, 0)?;
        equal("address afterwards", register(cx, base + BUFFER_LOW)?, 0)?;
    }
    drop(mode);
    still_works(&node)
}

fn again(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let mode = succeed("SET_MODE on", node.debugging())?;
    let router = router(cx.asic());
    on(&node, router.dram)?;
    on(&node, router.sram)?;
    equal("buffer", register(cx, router.base + BUFFER_LOW)?, router.dram.0 as u32)?;
    // Not even the input is looked at.
    succeed("ETR on without input", node.debug(&DebugRequest::new(HL_DEBUG_OP_ETR, 0, true)))?;
    equal("control", register(cx, router.control())?, 1)?;
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
    let router = router(cx.asic());
    let place = u64::from(0xffff_fd55 & router.top_bits.1) << 40 | 0xab_89ab_cdef;
    for (size, wanted) in [(8, place), (16, place), (7, 0), (4, 0)] {
        on(&node, router.dram)?;
        poke(cx, router.base + POINTER_LOW, 0x89ab_cdef)?;
        poke(cx, router.base + POINTER_HIGH, 0xffff_ffab)?;
        poke(cx, router.top_bits.0, 0xffff_fd55)?;
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
    let router = router(cx.asic());
    let status = router.base + STATUS;
    poke(cx, status, 0)?;
    errno("ETR on", enable(&node, router.dram), never_ready(cx.asic()))?;
    equal("control", register(cx, router.control())?, 0)?;
    poke(cx, status, 4)?;
    on(&node, router.dram)?;
    poke(cx, status, 0)?;
    errno("ETR off", disable(&node), never_ready(cx.asic()))?;
    equal("control", register(cx, router.control())?, 1)?;
    poke(cx, status, 4)?;
    succeed("ETR off when it is ready", disable(&node))?;
    drop(mode);
    still_works(&node)
}
