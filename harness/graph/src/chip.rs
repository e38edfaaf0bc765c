// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What the graph layer needs to know of a chip.
//!
//! Not covered: the matrix engine of Gaudi2, whose descriptor is not published far enough; its
//! 25th tensor core.

use crate::error::Error;
use device::Node;
use hw::Generation;
use hw::memory::map;
use hw::queue::{Engine, queue};
use tpc::isa::Arch;
use uapi::accel;

/// Queue managers of a kind of engine: first of them and distance, as offsets in `CFG`; how many
/// are in a group, and the distance of groups (`gaudi_regs.h: mmDMA0_QM_GLBL_CFG0,
/// mmMME0_QM_GLBL_CFG0, mmTPC0_QM_GLBL_CFG0`; `gaudi2_blocks_linux_driver.h: mmPDMA0_QM_BASE,
/// mmDCORE0_EDMA0_QM_BASE, mmDCORE0_TPC0_QM_BASE`).
#[derive(Clone, Copy, Debug)]
struct Managers {
    engine: Engine,
    first: u32,
    distance: u32,
    group: (u32, u32),
}

const fn managers(engine: Engine, first: u32, distance: u32, group: (u32, u32)) -> Managers {
    Managers { engine, first, distance, group }
}

/// A matrix engine.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// Queues of its masters; in the published recipes the first two descriptors go to them in
    /// this order.
    pub masters: [u32; 2],
    /// Offset of the descriptor.
    pub descriptor: u16,
    /// The register that starts it.
    pub command: u16,
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
    /// The matrix engine, if its descriptor is known.
    pub matrix: Option<Matrix>,
    /// The encoding of kernels.
    pub arch: Arch,
    /// Tensor cores: first and number.
    pub cores: (u16, u16),
    /// Registers of their configuration block, which their queue managers write.
    pub tensor: &'static hw::tpc::Registers,
    /// Where that block is in what a queue manager writes by WREG.
    pub window: u32,
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
    matrix: Some(Matrix {
        masters: [accel::GAUDI_QUEUE_ID_MME_0_0, accel::GAUDI_QUEUE_ID_MME_1_0],
        descriptor: 0x8,
        command: 0x280,
    }),
    arch: Arch::Gaudi,
    cores: (0, 8),
    tensor: &hw::tpc::GAUDI,
    window: 0,
    stream: 0,
    die: accel::HL_GAUDI_EN_DCORE,
    managers: &[
        managers(Engine::Dma, 0x50_8000, 0x2_0000, (8, 0)),
        managers(Engine::Mme, 0x06_8000, 0x8_0000, (4, 0)),
        managers(Engine::Tpc, 0xe0_8000, 0x4_0000, (8, 0)),
    ],
};

/// Gaudi2. Both PCI DMA engines reach the host; of the second one stream is the user's
/// (`gaudi2.c: gaudi2_is_queue_enabled`). Registers that a queue manager writes count from the
/// block of its engine's embedded core, 0xb000 before the configuration block (published).
pub const GAUDI2: Chip = Chip {
    generation: Generation::Gaudi2,
    down: accel::GAUDI2_QUEUE_ID_PDMA_0_0,
    up: accel::GAUDI2_QUEUE_ID_PDMA_1_0,
    inside: accel::GAUDI2_QUEUE_ID_DCORE0_EDMA_0_0,
    matrix: None,
    arch: Arch::Gaudi2,
    cores: (0, 24),
    tensor: &hw::tpc::GAUDI2,
    window: 0xb000,
    stream: 0,
    die: 0,
    managers: &[
        managers(Engine::Pdma, 0x4c8_a000, 0x1_0000, (2, 0)),
        managers(Engine::Edma, 0x41c_a000, 0x1_0000, (2, 0x20_0000)),
        managers(Engine::Tpc, 0x400_a000, 0x1_0000, (6, 0x20_0000)),
    ],
};

impl Chip {
    /// That of an open device, by its PCI id (`habanalabs_drv.c: ids`).
    pub fn found(node: &Node) -> Result<Chip, Error> {
        const GAUDI_ID: u32 = 0x1000;
        const GAUDI_SECURED: u32 = 0x1010;
        const GAUDI2_ID: u32 = 0x1020;
        match node.hw_ip().map_err(Error::refused("INFO of the chip"))?.device_id {
            GAUDI_ID | GAUDI_SECURED => Ok(GAUDI),
            GAUDI2_ID => Ok(GAUDI2),
            other => Err(Error::Missing {
                node: format!("the card with PCI id {other:#x}"),
                what: "data of its chip",
            }),
        }
    }

    /// The same with another of the four streams of each queue manager; where users have no such
    /// stream to the host, that from the host does both.
    pub fn stream(mut self, stream: u8) -> Self {
        let first = |queue: u32| queue + u32::from(stream);
        let open = |queue: u32| !hw::queue::closed(self.generation, queue);
        self.stream = stream;
        self.down = first(self.down);
        self.up = Some(first(self.up)).filter(|queue| open(*queue)).unwrap_or(self.down);
        self.inside = first(self.inside);
        if let Some(matrix) = &mut self.matrix {
            matrix.masters = matrix.masters.map(first);
        }
        self
    }

