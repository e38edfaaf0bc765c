// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The rules that handlers share, as cases generated from the table of opcodes.
//!
//! They use the control node, so that they run where the compute node cannot be opened; that both
//! nodes answer alike is a rule of its own.

use super::call::Request;
use super::table::{Answers, Control, OPCODES, Opcode, Shape};
use crate::common::buffer::{Buffer, FILLINGS, KERNEL_ADDRESS, PAGE};
use crate::common::files::Disabled;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, Failure, Stop, equal, errno, fail, succeed};
use nix::errno::Errno;

/// Calls in a row of the case that looks for what a call leaves behind.
const AGAIN: u32 = 40;

/// What a case of an opcode does.
type Rule = fn(&Context, &Opcode) -> CaseResult;

/// The generated cases.
pub fn cases() -> Vec<Case> {
    OPCODES.iter().flat_map(of_opcode).collect()
}

fn of_opcode(opcode: &'static Opcode) -> Vec<Case> {
    let rows = &opcode.rows;
    let mut cases = Vec::new();
    let mut add = |rule: &str, rows, body: Rule| {
        let name = format!("info/{}/{rule}", opcode.word);
        let case = Case::new(name, rows, move |cx| body(cx, opcode)).on(opcode.asics);
        cases.push(case.control_only());
    };
    match opcode.shape {
        Shape::Structure(_) | Shape::PerEvent => {
            add("fills_exactly_its_structure", rows.fills, fills);
            add("answers_again_and_again", rows.fills, answers_again);
            add("rejects_zero_return_size", rows.zero, rejects_zero);
            add("rejects_null_pointer", rows.null, rejects_null);
            add("reports_memory_it_cannot_write", rows.unmapped, reports_bad_memory);
            add("copies_no_more_than_return_size", rows.short, copies_no_more);
        }
        Shape::Captured(_) => {
            add("leaves_the_buffer_alone_when_nothing_was_captured", rows.fills, untouched);
            add("answers_again_and_again", rows.fills, answers_again);
            add("rejects_zero_return_size", rows.zero, rejects_zero);
            add("rejects_null_pointer", rows.null, rejects_null);
        }
        Shape::CapturedWhole(_) => {
            add("leaves_the_buffer_alone_when_nothing_was_captured", rows.fills, untouched);
            add("answers_again_and_again", rows.fills, answers_again);
            add("rejects_null_pointer", rows.null, rejects_null);
        }
        Shape::Own => {}
    }
    match (opcode.answers, opcode.control) {
        (_, Control::Refused) => add("is_refused_on_the_control_node", rows.control, refused),
        (Answers::Always, _) => {
            add("answers_while_the_device_is_disabled", rows.disabled, disabled)
        }
        (Answers::Operational, _) => {
            add("gives_ebusy_while_the_device_is_disabled", rows.disabled, disabled);
        }
    }
    let both: Option<(&str, Rule)> = match opcode.control {
        Control::Same => Some(("answers_alike_on_both_nodes", alike)),
        Control::Moves => Some(("answers_by_the_same_rules_on_both_nodes", rules_alike)),
        Control::Refused => None,
    };
    if let Some((rule, body)) = both {
        let name = format!("info/{}/{rule}", opcode.word);
        let case = Case::new(name, rows.control, move |cx| body(cx, opcode));
        cases.push(case.on(opcode.asics));
    }
    cases
}

/// What a call wrote: it is made over different fillings, and a byte that shows each of them was
/// written by none. A value that moves may look like a filling once, not each time.
struct Written(Vec<(u8, Vec<u8>)>);

impl Written {
    /// Asks with an answer at `room` bytes before the end of the buffer; watches those bytes.
    fn by(node: &Node, op: u32, buffer: &mut Buffer, room: usize, size: u32) -> CaseResult<Self> {
        let pointer = buffer.before_end(room);
        let request = Request::new(op, pointer, size);
        let mut calls = Vec::new();
        for filling in [FILLINGS, FILLINGS].concat() {
            buffer.fill(filling);
            succeed("INFO", request.sent(node)).map_err(|stop| stop.request(&request))?;
            calls.push((filling, buffer.read(buffer.start(), buffer.bytes())));
        }
        Ok(Written(calls))
    }

    fn touched(&self, at: usize) -> bool {
        self.0.iter().any(|(filling, content)| content[at] != *filling)
    }

    /// Fails unless exactly `count` bytes from `room` bytes before the end were written.
    #[track_caller]
    fn exactly(&self, room: usize, count: usize, size: u32) -> CaseResult {
        let bytes = self.0[0].1.len();
        let start = bytes - room;
        let expected = |at: &usize| (start..start + count).contains(at);
        let Some(at) = (0..bytes).find(|at| self.touched(*at) != expected(at)) else {
            return Ok(());
        };
        let offset = at as i64 - start as i64;
        let rule = if expected(&at) { "left alone" } else { "written" };
        let message =
            format!("byte {offset} is {rule} with return_size {size}, expected {count} bytes");
        let seen: Vec<u8> = self.0.iter().map(|(_, content)| content[at]).collect();
        Err(Stop::Fail(Failure::new(message).with("its values", seen)))
    }
}

