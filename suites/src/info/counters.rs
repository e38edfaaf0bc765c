// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! CS_COUNTERS: each reason for which a submission is dropped has a counter of the device and one
//! of the context (`habanalabs_ioctl.c: cs_counters_info`, `command_submission.c`).

use super::call::ask;
use crate::common::node::Node;
use case::{Case, CaseResult, Context, check, equal, succeed};
use control::Asics;
use device::{Chunk, CsRequest};
use uapi::accel::{self, hl_info_cs_counters};

/// Names of the counters, in the order of the structure.
const REASONS: [&str; 6] =
    ["out_of_mem", "parsing", "queue_full", "device_in_reset", "max_cs_in_flight", "validation"];

/// Bytes that are no packet: the opcode field is all ones (`gaudi_packets.h`).
const NO_PACKET: [u8; 16] = [0xff; 16];

/// The cases.
pub fn cases() -> Vec<Case> {
    vec![
        Case::new(
            "info/cs_counters/counts_submissions_that_fail_validation",
            &["INFO-CS_COUNTERS-006", "INFO-CS_COUNTERS-011"],
            |cx| {
                counted(cx, "validation", |node| {
                    let request = CsRequest::execute(vec![Chunk::job(u32::MAX, 0, 8)]);
                    let answer = node.cs(&request).accepted();
                    check(answer.is_err(), "a queue that is not there is refused")
                })
            },
        )
        .logs(&["Queue index"]),
        Case::new(
            "info/cs_counters/counts_submissions_that_fail_parsing",
            &["INFO-CS_COUNTERS-007", "INFO-CS_COUNTERS-011"],
            |cx| counted(cx, "parsing", unparsable),
        )
        .on(Asics::GAUDI)
        .logs(&["Invalid", "Failed to parse"]),
        Case::new(
            "info/cs_counters/starts_at_zero_for_each_context",
            &["INFO-CS_COUNTERS-001"],
            fresh,
        )
        .logs(&["Queue index"]),
    ]
}

/// Counters of the device, counters of the context.
fn counters(node: &Node) -> CaseResult<[[u64; 6]; 2]> {
    let a: hl_info_cs_counters = ask(node)?;
    Ok([
        [
            a.total_out_of_mem_drop_cnt,
            a.total_parsing_drop_cnt,
            a.total_queue_full_drop_cnt,
            a.total_device_in_reset_drop_cnt,
            a.total_max_cs_in_flight_drop_cnt,
            a.total_validation_drop_cnt,
        ],
        [
            a.ctx_out_of_mem_drop_cnt,
            a.ctx_parsing_drop_cnt,
            a.ctx_queue_full_drop_cnt,
            a.ctx_device_in_reset_drop_cnt,
            a.ctx_max_cs_in_flight_drop_cnt,
            a.ctx_validation_drop_cnt,
        ],
    ])
}

/// Each failing submission adds one to the two counters of its reason, and to no other.
fn counted(cx: &Context, reason: &str, fail: fn(&device::Node) -> CaseResult) -> CaseResult {
    let control = Node::control(cx)?;
    let compute = Node::compute(cx)?;
    let typed = compute.typed()?;
    let [total, own] = counters(&compute)?;
    for round in 1..=3 {
        fail(&typed)?;
        let [total_now, own_now] = counters(&compute)?;
        for (index, name) in REASONS.iter().enumerate() {
            let more = if *name == reason { round } else { 0 };
            let what = format!("{name}_drop_cnt after {round} {reason} failures");
            equal(&format!("total_{what}"), total_now[index], total[index] + more)?;
            equal(&format!("ctx_{what}"), own_now[index], own[index] + more)?;
        }
        equal("counters on the control node", counters(&control)?, [total_now, [0; 6]])?;
    }
    Ok(())
}

fn unparsable(node: &device::Node) -> CaseResult {
    let buffer = succeed("CB CREATE", node.create_cb(4096, 0))?;
    succeed("mmap of the command buffer", buffer.write(&NO_PACKET))?;
    let job = Chunk::job(accel::GAUDI_QUEUE_ID_DMA_0_0, buffer.handle(), NO_PACKET.len() as u32);
    let answer = node.cs(&CsRequest::execute(vec![job])).accepted();
    check(answer.is_err(), "bytes that are no packet are refused")
}

fn fresh(cx: &Context) -> CaseResult {
    let compute = Node::compute(cx)?;
    let [total, own] = counters(&compute)?;
    equal("counters of a fresh context", own, [0; 6])?;
    let request = CsRequest::execute(vec![Chunk::job(u32::MAX, 0, 8)]);
    let refused = compute.typed()?.cs(&request).accepted().is_err();
    check(refused, "a queue that is not there is refused")?;
    drop(compute);
    let [later, own] = counters(&Node::compute(cx)?)?;
    equal("counters of the next context", own, [0; 6])?;
    equal("validation drops of the device", later[5], total[5] + 1)
}
