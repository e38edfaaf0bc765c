// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Registers that the driver protects from users (gaudi_security.c: gaudi_init_protection_bits,
//! gaudi2_security.c: gaudi2_init_protection_bits).
//!
//! Buffers for internal queues are not looked at by the driver, so the device alone refuses. What a
//! refused write is told as is not checked: no source says which event it raises. Gaudi2's blocks
//! keep it, and the driver says it when it is asked for (debugfs).

use crate::common::files;
use crate::common::log::Log;
use crate::common::submit::{Card, PATIENCE};
use crate::common::wait;
use crate::common::window::Window;
use case::{Case, CaseResult, Context, check, equal};
use control::{Asic, Asics};
use device::CsRequest;
use hw::memory::{GAUDI, GAUDI2};
use hw::packet::Body;
use hw::queue::Engine;
use hw::sync::{GAUDI2_DCORE0, GAUDI2_QUEUES};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("packet/protected/messages_of_users_do_not_arrive", PROTECTED, messages),
        Case::new("packet/protected/users_do_not_configure_their_engine", PROTECTED, configure),
        Case::new("packet/protected/objects_of_the_driver_do_not_change", &["SEC-006"], objects)
            .on(Asics::GAUDI2),
        Case::new("packet/protected/queues_of_the_driver_do_not_change", &["SEC-006"], queues)
            .on(Asics::GAUDI2),
        Case::new("packet/protected/refused_writes_are_told", TOLD, told)
            .on(Asics::GAUDI2)
            .logs(&["Security error at block", "APB_SEC_WR"]),
    ]
}

const PROTECTED: &[&str] = &["PKT-040", "SEC-005"];
const TOLD: &[&str] = &["PKT-040", "DBGFS-074"];

/// Registers of a block, and the queue that tries to write them. None of them matters while
/// nothing else runs.
struct Block {
    engine: Engine,
    number: u16,
    /// Offset in the configuration space.
    base: u32,
    /// Open to users.
    open: &'static [u32],
    protected: &'static [u32],
}

/// What differs between the chips.
struct Chip {
    cfg: u64,
    /// Blocks of engines, each with its own queue.
    engines: [Block; 3],
    /// Where the engine's block is in what its queue writes by WREG.
    window: u32,
    /// The last object of a manager that is the user's.
    object: u32,
}

/// Names and offsets: dma5_core_regs.h, tpc7_cfg_regs.h, mme2_ctrl_regs.h.
const ON_GAUDI: Chip = Chip {
    cfg: GAUDI.cfg_base,
    engines: [
        // SRC_BASE_LO; ERRMSG_WDATA.
        block(Engine::Dma, 5, 0x5a_0000, &[0x14], &[0x178]),
        // QM_TENSOR_0_BASE_ADDR_LOW; CFG_SUBTRACT_VALUE, TPC_INTR_MASK.
        block(Engine::Tpc, 7, 0xfc_6000, &[0xa00], &[0x924, 0x95c]),
        // ARCH_BASE_ADDR_LOW_S; LOG_SHADOW, INTR_MASK.
        block(Engine::Mme, 2, 0x16_0000, &[0x14], &[0x2a0, 0x29c]),
    ],
    window: 0,
    object: hw::sync::gaudi::E_N + 2047 * 4,
};

/// Names and offsets, of the first engine: dcore0_edma0_core{,_ctx}_regs.h, dcore0_tpc0_cfg_regs.h,
/// dcore0_mme_ctrl_lo{,_arch_non_tensor}_regs.h.
const ON_GAUDI2: Chip = Chip {
    cfg: GAUDI2.cfg_base,
    engines: [
        // SRC_BASE_LO; ERRMSG_WDATA.
        block(Engine::Edma, 5, 0x45d_b000, &[0x8d8], &[0x310]),
        // QM_KERNEL_BASE_ADDRESS_LOW; CFG_SUBTRACT_VALUE, TPC_INTR_MASK.
        block(Engine::Tpc, 23, 0x465_b000, &[0xae4], &[0xd8c, 0xdb8]),
        // BASE_ADDR_A_LOW; LOG_SHADOW_LO, INTR_MASK.
        block(Engine::Mme, 2, 0x44c_b000, &[0x18], &[0x404, 0x4bc]),
    ],
    window: 0xb000,
    object: GAUDI2_DCORE0 + 3 * 0x20_0000 + 8191 * 4,
};

/// The manager of dcore 0: the last object and the last monitor of the driver are closed, those
/// after them are not (`gaudi2P.h: GAUDI2_RESERVED_SOB_NUMBER, GAUDI2_RESERVED_MON_NUMBER`).
const OBJECTS: Block = block(
    Engine::Tpc,
    3,
    GAUDI2_DCORE0,
    &[4 * 85, SYNC.data + 4 * 125, SYNC.address_low + 4 * 2047],
    &[4 * 84, SYNC.address_low + 4 * 124, SYNC.address_high + 4 * 124, SYNC.data + 4 * 124],
);
const SYNC: hw::sync::Objects = hw::sync::GAUDI2;

