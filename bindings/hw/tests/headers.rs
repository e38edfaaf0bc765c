// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Compares the facts with the driver's headers.
//!
//! `GAUNTLET_KERNEL_SOURCE` names a kernel tree (6.12 or later); without it there is nothing to
//! compare with, and the tests say so and pass.

use hw::{Field, dma, memory, mmu, packet, qman, queue, sync, tpc};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const DRIVER: &str = "drivers/accel/habanalabs";
const UAPI: &str = "include/uapi/drm/habanalabs_accel.h";

fn source() -> Option<PathBuf> {
    let found = std::env::var_os("GAUNTLET_KERNEL_SOURCE").map(PathBuf::from);
    if found.is_none() {
        eprintln!("skipped: needs a kernel tree in GAUNTLET_KERNEL_SOURCE");
    }
    found
}

/// Numbers that headers below a folder define, by name.
struct Names(BTreeMap<String, u64>);

impl Names {
    fn new(folders: &[PathBuf]) -> Self {
        let mut names = Names(BTreeMap::new());
        for folder in folders {
            names.walk(folder);
        }
        assert!(names.0.len() > 100, "no headers in {folders:?}");
        names
    }

    fn walk(&mut self, path: &Path) {
        if path.is_file() {
            return self.file(path);
        }
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() || path.extension().is_some_and(|ext| ext == "h") {
                self.walk(&path);
            }
        }
    }

    fn file(&mut self, path: &Path) {
        let text = fs::read_to_string(path).unwrap_or_default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some("#define"), Some(name), Some(value)) =
                (words.next(), words.next(), words.next())
                && let Some(value) = number(value)
            {
                self.0.insert(name.into(), value);
            }
        }
    }

    fn check(&self, name: &str, ours: impl Into<u64>) {
        let ours = ours.into();
        match self.0.get(name) {
            Some(&theirs) => assert_eq!(ours, theirs, "{name}: {ours:#x}, driver {theirs:#x}"),
            None => panic!("the driver defines no {name}"),
        }
    }

    fn field(&self, name: &str, field: Field) {
        self.check(&format!("{name}_MASK"), field.mask());
    }
}

fn number(text: &str) -> Option<u64> {
    let text = text.trim_end_matches(['u', 'l', 'U', 'L']);
    match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Values of an enum's names: explicit ones, else counted.
fn values(path: &Path, of: &str) -> BTreeMap<String, u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let start = text.find(&format!("enum {of} {{")).map(|at| at + of.len() + 7);
    let Some(start) = start else { panic!("no enum {of} in {path:?}") };
    let body = &text[start..start + text[start..].find('}').unwrap_or(0)];
    let mut all = BTreeMap::new();
    let mut next = 0;
    for item in body.split(',') {
        let item: String = item.lines().map(|line| line.split("/*").next().unwrap_or("")).collect();
        let mut parts = item.split('=').map(str::trim);
        let name = parts.next().unwrap_or("");
        if name.is_empty() {
            continue;
        }
        next = parts.next().and_then(number).unwrap_or(next);
        all.insert(name.to_string(), next);
        next += 1;
    }
    all
}

fn gaudi() -> Option<Names> {
    let driver = source()?.join(DRIVER);
    Some(Names::new(&[driver.join("include/gaudi"), driver.join("gaudi/gaudiP.h")]))
}

fn gaudi2() -> Option<Names> {
    let driver = source()?.join(DRIVER);
    Some(Names::new(&[driver.join("include/gaudi2"), driver.join("gaudi2/gaudi2P.h")]))
}

const DMA_QM: u32 = 0x50_8000;
const DMA_CORE: u32 = 0x50_0000;
const PDMA_QM: u32 = 0x4c8_a000;
const PDMA_CORE: u32 = 0x4c8_b000;

