// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! INFO: every opcode, on both nodes.

mod any;
mod attest;
mod busy;
pub mod call;
mod card;
mod counters;
mod engines;
mod event;
mod eventfd;
mod firmware;
mod generic;
mod memory;
mod refusal;
pub mod reset;
mod silent;
mod state;
pub mod table;

pub(crate) use event::fault_is_kept;

use case::Case;
use control::Personality;

/// The cases.
pub fn cases() -> Vec<Case> {
    let parts = [
        any::cases,
        generic::cases,
        card::cases,
        state::cases,
        firmware::cases,
        memory::cases,
        counters::cases,
        eventfd::cases,
        busy::cases,
        engines::cases,
        attest::cases,
        refusal::cases,
        silent::cases,
        reset::cases,
        event::cases,
    ];
    parts.iter().flat_map(|part| part()).collect()
}

/// Runs a case on a card that differs from the default one in everything that firmware reports.
fn another_card(case: Case) -> Case {
    case.model().personality("another_card", differ)
}

fn differ(card: &mut Personality) {
    card.cpucp_version = "hl-other-2.3.4-fw-5.6.7".into();
    card.kernel_version = "Linux other 6.6.6".into();
    card.fuse_version = "02P1-OTHER".into();
    card.thermal_version = "hl-other-thermal-9".into();
    card.card_name = "HLOTHER".into();
    card.card_location = 6;
    card.cpld_version = 0x1234_5678;
    card.infineon_version = 0x5a;
    card.power_mw = 123_456;
    card.energy_mj = 0x0123_4567_89ab_cdef;
    card.pcie_counters = [0x1_0000_0001, 0x2_0000_0002, 0x3_0000_0003];
    card.pending_rows = 0x89ab_cdef;
    for (index, pll) in (0u16..).zip(&mut card.pll_mhz) {
        *pll = [2000 + index, 2100 + index, 2200 + index, 2300 + index];
    }
}
