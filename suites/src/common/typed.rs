// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The typed layer (crate `device`) in the hands of a case.

use case::{CaseResult, Context, Stop, equal, succeed};
use control::Asic;
use device::{Errno, MemoryRequest, Node};
use hw::Generation;

/// Opens the compute node; the rule under test needs it.
#[track_caller]
pub fn compute(cx: &Context) -> CaseResult<Node> {
    succeed("open of the compute node", Node::open(&cx.at.compute))
}

/// The chip, as crate `hw` names it.
pub fn generation(cx: &Context) -> Generation {
    match cx.asic() {
        Asic::Gaudi => Generation::Gaudi,
        Asic::Gaudi2 => Generation::Gaudi2,
    }
}

/// What the test itself needs of the system and must not fail.
pub fn need<T>(what: &str, result: Result<T, Errno>) -> CaseResult<T> {
    result.map_err(|errno| Stop::Broken(format!("{what} gives {errno:?}")))
}

/// The device still takes buffers after a refused call.
#[track_caller]
pub fn still_works(node: &Node) -> CaseResult {
    let buffer = succeed("CREATE afterwards", node.create_cb(4096, 0))?;
    equal("usage count of a buffer made afterwards", buffer.usage(), Ok(0))?;
    succeed("DESTROY afterwards", buffer.destroy())
}

/// The address of device memory of a user; it stays until the node is closed.
///
/// Without an MMU it is physical and nobody's property: the start of the users' part. Behind an
/// MMU it is allocated and mapped.
#[track_caller]
pub fn device_memory(cx: &Context, node: &Node, size: u64) -> CaseResult<u64> {
    let generation = generation(cx);
    match generation {
        Generation::Gaudi => {
            let map = hw::memory::map(generation);
            Ok(map.dram_base + map.dram_user_offset)
        }
        Generation::Gaudi2 => {
            let handle = succeed("ALLOC", node.memory(&MemoryRequest::alloc(size, 0)))?.first;
            Ok(succeed("MAP", node.memory(&MemoryRequest::map_device(handle, 0)))?.first)
        }
    }
}
