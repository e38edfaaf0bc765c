// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Sync managers: sync objects, monitors, completion queues.
//!
//! Driver: `sync_mngr_*` in `include/gaudi/asic_reg/gaudi_regs.h`,
//! `include/gaudi2/asic_reg/dcore0_sync_mngr_{objs,glbl}_{regs,masks}.h`; value fields:
//! `PKT_SHORT_VAL_*` of the packet headers.

use crate::Field;

/// Value of a sync object.
pub const VALUE: Field = Field::bits(14, 0);
/// Gaudi2: subtract instead of add, with [`INCREMENT`].
pub const SIGN: Field = Field::bit(15);
/// Gaudi2: the object and the next are one of 60 bits.
pub const LONG: Field = Field::bit(24);
/// Add the value instead of storing it (`SOB_MOD`, `SOB_OBJ_INC`).
pub const INCREMENT: Field = Field::bit(31);
/// Largest value of a sync object.
pub const MAX: u32 = 0x7fff;

/// Fields of the arm register.
pub mod arm {
    use crate::Field;

    /// Group of eight sync objects (`MON_SYNC_GID`, `SID`); Gaudi2 has four more bits in CONFIG.
    pub const GROUP: Field = Field::bits(7, 0);
    /// A clear bit selects that object of the group.
    pub const MASK: Field = Field::bits(15, 8);
    /// 0: at least; 1: equal (`MON_MODE`, `SOP`).
    pub const EQUAL: Field = Field::bit(16);
    /// What to compare with (`MON_SYNC_VAL`, `SOD`).
    pub const TARGET: Field = Field::bits(31, 17);
}

/// Fields of the config register (Gaudi2).
pub mod config {
    use crate::Field;

    /// Compare 60-bit objects.
    pub const LONG_SOB: Field = Field::bit(0);
    /// Write a completion-queue entry; the low payload address is the queue's number.
    pub const CQ_EN: Field = Field::bit(4);
    /// Writes when fired, minus one, from this monitor's payload and the following ones.
    pub const WR_NUM: Field = Field::bits(6, 5);
    /// Also write the queue's message.
    pub const LBW_EN: Field = Field::bit(8);
    /// Upper bits of the group.
    pub const GROUP_HIGH: Field = Field::bits(19, 16);
    /// Compare the upper half of long objects.
    pub const LONG_HIGH: Field = Field::bit(31);
}

/// Fields of the status register.
pub mod status {
    use crate::Field;

    /// Armed.
    pub const VALID: Field = Field::bit(0);
    /// Objects that still have to reach the target.
    pub const PENDING: Field = Field::bits(8, 1);
    /// Armed by a privileged writer.
    pub const PROTECTED: Field = Field::bit(9);
}

/// The value that arms a monitor.
///
/// `objects` has a bit for each object of the group that is compared.
pub const fn arm_value(group: u8, objects: u8, equal: bool, target: u16) -> u32 {
    arm::GROUP.put(group as u32)
        | arm::MASK.put(!objects as u32)
        | arm::EQUAL.put(equal as u32)
        | arm::TARGET.put(target as u32)
}

/// Register offsets of a sync manager, from its first sync object. Arrays have a stride of 4.
#[derive(Clone, Copy, Debug)]
pub struct Objects {
    /// Sync objects.
    pub objects: u32,
    /// Monitors.
    pub monitors: u32,
    /// `SOB_OBJ`.
    pub sob: u32,
    /// `MON_PAY_ADDRL`.
    pub address_low: u32,
    /// `MON_PAY_ADDRH`.
    pub address_high: u32,
    /// `MON_PAY_DATA`.
    pub data: u32,
    /// `MON_ARM`.
    pub arm: u32,
    /// `MON_CONFIG` (Gaudi2).
    pub config: Option<u32>,
    /// `MON_STATUS`.
    pub status: u32,
}

/// Gaudi.
pub const GAUDI: Objects = Objects {
    objects: 2048,
    monitors: 512,
    sob: 0,
    address_low: 0x2000,
    address_high: 0x2800,
    data: 0x3000,
    arm: 0x3800,
    config: None,
    status: 0x4000,
};

/// Gaudi2.
pub const GAUDI2: Objects = Objects {
    objects: 8192,
    monitors: 2048,
    sob: 0,
    address_low: 0x8000,
    address_high: 0xa000,
    data: 0xc000,
    arm: 0xe000,
    config: Some(0x1_0000),
    status: 0x1_2000,
};

/// Register offsets of the completion queues of a Gaudi2 sync manager, from its first object.
/// Arrays of 64 with a stride of 4.
#[derive(Clone, Copy, Debug)]
pub struct Queues {
    /// How many queues.
    pub count: u32,
    /// `CQ_BASE_ADDR_L`, `_H`.
    pub base: [u32; 2],
    /// `CQ_SIZE_LOG2`: bytes.
    pub size_log2: u32,
    /// `CQ_PI`: bytes written, modulo the size.
    pub pi: u32,
    /// `LBW_ADDR_L`, `_H`.
    pub message_address: [u32; 2],
    /// `LBW_DATA`.
    pub message_data: u32,
    /// `CQ_INC_MODE`: 1 increments a counter in place of writing the data.
    pub increment_mode: u32,
    /// `ASID_NONE_SEC_PRIV`: ASID of writes for monitors that a user armed, see [`USER_BYPASS`].
    pub user: u32,
    /// `SM_SEI_CAUSE`.
    pub cause: u32,
}

/// `ASID_NONE_SEC_PRIV`, `ASID_SEC`: the MMU is bypassed.
pub const USER_BYPASS: Field = Field::bit(16);

/// Gaudi2: `SYNC_MNGR_GLBL` is 0x1e000 after `SYNC_MNGR_OBJS`.
pub const GAUDI2_QUEUES: Queues = Queues {
    count: 64,
    base: [0x1_e050, 0x1_e150],
    size_log2: 0x1_e250,
    pi: 0x1_e350,
    message_address: [0x1_e550, 0x1_e650],
    message_data: 0x1_e750,
    increment_mode: 0x1_e850,
    user: 0x1_e048,
    cause: 0x1_e004,
};

/// First sync objects of the four managers of Gaudi, by name (offset in `CFG`).
pub mod gaudi {
    /// East-north: what users get first.
    pub const E_N: u32 = 0x4f_2000;
    /// East-south.
    pub const E_S: u32 = 0x4b_2000;
    /// West-north.
    pub const W_N: u32 = 0x4d_2000;
    /// West-south: the driver reserves its first objects.
    pub const W_S: u32 = 0x49_2000;
}

/// First sync objects of Gaudi2's managers: this plus 0x200000 for each dcore (offset in `CFG`).
pub const GAUDI2_DCORE0: u32 = 0x410_0000;
/// Distance of Gaudi2's dcores.
pub const GAUDI2_DCORE_STRIDE: u32 = 0x20_0000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_mask_bit_selects_the_object() {
        // gaudi.c: gaudi_add_arm_monitor_pkt, one object of group 1: mask ~bit.
        assert_eq!(arm_value(1, 0b1, false, 3), 3 << 17 | 0xfe << 8 | 1);
    }
}
