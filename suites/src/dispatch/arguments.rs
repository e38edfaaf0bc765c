// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Size, direction and address of the argument, on the compute node (`drm_ioctl.c: drm_ioctl`).

use crate::common::buffer::{Buffer, FILLINGS, KERNEL_ADDRESS, PAGE};
use crate::common::node::Node;
use crate::info::call::Request;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use nix::errno::Errno;
use uapi::number::{ACCEL, MAX_SIZE, request_name};
use uapi::{Direction, Number, accel};

/// Bytes of the argument of INFO.
pub const WHOLE: usize = size_of::<Request>();

/// Bytes up to and with the opcode: the shortest argument that says what is wanted.
pub const UP_TO_OP: usize = 16;

/// The number of INFO.
pub const INFO: Number = Number::of(accel::DRM_IOCTL_HL_INFO);

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("dispatch/compute/reads_the_missing_tail_as_zero", &["DISP-005"], |cx| {
            short(&Node::compute(cx)?)
        }),
        Case::new("dispatch/compute/ignores_bytes_past_the_argument", &["DISP-006"], |cx| {
            long(&Node::compute(cx)?)
        }),
        Case::new("dispatch/compute/takes_an_empty_argument_for_zeros", &["DISP-007"], |cx| {
            empty(&Node::compute(cx)?)
        }),
        Case::new(
            "dispatch/compute/copies_in_the_direction_of_the_number",
            &["DISP-007"],
            directions,
        ),
        Case::new("dispatch/compute/reports_arguments_it_cannot_read", &["DISP-008"], unreadable),
        Case::new("dispatch/compute/carries_out_what_it_cannot_answer", &["DISP-009"], |cx| {
            read_only(&Node::compute(cx)?)
        }),
        Case::new("dispatch/compute/copies_the_argument_back_on_failure", &["DISP-010"], |cx| {
            back_on_failure(&Node::compute(cx)?)
        }),
    ]
}

