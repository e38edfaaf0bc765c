// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! How a body ends.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a body returns.
pub type CaseResult<T = ()> = Result<T, Stop>;

/// Why a body stopped before its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// The driver did not do what the rule says.
    Fail(Failure),
    /// The test could not be carried out; nothing is said about the driver.
    Broken(String),
    /// It does not apply here: the reason names the missing thing.
    Skip(String),
}

/// An assertion that did not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// One line: what should have been.
    pub message: String,
    /// `expected`, `got`, `request`, `at` and whatever else helps.
    pub details: BTreeMap<String, String>,
}

impl Failure {
    /// A failure located at the caller.
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Self {
        let at = std::panic::Location::caller();
        let details = BTreeMap::from([("at".to_string(), format!("{}:{}", at.file(), at.line()))]);
        Failure { message: message.into(), details }
    }

    /// Adds one detail.
    pub fn with(mut self, name: &str, value: impl std::fmt::Debug) -> Self {
        self.details.insert(name.to_string(), format!("{value:?}"));
        self
    }
}

impl Stop {
    /// Adds the request (a struct) to a failure; leaves the other kinds alone.
    pub fn request(self, request: &impl std::fmt::Debug) -> Self {
        match self {
            Stop::Fail(failure) => Stop::Fail(failure.with("request", request)),
            Stop::Broken(_) | Stop::Skip(_) => self,
        }
    }
}

/// What the process of a case hands to its runner: the end of the body as one JSON line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `None`: the rule held.
    pub stop: Option<Stop>,
}
