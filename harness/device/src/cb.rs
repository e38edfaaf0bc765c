// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The CB ioctl: command buffers of the kernel (command_buffer.c: hl_cb_ioctl).

use crate::mmap::Mapping;
use crate::{Errno, Node};
use uapi::accel;

/// A request as it is sent. Start from a constructor and change what should be wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CbRequest {
    /// `HL_CB_OP_*`.
    pub op: u32,
    /// The handle; 0 to create.
    pub handle: u64,
    /// Bytes, to create.
    pub size: u32,
    /// The context; unused by the driver.
    pub ctx_id: u32,
    /// `HL_CB_FLAGS_*`.
    pub flags: u32,
}

impl CbRequest {
    /// Creates.
    pub fn create(size: u32) -> Self {
        CbRequest { op: accel::HL_CB_OP_CREATE, size, ..Default::default() }
    }

    /// Destroys.
    pub fn destroy(handle: u64) -> Self {
        CbRequest { op: accel::HL_CB_OP_DESTROY, handle, ..Default::default() }
    }

    /// Asks for the usage count.
    pub fn usage(handle: u64) -> Self {
        CbRequest { op: accel::HL_CB_OP_INFO, handle, ..Default::default() }
    }

    /// Asks for the device address of a mapped one.
    pub fn device_va(handle: u64) -> Self {
        CbRequest { flags: accel::HL_CB_FLAGS_GET_DEVICE_VA, ..CbRequest::usage(handle) }
    }

    /// The same with these flags.
    pub fn flags(mut self, flags: u32) -> Self {
        self.flags = flags;
        self
    }

    /// What goes to the kernel.
    pub fn arguments(&self) -> accel::hl_cb_args {
        let CbRequest { op, handle, size, ctx_id, flags } = *self;
        let input = accel::hl_cb_in { cb_handle: handle, op, cb_size: size, ctx_id, flags };
        accel::hl_cb_args { in_: input }
    }
}

impl Node {
    /// Sends a request; gives the first word of the answer: handle, device address, or usage
    /// count in its low half.
    pub fn cb(&self, request: &CbRequest) -> Result<u64, Errno> {
        let mut arguments = request.arguments();
        // SAFETY: the arguments hold no address.
        unsafe { self.ioctl(accel::DRM_IOCTL_HL_CB, &mut arguments) }?;
        // SAFETY: all fields are integers, and the union was written as a whole.
        Ok(unsafe { arguments.out.__bindgen_anon_1.cb_handle })
    }

    /// Sends a request; gives what was answered and all words as they come back, which the kernel
    /// copies even when it refuses.
    pub fn cb_words(&self, request: &CbRequest) -> (Result<(), Errno>, [u64; 3]) {
        let mut arguments = request.arguments();
        // SAFETY: the arguments hold no address.
        let result = unsafe { self.ioctl(accel::DRM_IOCTL_HL_CB, &mut arguments) };
        // SAFETY: both are 24 bytes of integers.
        let words = unsafe { std::mem::transmute::<accel::hl_cb_args, [u64; 3]>(arguments) };
        (result.map(|_| ()), words)
    }

    /// Creates a command buffer.
    pub fn create_cb(&self, size: u32, flags: u32) -> Result<CommandBuffer<'_>, Errno> {
        let handle = self.cb(&CbRequest::create(size).flags(flags))?;
        Ok(CommandBuffer { node: self, handle, size })
    }

    /// Destroys by handle.
    pub fn destroy_cb(&self, handle: u64) -> Result<(), Errno> {
        self.cb(&CbRequest::destroy(handle)).map(|_| ())
    }

    /// How often a command buffer is in use (command_buffer.c: hl_cb_info).
    pub fn cb_usage(&self, handle: u64) -> Result<u32, Errno> {
        // The low half of the word is `usage_cnt`, the high half padding.
        self.cb(&CbRequest::usage(handle)).map(|word| word as u32)
    }
}

/// A command buffer; destroyed when dropped.
#[derive(Debug)]
pub struct CommandBuffer<'a> {
    node: &'a Node,
    handle: u64,
    size: u32,
}

impl CommandBuffer<'_> {
    /// Its handle, which is also its offset for mmap.
    pub fn handle(&self) -> u64 {
        self.handle
    }

    /// The bytes that were asked for.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Its usage count.
    pub fn usage(&self) -> Result<u32, Errno> {
        self.node.cb_usage(self.handle)
    }

    /// Its device address, where it was created with `HL_CB_FLAGS_MAP`.
    pub fn device_va(&self) -> Result<u64, Errno> {
        self.node.cb(&CbRequest::device_va(self.handle))
    }

    /// Maps it, whole pages.
    pub fn map(&self) -> Result<Mapping, Errno> {
        let page = crate::region::page_size();
        let length = (self.size as usize).next_multiple_of(page);
        self.node.map(self.handle, length)
    }

    /// Maps it, writes `content` and ends the mapping.
    pub fn write(&self, content: &[u8]) -> Result<(), Errno> {
        if content.len() > self.size as usize {
            return Err(Errno::ENOSPC);
        }
        let mapping = self.map()?;
        mapping.write(0, content);
        mapping.unmap()
    }

    /// Destroys it and says how that went.
    pub fn destroy(self) -> Result<(), Errno> {
        let buffer = std::mem::ManuallyDrop::new(self);
        buffer.node.destroy_cb(buffer.handle)
    }
}

impl Drop for CommandBuffer<'_> {
    fn drop(&mut self) {
        // It may be gone with a reset; a test that minds calls `destroy`.
        let _ = self.node.destroy_cb(self.handle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_where_the_kernel_reads_them() {
        let request = CbRequest { op: 1, handle: 2, size: 3, ctx_id: 4, flags: 5 };
        let arguments = request.arguments();
        // SAFETY: `arguments` wrote this member.
        let input = unsafe { arguments.in_ };
        assert_eq!((input.op, input.cb_handle, input.cb_size), (1, 2, 3));
        assert_eq!((input.ctx_id, input.flags), (4, 5));
    }
}