/// The bytes of a request.
pub fn bytes_of(request: Request) -> [u8; WHOLE] {
    let Request { pointer, size, op, extra, pad } = request;
    let mut bytes = [0; WHOLE];
    bytes[..8].copy_from_slice(&pointer.to_le_bytes());
    for (index, word) in [size, op, extra, pad].into_iter().enumerate() {
        bytes[8 + 4 * index..12 + 4 * index].copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Asks for the status: answered in any state, by one word.
pub fn status_request(answer: &Buffer) -> Request {
    Request::new(accel::HL_INFO_DEVICE_STATUS, answer.start(), 8)
}

/// The answer to it.
#[track_caller]
pub fn answered(answer: &mut Buffer) -> CaseResult {
    let status = answer.read(answer.start(), 8);
    equal("the status", status, vec![0; 8])?;
    answer.fill(FILLINGS[0]);
    Ok(())
}

/// What the number cuts off is zero for the driver, whatever is there in memory; it is neither
/// read nor written.
pub fn short(node: &Node) -> CaseResult {
    let mut answer = Buffer::new(8)?;
    let mut argument = Buffer::new(PAGE)?;
    let request = status_request(&answer).extra(u32::MAX).pad(u32::MAX);
    let number = INFO.size(UP_TO_OP as u32).request();
    // Forbidden memory behind, then bytes that would be refused if they were read.
    for room in [UP_TO_OP, WHOLE] {
        argument.fill(FILLINGS[1]);
        let at = argument.before_end(room);
        argument.write(at, &bytes_of(request)[..room]);
        succeed(&request_name(number), node.ioctl(number, at))?;
        answered(&mut answer)?;
        let after = argument.read(at, room);
        equal("the argument afterwards", &after[..], &bytes_of(request)[..room])?;
    }
    Ok(())
}

/// Sizes up to the largest that a number can say.
pub fn long(node: &Node) -> CaseResult {
    let mut answer = Buffer::new(8)?;
    for size in [25, 32, 127, 128, 129, 256, 4096, MAX_SIZE as usize] {
        let mut argument = Buffer::new(size)?;
        let at = argument.before_end(size);
        argument.write(at, &bytes_of(status_request(&answer)));
        let before = argument.read(argument.start(), argument.bytes());
        let number = INFO.size(size as u32).request();
        succeed(&request_name(number), node.ioctl(number, at))?;
        answered(&mut answer)?;
        let after = argument.read(argument.start(), argument.bytes());
        check(after == before, "the argument and what surrounds it stay the same")?;
    }
    Ok(())
}

/// Opcode 0 with NULL.
pub fn empty(node: &Node) -> CaseResult {
    let answer = Buffer::new(8)?;
    let mut argument = Buffer::new(PAGE)?;
    let at = argument.before_end(WHOLE);
    argument.write(at, &bytes_of(status_request(&answer)));
    let number = INFO.size(0).request();
    errno(&request_name(number), node.ioctl(number, at), Errno::EINVAL)?;
    // No byte of the argument is needed.
    errno(&request_name(number), node.ioctl(number, argument.forbidden()), Errno::EINVAL)?;
    errno(&request_name(number), node.ioctl(number, 0), Errno::EINVAL)
}

fn directions(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let mut answer = Buffer::new(8)?;
    let mut argument = Buffer::new(WHOLE)?;
    let at = argument.before_end(WHOLE);
    let bytes = bytes_of(status_request(&answer));
    for direction in Direction::ALL {
        argument.write(at, &bytes);
        let number = INFO.direction(direction).request();
        let result = node.ioctl(number, at);
        match direction {
            // The driver sees zeros; they are copied back where the number says so.
            Direction::None | Direction::Read => {
                errno(&request_name(number), result, Errno::EINVAL)?;
                let back = if direction == Direction::Read { [0; WHOLE] } else { bytes };
                equal("the argument", argument.read(at, WHOLE), back.to_vec())?;
            }
            Direction::Write | Direction::ReadWrite => {
                succeed(&request_name(number), result)?;
                answered(&mut answer)?;
            }
        }
    }
    Ok(())
}

fn unreadable(cx: &Context) -> CaseResult {
    let node = Node::compute(cx)?;
    let buffer = Buffer::new(PAGE)?;
    for (request, _) in ACCEL {
        let bytes = Number::of(request).size as usize;
        // Nothing there, the kernel's memory, the last byte missing.
        for at in [0, 1, buffer.forbidden(), KERNEL_ADDRESS, u64::MAX, buffer.before_end(bytes - 1)]
        {
            let what = format!("{} at {at:#x}", request_name(request));
            errno(&what, node.ioctl(request, at), Errno::EFAULT)?;
        }
    }
    Ok(())
}

/// The call is made although its argument cannot be copied back.
pub fn read_only(node: &Node) -> CaseResult {
    let mut answer = Buffer::new(8)?;
    let mut argument = Buffer::new(PAGE)?;
    argument.write(argument.start(), &bytes_of(status_request(&answer)));
    argument.read_only()?;
    let request = INFO.request();
    errno(&request_name(request), node.ioctl(request, argument.start()), Errno::EFAULT)?;
    answered(&mut answer)
}

/// ENGINE_STATUS notes the length of its text before it finds that the text cannot be copied.
pub fn back_on_failure(node: &Node) -> CaseResult {
    let answer = Buffer::new(1)?;
    let mut request = Request::new(accel::HL_INFO_ENGINE_STATUS, answer.forbidden(), 64 << 10);
    errno("INFO", request.send(node), Errno::EFAULT).map_err(|stop| stop.request(&request))?;
    check(request.extra > 0, "user_buffer_actual_size is copied back by a failed call")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_structure() {
        let request = Request::new(2, 0x1122, 3).extra(4).pad(5);
        let bytes = bytes_of(request);
        // SAFETY: both are plain bytes of the same size.
        let same: [u8; WHOLE] = unsafe { std::mem::transmute(request) };
        assert_eq!(bytes, same);
        assert_eq!(bytes[UP_TO_OP - 4..UP_TO_OP], 2u32.to_le_bytes());
    }
}
