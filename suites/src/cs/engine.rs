// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Commands for engines and engine cores (command_submission.c: cs_ioctl_engine_cores,
//! cs_ioctl_engines; gaudi2.c: gaudi2_set_engine_cores, gaudi2_set_engines).

use crate::common::submit::{Card, Rejection};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use control::{Asics, Request};
use device::cs::Forged;
use device::{CsRequest, Errno, Pointer};
use uapi::accel::*;

pub(super) fn cases() -> Vec<Case> {
    let invalid = &["is invalid", "Failed to copy", "engine"];
    let two = Asics::GAUDI2;
    vec![
        Case::new("cs/engine/is_refused_where_unsupported", &["CS-ENG-001", "CS-ENG-007"], none)
            .on(Asics::GAUDI),
        Case::new("cs/engine/rejects_numbers_of_cores", &["CS-ENG-002"], core_counts)
            .on(two)
            .logs(invalid),
        Case::new("cs/engine/rejects_commands_for_cores", &["CS-ENG-003"], core_commands)
            .on(two)
            .logs(invalid),
        Case::new("cs/engine/rejects_unreadable_lists", &["CS-ENG-004", "CS-ENG-011"], unreadable)
            .on(two)
            .logs(invalid),
        Case::new("cs/engine/unknown_cores_are_ignored", &["CS-ENG-005"], unknown_core).on(two),
        Case::new("cs/engine/rejects_commands_for_engines", COMMANDS, commands)
            .on(two)
            .logs(invalid),
        Case::new("cs/engine/rejects_numbers_of_engines", &["CS-ENG-010"], counts)
            .on(two)
            .logs(invalid),
        Case::new("cs/engine/stalls_and_resumes", &["CS-ENG-012"], stall).on(two),
        Case::new("cs/engine/others_cannot_be_stalled", &["CS-ENG-013"], others)
            .on(two)
            .logs(invalid),
        Case::new("cs/engine/cores_halt_and_run", &["CS-ENG-014"], cores).on(two),
        Case::new("cs/engine/cores_that_do_not_answer_fail", &["CS-ENG-006"], silent)
            .on(two)
            .model()
            .logs(&["failed to HALT arc"]),
    ]
}

const COMMANDS: &[&str] = &["CS-ENG-008", "CS-ENG-009"];
/// Cores that a command may name (gaudi2P.h: the ARCs, `CPU_ID_MAX`).
const CORES: u32 = 69;
/// Engines that a command may name (`GAUDI2_ENGINE_ID_SIZE`).
const ENGINES: u32 = GAUDI2_ENGINE_ID_SIZE;

fn none(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for ids in [&[][..], &[0][..], &[0, 1, 2][..]] {
        for command in [0, HL_ENGINE_CORE_HALT, HL_ENGINE_CORE_RUN, 3, u32::MAX] {
            let request = CsRequest::engine_cores(ids, command);
            card.rejects(&request, Rejection::new(Errno::EPERM))?;
            let request = CsRequest::engines(ids, command);
            card.rejects(&request, Rejection::new(Errno::EPERM))?;
        }
    }
    card.still_runs(card.upload(0))
}

#[track_caller]
fn invalid(card: &Card<'_>, request: &CsRequest) -> CaseResult {
    card.rejects(request, Rejection::new(Errno::EINVAL))
}

#[track_caller]
fn accepted(card: &Card<'_>, request: &CsRequest) -> CaseResult {
    let answer = card.node.cs(request);
    succeed("CS", answer.result).map_err(|stop| stop.request(request))?;
    equal("sequence number of a command", answer.sequence, u64::MAX)
}

fn core_counts(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    invalid(&card, &CsRequest::engine_cores(&[], HL_ENGINE_CORE_HALT))?;
    for count in [CORES + 1, 0x8000_0000, u32::MAX] {
        let forged = Forged { engine_count: Some(count), ..Forged::default() };
        let request = CsRequest::engine_cores(&[0], HL_ENGINE_CORE_HALT).forged(forged);
        invalid(&card, &request)?;
    }
    card.still_runs(card.upload(0))
}

