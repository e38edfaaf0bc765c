// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! ONNX models: read, checked, computed by a plain reference, and made into primitives that the
//! device can run.
//!
//! 1. [`model::Model::read`] decodes a file and checks what can be checked without values.
//! 2. [`program::Program::new`] takes values for the inputs and makes [`primitive::Primitive`]s of
//!    the nodes ([`operators`]: one line an operator). Each primitive is computed at once by
//!    [`reference`], in double precision and with a bound on the error of a computation in f32
//!    ([`num::Num`]): that is the tolerance of every result.
//!
//! Supported: operator sets 7 to 24; float and bfloat16 on the device, int64 and int32 for what is
//! known before it runs, bool as 0 and 1. Whatever else is met is named in the error, never guessed.
//! Not covered: control flow, sequences, quantisation, strings, training, values in other files.

pub mod error;
pub mod lower;
pub mod model;
pub mod node_test;
pub mod num;
pub mod operators;
pub mod primitive;
pub mod program;
pub mod proto;
pub mod reference;
pub mod run;
pub mod sample;
pub mod tensor;
pub mod user;
pub mod view;

pub use error::Error;
pub use model::Model;
pub use primitive::Primitive;
pub use program::{Program, Values};
pub use tensor::{Tensor, Type};
