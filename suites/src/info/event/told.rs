// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a user is told of each kind of event: one signal of its eventfd, and exactly the bits of the
//! kind in GET_EVENTS (`device.c: hl_device_cond_reset`, `hl_notifier_event_send_all`).
//!
//! A reset waits for the close of a user who listens, and for the release watchdog.

use super::captured::{poke, post_fault, post_razwi};
use super::opcode::{LOWER, TPC0_QUEUE};
use super::{heat, id, post, raise};
use crate::common::eventfd::{eventfd, signals};
use crate::common::node::Node;
use crate::common::submit::{Beside, Card, PATIENCE_US, operational};
use crate::common::victim::Victim;
use crate::common::wait::{self, Ticks};
use crate::common::{files, typed};
use crate::info::call::ask;
use crate::info::reset;
use crate::info::silent::{HEARTBEAT_PACKET, after_a_heartbeat};
use case::{Case, CaseResult, Context, check, equal, succeed};
use control::{Asic, Asics, Request};
use hw::qman;
use nix::errno::Errno;
use nix::sys::eventfd::EventFd;
use std::time::Duration;
use uapi::accel::*;

/// A heartbeat is due after 10 s at most, and given up after 10 s.
const LIMIT: Duration = Duration::from_secs(60);

/// A kind of event.
struct Told {
    rule: &'static str,
    rows: &'static [&'static str],
    /// Rows of Gaudi2.
    gaudi2: &'static [&'static str],
    log: &'static [&'static str],
    /// Hard resets that it ends in.
    resets: u32,
    /// Lets it happen; gives the bits of it.
    raise: fn(&Card<'_>, &Node) -> CaseResult<u64>,
}

/// Each kind, from the lowest bit to the highest.
const KINDS: &[Told] = &[
    Told {
        rule: "tells_of_an_assertion_of_a_tensor_core",
        rows: &["EVT-003"],
        gaudi2: &["EVT-001"],
        log: &["H/W interrupt", "Received TPC assert"],
        resets: 0,
        raise: assertion,
    },
    Told {
        rule: "tells_of_an_undefined_opcode",
        rows: &["EVT-002"],
        gaudi2: &[],
        log: &["H/W interrupt", "err cause"],
        resets: 0,
        raise: undefined,
    },
    Told {
        rule: "tells_of_an_error_of_the_card",
        rows: &["EVT-007"],
        gaudi2: &[],
        log: &["H/W interrupt", "PSOC_PRSTN_FALL"],
        resets: 0,
        raise: hardware,
    },
    Told {
        rule: "tells_of_a_forbidden_access",
        rows: &["EVT-008"],
        gaudi2: &[],
        log: &["H/W interrupt", "RAZWI event", "PSOC RAZWI", "PSOC HBW AW RAZWI"],
        resets: 0,
        raise: forbidden,
    },
    Told {
        rule: "tells_of_a_page_fault",
        rows: &["EVT-009"],
        gaudi2: &[],
        log: &["H/W interrupt", "MMU page fault", "err cause"],
        resets: 0,
        raise: fault,
    },
    Told {
        rule: "tells_of_a_critical_error_of_the_card",
        rows: &["EVT-003", "EVT-010", "EVT-023"],
        gaudi2: &[],
        log: &["H/W interrupt", "DEV_RESET_REQ"],
        resets: 1,
        raise: critical,
    },
    Told {
        rule: "tells_of_a_critical_error_of_firmware",
        rows: &["EVT-003", "EVT-011", "EVT-023"],
        gaudi2: &[],
        log: &["H/W interrupt", "FW alive report", "CPU_AXI_ERR_RSP"],
        resets: 1,
        raise: firmware,
    },
    Told {
        rule: "tells_of_a_lost_heartbeat",
        rows: &["EVT-003", "EVT-005", "EVT-011", "EVT-019", "EVT-023"],
        gaudi2: &[],
        log: crate::info::refusal::LOST,
        resets: 1,
        raise: heartbeat,
    },
];

/// Firmware that answers each heartbeat with an event, too, posts none any more.
const SILENT: Told = Told {
    rule: "",
    rows: &["EVT-020"],
    gaudi2: &[],
    log: &["EQ heartbeat event was not received", "EQ: {CI", "Device heartbeat failed"],
    resets: 1,
    raise: unheard,
};

