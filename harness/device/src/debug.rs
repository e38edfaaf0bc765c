// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The DEBUG ioctl: trace and profiling blocks (habanalabs_ioctl.c: hl_debug_ioctl).
//!
//! The kernel only reads the input, so its address may be any number; the output is a
//! [`Pointer`].

use crate::info::Plain;
use crate::{Errno, Node, Pointer};
use uapi::accel::{self, *};

/// A request as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DebugRequest {
    /// Address of the parameters.
    pub input: u64,
    /// Bytes there.
    pub input_size: u32,
    /// Where the answer goes.
    pub output: Pointer,
    /// Bytes there.
    pub output_size: u32,
    /// `HL_DEBUG_OP_*`.
    pub op: u32,
    /// Which of the blocks of its kind.
    pub block: u32,
    /// On or off.
    pub enable: u32,
    /// The context; unused by the driver.
    pub ctx_id: u32,
}

// SAFETY: generated from a header of integers.
unsafe impl Plain for hl_debug_params_etr {}
// SAFETY: generated from a header of integers.
unsafe impl Plain for hl_debug_params_etf {}
// SAFETY: generated from a header of integers.
unsafe impl Plain for hl_debug_params_stm {}
// SAFETY: generated from a header of integers.
unsafe impl Plain for hl_debug_params_bmon {}
// SAFETY: generated from a header of integers.
unsafe impl Plain for hl_debug_params_spmu {}

impl DebugRequest {
    /// A request without input and output.
    pub fn new(op: u32, block: u32, enable: bool) -> Self {
        DebugRequest {
            input: 0,
            input_size: 0,
            output: Pointer::NULL,
            output_size: 0,
            op,
            block,
            enable: enable.into(),
            ctx_id: 0,
        }
    }

    /// The same with an answer to this place.
    pub fn output(mut self, output: Pointer, size: u32) -> Self {
        self.output = output;
        self.output_size = size;
        self
    }

    /// What goes to the kernel.
    pub fn arguments(&self) -> accel::hl_debug_args {
        let DebugRequest { input, input_size, output, output_size, op, block, enable, ctx_id } =
            *self;
        accel::hl_debug_args {
            input_ptr: input,
            output_ptr: output.address(),
            input_size,
            output_size,
            op,
            reg_idx: block,
            enable,
            ctx_id,
        }
    }
}

impl Node {
    /// Sends a request exactly so.
    pub fn debug(&self, request: &DebugRequest) -> Result<(), Errno> {
        // SAFETY: the kernel reads the input and writes to a `Pointer`.
        unsafe { self.ioctl(accel::DRM_IOCTL_HL_DEBUG, &mut request.arguments()) }.map(|_| ())
    }

    /// Sends a request with these parameters as its input.
    pub fn debug_with<T: Plain>(&self, request: &DebugRequest, input: &T) -> Result<(), Errno> {
        let size = u32::try_from(size_of::<T>()).map_err(|_| Errno::E2BIG)?;
        let address = std::ptr::from_ref(input) as u64;
        self.debug(&DebugRequest { input: address, input_size: size, ..*request })
    }

    /// Enters or leaves debug mode.
    pub fn debug_mode(&self, on: bool) -> Result<(), Errno> {
        self.debug(&DebugRequest::new(HL_DEBUG_OP_SET_MODE, 0, on))
    }

    /// Enters debug mode until the guard is dropped.
    pub fn debugging(&self) -> Result<DebugMode<'_>, Errno> {
        self.debug_mode(true)?;
        Ok(DebugMode(self))
    }
}

/// Debug mode; left when dropped.
#[derive(Debug)]
pub struct DebugMode<'a>(&'a Node);

impl Drop for DebugMode<'_> {
    fn drop(&mut self) {
        // The device may be in reset; then debug mode is gone already.
        let _ = self.0.debug_mode(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_where_the_kernel_reads_them() {
        let request = DebugRequest {
            input: 1,
            input_size: 2,
            output: Pointer::KERNEL,
            output_size: 3,
            op: 4,
            block: 5,
            enable: 6,
            ctx_id: 7,
        };
        let arguments = request.arguments();
        assert_eq!((arguments.input_ptr, arguments.input_size), (1, 2));
        assert_eq!(arguments.output_ptr, Pointer::KERNEL.address());
        assert_eq!((arguments.output_size, arguments.op, arguments.reg_idx), (3, 4, 5));
        assert_eq!((arguments.enable, arguments.ctx_id), (6, 7));
    }
}