/// The control node, while nothing is captured: an open forgets what earlier sessions captured;
/// where none is possible there was none.
fn asked(cx: &Context, opcode: &Opcode) -> CaseResult<Node> {
    if matches!(opcode.shape, Shape::Captured(_) | Shape::CapturedWhole(_)) {
        drop(Node::try_compute(cx));
    }
    Node::control(cx)
}

/// Sizes that are large enough: exactly so many bytes are written, and no more have to be there.
fn fills(cx: &Context, opcode: &Opcode) -> CaseResult {
    let node = asked(cx, opcode)?;
    let bytes = opcode.bytes(&node)?;
    let mut buffer = Buffer::new(2 * bytes + PAGE)?;
    let large = [bytes, bytes + 1, 2 * bytes, bytes + PAGE];
    for room in large {
        let written = Written::by(&node, opcode.op, &mut buffer, room, room as u32)?;
        written.exactly(room, bytes, room as u32)?;
    }
    // Not more memory than the structure needs, whatever the caller says about its size.
    for size in [0x7fff_ffff, 0x8000_0000, u32::MAX] {
        Written::by(&node, opcode.op, &mut buffer, bytes, size)?.exactly(bytes, bytes, size)?;
    }
    Ok(())
}

/// Sizes that are too small: a prefix is written, and nothing behind it has to be there.
fn copies_no_more(cx: &Context, opcode: &Opcode) -> CaseResult {
    let node = asked(cx, opcode)?;
    let bytes = opcode.bytes(&node)?;
    let mut buffer = Buffer::new(bytes)?;
    for size in [1, 2, bytes / 2, bytes - 1] {
        // At the very end of accessible memory, then with bytes of ours behind it.
        for room in [size, bytes] {
            let written = Written::by(&node, opcode.op, &mut buffer, room, size as u32)?;
            written.exactly(room, size, size as u32)?;
        }
    }
    Ok(())
}

/// Makes a call that has to fail, and checks that it wrote nothing.
#[track_caller]
fn refused_untouched(
    node: &Node,
    request: Request,
    buffer: &mut Buffer,
    expected: Errno,
) -> CaseResult {
    buffer.fill(FILLINGS[0]);
    let mut sent = request;
    errno("INFO", sent.send(node), expected).map_err(|stop| stop.request(&request))?;
    equal("the argument after the refused call", sent, request)?;
    let content = buffer.read(buffer.start(), buffer.bytes());
    match content.iter().position(|byte| *byte != FILLINGS[0]) {
        None => Ok(()),
        Some(at) => fail::<()>(format!("a refused call writes byte {at} of the buffer"))
            .map_err(|stop| stop.request(&request)),
    }
}

fn rejects_zero(cx: &Context, opcode: &Opcode) -> CaseResult {
    let node = asked(cx, opcode)?;
    let mut buffer = Buffer::new(opcode.bytes(&node)?)?;
    let request = Request::new(opcode.op, buffer.start(), 0);
    refused_untouched(&node, request, &mut buffer, Errno::EINVAL)?;
    still_answers(&node, opcode)
}

fn rejects_null(cx: &Context, opcode: &Opcode) -> CaseResult {
    let node = asked(cx, opcode)?;
    let bytes = opcode.bytes(&node)?;
    let mut buffer = Buffer::new(bytes)?;
    for size in [bytes as u32, 1, u32::MAX] {
        let request = Request::new(opcode.op, 0, size);
        refused_untouched(&node, request, &mut buffer, Errno::EINVAL)?;
    }
    still_answers(&node, opcode)
}

/// Memory that is not there, that may not be written, that belongs to the kernel, that ends early.
fn reports_bad_memory(cx: &Context, opcode: &Opcode) -> CaseResult {
    let node = asked(cx, opcode)?;
    let bytes = opcode.bytes(&node)?;
    let mut buffer = Buffer::new(bytes)?;
    let size = bytes as u32;
    let early = buffer.before_end(bytes - 1);
    for pointer in [buffer.forbidden(), KERNEL_ADDRESS, u64::MAX, 1, early] {
        let mut request = Request::new(opcode.op, pointer, size);
        errno("INFO", request.send(&node), Errno::EFAULT).map_err(|stop| stop.request(&request))?;
    }
    buffer.fill(FILLINGS[0]);
    buffer.read_only()?;
    let request = Request::new(opcode.op, buffer.start(), size);
    errno("INFO to a read-only page", request.sent(&node), Errno::EFAULT)?;
    let content = buffer.read(buffer.start(), bytes);
    equal("the read-only page", content.iter().any(|byte| *byte != FILLINGS[0]), false)?;
    still_answers(&node, opcode)
}

