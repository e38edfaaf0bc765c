// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a transfer must not reach, and what it may find: memory of the host that is not mapped (any
//! more), device memory of the user before.
//!
//! A DMA engine that met a page fault stops (`gaudi.c: gaudi_init_dma_core`, STOP_ON_ERR), so its
//! submission never ends and the close resets the device. On Gaudi2 its event asks for a reset, too,
//! which comes at once where the user does not listen to events (`device.c: hl_device_cond_reset`).

use super::{Host, places, same};
use crate::common::eventfd::eventfd;
use crate::common::node::Node;
use crate::common::submit::{Card, Job, PATIENCE};
use crate::common::typed::device_memory;
use crate::common::wait;
use crate::info::call::ask;
use crate::info::fault_is_kept;
use crate::info::reset;
use case::{Case, CaseResult, Context, check, equal, succeed};
use control::{Asics, FindingKind, Request};
use device::{CsRequest, MapGuard};
use nix::sys::eventfd::EventFd;
use uapi::accel::{HL_CB_FLAGS_MAP, hl_open_stats_info};

/// Bytes that are moved.
const BYTES: usize = 4096;
/// From a mapping to where the driver has mapped nothing.
const FAR: usize = 1 << 30;

/// What the driver says about the fault and the close.
const LOG: &[&str] = &["H/W interrupt", "MMU page fault", "RAZWI event", "err cause", "Killing CS"];

const DESTROYED: &[&str] = &["SEC-003", "CB-DESTROY-001"];

pub(super) fn cases() -> Vec<Case> {
    let stopped =
        |case: Case| case.finds(&[FindingKind::UnmappedAccess]).resets(1).budget(90).logs(LOG);
    vec![
        stopped(Case::new("transfer/blocked/writes_to_memory_unmapped", &["SEC-003"], unmapped)),
        stopped(Case::new("transfer/blocked/reads_of_memory_never_mapped", &["SEC-004"], never))
            .model(),
        stopped(Case::new("transfer/blocked/reads_of_a_buffer_destroyed", DESTROYED, destroyed))
            .on(Asics::GAUDI2),
        Case::new("transfer/left/device_memory_is_as_the_user_before_left_it", &["SEC-002"], left),
    ]
}

/// A user who listens to events.
fn listening(cx: &Context) -> CaseResult<(Card<'_>, EventFd)> {
    let (card, event) = (Card::open(cx)?, eventfd()?);
    succeed("REGISTER_EVENTFD", card.node.register_eventfd(&event))?;
    Ok((card, event))
}

/// Submits a copy that meets an address nobody mapped; gives the address that was captured.
fn faults(card: &Card<'_>, job: Job<'_>) -> CaseResult<u64> {
    card.submit(&CsRequest::execute([job.chunk()]))?;
    // The submission keeps what it uses.
    std::mem::forget(job);
    captured(card)
}

/// The address of the page fault, once it is there.
fn captured(card: &Card<'_>) -> CaseResult<u64> {
    let captured = wait::until(PATIENCE, || {
        let event = succeed("INFO PAGE_FAULT_EVENT", card.node.page_fault_event())?;
        Ok((event.timestamp != 0).then_some(event.addr))
    })?;
    check(captured.is_some(), "the page fault is reported")?;
    Ok(captured.unwrap_or(0))
}

/// Closes, and waits for the reset that the stopped engine makes necessary.
fn leave(card: Card<'_>, control: &Node, resets: u32) -> CaseResult {
    let Card { cx, node, chip: _ } = card;
    succeed("close", node.close())?;
    reset::begun(control, resets)?;
    reset::done(control)?;
    let stats: hl_open_stats_info = ask(control)?;
    equal("is_compute_ctx_active", stats.is_compute_ctx_active, 0)?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}