fn check_qman(names: &Names, prefix: &str, base: u32, regs: &qman::Registers) {
    let at = |name: &str, offset: u32| names.check(&format!("{prefix}{name}"), base + offset);
    at("GLBL_CFG0", regs.cfg0);
    at("GLBL_CFG1", regs.cfg1);
    at("GLBL_PROT", regs.prot);
    at("GLBL_ERR_CFG", regs.err_cfg);
    at("GLBL_STS0", regs.sts0);
    at("PQ_BASE_LO_0", regs.pq_base[0]);
    at("PQ_BASE_HI_0", regs.pq_base[1]);
    at("PQ_BASE_HI_3", regs.pq_base[1] + 12);
    at("PQ_SIZE_0", regs.pq_size);
    at("PQ_PI_0", regs.pq_pi);
    at("PQ_CI_0", regs.pq_ci);
    at("CQ_PTR_LO_0", regs.cq[0]);
    at("CQ_PTR_HI_0", regs.cq[1]);
    at("CQ_TSIZE_0", regs.cq[2]);
    at("CQ_CTL_4", regs.cq[3] + 0x40);
    at("CQ_PTR_LO_STS_0", regs.cq_status[0]);
    at("CQ_PTR_HI_STS_0", regs.cq_status[1]);
    at("CQ_TSIZE_STS_4", regs.cq_status[2] + 16);
    for n in 0..4 {
        let [low, high] = regs.base(n, 0);
        at(&format!("CP_MSG_BASE{n}_ADDR_LO_0"), low);
        at(&format!("CP_MSG_BASE{n}_ADDR_HI_0"), high);
        at(&format!("CP_FENCE{n}_RDATA_4"), regs.fence_register(n, 4));
        at(&format!("CP_FENCE{n}_CNT_0"), regs.fence_count + n * 0x14);
    }
    at("CP_STS_0", regs.cp_status);
    at("CP_CURRENT_INST_LO_0", regs.current[0]);
    at("CP_CURRENT_INST_HI_0", regs.current[1]);
    at("ARB_CFG_0", regs.arb_cfg);
    at("ARB_WRR_WEIGHT_0", regs.arb_weight);
    at("ARB_ERR_CAUSE", regs.arb_error);
    at("GLBL_ERR_ADDR_LO", regs.error_message[0]);
    at("GLBL_ERR_ADDR_HI", regs.error_message[1]);
    at("GLBL_ERR_WDATA", regs.error_message[2]);
}

#[test]
fn queue_managers_are_as_in_the_driver() {
    let (Some(one), Some(two)) = (gaudi(), gaudi2()) else { return };
    check_qman(&one, "mmDMA0_QM_", DMA_QM, &qman::GAUDI);
    check_qman(&two, "mmPDMA0_QM_", PDMA_QM, &qman::GAUDI2);
    one.check("mmDMA0_QM_GLBL_STS1_0", DMA_QM + qman::GAUDI.errors);
    two.check("mmPDMA0_QM_GLBL_ERR_STS_0", PDMA_QM + qman::GAUDI2.errors);
    one.check("mmDMA0_QM_CGM_STS", DMA_QM + qman::GAUDI.cgm_status);
    two.check("mmPDMA0_QM_CGM_STS", PDMA_QM + qman::GAUDI2.cgm_status);
    one.check("mmDMA0_QM_GLBL_SECURE_PROPS_0", DMA_QM + 0x10);
    one.check("mmDMA0_QM_GLBL_NON_SECURE_PROPS_0", DMA_QM + 0x24);
    assert_eq!(qman::GAUDI.secure, qman::Properties::PerStream(0x10));
    assert_eq!(qman::GAUDI.non_secure, qman::Properties::PerStream(0x24));
    two.check("mmPDMA0_QM_AXUSER_SECURED_HB_ASID", PDMA_QM + 0xb00);
    two.check("mmPDMA0_QM_AXUSER_NONSECURED_HB_ASID", PDMA_QM + 0xb80);
    two.check("mmPDMA0_QM_AXUSER_NONSECURED_HB_MMU_BP", PDMA_QM + 0xb84);
    let Some(completion) = qman::GAUDI2.completion else { panic!("no completion") };
    two.check("mmPDMA0_QM_PQC_LBW_WDATA_0", PDMA_QM + completion.data);
    two.check("mmPDMA0_QM_PQC_LBW_BASE_LO_0", PDMA_QM + completion.base[0]);
    two.check("mmPDMA0_QM_PQC_LBW_BASE_HI_0", PDMA_QM + completion.base[1]);
    two.check("mmPDMA0_QM_PQC_CFG", PDMA_QM + completion.config);
    for (part, field) in
        [("PQF", qman::part::PQF), ("CQF", qman::part::CQF), ("CP", qman::part::CP)]
    {
        one.field(&format!("DMA0_QM_GLBL_CFG0_{part}_EN"), field);
        one.field(&format!("DMA0_QM_GLBL_CFG1_{part}_STOP"), field);
        one.field(&format!("DMA0_QM_GLBL_STS0_{part}_IDLE"), field);
        one.field(&format!("DMA0_QM_GLBL_PROT_{part}"), field);
        two.field(&format!("PDMA0_QM_GLBL_STS0_{part}_IDLE"), field);
    }
    for (name, bit) in [
        ("PQF_RD", qman::error::PQF_READ),
        ("CQF_RD", qman::error::CQF_READ),
        ("CP_RD", qman::error::CP_READ),
        ("CP_UNDEF_CMD", qman::error::UNDEFINED),
        ("CP_MSG_WR", qman::error::MESSAGE_WRITE),
        ("CP_WREG", qman::error::REGISTER),
        ("CP_FENCE0_OVF", qman::error::FENCE_OVERFLOW),
        ("CP_FENCE0_UDF", qman::error::FENCE_UNDERFLOW),
    ] {
        one.check(&format!("DMA0_QM_GLBL_STS1_{name}_ERR_MASK"), bit);
    }
    one.check("DMA0_QM_GLBL_STS1_CP_STOP_OP_MASK", qman::error::STOP);
    one.field("DMA0_QM_CGM_STS_AGENT_IDLE", qman::AGENT_IDLE);
    one.field("DMA0_QM_GLBL_NON_SECURE_PROPS_0_ASID", qman::ASID);
    one.field("DMA0_QM_GLBL_NON_SECURE_PROPS_0_MMBP", qman::BYPASS);
    one.field("DMA0_QM_CP_FENCE0_RDATA_INC_VAL", qman::FENCE_INCREMENT);
    one.check("DMA0_QM_CP_FENCE0_CNT_VAL_MASK", qman::FENCE_MAX);
    one.field("DMA0_QM_CP_STS_FENCE_ID", qman::cp_status::FENCE_ID);
    one.field("DMA0_QM_CP_STS_FENCE_IN_PROGRESS", qman::cp_status::FENCE);
    one.field("DMA0_QM_ARB_CFG_0_TYPE", qman::arbitration::ROUND_ROBIN);
    one.field("DMA0_QM_ARB_CFG_0_EN", qman::arbitration::ENABLED);
}

