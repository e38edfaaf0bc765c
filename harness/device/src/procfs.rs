// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What the kernel says about this process: memory and descriptors. Cases use it to show that a
//! call leaves nothing behind.

use crate::Errno;

/// Numbers of `/proc/self/status`, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Pinned pages.
    pub pinned: u64,
    /// Locked pages.
    pub locked: u64,
    /// Resident pages.
    pub resident: u64,
    /// Address space.
    pub size: u64,
}

type Place = fn(&mut Memory) -> &mut u64;

/// Fields of `/proc/self/status` and where they go.
const FIELDS: &[(&str, Place)] = &[
    ("VmPin:", |memory| &mut memory.pinned),
    ("VmLck:", |memory| &mut memory.locked),
    ("VmRSS:", |memory| &mut memory.resident),
    ("VmSize:", |memory| &mut memory.size),
];

fn parse(text: &str) -> Result<Memory, Errno> {
    let mut memory = Memory::default();
    for (name, place) in FIELDS {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or(Errno::ENODATA)?;
        let number = line.trim().strip_suffix("kB").ok_or(Errno::EBADMSG)?;
        *place(&mut memory) = number.trim().parse().map_err(|_| Errno::EBADMSG)?;
    }
    Ok(memory)
}

fn read(path: &str) -> Result<String, Errno> {
    std::fs::read_to_string(path)
        .map_err(|why| why.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

/// The memory of this process.
pub fn memory() -> Result<Memory, Errno> {
    parse(&read("/proc/self/status")?)
}

/// Pages that the kernel holds pinned for devices now, of all processes (`/proc/vmstat`:
/// `nr_foll_pin_acquired` less `nr_foll_pin_released`).
///
/// The kernel counts per processor and adds up late, so it is asked to add up now (root only,
/// mm/vmstat.c: vmstat_refresh).
pub fn pinned_pages() -> Result<u64, Errno> {
    read("/proc/sys/vm/stat_refresh")?;
    parse_pins(&read("/proc/vmstat")?)
}

/// Numbers of the physical pages behind so many pages of this process from an address on
/// (`/proc/self/pagemap`; root only, others see 0). 0 for a page that is not there.
pub fn frames(address: u64, pages: usize) -> Result<Vec<u64>, Errno> {
    use std::os::unix::fs::FileExt;
    let failed = |why: std::io::Error| why.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    let map = std::fs::File::open("/proc/self/pagemap").map_err(failed)?;
    let mut entries = vec![0; pages * size_of::<u64>()];
    let first = address / crate::region::page_size() as u64;
    map.read_exact_at(&mut entries, first * size_of::<u64>() as u64).map_err(failed)?;
    let entry = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Ok(entries.chunks(size_of::<u64>()).map(entry).map(frame).collect())
}

/// Bits 54:0 are the number when bit 63 says that the page is there (pagemap.rst).
fn frame(entry: u64) -> u64 {
    if entry >> 63 == 0 { 0 } else { entry & ((1 << 55) - 1) }
}

fn parse_pins(text: &str) -> Result<u64, Errno> {
    let number = |name: &str| {
        let of =
            |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<u64>().ok();
        text.lines().find_map(of).ok_or(Errno::ENODATA)
    };
    Ok(number("nr_foll_pin_acquired")?.wrapping_sub(number("nr_foll_pin_released")?))
}

/// The open descriptors of this process and what they are, sorted.
pub fn descriptors() -> Result<Vec<(u32, String)>, Errno> {
    let folder = std::fs::read_dir("/proc/self/fd")
        .map_err(|why| why.raw_os_error().map_or(Errno::EIO, Errno::from_raw))?;
    let mut list = Vec::new();
    for entry in folder.flatten() {
        // The descriptor of the listing itself is gone by now and has no target.
        let Ok(target) = std::fs::read_link(entry.path()) else { continue };
        let Ok(number) = entry.file_name().to_string_lossy().parse() else { continue };
        if target.to_string_lossy().ends_with("/fd") {
            continue;
        }
        list.push((number, target.to_string_lossy().into_owned()));
    }
    list.sort();
    Ok(list)
}

/// Mappings of this process whose file's path starts with this, as `/proc/self/maps` lists them.
pub fn mappings_of(path: &str) -> Result<Vec<String>, Errno> {
    let maps = read("/proc/self/maps")?;
    let of = |line: &&str| line.split_whitespace().nth(5).is_some_and(|p| p.starts_with(path));
    Ok(maps.lines().filter(of).map(str::to_string).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_pages_that_are_there_are_told() {
        assert_eq!(frame(1 << 63 | 1 << 55 | 0x1234), 0x1234);
        assert_eq!(frame(0x1234), 0);
        let here = 0_u8;
        assert_eq!(frames(&raw const here as u64, 2).map(|frames| frames.len()), Ok(2));
    }

    #[test]
    fn this_process() -> Result<(), Errno> {
        let memory = memory()?;
        assert!(memory.resident > 0 && memory.size >= memory.resident);
        assert_eq!(memory.pinned, 0);
        Ok(())
    }

    #[test]
    fn a_new_descriptor_is_seen() -> Result<(), Box<dyn std::error::Error>> {
        let file = std::fs::File::open("/dev/zero")?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&file).cast_unsigned();
        assert!(descriptors()?.contains(&(number, "/dev/zero".to_string())));
        Ok(())
    }

    #[test]
    fn pins() {
        let text = "a 1\nnr_foll_pin_acquired 12\nnr_foll_pin_released 5\n";
        assert_eq!(parse_pins(text), Ok(7));
        assert_eq!(parse_pins("nr_foll_pin_acquired 12\n"), Err(Errno::ENODATA));
        assert_eq!(parse_pins(&text.replace("12", "x")), Err(Errno::ENODATA));
    }

    #[test]
    fn broken_text_is_refused() {
        let good = "VmSize:\t 4 kB\nVmLck:\t 1 kB\nVmPin:\t 2 kB\nVmRSS:\t 3 kB\n";
        let wanted = Memory { pinned: 2, locked: 1, resident: 3, size: 4 };
        assert_eq!(parse(good), Ok(wanted));
        for end in 0..good.len() - 3 {
            assert!(parse(&good[..end]).is_err(), "{end}");
        }
        assert_eq!(parse(&good.replace("2 kB", "two kB")), Err(Errno::EBADMSG));
        assert_eq!(parse(&good.replace("2 kB", "2")), Err(Errno::EBADMSG));
    }
}
