// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Where the packets of a job are (command_submission.c: get_cb_from_cs_chunk; gaudi.c:
//! gaudi_parse_cb_mmu, gaudi_parse_cb_no_ext_queue; gaudi2.c: gaudi2_validate_cb_address).

use crate::common::submit::{Card, Counters, Held, Rejection};
use crate::common::typed::need;
use case::{Case, CaseResult, Context, Stop, equal, succeed};
use control::Asics;
use device::{Chunk, CsRequest, Errno, SyncManager};
use hw::queue::Engine;
use uapi::accel::{HL_CS_CHUNK_FLAGS_USER_ALLOC_CB, HL_MAX_CB_SIZE};

pub(super) fn cases() -> Vec<Case> {
    let rejected = &["Failed to parse JOB", "for internal QMAN is not valid"];
    vec![
        Case::new("cs/buffer/rejects_handles_of_nothing", &["CS-CB-001"], unknown)
            .on(Asics::GAUDI)
            .logs(&["CB handle", "invalid"]),
        Case::new("cs/buffer/rejects_sizes_below_a_packet", &["CS-CB-002"], small)
            .on(Asics::GAUDI)
            .logs(&["CB size"]),
        Case::new("cs/buffer/rejects_sizes_above_the_buffer", &["CS-CB-003"], large)
            .on(Asics::GAUDI)
            .logs(&["CB size"]),
        Case::new("cs/buffer/rejects_the_handle_of_timestamps", &["CS-CB-004"], timestamps)
            .on(Asics::GAUDI)
            .own_guest()
            .logs(&["CB handle", "CB size", "Failed to parse", "Invalid packet"]),
        Case::new("cs/buffer/packets_are_copied_when_submitted", &["CS-CB-005"], copied)
            .on(Asics::GAUDI)
            .model(),
        Case::new("cs/buffer/runs_a_buffer_of_the_maximum", &["CS-CB-006"], maximum)
            .on(Asics::GAUDI),
        Case::new("cs/buffer/may_be_destroyed_while_it_runs", &["CS-CB-005"], destroyed)
            .on(Asics::GAUDI)
            .model(),
        Case::new("cs/buffer/counts_its_users", &["CS-CB-005"], users).on(Asics::GAUDI),
        Case::new("cs/buffer/device_addresses_are_accepted", &["CS-CB-007"], inside)
            .on(Asics::GAUDI),
        Case::new("cs/buffer/addresses_of_every_range_are_accepted", &["CS-CB-011"], inside)
            .on(Asics::GAUDI2),
        Case::new("cs/buffer/rejects_other_addresses", &["CS-CB-008"], outside)
            .on(Asics::GAUDI)
            .logs(rejected),
        Case::new("cs/buffer/rejects_addresses_of_no_range", ADDRESSES, outside)
            .on(Asics::GAUDI2)
            .logs(rejected),
    ]
}

const ADDRESSES: &[&str] = &["CS-CB-012", "CS-CB-013", "CS-CB-015", "INFO-CS_COUNTERS-007"];

fn unknown(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let gone = card.nop(card.upload(0))?.place();
    for handle in [0, 1, gone, job.place() ^ 0x1000, u64::MAX] {
        let mut chunk = job.chunk();
        chunk.buffer = handle;
        let at = |stop: Stop| stop.request(&format_args!("handle {handle:#x}"));
        card.rejects(&CsRequest::execute([chunk]), Rejection::invalid(Errno::EINVAL))
            .map_err(at)?;
    }
    card.run(&job).map(drop)
}

fn small(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    for size in 0..8 {
        let chunk = Chunk { size, ..job.chunk() };
        card.rejects(&CsRequest::execute([chunk]), Rejection::invalid(Errno::EINVAL))?;
    }
    card.run(&job).map(drop)
}

fn large(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    // The driver rounds the size of a buffer up to whole pages (command_buffer.c: hl_cb_alloc).
    for size in [4097, 4104, HL_MAX_CB_SIZE, 0x8000_0000, u32::MAX] {
        let chunk = Chunk { size, ..job.chunk() };
        card.rejects(&CsRequest::execute([chunk]), Rejection::invalid(Errno::EINVAL))?;
    }
    equal("usage count of the buffer", need("INFO", job.buffer()?.usage())?, 0)?;
    card.run(&job).map(drop)
}

fn timestamps(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let handle = succeed("TS_ALLOC", card.node.timestamps(16))?;
    let mut chunk = job.chunk();
    chunk.buffer = handle;
    card.rejects(&CsRequest::execute([chunk]), Rejection::invalid(Errno::EINVAL))?;
    card.run(&job).map(drop)
}

/// A sync object that users may have, and its manager.
fn object(card: &Card<'_>) -> CaseResult<(SyncManager, u32)> {
    let info = succeed("INFO SYNC_MANAGER", card.node.sync_manager(0))?;
    let manager = SyncManager::new(card.chip, 0);
    let manager = manager.ok_or_else(|| Stop::Broken("die 0 has no sync manager".into()))?;
    Ok((manager, info.first_available_sync_object))
}

/// A program that stores a value in the object of the user.
fn storing(card: &Card<'_>, value: u16) -> CaseResult<device::Program> {
    let (manager, object) = object(card)?;
    Ok(card.program().packet(&manager.store(object, value)))
}

/// What is in the object of the user.
fn stored(card: &Card<'_>) -> CaseResult<u64> {
    let (manager, object) = object(card)?;
    let offset = manager.object(object) - hw::memory::map(card.chip).cfg_base;
    Ok(card.cx.model()?.peek(offset)?)
}