/// The cases.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = KINDS
        .iter()
        .map(|told| {
            let name = format!("info/get_events/{}", told.rule);
            Case::new(name, told.rows, |cx| tells(cx, told))
                .rows_on(Asic::Gaudi2, told.gaudi2)
                .logs(told.log)
                .resets(told.resets)
        })
        .collect();
    let name = "info/get_events/tells_of_an_event_queue_that_is_silent";
    cases.push(
        Case::new(name, SILENT.rows, |cx| tells(cx, &SILENT))
            .on(Asics::GAUDI2)
            .personality("eq_heartbeat", |card| card.eq_heartbeat = true)
            .logs(SILENT.log)
            .resets(SILENT.resets),
    );
    cases.push(
        Case::new("info/get_events/adds_up_without_an_eventfd", &["EVT-012"], adds_up)
            .logs(&["H/W interrupt", "PSOC_PRSTN_FALL"]),
    );
    cases.push(
        Case::new("info/register_eventfd/leaves_its_user_some_time_before_a_reset", WATCHED, late)
            .logs(&["H/W interrupt", "DEV_RESET_REQ"])
            .resets(1),
    );
    cases.push(
        Case::new("info/hard_reset/two_fatal_errors_in_a_row_end_the_device", &["EVT-018"], twice)
            .control_only()
            .own_guest()
            .logs(FATAL)
            .resets(3),
    );
    cases.into_iter().map(|case| case.budget(90)).collect()
}

const FATAL: &[&str] = &[
    "H/W interrupt",
    "CPU_AXI_ERR_RSP",
    "Consecutive fatal errors",
    "Failed to reset!",
    "Hard-Reset requested through sysfs",
];

const WATCHED: &[&str] = &["EVT-022"];

fn tells(cx: &Context, told: &Told) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let card = Card::open(cx)?;
    let event = eventfd()?;
    succeed("REGISTER_EVENTFD", card.node.register_eventfd(&event))?;
    let mask = (told.raise)(&card, &control)?;
    equal("signals", signals(&event, LIMIT)?, 1)?;
    equal("events", card.node.take_events(), Ok(mask))?;
    equal("events again", card.node.take_events(), Ok(0))?;
    equal("reading the eventfd again", event.read(), Err(Errno::EAGAIN))?;
    equal("hard resets before the close", reset::resets(&control)?, before)?;
    let Card { node, .. } = card;
    succeed("close", node.close())?;
    if told.resets > 0 {
        let begun = wait::until(LIMIT, || Ok((cx.model()?.seen()?.hard_resets > 0).then_some(())))?;
        // What firmware was asked before the reset is forgotten.
        cx.model()?.order(Request::ReleaseCpu)?;
        cx.model()?.order(Request::ReleaseEvents)?;
        check(begun.is_some(), "the close begins the reset")?;
        reset::begun(&control, before)?;
        reset::done(&control)?;
    }
    reset::counted(&control, before + told.resets)?;
    // What the user left in the queues may keep the file a moment longer.
    let free = wait::until(LIMIT, || match Node::try_compute(cx) {
        Ok(node) => Ok(Some(succeed("close", node.close())?)),
        Err(Errno::EAGAIN | Errno::EBUSY) => Ok(None),
        Err(errno) => succeed("open of the compute node", Err(errno)),
    })?;
    check(free.is_some(), "the compute node can be opened again")?;
    reset::done(&control)?;
    let card = Card::open(cx)?;
    equal("events of the next user", card.node.take_events(), Ok(0))?;
    card.still_runs(card.upload(0))
}

/// The number of the interrupt of tensor cores is told to users, and any job may raise it
/// (`irq.c: handle_tpc_interrupt`). On Gaudi firmware tells of an access error instead
/// (GAUDI_EVENT_TPC0_DEC). Asked for is the reset after each user, which Gaudi2 has anyway.
fn assertion(card: &Card<'_>, control: &Node) -> CaseResult<u64> {
    match card.cx.asic() {
        Asic::Gaudi => post(card.cx, control, 201)?,
        Asic::Gaudi2 => asserted(card, control)?,
    }
    Ok(HL_NOTIFIER_EVENT_TPC_ASSERT
        | HL_NOTIFIER_EVENT_USER_ENGINE_ERR
        | HL_NOTIFIER_EVENT_DEVICE_RESET)
}

