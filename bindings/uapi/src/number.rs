// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The composition of an ioctl number (asm-generic/ioctl.h), so that tests can forge any part.

use crate::{accel, drm, misc};
use std::fmt;

/// Who copies what, from the caller's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Nothing is copied.
    None,
    /// The caller writes, the kernel reads.
    Write,
    /// The caller reads, the kernel writes.
    Read,
    /// Both.
    ReadWrite,
}

impl Direction {
    /// All of them.
    pub const ALL: [Direction; 4] =
        [Direction::None, Direction::Write, Direction::Read, Direction::ReadWrite];

    /// The two bits.
    pub const fn bits(self) -> u32 {
        match self {
            Direction::None => 0,
            Direction::Write => 1,
            Direction::Read => 2,
            Direction::ReadWrite => 3,
        }
    }
}

/// An ioctl number in its parts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    /// The direction.
    pub direction: Direction,
    /// The type letter.
    pub kind: u8,
    /// The number within the type.
    pub nr: u8,
    /// The size of the argument; 14 bits.
    pub size: u32,
}

/// The largest size that an ioctl number can say.
pub const MAX_SIZE: u32 = (1 << 14) - 1;

/// The type letter of DRM.
pub const DRM_KIND: u8 = drm::DRM_IOCTL_BASE as u8;

impl Number {
    /// The parts of a number.
    pub const fn of(request: u32) -> Self {
        let direction = match request >> 30 {
            0 => Direction::None,
            1 => Direction::Write,
            2 => Direction::Read,
            3.. => Direction::ReadWrite,
        };
        Number {
            direction,
            kind: (request >> 8) as u8,
            nr: request as u8,
            size: request >> 16 & MAX_SIZE,
        }
    }

    /// The number.
    pub const fn request(self) -> u32 {
        let Number { direction, kind, nr, size } = self;
        assert!(size <= MAX_SIZE, "an ioctl number holds a size of 14 bits");
        direction.bits() << 30 | size << 16 | (kind as u32) << 8 | nr as u32
    }

    /// The same with another direction.
    pub const fn direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// The same with another type letter.
    pub const fn kind(mut self, kind: u8) -> Self {
        self.kind = kind;
        self
    }

    /// The same with another number within the type.
    pub const fn nr(mut self, nr: u8) -> Self {
        self.nr = nr;
        self
    }

    /// The same with another size.
    pub const fn size(mut self, size: u32) -> Self {
        self.size = size;
        self
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Number { direction, kind, nr, size } = *self;
        let letter = char::from(kind).escape_default();
        write!(f, "{:#010x} ({direction:?} '{letter}' nr {nr:#04x} size {size})", self.request())
    }
}

/// The ioctls of the driver from 6.12 on, by number.
pub const ACCEL: [(u32, &str); 6] = [
    (accel::DRM_IOCTL_HL_INFO, "INFO"),
    (accel::DRM_IOCTL_HL_CB, "CB"),
    (accel::DRM_IOCTL_HL_CS, "CS"),
    (accel::DRM_IOCTL_HL_WAIT_CS, "WAIT_CS"),
    (accel::DRM_IOCTL_HL_MEMORY, "MEMORY"),
    (accel::DRM_IOCTL_HL_DEBUG, "DEBUG"),
];

/// The ioctls of the driver of 6.1, by number.
pub const MISC: [(u32, &str); 6] = [
    (misc::HL_IOCTL_INFO, "legacy INFO"),
    (misc::HL_IOCTL_CB, "legacy CB"),
    (misc::HL_IOCTL_CS, "legacy CS"),
    (misc::HL_IOCTL_WAIT_CS, "legacy WAIT_CS"),
    (misc::HL_IOCTL_MEMORY, "legacy MEMORY"),
    (misc::HL_IOCTL_DEBUG, "legacy DEBUG"),
];

/// A request for a message: its name where known, and its parts.
pub fn request_name(request: u32) -> String {
    let known = ACCEL.iter().chain(&MISC).find(|(number, _)| *number == request);
    match known {
        Some((_, name)) => format!("{name} {:?}", Number::of(request)),
        None => format!("{:?}", Number::of(request)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_numbers() {
        let wanted = [0xc018_6440, 0xc018_6441, 0xc030_6442, 0xc038_6443, 0xc028_6444, 0xc028_6445];
        assert_eq!(ACCEL.map(|(number, _)| number), wanted);
        let wanted = [0xc018_4801, 0xc018_4802, 0xc030_4803, 0xc038_4804, 0xc028_4805, 0xc028_4806];
        assert_eq!(MISC.map(|(number, _)| number), wanted);
        assert_eq!(drm::DRM_IOCTL_VERSION, 0xc040_6400);
    }

    #[test]
    fn parts_and_whole() {
        for (request, _) in ACCEL {
            assert_eq!(Number::of(request).request(), request);
            assert_eq!(Number::of(request).kind, DRM_KIND);
        }
        let forged = Number::of(accel::DRM_IOCTL_HL_INFO)
            .direction(Direction::None)
            .kind(b'H')
            .nr(0xff)
            .size(MAX_SIZE);
        assert_eq!(forged.request(), 0x3fff_48ff);
        for direction in Direction::ALL {
            assert_eq!(Number::of(forged.direction(direction).request()).direction, direction);
        }
    }

    #[test]
    fn names() {
        assert_eq!(
            request_name(accel::DRM_IOCTL_HL_CB),
            "CB 0xc0186441 (ReadWrite 'd' nr 0x41 size 24)"
        );
        assert_eq!(request_name(0x1234), "0x00001234 (None '\\u{12}' nr 0x34 size 0)");
    }
}
