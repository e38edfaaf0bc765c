// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! HW_IDLE and ENGINE_STATUS while an engine is busy (gaudi.c: gaudi_is_device_idle; gaudi2.c:
//! gaudi2_is_device_idle).
//!
//! The model lets the status register of one engine after the other say "busy". Not covered: the
//! status registers of queue managers, but for rotators, which have no other; network ports, of
//! which the model has none.

use super::call::ask;
use super::engines::{LARGEST, status};
use crate::common::node::Node;
use case::{Case, CaseResult, Context, equal};
use control::{Asic, Request as Ask};
use uapi::accel::{self, hl_info_hw_idle, hl_info_hw_ip_info};

/// Engines of a kind. Where there are two strides and counts, the first is that of cores.
struct Engines {
    name: &'static str,
    /// Status register of the first, from the start of the configuration space.
    register: u64,
    strides: [u64; 2],
    counts: [u32; 2],
    /// Engine ids of the first engine and from core to core.
    ids: [u32; 2],
    /// From "idle" to "busy".
    busy: fn(u32) -> u32,
    /// Which of them are in use, first bit first; the others are not looked at.
    enabled: fn(&hl_info_hw_ip_info) -> u32,
}

/// Sources: `gaudi_regs.h` (mmTPC0_CFG_STATUS, mmMME0_CTRL_ARCH_STATUS, mmDMA0_CORE_STS0),
/// `gaudi_masks.h` (TPC_IDLE_MASK, MME_ARCH_IDLE_MASK, IS_DMA_IDLE), `habanalabs_accel.h`
/// (`enum gaudi_engine_id`).
const GAUDI: &[Engines] = &[
    row("TPC", 0xe0_691c, [0, 0x4_0000], [1, 8], [accel::GAUDI_ENGINE_ID_TPC_0, 0], nothing, all),
    row("MME", 0x6_0000, [0, 0x8_0000], [1, 4], [accel::GAUDI_ENGINE_ID_MME_0, 0], nothing, all),
    row("DMA", 0x50_0190, [0, 0x2_0000], [1, 8], [accel::GAUDI_ENGINE_ID_DMA_0, 0], dma, all),
];

/// Sources: `gaudi2_regs.h` (mmDCORE0_EDMA0_CORE_STS0, mmPDMA0_CORE_STS0,
/// mmDCORE0_MME_CTRL_LO_ARCH_STATUS, mmDCORE0_TPC0_CFG_STATUS, mmDCORE0_DEC0_CMD_SWREG15,
/// mmPCIE_DEC0_CMD_SWREG15, mmROT0_QM_CGM_STS; DCORE_OFFSET and the like), `gaudi2_masks.h`,
/// `habanalabs_accel.h` (`enum gaudi2_engine_id`).
const GAUDI2: &[Engines] = &[
    row("EDMA", 0x41c_b380, [CORE, STEP], [4, 2], [EDMA, IDS], dma, |ip| ip.edma_enabled_mask),
    row("PDMA", 0x4c8_b380, [0, STEP], [1, 2], [PDMA, 0], dma, all),
    row("MME", 0x40c_b000, [CORE, 0], [4, 1], [MME, IDS], nothing, all),
    row("TPC", 0x400_bd84, [CORE, STEP], [4, 6], [TPC, IDS], nothing, |ip| {
        ip.tpc_enabled_mask_ext as u32
    }),
    row("TPC of PCIe", 0x406_bd84, [0, 0], [1, 1], [TPC_6, 0], nothing, |ip| {
        (ip.tpc_enabled_mask_ext >> 24) as u32
    }),
    row("DEC", 0x41e_003c, [CORE, STEP], [4, 2], [DEC, IDS], decoder, |ip| ip.decoder_enabled_mask),
    row("DEC of PCIe", 0x4f0_003c, [0, STEP], [1, 2], [PCIE_DEC, 0], decoder, |ip| {
        ip.decoder_enabled_mask >> 8
    }),
    row("ROT", 0x4e0_ad84, [0, STEP], [1, 2], [accel::GAUDI2_ENGINE_ID_ROT_0, 0], nothing, all),
];

const EDMA: u32 = accel::GAUDI2_DCORE0_ENGINE_ID_EDMA_0;
const PDMA: u32 = accel::GAUDI2_ENGINE_ID_PDMA_0;
const MME: u32 = accel::GAUDI2_DCORE0_ENGINE_ID_MME;
const TPC: u32 = accel::GAUDI2_DCORE0_ENGINE_ID_TPC_0;
const TPC_6: u32 = accel::GAUDI2_DCORE0_ENGINE_ID_TPC_6;
const DEC: u32 = accel::GAUDI2_DCORE0_ENGINE_ID_DEC_0;
const PCIE_DEC: u32 = accel::GAUDI2_PCIE_ENGINE_ID_DEC_0;
/// DCORE_OFFSET, and the offset between engines of a core.
const CORE: u64 = 0x20_0000;
const STEP: u64 = 0x1_0000;
/// GAUDI2_ENGINE_ID_DCORE_OFFSET.
const IDS: u32 = accel::GAUDI2_DCORE1_ENGINE_ID_EDMA_0 - EDMA;

#[allow(clippy::too_many_arguments)]
const fn row(
    name: &'static str,
    register: u64,
    strides: [u64; 2],
    counts: [u32; 2],
    ids: [u32; 2],
    busy: fn(u32) -> u32,
    enabled: fn(&hl_info_hw_ip_info) -> u32,
) -> Engines {
    Engines { name, register, strides, counts, ids, busy, enabled }
}

