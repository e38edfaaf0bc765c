// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Graphs that cannot end: the waiter is told, the device is reset, the next graph is right.
//!
//! A reset leaves the process a second to close the device before it is killed (device.c:
//! device_kill_open_processes), so nothing is checked between the wait and the close.

use super::{done, routine};
use crate::common::submit::{hard_resets, operational};
use crate::common::typed::compute;
use crate::common::wait;
use case::{Case, CaseResult, Context, Stop, check, equal, errno, succeed};
use control::{Asics, FindingKind};
use device::{Errno, Node, WaitAnswer, WaitRequest};
use graph::check::first_difference;
use graph::chip::GAUDI;
use graph::plan::Plan;
use graph::schedule::Programs;
use graph::stopped::Fault;
use graph::{DataType, Graph, Op, Routine, Session, Shape, Share, TensorId};
use hw::packet::{Body, Packet};
use std::time::Duration;
use tpc::bundle::{Bundle, Slots};
use tpc::isa::Slot;
use uapi::accel::{HL_WAIT_CS_STATUS_ABORTED, HL_WAIT_CS_STATUS_TIMEDOUT};

pub(super) fn cases() -> Vec<Case> {
    let stuck = |name, body: fn(&Context) -> CaseResult| {
        Case::new(name, &["GRAPH-018"], body).on(Asics::GAUDI).resets(1).budget(180).logs(LOG)
    };
    let bad = &[FindingKind::BadPacket];
    let lost = &[FindingKind::BadPacket, FindingKind::UnmappedAccess];
    let gone_finds = &[FindingKind::UnmappedAccess];
    vec![
        stuck("graph/trouble/a_kernel_without_end_is_ended", endless),
        stuck("graph/trouble/another_graph_is_aborted_with_it", aborted),
        stuck("graph/trouble/a_kernel_that_faults_is_reported", faulty).finds(bad),
        stuck("graph/trouble/a_descriptor_without_code_is_reported", lost_code).finds(lost),
        stuck("graph/trouble/a_page_that_is_gone_is_named", gone).finds(gone_finds),
    ]
}

const LOG: &[&str] = &[
    "has not finished in",
    "has timed-out while user process",
    "has been aborted while user process",
    "completed after",
    "Killing CS",
    "device still in use",
    "wait_for_fence error",
    "H/W interrupt",
    "interrupt cause",
    "MMU page fault",
];

/// Before it resets, the driver reads all sync objects (state_dump.c: hl_state_dump) of a device
/// that is busy.
const PATIENCE_US: u64 = 120_000_000;
/// The driver prints a line between the end of a reset and the count of it.
const SOON: Duration = Duration::from_secs(5);
const F32: DataType = DataType::F32;
/// A vector for each core.
const COUNT: u32 = 8 * 64;
/// An opcode of the scalar unit that means nothing.
const NO_OPCODE: u8 = 0x21;

/// A graph whose second node is this kernel.
fn graph(kernel: Routine) -> CaseResult<(Graph, TensorId)> {
    let mut g = Graph::new();
    let x = g.input("x", Shape::dense(F32, &[COUNT]));
    let y = done(g.unary("before", Op::Relu, x))?;
    let all = g.view(y);
    let z = done(g.own("kernel", kernel, vec![all], (F32, &[COUNT]), &[]))?;
    g.output(z);
    Ok((g, z))
}

/// A graph that is right, on any device that works.
fn sound(node: &Node) -> CaseResult {
    let mut g = Graph::new();
    let x = g.input("x", Shape::dense(F32, &[COUNT]));
    done(g.binary("twice", Op::Add, x, x))?;
    let g = g.inspect();
    let share = done(Share::all(node, &GAUDI))?;
    let session = done(Session::new(node, GAUDI, &share, &g))?;
    let values: Vec<f32> = (0..COUNT).map(|n| n as f32 - 100.0).collect();
    done(session.set(x, &F32.encode(&values)))?;
    done(session.run())?;
    let wrong = first_difference(&g, &session.values());
    equal("nodes that differ", wrong.map(|found| found.to_string()), None)
}

/// Closes within the second that a reset leaves, and sees the device come back.
fn leave(cx: &Context, node: Node) -> CaseResult {
    succeed("close", node.close())?;
    operational(cx)?;
    sound(&compute(cx)?)
}

fn ended(answer: &WaitAnswer, error: Errno, status: u32) -> CaseResult {
    let at = |stop: Stop| stop.request(answer);
    errno("WAIT_CS", answer.result, error).map_err(at)?;
    equal("status", answer.status, status).map_err(at)
}

/// The driver counts a reset when the device is operational already (device.c: hl_device_reset).
fn was_reset(cx: &Context, before: u64) -> CaseResult {
    let counted = wait::until(SOON, || Ok((hard_resets(cx)? > before).then_some(())))?;
    check(counted.is_some(), "the device was reset")
}