fn core_commands(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for command in [0, 3, 4, u32::MAX] {
        invalid(&card, &CsRequest::engine_cores(&[0], command))?;
    }
    card.still_runs(card.upload(0))
}

fn unreadable(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for pointer in [Pointer::NULL, Pointer::UNMAPPED, Pointer::KERNEL, Pointer::LAST_PAGE] {
        let forged = Forged { first_address: Some(pointer.address()), ..Forged::default() };
        for request in [
            CsRequest::engine_cores(&[0], HL_ENGINE_CORE_HALT).forged(forged),
            CsRequest::engines(&[GAUDI2_DCORE0_ENGINE_ID_TPC_0], HL_ENGINE_STALL).forged(forged),
        ] {
            card.rejects(&request, Rejection::new(Errno::EFAULT))?;
        }
    }
    card.still_runs(card.upload(0))
}

fn unknown_core(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    accepted(&card, &CsRequest::engine_cores(&[CORES + 100, u32::MAX], HL_ENGINE_CORE_HALT))?;
    card.still_runs(card.upload(0))
}

fn commands(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for command in [0, 5, 6, 0x7fff_ffff, u32::MAX] {
        invalid(&card, &CsRequest::engines(&[GAUDI2_DCORE0_ENGINE_ID_TPC_0], command))?;
    }
    card.still_runs(card.upload(0))
}

fn counts(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for command in [HL_ENGINE_STALL, HL_ENGINE_RESUME, HL_ENGINE_CORE_RUN] {
        invalid(&card, &CsRequest::engines(&[], command))?;
        for count in [ENGINES + 1, 0x8000_0000, u32::MAX] {
            let forged = Forged { engine_count: Some(count), ..Forged::default() };
            let request = CsRequest::engines(&[0], command).forged(forged);
            invalid(&card, &request)?;
        }
    }
    card.still_runs(card.upload(0))
}

fn stall(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let engines = [
        GAUDI2_DCORE0_ENGINE_ID_TPC_0,
        GAUDI2_DCORE3_ENGINE_ID_TPC_5,
        GAUDI2_DCORE0_ENGINE_ID_MME,
        GAUDI2_DCORE1_ENGINE_ID_EDMA_1,
    ];
    for command in [HL_ENGINE_STALL, HL_ENGINE_RESUME] {
        accepted(&card, &CsRequest::engines(&engines, command))?;
    }
    card.still_runs(card.upload(0))
}

fn others(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for engine in [GAUDI2_ENGINE_ID_PDMA_0, GAUDI2_ENGINE_ID_ROT_0, GAUDI2_ENGINE_ID_NIC0_0, 999] {
        invalid(&card, &CsRequest::engines(&[engine], HL_ENGINE_STALL))?;
    }
    card.still_runs(card.upload(0))
}

/// A core gets 100 ms to acknowledge.
fn silent(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    accepted(&card, &CsRequest::engine_cores(&[0, 1], HL_ENGINE_CORE_RUN))?;
    let halt = CsRequest::engine_cores(&[0, 1], HL_ENGINE_CORE_HALT);
    cx.model()?.order(Request::HoldCores)?;
    let refused = card.node.submit(&halt);
    cx.model()?.order(Request::ReleaseCores)?;
    errno("CS for cores that do not answer", refused, Errno::EPERM)?;
    accepted(&card, &halt)?;
    card.still_runs(card.upload(0))
}

fn cores(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    accepted(&card, &CsRequest::engines(&[0, 1], HL_ENGINE_CORE_HALT))?;
    accepted(&card, &CsRequest::engine_cores(&[0, 1], HL_ENGINE_CORE_HALT))?;
    card.still_runs(card.upload(0))
}
