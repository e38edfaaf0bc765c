// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The cases: one module an area, and the catalogue of requirements that they prove.

pub mod abi;
pub mod catalogue;
pub mod cb;
pub mod common;
pub mod cs;
pub mod debug;
pub mod debugfs;
pub mod dispatch;
pub mod dmabuf;
pub mod graph;
pub mod info;
pub mod leak;
pub mod memory;
pub mod mmap;
pub mod onnx;
pub mod open;
pub mod packet;
pub mod sequence;
pub mod sysfs;
pub mod trace;
pub mod transfer;
pub mod unreached;
pub mod wait;

use case::Case;

/// Every case, in the order in which a run without a seed goes through them.
pub fn all() -> Vec<Case> {
    let areas = [
        open::cases,
        dispatch::cases,
        info::cases,
        cb::cases,
        mmap::cases,
        memory::cases,
        debug::cases,
        debugfs::cases,
        sysfs::cases,
        trace::cases,
        abi::cases,
        dmabuf::cases,
        cs::cases,
        graph::cases,
        onnx::cases,
        wait::cases,
        packet::cases,
        transfer::cases,
        leak::cases,
        sequence::cases,
    ];
    areas.iter().flat_map(|cases| cases()).collect()
}
