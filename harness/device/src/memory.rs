// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The MEMORY ioctl: device memory, mappings of the device's MMU, exports (memory.c:
//! hl_mem_ioctl).

use crate::mmap::Mapping;
use crate::{Errno, Node, Pages, Pointer};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use uapi::accel;

/// A request as it is sent. Start from a constructor and change what should be wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryRequest {
    /// The first three words, whose meaning depends on `op`. Private, because with
    /// `HL_MEM_USERPTR` the first is an address that the device may write to.
    words: [u64; 3],
    /// `HL_MEM_OP_*`.
    pub op: u32,
    /// `HL_MEM_*`, or flags of a descriptor.
    pub flags: u32,
    /// The context; unused by the driver.
    pub ctx_id: u32,
    /// Timestamps, to allocate.
    pub elements: u32,
}

impl MemoryRequest {
    fn new(op: u32, words: [u64; 3]) -> Self {
        MemoryRequest { words, op, ..Default::default() }
    }

    /// Allocates device memory; page size 0 means the default.
    pub fn alloc(size: u64, page_size: u64) -> Self {
        MemoryRequest::new(accel::HL_MEM_OP_ALLOC, [size, page_size, 0])
    }

    /// Frees device memory.
    pub fn free(handle: u64) -> Self {
        MemoryRequest::new(accel::HL_MEM_OP_FREE, [handle, 0, 0])
    }

    /// Maps device memory; hint 0 means anywhere.
    pub fn map_device(handle: u64, hint: u64) -> Self {
        MemoryRequest::new(accel::HL_MEM_OP_MAP, [hint, handle, 0])
    }

    /// Maps host memory; hint 0 means anywhere.
    pub fn map_host(host: Pointer, size: u64, hint: u64) -> Self {
        MemoryRequest::new(accel::HL_MEM_OP_MAP, [host.address(), hint, size])
            .flags(accel::HL_MEM_USERPTR)
    }

    /// Unmaps.
    pub fn unmap(device: u64) -> Self {
        MemoryRequest::new(accel::HL_MEM_OP_UNMAP, [device, 0, 0])
    }

    /// Gets a handle of a hardware block.
    pub fn map_block(block: u64) -> Self {
        MemoryRequest::new(accel::HL_MEM_OP_MAP_BLOCK, [block, 0, 0])
    }

    /// Exports device memory as a DMA-BUF with these flags of a descriptor.
    pub fn export(address: u64, size: u64, offset: u64, flags: u32) -> Self {
        MemoryRequest::new(accel::HL_MEM_OP_EXPORT_DMABUF_FD, [address, size, offset]).flags(flags)
    }

    /// Allocates a buffer of timestamps.
    pub fn timestamps(elements: u32) -> Self {
        MemoryRequest { elements, ..MemoryRequest::new(accel::HL_MEM_OP_TS_ALLOC, [0; 3]) }
    }

    /// Adds flags.
    pub fn flags(mut self, flags: u32) -> Self {
        self.flags |= flags;
        self
    }

    /// The same with another operation, which then reads the words in its own way; never `MAP`
    /// with `HL_MEM_USERPTR`, for which there is [`MemoryRequest::map_host`].
    pub fn op(mut self, op: u32) -> Self {
        self.op = op;
        self
    }

    /// The same with this context and number of elements.
    pub fn tail(mut self, ctx_id: u32, elements: u32) -> Self {
        self.ctx_id = ctx_id;
        self.elements = elements;
        self
    }

    /// What goes to the kernel.
    pub fn arguments(&self) -> accel::hl_mem_args {
        let MemoryRequest { words: [first, second, third], op, flags, ctx_id, elements } = *self;
        let mut input =
            accel::hl_mem_in { op, flags, ctx_id, num_of_elements: elements, ..Default::default() };
        // All operations keep their words in the same three places.
        input.__bindgen_anon_1.map_host = accel::hl_mem_in__bindgen_ty_1__bindgen_ty_4 {
            host_virt_addr: first,
            hint_addr: second,
            mem_size: third,
        };
        accel::hl_mem_args { in_: input }
    }
}

/// The words that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryAnswer {
    /// Address or handle; the low half is the descriptor of an export.
    pub first: u64,
    /// Size of a block.
    pub block_size: u32,
}