fn check_dma(names: &Names, core: &str, context: &str, base: u32, regs: &dma::Registers) {
    let at = |name: &str, offset: u32| names.check(&format!("{core}{name}"), base + offset);
    at("CFG_0", regs.cfg0);
    at("CFG_1", regs.cfg1);
    at("PROT", regs.prot);
    at("ERR_CFG", regs.err_cfg);
    at("ERR_CAUSE", regs.err_cause);
    at("ERRMSG_ADDR_LO", regs.error_message[0]);
    at("ERRMSG_ADDR_HI", regs.error_message[1]);
    at("ERRMSG_WDATA", regs.error_message[2]);
    at("STS0", regs.sts0);
    at("STS1", regs.sts1);
    let at = |name: &str, offset: u32| names.check(&format!("{context}{name}"), base + offset);
    at("SRC_BASE_LO", regs.source[0]);
    at("SRC_BASE_HI", regs.source[1]);
    at("DST_BASE_LO", regs.destination[0]);
    at("DST_BASE_HI", regs.destination[1]);
    at("DST_TSIZE_0", regs.size);
    at("SRC_TSIZE_0", regs.source_size0);
    at("SRC_TSIZE_1", regs.source_dims);
    at("SRC_STRIDE_4", regs.source_dims + 28);
    at("DST_TSIZE_1", regs.destination_dims);
    at("DST_STRIDE_4", regs.destination_dims + 28);
    at("COMMIT", regs.commit);
    at("WR_COMP_ADDR_LO", regs.completion_address[0]);
    at("WR_COMP_ADDR_HI", regs.completion_address[1]);
    at("WR_COMP_WDATA", regs.completion_data);
}

