// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! HW_IDLE and ENGINE_STATUS: what the engines do (`gaudi.c: gaudi_is_device_idle`).

use super::call::{Request, ask};
use crate::common::buffer::{Buffer, FILLINGS, KERNEL_ADDRESS};
use crate::common::files;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::{Answer, Asics, Request as Ask};
use nix::errno::Errno;
use uapi::accel::{self, HL_INFO_ENGINE_STATUS, hl_info_hw_idle};

/// Smallest buffer that the driver takes (`habanalabs_ioctl.c: engine_status_info`).
const SMALLEST: u32 = 1024;

/// Largest buffer: HL_ENGINES_DATA_MAX_SIZE.
const LARGEST: u32 = accel::HL_ENGINES_DATA_MAX_SIZE;

/// A kind of engine of Gaudi: its status register at CFG base and stride, engine id of the first,
/// how many, and a status that says "busy".
struct Engines {
    name: &'static str,
    register: u64,
    stride: u64,
    first_id: u32,
    count: u32,
    busy: fn(u32) -> u32,
}

/// Sources: `gaudi_regs.h` (mmTPC0_CFG_STATUS, mmMME0_CTRL_ARCH_STATUS, mmDMA0_CORE_STS0),
/// `gaudi_masks.h` (TPC_IDLE_MASK, MME_ARCH_IDLE_MASK, IS_DMA_IDLE), `habanalabs_accel.h`
/// (`enum gaudi_engine_id`).
const GAUDI: &[Engines] = &[
    Engines {
        name: "TPC",
        register: 0xe0_691c,
        stride: 0x4_0000,
        first_id: accel::GAUDI_ENGINE_ID_TPC_0,
        count: 8,
        // No pipe is empty.
        busy: |_| 0,
    },
    Engines {
        name: "MME",
        register: 0x6_0000,
        stride: 0x8_0000,
        first_id: accel::GAUDI_ENGINE_ID_MME_0,
        count: 4,
        busy: |_| 0,
    },
    Engines {
        name: "DMA",
        register: 0x50_0190,
        stride: 0x2_0000,
        first_id: accel::GAUDI_ENGINE_ID_DMA_0,
        count: 8,
        // DMA0_CORE_STS0.BUSY.
        busy: |idle| idle | 1 << 31,
    },
];

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new("info/hw_idle/is_idle_without_work", &["INFO-HW_IDLE-006"], idle),
        Case::new("info/hw_idle/names_each_busy_engine", &["INFO-HW_IDLE-007"], busy)
            .model()
            .on(Asics::GAUDI),
        Case::new("info/engine_status/says_what_debugfs_says", &["INFO-ENGINE_STATUS-007"], text),
        Case::new(
            "info/engine_status/names_every_kind_of_engine",
            &["INFO-ENGINE_STATUS-001"],
            kinds,
        )
        .on(Asics::GAUDI),
        Case::new(
            "info/engine_status/takes_buffers_from_1_kib_to_1_mib",
            &["INFO-ENGINE_STATUS-001"],
            sizes,
        ),
        Case::new("info/engine_status/rejects_null_pointer", &["INFO-ENGINE_STATUS-002"], |cx| {
            let node = Node::control(cx)?;
            for size in [SMALLEST, LARGEST] {
                let request = Request::new(HL_INFO_ENGINE_STATUS, 0, size);
                errno("ENGINE_STATUS", request.sent(&node), Errno::EINVAL)?;
            }
            Ok(())
        }),
        Case::new(
            "info/engine_status/reports_memory_it_cannot_write",
            &["INFO-ENGINE_STATUS-003"],
            unmapped,
        ),
        Case::new(
            "info/engine_status/rejects_buffers_below_1_kib",
            &["INFO-ENGINE_STATUS-004"],
            |cx| rejects(cx, &[0, 1, SMALLEST - 1]),
        ),
        Case::new(
            "info/engine_status/rejects_buffers_above_1_mib",
            &["INFO-ENGINE_STATUS-005"],
            |cx| rejects(cx, &[LARGEST + 1, 2 * LARGEST, 0x8000_0000, u32::MAX]),
        ),
        Case::new(
            "info/engine_status/gives_enomem_when_the_text_does_not_fit",
            &["INFO-ENGINE_STATUS-006"],
            tight,
        )
        .logs(&["Engines data size"]),
    ];
    cases.into_iter().map(Case::control_only).collect()
}

fn masks(node: &Node) -> CaseResult<(u32, u32, [u64; 4])> {
    let answer: hl_info_hw_idle = ask(node)?;
    Ok((answer.is_idle, answer.busy_engines_mask, answer.busy_engines_mask_ext))
}

fn idle(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    equal("is_idle, mask, extended mask", masks(&node)?, (1, 0, [0; 4]))
}

