// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What cases of several areas need: device nodes, guarded memory, helpers that run beside the
//! body, sysfs and debugfs, words of the device, leak accounting.

pub mod beside;
pub mod buffer;
pub mod eventfd;
pub mod files;
pub mod importer;
pub mod leak;
pub mod log;
pub mod node;
pub mod submit;
pub mod typed;
pub mod unbound;
pub mod victim;
pub mod wait;
pub mod window;