impl Node {
    /// Sends a request.
    pub fn memory(&self, request: &MemoryRequest) -> Result<MemoryAnswer, Errno> {
        let mut arguments = request.arguments();
        // SAFETY: host memory of a request is a `Pointer`, which the device may write to.
        unsafe { self.ioctl(accel::DRM_IOCTL_HL_MEMORY, &mut arguments) }?;
        // SAFETY: all members are integers, and the union is initialised as a whole.
        let out = unsafe { arguments.out.__bindgen_anon_1.__bindgen_anon_1 };
        Ok(MemoryAnswer { first: out.block_handle, block_size: out.block_size })
    }

    /// Sends a request; gives what was answered and all words as they come back, which the kernel
    /// copies even when it refuses. What it created belongs to the caller.
    pub fn memory_words(&self, request: &MemoryRequest) -> (Result<(), Errno>, [u64; 5]) {
        let mut arguments = request.arguments();
        // SAFETY: host memory of a request is a `Pointer`, which the device may write to.
        let result = unsafe { self.ioctl(accel::DRM_IOCTL_HL_MEMORY, &mut arguments) };
        // SAFETY: both are 40 bytes of integers.
        let words = unsafe { std::mem::transmute::<accel::hl_mem_args, [u64; 5]>(arguments) };
        (result.map(|_| ()), words)
    }

    /// Allocates device memory.
    pub fn alloc(&self, size: u64, page_size: u64, flags: u32) -> Result<Allocation<'_>, Errno> {
        let answer = self.memory(&MemoryRequest::alloc(size, page_size).flags(flags))?;
        Ok(Allocation { node: self, handle: answer.first, size })
    }

    /// Maps device memory by handle; 0 as hint means anywhere.
    pub fn map_device(&self, handle: u64, hint: u64, flags: u32) -> Result<MapGuard<'_>, Errno> {
        let answer = self.memory(&MemoryRequest::map_device(handle, hint).flags(flags))?;
        Ok(MapGuard { node: self, address: answer.first })
    }

    /// Maps host memory; 0 as hint means anywhere.
    ///
    /// `pages` must live at least as long as the guard: the device writes to them. The borrow
    /// checker sees to it.
    pub fn map_host<'a>(
        &'a self,
        pages: &'a Pages,
        hint: u64,
        flags: u32,
    ) -> Result<MapGuard<'a>, Errno> {
        self.map_host_part(pages, 0, pages.length(), hint, flags)
    }

    /// The same for a part of the memory.
    pub fn map_host_part<'a>(
        &'a self,
        pages: &'a Pages,
        offset: usize,
        size: usize,
        hint: u64,
        flags: u32,
    ) -> Result<MapGuard<'a>, Errno> {
        let host = pages.pointer(offset);
        let request = MemoryRequest::map_host(host, size as u64, hint).flags(flags);
        self.map_request(&request)
    }

    /// Sends a request that maps.
    pub fn map_request(&self, request: &MemoryRequest) -> Result<MapGuard<'_>, Errno> {
        let answer = self.memory(request)?;
        Ok(MapGuard { node: self, address: answer.first })
    }

    /// Ends a mapping by address.
    pub fn unmap(&self, address: u64) -> Result<(), Errno> {
        self.memory(&MemoryRequest::unmap(address)).map(|_| ())
    }

    /// Frees device memory by handle.
    pub fn free(&self, handle: u64) -> Result<(), Errno> {
        self.memory(&MemoryRequest::free(handle)).map(|_| ())
    }

    /// The handle and size of a hardware block.
    pub fn map_block(&self, block: u64) -> Result<(u64, u32), Errno> {
        let answer = self.memory(&MemoryRequest::map_block(block))?;
        Ok((answer.first, answer.block_size))
    }

    /// Exports device memory.
    pub fn export(&self, request: &MemoryRequest) -> Result<DmaBuf, Errno> {
        let answer = self.memory(request)?;
        // The low half is the descriptor (hl_mem_out::fd).
        let fd = answer.first as u32 as i32;
        if fd < 0 {
            return Err(Errno::EBADF);
        }
        // SAFETY: the driver just made this descriptor for us, and nobody else knows it.
        Ok(DmaBuf(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Allocates timestamps; gives their handle. There is no call to free them: they end with
    /// the last close.
    pub fn timestamps(&self, elements: u32) -> Result<u64, Errno> {
        self.memory(&MemoryRequest::timestamps(elements)).map(|answer| answer.first)
    }
}

/// Device memory; freed when dropped.
#[derive(Debug)]
pub struct Allocation<'a> {
    node: &'a Node,
    handle: u64,
    size: u64,
}

impl Allocation<'_> {
    /// Its handle; with `HL_MEM_CONTIGUOUS` on chips without a MMU for device memory, its
    /// address.
    pub fn handle(&self) -> u64 {
        self.handle
    }

    /// The bytes that were asked for.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Maps it anywhere.
    pub fn map(&self) -> Result<MapGuard<'_>, Errno> {
        self.node.map_device(self.handle, 0, 0)
    }

    /// Frees it and says how that went.
    pub fn free(self) -> Result<(), Errno> {
        let allocation = std::mem::ManuallyDrop::new(self);
        allocation.node.free(allocation.handle)
    }
}

