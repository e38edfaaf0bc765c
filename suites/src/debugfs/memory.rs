// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Windows into the device: `addr` with `data32` and `data64`, `dma_size` with `data_dma`,
//! scrubbing.

use super::{folder, number};
use crate::common::files::Disabled;
use crate::common::typed::{self, compute, generation, need};
use case::{Case, CaseResult, Context, equal, errno, succeed};
use control::{Asics, FindingKind, Request};
use device::sysfs::Attributes;
use device::{Errno, Pages};
use hw::memory::GAUDI;
use hw::{Generation, sync};

/// A window: file, bytes, and the rows of its rules.
struct Window {
    name: &'static str,
    bytes: u64,
    device: &'static str,
    invalid: &'static str,
    host: &'static str,
    unmapped: &'static str,
    text: &'static str,
}

const WINDOWS: &[Window] = &[
    Window {
        name: "data32",
        bytes: 4,
        device: "DBGFS-030",
        invalid: "DBGFS-031",
        host: "DBGFS-032",
        unmapped: "DBGFS-033",
        text: "DBGFS-035",
    },
    Window {
        name: "data64",
        bytes: 8,
        device: "DBGFS-036",
        invalid: "DBGFS-037",
        host: "DBGFS-038",
        unmapped: "DBGFS-039",
        text: "DBGFS-041",
    },
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::new("debugfs/dma_size/rejects_bad_sizes", &["DBGFS-043", "DBGFS-044"], sizes)
            .logs(&["DMA read failed"]),
        Case::new("debugfs/dma_size/rejects_what_is_no_device_memory", &["DBGFS-045"], places)
            .logs(&["DMA read failed"]),
        Case::new("debugfs/dma_size/reads_device_memory", &["DBGFS-046"], dma).budget(30),
        // The transfer that was given up runs when the engine goes on: that is the case's doing.
        Case::new("debugfs/dma_size/fails_when_the_transfer_does", &["DBGFS-048"], stuck)
            .on(Asics::GAUDI2)
            .model()
            .own_guest()
            .logs(&["waiting for KDMA", "DMA read failed", "PAGE_FAULT", "page fault", "KDMA"])
            .finds(&[FindingKind::UnmappedAccess])
            .budget(30),
        Case::new("debugfs/memory_scrub/fills_device_memory", &["DBGFS-083"], scrub)
            .on(Asics::GAUDI)
            .control_only()
            .budget(60),
        Case::new("debugfs/memory_scrub/needs_the_device_unused", &["DBGFS-084"], |cx| {
            let files = folder(cx)?;
            let _node = compute(cx)?;
            errno("memory_scrub", files.write("memory_scrub", "1"), Errno::EBUSY)
        })
        .logs(&["can't scrub dram, context exist"]),
        Case::new("debugfs/memory_scrub/needs_an_operational_device", &["DBGFS-085"], |cx| {
            let files = folder(cx)?;
            let _off = Disabled::new(cx)?;
            errno("memory_scrub", files.write("memory_scrub", "1"), Errno::EIO)
        })
        .control_only()
        .logs(&["Can't scrub memory, device is not operational"]),
    ];
    for window in WINDOWS {
        let add = |rule: &str, row: &'static str, body: fn(&Context, &Window) -> CaseResult| {
            let rows: &[&str] = vec![row].leak();
            Case::new(format!("debugfs/{}/{rule}", window.name), rows, move |cx| body(cx, window))
        };
        cases.extend([
            add("reads_and_writes_the_device", window.device, device_memory),
            add("reads_and_writes_registers", window.device, registers),
            add("rejects_addresses_of_nothing", window.invalid, invalid).logs(&["invalid addr"]),
            add("rejects_parts_of_registers", window.invalid, unaligned)
                .logs(&["not a multiple of", "Failed reading addr"]),
            add("reads_and_writes_mapped_host_memory", window.host, host).logs(&["not mapped"]),
            add("rejects_addresses_that_are_not_mapped", window.unmapped, unmapped).logs(&[
                "not mapped",
                "invalid addr",
                "virt addr",
            ]),
            add("rejects_what_is_no_number", window.text, text),
        ]);
    }
    cases
}

/// Bytes of device memory that a user takes: two pages of 768 MiB.
const USERS: u64 = 3 << 29;

fn aim(files: &Attributes, address: u64) -> CaseResult {
    succeed("write of addr", files.write("addr", &format!("{address:#x}")))
}

