// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Queue ids of the uAPI and the engines behind them.
//!
//! Driver: `include/uapi/drm/habanalabs_accel.h: enum gaudi_queue_id, gaudi2_queue_id`;
//! `gaudi.c: gaudi_queue_type, gaudi_init_mme_qmans`; `gaudi2.c: gaudi2_qm_blocks_bases`.

use crate::Generation;

/// Kinds of engines with queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Engine {
    /// Gaudi DMA 0 to 7 (0 and 1 reach the host by kernel-patched buffers).
    Dma,
    /// Matrix engine, numbered as the blocks are (0 to 3; 1 and 3 have no queue).
    Mme,
    /// Tensor core.
    Tpc,
    /// Network port.
    Nic,
    /// Gaudi2 PCI DMA.
    Pdma,
    /// Gaudi2 device-memory DMA: dcore times two plus number.
    Edma,
    /// Gaudi2 rotator.
    Rotator,
    /// The device CPU.
    Cpu,
}

/// How the driver treats a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `QUEUE_TYPE_EXT`: patched by the driver, completion by completion queue.
    External,
    /// `QUEUE_TYPE_INT`: by user address, completion up to the user.
    Internal,
    /// `QUEUE_TYPE_HW`: by user address, counted completion.
    Hardware,
    /// `QUEUE_TYPE_CPU`: the driver's own.
    Cpu,
}

/// Engines with four queues each and consecutive ids.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Id of the first queue of the first engine.
    pub first: u32,
    /// What they are.
    pub engine: Engine,
    /// Engine numbers in order of ids.
    pub engines: &'static [u16],
    /// How the driver treats them.
    pub kind: Kind,
}

const fn row(first: u32, engine: Engine, engines: &'static [u16], kind: Kind) -> Row {
    Row { first, engine, engines, kind }
}

const TPCS: &[u16] = &[0, 1, 2, 3, 4, 5, 6, 7];

/// Gaudi. The first MME queues belong to block 2, the second to block 0.
pub const GAUDI: &[Row] = &[
    row(0, Engine::Dma, &[0, 1], Kind::External),
    row(9, Engine::Dma, &[2, 3, 4, 5, 6, 7], Kind::Internal),
    row(33, Engine::Mme, &[2, 0], Kind::Internal),
    row(41, Engine::Tpc, TPCS, Kind::Internal),
    row(73, Engine::Nic, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], Kind::Internal),
];
/// The device CPU's queue on Gaudi.
pub const GAUDI_CPU: u32 = 8;
/// `GAUDI_QUEUE_ID_SIZE`.
pub const GAUDI_COUNT: u32 = 113;

const NICS: &[u16] =
    &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23];

/// Gaudi2. TPC 24 is the extra one of dcore 0.
pub const GAUDI2: &[Row] = &[
    row(0, Engine::Pdma, &[0, 1], Kind::Hardware),
    row(8, Engine::Edma, &[0, 1], Kind::Hardware),
    row(16, Engine::Mme, &[0], Kind::Hardware),
    row(20, Engine::Tpc, &[0, 1, 2, 3, 4, 5, 24], Kind::Hardware),
    row(48, Engine::Edma, &[2, 3], Kind::Hardware),
    row(56, Engine::Mme, &[1], Kind::Hardware),
    row(60, Engine::Tpc, &[6, 7, 8, 9, 10, 11], Kind::Hardware),
    row(84, Engine::Edma, &[4, 5], Kind::Hardware),
    row(92, Engine::Mme, &[2], Kind::Hardware),
    row(96, Engine::Tpc, &[12, 13, 14, 15, 16, 17], Kind::Hardware),
    row(120, Engine::Edma, &[6, 7], Kind::Hardware),
    row(128, Engine::Mme, &[3], Kind::Hardware),
    row(132, Engine::Tpc, &[18, 19, 20, 21, 22, 23], Kind::Hardware),
    row(156, Engine::Nic, NICS, Kind::Hardware),
    row(252, Engine::Rotator, &[0, 1], Kind::Hardware),
];
/// The device CPU's queue on Gaudi2.
pub const GAUDI2_CPU: u32 = 260;
/// `GAUDI2_QUEUE_ID_SIZE`.
pub const GAUDI2_COUNT: u32 = 261;

/// A queue: which engine, which of its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// What kind of engine.
    pub engine: Engine,
    /// Which of them.
    pub number: u16,
    /// Which stream.
    pub stream: u8,
    /// How the driver treats it.
    pub kind: Kind,
}

/// Rows of a chip.
pub const fn rows(generation: Generation) -> &'static [Row] {
    match generation {
        Generation::Gaudi => GAUDI,
        Generation::Gaudi2 => GAUDI2,
    }
}

/// The queue with an id; `None` for the device CPU's and for ids past the end.
pub fn queue(generation: Generation, id: u32) -> Option<Queue> {
    rows(generation).iter().find_map(|row| {
        let index = id.checked_sub(row.first)?;
        let number = *row.engines.get(index as usize / 4)?;
        Some(Queue { engine: row.engine, number, stream: (index % 4) as u8, kind: row.kind })
    })
}

/// Streams of Gaudi2's PCI DMA engines that take jobs of users; the others are for embedded cores.
const GAUDI2_PDMA: [u32; 3] = [0, 1, 4];

/// Does the driver refuse every job for a queue, though there is one? Those of network ports, which
/// it leaves switched off, and those of Gaudi2's PCI DMA that embedded cores use
/// (`gaudi.c: gaudi_parse_cb_no_ext_queue`, `gaudi2.c: gaudi2_is_queue_enabled`).
pub fn closed(generation: Generation, id: u32) -> bool {
    queue(generation, id).is_some_and(|queue| match queue.engine {
        Engine::Nic => true,
        Engine::Pdma => !GAUDI2_PDMA.contains(&id),
        Engine::Dma | Engine::Mme | Engine::Tpc | Engine::Edma | Engine::Rotator | Engine::Cpu => {
            false
        }
    })
}

/// The id of a queue.
pub fn id(generation: Generation, engine: Engine, number: u16, stream: u8) -> Option<u32> {
    rows(generation).iter().filter(|row| row.engine == engine).find_map(|row| {
        let index = row.engines.iter().position(|n| *n == number)?;
        (stream < 4).then(|| row.first + index as u32 * 4 + u32::from(stream))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_has_one_queue_but_the_cpu() {
        let chips = [
            (Generation::Gaudi, GAUDI_COUNT, GAUDI_CPU),
            (Generation::Gaudi2, GAUDI2_COUNT, GAUDI2_CPU),
        ];
        for (generation, count, cpu) in chips {
            for n in 0..count + 4 {
                let found = queue(generation, n);
                assert_eq!(found.is_some(), n < count && n != cpu, "queue {n}");
                if let Some(found) = found {
                    let back = id(generation, found.engine, found.number, found.stream);
                    assert_eq!(back, Some(n));
                }
            }
        }
    }
}