#[test]
fn dma_cores_are_as_in_the_driver() {
    let (Some(one), Some(two)) = (gaudi(), gaudi2()) else { return };
    check_dma(&one, "mmDMA0_CORE_", "mmDMA0_CORE_", DMA_CORE, &dma::GAUDI);
    check_dma(&two, "mmPDMA0_CORE_", "mmPDMA0_CORE_CTX_", PDMA_CORE, &dma::GAUDI2);
    one.check("mmDMA0_CORE_NON_SECURE_PROPS", DMA_CORE + 0xf4);
    one.check("mmDMA0_CORE_SECURE_PROPS", DMA_CORE + 0xf0);
    assert_eq!(dma::GAUDI.non_secure, qman::Properties::PerStream(0xf4));
    assert_eq!(dma::GAUDI.secure, Some(qman::Properties::PerStream(0xf0)));
    assert_eq!(dma::GAUDI2.non_secure, qman::Properties::Block(0x800));
    two.check("mmPDMA0_CORE_CTX_AXUSER_HB_ASID", PDMA_CORE + 0x800);
    one.field("DMA0_CORE_COMMIT_WR_COMP_EN", dma::commit::COMPLETE);
    one.field("DMA0_CORE_COMMIT_TRANSPOSE", dma::commit::TRANSPOSE);
    one.field("DMA0_CORE_COMMIT_DTYPE", dma::commit::DTYPE);
    one.field("DMA0_CORE_COMMIT_LIN", dma::commit::LINEAR_GAUDI);
    one.field("DMA0_CORE_COMMIT_MEM_SET", dma::commit::MEMSET);
    one.field("DMA0_CORE_COMMIT_COMPRESS", dma::commit::COMPRESS);
    one.field("DMA0_CORE_COMMIT_DECOMPRESS", dma::commit::DECOMPRESS);
    two.field("ARC_FARM_KDMA_CTX_COMMIT_WR_COMP_EN", dma::commit::COMPLETE);
    two.field("ARC_FARM_KDMA_CTX_COMMIT_ENDIAN_SWAP", dma::commit::ENDIAN);
    two.field("ARC_FARM_KDMA_CTX_COMMIT_MEM_SET", dma::commit::MEMSET);
    two.field("ARC_FARM_KDMA_CTX_COMMIT_LIN", dma::commit::LINEAR_GAUDI2);
    one.field("DMA0_CORE_STS0_BUSY", dma::BUSY);
    one.field("DMA0_CORE_ERR_CFG_ERR_MSG_EN", dma::ERR_MESSAGE);
    one.field("DMA0_CORE_ERR_CFG_STOP_ON_ERR", dma::ERR_STOP);
    one.check("DMA0_CORE_ERR_CAUSE_HBW_RD_ERR_MASK", dma::error::READ);
    one.check("DMA0_CORE_ERR_CAUSE_HBW_WR_ERR_MASK", dma::error::WRITE);
    one.check("DMA0_CORE_ERR_CAUSE_LBW_WR_ERR_MASK", dma::error::MESSAGE);
    one.check("DMA0_CORE_ERR_CAUSE_DESC_OVF_MASK", dma::error::OVERFLOW);
    one.check("GAUDI_PKT_LIN_DMA_DST_ADDR_MASK", dma::GAUDI_DESTINATION);
}

fn check_sync(names: &Names, prefix: &str, base: u32, regs: &sync::Objects) {
    let at = |name: &str, offset: u32| names.check(&format!("{prefix}{name}"), base + offset);
    at("SOB_OBJ_0", regs.sob);
    at(&format!("SOB_OBJ_{}", regs.objects - 1), regs.sob + 4 * (regs.objects - 1));
    at("MON_PAY_ADDRL_0", regs.address_low);
    at("MON_PAY_ADDRH_0", regs.address_high);
    at("MON_PAY_DATA_0", regs.data);
    at("MON_ARM_0", regs.arm);
    at("MON_STATUS_0", regs.status);
    let last = regs.monitors - 1;
    at(&format!("MON_STATUS_{last}"), regs.status + 4 * last);
}

