// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Whole graphs on the device: tensors, nodes, and the submissions that they become.

pub mod contraction;
pub mod error;
pub mod tensor;

pub use error::Error;
