// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! ENGINE_STATUS: what the engines do, as text (`habanalabs_ioctl.c: engine_status_info`).

use super::call::Request;
use crate::common::buffer::{Buffer, FILLINGS, KERNEL_ADDRESS};
use crate::common::files;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use nix::errno::Errno;
use uapi::accel::{self, HL_INFO_ENGINE_STATUS};

/// Smallest buffer that the driver takes (`habanalabs_ioctl.c: engine_status_info`).
const SMALLEST: u32 = 1024;

/// Largest buffer: HL_ENGINES_DATA_MAX_SIZE.
pub(super) const LARGEST: u32 = accel::HL_ENGINES_DATA_MAX_SIZE;

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new("info/engine_status/says_what_debugfs_says", &["INFO-ENGINE_STATUS-007"], text),
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

/// The text and its length.
pub(super) fn status(node: &Node, size: u32) -> CaseResult<(Vec<u8>, u32)> {
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