/// The driver tells users while it holds on to their context, and aborts those who wait only after
/// that (`device.c: hl_device_cond_reset`). Who closes in between is taken for a user who leaves
/// something behind, and gets a hard reset.
fn asserted(card: &Card<'_>, control: &Node) -> CaseResult {
    let info: hl_info_hw_ip_info = ask(control)?;
    let program = card.program().message(crate::wait::DOORBELL, info.tpc_interrupt_id.into());
    let job = card.job(card.upload(0), &program)?;
    let counter = typed::need("memory to wait on", device::Pages::new(8))?;
    counter.write(0, &[0; 8]);
    let first = info.first_available_interrupt_id.into();
    let wait = device::WaitRequest::interrupt(first, counter.pointer(0).address(), 1, PATIENCE_US);
    let node = &card.node;
    let answer = std::thread::scope(|scope| -> CaseResult<_> {
        let beside = Beside::start(scope, || node.wait(&wait))?;
        beside.asleep()?;
        card.submit(&device::CsRequest::execute([job.chunk()]))?;
        beside.join()
    })?;
    equal("status of the wait", answer.status(), Ok(HL_WAIT_CS_STATUS_ABORTED))
        .map_err(|stop| stop.request(&answer))?;
    let list = files::debugfs(card.cx, "command_submission")?;
    let ended = wait::until(LIMIT, || Ok(files::read(&list)?.is_empty().then_some(())))?;
    check(ended.is_some(), "the job ends")
}

/// The first tensor core's queue manager, from CFG base (`mmTPC0_QM_BASE`, `mmDCORE0_TPC0_QM_BASE`),
/// tells of it (GAUDI_EVENT_TPC0_QM): a stream on Gaudi, on Gaudi2 the lower processor, the only
/// one that counts there (`gaudi2.c: gaudi2_handle_qman_err_generic`). Gaudi2 wants the reset that it
/// has after each user.
fn undefined(card: &Card<'_>, control: &Node) -> CaseResult<u64> {
    let (base, registers, index, event) = match card.cx.asic() {
        Asic::Gaudi => (0xe0_8000, &qman::GAUDI, 1, 572),
        Asic::Gaudi2 => (TPC0_QUEUE, &qman::GAUDI2, LOWER, id::GAUDI2_TPC0_QUEUE),
    };
    let errors = base + u64::from(registers.errors + 4 * index);
    poke(card.cx, errors, qman::error::UNDEFINED)?;
    post(card.cx, control, event)?;
    poke(card.cx, errors, 0)?;
    Ok(HL_NOTIFIER_EVENT_UNDEFINED_OPCODE
        | HL_NOTIFIER_EVENT_USER_ENGINE_ERR
        | HL_NOTIFIER_EVENT_DEVICE_RESET)
}

/// GAUDI_EVENT_PCIE_DEC, GAUDI2_EVENT_PSOC_PRSTN_FALL.
fn hardware(card: &Card<'_>, control: &Node) -> CaseResult<u64> {
    let event = match card.cx.asic() {
        Asic::Gaudi => 200,
        Asic::Gaudi2 => 530,
    };
    post(card.cx, control, event)?;
    Ok(HL_NOTIFIER_EVENT_GENERAL_HW_ERR)
}

/// Gaudi asks for a reset, too, and leaves it to the user (`gaudi.c: gaudi_handle_eqe`).
fn forbidden(card: &Card<'_>, control: &Node) -> CaseResult<u64> {
    post_razwi(card.cx, control)?;
    let reset = match card.cx.asic() {
        Asic::Gaudi => HL_NOTIFIER_EVENT_DEVICE_RESET,
        Asic::Gaudi2 => 0,
    };
    Ok(HL_NOTIFIER_EVENT_RAZWI | HL_NOTIFIER_EVENT_USER_ENGINE_ERR | reset)
}

fn fault(card: &Card<'_>, control: &Node) -> CaseResult<u64> {
    post_fault(card.cx, control, 0x1_2345_6789_a000)?;
    Ok(HL_NOTIFIER_EVENT_PAGE_FAULT | HL_NOTIFIER_EVENT_USER_ENGINE_ERR)
}

fn critical(card: &Card<'_>, control: &Node) -> CaseResult<u64> {
    post(card.cx, control, reset_request(card.cx.asic()))?;
    Ok(HL_NOTIFIER_EVENT_GENERAL_HW_ERR
        | HL_NOTIFIER_EVENT_CRITICL_HW_ERR
        | HL_NOTIFIER_EVENT_DEVICE_RESET)
}

fn reset_request(asic: Asic) -> u16 {
    match asic {
        Asic::Gaudi => id::RESET_REQUEST,
        Asic::Gaudi2 => id::GAUDI2_RESET_REQUEST,
    }
}

/// GAUDI2_EVENT_CPU_AXI_ERR_RSP, and `mmCPU_IF_CPU_SEI_INTR_STS` from CFG base: its first cause.
const GAUDI2_CPU_ERROR: (u16, u64, u32) = (502, 0x4cc_1140, 1);

