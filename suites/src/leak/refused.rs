// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Rounds of calls that are refused at every stage of the driver.
//!
//! That each is refused with the right errno is checked by the areas of the calls.

use crate::common::leak::{Next, level_stays};
use crate::common::submit::Card;
use crate::common::typed::need;
use case::{Case, CaseResult, Context, check, equal, succeed};
use device::{CbRequest, Chunk, CsRequest, Errno, MemoryRequest, Pages, Pointer};
use hw::Generation;
use uapi::accel::{HL_CS_FLAGS_STAGED_SUBMISSION, HL_MEM_FORCE_HINT};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("leak/refused/mappings_leave_nothing", &["MEM-MAPH-010"], mappings)
            .logs(MEMORY)
            .budget(120),
        Case::new("leak/refused/buffers_leave_nothing", &["CB-CREATE-006"], buffers)
            .logs(&["User requested CB size", "failed, no match", "vmalloc", "exceeds"])
            .budget(120),
        Case::new("leak/refused/submissions_leave_nothing", &["CS-CHUNK-001"], submissions)
            .logs(SUBMISSION)
            .budget(120),
    ]
}

const MEMORY: &[&str] = &[
    "size to pin is invalid",
    "causes integer overflow",
    "user pointer is invalid",
    "to pin host memory",
    "failed to get user memory",
    "could not be respected",
    "cannot be respected",
    "no available va block",
    "unmap failed",
    "no match for handle",
];

const SUBMISSION: &[&str] = &[
    "Queue index",
    "is invalid",
    "CB handle",
    "no match",
    "CB size",
    "exceeds",
    "Failed to",
    "User not allowed",
    "user not allowed",
    "isn't supported",
    "signal",
    "Staged",
    "staged",
    "sequence",
    "not allowed",
    "Invalid opcode",
    "is not allowed to",
    "Can't find",
];

/// Rounds of each.
const ROUNDS: u32 = 200;

/// What is left of a call that must be refused.
fn refused<T>(what: &str, result: Result<T, Errno>) -> CaseResult {
    check(result.is_err(), &format!("{what} is refused"))
}

fn mappings(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let node = &card.node;
    let pages = need("memory", Pages::new(64 * 4096))?;
    pages.fill(1);
    let (end, size) = (pages.length(), pages.length() as u64);
    let busy = succeed("MAP", node.map_host(&pages, 0, 0))?;
    let requests = [
        // Before, while and after the pages are pinned; without an address that is free.
        MemoryRequest::map_host(pages.pointer(0), 0, 0),
        MemoryRequest::map_host(Pointer::LAST_PAGE, 0x1000, 0),
        MemoryRequest::map_host(Pointer::KERNEL, 4096, 0),
        MemoryRequest::map_host(pages.inaccessible(), 4096, 0),
        MemoryRequest::map_host(pages.pointer(end - 8 * 4096), 9 * 4096, 0),
        MemoryRequest::map_host(pages.pointer(0), size, busy.address()).flags(HL_MEM_FORCE_HINT),
        MemoryRequest::map_host(pages.pointer(8), size - 8, busy.address())
            .flags(HL_MEM_FORCE_HINT),
        MemoryRequest::map_device(77, 0),
        MemoryRequest::unmap(busy.address() + 4096),
        MemoryRequest::unmap(1),
    ];
    let before = Next::of(cx, node)?;
    level_stays(cx, ROUNDS, || {
        requests.iter().try_for_each(|request| {
            refused("a wrong request", node.memory(request)).map_err(|stop| stop.request(request))
        })
    })?;
    equal("what the next get", Next::of(cx, node)?, before)
}

fn buffers(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let node = &card.node;
    let before = Next::of(cx, node)?;
    level_stays(cx, ROUNDS, || {
        refused("a buffer that is too large", node.cb(&CbRequest::create((2 << 20) + 1)))?;
        refused("too many time stamps", node.timestamps(u32::MAX))?;
        let buffer = succeed("CREATE", node.create_cb(8192, 0))?;
        refused("a mapping that is too small", node.map(buffer.handle(), 4096))?;
        refused("a mapping that is too large", node.map(buffer.handle(), 3 * 4096))?;
        let mapping = succeed("mmap", buffer.map())?;
        refused("a second mapping", node.map(buffer.handle(), 8192))?;
        succeed("munmap", mapping.unmap())?;
        succeed("DESTROY", buffer.destroy())
    })?;
    equal("what the next get", Next::of(cx, node)?, before)
}

/// A context keeps a record of its last submissions, refused ones too (context.c: cs_pending), so
/// every round has a context of its own.
fn submissions(cx: &Context) -> CaseResult {
    level_stays(cx, ROUNDS / 4, || {
        let card = Card::open(cx)?;
        let job = card.nop(card.upload(0))?;
        let before = Next::of(cx, &card.node)?;
        for request in wrong_submissions(card.chip, card.upload(0), &job.chunk()) {
            refused("a wrong request", card.node.submit(&request))
                .map_err(|stop| stop.request(&request))?;
        }
        equal("what the next get", Next::of(cx, &card.node)?, before)?;
        card.run(&job).map(drop)
    })
}

fn wrong_submissions(chip: Generation, queue: u32, chunk: &Chunk) -> Vec<CsRequest> {
    let wrong = |change: fn(&mut Chunk)| {
        let mut wrong = chunk.clone();
        change(&mut wrong);
        // Behind a good one, so that there is something to give back.
        CsRequest::execute([chunk.clone(), wrong])
    };
    // Where a job is an address, the driver only looks whether users may have it.
    let places = match chip {
        Generation::Gaudi => {
            [wrong(|chunk| chunk.buffer ^= 1 << 40), wrong(|chunk| chunk.size = u32::MAX)]
        }
        Generation::Gaudi2 => {
            [wrong(|chunk| chunk.buffer ^= 1 << 63), wrong(|chunk| chunk.buffer = u64::MAX - 7)]
        }
    };
    let others = vec![
        wrong(|chunk| chunk.queue = u32::MAX),
        wrong(|chunk| chunk.buffer = 0),
        CsRequest::execute(vec![chunk.clone(); 513]),
        CsRequest::execute(Vec::new()),
        CsRequest::signal(u32::MAX),
        CsRequest::wait(queue, &[u64::MAX]),
        CsRequest::unreserve_signals(77),
        CsRequest::reserve_signals(u32::MAX, 1),
        CsRequest::next_stage([chunk.clone()], 1 << 40),
        CsRequest::execute([chunk.clone()]).flags(HL_CS_FLAGS_STAGED_SUBMISSION),
    ];
    others.into_iter().chain(places).collect()
}
