// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The runner: supervises cases, in the guest or on metal.
//!
//! One process per case (this program again, `case NAME`), three clocks, a kill ladder, and after
//! each case a look at the kernel log, the taint, the device's status and reset counter, the
//! driver's reference count and, where there is a model, its findings. Everything that happens is
//! an event handed to the caller before the next step; the caller writes it down.
//!
//! Limits: what a case does to the machine outside of the driver (files, sysctls) is not undone;
//! kernel log records that arrive late are counted with the next case.

mod child;
mod entry;
mod facts;
mod family;
mod fault;
pub mod guest;
mod judge;
mod kmsg;
mod locate;
mod output;
mod plan;
mod session;
mod settle;
mod stacks;
mod taint;
mod wait;

pub use entry::run_case;
pub use facts::facts;
pub use fault::{Fault, HEADLINES, faults, is_fatal};
pub use kmsg::{Entry, KernelLog};
pub use locate::{Found, Missing, Roots, find};
pub use plan::{Bytes, Clocks, Message, Module, Plan, Settings, Work};
pub use session::{Machine, Session, Stopped};
pub use taint::Taint;