/// No pipe is empty, no agent idle.
fn nothing(_: u32) -> u32 {
    0
}

/// CORE_STS0.BUSY.
fn dma(idle: u32) -> u32 {
    idle | 1 << 31
}

/// SWREG15.SW_WORK_STATE is neither idle (0) nor pending (3).
fn decoder(idle: u32) -> u32 {
    idle & !7 | 1
}

fn all(_: &hl_info_hw_ip_info) -> u32 {
    u32::MAX
}

/// An engine: the offset of its status register, its id, whether it is in use.
struct Engine {
    register: u64,
    id: u32,
    enabled: bool,
}

impl Engines {
    fn each(&self, enabled: u32) -> Vec<Engine> {
        let [cores, count] = self.counts;
        let places = (0..cores).flat_map(|core| (0..count).map(move |index| (core, index)));
        let engine = |(core, index): (u32, u32)| Engine {
            register: self.register
                + self.strides[0] * u64::from(core)
                + self.strides[1] * u64::from(index),
            id: self.ids[0] + self.ids[1] * core + index,
            enabled: enabled >> (core * count + index) & 1 != 0,
        };
        places.map(engine).collect()
    }
}

const KINDS: &[&str] = &["INFO-ENGINE_STATUS-001"];

/// The cases.
pub fn cases() -> Vec<Case> {
    let cases = [
        Case::new("info/hw_idle/is_idle_without_work", &["INFO-HW_IDLE-006"], idle),
        Case::new("info/hw_idle/names_each_busy_engine", &["INFO-HW_IDLE-007"], busy).model(),
        Case::new("info/engine_status/names_every_kind_of_engine", KINDS, kinds),
    ];
    cases.into_iter().map(Case::control_only).collect()
}

fn table(cx: &Context) -> &'static [Engines] {
    match cx.asic() {
        Asic::Gaudi => GAUDI,
        Asic::Gaudi2 => GAUDI2,
    }
}

fn masks(node: &Node) -> CaseResult<(u32, u32, [u64; 4])> {
    let answer: hl_info_hw_idle = ask(node)?;
    Ok((answer.is_idle, answer.busy_engines_mask, answer.busy_engines_mask_ext))
}

/// Rows of ENGINE_STATUS with this letter for "is idle", the last such column.
fn rows(node: &Node, letter: &str) -> CaseResult<usize> {
    let (text, _) = status(node, LARGEST)?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let rows = text.split(['\n', '\0']).filter(|line| {
        let said = line.split_whitespace().rfind(|word| matches!(*word, "Y" | "N"));
        line.starts_with(|c: char| c.is_ascii_digit()) && said == Some(letter)
    });
    Ok(rows.count())
}

fn idle(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    equal("is_idle, mask, extended mask", masks(&node)?, (1, 0, [0; 4]))
}

/// Each engine in turn looks busy to the driver; its status is put back afterwards.
fn busy(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let info: hl_info_hw_ip_info = ask(&node)?;
    for engines in table(cx) {
        for Engine { register: offset, id, enabled } in engines.each((engines.enabled)(&info)) {
            let before = cx.model()?.peek(offset)? as u32;
            let value = (engines.busy)(before);
            cx.model()?.order(Ask::Poke { offset, value })?;
            let seen = masks(&node).and_then(|masks| Ok((masks, rows(&node, "N")?)));
            cx.model()?.order(Ask::Poke { offset, value: before })?;
            let bit = u64::from(enabled) << id;
            let expected = (u32::from(!enabled), bit as u32, [bit, 0, 0, 0]);
            let what = format!("is_idle, masks, busy rows while {} (id {id}) works", engines.name);
            equal(&what, seen?, (expected, usize::from(enabled)))?;
            equal("is_idle, masks afterwards", masks(&node)?, (1, 0, [0; 4]))?;
        }
    }
    Ok(())
}

fn kinds(cx: &Context) -> CaseResult {
    let node = Node::control(cx)?;
    let info: hl_info_hw_ip_info = ask(&node)?;
    let engines = table(cx).iter().flat_map(|engines| engines.each((engines.enabled)(&info)));
    let enabled = engines.filter(|engine| engine.enabled).count();
    equal("engines that are idle", rows(&node, "Y")?, enabled)?;
    equal("engines that are busy", rows(&node, "N")?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_last_engines() {
        let last = |engines: &Engines| engines.each(0).pop().map(|engine| engine.id);
        let ids: Vec<_> = GAUDI2.iter().filter_map(last).collect();
        let expected = [
            accel::GAUDI2_DCORE3_ENGINE_ID_EDMA_1,
            accel::GAUDI2_ENGINE_ID_PDMA_1,
            accel::GAUDI2_DCORE3_ENGINE_ID_MME,
            accel::GAUDI2_DCORE3_ENGINE_ID_TPC_5,
            accel::GAUDI2_DCORE0_ENGINE_ID_TPC_6,
            accel::GAUDI2_DCORE3_ENGINE_ID_DEC_1,
            accel::GAUDI2_PCIE_ENGINE_ID_DEC_1,
            accel::GAUDI2_ENGINE_ID_ROT_1,
        ];
        assert_eq!(ids, expected);
    }
}
