// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Laws of the arguments: for any words, the call succeeds or is refused exactly as they say, a
//! refusal gives nothing out, and nothing is left behind.

use super::{ROWS, holds};
use crate::common::submit::Listings;
use crate::common::typed::compute;
use case::{Case, CaseResult, Context, equal, errno, succeed};
use control::Asics;
use device::{CbRequest, CsRequest, Errno, MemoryRequest, Node, WaitRequest};
use proptest::prelude::*;
use std::fmt;
use uapi::accel::*;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("sequence/arguments/of_cb_obey_their_law", ROWS, cb),
        Case::new("sequence/arguments/of_memory_obey_their_law", ROWS, memory).on(Asics::GAUDI),
        Case::new("sequence/arguments/of_wait_obey_their_law", ROWS, wait),
    ]
}

/// Values of each.
const VALUES: u32 = 400;

/// Words near the limits, and any.
fn word() -> impl Strategy<Value = u64> {
    let edges =
        vec![0, 1, 2, 4095, 4096, 4097, 1 << 31, 1 << 32, 1 << 63, u64::MAX - 4095, u64::MAX];
    prop_oneof![3 => prop::sample::select(edges), 1 => any::<u64>(), 1 => 0..65_536u64]
}

/// Numbers of operations: those that exist, their neighbours, and any.
fn operation(count: u32) -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0..count + 2, 1 => any::<u32>()]
}

/// A request with the text that a failure prints.
#[derive(Clone, Debug)]
struct Printed<T>(T);

impl<T: fmt::Debug> fmt::Display for Printed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

fn cb(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let before = Listings::read(cx)?;
    let values = (operation(3), word(), word(), any::<u32>());
    let values = values.prop_map(|(op, handle, size, flags)| {
        // With bit 0 the buffer is mapped to the device, with bit 1 its address is asked for.
        Printed(CbRequest { op, handle, size: size as u32, ctx_id: 7, flags: flags & !3 })
    });
    holds(cx, &values, VALUES, |Printed(request)| {
        let (result, words) = node.cb_words(request);
        let creates = request.op == HL_CB_OP_CREATE && request.size <= HL_MAX_CB_SIZE;
        if creates {
            succeed("CREATE", result)?;
            return succeed("DESTROY", node.destroy_cb(words[0]));
        }
        errno("CB", result, Errno::EINVAL)
    })?;
    before.are_back(cx)
}

/// What MEMORY must say on a chip whose device memory has no MMU.
fn law(op: u32, words: [u64; 3]) -> Result<(), Errno> {
    match op {
        HL_MEM_OP_ALLOC if words[0] != 0 => Ok(()),
        HL_MEM_OP_FREE => Ok(()),
        HL_MEM_OP_MAP_BLOCK => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

fn memory(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let used = |node: &Node| succeed("INFO DRAM_USAGE", node.dram_usage()).map(|u| u.ctx_dram_mem);
    let before = Listings::read(cx)?;
    let ops = prop::sample::select(vec![
        HL_MEM_OP_ALLOC,
        HL_MEM_OP_MAP,
        HL_MEM_OP_UNMAP,
        HL_MEM_OP_MAP_BLOCK,
        HL_MEM_OP_TS_ALLOC + 1,
        u32::MAX,
    ]);
    let values = (ops, word(), word(), any::<u32>()).prop_map(|(op, first, second, flags)| {
        // An account of more than there is wraps: that is the law of another case.
        let first = if op == HL_MEM_OP_ALLOC { first >> 24 } else { first };
        let flags = flags & !(HL_MEM_USERPTR | HL_MEM_FORCE_HINT);
        Printed((MemoryRequest::alloc(first, second).op(op).flags(flags), op, [first, second, 0]))
    });
    holds(cx, &values, VALUES, |Printed((request, op, words))| {
        let account = used(&node)?;
        let (result, answer) = node.memory_words(request);
        match law(*op, *words) {
            Ok(()) => {
                succeed("MEMORY", result)?;
                succeed("FREE", node.free(words[0]))?;
            }
            Err(why) => {
                errno("MEMORY", result, why)?;
                if *op == HL_MEM_OP_MAP || *op == HL_MEM_OP_MAP_BLOCK {
                    equal("first word of a refused call", answer[0], 0)?;
                }
            }
        }
        equal("account of device memory", used(&node)?, account)
    })?;
    before.are_back(cx)
}

fn wait(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let sequence = succeed("CS", node.submit(&CsRequest::signal(0)))?;
    equal("status", node.wait_cs(sequence, 20_000_000), Ok(HL_WAIT_CS_STATUS_COMPLETED))?;
    let values = (word(), word()).prop_map(|(subject, limit)| Printed((subject, limit)));
    holds(cx, &values, VALUES, |Printed((subject, limit))| {
        let answer = node.wait(&WaitRequest::cs(*subject, *limit));
        match *subject {
            // Nobody submitted number 0, but it is before all others.
            0 => {
                equal("status of number 0", answer.status(), Ok(HL_WAIT_CS_STATUS_COMPLETED))?;
                equal("flags", answer.flags, HL_WAIT_CS_STATUS_FLAG_GONE)
            }
            now if now == sequence => {
                equal("status", answer.status(), Ok(HL_WAIT_CS_STATUS_COMPLETED))
            }
            _ => errno("WAIT_CS for a submission to come", answer.result, Errno::EINVAL),
        }
    })
}
