// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Why a graph cannot be built, compiled or run.

use crate::stopped::Stopped;
use device::Errno;
use thiserror::Error;

/// Why a graph cannot be built, compiled or run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Operands do not fit together.
    #[error("{node}: {why}")]
    Shape {
        /// The node.
        node: String,
        /// What does not fit.
        why: String,
    },
    /// A chip cannot be told to do it.
    #[error("{node} needs {what}")]
    Missing {
        /// The node.
        node: String,
        /// What is missing.
        what: &'static str,
    },
    /// A number is larger than the descriptor's field for it.
    #[error("{what} is {value}, more than {limit}: make the tensor smaller")]
    TooLarge {
        /// What.
        what: &'static str,
        /// How much.
        value: u64,
        /// The limit.
        limit: u64,
    },
    /// The tensors that live at once need more memory than there is.
    #[error("{bytes} bytes do not fit into device memory: {room} are left at the best place")]
    NoRoom {
        /// What a tensor needs.
        bytes: u64,
        /// What is left.
        room: u64,
    },
    /// More sync objects or monitors than users have.
    #[error("the graph needs {needed} {what}, there are {free}")]
    Sync {
        /// Sync objects or monitors.
        what: &'static str,
        /// How many are needed.
        needed: usize,
        /// How many there are.
        free: usize,
    },
    /// The values of a tensor have the wrong number.
    #[error("tensor {tensor} takes {expected} bytes, not {got}")]
    Values {
        /// Its name.
        tensor: String,
        /// What it takes.
        expected: u64,
        /// What came.
        got: u64,
    },
    /// The kernel refused a call.
    #[error("{call} gives {errno:?}")]
    Refused {
        /// Which.
        call: &'static str,
        /// What it said.
        errno: Errno,
    },
    /// The submission did not complete.
    #[error("the wait for submission {sequence} ends with status {status}")]
    Unfinished {
        /// Its number.
        sequence: u64,
        /// `HL_WAIT_CS_STATUS_*`.
        status: u32,
    },
    /// A run did not come to its end.
    #[error("{why}: {stopped}")]
    Stopped {
        /// What the kernel said.
        why: Box<Error>,
        /// Where it stands.
        stopped: Stopped,
    },
}

impl Error {
    /// A refused call.
    pub fn refused(call: &'static str) -> impl FnOnce(Errno) -> Error {
        move |errno| Error::Refused { call, errno }
    }
}