/// Runs a graph that does not end, then sees the device come back. Gives the page fault, if there
/// was one; the node of the name has to be the first that did not finish.
fn stuck_at(
    cx: &Context,
    name: &str,
    make: impl for<'a> FnOnce(&'a Node, &Share) -> CaseResult<Session<'a>>,
) -> CaseResult<Option<Fault>> {
    let node = compute(cx)?;
    sound(&node)?;
    let resets = hard_resets(cx)?;
    let (answer, stopped) = {
        let session = make(&node, &done(Share::all(&node, &GAUDI))?)?;
        let sequence = succeed("CS", node.submit(&session.request().custom_timeout(2)))?;
        let answer = node.wait(&WaitRequest::cs(sequence, PATIENCE_US));
        (answer, session.stopped())
    };
    leave(cx, node)?;
    ended(&answer, Errno::ETIMEDOUT, HL_WAIT_CS_STATUS_TIMEDOUT)?;
    was_reset(cx, resets)?;
    equal("first node that did not finish", stopped.node.as_deref(), Some(name))?;
    Ok(stopped.fault)
}

/// A graph whose second node is this kernel.
fn stuck(
    cx: &Context,
    name: &str,
    kernel: Routine,
    change: impl FnOnce(&mut Programs),
) -> CaseResult<Option<Fault>> {
    stuck_at(cx, name, |node, share| {
        let (g, _) = graph(kernel)?;
        let plan = done(Plan::new(&g, GAUDI, &share.room))?;
        done(Session::of(node, share, plan, change))
    })
}

fn without_end() -> Routine {
    routine("without_end", "nop\n.again:\nnop\njmpr .again\nnop\nhalt\n")
}

fn endless(cx: &Context) -> CaseResult {
    let fault = stuck(cx, "kernel", without_end(), |_programs| ())?;
    equal("page fault", fault, None)
}

/// On another stream, a graph waits for the one that does not end: it is not what took too long.
fn aborted(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    sound(&node)?;
    let resets = hard_resets(cx)?;
    let answers = {
        let mut share = done(Share::all(&node, &GAUDI))?;
        let event = done(share.event())?;
        let (mut stuck, _) = graph(without_end())?;
        stuck.signal(event);
        let mut waiting = Graph::new();
        waiting.wait_for(event);
        let x = waiting.input("x", Shape::dense(F32, &[COUNT]));
        let twice = done(waiting.binary("twice", Op::Add, x, x))?;
        waiting.output(twice);
        let make = |graph: &Graph, stream: u8| {
            let chip = GAUDI.stream(stream).part(stream.into(), 2);
            done(Session::new(&node, chip, &share.half(stream == 1), graph))
        };
        let (stuck, waiting) = (make(&stuck, 0)?, make(&waiting, 1)?);
        let first = succeed("CS", node.submit(&stuck.request().custom_timeout(2)))?;
        let second = succeed("CS", node.submit(&waiting.request()))?;
        // Both wait already when the reset begins: a wait that comes later is refused (EBUSY).
        let wait = |sequence| node.wait(&WaitRequest::cs(sequence, PATIENCE_US));
        std::thread::scope(|scope| {
            let second = scope.spawn(|| wait(second));
            let first = wait(first);
            second.join().map(|second| [first, second])
        })
        .map_err(|_panic| Stop::Broken("the second waiter panicked".into()))?
    };
    leave(cx, node)?;
    ended(&answers[0], Errno::ETIMEDOUT, HL_WAIT_CS_STATUS_TIMEDOUT)?;
    ended(&answers[1], Errno::EIO, HL_WAIT_CS_STATUS_ABORTED)?;
    was_reset(cx, resets)
}

fn faulty(cx: &Context) -> CaseResult {
    let mut slots = Slots::nop();
    slots.instr[Slot::Spu as usize].op = NO_OPCODE;
    let bytes = Bundle::Slots(slots).encode(GAUDI.arch);
    let bytes = bytes.map_err(|why| Stop::Broken(why.to_string()))?;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let kernel = routine("faulty", &format!(".bytes {hex}\nhalt\n"));
    stuck(cx, "kernel", kernel, |_programs| ()).map(drop)
}

/// All descriptors lead to where nothing is mapped.
fn lost_code(cx: &Context) -> CaseResult {
    /// In the range of host addresses (gaudi.c: VA_HOST_SPACE_START), far from what is mapped.
    const NOWHERE: u64 = 0x1_7fff_0000_0000;
    let registers = GAUDI.tensor;
    let fault = stuck(cx, "before", routine("nothing", "nop\nhalt\n"), |programs| {
        super::planted::rewrite(programs, |_queue, Packet { body, .. }| match body {
            Body::WregBulk { register, values } if u32::from(*register) == registers.queued => {
                values[registers.code[0] as usize / 8] = NOWHERE;
            }
            _ => {}
        });
    })?;
    let fault = fault.ok_or_else(|| Stop::Broken("the driver keeps no page fault".into()))?;
    equal("address of the page fault", fault.address, NOWHERE)?;
    equal("what is there", fault.what, None)
}

/// The device has no page for the second input any more, though the graph was planned with one.
fn gone(cx: &Context) -> CaseResult {
    let fault = stuck_at(cx, "load second", |node, share| {
        let mut g = Graph::new();
        let [x, y] = ["first", "second"].map(|name| g.input(name, Shape::dense(F32, &[COUNT])));
        let z = done(g.binary("sum", Op::Add, x, y))?;
        g.output(z);
        let mut session = done(Session::new(node, GAUDI, share, &g))?;
        session.unmap(y);
        Ok(session)
    })?;
    let fault = fault.ok_or_else(|| Stop::Broken("the driver keeps no page fault".into()))?;
    equal("what is there", fault.what.as_deref(), Some("second of the host"))
}
