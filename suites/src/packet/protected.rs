// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Registers that the driver protects from users (gaudi_security.c: gaudi_init_protection_bits).
//!
//! Buffers for internal queues are not looked at by the driver, so the device alone refuses. What a
//! refused write is told as is not checked: no source says which event it raises.

use crate::common::submit::{Card, PATIENCE};
use crate::common::wait;
use crate::common::window::Window;
use case::{Case, CaseResult, Context, check, equal};
use control::Asics;
use device::CsRequest;
use hw::memory::GAUDI;
use hw::packet::Body;
use hw::queue::Engine;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("packet/protected/messages_of_users_do_not_arrive", PROTECTED, messages)
            .on(Asics::GAUDI),
        Case::new("packet/protected/users_do_not_configure_their_engine", PROTECTED, configure)
            .on(Asics::GAUDI),
    ]
}

const PROTECTED: &[&str] = &["PKT-040", "SEC-005"];

/// A block, by the queue that feeds its engine, and registers of it. None of them matters while
/// the engine is idle.
struct Block {
    engine: Engine,
    number: u16,
    base: u32,
    /// Open to users.
    open: u32,
    protected: &'static [u32],
}

/// Names and offsets: dma5_core_regs.h, tpc7_cfg_regs.h, mme2_ctrl_regs.h.
const ENGINES: [Block; 3] = [
    // SRC_BASE_LO; ERRMSG_WDATA.
    Block { engine: Engine::Dma, number: 5, base: 0x5a_0000, open: 0x14, protected: &[0x178] },
    // QM_TENSOR_0_BASE_ADDR_LOW; CFG_SUBTRACT_VALUE, TPC_INTR_MASK.
    Block {
        engine: Engine::Tpc,
        number: 7,
        base: 0xfc_6000,
        open: 0xa00,
        protected: &[0x924, 0x95c],
    },
    // ARCH_BASE_ADDR_LOW_S; LOG_SHADOW, INTR_MASK.
    Block {
        engine: Engine::Mme,
        number: 2,
        base: 0x16_0000,
        open: 0x14,
        protected: &[0x2a0, 0x29c],
    },
];

/// The last object of the manager in the east and north, which is the user's.
const OBJECT: u64 = GAUDI.cfg_base + hw::sync::gaudi::E_N as u64 + 2047 * 4;
/// What it becomes when the writes before are done.
const DONE: u32 = 1;

fn messages(cx: &Context) -> CaseResult {
    ENGINES.iter().try_for_each(|block| {
        let place = GAUDI.cfg_base + u64::from(block.base);
        tried(cx, block, |register, value| {
            let address = place + u64::from(register);
            Body::MsgLong { address, value, operation: 0 }
        })
    })
}

fn configure(cx: &Context) -> CaseResult {
    ENGINES.iter().try_for_each(|block| {
        tried(cx, block, |register, value| Body::Wreg32 { register: register as u16, value })
    })
}

/// Writes each register of a block from the queue of its engine: only the open one changes.
fn tried(cx: &Context, block: &Block, write: impl Fn(u32, u32) -> Body) -> CaseResult {
    let window = Window::new(cx)?;
    let place = |register: u32| GAUDI.cfg_base + u64::from(block.base + register);
    let old = |register: &u32| window.read(place(*register));
    let before = block.protected.iter().map(old).collect::<CaseResult<Vec<_>>>()?;
    let open = window.read(place(block.open))?;

    let card = Card::open(cx)?;
    let queue = card.stream_of(block.engine, block.number, 0)?;
    let mut program = card.program().message(OBJECT, 0);
    for (register, old) in block.protected.iter().zip(&before) {
        program = program.body(write(*register, !old));
    }
    program = program.body(write(block.open, !open)).message(OBJECT, DONE);
    let (job, beside) = (card.job(queue, &program)?, card.nop(card.upload(0))?);
    let chunks = vec![beside.chunk(), job.chunk()];
    card.finish(card.submit(&CsRequest::execute(chunks))?)?;
    let done = wait::until(PATIENCE, || Ok((window.read(OBJECT)? == DONE).then_some(())))?;
    check(done.is_some(), &format!("queue {queue} executes its job"))?;

    let engine = format!("{:?} {}", block.engine, block.number);
    let word = |register| window.read(place(register)).map(|word| format!("{word:#x}"));
    equal(&format!("open register of {engine}"), word(block.open)?, format!("{:#x}", !open))?;
    for (register, old) in block.protected.iter().zip(before) {
        let what = format!("protected register {register:#x} of {engine}");
        equal(&what, word(*register)?, format!("{old:#x}"))?;
    }
    window.write(place(block.open), open)?;
    window.write(OBJECT, 0)
}