/// A translation that was used, so that the device has it, is gone with the mapping.
fn unmapped(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let resets = reset::resets(&control)?;
    let (card, _event) = listening(cx)?;
    let (sram, _) = places(&card)?;
    let (pages, seen, expected) = {
        let Host { mapping, pages } = Host::new(&card, 2 * BYTES)?;
        let address = mapping.address();
        let down = card.program().copy(sram, address, BYTES as u32);
        let job = card.job(card.download(0), &down)?;
        card.run(&job)?;
        // After the job has its place: packets of users may get the address that is free.
        succeed("UNMAP", MapGuard::unmap(mapping))?;
        pages.fill(0x5c);
        (pages, faults(&card, job), address)
    };
    leave(card, &control, resets)?;
    equal("the address of the fault", seen? & !0xfff, expected & !0xfff)?;
    same("memory that was unmapped", &pages.bytes(0, 2 * BYTES), &[0x5c; 2 * BYTES])
}

/// The same for a command buffer that the driver maps itself (command_buffer.c: cb_unmap_mem).
fn destroyed(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let resets = reset::resets(&control)?;
    let (card, _event) = listening(cx)?;
    let (sram, _) = places(&card)?;
    let (seen, expected) = {
        let buffer = succeed("CREATE", card.node.create_cb(BYTES as u32, HL_CB_FLAGS_MAP))?;
        let address = succeed("INFO with GET_DEVICE_VA", buffer.device_va())?;
        let up = card.program().copy(address, sram, BYTES as u32);
        card.run(&card.job(card.upload(0), &up)?)?;
        succeed("DESTROY", buffer.destroy())?;
        (faults(&card, card.job(card.upload(0), &up)?), address)
    };
    leave(card, &control, resets)?;
    equal("the address of the fault", seen? & !0xfff, expected & !0xfff)
}

/// Far behind a mapping: what the copy was to overwrite stays.
fn never(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let resets = reset::resets(&control)?;
    let (card, _event) = listening(cx)?;
    let (sram, _) = places(&card)?;
    let (seen, expected, kept) = {
        let host = Host::new(&card, BYTES)?;
        host.pages.fill(0xa7);
        let up = card.program().copy(host.at(0), sram, BYTES as u32);
        card.run(&card.job(card.upload(0), &up)?)?;
        let behind = host.at(FAR);
        let up = card.job(card.upload(0), &card.program().copy(behind, sram, BYTES as u32))?;
        // As long as the driver is told nothing, it leaves the other engine alone.
        cx.model()?.order(Request::HoldEvents)?;
        card.submit(&CsRequest::execute([up.chunk()]))?;
        // The submission keeps what it uses.
        std::mem::forget(up);
        let met = wait::until(PATIENCE, || Ok(fault_is_kept(cx)?.then_some(())))?;
        check(met.is_some(), "the MMU meets the page fault")?;
        host.pages.fill(0);
        let down = card.program().copy(sram, host.at(0), BYTES as u32);
        card.run(&card.job(card.download(0), &down)?)?;
        cx.model()?.order(Request::ReleaseEvents)?;
        (captured(&card), behind, host.pages.bytes(0, BYTES))
    };
    leave(card, &control, resets)?;
    equal("the address of the fault", seen? & !0xfff, expected & !0xfff)?;
    same("memory of the device", &kept, &[0xa7; BYTES])
}

/// Without `memory_scrub` nothing is cleared between users: documented, and good to know.
fn left(cx: &Context) -> CaseResult {
    {
        let card = Card::open(cx)?;
        let dram = device_memory(cx, &card.node, BYTES as u64)?;
        let host = Host::new(&card, BYTES)?;
        host.pages.fill(0x3e);
        let up = card.program().copy(host.at(0), dram, BYTES as u32);
        card.run(&card.job(card.upload(0), &up)?)?;
    }
    let card = Card::open(cx)?;
    let host = Host::new(&card, BYTES)?;
    // The first that is free, as before.
    let place = device_memory(cx, &card.node, BYTES as u64)?;
    let down = card.program().copy(place, host.at(0), BYTES as u32);
    card.run(&card.job(card.download(0), &down)?)?;
    same("device memory", &host.pages.bytes(0, BYTES), &[0x3e; BYTES])
}
