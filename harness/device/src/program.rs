// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Programs: the packets of a command buffer, in order.

use crate::{CommandBuffer, Errno, Node};
use hw::Generation;
use hw::packet::{Barriers, Body, LinDma, Packet};

/// A program under construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    generation: Generation,
    bytes: Vec<u8>,
}

impl Program {
    /// An empty program.
    pub fn new(generation: Generation) -> Self {
        Program { generation, bytes: Vec::new() }
    }

    /// Appends a packet.
    pub fn packet(mut self, packet: &Packet) -> Self {
        packet.encode(self.generation, &mut self.bytes);
        self
    }

    /// Appends packets.
    pub fn packets(self, packets: &[Packet]) -> Self {
        packets.iter().fold(self, Program::packet)
    }

    /// Appends a packet without barriers.
    pub fn body(self, body: Body) -> Self {
        self.packet(&Packet::new(Barriers::NONE, body))
    }

    /// Appends any bytes, for programs that the parser must refuse.
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Does nothing.
    pub fn nop(self) -> Self {
        self.body(Body::Nop)
    }

    /// Writes a word to an address of the device.
    pub fn message(self, address: u64, value: u32) -> Self {
        self.body(Body::MsgLong { address, value, operation: 0 })
    }

    /// Copies bytes.
    pub fn copy(self, source: u64, destination: u64, size: u32) -> Self {
        let dma = LinDma { size, source, destination, linear: true, ..LinDma::default() };
        self.body(Body::LinDma(dma))
    }

    /// Fills bytes with a pattern.
    pub fn fill(self, pattern: u64, destination: u64, size: u32) -> Self {
        let dma = LinDma {
            size,
            source: pattern,
            destination,
            linear: true,
            memset: true,
            ..LinDma::default()
        };
        self.body(Body::LinDma(dma))
    }

    /// Waits for a fence counter.
    pub fn fence(self, id: u8, target: u8, decrement: u8) -> Self {
        self.body(Body::Fence { id, target, decrement })
    }

    /// The chip that it is for.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes so far.
    pub fn size(&self) -> u32 {
        u32::try_from(self.bytes.len()).unwrap_or(u32::MAX)
    }

    /// A new command buffer of the kernel with this program in it.
    pub fn load<'a>(&self, node: &'a Node) -> Result<CommandBuffer<'a>, Errno> {
        let buffer = node.create_cb(self.size(), 0)?;
        buffer.write(&self.bytes)?;
        Ok(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hw::packet::decode;

    #[test]
    fn a_program_decodes_to_what_was_put_in() {
        for generation in [Generation::Gaudi, Generation::Gaudi2] {
            let program =
                Program::new(generation).nop().message(0x1234, 5).copy(1 << 40, 2 << 32, 64);
            let mut rest = program.bytes();
            let mut bodies = Vec::new();
            while !rest.is_empty() {
                let (packet, size) = decode(generation, rest).unwrap_or_else(|e| panic!("{e:?}"));
                bodies.push(packet.body);
                rest = &rest[size..];
            }
            assert_eq!(bodies.len(), 3);
            assert_eq!(bodies[0], Body::Nop);
            assert_eq!(bodies[1], Body::MsgLong { address: 0x1234, value: 5, operation: 0 });
            assert!(matches!(&bodies[2], Body::LinDma(dma) if dma.size == 64));
            assert_eq!(program.size() as usize, program.bytes().len());
        }
    }
}
