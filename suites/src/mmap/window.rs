// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Hardware blocks that users may map: windows of registers (memory.c: hl_hw_block_mmap,
//! gaudi2.c: gaudi2_user_mapped_blocks_init, gaudi2_block_mmap).

use crate::common::typed::{compute, still_works};
use crate::common::wait;
use case::{Case, CaseResult, Context, check, equal, errno, succeed};
use control::Asics;
use device::{Errno, Mapping, Node};
use std::time::Duration;

/// Blocks of every kind: offset in the configuration space, bytes.
const BLOCKS: &[(u64, u32)] = &[
    // Memory of a scheduler and of an engine's processor.
    (0x4e9_0000, 0x1_0000),
    (0x406_0000, 0x8000),
    // Doorbells of a scheduler.
    (0x4e8_f000, 0x1000),
    // Objects and global part of the sync managers of two cores.
    (OBJECTS, 0x1_4000),
    (0x431_e000, 0x1000),
    (0x470_0000, 0x1_4000),
    // The first and the last decoder.
    (0x41e_0000, 0x1000),
    (0x4f1_0000, 0x1000),
];

/// Sync objects of the second core.
const OBJECTS: u64 = 0x430_0000;
/// Bytes of their block.
const SIZE: usize = 0x1_4000;

pub(super) fn cases() -> Vec<Case> {
    let cases = vec![
        Case::new("mmap/block/is_a_window_of_registers", &["MMAP-015", "MEM-BLOCK-001"], window)
            .model(),
        Case::new("mmap/block/maps_whole_blocks_only", &["MMAP-017"], sizes)
            .logs(&["Invalid block size"]),
        // Defect D18: the size is looked at in 32 bits.
        Case::new("mmap/block/rejects_four_gib_more_than_the_block", &["MMAP-018"], four_gib)
            .own_guest()
            .logs(&["Invalid block size"]),
        Case::new("mmap/block/may_be_mapped_twice", &["MMAP-020"], twice),
        Case::new("mmap/block/keeps_the_device_in_use", &["MMAP-021"], keeps),
    ];
    cases.into_iter().map(|case| case.on(Asics::GAUDI2)).collect()
}

/// The handle of a block.
fn handle(node: &Node, offset: u64, size: u32) -> CaseResult<u64> {
    let block = hw::memory::GAUDI2.cfg_base + offset;
    let (handle, bytes) = succeed(&format!("MAP_BLOCK {block:#x}"), node.map_block(block))?;
    equal(&format!("bytes of block {block:#x}"), bytes, size)?;
    Ok(handle)
}

/// The block of sync objects, mapped.
fn objects(node: &Node) -> CaseResult<Mapping> {
    succeed("mmap of a block", node.map(handle(node, OBJECTS, SIZE as u32)?, SIZE))
}

fn register(cx: &Context, offset: u64) -> CaseResult<u64> {
    Ok(cx.model()?.peek(offset)?)
}

fn window(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    for (offset, size) in BLOCKS {
        let handle = handle(&node, *offset, *size)?;
        let what = format!("mmap of the block at {offset:#x}");
        let map = succeed(&what, node.map(handle, *size as usize))?;
        map.read_u32(0);
        map.read_u32(*size as usize - 4);
        succeed("munmap", map.unmap())?;
    }
    // A store of the user is a write of the register: set to 5, then counted up by 2.
    let map = objects(&node)?;
    let place = 4 * 100;
    map.write_u32(place, 5);
    equal("the object in the device", register(cx, OBJECTS + place as u64)?, 5)?;
    map.write_u32(place, 0x8000_0002);
    equal("the object that the user reads", map.read_u32(place), 7)?;
    map.write_u32(place, 0);
    succeed("munmap", map.unmap())?;
    still_works(&node)
}

fn sizes(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = handle(&node, OBJECTS, SIZE as u32)?;
    for size in [4096, SIZE - 4096, SIZE + 4096, 2 * SIZE] {
        let result = node.map(handle, size).map(drop);
        errno(&format!("mmap of {size:#x} bytes"), result, Errno::EINVAL)?;
    }
    succeed("mmap of the whole", node.map(handle, SIZE))?;
    still_works(&node)
}

fn four_gib(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let handle = handle(&node, OBJECTS, SIZE as u32)?;
    let result = node.map(handle, SIZE + (4 << 30)).map(drop);
    errno("mmap of 4 GiB more than the block", result, Errno::EINVAL)?;
    still_works(&node)
}

fn twice(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let (one, two) = (objects(&node)?, objects(&node)?);
    one.write_u32(8, 3);
    equal("the same register in the other mapping", two.read_u32(8), 3)?;
    succeed("munmap", one.unmap())?;
    two.write_u32(8, 0);
    equal("the register", two.read_u32(8), 0)?;
    succeed("munmap", two.unmap())?;
    still_works(&node)
}

fn keeps(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let map = objects(&node)?;
    succeed("close", node.close())?;
    for _ in 0..3 {
        errno("open while a block is mapped", Node::open(&cx.at.compute).map(drop), Errno::EBUSY)?;
    }
    map.write_u32(12, 9);
    equal("a register after the close", map.read_u32(12), 9)?;
    succeed("munmap", map.unmap())?;
    let node = wait::until(Duration::from_secs(20), || Ok(Node::open(&cx.at.compute).ok()))?;
    check(node.is_some(), "the device is free when the last mapping is gone")?;
    node.map_or(Ok(()), |node| still_works(&node))
}
