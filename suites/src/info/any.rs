// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Rules about INFO that no single opcode owns (`habanalabs_ioctl.c: _hl_info_ioctl`).

use super::call::Request;
use super::table::{Answers, OPCODES, Opcode, Shape};
use crate::common::buffer::{Buffer, FILLINGS};
use crate::common::files::Disabled;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use nix::errno::Errno;

/// Numbers that no opcode has: holes, the first free one, and limits of narrower types.
const UNKNOWN: &[u32] = &[5, 19, 20, 39, 41, 42, 63, 64, 255, 256, 65_536, 0x7fff_ffff, u32::MAX];

/// Padding values: one bit at each end, and all of them.
const PADS: &[u32] = &[1, 0x8000_0000, u32::MAX];

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("info/any_opcode/rejects_nonzero_pad", &["INFO-GEN-001"], |cx| {
            rejects_pad(&Node::control(cx)?, OPCODES)
        })
        .control_only(),
        Case::new(
            "info/any_opcode/rejects_nonzero_pad_on_the_compute_node",
            &["INFO-GEN-001"],
            |cx| rejects_pad(&Node::compute(cx)?, OPCODES),
        ),
        Case::new(
            "info/any_opcode/ignores_union_members_it_does_not_use",
            &["INFO-GEN-004"],
            unused,
        )
        .control_only(),
        Case::new("info/unknown_opcode/is_rejected", &["INFO-GEN-002"], |cx| {
            unknown(&Node::control(cx)?, Errno::EINVAL)
        })
        .control_only()
        .logs(&["Invalid request"]),
        Case::new("info/unknown_opcode/is_rejected_on_the_compute_node", &["INFO-GEN-002"], |cx| {
            unknown(&Node::compute(cx)?, Errno::EINVAL)
        })
        .logs(&["Invalid request"]),
        Case::new(
            "info/unknown_opcode/gives_ebusy_on_a_disabled_device",
            &["INFO-GEN-003"],
            |cx| {
                let node = Node::control(cx)?;
                let _off = Disabled::new(cx)?;
                unknown(&node, Errno::EBUSY)
            },
        )
        .control_only(),
    ]
}

/// A valid call but for its padding fails and writes nothing, for each opcode.
fn rejects_pad(node: &Node, opcodes: &[Opcode]) -> CaseResult {
    for opcode in opcodes {
        let bytes = opcode.bytes(node)?;
        let buffer = Buffer::new(bytes)?;
        for pad in PADS {
            let request = Request::new(opcode.op, buffer.start(), bytes as u32).pad(*pad);
            // The control node refuses three opcodes before it looks at the padding.
            if request.pad(0).sent(node) == Err(Errno::EOPNOTSUPP) {
                continue;
            }
            buffer_is_left(&buffer, || {
                errno(opcode.word, request.sent(node), Errno::EINVAL)
                    .map_err(|stop| stop.request(&request))
            })?;
        }
    }
    Ok(())
}

#[track_caller]
fn buffer_is_left(buffer: &Buffer, call: impl FnOnce() -> CaseResult) -> CaseResult {
    let before = buffer.read(buffer.start(), buffer.bytes());
    call()?;
    let after = buffer.read(buffer.start(), buffer.bytes());
    check(before == after, "a refused call leaves the buffer alone")
}

/// Opcodes that use the union: a wrong value there is their own business.
const USE_THE_UNION: &[&str] = &[
    "sync_manager",
    "pll_frequency",
    "secured_attestation",
    "dev_signed",
    "fw_generic_req",
    "engine_status",
    "user_mappings",
];

fn unused(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let ignoring = OPCODES
        .iter()
        .filter(|opcode| opcode.shape != Shape::Own && !USE_THE_UNION.contains(&opcode.word));
    for opcode in ignoring {
        let bytes = opcode.bytes(&node)?;
        let buffer = Buffer::new(bytes)?;
        for extra in [1, 0x8000_0000, u32::MAX] {
            let mut request = Request::new(opcode.op, buffer.start(), bytes as u32).extra(extra);
            succeed(opcode.word, request.send(&node)).map_err(|stop| stop.request(&request))?;
            equal("the union after the call", request.extra, extra)?;
        }
    }
    Ok(())
}

fn unknown(node: &Node, expected: Errno) -> CaseResult {
    let mut buffer = Buffer::new(4096)?;
    for op in UNKNOWN {
        debug_assert!(OPCODES.iter().all(|opcode| opcode.op != *op));
        buffer.fill(FILLINGS[0]);
        let request = Request::new(*op, buffer.start(), 4096);
        buffer_is_left(&buffer, || {
            errno("INFO", request.sent(node), expected).map_err(|stop| stop.request(&request))
        })?;
        // A call without a buffer fails the same way: the opcode is judged first.
        errno("INFO", Request::new(*op, 0, 0).sent(node), expected)
            .map_err(|stop| stop.request(&request))?;
    }
    let known = OPCODES.iter().find(|opcode| opcode.answers == Answers::Always);
    let op = known.map_or(0, |opcode| opcode.op);
    succeed("a known opcode afterwards", Request::new(op, buffer.start(), 4096).sent(node))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_numbers_are_unknown_and_union_users_exist() {
        assert!(UNKNOWN.iter().all(|op| OPCODES.iter().all(|opcode| opcode.op != *op)));
        for word in USE_THE_UNION {
            assert!(OPCODES.iter().any(|opcode| opcode.word == *word), "{word}");
        }
    }
}
