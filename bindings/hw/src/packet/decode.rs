// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Bytes to packets.

use super::{Barriers, Body, LinDma, Opcode, Packet, control};
use crate::Generation;
use std::fmt;

/// Why bytes are no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The packet needs this many bytes in all, and there are fewer.
    Truncated(usize),
    /// The chip has no such opcode.
    Unknown(u8),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Truncated(need) => write!(f, "the packet needs {need} bytes"),
            DecodeError::Unknown(opcode) => write!(f, "opcode {opcode:#x} is unknown to the chip"),
        }
    }
}

impl std::error::Error for DecodeError {}

impl Opcode {
    /// The opcode of a chip by number.
    pub fn of(number: u8, generation: Generation) -> Option<Opcode> {
        let own: &[Opcode] = match generation {
            Generation::Gaudi => &[],
            Generation::Gaudi2 => Opcode::GAUDI2,
        };
        Opcode::GAUDI.iter().chain(own).copied().find(|opcode| *opcode as u8 == number)
    }

    /// Bytes of the packet, given its first word (WREG_BULK and WRITE_ARC_STREAM vary).
    pub fn size(self, first: u32) -> usize {
        match self {
            Opcode::Wreg32
            | Opcode::MsgShort
            | Opcode::Repeat
            | Opcode::Fence
            | Opcode::Nop
            | Opcode::Stop
            | Opcode::ArbPoint
            | Opcode::Wait
            | Opcode::LastReadFromArc
            | Opcode::Wreg64Short => 8,
            Opcode::MsgLong
            | Opcode::MsgProt
            | Opcode::CpDma
            | Opcode::LoadAndExe
            | Opcode::Wreg64Long => 16,
            Opcode::LinDma | Opcode::CbList => 24,
            Opcode::WregBulk | Opcode::WriteArcStream => 8 + 8 * (first & 0xffff) as usize,
        }
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    u64::from(word(bytes, at)) | u64::from(word(bytes, at + 4)) << 32
}

/// The first packet in `bytes`, and how many of them it takes.
pub fn decode(generation: Generation, bytes: &[u8]) -> Result<(Packet, usize), DecodeError> {
    if bytes.len() < 8 {
        return Err(DecodeError::Truncated(8));
    }
    let (first, ctl) = (word(bytes, 0), word(bytes, 4));
    let number = control::OPCODE.get(ctl) as u8;
    let opcode = Opcode::of(number, generation).ok_or(DecodeError::Unknown(number))?;
    let size = opcode.size(first);
    if bytes.len() < size {
        return Err(DecodeError::Truncated(size));
    }
    let packet = Packet {
        barriers: Barriers {
            engine: control::ENGINE_BARRIER.is_set(ctl),
            register: control::REGISTER_BARRIER.is_set(ctl),
            message: control::MESSAGE_BARRIER.is_set(ctl),
        },
        predicate: predicate(opcode, ctl),
        body: body(opcode, generation, first, ctl, &bytes[..size]),
    };
    Ok((packet, size))
}

fn predicate(opcode: Opcode, ctl: u32) -> u8 {
    match opcode {
        Opcode::MsgShort
        | Opcode::LinDma
        | Opcode::Nop
        | Opcode::Stop
        | Opcode::Wait
        | Opcode::WriteArcStream
        | Opcode::LastReadFromArc => 0,
        Opcode::Wreg32
        | Opcode::WregBulk
        | Opcode::MsgLong
        | Opcode::CpDma
        | Opcode::Repeat
        | Opcode::MsgProt
        | Opcode::Fence
        | Opcode::ArbPoint
        | Opcode::CbList
        | Opcode::LoadAndExe
        | Opcode::Wreg64Short
        | Opcode::Wreg64Long => control::PREDICATE.get(ctl) as u8,
    }
}

fn body(opcode: Opcode, generation: Generation, first: u32, ctl: u32, bytes: &[u8]) -> Body {
    let register = control::REGISTER.get(ctl) as u16;
    let operation = control::OPERATION.get(ctl) as u8;
    let values = || (8..bytes.len()).step_by(8).map(|at| long(bytes, at)).collect();
    match opcode {
        Opcode::Wreg32 => Body::Wreg32 { register, value: first },
        Opcode::WregBulk => Body::WregBulk { register, values: values() },
        Opcode::MsgLong => Body::MsgLong { address: long(bytes, 8), value: first, operation },
        Opcode::MsgProt => Body::MsgProt { address: long(bytes, 8), value: first, operation },
        Opcode::MsgShort => Body::MsgShort {
            base: control::SHORT_BASE.get(ctl) as u8,
            offset: control::SHORT_OFFSET.get(ctl) as u16,
            value: first,
            operation,
        },
        Opcode::CpDma => Body::CpDma { source: long(bytes, 8), size: first },
        Opcode::Repeat => {
            Body::Repeat { end: first & 1 != 0, outer: first & 2 != 0, jump: (first >> 16) as u16 }
        }
        Opcode::Fence => Body::Fence {
            id: (first >> 30) as u8,
            target: (first >> 16) as u8,
            decrement: (first & 0xf) as u8,
        },
        Opcode::LinDma => Body::LinDma(lin_dma(generation, first, ctl, bytes)),
        Opcode::Nop => Body::Nop,
        Opcode::Stop => Body::Stop,
        Opcode::ArbPoint => Body::ArbPoint {
            priority: first & arbitration_priority(generation),
            release: first >> 31 != 0,
        },
        Opcode::Wait => Body::Wait {
            cycles: first & 0xff_ffff,
            id: (first >> 28 & 3) as u8,
            increment: (first >> 24 & 0xf) as u8,
        },
        Opcode::CbList => Body::CbList { index: long(bytes, 8), table: long(bytes, 16) },
        Opcode::LoadAndExe => Body::LoadAndExe { config: first, source: long(bytes, 8) },
        Opcode::WriteArcStream => Body::WriteArcStream { values: values() },
        Opcode::LastReadFromArc => Body::LastReadFromArc,
        Opcode::Wreg64Short => Body::Wreg64Short {
            base: (ctl >> 5 & 0xf) as u8,
            register: (ctl >> 10 & 0x3fff) as u16,
            offset: first,
        },
        Opcode::Wreg64Long => Body::Wreg64Long {
            base: (ctl >> 5 & 0xf) as u8,
            relative: ctl >> 9 & 1 != 0,
            halves: (first & 3) as u8,
            register: (ctl >> 10 & 0x3fff) as u16,
            offset: long(bytes, 8),
        },
    }
}

/// Bits of `arb_point.cfg` that are the priority (published).
fn arbitration_priority(generation: Generation) -> u32 {
    match generation {
        Generation::Gaudi => 0xff,
        Generation::Gaudi2 => 0xff_ffff,
    }
}

fn lin_dma(generation: Generation, size: u32, ctl: u32, bytes: &[u8]) -> LinDma {
    let (source, destination) = (long(bytes, 8), long(bytes, 16));
    let bit = |n: u32| ctl >> n & 1 != 0;
    let common =
        LinDma { size, source, write_completion: bit(0), memset: bit(4), ..LinDma::default() };
    match generation {
        Generation::Gaudi => LinDma {
            destination: destination & ((1 << 56) - 1),
            transpose: bit(1),
            dtype: bit(2),
            linear: bit(3),
            compress: bit(5),
            decompress: bit(6),
            context: (ctl >> 16 & 0xff) as u16 | ((destination >> 56) as u16) << 8,
            ..common
        },
        Generation::Gaudi2 => LinDma {
            destination,
            linear: true,
            endian: (ctl >> 1 & 3) as u8,
            context: (ctl >> 8) as u16,
            ..common
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: [Generation; 2] = [Generation::Gaudi, Generation::Gaudi2];

    fn samples() -> Vec<Body> {
        vec![
            Body::Wreg32 { register: 0x938, value: 1 },
            Body::WregBulk { register: 0xa00, values: vec![1, u64::MAX] },
            Body::MsgLong { address: 0x7f_fc4f_2000, value: 7, operation: 0 },
            Body::MsgShort { base: 3, offset: 0x240, value: 0x8000_0001, operation: 0 },
            Body::CpDma { source: 0x1000, size: 64 },
            Body::Repeat { end: true, outer: false, jump: 3 },
            Body::MsgProt { address: 0x80_1234_5678, value: 0x72e9_1ab9, operation: 0 },
            Body::Fence { id: 2, target: 1, decrement: 1 },
            Body::LinDma(LinDma { size: 4096, linear: true, ..LinDma::default() }),
            Body::Nop,
            Body::Stop,
            Body::ArbPoint { priority: 3, release: true },
            Body::Wait { cycles: 100, id: 1, increment: 1 },
            Body::LoadAndExe { config: 0x100, source: 0x2000 },
        ]
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for generation in BOTH {
            for body in samples() {
                let packet = Packet::new(Barriers::ALL, body);
                let bytes = packet.bytes(generation);
                assert_eq!(decode(generation, &bytes), Ok((packet, bytes.len())));
            }
        }
    }

    #[test]
    fn words_are_where_the_driver_puts_them() {
        // gaudi.c: gaudi_add_end_of_cb_packets, gaudi_gen_fence_pkt.
        let barriers = Barriers { engine: true, register: false, message: true };
        let packet = Packet::new(barriers, Body::MsgProt { address: 0x11, value: 5, operation: 0 });
        assert_eq!(word(&packet.bytes(Generation::Gaudi), 4), 0xa700_0000);
        let fence = Packet::new(Barriers::ALL, Body::Fence { id: 2, target: 1, decrement: 1 });
        assert_eq!(long(&fence.bytes(Generation::Gaudi), 0), 0xe800_0000_8001_0001);
    }

    #[test]
    fn each_chip_refuses_what_it_does_not_know() {
        for number in 0..32 {
            let ctl = control::OPCODE.put(number);
            let mut bytes = vec![0; 24];
            bytes[4..8].copy_from_slice(&ctl.to_le_bytes());
            let known = matches!(number, 1..=13 | 15);
            assert_eq!(decode(Generation::Gaudi, &bytes).is_ok(), known, "opcode {number}");
            let known = matches!(number, 1..=19);
            assert_eq!(decode(Generation::Gaudi2, &bytes).is_ok(), known, "opcode {number}");
        }
    }

    #[test]
    fn every_truncation_is_noticed() {
        for generation in BOTH {
            for body in samples() {
                let bytes = Packet::new(Barriers::NONE, body).bytes(generation);
                for len in 0..bytes.len() {
                    let Err(DecodeError::Truncated(need)) = decode(generation, &bytes[..len])
                    else {
                        panic!("{len} of {} bytes were taken for a packet", bytes.len());
                    };
                    assert!(need > len && need <= bytes.len());
                }
            }
        }
    }

    proptest! {
        #[test]
        fn random_bytes_decode_to_what_encodes_the_same(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            for generation in BOTH {
                if let Ok((packet, size)) = decode(generation, &bytes) {
                    let again = packet.bytes(generation);
                    prop_assert_eq!(again.len(), size);
                    prop_assert_eq!(decode(generation, &again), Ok((packet, size)));
                }
            }
        }
    }
}
