// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The table of packets: allowed, denied, unknown, cut (gaudi.c: gaudi_validate_cb).

use crate::common::submit::{Card, Counters, Job, Rejection};
use case::{Case, CaseResult, Context, Stop, equal};
use control::{Asics, FindingKind};
use device::{Chunk, CsRequest, Errno, Program};
use hw::Generation;
use hw::packet::{Barriers, Body, LinDma, Opcode, Packet};

/// What the driver says to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    Denied(Errno),
}

/// One packet of each kind, by a name for the case.
struct Row {
    name: &'static str,
    rows: &'static [&'static str],
    verdict: Verdict,
    body: fn() -> Body,
}

const fn allowed(name: &'static str, rows: &'static [&'static str], body: fn() -> Body) -> Row {
    Row { name, rows, verdict: Verdict::Allowed, body }
}

const fn denied(name: &'static str, rows: &'static [&'static str], body: fn() -> Body) -> Row {
    Row { name, rows, verdict: Verdict::Denied(Errno::EPERM), body }
}

/// A sync object that users may have (gaudiP.h: the last of the manager in the east and north).
const OBJECT: u64 = 0x7f_fc00_0000 + hw::sync::gaudi::E_N as u64 + 2047 * 4;

/// The packets of Gaudi.
const TABLE: &[Row] = &[
    allowed("wreg32", &["PKT-025"], || Body::Wreg32 { register: 0x20, value: 0 }),
    denied("wreg_bulk", &["PKT-016"], || Body::WregBulk { register: 0x20, values: vec![0] }),
    denied("wreg_bulk_of_nothing", &["PKT-016"], || Body::WregBulk {
        register: 0,
        values: Vec::new(),
    }),
    allowed("msg_long", &["PKT-020"], || Body::MsgLong { address: OBJECT, value: 0, operation: 0 }),
    // Base 1 of the queues of users is the first object of the manager in the east and north.
    allowed("msg_short", &["PKT-021"], || Body::MsgShort {
        base: 1,
        offset: 2046 * 4,
        value: 0,
        operation: 0,
    }),
    denied("msg_prot", &["PKT-017"], || Body::MsgProt { address: OBJECT, value: 0, operation: 0 }),
    denied("cp_dma", &["PKT-018"], || Body::CpDma { source: 1 << 48, size: 8 }),
    denied("stop", &["PKT-019"], || Body::Stop),
    allowed("fence_that_is_open", &["PKT-022"], || Body::Fence { id: 1, target: 0, decrement: 0 }),
    allowed("nop", &["PKT-023"], || Body::Nop),
    allowed("arb_point", &["PKT-027"], || Body::ArbPoint { priority: 0, release: true }),
    allowed("dma_of_nothing", &["PKT-030"], || {
        Body::LinDma(LinDma { linear: true, destination: 0x7f_f010_0000, ..LinDma::default() })
    }),
    denied("load_and_exe_of_scalars", &["PKT-028"], || Body::LoadAndExe {
        config: 1,
        source: 1 << 48,
    }),
    Row {
        name: "wait",
        rows: &["PKT-013"],
        verdict: Verdict::Denied(Errno::EINVAL),
        body: || Body::Wait { cycles: 1, id: 0, increment: 0 },
    },
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for row in TABLE {
        let verb = match row.verdict {
            Verdict::Allowed => "allows",
            Verdict::Denied(_) => "denies",
        };
        let name = format!("packet/parse/{verb}_{}", row.name);
        cases.push(Case::new(name, row.rows, |cx| one(cx, row)));
    }
    // A loop that does not end: the device model says so.
    const REPEAT: Row = allowed("repeat_start", &["PKT-026"], || Body::Repeat {
        end: false,
        outer: false,
        jump: 0,
    });
    let repeat = Case::new("packet/parse/allows_repeat_start", REPEAT.rows, |cx| one(cx, &REPEAT));
    cases.push(repeat.finds(&[FindingKind::BadPacket]));
    cases.extend([
        Case::new("packet/parse/allows_load_and_exe_of_predicates", &["PKT-029"], predicates),
        Case::new("packet/parse/rejects_unknown_kinds", &["PKT-013"], unknown),
        Case::new("packet/parse/rejects_packets_that_are_cut", &["PKT-014", "PKT-024"], cut),
        Case::new("packet/parse/denies_wherever_it_stands", DENIED, anywhere),
        Case::new("packet/parse/looks_at_every_external_queue", DENIED, queues),
    ]);
    cases.into_iter().map(|case| case.on(Asics::GAUDI).logs(LOG)).collect()
}

const DENIED: &[&str] = &["PKT-016", "PKT-017", "PKT-018", "PKT-019"];
const LOG: &[&str] = &[
    "User not allowed to use",
    "Invalid packet",
    "is out of CB boundary",
    "Failed to parse JOB",
    "user CB size mismatch",
];

/// The packet in a job, behind one that does nothing.
fn packet(card: &Card<'_>, body: Body) -> Program {
    card.program().nop().packet(&Packet::new(Barriers::NONE, body))
}

fn one(cx: &Context, row: &Row) -> CaseResult {
    let card = Card::open(cx)?;
    let queue = card.upload(0);
    let job = card.job(queue, &packet(&card, (row.body)()))?;
    let before = Counters::read(&card.node)?;
    match row.verdict {
        Verdict::Allowed => {
            card.run(&job)?;
            before.grew(&card.node, None, 0)?;
        }
        Verdict::Denied(errno) => rejected(&card, &job, errno)?,
    }
    card.still_runs(queue)
}

#[track_caller]
fn rejected(card: &Card<'_>, job: &Job<'_>, errno: Errno) -> CaseResult {
    let request = CsRequest::execute([job.chunk()]);
    card.rejects(&request, Rejection::unparsable(errno))
}

fn predicates(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    // Loads the 32 predicates of the stream: from memory that is mapped.
    let data = card.nop(card.stream_of(hw::queue::Engine::Dma, 2, 0)?)?;
    let body = Body::LoadAndExe { config: 0, source: data.place() };
    let job = card.job(card.upload(0), &packet(&card, body))?;
    card.run(&job)?;
    card.still_runs(card.upload(0))
}

/// The opcodes that no packet of the chip has.
fn strangers() -> impl Iterator<Item = u8> {
    (0..32).filter(|code| Opcode::GAUDI.iter().all(|known| *known as u8 != *code))
}

fn unknown(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    for code in strangers() {
        let at = |stop: Stop| stop.request(&format_args!("opcode {code:#x}"));
        let word = u64::from(code) << 56;
        // Room behind it, so that it is not refused for its size.
        let program = card.program().nop().raw(&word.to_le_bytes()).raw(&[0; 64]);
        let job = card.job(card.upload(0), &program)?;
        rejected(&card, &job, Errno::EINVAL).map_err(at)?;
    }
    card.still_runs(card.upload(0))
}

fn cut(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let long = [
        Body::MsgLong { address: OBJECT, value: 0, operation: 0 },
        Body::LinDma(LinDma { linear: true, ..LinDma::default() }),
        Body::Nop,
        Body::Fence { id: 1, target: 0, decrement: 0 },
    ];
    for body in long {
        let program = packet(&card, body);
        let job = card.job(card.upload(0), &program)?;
        // From the end of the first packet on, every size that is not the whole.
        for size in 9..program.size() {
            let chunk = Chunk { size, ..job.chunk() };
            let request = CsRequest::execute([chunk]);
            card.rejects(&request, Rejection::unparsable(Errno::EINVAL))?;
        }
        card.run(&job)?;
    }
    Ok(())
}

fn anywhere(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let nops =
        |count: usize| (0..count).fold(Program::new(Generation::Gaudi), |program, _| program.nop());
    for row in TABLE {
        let Verdict::Denied(errno) = row.verdict else { continue };
        for (before, after) in [(0, 0), (0, 5), (511, 1), (1000, 0)] {
            let packet = Packet::new(Barriers::ALL, (row.body)());
            let program = nops(before).packet(&packet).raw(nops(after).bytes());
            let job = card.job(card.upload(0), &program)?;
            rejected(&card, &job, errno).map_err(|stop| stop.request(&row.name))?;
        }
    }
    card.still_runs(card.upload(0))
}

fn queues(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    let external: Vec<u32> = (0..4).flat_map(|n| [card.upload(n), card.download(n)]).collect();
    equal("external queues", external.len(), 8)?;
    for queue in external {
        for row in TABLE {
            let Verdict::Denied(errno) = row.verdict else { continue };
            let job = card.job(queue, &packet(&card, (row.body)()))?;
            // A part that is not completed by the driver is parsed all the same.
            rejected(&card, &job, errno).map_err(|stop| stop.request(&row.name))?;
            let stage = CsRequest::first_stage([job.chunk()]);
            card.rejects(&stage, Rejection::unparsable(errno))?;
        }
        card.still_runs(queue)?;
    }
    Ok(())
}