    /// One of some equal parts of the tensor cores, and every second part the other master of the
    /// matrix engine first (a product of up to 64 rows uses only the first). Streams of one queue
    /// manager share the registers of its engine: graphs on several streams must not use an engine
    /// at the same time, as one would start what the other has written.
    pub fn part(mut self, part: u16, of: u16) -> Self {
        let (first, count) = self.cores;
        self.cores = (first + part * (count / of), count / of);
        if let Some(matrix) = &mut self.matrix {
            matrix.masters.rotate_left(usize::from(part % 2));
        }
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
        let (number, (count, groups)) = (u32::from(found.number), managers.group);
        let base = managers.first + number % count * managers.distance + number / count * groups;
        let processor = if self.lower(id) { hw::qman::LOWER as u32 } else { found.stream.into() };
        let registers = match self.generation {
            Generation::Gaudi => &hw::qman::GAUDI,
            Generation::Gaudi2 => &hw::qman::GAUDI2,
        };
        let register = registers.fence_register(fence, processor);
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
                let engine = format!("{:?}", found.engine).to_uppercase();
                format!("{engine} {} stream {}", found.number, found.stream)
            }
            None => format!("queue {id}"),
        }
    }

    /// The names of queues, for people; engines in a row together.
    pub fn names(&self, ids: &[u32]) -> Vec<String> {
        let mut found: Vec<_> =
            ids.iter().filter_map(|id| queue(self.generation, *id).map(|one| (one, *id))).collect();
        found.sort_by_key(|(one, _)| (one.engine, one.stream, one.number));
        let rows = found.chunk_by(|(a, _), (b, _)| {
            (a.engine, a.stream, a.number + 1) == (b.engine, b.stream, b.number)
        });
        let name = |row: &[(hw::queue::Queue, u32)]| match row {
            [(first, _), .., (last, _)] => {
                let engine = format!("{:?}", first.engine).to_uppercase();
                format!("{engine} {} to {} stream {}", first.number, last.number, first.stream)
            }
            [(_, id)] => self.name(*id),
            [] => String::new(),
        };
        rows.map(name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masters(chip: Chip) -> Option<[u32; 2]> {
        chip.matrix.map(|matrix| matrix.masters)
    }

    #[test]
    fn queues_and_fences_of_gaudi2() {
        let base = 0x1000_007f_f800_0000;
        assert_eq!(GAUDI2.fence(GAUDI2.up, 0), Some(base + 0x4c9_a290));
        // The eighth core is the second of the second dcore.
        let core = GAUDI2.stream(2).core(7);
        assert_eq!(core, Some(accel::GAUDI2_QUEUE_ID_DCORE1_TPC_1_2));
        let fence = core.and_then(|queue| GAUDI2.fence(queue, 0));
        assert_eq!(fence, Some(base + 0x421_a290 + 8));
        assert_eq!(GAUDI2.core(23), Some(accel::GAUDI2_QUEUE_ID_DCORE3_TPC_5_0));
        // Users have one stream of the second engine.
        let second = GAUDI2.stream(1);
        assert_eq!((second.down, second.up), (GAUDI2.down + 1, GAUDI2.down + 1));
        assert!(!GAUDI2.external(GAUDI2.down) && !GAUDI2.lower(GAUDI2.inside));
    }

    #[test]
    fn descriptors_fit_the_registers() {
        use tpc::descriptor::Descriptor;
        for Chip { arch, tensor, .. } in [GAUDI, GAUDI2] {
            let (message, code) = ((1, 2), 3 | 4 << 32);
            let words = Descriptor { message, code, ..Descriptor::new(arch) }.words(arch);
            let at = |register: u32| words[register as usize / 4];
            assert_eq!(words.len() * 4, tensor.descriptor as usize);
            assert_eq!(tensor.message.map(at), [1, 2]);
            assert_eq!(tensor.code.map(at), [3, 4]);
        }
    }

    #[test]
    fn engines_in_a_row_are_named_together() {
        let ids: Vec<u32> = [6, 7, 0, 1, 4].iter().filter_map(|n| GAUDI.core(*n)).collect();
        let names = ["TPC 0 to 1 stream 0", "TPC 4 stream 0", "TPC 6 to 7 stream 0"];
        assert_eq!(GAUDI.names(&ids), names);
    }

    #[test]
    fn queues_and_fences_of_gaudi() {
        assert_eq!(GAUDI.fence(GAUDI.down, 0), Some(0x7f_fc50_8308));
        // The first queue of the matrix engine belongs to block 2.
        assert_eq!(
            masters(GAUDI).and_then(|masters| GAUDI.fence(masters[0], 0)),
            Some(0x7f_fc16_8308)
        );
        assert!(GAUDI.external(GAUDI.up) && !GAUDI.external(GAUDI.inside));
        let inside = hw::queue::id(Generation::Gaudi, Engine::Dma, 2, 0);
        assert_eq!(inside, Some(GAUDI.inside));
        // The fifth counter: the lower command processor.
        assert_eq!(GAUDI.fence(GAUDI.inside, 0), Some(0x7f_fc54_8318));
        assert_eq!(GAUDI.stream(1).up, GAUDI.up + 1);
        assert_eq!(GAUDI.stream(2).core(7), Some(accel::GAUDI_QUEUE_ID_TPC_7_2));
        assert_eq!(GAUDI.part(3, 4).core(1), Some(accel::GAUDI_QUEUE_ID_TPC_7_0));
        let turned = masters(GAUDI.part(3, 4)).map(|masters| masters[0]);
        assert_eq!(turned, Some(accel::GAUDI_QUEUE_ID_MME_1_0));
        let fence = GAUDI.core(1).and_then(|queue| GAUDI.fence(queue, 0));
        assert_eq!(fence, Some(0x7f_fce4_8308));
    }
}
