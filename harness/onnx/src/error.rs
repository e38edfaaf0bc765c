// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Why a model cannot be read or run.

use thiserror::Error;

/// Why a model cannot be read or run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// The bytes are no such message.
    #[error("{what} is no ONNX {kind}: {why}")]
    Malformed {
        /// The file or tensor.
        what: String,
        /// `model` or `tensor`.
        kind: &'static str,
        /// What is wrong.
        why: String,
    },
    /// An operator that is not there, or one of its options.
    #[error("operator {0} is not supported")]
    Operator(String),
    /// A type that is not there.
    #[error(
        "{what} has type {name}: only float, bfloat16, and int64, int32, bool for shapes and conditions are supported"
    )]
    Type {
        /// The tensor.
        what: String,
        /// The type.
        name: String,
    },
    /// An operator set that is not there.
    #[error("operator set {0} is not supported: {first} to {last} are", first = crate::model::OPSETS.0, last = crate::model::OPSETS.1)]
    Opset(i64),
    /// The pieces do not fit together.
    #[error("node {node}: {why}")]
    Node {
        /// Its name, or its operator and output.
        node: String,
        /// What does not fit.
        why: String,
    },
    /// The graph layer cannot make a node of it.
    #[error(transparent)]
    Graph(#[from] graph::Error),
    /// An input of the graph is missing or of another kind.
    #[error("input {name}: {why}")]
    Input {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
}

/// What most functions here give.
pub type Result<T> = std::result::Result<T, Error>;
