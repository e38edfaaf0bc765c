// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! CLK_THROTTLE_REASON while the clock is slowed down and after (`habanalabs_ioctl.c:
//! clk_throttle_info`, `gaudi.c: gaudi_print_clk_change_info`).

use super::{appears, now, post};
use crate::common::node::Node;
use crate::info::call::ask;
use case::{Case, CaseResult, Context, check, equal};
use uapi::accel::hl_info_clk_throttle;

/// A reason: its bit, the events that begin and end it.
struct Reason {
    index: usize,
    start: u16,
    end: u16,
}

fn power(cx: &Context) -> Reason {
    let [start, end] = super::power(cx.asic());
    Reason { index: 0, start, end }
}

fn heat(cx: &Context) -> Reason {
    let [start, end] = super::heat(cx.asic());
    Reason { index: 1, start, end }
}

/// The cases.
pub fn cases() -> Vec<Case> {
    let rows: &[&str] = &["INFO-CLK_THROTTLE_REASON-006", "INFO-CLK_THROTTLE_REASON-007"];
    let cases = [
        Case::new("info/clk_throttle_reason/times_a_power_limit", rows, |cx| timed(cx, power(cx))),
        Case::new("info/clk_throttle_reason/times_overheating", rows, |cx| timed(cx, heat(cx))),
        Case::new("info/clk_throttle_reason/keeps_two_reasons_apart", rows, both),
    ];
    cases.into_iter().map(|case| case.control_only().budget(60)).collect()
}

fn throttle(node: &Node) -> CaseResult<hl_info_clk_throttle> {
    ask(node)
}

/// Waits until the reasons are these.
fn reasons(node: &Node, expected: u32) -> CaseResult<hl_info_clk_throttle> {
    appears(&format!("reason {expected:#x}"), || {
        let answer = throttle(node)?;
        Ok((answer.clk_throttling_reason == expected).then_some(answer))
    })
}

fn timed(cx: &Context, reason: Reason) -> CaseResult {
    let node = Node::control(cx)?;
    let Reason { index, start, end } = reason;
    let bit = 1 << index;
    let before = now()?;
    post(cx, &node, start)?;
    let first = reasons(&node, bit)?;
    let after = now()?;
    let began = first.clk_throttling_timestamp_us[index] as i64 * 1000;
    // The stamp is in whole microseconds.
    let bracket = before - 1000..=after;
    check(bracket.contains(&began), &format!("the begin {began} is in {bracket:?}"))?;
    let mut lasted = first.clk_throttling_duration_ns[index];
    for _ in 0..3 {
        let earliest = now()?;
        let answer = throttle(&node)?;
        let duration = answer.clk_throttling_duration_ns[index];
        check(duration > lasted, "the duration grows while the clock is slow")?;
        let so_far = began..=now()?;
        let ends = began + duration as i64;
        check(ends >= earliest && so_far.contains(&ends.saturating_sub(1000)), "it ends now")?;
        equal("the begin", answer.clk_throttling_timestamp_us[index] as i64 * 1000, began)?;
        lasted = duration;
    }
    post(cx, &node, end)?;
    let answer = reasons(&node, 0)?;
    let frozen = answer.clk_throttling_duration_ns[index];
    check(frozen >= lasted, "the duration reaches to the end")?;
    check(began + (frozen as i64) <= now()?, "the end lies in the past")?;
    equal("the duration later", throttle(&node)?.clk_throttling_duration_ns[index], frozen)
}

fn both(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let (power_limit, overheating) = (power(cx), heat(cx));
    post(cx, &node, power_limit.start)?;
    reasons(&node, 1)?;
    post(cx, &node, overheating.start)?;
    let [power, heat] = reasons(&node, 3)?.clk_throttling_timestamp_us;
    check(power <= heat, "the power limit began first")?;
    post(cx, &node, power_limit.end)?;
    let one = reasons(&node, 2)?;
    let later = throttle(&node)?;
    let [power, heat] = [0, 1].map(|index: usize| {
        later.clk_throttling_duration_ns[index] - one.clk_throttling_duration_ns[index]
    });
    check(power == 0 && heat > 0, "only the overheating goes on")?;
    post(cx, &node, overheating.end)?;
    reasons(&node, 0).map(drop)
}
