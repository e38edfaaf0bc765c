// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The typed layer over the kernel interface of habanalabs: one file per ioctl, one for each
//! other way in (mmap, sysfs, debugfs, procfs).
//!
//! Three rules hold everywhere:
//! * Every ioctl can be sent exactly as a test wants it: a request is a plain struct whose fields
//!   all may be wrong; it prints itself for failure messages.
//! * Addresses that the kernel or the device writes to are a [`Pointer`], which is either memory
//!   that was mapped for the purpose or an address that cannot be written at all. So a wrong
//!   request cannot damage the process, and no caller needs `unsafe`.
//! * What a call creates is a guard, and dropping the guard takes it back.
//!
//! Not here: what the answers should be. That is the business of the suites.

pub mod cb;
pub mod cs;
pub mod debug;
pub mod importer;
pub mod info;
pub mod memory;
pub mod mmap;
pub mod open;
pub mod procfs;
pub mod program;
pub mod region;
pub mod sync;
pub mod sysfs;
pub mod wait;

pub use cb::{CbRequest, CommandBuffer};
pub use cs::{Chunk, CsAnswer, CsRequest};
pub use debug::DebugRequest;
pub use importer::Importer;
pub use info::InfoRequest;
pub use memory::{Allocation, DmaBuf, MapGuard, MemoryRequest};
pub use mmap::Mapping;
pub use open::Node;
pub use program::Program;
pub use region::{Pages, Pointer};
pub use sync::{Compare, SyncManager};
pub use uapi::raw::Errno;
pub use wait::{WaitAnswer, WaitRequest};