fn mask(window: &Window, value: u64) -> u64 {
    if window.bytes == 4 { value & u64::from(u32::MAX) } else { value }
}

fn device_memory(cx: &Context, window: &Window) -> CaseResult {
    let files = folder(cx)?;
    let node = compute(cx)?;
    let dram = typed::device_memory(cx, &node, USERS)?;
    let map = hw::memory::map(generation(cx));
    let sram = map.sram_base + map.sram_size - 0x1000;
    for address in [sram, sram + 8, dram, dram + (1 << 30)] {
        aim(&files, address)?;
        for value in [0x0123_4567_89ab_cdef_u64, 0, u64::MAX, 0x11] {
            let value = mask(window, value);
            succeed(window.name, files.write(window.name, &format!("{value:#x}")))?;
            equal(&format!("value at {address:#x}"), number(&files, window.name)?, value)?;
        }
    }
    // The other width sees the same bytes.
    aim(&files, dram)?;
    succeed("data64", files.write("data64", "0x1111222233334444"))?;
    aim(&files, dram + 4)?;
    equal("upper half", number(&files, "data32")?, 0x1111_2222)
}

/// Sync objects that are the user's (offset in `CFG`), which keep 15 bits.
fn objects(chip: Generation) -> u64 {
    let managers = match chip {
        Generation::Gaudi => sync::gaudi::E_N,
        Generation::Gaudi2 => sync::GAUDI2_DCORE0 + sync::GAUDI2_DCORE_STRIDE,
    };
    u64::from(managers) + 0x1000
}

/// Two registers: data32 sees the one at the address, data64 that one and the next.
fn registers(cx: &Context, window: &Window) -> CaseResult {
    let files = folder(cx)?;
    let _node = compute(cx)?;
    let chip = generation(cx);
    let first = hw::memory::map(chip).cfg_base + objects(chip);
    for value in [0x0000_1234_0000_5678_u64, 0x0000_0001_0000_0000, 0] {
        aim(&files, first)?;
        let mine = mask(window, value);
        succeed(window.name, files.write(window.name, &format!("{mine:#x}")))?;
        equal("value of the window", number(&files, window.name)?, mine)?;
        for (at, register) in [(0, mine & u64::from(u32::MAX)), (4, mine >> 32)] {
            aim(&files, first + at)?;
            equal(&format!("register at {at}"), number(&files, "data32")?, register)?;
        }
    }
    Ok(())
}

fn unaligned(cx: &Context, window: &Window) -> CaseResult {
    let files = folder(cx)?;
    let _node = compute(cx)?;
    let chip = generation(cx);
    let first = hw::memory::map(chip).cfg_base + objects(chip);
    for address in [first + 1, first + 2, first + 3] {
        aim(&files, address)?;
        errno(&format!("read at {address:#x}"), files.text(window.name), Errno::EINVAL)?;
        errno(&format!("write at {address:#x}"), files.write(window.name, "1"), Errno::EINVAL)?;
    }
    Ok(())
}

fn invalid(cx: &Context, window: &Window) -> CaseResult {
    let files = folder(cx)?;
    let _node = compute(cx)?;
    let map = hw::memory::map(generation(cx));
    let end = map.cfg_base + map.cfg_size;
    // The last is where the window would end behind the registers.
    for address in [map.sram_base - 8, end, 1 << 60, end + 4 - window.bytes] {
        aim(&files, address)?;
        errno(&format!("read at {address:#x}"), files.text(window.name), Errno::EINVAL)?;
        errno(&format!("write at {address:#x}"), files.write(window.name, "1"), Errno::EINVAL)?;
    }
    Ok(())
}

fn host(cx: &Context, window: &Window) -> CaseResult {
    let files = folder(cx)?;
    let node = compute(cx)?;
    let pages = need("memory", Pages::new(3 * 4096))?;
    pages.fill(0x31);
    let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
    for offset in [0, 8, 4096, 3 * 4096 - 8] {
        let bytes = window.bytes as usize;
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(&0x89ab_cdef_0123_4567_u64.to_le_bytes()[..bytes]);
        pages.write(offset, &word[..bytes]);
        aim(&files, map.address() + offset as u64)?;
        let what = format!("value at offset {offset:#x}");
        equal(&what, number(&files, window.name)?, u64::from_le_bytes(word))?;
        succeed(window.name, files.write(window.name, "0x55667788"))?;
        pages.read(offset, &mut word[..bytes]);
        equal("what the process sees", u64::from_le_bytes(word), 0x5566_7788)?;
    }
    // What begins inside and ends behind the mapping is not mapped.
    aim(&files, map.address() + 3 * 4096 + 4 - window.bytes)?;
    errno("read across the end", files.text(window.name), Errno::EINVAL)?;
    succeed("UNMAP", map.unmap())
}

