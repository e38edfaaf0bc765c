// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Rounds of calls that succeed, given back one by one or by the close.

use crate::common::leak::{Next, level_stays};
use crate::common::submit::{Card, PATIENCE};
use crate::common::typed::{generation, need};
use crate::common::wait;
use case::{Case, CaseResult, Context, equal, succeed};
use device::{CsRequest, MemoryRequest, Node, Pages};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("leak/used/what_is_given_back_is_free", GIVEN, given_back).budget(120),
        Case::new("leak/used/a_close_gives_everything_back", CLOSED, closed).budget(120),
    ]
}

const GIVEN: &[&str] = &["MEM-UNMAP-008", "CB-DESTROY-001"];
const CLOSED: &[&str] = &["OPEN-017", "MEM-MAPH-021", "MEM-TS-005"];

/// Sizes of mappings: pages, and huge ones where the memory is.
const SIZES: [usize; 4] = [4096, 5 * 4096, 2 << 20, (2 << 20) + 4096];
/// Sizes of buffers: of the pool of the kernel, and beyond.
const BUFFERS: [u32; 4] = [4096, 8192, 65_536, 1 << 20];

fn given_back(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let memory = need("memory", Pages::aligned(4 << 20, 2 << 20))?;
    memory.fill(1);
    let before = Next::of(cx, &card.node)?;
    level_stays(cx, 200, || {
        let mut guards = Vec::new();
        for (n, size) in SIZES.into_iter().enumerate() {
            let host = memory.pointer(n * 4096);
            let request = MemoryRequest::map_host(host, size as u64, 0);
            guards.push(succeed("MAP", card.node.map_request(&request))?);
        }
        for size in BUFFERS {
            let buffer = succeed("CREATE", card.node.create_cb(size, 0))?;
            need("write", buffer.write(&[1; 8]))?;
            succeed("DESTROY", buffer.destroy())?;
        }
        guards.into_iter().rev().try_for_each(|guard| succeed("UNMAP", guard.unmap()))
    })?;
    equal("what the next get", Next::of(cx, &card.node)?, before)
}

/// Opens when the last user is gone.
fn opened(cx: &Context) -> CaseResult<Node> {
    let node = wait::until(PATIENCE, || Ok(Node::open(&cx.at.compute).ok()))?;
    node.map_or_else(|| case::fail("the device stays in use after a close"), Ok)
}

fn closed(cx: &Context) -> CaseResult {
    let memory = need("memory", Pages::aligned(4 << 20, 2 << 20))?;
    memory.fill(1);
    let first = Next::of(cx, &opened(cx)?)?;
    level_stays(cx, 60, || {
        let card = Card { cx, node: opened(cx)?, chip: generation(cx) };
        let node = &card.node;
        for (n, size) in SIZES.into_iter().enumerate() {
            let host = memory.pointer(n * 4096);
            succeed("MAP", node.memory(&MemoryRequest::map_host(host, size as u64, 0)))?;
        }
        for size in BUFFERS {
            let buffer = std::mem::ManuallyDrop::new(succeed("CREATE", node.create_cb(size, 0))?);
            need("write", buffer.write(&[1; 8]))?;
        }
        succeed("TS_ALLOC", node.timestamps(1000))?;
        // A context keeps a record of its last submissions (context.c: cs_pending) until here.
        for stream in (0..4).cycle().take(20) {
            let signal = CsRequest::signal(card.upload(stream));
            let sequence = succeed("CS", node.submit(&signal))?;
            succeed("WAIT_CS", node.wait_cs(sequence, PATIENCE.as_micros() as u64))?;
        }
        succeed("close", card.node.close())
    })?;
    equal("what the next get", Next::of(cx, &opened(cx)?)?, first)
}
