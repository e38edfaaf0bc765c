// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Sync objects and monitors as user programs use them: addresses, and the messages that set them.
//!
//! Which objects are free for users says INFO ([`crate::Node::sync_manager`]); nothing here keeps
//! track of them. 60-bit objects and completion queues of Gaudi2 are not covered.

use hw::Generation;
use hw::memory::map;
use hw::packet::{Barriers, Body, Packet};
use hw::sync;
use uapi::accel;

/// First sync object of each die's manager (offset in `CFG`), by `enum gaudi_dcores`.
const GAUDI_DIES: [u32; 4] = {
    let mut dies = [0; 4];
    dies[accel::HL_GAUDI_WS_DCORE as usize] = sync::gaudi::W_S;
    dies[accel::HL_GAUDI_WN_DCORE as usize] = sync::gaudi::W_N;
    dies[accel::HL_GAUDI_EN_DCORE as usize] = sync::gaudi::E_N;
    dies[accel::HL_GAUDI_ES_DCORE as usize] = sync::gaudi::E_S;
    dies
};

/// The sync manager of a die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncManager {
    generation: Generation,
    base: u64,
}

/// When a monitor fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The object is at least the target.
    AtLeast(u16),
    /// The object is the target.
    Equal(u16),
}

impl SyncManager {
    /// The manager of a die: `HL_GAUDI_*_DCORE` or the number of a dcore.
    pub fn new(generation: Generation, die: u32) -> Option<Self> {
        let offset = match generation {
            Generation::Gaudi => *GAUDI_DIES.get(usize::try_from(die).ok()?)?,
            Generation::Gaudi2 if die < 4 => sync::GAUDI2_DCORE0 + die * sync::GAUDI2_DCORE_STRIDE,
            Generation::Gaudi2 => return None,
        };
        Some(SyncManager { generation, base: map(generation).cfg_base + u64::from(offset) })
    }

    fn registers(self) -> &'static sync::Objects {
        match self.generation {
            Generation::Gaudi => &sync::GAUDI,
            Generation::Gaudi2 => &sync::GAUDI2,
        }
    }

    fn at(self, array: u32, index: u32) -> u64 {
        self.base + u64::from(array) + u64::from(index) * 4
    }

    /// How many sync objects there are.
    pub fn objects(self) -> u32 {
        self.registers().objects
    }

    /// How many monitors there are.
    pub fn monitors(self) -> u32 {
        self.registers().monitors
    }

    /// The address of a sync object.
    pub fn object(self, index: u32) -> u64 {
        self.at(self.registers().sob, index)
    }

    /// The address of the register that arms a monitor.
    pub fn arm(self, monitor: u32) -> u64 {
        self.at(self.registers().arm, monitor)
    }

    /// Stores a value in a sync object.
    pub fn store(self, index: u32, value: u16) -> Packet {
        message(self.object(index), sync::VALUE.put(value.into()))
    }

    /// Adds to a sync object.
    pub fn add(self, index: u32, value: u16) -> Packet {
        let value = sync::VALUE.put(value.into()) | sync::INCREMENT.mask();
        message(self.object(index), value)
    }

    /// The messages that make a monitor write `data` to `address` once the object compares.
    pub fn monitor(
        self,
        monitor: u32,
        object: u32,
        compare: Compare,
        address: u64,
        data: u32,
    ) -> Vec<Packet> {
        let registers = self.registers();
        let (equal, target) = match compare {
            Compare::AtLeast(target) => (false, target),
            Compare::Equal(target) => (true, target),
        };
        let group = object / 8;
        let mut packets = vec![
            message(self.at(registers.address_low, monitor), address as u32),
            message(self.at(registers.address_high, monitor), (address >> 32) as u32),
            message(self.at(registers.data, monitor), data),
        ];
        if let Some(config) = registers.config {
            let value = sync::config::GROUP_HIGH.put(group >> 8);
            packets.push(message(self.at(config, monitor), value));
        }
        let arm = sync::arm_value(group as u8, 1 << (object % 8), equal, target);
        packets.push(message(self.arm(monitor), arm));
        packets
    }
}

fn message(address: u64, value: u32) -> Packet {
    // The message barrier keeps the payload ahead of the arming.
    let barriers = Barriers { message: true, ..Barriers::NONE };
    Packet::new(barriers, Body::MsgLong { address, value, operation: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(packets: &[Packet]) -> Vec<(u64, u32)> {
        let parts = packets.iter().map(|packet| match packet.body {
            Body::MsgLong { address, value, .. } => (address, value),
            ref other => panic!("{other:?} is no message"),
        });
        parts.collect()
    }

    #[test]
    fn gaudi() {
        let manager = SyncManager::new(Generation::Gaudi, accel::HL_GAUDI_WS_DCORE);
        let manager = manager.unwrap_or_else(|| panic!("the die exists"));
        assert_eq!(manager.object(144), 0x7f_fc00_0000 + 0x49_2000 + 144 * 4);
        let packets = manager.monitor(72, 145, Compare::AtLeast(3), 0x1234_5678_9abc, 7);
        let base = 0x7f_fc49_2000;
        let wanted = [
            (base + 0x2000 + 72 * 4, 0x5678_9abc),
            (base + 0x2800 + 72 * 4, 0x1234),
            (base + 0x3000 + 72 * 4, 7),
            (base + 0x3800 + 72 * 4, 18 | 0xfd << 8 | 3 << 17),
        ];
        assert_eq!(written(&packets), wanted);
        assert_eq!(written(&[manager.add(0, 1)]), [(base, 0x8000_0001)]);
        assert_eq!(SyncManager::new(Generation::Gaudi, 4), None);
    }

    #[test]
    fn gaudi2_has_the_upper_bits_of_the_group_in_the_config() {
        let manager = SyncManager::new(Generation::Gaudi2, 1);
        let manager = manager.unwrap_or_else(|| panic!("the dcore exists"));
        let packets = manager.monitor(1, 8191, Compare::Equal(1), 0, 0);
        let written = written(&packets);
        let base = 0x1000_007f_f800_0000 + 0x430_0000;
        assert_eq!(written[3], (base + 0x1_0000 + 4, 3 << 16));
        assert_eq!(written[4], (base + 0xe000 + 4, 0xff | 0x7f << 8 | 1 << 16 | 1 << 17));
        assert_eq!(SyncManager::new(Generation::Gaudi2, 4), None);
    }
}