fn unmapped(cx: &Context, window: &Window) -> CaseResult {
    let files = folder(cx)?;
    let node = compute(cx)?;
    let pages = need("memory", Pages::new(4096))?;
    pages.fill(1);
    let address = {
        let map = succeed("MAP", node.map_host(&pages, 0, 0))?;
        map.address()
    };
    for address in [address, hw::memory::map(generation(cx)).host_va.0 + (1 << 40)] {
        aim(&files, address)?;
        errno(&format!("read at {address:#x}"), files.text(window.name), Errno::EINVAL)?;
    }
    Ok(())
}

fn text(cx: &Context, window: &Window) -> CaseResult {
    let files = folder(cx)?;
    let _node = compute(cx)?;
    let map = hw::memory::map(generation(cx));
    aim(&files, map.sram_base + map.sram_size - 0x1000)?;
    for text in ["x", "0x", "1 2", "-1"] {
        errno(&format!("{text:?}"), files.write(window.name, text), Errno::EINVAL)?;
    }
    Ok(())
}

fn sizes(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let node = compute(cx)?;
    aim(&files, typed::device_memory(cx, &node, USERS)?)?;
    for size in ["0", "0x8000001", "0xffffffff", "x"] {
        errno(&format!("size {size}"), files.write("dma_size", size), Errno::EINVAL)?;
    }
    Ok(())
}

fn places(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let _node = compute(cx)?;
    let map = hw::memory::map(generation(cx));
    for address in [map.cfg_base, map.host_va.0, 1 << 60, u64::MAX] {
        aim(&files, address)?;
        errno(&format!("at {address:#x}"), files.write("dma_size", "0x1000"), Errno::EINVAL)?;
    }
    Ok(())
}

fn dma(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let node = compute(cx)?;
    let dram = typed::device_memory(cx, &node, USERS)?;
    for (at, size) in [(dram, 0x40), (dram, 0x1000), (dram + 0x2000, 0x3_0000)] {
        for word in (0..0x40).step_by(8) {
            aim(&files, at + word)?;
            let value = 0x0101_0101_0101_0101_u64 * (word + 1);
            succeed("data64", files.write("data64", &format!("{value:#x}")))?;
        }
        aim(&files, at)?;
        succeed("dma_size", files.write("dma_size", &format!("{size:#x}")))?;
        let bytes = succeed("data_dma", files.bytes("data_dma"))?;
        equal("bytes read", bytes.len(), size)?;
        let (words, _) = bytes[..0x40].as_chunks::<8>();
        let got: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let wanted: Vec<u64> =
            (0..0x40).step_by(8).map(|word| 0x0101_0101_0101_0101_u64 * (word + 1)).collect();
        equal("words read", got, wanted)?;
    }
    Ok(())
}

/// Control register of the driver's own DMA on Gaudi2: 0 switches the engine off
/// (arc_farm_kdma_regs.h: mmARC_FARM_KDMA_CFG_0).
const KDMA_CONTROL: u64 = 0x4e8_b000;

fn stuck(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let node = compute(cx)?;
    aim(&files, typed::device_memory(cx, &node, USERS)?)?;
    let switch = |value| -> CaseResult {
        Ok(cx.model()?.order(Request::Poke { offset: KDMA_CONTROL, value })?)
    };
    switch(0)?;
    let result = files.write("dma_size", "0x1000");
    switch(1)?;
    errno("dma_size with the engine off", result, Errno::EIO)
}

fn scrub(cx: &Context) -> CaseResult {
    let files = folder(cx)?;
    let dram = GAUDI.dram_base + GAUDI.dram_user_offset;
    for value in [0x0123_4567_89ab_cdef_u64, 0] {
        let old =
            succeed("memory_scrub_val", files.change("memory_scrub_val", &format!("{value:#x}")))?;
        succeed("memory_scrub", files.write("memory_scrub", "1"))?;
        for address in [dram, dram + 0x1_2345_6780, (32 << 30) - 8] {
            aim(&files, address)?;
            equal(&format!("word at {address:#x}"), number(&files, "data64")?, value)?;
        }
        drop(old);
    }
    Ok(())
}
