// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! HW_IP_INFO: what the card is. Compared with the configuration of the model, with sysfs, with
//! PCI, and inside itself.

use super::another_card;
use super::call::{ask, text};
use crate::common::files;
use crate::common::node::Node;
use crate::cs::faulty;
use case::{Case, CaseResult, Context, check, equal};
use control::{Asic, Asics};
use uapi::accel::hl_info_hw_ip_info;

/// Bytes below the first address of device memory that users get
/// (`gaudiP.h: DRAM_BASE_ADDR_USER`; Gaudi2: `DRAM_BASE_ADDR` and the driver's part of one page).
const RESERVED_DRAM: [(Asic, u64); 2] = [(Asic::Gaudi, 0x2000_0000), (Asic::Gaudi2, 0x3000_0000)];

/// No user interrupts (`gaudi.c: gaudi_set_fixed_properties`).
const NO_INTERRUPT: u16 = u16::MAX;

/// The cases.
pub fn cases() -> Vec<Case> {
    let fields: &[&str] = &["INFO-HW_IP_INFO-006"];
    vec![
        Case::new("info/hw_ip_info/names_the_pci_function", fields, pci).control_only(),
        Case::new("info/hw_ip_info/agrees_with_sysfs", fields, sysfs).control_only(),
        Case::new("info/hw_ip_info/reports_what_the_firmware_says", fields, firmware)
            .control_only()
            .model(),
        another_card(
            Case::new("info/hw_ip_info/reports_what_another_firmware_says", fields, firmware)
                .control_only(),
        ),
        Case::new(
            "info/hw_ip_info/describes_device_memory",
            &["INFO-HW_IP_INFO-006", "INFO-HW_IP_INFO-007", "INFO-HW_IP_INFO-009"],
            memory,
        )
        .control_only(),
        Case::new("info/hw_ip_info/offers_the_memory_of_the_card", &["INFO-HW_IP_INFO-006"], size)
            .control_only()
            .model(),
        Case::new(
            "info/hw_ip_info/has_no_user_interrupts",
            &["INFO-HW_IP_INFO-008"],
            no_interrupts,
        )
        .control_only()
        .on(Asics::GAUDI),
        Case::new("info/hw_ip_info/offers_user_interrupts", &["INFO-HW_IP_INFO-008"], interrupts)
            .control_only()
            .on(Asics::GAUDI2),
        Case::new("info/hw_ip_info/masks_agree_with_each_other", fields, masks).control_only(),
        Case::new("info/hw_ip_info/enables_every_engine_of_gaudi", fields, gaudi_engines)
            .control_only()
            .on(Asics::GAUDI),
        Case::new("info/hw_ip_info/enables_every_engine_of_gaudi2", fields, gaudi2_engines)
            .control_only()
            .model()
            .on(Asics::GAUDI2),
        Case::new("info/hw_ip_info/spares_stand_in_for_faulty_engines", fields, gaudi2_engines)
            .control_only()
            .model()
            .personality("binned", faulty)
            .on(Asics::GAUDI2),
        Case::new("info/hw_ip_info/leaves_reserved_fields_zero", fields, reserved).control_only(),
    ]
}

fn info(cx: &Context) -> CaseResult<hl_info_hw_ip_info> {
    ask(&Node::control(cx)?)
}

fn pci(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    equal("device_id", u64::from(info.device_id), files::pci_number(cx, "device")?)?;
    equal("revision_id", u64::from(info.revision_id), files::pci_number(cx, "revision")?)
}

fn sysfs(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    equal("cpucp_version", text(&info.cpucp_version), files::attribute(cx, "cpucp_ver")?)?;
    equal("module_id", u64::from(info.module_id), files::number(cx, "module_id")?)?;
    let security = files::number(cx, "security_enabled")?;
    equal("security_enabled", u64::from(info.security_enabled), security)?;
    let cpld = files::number(cx, "cpld_ver")?;
    equal("cpld_version", u64::from(info.cpld_version), cpld & 0xffff_ffff)
}

fn firmware(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    let card = cx.model()?.personality()?;
    equal("cpucp_version", text(&info.cpucp_version), card.cpucp_version)?;
    equal("card_name", text(&info.card_name), card.card_name)?;
    equal("cpld_version", info.cpld_version, card.cpld_version)?;
    equal("module_id", info.module_id, card.card_location)?;
    equal("security_enabled", info.security_enabled, u8::from(card.secured))?;
    equal("revision_id", info.revision_id, card.revision)
}

