// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A job: the packets, where they are, and the chunk that submits them.

use super::Card;
use crate::common::typed::need;
use case::{CaseResult, Stop, succeed};
use device::{Chunk, CommandBuffer, MapGuard, MemoryRequest, Node, Pages, Program};
use hw::queue::Kind;
use uapi::accel::HL_CS_CHUNK_FLAGS_USER_ALLOC_CB;

enum Storage<'a> {
    /// Copied by the driver.
    Kernel(CommandBuffer<'a>),
    /// Fetched by the device; unmapped before the memory goes away.
    User { mapping: MapGuard<'a>, pages: Pages },
}

/// A program ready for a queue.
pub struct Job<'a> {
    queue: u32,
    size: u32,
    storage: Storage<'a>,
}

impl<'a> Job<'a> {
    /// Puts a program where the queue's jobs have to be.
    #[track_caller]
    pub(super) fn new(card: &'a Card<'_>, queue: u32, program: &Program) -> CaseResult<Self> {
        let storage = match card.kind(queue) {
            Some(Kind::External) => {
                let buffer = succeed("CREATE of a command buffer", program.load(&card.node))?;
                Storage::Kernel(buffer)
            }
            Some(Kind::Internal | Kind::Hardware) => user(&card.node, program)?,
            Some(Kind::Cpu) | None => {
                return Err(Stop::Broken(format!("queue {queue} takes no jobs of users")));
            }
        };
        Ok(Job { queue, size: program.size(), storage })
    }

    /// Handle or device address.
    pub fn place(&self) -> u64 {
        match &self.storage {
            Storage::Kernel(buffer) => buffer.handle(),
            Storage::User { mapping, pages: _ } => mapping.address(),
        }
    }

    /// Bytes of packets.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// What submits it.
    pub fn chunk(&self) -> Chunk {
        let chunk = Chunk::job(self.queue, self.place(), self.size);
        match &self.storage {
            Storage::Kernel(_) => chunk,
            // Ignored where there is no choice (command_submission.c: validate_queue_index).
            Storage::User { .. } => chunk.flags(HL_CS_CHUNK_FLAGS_USER_ALLOC_CB),
        }
    }

    /// Exchanges the packets.
    pub fn write(&self, bytes: &[u8]) -> CaseResult {
        match &self.storage {
            Storage::Kernel(buffer) => need("write of a command buffer", buffer.write(bytes)),
            Storage::User { mapping: _, pages } => {
                pages.write(0, bytes);
                Ok(())
            }
        }
    }

    /// The command buffer of the kernel.
    pub fn buffer(&self) -> CaseResult<&CommandBuffer<'a>> {
        match &self.storage {
            Storage::Kernel(buffer) => Ok(buffer),
            Storage::User { .. } => Err(Stop::Broken("the job has no buffer of the kernel".into())),
        }
    }
}

#[track_caller]
fn user<'a>(node: &'a Node, program: &Program) -> CaseResult<Storage<'a>> {
    let length = program.bytes().len().max(1);
    let pages = need("memory", Pages::new(length))?;
    pages.write(0, program.bytes());
    let request = MemoryRequest::map_host(pages.pointer(0), pages.length() as u64, 0);
    let mapping = succeed("MAP of a command buffer", node.map_request(&request))?;
    Ok(Storage::User { mapping, pages })
}
