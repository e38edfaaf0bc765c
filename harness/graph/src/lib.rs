// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Whole graphs on the device, through the kernel interface alone.
//!
//! How a graph becomes command submissions:
//!
//! 1. A [`Graph`] is written down: tensors ([`tensor::Shape`]: type, sizes, strides) and nodes.
//! 2. [`plan`] makes steps of it. Inputs are loaded by the DMA engine that reads the host, outputs
//!    stored by the one that writes it; a node runs on the engine that can do it. Each tensor gets
//!    an address in SRAM or DRAM that no other tensor has while both are needed. Steps that touch
//!    the same memory are ordered.
//! 3. [`schedule`] writes one program of packets for each queue. Order between queues is kept by
//!    sync objects, monitors and fences only: the host is not asked in the middle.
//! 4. A [`Session`] puts the programs where queues fetch them and submits all of them in one call.
//!    Jobs of external queues complete by the kernel's completion queues; those of the others
//!    count as complete with them, which is why the queue to the host waits for everything.
//!
//! [`contraction`] makes descriptors of the matrix engine, [`chip`] has the data of a chip.
//!
//! Not covered: tensor cores, Gaudi2, several runs of one session at once. Copies inside of the
//! device are planned and written, but no case has shown them on a device yet.

pub mod chip;
pub mod contraction;
pub mod error;
pub mod graph;
pub mod plan;
pub mod schedule;
pub mod session;
pub mod tensor;

pub use error::Error;
pub use graph::{Convolution, Graph, Product, TensorId};
pub use session::{Session, Share};
pub use tensor::{DataType, Shape};