fn firmware(card: &Card<'_>, control: &Node) -> CaseResult<u64> {
    let event = match card.cx.asic() {
        Asic::Gaudi => id::FIRMWARE_ALIVE,
        Asic::Gaudi2 => {
            let (event, register, cause) = GAUDI2_CPU_ERROR;
            poke(card.cx, register, cause)?;
            event
        }
    };
    post(card.cx, control, event)?;
    Ok(HL_NOTIFIER_EVENT_CRITICL_FW_ERR | HL_NOTIFIER_EVENT_DEVICE_RESET)
}

fn heartbeat(card: &Card<'_>, _: &Node) -> CaseResult<u64> {
    card.cx.model()?.order(Request::HoldCpuAt { opcode: HEARTBEAT_PACKET })?;
    Ok(HL_NOTIFIER_EVENT_CRITICL_FW_ERR
        | HL_NOTIFIER_EVENT_DEVICE_RESET
        | HL_NOTIFIER_EVENT_DEVICE_UNAVAILABLE)
}

/// As long as events come, nothing happens.
fn unheard(card: &Card<'_>, control: &Node) -> CaseResult<u64> {
    let before = reset::resets(control)?;
    for _ in 0..2 {
        after_a_heartbeat(card.cx)?;
    }
    equal("events while all is well", card.node.take_events(), Ok(0))?;
    equal("hard resets while all is well", reset::resets(control)?, before)?;
    card.cx.model()?.order(Request::HoldEvents)?;
    Ok(HL_NOTIFIER_EVENT_CRITICL_FW_ERR
        | HL_NOTIFIER_EVENT_DEVICE_RESET
        | HL_NOTIFIER_EVENT_DEVICE_UNAVAILABLE)
}

/// Two events of different kinds are in the mask until it is asked for, whoever listens or not.
fn adds_up(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let card = Card::open(cx)?;
    let general = hardware(&card, &control)?;
    for event in heat(cx.asic()) {
        post(cx, &control, event)?;
    }
    let mask = general | HL_NOTIFIER_EVENT_USER_ENGINE_ERR;
    equal("events", card.node.take_events(), Ok(mask))?;
    equal("events again", card.node.take_events(), Ok(0))
}

/// Seconds that the user is left.
const WATCHDOG: u64 = 3;

/// A user who listens and does not close is killed, but not before its time.
fn late(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    let watchdog = files::debugfs(cx, "device_release_watchdog_timeout")?;
    let usual = files::read(&watchdog)?;
    files::write(&watchdog, &WATCHDOG.to_string())?;
    let victim = Victim::start(|| {
        let node = device::Node::open(&cx.at.compute)?;
        let event = EventFd::new()?;
        node.register_eventfd(&event)?;
        Ok((node, event))
    })?;
    let began = Ticks::now()?;
    raise(cx, &control, reset_request(cx.asic()))?;
    let begun = reset::begun(&control, before);
    let lasted = began.lasted(Duration::from_secs(WATCHDOG));
    let killed = victim.killed();
    reset::done(&control)?;
    files::write(&watchdog, &usual)?;
    begun?;
    lasted?;
    killed?;
    reset::counted(&control, before + 1)?;
    operational(cx)?;
    typed::still_works(&typed::compute(cx)?)
}

/// GAUDI_EVENT_GIC500, an error of the chip's CPU.
const GAUDI_CPU_ERROR: u16 = 184;

/// The second error comes before a heartbeat says that the device is well (`device.c:
/// handle_reset_trigger`). A reset for another reason brings it back.
fn twice(cx: &Context) -> CaseResult {
    let control = Node::control(cx)?;
    let before = reset::resets(&control)?;
    for round in 1..=2 {
        let event = match cx.asic() {
            Asic::Gaudi => GAUDI_CPU_ERROR,
            Asic::Gaudi2 => {
                let (event, register, cause) = GAUDI2_CPU_ERROR;
                poke(cx, register, cause)?;
                event
            }
        };
        cx.model()?.order(Request::Event { id: event, data: Vec::new() })?;
        let counted =
            wait::until(LIMIT, || Ok((reset::resets(&control)? == before + round).then_some(())))?;
        check(counted.is_some(), &format!("reset {round} ends"))?;
        if round == 1 {
            reset::done(&control)?;
        }
    }
    let ended = wait::until(LIMIT, || {
        let now = reset::status(&control)?;
        Ok((now != HL_DEVICE_STATUS_IN_RESET).then_some(now))
    })?;
    let opened = Node::try_compute(cx).map(drop);
    reset::start(cx)?;
    reset::done(&control)?;
    equal("status after two errors", ended, Some(HL_DEVICE_STATUS_MALFUNCTION))?;
    equal("open of the compute node", opened, Err(Errno::EPERM))?;
    reset::counted(&control, before + 3)?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}