/// Each engine in turn looks busy to the driver; its status is put back afterwards.
fn busy(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    for engines in GAUDI {
        for index in 0..engines.count {
            let offset = engines.register + engines.stride * u64::from(index);
            let before = peek(cx, offset)?;
            let value = (engines.busy)(before);
            cx.model()?.order(Ask::Poke { offset, value })?;
            let seen = masks(&node);
            cx.model()?.order(Ask::Poke { offset, value: before })?;
            let bit = 1u64 << (engines.first_id + index);
            let what = format!("is_idle, masks while {}{index} is busy", engines.name);
            equal(&what, seen?, (0, bit as u32, [bit, 0, 0, 0]))?;
            equal("is_idle, masks afterwards", masks(&node)?, (1, 0, [0; 4]))?;
        }
    }
    Ok(())
}

fn peek(cx: &Context, offset: u64) -> CaseResult<u32> {
    match cx.model()?.ask(Ask::Peek { offset })? {
        Answer::Value(value) => Ok(value as u32),
        other => Err(case::Stop::Broken(format!("the model answers a peek with {other:?}"))),
    }
}

/// The text and its length.
fn status(node: &Node, size: u32) -> CaseResult<(Vec<u8>, u32)> {
    let buffer = Buffer::new(size as usize)?;
    let pointer = buffer.before_end(size as usize);
    let mut request = Request::new(HL_INFO_ENGINE_STATUS, pointer, size);
    let sent = request;
    succeed("ENGINE_STATUS", request.send(node)).map_err(|stop| stop.request(&sent))?;
    let length = request.extra;
    check(length > 0 && length <= size, &format!("user_buffer_actual_size {length} is in range"))?;
    let rest = buffer.read(pointer + u64::from(length), (size - length) as usize);
    let untouched = rest.iter().all(|byte| *byte == FILLINGS[0]);
    check(untouched, "nothing is written behind the text")?;
    Ok((buffer.read(pointer, length as usize), length))
}

fn text(cx: &Context) -> CaseResult {
    let path = files::debugfs(cx, "engines")?;
    let node = Node::control(cx)?;
    let (text, _) = status(&node, LARGEST)?;
    let shown = std::fs::read(&path)
        .map_err(|why| case::Stop::Broken(format!("cannot read {}: {why}", path.display())))?;
    equal("the text", String::from_utf8_lossy(&text), String::from_utf8_lossy(&shown))
}

fn kinds(cx: &Context) -> CaseResult {
    let (text, _) = status(&Node::control(cx)?, LARGEST)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    for kind in ["DMA  is_idle", "TPC  is_idle", "MME  is_idle"] {
        check(text.contains(kind), &format!("the text has a table {kind:?}"))?;
    }
    // Eight DMAs, eight TPCs, four MMEs, all idle.
    let idle = text.split(['\n', '\0']).filter(|line| {
        line.starts_with(|c: char| c.is_ascii_digit())
            && line.split_whitespace().nth(1) == Some("Y")
    });
    equal("engines that are idle", idle.count(), 20)
}

fn sizes(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let (whole, length) = status(&node, LARGEST)?;
    let exact = length.max(SMALLEST);
    for size in [exact + 1, exact + 4096, LARGEST - 1] {
        equal(&format!("the text in {size} bytes"), status(&node, size)?, (whole.clone(), length))?;
    }
    Ok(())
}

fn unmapped(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let buffer = Buffer::new(1)?;
    for pointer in [buffer.forbidden(), buffer.before_end(64), KERNEL_ADDRESS, 1] {
        let request = Request::new(HL_INFO_ENGINE_STATUS, pointer, LARGEST);
        errno("ENGINE_STATUS", request.sent(&node), Errno::EFAULT)
            .map_err(|stop| stop.request(&request))?;
    }
    status(&node, LARGEST).map(drop)
}

fn rejects(cx: &Context, wrong: &[u32]) -> CaseResult {
    let node = Node::control(cx)?;
    let buffer = Buffer::new(2 * LARGEST as usize)?;
    for size in wrong {
        let mut request = Request::new(HL_INFO_ENGINE_STATUS, buffer.start(), *size);
        errno("ENGINE_STATUS", request.send(&node), Errno::EINVAL)
            .map_err(|stop| stop.request(&request))?;
        equal("user_buffer_actual_size", request.extra, 0)?;
    }
    let untouched = buffer.read(buffer.start(), buffer.bytes()).iter().all(|b| *b == FILLINGS[0]);
    check(untouched, "a refused call leaves the buffer alone")
}

/// One byte less than the text needs; where the text is shorter than the smallest buffer there is
/// no such size.
fn tight(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let (_, length) = status(&node, LARGEST)?;
    case::require(length > SMALLEST, "a status text of more than 1 KiB")?;
    let buffer = Buffer::new(length as usize)?;
    for size in [length - 1, SMALLEST] {
        let mut request = Request::new(HL_INFO_ENGINE_STATUS, buffer.start(), size);
        errno("ENGINE_STATUS", request.send(&node), Errno::ENOMEM)
            .map_err(|stop| stop.request(&request))?;
    }
    let untouched = buffer.read(buffer.start(), buffer.bytes()).iter().all(|b| *b == FILLINGS[0]);
    check(untouched, "a refused call leaves the buffer alone")
}
