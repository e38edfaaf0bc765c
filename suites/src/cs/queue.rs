// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Which queues take jobs (command_submission.c: validate_queue_index; gaudi.c:
//! gaudi_parse_cb_no_ext_queue; gaudi2.c: gaudi2_validate_cb_address).

use crate::common::eventfd::eventfd;
use crate::common::submit::{
    Card, Counters, PATIENCE, Rejection, counted, hard_resets, operational,
};
use crate::common::wait;
use case::{Case, CaseResult, Context, Stop, check, succeed};
use control::{Asics, FindingKind, Personality};
use device::{Chunk, CsRequest, Errno};
use hw::Generation;
use hw::queue::{Engine, GAUDI_CPU, GAUDI2_CPU, Kind};
use uapi::accel::HL_CS_CHUNK_FLAGS_USER_ALLOC_CB;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("cs/queue/rejects_numbers_past_the_last", &["CS-QUEUE-001"], past)
            .logs(&["Queue index"]),
        Case::new("cs/queue/rejects_the_queue_of_the_device_cpu", &["CS-QUEUE-004"], cpu)
            .logs(&["is restricted for the kernel driver"]),
        Case::new("cs/queue/takes_what_its_kind_takes", &["CS-QUEUE-002", "CS-QUEUE-008"], each)
            .budget(60)
            .logs(&["Queue index", "is disabled", "Failed to parse JOB", "Reject CS"]),
        Case::new("cs/queue/ports_without_link_take_no_jobs", &["CS-CB-010"], ports)
            .on(Asics::GAUDI)
            .logs(&["is disabled", "Failed to parse JOB"]),
        Case::new("cs/queue/closed_queues_take_no_jobs", &["CS-CB-014"], ports)
            .on(Asics::GAUDI2)
            .logs(&["is disabled", "Failed to parse JOB"]),
        Case::new("cs/queue/binned_engines_take_no_jobs", BINNED, binned)
            .on(Asics::GAUDI2)
            .model()
            .personality("binned", faulty)
            .logs(&["is binned out"]),
        Case::new("cs/queue/hardware_queues_take_memory_of_the_user_only", HARDWARE, hardware)
            .on(Asics::GAUDI2)
            .logs(&["doesn't support kernel CB"]),
        Case::new("cs/queue/packets_are_left_to_the_device", &["PKT-039"], unparsed)
            .on(Asics::GAUDI2)
            .finds(&[FindingKind::BadPacket])
            .resets(1)
            .budget(90)
            .logs(&["err cause", "device still in use", "Killing CS"]),
        Case::new("cs/queue/user_memory_flag_means_nothing", &["CS-QUEUE-007"], flag)
            .on(Asics::GAUDI)
            .logs(&["CB handle"]),
    ]
}

const BINNED: &[&str] = &["CS-QUEUE-003", "CS-CB-014"];
const HARDWARE: &[&str] = &["CS-QUEUE-005", "CS-QUEUE-006"];

/// Bytes that are no packet: the opcode field is all ones (`gaudi2_packets.h`).
const NO_PACKET: [u8; 16] = [0xff; 16];

/// The driver takes them as they are; the queue manager stops there and tells. Who listens may close
/// in peace, which resets the device.
fn unparsed(cx: &Context) -> CaseResult {
    let resets = hard_resets(cx)?;
    let card = Card::open(cx)?;
    let event = eventfd()?;
    succeed("REGISTER_EVENTFD", card.node.register_eventfd(&event))?;
    let queue = card.stream_of(Engine::Tpc, 0, 1)?;
    let job = card.job(queue, &card.program().raw(&NO_PACKET))?;
    card.submit(&CsRequest::execute([job.chunk()]))?;
    let told = wait::until(PATIENCE, || {
        let events = succeed("GET_EVENTS", card.node.take_events())?;
        Ok((events != 0).then_some(()))
    })?;
    // The submission keeps what it uses.
    std::mem::forget(job);
    let Card { cx, node, chip: _ } = card;
    succeed("close", node.close())?;
    operational(cx)?;
    check(told.is_some(), "the user is told of what the device met")?;
    counted(cx, resets + 1)?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}

fn past(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let end = card.queues().end;
    for queue in [end, end + 1, 0x1_0000, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let chunk = Chunk { queue, ..job.chunk() };
        card.rejects(&CsRequest::execute([chunk]), Rejection::invalid(Errno::EINVAL))?;
        if card.synchronises(card.upload(0)) {
            // The same number in the other ways to name a queue.
            let signal = CsRequest::signal(queue);
            card.rejects(&signal, Rejection::invalid(Errno::EINVAL))?;
            let wait = CsRequest::wait(queue, &[1]);
            card.rejects(&wait, Rejection::invalid(Errno::EINVAL))?;
            let reserve = CsRequest::reserve_signals(queue, 1);
            card.rejects(&reserve, Rejection::reservation(Errno::EINVAL))?;
        }
    }
    card.run(&job).map(drop)
}

/// The queue that the driver keeps for itself.
fn cpu_queue(card: &Card<'_>) -> u32 {
    match card.chip {
        Generation::Gaudi => GAUDI_CPU,
        Generation::Gaudi2 => GAUDI2_CPU,
    }
}