#[test]
fn sync_managers_are_as_in_the_driver() {
    let (Some(one), Some(two)) = (gaudi(), gaudi2()) else { return };
    for (name, base) in [
        ("E_N", sync::gaudi::E_N),
        ("E_S", sync::gaudi::E_S),
        ("W_N", sync::gaudi::W_N),
        ("W_S", sync::gaudi::W_S),
    ] {
        one.check(&format!("mmSYNC_MNGR_{name}_SYNC_MNGR_OBJS_SOB_OBJ_0"), base);
        one.check(&format!("mmSYNC_MNGR_{name}_SYNC_MNGR_OBJS_MON_STATUS_0"), base + 0x4000);
    }
    check_sync(&one, "mmSYNC_MNGR_W_S_SYNC_MNGR_OBJS_", sync::gaudi::W_S, &SOME_OF_GAUDI);
    check_sync(&two, "mmDCORE0_SYNC_MNGR_OBJS_", sync::GAUDI2_DCORE0, &sync::GAUDI2);
    two.check("mmDCORE0_SYNC_MNGR_OBJS_MON_CONFIG_0", sync::GAUDI2_DCORE0 + 0x1_0000);
    assert_eq!(sync::GAUDI2.config, Some(0x1_0000));
    let at = |name: &str, offset: u32| {
        two.check(&format!("mmDCORE0_SYNC_MNGR_GLBL_{name}"), sync::GAUDI2_DCORE0 + offset);
    };
    let queues = &sync::GAUDI2_QUEUES;
    at("CQ_BASE_ADDR_L_0", queues.base[0]);
    at("CQ_BASE_ADDR_H_0", queues.base[1]);
    at("CQ_SIZE_LOG2_0", queues.size_log2);
    at("CQ_PI_0", queues.pi);
    at("LBW_ADDR_L_0", queues.message_address[0]);
    at("LBW_ADDR_H_0", queues.message_address[1]);
    at("LBW_DATA_0", queues.message_data);
    at("CQ_INC_MODE_0", queues.increment_mode);
    one.field("GAUDI_PKT_SHORT_VAL_SOB_SYNC_VAL", sync::VALUE);
    one.field("GAUDI_PKT_SHORT_VAL_SOB_MOD", sync::INCREMENT);
    one.field("GAUDI_PKT_SHORT_VAL_MON_SYNC_GID", sync::arm::GROUP);
    one.field("GAUDI_PKT_SHORT_VAL_MON_MASK", sync::arm::MASK);
    one.field("GAUDI_PKT_SHORT_VAL_MON_MODE", sync::arm::EQUAL);
    one.field("GAUDI_PKT_SHORT_VAL_MON_SYNC_VAL", sync::arm::TARGET);
    let field = |name: &str, ours| two.field(&format!("DCORE0_SYNC_MNGR_OBJS_{name}"), ours);
    field("SOB_OBJ_LONG_SOB", sync::LONG);
    field("MON_CONFIG_LONG_SOB", sync::config::LONG_SOB);
    field("MON_CONFIG_CQ_EN", sync::config::CQ_EN);
    field("MON_CONFIG_WR_NUM", sync::config::WR_NUM);
    field("MON_CONFIG_LBW_EN", sync::config::LBW_EN);
    field("MON_CONFIG_MSB_SID", sync::config::GROUP_HIGH);
    field("MON_CONFIG_LONG_HIGH_GROUP", sync::config::LONG_HIGH);
    field("MON_STATUS_VALID", sync::status::VALID);
    field("MON_STATUS_PENDING", sync::status::PENDING);
    field("MON_STATUS_PROT", sync::status::PROTECTED);
}

/// The driver's headers name only a few of Gaudi's objects and monitors.
const SOME_OF_GAUDI: sync::Objects = sync::Objects { objects: 1, monitors: 1, ..sync::GAUDI };