impl Drop for Allocation<'_> {
    fn drop(&mut self) {
        // It may be gone with a reset; a test that minds calls `free`.
        let _ = self.node.free(self.handle);
    }
}

/// A mapping of the device's MMU; unmapped when dropped.
#[derive(Debug)]
pub struct MapGuard<'a> {
    node: &'a Node,
    address: u64,
}

impl MapGuard<'_> {
    /// Its device address.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Ends it and says how that went.
    pub fn unmap(self) -> Result<(), Errno> {
        let guard = std::mem::ManuallyDrop::new(self);
        guard.node.unmap(guard.address)
    }
}

impl Drop for MapGuard<'_> {
    fn drop(&mut self) {
        // It may be gone with a reset; a test that minds calls `unmap`.
        let _ = self.node.unmap(self.address);
    }
}

/// An exported buffer; closed when dropped.
#[derive(Debug)]
pub struct DmaBuf(OwnedFd);

impl DmaBuf {
    /// Maps it as the CPU sees it.
    pub fn map(&self, length: usize) -> Result<Mapping, Errno> {
        Mapping::of(self, &crate::mmap::MapRequest::new(0, length))
    }

    /// A second descriptor of the same buffer.
    pub fn duplicate(&self) -> Result<Self, Errno> {
        let copy = self.0.try_clone();
        copy.map(DmaBuf).map_err(|why| why.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    }

    /// Closes it and says how that went.
    pub fn close(self) -> Result<(), Errno> {
        nix::unistd::close(self.0)
    }
}

impl AsFd for DmaBuf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(request: &MemoryRequest) -> [u64; 5] {
        // SAFETY: both are 40 bytes of integers.
        unsafe { std::mem::transmute::<accel::hl_mem_args, [u64; 5]>(request.arguments()) }
    }

    #[test]
    fn every_operation_has_its_words_where_the_kernel_reads_them() {
        type Union = accel::hl_mem_in__bindgen_ty_1;
        assert_eq!(size_of::<Union>(), 24);
        let request = MemoryRequest::alloc(1, 2).flags(accel::HL_MEM_CONTIGUOUS);
        assert_eq!(words(&request), [1, 2, 0, 1 << 32, 0]);
        // SAFETY: all members are integers.
        let alloc = unsafe { request.arguments().in_.__bindgen_anon_1.alloc };
        assert_eq!((alloc.mem_size, alloc.page_size), (1, 2));
        // SAFETY: all members are integers.
        let map = unsafe { MemoryRequest::map_device(3, 4).arguments().in_.__bindgen_anon_1 };
        // SAFETY: all members are integers.
        assert_eq!(unsafe { (map.map_device.handle, map.map_device.hint_addr) }, (3, 4));
        let export = MemoryRequest::export(5, 6, 7, 8);
        // SAFETY: all members are integers.
        let union = unsafe { export.arguments().in_.__bindgen_anon_1.export_dmabuf_fd };
        assert_eq!((union.addr, union.mem_size, union.offset), (5, 6, 7));
        assert_eq!(words(&MemoryRequest::timestamps(9)), [0, 0, 0, 6, 9 << 32]);
        assert_eq!(words(&MemoryRequest::unmap(1).op(77))[3], 77);
        let host = MemoryRequest::map_host(Pointer::NULL, 2, 1);
        assert_eq!(words(&host), [0, 1, 2, 4 << 32 | 2, 0]);
    }
}