fn cpu(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let job = card.nop(card.upload(0))?;
    let queue = cpu_queue(&card);
    for flags in [0, HL_CS_CHUNK_FLAGS_USER_ALLOC_CB] {
        let chunk = Chunk { queue, ..job.chunk() }.flags(flags);
        card.rejects(&CsRequest::execute([chunk]), Rejection::invalid(Errno::EINVAL))?;
    }
    // A buffer that the queue could take, behind a job that all is well with.
    let buffer = succeed("CREATE", card.node.create_cb(4096, 0))?;
    let chunk = Chunk::job(queue, buffer.handle(), 64);
    card.rejects(&CsRequest::execute([job.chunk(), chunk]), Rejection::invalid(Errno::EINVAL))?;
    card.run(&job).map(drop)
}

/// Each queue as the table of its chip says: completed jobs, jobs that need a companion which is
/// completed, none at all.
fn each(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let companion = card.nop(card.upload(0))?;
    for queue in card.queues() {
        let at = |stop: Stop| stop.request(&format_args!("queue {queue}"));
        match (card.kind(queue), card.closed(queue)) {
            (None | Some(Kind::Cpu), _) => {
                let chunk = Chunk { queue, ..companion.chunk() };
                let request = CsRequest::execute([chunk]);
                card.rejects(&request, Rejection::invalid(Errno::EINVAL)).map_err(at)?;
            }
            // Closed ones have their own case.
            (Some(_), true) => {}
            (Some(Kind::External | Kind::Hardware), false) => card.still_runs(queue).map_err(at)?,
            (Some(Kind::Internal), false) => {
                let job = card.nop(queue)?;
                let alone = CsRequest::execute([job.chunk()]);
                card.rejects(&alone, Rejection::invalid(Errno::EINVAL)).map_err(at)?;
                let both = CsRequest::execute([job.chunk(), companion.chunk()]);
                let sequence = card.submit(&both).map_err(at)?;
                card.finish(sequence).map_err(at)?;
                card.idle()?;
            }
        }
    }
    Ok(())
}

fn ports(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let companion = card.nop(card.upload(0))?;
    for queue in card.queues() {
        if !card.closed(queue) {
            continue;
        }
        let job = card.nop(queue)?;
        for chunks in [vec![job.chunk()], vec![companion.chunk(), job.chunk()]] {
            let request = CsRequest::execute(chunks);
            card.rejects(&request, Rejection::unparsable(Errno::EINVAL))?;
        }
    }
    card.run(&companion).map(drop)
}

/// A card of which one engine of each kind is faulty.
pub fn faulty(card: &mut Personality) {
    (card.tpc_binning, card.edma_binning) = (1 << 3, 1 << 1);
    (card.decoder_binning, card.dram_binning) = (1 << 2, 1 << 0);
}

/// Where an engine is faulty a spare one takes its place, whose own queues are gone: the extra
/// tensor core and the last engine of device memory (gaudi2.c: gaudi2_set_tpc_binning_masks,
/// gaudi2_set_edma_binning_masks).
fn binned(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let companion = card.nop(card.upload(0))?;
    for spare in [card.stream_of(Engine::Tpc, 24, 0)?, card.stream_of(Engine::Edma, 7, 0)?] {
        for queue in spare..spare + 4 {
            let chunk = Chunk { queue, ..companion.chunk() };
            card.rejects(&CsRequest::execute([chunk]), Rejection::invalid(Errno::EINVAL))?;
        }
    }
    card.still_runs(card.stream_of(Engine::Tpc, 3, 0)?)?;
    card.still_runs(card.stream_of(Engine::Edma, 1, 0)?)
}

fn hardware(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for queue in card.queues() {
        if card.closed(queue) || card.kind(queue) != Some(Kind::Hardware) {
            continue;
        }
        let job = card.nop(queue)?;
        let kernel = CsRequest::execute([job.chunk().flags(0)]);
        card.rejects(&kernel, Rejection::invalid(Errno::EINVAL))?;
        card.run(&job)?;
    }
    Ok(())
}

fn flag(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let external = card.nop(card.upload(0))?;
    let internal = card.nop(card.stream_of(Engine::Dma, 2, 0)?)?;
    let before = Counters::read(&card.node)?;
    for flags in [0, HL_CS_CHUNK_FLAGS_USER_ALLOC_CB, u32::MAX] {
        let chunks = [external.chunk().flags(flags), internal.chunk().flags(flags)];
        let sequence = card.submit(&CsRequest::execute(chunks))?;
        card.finish(sequence)?;
        card.idle()?;
    }
    before.grew(&card.node, None, 0)?;
    // With the flag, too, the number in a job of an external queue is a handle.
    let mut chunk = external.chunk().flags(HL_CS_CHUNK_FLAGS_USER_ALLOC_CB);
    chunk.buffer = internal.place();
    card.rejects(&CsRequest::execute([chunk]), Rejection::invalid(Errno::EINVAL))?;
    card.run(&external).map(drop)
}
