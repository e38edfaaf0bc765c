// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Planted faults: a graph with a fault gives something else, the check names the node that was
//! first to, and the same graph without the fault, beside it, stays right.

use super::done;
use super::reference::{equals, values};
use crate::common::submit::Held;
use crate::common::typed::compute;
use crate::common::wait;
use case::{Case, CaseResult, Context, Stop, check, equal};
use device::Program;
use graph::check::first_difference;
use graph::chip::Chip;
use graph::plan::Plan;
use graph::schedule::Programs;
use graph::{DataType, Graph, Op, Session, Shape, Share, TensorId};
use hw::packet::{Body, Packet, decode};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::Arc;
use std::time::Duration;
use tpc::bundle::Bundle;
use tpc::isa::Slot;
use tpc::isa::layout::Layout;

pub(super) fn cases() -> Vec<Case> {
    let rows = &["GRAPH-018", "GRAPH-020"];
    let cases = vec![
        Case::new("graph/planted/a_flipped_bit_of_a_kernel_is_found", rows, flipped),
        Case::new("graph/planted/a_wrong_value_of_a_monitor_is_found", rows, early).model(),
        Case::new("graph/planted/inputs_may_move_to_other_pages", &["GRAPH-019"], moved),
    ];
    cases.into_iter().map(|case| case.budget(60)).collect()
}

const F32: DataType = DataType::F32;
/// One vector: each node runs on one core, another one each time.
const COUNT: usize = 64;

/// `square` of `double` of x, plus x: so nothing takes the place of x before the end. The square's
/// tensor comes first, so that it is stored first.
struct Chain {
    graph: Graph,
    x: TensorId,
    square: TensorId,
}

fn chain() -> CaseResult<Chain> {
    let mut g = Graph::new();
    let x = g.input("x", Shape::dense(F32, &[COUNT as u32]));
    let square = g.space("square", F32, &[COUNT as u32]);
    let double = done(g.binary("double", Op::Add, x, x))?;
    let (from, to) = (g.view(double), g.view(square));
    done(g.write("square", Op::Mul, &[from.clone(), from], to))?;
    done(g.binary("sum", Op::Add, square, x))?;
    Ok(Chain { graph: g.inspect(), x, square })
}

/// Changes packets of programs.
pub(super) fn rewrite(programs: &mut Programs, change: impl Fn(u32, &mut Packet)) {
    for (queue, program) in programs {
        let generation = program.generation();
        let mut changed = Program::new(generation);
        let mut rest = program.bytes();
        while let Ok((mut packet, size)) = decode(generation, rest) {
            change(*queue, &mut packet);
            changed = changed.packet(&packet);
            rest = &rest[size..];
        }
        *program = changed;
    }
}

/// Which node is the first to differ?
fn culprit(chain: &Chain, session: &Session<'_>) -> Option<String> {
    first_difference(&chain.graph, &session.values()).map(|found| found.node)
}

fn ready<'a>(session: Session<'a>, chain: &Chain, input: &[f32]) -> CaseResult<Session<'a>> {
    done(session.set(chain.x, &F32.encode(input)))?;
    for made in chain.graph.nodes() {
        done(session.spoil(made.writes))?;
    }
    Ok(session)
}

/// A multiplication becomes a subtraction by one bit of its opcode.
fn flip(plan: &mut Plan) -> CaseResult {
    /// MUL of the vector unit, and the bit of its opcode.
    const MUL: u8 = 1;
    const BIT: u16 = 1;
    let arch = plan.chip.arch;
    let code = plan.code.iter_mut().find(|code| code.name == "mul_f32");
    let code = code.ok_or_else(|| Stop::Broken("there is no kernel mul_f32".into()))?;
    let mut bytes = code.bytes.to_vec();
    let mut at = 0;
    while let Ok((bundle, size)) = Bundle::decode(arch, &bytes[at..]) {
        match bundle {
            Bundle::Slots(slots) if slots.slot(Slot::Vpu).op == MUL => {
                let bit = usize::from(Layout::of(arch).slot(Slot::Vpu).op.0 + BIT);
                bytes[at + bit / 8] ^= 1 << (bit % 8);
                code.bytes = Arc::from(bytes);
                return Ok(());
            }
            Bundle::Slots(_) | Bundle::Loop(_) => at += size,
        }
    }
    Err(Stop::Broken("mul_f32 does not multiply".into()))
}