#[test]
fn translation_is_as_in_the_driver() {
    let (Some(one), Some(two)) = (gaudi(), gaudi2()) else { return };
    let (tlb, base) = (&mmu::GAUDI_TLB, 0xc1_2000);
    one.check("mmSTLB_INV_ALL_START", base + tlb.invalidate_all);
    one.check("mmSTLB_INV_PS", base + tlb.invalidate);
    one.check("mmSTLB_SRAM_INIT", base + tlb.sram_init);
    one.check("mmSTLB_MEM_CACHE_INVALIDATION", base + tlb.memory_cache);
    one.check("mmSTLB_MEM_CACHE_INV_STATUS", base + tlb.memory_cache_status);
    let (unit, base) = (&mmu::GAUDI_MMU, 0xc1_1000);
    one.check("mmMMU_UP_MMU_ENABLE", base + unit.enable);
    one.check("mmMMU_UP_MMU_BYPASS", base + unit.bypass);
    one.check("mmMMU_UP_SPI_CAUSE", base + unit.cause);
    one.check("mmMMU_UP_PAGE_ERROR_CAPTURE", base + unit.capture);
    one.check("mmMMU_UP_PAGE_ERROR_CAPTURE_VA", base + unit.capture_low);
    let (tlb, base) = (&mmu::GAUDI2_TLB, 0x4d0_1000);
    let at = |name: &str, offset: u32| two.check(&format!("mmPMMU_HBW_STLB_{name}"), base + offset);
    at("BUSY", tlb.busy);
    at("ASID", tlb.asid);
    at("HOP0_PA43_12", tlb.hop0_low);
    at("HOP0_PA63_44", tlb.hop0_high);
    at("INV_ALL_START", tlb.invalidate_all);
    at("SRAM_INIT", tlb.sram_init);
    at("MEM_CACHE_INVALIDATION", tlb.memory_cache);
    at("MEM_CACHE_INV_STATUS", tlb.memory_cache_status);
    let Some(range) = tlb.range else { panic!("no range invalidation") };
    at("RANGE_CACHE_INVALIDATION", range.command);
    at("RANGE_INV_START_LSB", range.start[0]);
    at("RANGE_INV_END_MSB", range.end[1]);
    let (unit, base) = (&mmu::GAUDI2_MMU, 0x408_0000);
    let at =
        |name: &str, offset: u32| two.check(&format!("mmDCORE0_HMMU0_MMU_{name}"), base + offset);
    at("MMU_ENABLE", unit.enable);
    at("MMU_BYPASS", unit.bypass);
    at("SPI_SEI_CAUSE", unit.cause);
    at("PAGE_ERROR_CAPTURE", unit.capture);
    at("PAGE_ERROR_CAPTURE_VA", unit.capture_low);
    assert_eq!(unit.valid, Some(0x44));
    at("ACCESS_PAGE_ERROR_VALID", 0x44);
}

#[test]
fn tensor_cores_are_as_in_the_driver() {
    let Some(one) = gaudi() else { return };
    let (regs, base) = (&tpc::GAUDI, 0xe0_6000);
    let at = |name: &str, offset: u32| one.check(&format!("mmTPC0_CFG_{name}"), base + offset);
    at("QM_SYNC_OBJECT_MESSAGE", regs.queued + regs.message[0]);
    at("QM_SYNC_OBJECT_ADDR", regs.queued + regs.message[1]);
    at("QM_KERNEL_BASE_ADDRESS_LOW", regs.queued + regs.code[0]);
    at("QM_KERNEL_BASE_ADDRESS_HIGH", regs.queued + regs.code[1]);
    at("KERNEL_KERNEL_BASE_ADDRESS_LOW", regs.kernel + regs.code[0]);
    at("STATUS", regs.status);
    at("SM_BASE_ADDRESS_HIGH", regs.message_high);
    at("TPC_CMD", regs.command);
    at("TPC_EXECUTE", regs.execute);
    at("TPC_STALL", regs.stall);
    at("TPC_INTR_CAUSE", regs.cause);
    at("TPC_INTR_MASK", regs.mask);
    at("WQ_INFLIGHT_CNTR", regs.inflight);
    at("ARUSER_LO", 0x964);
    at("AWUSER_LO", 0x96c);
    one.field("TPC0_CFG_STATUS_VECTOR_PIPE_EMPTY", tpc::status::VECTOR_EMPTY);
    one.field("TPC0_CFG_STATUS_QM_RDY", tpc::status::QUEUE_READY);
}

#[test]
fn packets_are_as_in_the_driver() {
    let (Some(one), Some(two), Some(tree)) = (gaudi(), gaudi2(), source()) else { return };
    for (names, chip) in [(&one, "GAUDI"), (&two, "GAUDI2")] {
        names.field(&format!("{chip}_PKT_CTL_OPCODE"), packet::control::OPCODE);
        names.field(&format!("{chip}_PKT_CTL_EB"), packet::control::ENGINE_BARRIER);
        names.field(&format!("{chip}_PKT_CTL_RB"), packet::control::REGISTER_BARRIER);
        names.field(&format!("{chip}_PKT_CTL_MB"), packet::control::MESSAGE_BARRIER);
        names.field(&format!("{chip}_PKT_SHORT_CTL_ADDR"), packet::control::SHORT_OFFSET);
        names.field(&format!("{chip}_PKT_SHORT_CTL_BASE"), packet::control::SHORT_BASE);
        names.field(&format!("{chip}_PKT_FENCE_CTL_PRED"), packet::control::PREDICATE);
    }
    one.field("GAUDI_PKT_LONG_CTL_OP", packet::control::OPERATION);
    one.field("GAUDI_PKT_LOAD_AND_EXE_CFG_DST", packet::load_and_exe::DESTINATION);
    let header = tree.join(DRIVER).join("include/gaudi2/gaudi2_packets.h");
    let ids = values(&header, "packet_id");
    let opcodes = packet::Opcode::GAUDI.iter().chain(packet::Opcode::GAUDI2);
    let ours: Vec<u64> = opcodes.map(|opcode| *opcode as u64).collect();
    for (name, id) in ids.iter().filter(|(name, _)| *name != "MAX_PACKET_ID") {
        assert!(ours.contains(id), "{name} is {id:#x}, which is no opcode of ours");
    }
    assert_eq!(ids.get("PACKET_LOAD_AND_EXE"), Some(&(packet::Opcode::LoadAndExe as u64)));
    assert_eq!(ids.get("PACKET_WREG_64_LONG"), Some(&(packet::Opcode::Wreg64Long as u64)));
}