/// Its completion queues: the driver's are the first two (`GAUDI2_RESERVED_CQ_NUMBER`).
const QUEUES: Block = block(
    Engine::Tpc,
    3,
    GAUDI2_DCORE0,
    &[GAUDI2_QUEUES.message_data + 4 * 2, GAUDI2_QUEUES.message_data + 4 * 63],
    &[GAUDI2_QUEUES.message_data, GAUDI2_QUEUES.message_data + 4],
);

const fn block(
    engine: Engine,
    number: u16,
    base: u32,
    open: &'static [u32],
    protected: &'static [u32],
) -> Block {
    Block { engine, number, base, open, protected }
}

/// What an object becomes when the writes before are done.
const DONE: u32 = 1;

const fn chip(asic: Asic) -> &'static Chip {
    match asic {
        Asic::Gaudi => &ON_GAUDI,
        Asic::Gaudi2 => &ON_GAUDI2,
    }
}

fn messages(cx: &Context) -> CaseResult {
    let card = Card::open(cx)?;
    chip(cx.asic()).engines.iter().try_for_each(|block| by_message(&card, block))
}

fn configure(cx: &Context) -> CaseResult {
    let (card, chip) = (Card::open(cx)?, chip(cx.asic()));
    chip.engines.iter().try_for_each(|block| {
        tried(&card, block, |register, value| Body::Wreg32 {
            register: (chip.window + register) as u16,
            value,
        })
    })
}

fn objects(cx: &Context) -> CaseResult {
    by_message(&Card::open(cx)?, &OBJECTS)
}

fn queues(cx: &Context) -> CaseResult {
    by_message(&Card::open(cx)?, &QUEUES)
}

fn told(cx: &Context) -> CaseResult {
    let [block, ..] = &chip(cx.asic()).engines;
    // The close of the node resets engines, and what their blocks keep.
    let card = Card::open(cx)?;
    let file = files::debugfs(cx, "dump_security_violations")?;
    let mut log = Log::from_now()?;
    let mut says = || -> CaseResult<[usize; 2]> {
        equal("bytes", files::read(&file)?.len(), 0)?;
        let place = format!(
            "Security error at block 0x{:x}, offending address 0x{:x}",
            block.base, block.protected[0]
        );
        let records = log.with("Security error")?;
        Ok([records.len(), records.iter().filter(|record| record.contains(&place)).count()])
    };
    equal("errors of any block and of this one before", says()?, [0, 0])?;
    by_message(&card, block)?;
    equal("errors of any block and of this one", says()?, [1, 1])?;
    equal("errors of any block and of this one when they were told", says()?, [0, 0])
}

fn by_message(card: &Card<'_>, block: &Block) -> CaseResult {
    let place = chip(card.cx.asic()).cfg + u64::from(block.base);
    tried(card, block, |register, value| {
        let address = place + u64::from(register);
        Body::MsgLong { address, value, operation: 0 }
    })
}

/// Writes each register of a block from a queue: only the open ones change.
fn tried(card: &Card<'_>, block: &Block, write: impl Fn(u32, u32) -> Body) -> CaseResult {
    let window = Window::new(card.cx)?;
    let chip = chip(card.cx.asic());
    let place = |register: u32| chip.cfg + u64::from(block.base + register);
    let old = |register: &u32| window.read(place(*register));
    let all: Vec<u32> = block.protected.iter().chain(block.open).copied().collect();
    let before = all.iter().map(old).collect::<CaseResult<Vec<_>>>()?;
    // Sync objects keep 15 bits.
    let new = |old: u32| old ^ 0x5a5a;

    let queue = card.stream_of(block.engine, block.number, 0)?;
    let object = chip.cfg + u64::from(chip.object);
    let mut program = card.program().message(object, 0);
    for (register, old) in all.iter().zip(&before) {
        program = program.body(write(*register, new(*old)));
    }
    program = program.message(object, DONE);
    let (job, beside) = (card.job(queue, &program)?, card.nop(card.upload(0))?);
    let chunks = vec![beside.chunk(), job.chunk()];
    card.finish(card.submit(&CsRequest::execute(chunks))?)?;
    let done = wait::until(PATIENCE, || Ok((window.read(object)? == DONE).then_some(())))?;
    check(done.is_some(), &format!("queue {queue} executes its job"))?;

    let after = all.iter().map(old).collect::<CaseResult<Vec<_>>>()?;
    for (register, old) in all.iter().zip(&before) {
        window.write(place(*register), *old)?;
    }
    window.write(object, 0)?;
    let engine = format!("{:?} {}", block.engine, block.number);
    for ((register, old), now) in all.iter().zip(before).zip(after) {
        let open = block.open.contains(register);
        let (what, expected) = if open { ("open", new(old)) } else { ("protected", old) };
        let what = format!("{what} register {register:#x}, written by the queue of {engine}");
        equal(&what, format!("{now:#x}"), format!("{expected:#x}"))?;
    }
    Ok(())
}
