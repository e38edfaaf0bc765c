// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What the graph layer needs to know of a chip.
//!
//! Only Gaudi: the matrix engine of Gaudi2 has another descriptor, which nobody generates yet.

use hw::Generation;
use hw::memory::map;
use hw::queue::{Engine, queue};
use uapi::accel;

/// Queue managers of a kind of engine: first of them and distance, as offsets in `CFG`
/// (`gaudi_regs.h: mmDMA0_QM_GLBL_CFG0, mmMME0_QM_GLBL_CFG0, mmTPC0_QM_GLBL_CFG0`).
#[derive(Clone, Copy, Debug)]
struct Managers {
    engine: Engine,
    first: u32,
    distance: u32,
}

/// A chip.
#[derive(Clone, Copy, Debug)]
pub struct Chip {
    /// Packet layouts and registers.
    pub generation: Generation,
    /// Queue from the host.
    pub down: u32,
    /// Queue to the host.
    pub up: u32,
    /// Queue of copies inside the device.
    pub inside: u32,
    /// Queues of the masters of the matrix engine; in the published recipes the first two
    /// descriptors go to them in this order.
    pub masters: [u32; 2],
    /// Offset of the matrix engine's descriptor, and of the register that starts it.
    pub descriptor: u16,
    /// The register that starts it.
    pub command: u16,
    /// Tensor cores: first and number.
    pub cores: (u16, u16),
    /// Registers of their configuration block, which their queue managers write.
    pub tensor: hw::tpc::Registers,
    /// The stream of each queue manager that is used.
    pub stream: u8,
    /// The sync manager that is used.
    pub die: u32,
    managers: &'static [Managers],
}

/// Gaudi. DMA 0 and 1 reach the host; DMA 5 belongs to the kernel's collective waits
/// (`gaudiP.h: GAUDI_HBM_DMA_*`, `GAUDI_QUEUE_ID_DMA_5_*`).
pub const GAUDI: Chip = Chip {
    generation: Generation::Gaudi,
    down: accel::GAUDI_QUEUE_ID_DMA_0_0,
    up: accel::GAUDI_QUEUE_ID_DMA_1_0,
    inside: accel::GAUDI_QUEUE_ID_DMA_2_0,
    masters: [accel::GAUDI_QUEUE_ID_MME_0_0, accel::GAUDI_QUEUE_ID_MME_1_0],
    descriptor: 0x8,
    command: 0x280,
    cores: (0, 8),
    tensor: hw::tpc::GAUDI,
    stream: 0,
    die: accel::HL_GAUDI_EN_DCORE,
    managers: &[
        Managers { engine: Engine::Dma, first: 0x50_8000, distance: 0x2_0000 },
        Managers { engine: Engine::Mme, first: 0x06_8000, distance: 0x8_0000 },
        Managers { engine: Engine::Tpc, first: 0xe0_8000, distance: 0x4_0000 },
    ],
};

impl Chip {
    /// The same with another of the four streams of each queue manager.
    pub fn stream(mut self, stream: u8) -> Self {
        let first = |queue: u32| queue + u32::from(stream);
        self.stream = stream;
        self.down = first(self.down);
        self.up = first(self.up);
        self.inside = first(self.inside);
        self.masters = self.masters.map(first);
        self
    }

    /// One of some equal parts of the tensor cores, and every second part the other master of the
    /// matrix engine first (a product of up to 64 rows uses only the first). Streams of one queue
    /// manager share the registers of its engine: graphs on several streams must not use an engine
    /// at the same time, as one would start what the other has written.
    pub fn part(mut self, part: u16, of: u16) -> Self {
        let (first, count) = self.cores;
        self.cores = (first + part * (count / of), count / of);
        self.masters.rotate_left(usize::from(part % 2));
        self
    }

    /// The queue of a tensor core.
    pub fn core(&self, number: u16) -> Option<u32> {
        let (first, count) = self.cores;
        let number = first + number % count;
        hw::queue::id(self.generation, Engine::Tpc, number, self.stream)
    }

    /// The address that adds to a fence counter of a queue.
    pub fn fence(&self, id: u32, fence: u32) -> Option<u64> {
        let found = queue(self.generation, id)?;
        let managers = self.managers.iter().find(|row| row.engine == found.engine)?;
        let base = managers.first + u32::from(found.number) * managers.distance;
        let processor = if self.lower(id) { hw::qman::LOWER as u32 } else { found.stream.into() };
        let register = hw::qman::GAUDI.fence_register(fence, processor);
        Some(map(self.generation).cfg_base + u64::from(base + register))
    }

    /// Does the kernel patch and complete jobs of this queue?
    pub fn external(&self, id: u32) -> bool {
        queue(self.generation, id).is_some_and(|found| found.kind == hw::queue::Kind::External)
    }

    /// Do transfers of this queue work only in the lower command processor, which the queue's own
    /// feeds by CP_DMA (`gaudi.c: gaudi_init_hbm_dma_qman`, `CP_LDMA_*_OFFSET`)? Its programs run
    /// there as a whole.
    pub fn lower(&self, id: u32) -> bool {
        queue(self.generation, id).is_some_and(|found| {
            found.engine == Engine::Dma && found.kind == hw::queue::Kind::Internal
        })
    }

    /// The name of a queue, for people.
    pub fn name(&self, id: u32) -> String {
        match queue(self.generation, id) {
            Some(found) => {
                format!("{:?} {} stream {}", found.engine, found.number, found.stream)
            }
            None => format!("queue {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_and_fences_of_gaudi() {
        assert_eq!(GAUDI.fence(GAUDI.down, 0), Some(0x7f_fc50_8308));
        // The first queue of the matrix engine belongs to block 2.
        assert_eq!(GAUDI.fence(GAUDI.masters[0], 0), Some(0x7f_fc16_8308));
        assert!(GAUDI.external(GAUDI.up) && !GAUDI.external(GAUDI.inside));
        let inside = hw::queue::id(Generation::Gaudi, Engine::Dma, 2, 0);
        assert_eq!(inside, Some(GAUDI.inside));
        // The fifth counter: the lower command processor.
        assert_eq!(GAUDI.fence(GAUDI.inside, 0), Some(0x7f_fc54_8318));
        assert_eq!(GAUDI.stream(1).up, GAUDI.up + 1);
        assert_eq!(GAUDI.stream(2).core(7), Some(accel::GAUDI_QUEUE_ID_TPC_7_2));
        assert_eq!(GAUDI.part(3, 4).core(1), Some(accel::GAUDI_QUEUE_ID_TPC_7_0));
        assert_eq!(GAUDI.part(3, 4).masters[0], accel::GAUDI_QUEUE_ID_MME_1_0);
        let fence = GAUDI.core(1).and_then(|queue| GAUDI.fence(queue, 0));
        assert_eq!(fence, Some(0x7f_fce4_8308));
    }
}
