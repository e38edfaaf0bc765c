// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Calls with random arguments, by the seed of the run. No answer is wrong; the kernel has to stay
//! sane, the device has to work afterwards, and the runner looks at log, taint and device.
//!
//! Left out: what is known to harm the kernel and has cases of its own (sizes that make it warn, D7,
//! D8 and D9; buffers of timestamps, which it takes for command buffers, D2; offsets that wrap, D4:
//! runs of this case met all of them); flags that make a submission wait for more of it (staged
//! submission, reservations), which a close can only end with a reset; long waits; trace memories,
//! which write where they are told to.

use crate::common::buffer::Buffer;
use crate::common::node::Node;
use crate::common::submit::Card;
use case::{Case, CaseResult, Context, check};
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::BTreeMap;
use uapi::accel::{self, hl_wait_cs_args};

/// Calls in all, and on one open file: what some of them allocate is given back by its close.
const CALLS: usize = 20_000;
const CALLS_PER_OPEN: usize = 1_000;

/// Every ioctl and the words of its argument.
const IOCTLS: &[(u32, usize)] = &[
    (accel::DRM_IOCTL_HL_INFO, size_of::<accel::hl_info_args>() / 4),
    (accel::DRM_IOCTL_HL_CB, size_of::<accel::hl_cb_args>() / 4),
    (accel::DRM_IOCTL_HL_CS, size_of::<accel::hl_cs_args>() / 4),
    (accel::DRM_IOCTL_HL_WAIT_CS, size_of::<hl_wait_cs_args>() / 4),
    (accel::DRM_IOCTL_HL_MEMORY, size_of::<accel::hl_mem_args>() / 4),
    (accel::DRM_IOCTL_HL_DEBUG, size_of::<accel::hl_debug_args>() / 4),
];

/// Words of arguments that are kept in bounds: ioctl, word, bits that may be set, bits that are.
const BOUNDS: &[(u32, usize, u32, u32)] = &[
    // cs_flags: no stages, no reservations, no timeout of its own.
    (accel::DRM_IOCTL_HL_CS, 9, !FLAGS, 0),
    // Microseconds to wait, in both places where a wait has them.
    (accel::DRM_IOCTL_HL_WAIT_CS, 2, 0xff, 0),
    (accel::DRM_IOCTL_HL_WAIT_CS, 3, 0, 0),
    (accel::DRM_IOCTL_HL_WAIT_CS, 6, 0xff, 0),
    (accel::DRM_IOCTL_HL_WAIT_CS, 7, 0, 0),
    // cq_counters_offset, upper half: so many words from a kernel's address on must not wrap, D4
    // (the lowest that wraps is 0x6e0, from where vmalloc begins).
    (accel::DRM_IOCTL_HL_WAIT_CS, 9, 0x3ff, 0),
    // timestamp_handle: never that of a command buffer, D2.
    (accel::DRM_IOCTL_HL_WAIT_CS, 11, u32::MAX, 1),
    // Sizes of MEMORY, upper half: terabytes meet D8. num_of_elements: none at all is D7.
    (accel::DRM_IOCTL_HL_MEMORY, 1, 0x7fff, 0),
    (accel::DRM_IOCTL_HL_MEMORY, 5, 0, 0),
    (accel::DRM_IOCTL_HL_MEMORY, 9, 0xfff, 1),
    // output_size of DEBUG: D9.
    (accel::DRM_IOCTL_HL_DEBUG, 5, 0xffff, 0),
    // op of DEBUG: never 0, the trace memory that the device writes (HL_DEBUG_OP_ETR).
    (accel::DRM_IOCTL_HL_DEBUG, 6, 7, 1),
];

/// Values that a word never has: ioctl, word, value. It becomes 0.
const NEVER: &[(u32, usize, u32)] = &[
    // op of MEMORY: no buffers of timestamps, D2.
    (accel::DRM_IOCTL_HL_MEMORY, 6, accel::HL_MEM_OP_TS_ALLOC),
];

const FLAGS: u32 = accel::HL_CS_FLAGS_STAGED_SUBMISSION
    | accel::HL_CS_FLAGS_STAGED_SUBMISSION_FIRST
    | accel::HL_CS_FLAGS_STAGED_SUBMISSION_LAST
    | accel::HL_CS_FLAGS_RESERVE_SIGNALS_ONLY
    | accel::HL_CS_FLAGS_CUSTOM_TIMEOUT;

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new("dispatch/any/survives_random_arguments", &["SEC-008"], fuzz)
            .budget(180)
            // Whatever the driver says about it; oopses and warnings taint and are never declared.
            .logs(&["accel", "habanalabs", "vmalloc error"]),
    ]
}

/// A word that some check may be about: small, a limit, a bit, an address, or anything.
fn word(random: &mut StdRng, pointer: u64) -> u32 {
    match random.random_range(0..8) {
        0 => 0,
        1 => random.random_range(0..16),
        2 => 1 << random.random_range(0..32),
        3 => u32::MAX,
        4 => random.random_range(0..1 << 20),
        5 => pointer as u32,
        6 => (pointer >> 32) as u32,
        _ => random.random(),
    }
}

fn fuzz(cx: &Context) -> CaseResult {
    let mut random = cx.rng();
    let mut buffer = Buffer::new(64 << 10)?;
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..CALLS / CALLS_PER_OPEN {
        let node = Node::compute(cx)?;
        for _ in 0..CALLS_PER_OPEN {
            let (ioctl, words) = IOCTLS[random.random_range(0..IOCTLS.len())];
            let pointer = buffer.start() + random.random_range(0..buffer.bytes() as u64);
            let mut argument = [0u32; 32];
            for (at, slot) in argument[..words].iter_mut().enumerate() {
                *slot = word(&mut random, pointer);
                // Whole addresses are halves that belong together.
                if at % 2 == 0 && random.random_range(0..3) == 0 {
                    *slot = pointer as u32;
                } else if at % 2 == 1 && random.random_range(0..3) == 0 {
                    *slot = (pointer >> 32) as u32;
                }
            }
            for (_, at, may, must) in BOUNDS.iter().filter(|(other, ..)| *other == ioctl) {
                argument[*at] = (argument[*at] & may) | must;
            }
            for &(other, at, never) in NEVER {
                if other == ioctl && argument[at] == never {
                    argument[at] = 0;
                }
            }
            let filling: [u8; 64] = random.random();
            buffer.write(buffer.start(), &filling);
            let answer = node.ioctl(ioctl, argument.as_ptr() as u64);
            *answers.entry(format!("{answer:?}")).or_default() += 1;
        }
        drop(node);
    }
    // Otherwise the words are badly chosen: one check stops everything.
    check(answers.len() >= 5, &format!("random calls meet several checks, not {answers:?}"))?;
    let card = Card::open(cx)?;
    card.still_runs(card.upload(0))
}