#[test]
fn queue_ids_are_as_in_the_driver() {
    use hw::Generation::{Gaudi, Gaudi2};
    use queue::Engine;
    let Some(tree) = source() else { return };
    let header = tree.join(UAPI);
    let (one, two) = (values(&header, "gaudi_queue_id"), values(&header, "gaudi2_queue_id"));
    for (names, generation, name, engine, number, stream) in [
        (&one, Gaudi, "GAUDI_QUEUE_ID_DMA_1_3", Engine::Dma, 1, 3),
        (&one, Gaudi, "GAUDI_QUEUE_ID_DMA_7_2", Engine::Dma, 7, 2),
        (&one, Gaudi, "GAUDI_QUEUE_ID_MME_0_0", Engine::Mme, 2, 0),
        (&one, Gaudi, "GAUDI_QUEUE_ID_MME_1_0", Engine::Mme, 0, 0),
        (&one, Gaudi, "GAUDI_QUEUE_ID_TPC_7_3", Engine::Tpc, 7, 3),
        (&one, Gaudi, "GAUDI_QUEUE_ID_NIC_9_3", Engine::Nic, 9, 3),
        (&two, Gaudi2, "GAUDI2_QUEUE_ID_PDMA_1_0", Engine::Pdma, 1, 0),
        (&two, Gaudi2, "GAUDI2_QUEUE_ID_DCORE0_TPC_6_1", Engine::Tpc, 24, 1),
        (&two, Gaudi2, "GAUDI2_QUEUE_ID_DCORE1_EDMA_1_3", Engine::Edma, 3, 3),
        (&two, Gaudi2, "GAUDI2_QUEUE_ID_DCORE3_TPC_5_3", Engine::Tpc, 23, 3),
        (&two, Gaudi2, "GAUDI2_QUEUE_ID_DCORE2_MME_0_0", Engine::Mme, 2, 0),
        (&two, Gaudi2, "GAUDI2_QUEUE_ID_NIC_23_3", Engine::Nic, 23, 3),
        (&two, Gaudi2, "GAUDI2_QUEUE_ID_ROT_1_3", Engine::Rotator, 1, 3),
    ] {
        let ours = queue::id(generation, engine, number, stream).map(u64::from);
        assert_eq!(ours, names.get(name).copied(), "{name}");
    }
    assert_eq!(one.get("GAUDI_QUEUE_ID_CPU_PQ"), Some(&queue::GAUDI_CPU.into()));
    assert_eq!(one.get("GAUDI_QUEUE_ID_SIZE"), Some(&queue::GAUDI_COUNT.into()));
    assert_eq!(two.get("GAUDI2_QUEUE_ID_CPU_PQ"), Some(&queue::GAUDI2_CPU.into()));
    assert_eq!(two.get("GAUDI2_QUEUE_ID_SIZE"), Some(&queue::GAUDI2_COUNT.into()));
}

#[test]
fn address_maps_are_as_in_the_driver() {
    let (Some(one), Some(two)) = (gaudi(), gaudi2()) else { return };
    for (names, map) in [(&one, &memory::GAUDI), (&two, &memory::GAUDI2)] {
        names.check("CFG_BASE", map.cfg_base);
        names.check("CFG_SIZE", map.cfg_size);
        names.check("SRAM_BASE_ADDR", map.sram_base);
        names.check("SRAM_SIZE", map.sram_size);
        names.check("DRAM_PHYS_BASE", map.dram_base);
    }
    one.check("HOST_PHYS_BASE", memory::GAUDI.host_base);
}
