// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What a case is: a rule about the driver, the requirement rows that it proves, what it needs,
//! and a body that starts from a fresh process.
//!
//! The four ways a body ends are kept apart: `Ok` (the rule held), [`Stop::Fail`] (the driver is
//! wrong), [`Stop::Broken`] (the test could not be carried out) and [`Stop::Skip`] (it does not
//! apply here, with the missing thing named).

mod check;
mod context;
mod kind;
mod model;
mod result;

pub use check::{check, equal, errno, fail, require, succeed};
pub use context::{Context, Environment};
pub use kind::{Body, Cards, Case, Change, Guest};
pub use model::{ModelError, ModelPort};
pub use result::{CaseResult, Failure, Report, Stop};