fn memory(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    let page = info.dram_page_size;
    check(page > 0, "dram_page_size is not 0")?;
    equal("dram_size modulo dram_page_size", info.dram_size % page, 0)?;
    equal("device_mem_alloc_default_page_size", info.device_mem_alloc_default_page_size, page)?;
    equal("dram_enabled", info.dram_enabled, u8::from(info.dram_size > 4096))?;
    let reserved = RESERVED_DRAM.into_iter().find(|(asic, _)| *asic == cx.asic());
    if let Some((Asic::Gaudi, bytes)) = reserved {
        // Device memory of Gaudi starts at 0 and has no virtual addresses: the base is the size of
        // the reserved part.
        equal("reserved_dram_size", info.reserved_dram_size, bytes)?;
        equal("dram_base_address", info.dram_base_address, bytes)?;
    }
    if let Some((Asic::Gaudi2, bytes)) = reserved {
        equal("reserved_dram_size", info.reserved_dram_size, bytes)?;
    }
    check(info.sram_size > 0 && info.sram_base_address > 0, "SRAM is described")
}

fn size(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    let card = cx.model()?.personality()?;
    let available = card.dram_bytes - info.reserved_dram_size;
    let expected = available / info.dram_page_size * info.dram_page_size;
    equal("dram_size", info.dram_size, expected)
}

fn no_interrupts(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    equal("first_available_interrupt_id", info.first_available_interrupt_id, NO_INTERRUPT)?;
    equal("number_of_user_interrupts", info.number_of_user_interrupts, 0)?;
    equal("tpc_interrupt_id", info.tpc_interrupt_id, NO_INTERRUPT)
}

fn interrupts(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    // `gaudi2P.h: GAUDI2_IRQ_NUM_*`, `GAUDI2_NUM_USER_INTERRUPTS`.
    equal("first_available_interrupt_id", info.first_available_interrupt_id, 48)?;
    equal("number_of_user_interrupts", info.number_of_user_interrupts, 64)?;
    equal("tpc_interrupt_id", info.tpc_interrupt_id, 46)
}

/// The spare of a kind of engine is off when another is faulty, and in its place
/// (`gaudi2.c: gaudi2_set_tpc_binning_masks`, `gaudi2_set_dec_binning_masks`,
/// `gaudi2_set_edma_binning_masks`).
fn gaudi2_engines(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    let card = cx.model()?.personality()?;
    let without = |all: u32, spare: u32, faulty: u64| match faulty {
        0 => all,
        _ => all & !(1 << spare),
    };
    let tpcs = without(0x1ff_ffff, 24, card.tpc_binning);
    equal("tpc_enabled_mask_ext", info.tpc_enabled_mask_ext, tpcs.into())?;
    let decoders = without(0x3ff, 9, card.decoder_binning);
    equal("decoder_enabled_mask", u64::from(info.decoder_enabled_mask), decoders.into())?;
    let edmas = without(0xff, 7, card.edma_binning.into());
    equal("edma_enabled_mask", u64::from(info.edma_enabled_mask), edmas.into())?;
    equal("rotator_enabled_mask", info.rotator_enabled_mask, 0b11)?;
    equal("mme_master_slave_mode", info.mme_master_slave_mode, 1)?;
    // `gaudi2_async_events.h: GAUDI2_EVENT_SIZE`.
    equal("num_of_events", info.num_of_events, 1329)
}

fn masks(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    let low = (info.tpc_enabled_mask_ext & 0xff) as u8;
    equal("tpc_enabled_mask", info.tpc_enabled_mask, low)?;
    check(info.tpc_enabled_mask_ext != 0, "some TPC is enabled")
}

fn gaudi_engines(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    // `gaudiP.h: TPC_ENABLED_MASK`; decoders, rotators and EDMAs exist from Gaudi2 on.
    equal("tpc_enabled_mask_ext", info.tpc_enabled_mask_ext, 0xff)?;
    equal("decoder_enabled_mask", info.decoder_enabled_mask, 0)?;
    equal("edma_enabled_mask", info.edma_enabled_mask, 0)?;
    equal("rotator_enabled_mask", info.rotator_enabled_mask, 0)?;
    equal("mme_master_slave_mode", info.mme_master_slave_mode, 0)?;
    // `gaudi_async_events.h: GAUDI_EVENT_SIZE`.
    equal("num_of_events", info.num_of_events, 663)
}

fn reserved(cx: &Context) -> CaseResult {
    let info = info(cx)?;
    equal("reserved1", info.reserved1, 0)?;
    equal("reserved2", info.reserved2, 0)?;
    equal("reserved3", info.reserved3, 0)?;
    equal("reserved4", info.reserved4, 0)?;
    equal("reserved5", info.reserved5, 0)?;
    equal("reserved6", info.reserved6, 0)?;
    equal("reserved7", info.reserved7, 0)?;
    equal("reserved9", info.reserved9, 0)
}