fn copied(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let job = card.job(queue, &storing(&card, 7)?)?;
    let held = Held::new(cx, &[queue])?;
    let sequence = card.start(&job)?;
    job.write(storing(&card, 9)?.bytes())?;
    held.release()?;
    card.finish(sequence)?;
    equal("value stored by the job as it was submitted", stored(&card)?, 7)?;
    card.run(&job)?;
    equal("value stored by the job as it was changed", stored(&card)?, 9)
}

fn maximum(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    // Full of packets, with the last one the only one to leave a trace: the driver's own packets
    // for the completion do not fit into the same 2 MiB less a page, but get room of their own.
    let last = card.program().nop();
    let mut bytes = last.bytes().repeat(HL_MAX_CB_SIZE as usize / last.bytes().len());
    bytes.truncate(HL_MAX_CB_SIZE as usize);
    let job = card.job(card.upload(0), &card.program().raw(&bytes))?;
    equal("bytes of packets", job.size(), HL_MAX_CB_SIZE)?;
    card.run(&job)?;
    card.still_runs(card.upload(0))
}

fn destroyed(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let held = Held::new(cx, &[queue])?;
    let job = card.job(queue, &storing(&card, 11)?)?;
    let sequence = card.start(&job)?;
    let handle = job.place();
    drop(job);
    case::errno("INFO of a destroyed buffer", card.node.cb_usage(handle), Errno::EINVAL)?;
    // New buffers must not be given the memory of the one in flight.
    let others = [card.job(queue, &storing(&card, 1)?)?, card.job(queue, &storing(&card, 2)?)?];
    held.release()?;
    card.finish(sequence)?;
    equal("value stored by the job", stored(&card)?, 11)?;
    for (job, value) in others.iter().zip([1, 2]) {
        card.run(job)?;
        equal("value stored by the next job", stored(&card)?, value)?;
    }
    Ok(())
}

fn users(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let count = || need("INFO of the buffer", job.buffer()?.usage());
    equal("usage count before", count()?, 0)?;
    let chunks = vec![job.chunk(); 5];
    let sequence = card.submit(&CsRequest::execute(chunks))?;
    card.finish(sequence)?;
    // The driver works on copies, so none is in use any more.
    equal("usage count afterwards", count()?, 0)
}

/// A queue whose jobs are at addresses of the device.
fn addressed(card: &Card<'_>) -> CaseResult<u32> {
    match card.chip {
        hw::Generation::Gaudi => card.stream_of(Engine::Dma, 2, 0),
        hw::Generation::Gaudi2 => Ok(card.upload(0)),
    }
}

/// Jobs of this chunk; where its queue is not completed by the driver, with one that is.
fn together(companion: &Chunk, chunk: Chunk) -> CsRequest {
    if companion.queue == chunk.queue {
        return CsRequest::execute([chunk]);
    }
    CsRequest::execute([companion.clone(), chunk])
}

fn inside(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let companion = card.nop(card.upload(0))?;
    let queue = addressed(&card)?;
    let info = succeed("INFO HW_IP", card.node.hw_ip())?;
    let mapped = card.nop(queue)?;
    let mut places = vec![("SRAM", info.sram_base_address), ("host memory", mapped.place())];
    if card.chip == hw::Generation::Gaudi {
        places.push(("device memory", info.dram_base_address));
    }
    // A job that is fetched from device memory needs its packets there first.
    let nop = card.program().nop();
    for (place, address) in places {
        let at = |stop: Stop| stop.request(&place);
        if address != mapped.place() {
            let fill = card.program().fill(word(nop.bytes()), address, 8);
            card.run(&card.job(card.upload(0), &fill)?)?;
        }
        let chunk = Chunk::job(queue, address, 8).flags(HL_CS_CHUNK_FLAGS_USER_ALLOC_CB);
        let before = Counters::read(&card.node)?;
        let sequence = card.submit(&together(&companion.chunk(), chunk)).map_err(at)?;
        card.finish(sequence).map_err(at)?;
        card.idle()?;
        before.grew(&card.node, None, 0).map_err(at)?;
    }
    Ok(())
}

/// The 8 bytes of a packet as a number.
fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(word)
}

fn outside(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let companion = card.nop(card.upload(0))?;
    let queue = addressed(&card)?;
    let info = succeed("INFO HW_IP", card.node.hw_ip())?;
    let map = hw::memory::map(card.chip);
    let sram_end = map.sram_base + map.sram_size;
    // Physical addresses of users: Gaudi2 takes them, too, beside those of its MMU.
    let dram = map.dram_base + map.dram_user_offset;
    // Address and bytes.
    let places = [
        (0, 8),
        (map.cfg_base, 8),
        (map.dram_base + map.page_tables, 8),
        (dram - 8, 8),
        (dram - 4, 8),
        (info.sram_base_address - 8, 8),
        (info.sram_base_address, 0),
        (sram_end - 4, 8),
        (sram_end, 8),
        (map.host_va.0 - 8, 8),
        (u64::MAX - 7, 8),
        (u64::MAX - 3, u32::MAX),
    ];
    // gaudi.h, gaudi2.h: SRAM_USER_BASE_OFFSET.
    let kept = info.sram_base_address > map.sram_base;
    equal("the driver keeps a part of SRAM", kept, card.chip == hw::Generation::Gaudi)?;
    for (address, size) in places {
        let at = |stop: Stop| stop.request(&format_args!("{size} bytes at {address:#x}"));
        let chunk = Chunk::job(queue, address, size).flags(HL_CS_CHUNK_FLAGS_USER_ALLOC_CB);
        let request = together(&companion.chunk(), chunk);
        card.rejects(&request, Rejection::unparsable(Errno::EFAULT)).map_err(at)?;
    }
    card.run(&companion).map(drop)
}