fn flipped(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let chain = chain()?;
    let input = values(&mut StdRng::seed_from_u64(51), COUNT);
    let chip = done(Chip::found(&node))?;
    let share = done(Share::all(&node, &chip))?;
    let make = |chip: Chip, second: bool| {
        let (share, chip) = (share.half(second), chip.part(second.into(), 2));
        let mut plan = done(Plan::new(&chain.graph, chip, &share.room))?;
        if second {
            flip(&mut plan)?;
        }
        ready(done(Session::of(&node, &share, plan, |_programs| ()))?, &chain, &input)
    };
    let (sound, faulty) = (make(chip, false)?, make(chip.stream(1), true)?);
    let running = [&sound, &faulty].map(Session::submit);
    for (session, sequence) in [&sound, &faulty].into_iter().zip(running) {
        done(session.wait(done(sequence)?))?;
    }
    equal("first node that differs without the fault", culprit(&chain, &sound), None)?;
    let wrong = culprit(&chain, &faulty);
    equal("first node that differs", wrong.as_deref(), Some("square"))
}

/// The second core does not wait for the first: its monitor fires at 0 already. The first is held
/// until the second is done.
fn early(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let chain = chain()?;
    let input = values(&mut StdRng::seed_from_u64(52), COUNT);
    let chip = done(Chip::found(&node))?;
    let share = done(Share::all(&node, &chip))?;
    let plan = done(Plan::new(&chain.graph, chip, &share.room))?;
    let queue = |name: &str| {
        let step = plan.steps.iter().find(|step| step.name == name);
        step.map(|step| step.queues[0])
            .ok_or_else(|| Stop::Broken(format!("the plan has no step {name}")))
    };
    let (first, second) = (queue("double")?, queue("square")?);
    check(first != second, "both nodes have a core of their own")?;
    let sound = done(Session::of(&node, &share, plan.clone(), |_programs| ()))?;
    let sound = ready(sound, &chain, &input)?;
    done(sound.run())?;
    equal("first node that differs without the fault", culprit(&chain, &sound), None)?;
    drop(sound);
    let arm = share.syncs.manager.arm(0);
    let arms = arm..arm + 4 * u64::from(share.syncs.manager.monitors());
    let faulty = Session::of(&node, &share, plan, |programs| {
        rewrite(programs, |queue, packet| match &mut packet.body {
            Body::MsgLong { address, value, .. } if queue == second && arms.contains(address) => {
                *value &= !hw::sync::arm::TARGET.mask();
            }
            _ => {}
        });
    });
    // Another input: what the run before left in the memory of the device is wrong now.
    let other: Vec<f32> = input.iter().map(|x| x + 1.0).collect();
    let faulty = ready(done(faulty)?, &chain, &other)?;
    let spoiled = faulty.get(chain.square);
    let held = Held::new(cx, &[first])?;
    let sequence = done(faulty.submit())?;
    let done_early = wait::until(Duration::from_secs(20), || {
        Ok((faulty.get(chain.square) != spoiled).then_some(()))
    })?;
    held.release()?;
    done(faulty.wait(sequence))?;
    check(done_early.is_some(), "the second node does not wait for the first")?;
    let wrong = culprit(&chain, &faulty);
    equal("first node that differs", wrong.as_deref(), Some("square"))
}

/// The same address of the device, other pages: a translation that the device kept would read the
/// old ones, which hold zeroes now, or stop the node that reads them.
fn moved(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let chain = chain()?;
    let chip = done(Chip::found(&node))?;
    let share = done(Share::all(&node, &chip))?;
    let mut session = done(Session::new(&node, chip, &share, &chain.graph))?;
    let mut random = StdRng::seed_from_u64(53);
    for _ in 0..10 {
        let input = values(&mut random, COUNT);
        session = ready(session, &chain, &input)?;
        done(session.run())?;
        equal("first node that differs", culprit(&chain, &session), None)?;
        done(session.moved(chain.x))?;
        chain.graph.nodes().iter().try_for_each(|made| done(session.spoil(made.writes)))?;
        done(session.run())?;
        equal("first node that differs afterwards", culprit(&chain, &session), None)?;
        let want: Vec<f32> = input.iter().map(|x| (x + x) * (x + x)).collect();
        equals("square", &F32.decode(&session.get(chain.square)), &want)?;
    }
    Ok(())
}
