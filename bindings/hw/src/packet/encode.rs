// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Packets to bytes.

use super::{Body, LinDma, Packet, control};
use crate::Generation;

impl Packet {
    /// Appends the packet's bytes.
    pub fn encode(&self, generation: Generation, out: &mut Vec<u8>) {
        let (first, own) = self.words(generation);
        let barriers = control::ENGINE_BARRIER.put(self.barriers.engine.into())
            | control::REGISTER_BARRIER.put(self.barriers.register.into())
            | control::MESSAGE_BARRIER.put(self.barriers.message.into());
        out.extend(first.to_le_bytes());
        out.extend((own | barriers | control::OPCODE.put(self.opcode() as u32)).to_le_bytes());
        self.tail(generation, |word| out.extend(word.to_le_bytes()));
    }

    /// The packet's bytes.
    pub fn bytes(&self, generation: Generation) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(generation, &mut out);
        out
    }

    /// First word, and the packet's own bits of the control word.
    fn words(&self, generation: Generation) -> (u32, u32) {
        let predicate = control::PREDICATE.put(self.predicate.into());
        match &self.body {
            Body::Wreg32 { register, value } => {
                (*value, control::REGISTER.put((*register).into()) | predicate)
            }
            Body::WregBulk { register, values } => (
                values.len() as u32 & 0xffff,
                control::REGISTER.put((*register).into()) | predicate,
            ),
            Body::MsgLong { value, operation, .. } | Body::MsgProt { value, operation, .. } => {
                (*value, control::OPERATION.put((*operation).into()) | predicate)
            }
            Body::MsgShort { base, offset, value, operation } => (
                *value,
                control::SHORT_BASE.put((*base).into())
                    | control::SHORT_OFFSET.put((*offset).into())
                    | control::OPERATION.put((*operation).into()),
            ),
            Body::CpDma { size, .. } => (*size, predicate),
            Body::Repeat { end, outer, jump } => {
                (u32::from(*end) | u32::from(*outer) << 1 | u32::from(*jump) << 16, predicate)
            }
            Body::Fence { id, target, decrement } => (
                u32::from(*decrement & 0xf) | u32::from(*target) << 16 | u32::from(id & 3) << 30,
                predicate,
            ),
            Body::LinDma(dma) => (dma.size, lin_dma(dma, generation)),
            Body::Nop | Body::Stop | Body::LastReadFromArc => (0, 0),
            Body::ArbPoint { priority, release } => {
                (priority & 0xff_ffff | u32::from(*release) << 31, predicate)
            }
            Body::Wait { cycles, id, increment } => {
                (cycles & 0xff_ffff | u32::from(increment & 0xf) << 24 | u32::from(id & 3) << 28, 0)
            }
            Body::CbList { .. } => (0, predicate),
            Body::LoadAndExe { config, .. } => (*config, predicate),
            Body::WriteArcStream { values } => (values.len() as u32 & 0xffff, 0),
            Body::Wreg64Short { base, register, offset } => (
                *offset,
                u32::from(base & 0xf) << 5 | u32::from(register & 0x3fff) << 10 | predicate,
            ),
            Body::Wreg64Long { base, relative, halves, register, .. } => (
                u32::from(halves & 3),
                u32::from(base & 0xf) << 5
                    | u32::from(*relative) << 9
                    | u32::from(register & 0x3fff) << 10
                    | predicate,
            ),
        }
    }

    /// The 64-bit words after the first 8 bytes.
    fn tail(&self, generation: Generation, mut put: impl FnMut(u64)) {
        match &self.body {
            Body::MsgLong { address, .. } | Body::MsgProt { address, .. } => put(*address),
            Body::CpDma { source, .. } | Body::LoadAndExe { source, .. } => put(*source),
            Body::WregBulk { values, .. } | Body::WriteArcStream { values } => {
                values.iter().copied().for_each(put);
            }
            Body::LinDma(dma) => {
                put(dma.source);
                put(match generation {
                    Generation::Gaudi => {
                        dma.destination & ((1 << 56) - 1) | u64::from(dma.context >> 8) << 56
                    }
                    Generation::Gaudi2 => dma.destination,
                });
            }
            Body::CbList { index, table } => {
                put(*index);
                put(*table);
            }
            Body::Wreg64Long { offset, .. } => put(*offset),
            Body::Wreg32 { .. }
            | Body::MsgShort { .. }
            | Body::Repeat { .. }
            | Body::Fence { .. }
            | Body::Nop
            | Body::Stop
            | Body::ArbPoint { .. }
            | Body::Wait { .. }
            | Body::LastReadFromArc
            | Body::Wreg64Short { .. } => {}
        }
    }
}

fn lin_dma(dma: &LinDma, generation: Generation) -> u32 {
    let common = u32::from(dma.write_completion) | u32::from(dma.memset) << 4;
    common
        | match generation {
            Generation::Gaudi => {
                u32::from(dma.transpose) << 1
                    | u32::from(dma.dtype) << 2
                    | u32::from(dma.linear) << 3
                    | u32::from(dma.compress) << 5
                    | u32::from(dma.decompress) << 6
                    | u32::from(dma.context & 0xff) << 16
            }
            Generation::Gaudi2 => u32::from(dma.endian & 3) << 1 | u32::from(dma.context) << 8,
        }
}
