// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Data really moves: copies, fills, chains and pairs of streams, checked byte by byte.
//!
//! Programs of tensor cores and matrix engines are elsewhere.

mod arbitrate;
mod blocked;
mod copy;
mod layout;
mod mapping;
mod order;

use crate::common::submit::Card;
use crate::common::typed::need;
use case::{Case, CaseResult, Stop, check, succeed};
use device::{MapGuard, MemoryRequest, Pages};
use hw::Generation;
use hw::queue::Engine;
use rand::RngCore;
use rand::rngs::StdRng;

/// Every case of the area.
pub fn cases() -> Vec<Case> {
    let parts = [
        copy::cases,
        layout::cases,
        mapping::cases,
        order::cases,
        arbitrate::cases,
        blocked::cases,
    ];
    parts.iter().flat_map(|part| part()).collect()
}

/// Bytes that are drawn.
const PART: usize = 1 << 20;

/// Memory of the host that the device sees.
struct Host<'a> {
    mapping: MapGuard<'a>,
    pages: Pages,
}

impl<'a> Host<'a> {
    /// At least this many bytes.
    fn new(card: &'a Card<'_>, bytes: usize) -> CaseResult<Self> {
        let pages = need("memory", Pages::new(bytes))?;
        let request = MemoryRequest::map_host(pages.pointer(0), pages.length() as u64, 0);
        let mapping = succeed("MAP", card.node.map_request(&request))?;
        Ok(Host { mapping, pages })
    }

    /// Where the device sees a byte of it.
    fn at(&self, offset: usize) -> u64 {
        self.mapping.address() + offset as u64
    }

    /// Walks over it with random bytes, of which every page has others: drawn once for a part, and
    /// a word of each page counts on. (Drawing 256 MiB takes an emulated processor many seconds.)
    fn with_random(
        &self,
        random: &mut StdRng,
        mut each: impl FnMut(&Pages, usize, &[u8]) -> CaseResult,
    ) -> CaseResult {
        let mut part = vec![0; PART.min(self.pages.length())];
        random.fill_bytes(&mut part);
        let mut word = random.next_u64();
        for start in (0..self.pages.length()).step_by(PART) {
            let length = PART.min(self.pages.length() - start);
            for page in part.chunks_exact_mut(4096) {
                word = word.wrapping_add(1);
                page[..8].copy_from_slice(&word.to_le_bytes());
            }
            each(&self.pages, start, &part[..length])?;
        }
        Ok(())
    }

    /// Fills it with random bytes.
    fn randomise(&self, random: &mut StdRng) -> CaseResult {
        self.with_random(random, |pages, start, part| {
            pages.write(start, part);
            Ok(())
        })
    }
}

/// Both are the same; names the first bytes that differ.
#[track_caller]
fn same(what: &str, got: &[u8], expected: &[u8]) -> CaseResult {
    if got == expected {
        return Ok(());
    }
    let Some(place) = got.iter().zip(expected).position(|(a, b)| a != b) else {
        return check(got.len() == expected.len(), "both have as many bytes");
    };
    let (a, b) = (got[place], expected[place]);
    case::fail(format!("{what}: byte {place} of {} is {a:#04x}, expected {b:#04x}", got.len()))
}

/// Where users may put data: SRAM, device memory.
fn places(card: &Card<'_>) -> CaseResult<(u64, u64)> {
    let info = succeed("INFO HW_IP", card.node.hw_ip())?;
    Ok((info.sram_base_address, info.dram_base_address))
}

/// Queue managers of DMA engines: the first, the distance to the next one, and how many of them
/// are before a group of them ends; the distance of the groups. Offsets in `CFG` (gaudi_regs.h:
/// mmDMA0_QM_GLBL_CFG0, mmDMA1_QM_GLBL_CFG0; gaudi2_blocks_linux_driver.h: mmPDMA0_QM_BASE,
/// mmDCORE0_EDMA0_QM_BASE).
const MANAGERS: &[(Engine, u32, u32, u32, u32)] = &[
    (Engine::Dma, 0x50_8000, 0x2_0000, 8, 0),
    (Engine::Pdma, 0x4c8_a000, 0x1_0000, 2, 0),
    (Engine::Edma, 0x41c_a000, 0x1_0000, 2, 0x20_0000),
];

/// The address of a register in the queue manager of a DMA queue.
fn engine_register(card: &Card<'_>, queue: u32, register: u32) -> CaseResult<u64> {
    let found = hw::queue::queue(card.chip, queue);
    let row = found.and_then(|found| {
        let row = MANAGERS.iter().find(|row| row.0 == found.engine)?;
        Some((row, u32::from(found.number)))
    });
    let Some((&(_, first, distance, group, groups), number)) = row else {
        return Err(Stop::Broken(format!("queue {queue} is not of a DMA engine")));
    };
    let manager = first + number % group * distance + number / group * groups;
    Ok(hw::memory::map(card.chip).cfg_base + u64::from(manager + register))
}

/// The address that adds to a fence counter of a DMA queue.
fn fence(card: &Card<'_>, queue: u32, fence: u32) -> CaseResult<u64> {
    let stream = hw::queue::queue(card.chip, queue).map_or(0, |found| found.stream);
    let registers = match card.chip {
        Generation::Gaudi => &hw::qman::GAUDI,
        Generation::Gaudi2 => &hw::qman::GAUDI2,
    };
    engine_register(card, queue, registers.fence_register(fence, stream.into()))
}
