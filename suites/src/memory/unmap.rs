// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! UNMAP (memory.c: unmap_device_va).

use super::{host_memory, still_maps};
use crate::common::submit::{Card, Held, PATIENCE, operational};
use crate::common::typed::compute;
use crate::common::wait;
use case::{Case, CaseResult, Context, equal, errno, succeed};
use control::FindingKind;
use device::{CsRequest, Errno, MemoryRequest, Node, Pages};
use std::sync::Barrier;

/// What the driver says when there is no such mapping.
const NO_MAPPING: &[&str] = &["unmap failed, no mem hnode"];

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("memory/unmap/ends_a_mapping", &["MEM-UNMAP-001", "MEM-UNMAP-003"], ends)
            .logs(NO_MAPPING),
        Case::new("memory/unmap/rejects_unknown_addresses", &["MEM-UNMAP-002"], unknown)
            .logs(NO_MAPPING),
        Case::new("memory/unmap/rejects_the_inside_of_a_mapping", &["MEM-UNMAP-004"], inside)
            .logs(NO_MAPPING),
        Case::new("memory/unmap/one_of_two_threads_succeeds", &["MEM-UNMAP-007"], race)
            .logs(NO_MAPPING)
            .budget(30),
        Case::new("memory/unmap/ends_what_a_job_still_uses", &["MEM-UNMAP-006"], in_use)
            .model()
            .finds(&[FindingKind::UnmappedAccess])
            .logs(&["H/W interrupt", "MMU page fault", "RAZWI", "has not finished in"])
            .resets(1)
            .budget(90),
        Case::new("memory/unmap/address_is_used_again", &["MEM-UNMAP-008"], again),
    ]
}

/// A job that waits; when it runs, what it reads is gone. The device faults, the driver tells.
fn in_use(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let pages = host_memory(4096)?;
    let info = succeed("INFO HW_IP", card.node.hw_ip())?;
    let map = succeed("MAP", card.node.map_host(&pages, 0, 0))?;
    let address = map.address();
    let queue = card.upload(0);
    let copy = card.program().copy(address, info.sram_base_address, 4096);
    {
        let job = card.job(queue, &copy)?;
        let held = Held::new(cx, &[queue])?;
        card.submit(&CsRequest::execute([job.chunk()]).custom_timeout(5))?;
        succeed("UNMAP of what a job uses", map.unmap())?;
        errno("second UNMAP", card.node.unmap(address), Errno::EINVAL)?;
        held.release()?;
    }
    let fault = wait::until(PATIENCE, || {
        let fault = succeed("INFO PAGE_FAULT_EVENT", card.node.page_fault_event())?;
        Ok((fault.timestamp != 0).then_some(fault.addr))
    })?;
    let Card { node, .. } = card;
    succeed("close", node.close())?;
    operational(cx)?;
    equal("address of the fault", fault, Some(address))?;
    still_maps(&compute(cx)?)
}

/// Maps without a guard.
fn map(node: &Node, pages: &Pages) -> CaseResult<u64> {
    let request = MemoryRequest::map_host(pages.pointer(0), pages.length() as u64, 0);
    Ok(succeed("MAP", node.memory(&request))?.first)
}

fn ends(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    let address = map(&node, &pages)?;
    succeed("UNMAP", node.unmap(address))?;
    errno("second UNMAP", node.unmap(address), Errno::EINVAL)?;
    still_maps(&node)
}

fn unknown(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for address in [0, 4096, 1 << 48, u64::MAX] {
        errno(&format!("UNMAP of {address:#x}"), node.unmap(address), Errno::EINVAL)?;
    }
    still_maps(&node)
}

fn inside(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(3 * 4096)?;
    let address = map(&node, &pages)?;
    for offset in [1, 4096, 2 * 4096, 3 * 4096] {
        errno(
            &format!("UNMAP of {offset:#x} inside"),
            node.unmap(address + offset),
            Errno::EINVAL,
        )?;
    }
    succeed("UNMAP of the start", node.unmap(address))
}

/// Rounds of the race.
const ROUNDS: usize = 100;

fn race(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(4096)?;
    for _ in 0..ROUNDS {
        let address = map(&node, &pages)?;
        let barrier = Barrier::new(2);
        let unmap = || {
            barrier.wait();
            node.unmap(address)
        };
        let (first, second) = std::thread::scope(|scope| {
            let other = scope.spawn(unmap);
            (unmap(), other.join())
        });
        let second = second.map_err(|_| case::Stop::Broken("a thread panicked".into()))?;
        let mut results = [first, second];
        results.sort_by_key(Result::is_err);
        equal("answers to the two", results, [Ok(()), Err(Errno::EINVAL)])?;
    }
    still_maps(&node)
}

fn again(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let pages = host_memory(5 * 4096)?;
    let first = map(&node, &pages)?;
    succeed("UNMAP", node.unmap(first))?;
    // Blocks of addresses merge when they are given back: the same one is found again.
    for _ in 0..20 {
        let address = map(&node, &pages)?;
        equal("address of the next mapping", address, first)?;
        succeed("UNMAP", node.unmap(address))?;
    }
    Ok(())
}
