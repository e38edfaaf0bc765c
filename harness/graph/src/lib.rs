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
//! [`contraction`] makes descriptors of the matrix engine, [`kernel`] those of the tensor cores,
//! [`chip`] has the data of a chip, [`check`] says by plain loops what nodes should give.
//!
//! # How nodes are made
//!
//! Tensors are `f32` or `bf16` ([`DataType`]), of any sizes, the last dimension fastest. The matrix
//! engine: [`Graph::product`], [`Graph::convolution`]. Tensor cores take [`view::View`]s, which
//! slice, transpose, repeat and reshape tensors without moving anything:
//!
//! ```
//! use graph::{DataType, Graph, Op, Shape};
//! # fn main() -> Result<(), graph::Error> {
//! let mut g = Graph::new();
//! let x = g.input("x", Shape::dense(DataType::F32, &[2, 3, 4]));
//! let bias = g.constant("bias", DataType::F32, &[4], &[1.0, 2.0, 3.0, 4.0]);
//! // Sizes of 1 and missing dimensions in front are repeated.
//! let sum = g.binary("sum", Op::Add, x, bias)?;
//! let y = g.unary("relu", Op::Relu, sum)?;
//! let soft = g.along("softmax", Op::Softmax, y, 1)?;
//! let small = g.cast("small", soft, DataType::Bf16)?;
//! // A transpose is a copy of a view; so are slices and pooling windows.
//! let turned = g.view(small).permute(&[2, 0, 1])?;
//! let turned = g.unary("transpose", Op::Copy, turned)?;
//! // Joining: parts of one tensor are written by several nodes.
//! let both = g.space("both", DataType::Bf16, &[4, 2, 6]);
//! for part in 0..2 {
//!     let to = g.view(both).slice(2, 3 * part, 3, 1)?;
//!     g.write("part", Op::Copy, &[g.view(turned)], to)?;
//! }
//! g.output(both);
//! # Ok(())
//! # }
//! ```
//!
//! Graphs on several streams hand tensors to each other in sections ([`Share::section`],
//! [`Graph::section`]) and are ordered by events ([`Share::event`], [`Graph::signal`],
//! [`Graph::wait_for`]); the host submits all of them at once.
//!
//! Any number of dimensions that can be joined to five will do; else it is an error that says so.
//!
//! Not covered: the matrix engine of Gaudi2, element types beside these two, several runs of one session at once.

pub mod check;
pub mod chip;
pub mod contraction;
pub mod error;
pub mod graph;
pub mod kernel;
mod ops;
pub mod plan;
pub mod schedule;
pub mod session;
pub mod stopped;
pub mod tensor;
pub mod timeline;
pub mod view;

pub use error::Error;
pub use graph::{Convolution, Event, Graph, Product, TensorId};
pub use kernel::{Op, Routine};
pub use session::{Session, Share};
pub use stopped::Stopped;
pub use tensor::{DataType, Shape};
pub use view::{Operand, View};
