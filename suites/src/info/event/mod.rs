// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What INFO says after firmware posted an event (`gaudi.c: gaudi_handle_eqe`, `gaudi2.c:
//! gaudi2_handle_eqe`).
//!
//! Registers that an event needs are data of the chip; the rules about what is captured are common
//! code.

mod captured;
mod notify;
mod opcode;
mod throttle;
mod told;

pub(crate) use captured::fault_is_kept;
pub(super) use captured::whole_or_nothing;

use super::call::{ask, ask_words};
use crate::common::node::Node;
use crate::common::wait;
use case::{Case, CaseResult, Context, fail};
use control::{Asic, Request};
use nix::time::{ClockId, clock_gettime};
use std::time::Duration;
use uapi::accel;

/// The cases.
pub fn cases() -> Vec<Case> {
    let parts = [notify::cases, throttle::cases, captured::cases, opcode::cases, told::cases];
    parts.iter().flat_map(|part| part()).map(Case::model).collect()
}

/// Event numbers (`gaudi_async_events.h`, `gaudi2_async_events.h`).
mod id {
    /// GAUDI_EVENT_MMU_PAGE_FAULT.
    pub const PAGE_FAULT: u16 = 380;
    /// GAUDI2_EVENT_PMMU0_PAGE_FAULT_WR_PERM.
    pub const GAUDI2_PAGE_FAULT: u16 = 768;
    /// GAUDI_EVENT_RAZWI_OR_ADC.
    pub const RAZWI: u16 = 548;
    /// GAUDI2_EVENT_PSOC63_RAZWI_OR_PID_MIN_MAX_INTERRUPT.
    pub const GAUDI2_RAZWI: u16 = 875;
    /// GAUDI2_EVENT_TPC0_QM.
    pub const GAUDI2_TPC0_QUEUE: u16 = 1206;
    /// GAUDI_EVENT_FW_ALIVE_S.
    pub const FIRMWARE_ALIVE: u16 = 645;
    /// GAUDI_EVENT_DEV_RESET_REQ.
    pub const RESET_REQUEST: u16 = 646;
    /// GAUDI2_EVENT_CPU_DEV_RESET_REQ.
    pub const GAUDI2_RESET_REQUEST: u16 = 1321;

    /// An event of which nobody is told and after which nothing changes: GAUDI_EVENT_STATUS_NIC0_ENG0,
    /// GAUDI2_EVENT_ARC_PWR_RD_MODE0.
    pub fn nothing(asic: control::Asic) -> u16 {
        match asic {
            control::Asic::Gaudi => 648,
            control::Asic::Gaudi2 => 1324,
        }
    }
}

/// Begin and end of a power limit: the clock is slow in between
/// (`gaudi_async_events.h: GAUDI_EVENT_FIX_POWER_ENV_S`, `gaudi2_async_events.h:
/// GAUDI2_EVENT_CPU_FIX_POWER_ENV_S`).
fn power(asic: Asic) -> [u16; 2] {
    match asic {
        Asic::Gaudi => [658, 659],
        Asic::Gaudi2 => [1253, 1254],
    }
}

/// Begin and end of overheating (`FIX_THERMAL_ENV_S`, `_E` in the same files).
fn heat(asic: Asic) -> [u16; 2] {
    match asic {
        Asic::Gaudi => [660, 661],
        Asic::Gaudi2 => [1255, 1256],
    }
}

/// How long the driver may take to handle an event.
const LIMIT: Duration = Duration::from_secs(20);

/// How often each event was handled since the last reset, and since the driver was loaded.
fn handled(node: &Node) -> CaseResult<[Vec<u32>; 2]> {
    let words = ask::<accel::hl_info_hw_ip_info>(node)?.num_of_events as usize;
    Ok([
        ask_words(node, accel::HL_INFO_HW_EVENTS, words)?,
        ask_words(node, accel::HL_INFO_HW_EVENTS_AGGREGATE, words)?,
    ])
}

/// Posts an event and waits until the driver has counted it. The count comes first; its handler may
/// still be at work.
fn raise(cx: &Context, node: &Node, event: u16) -> CaseResult {
    let count = |node: &Node| -> CaseResult<u32> { Ok(handled(node)?[1][usize::from(event)]) };
    let before = count(node)?;
    cx.model()?.order(Request::Event { id: event, data: Vec::new() })?;
    match wait::until(LIMIT, || Ok((count(node)? > before).then_some(())))? {
        Some(()) => Ok(()),
        None => fail(format!("event {event} is not handled within {LIMIT:?}")),
    }
}

/// Posts an event and waits until the driver has handled it. It handles one after the other, so it
/// counts a later one only then.
fn post(cx: &Context, node: &Node, event: u16) -> CaseResult {
    raise(cx, node, event)?;
    raise(cx, node, id::nothing(cx.asic()))
}

/// Waits until something that an event causes is there.
#[track_caller]
fn appears<T>(what: &str, ask: impl FnMut() -> CaseResult<Option<T>>) -> CaseResult<T> {
    match wait::until(LIMIT, ask)? {
        Some(answer) => Ok(answer),
        None => fail(format!("{what} does not appear within {LIMIT:?}")),
    }
}

/// Nanoseconds of the clock of captured times (`ktime_get`).
fn now() -> CaseResult<i64> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_err(|why| case::Stop::Broken(format!("the clock cannot be read: {why}")))?;
    Ok(now.tv_sec() * 1_000_000_000 + now.tv_nsec())
}