/// After a refusal the same opcode works: nothing stays locked or broken.
#[track_caller]
fn still_answers(node: &Node, opcode: &Opcode) -> CaseResult {
    let bytes = opcode.bytes(node)?;
    let buffer = Buffer::new(bytes)?;
    let request = Request::new(opcode.op, buffer.start(), bytes as u32);
    succeed("INFO after a refused one", request.sent(node)).map_err(|stop| stop.request(&request))
}

/// A lock that a call keeps hangs the next one; a buffer that it keeps is missing later.
fn answers_again(cx: &Context, opcode: &Opcode) -> CaseResult {
    let node = asked(cx, opcode)?;
    for _ in 0..AGAIN {
        still_answers(&node, opcode)?;
    }
    let other = Node::control(cx)?;
    still_answers(&other, opcode)
}

/// Nothing was captured, because nothing went wrong since the driver was loaded or the device was
/// opened: the call succeeds and writes nothing, so that even memory that is not there is fine.
fn untouched(cx: &Context, opcode: &Opcode) -> CaseResult {
    let node = asked(cx, opcode)?;
    let bytes = opcode.bytes(&node)?;
    let mut buffer = Buffer::new(bytes + PAGE)?;
    for (room, size) in [(bytes, bytes), (bytes, 1), (bytes + PAGE, bytes + PAGE)] {
        let written = Written::by(&node, opcode.op, &mut buffer, room, size as u32)?;
        written.exactly(room, 0, size as u32)?;
    }
    let mut request = Request::new(opcode.op, buffer.forbidden(), bytes as u32);
    let sent = request;
    succeed("INFO without a capture", request.send(&node)).map_err(|stop| stop.request(&sent))?;
    equal("the argument", request, sent)
}

fn refused(cx: &Context, opcode: &Opcode) -> CaseResult {
    let node = Node::control(cx)?;
    let mut buffer = Buffer::new(8)?;
    for extra in [0, 1, u32::MAX] {
        let request = Request::new(opcode.op, buffer.start(), 8).extra(extra);
        refused_untouched(&node, request, &mut buffer, Errno::EOPNOTSUPP)?;
    }
    Ok(())
}

/// The device is disabled through debugfs: its status is "malfunction", nothing is reset.
fn disabled(cx: &Context, opcode: &Opcode) -> CaseResult {
    let node = asked(cx, opcode)?;
    let bytes = opcode.bytes(&node)?;
    let mut buffer = Buffer::new(bytes)?;
    let request = Request::new(opcode.op, buffer.start(), bytes as u32);
    let off = Disabled::new(cx)?;
    match opcode.answers {
        Answers::Always => succeed("INFO on a disabled device", request.sent(&node))?,
        Answers::Operational => refused_untouched(&node, request, &mut buffer, Errno::EBUSY)?,
    }
    drop(off);
    succeed("INFO after the device was enabled", request.sent(&node))
        .map_err(|stop| stop.request(&request))
}

/// The control node, the compute node and the control node again give the same bytes.
fn alike(cx: &Context, opcode: &Opcode) -> CaseResult {
    let compute = Node::compute(cx)?;
    let control = Node::control(cx)?;
    let bytes = opcode.bytes(&control)?;
    let mut buffer = Buffer::new(bytes)?;
    let request = Request::new(opcode.op, buffer.start(), bytes as u32);
    let mut answers = Vec::new();
    for node in [&control, &compute, &control] {
        buffer.fill(FILLINGS[0]);
        succeed("INFO", request.sent(node)).map_err(|stop| stop.request(&request))?;
        answers.push(buffer.read(request.pointer, bytes));
    }
    equal("the answer of the compute node", &answers[1], &answers[0])?;
    equal("the later answer of the control node", &answers[2], &answers[0])
}

/// A value that moves by itself: both nodes write as many bytes of it, and refuse alike.
fn rules_alike(cx: &Context, opcode: &Opcode) -> CaseResult {
    let compute = Node::compute(cx)?;
    let control = Node::control(cx)?;
    let bytes = opcode.bytes(&control)?;
    let mut buffer = Buffer::new(2 * bytes + PAGE)?;
    for node in [&control, &compute] {
        for size in [bytes, bytes + 1, u32::MAX as usize] {
            let written = Written::by(node, opcode.op, &mut buffer, bytes, size as u32)?;
            written.exactly(bytes, bytes, size as u32)?;
        }
        for (pointer, size, expected) in [
            (buffer.start(), 0, Errno::EINVAL),
            (0, bytes as u32, Errno::EINVAL),
            (buffer.forbidden(), bytes as u32, Errno::EFAULT),
        ] {
            let request = Request::new(opcode.op, pointer, size);
            refused_untouched(node, request, &mut buffer, expected)?;
        }
    }
    Ok(())
}
