// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A run that did not end, told in nodes: the first one that did not finish, and what is at the
//! address of the page fault, if there was one.
//!
//! Steps are counted in their order by the device itself (module `schedule`). All steps before the
//! first that is not counted are done, those that it waits for among them: it is this one that did
//! not finish, not one that waits for another. The driver keeps the first page fault since the
//! node was opened (`memory.c: hl_handle_page_fault`).
//!
//! Limits: of nodes that stopped together the first of the plan is named.

use std::fmt;

/// Bytes of what a page fault tells apart.
const PAGE: u64 = 4096;

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopped {
    /// The first node that did not finish; `None`: all did.
    pub node: Option<String>,
    /// The queues that work on it.
    pub queues: Vec<String>,
    /// The first page fault.
    pub fault: Option<Fault>,
}

/// A page fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its address.
    pub address: u64,
    /// The engine, as the driver numbers it.
    pub engine: u16,
    /// What the graph has there.
    pub what: Option<String>,
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.node {
            Some(node) => {
                let queues = self.queues.join(", ");
                write!(f, "node {node} on {queues} is the first that did not finish")?;
            }
            None => write!(f, "all nodes finished")?,
        }
        match &self.fault {
            Some(fault) => write!(f, "; {fault}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { address, engine, what } = self;
        let what = what.as_deref().unwrap_or("nothing of the graph");
        write!(f, "page fault of engine {engine} at {address:#x}, where {what} is")
    }
}

/// What is where, as the device sees it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Landmarks(Vec<(u64, u64, String)>);

impl Landmarks {
    /// Adds a range.
    pub(crate) fn add(&mut self, address: u64, bytes: u64, what: impl Into<String>) {
        self.0.push((address, bytes, what.into()));
    }

    /// What is in the page of an address; what was added first counts.
    pub(crate) fn at(&self, address: u64) -> Option<String> {
        let page = address / PAGE * PAGE;
        let holds = |(start, bytes, _): &&(u64, u64, String)| {
            page < start.saturating_add(*bytes) && *start < page + PAGE
        };
        let exact = |(start, bytes, _): &&(u64, u64, String)| {
            (*start..start.saturating_add(*bytes)).contains(&address)
        };
        let found = self.0.iter().find(exact).or_else(|| self.0.iter().find(holds));
        found.map(|(_, _, what)| what.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_addresses_are_told() {
        let mut marks = Landmarks::default();
        marks.add(0x10_0000, 0x80, "input x");
        marks.add(0x10_0080, 0x80, "input y");
        assert_eq!(marks.at(0x10_0084).as_deref(), Some("input y"));
        // The address of a fault may be that of its page.
        assert_eq!(marks.at(0x10_0f00).as_deref(), Some("input x"));
        assert_eq!(marks.at(0x10_1000), None);
        let fault = Fault { address: 0x10_0084, engine: 7, what: marks.at(0x10_0084) };
        let (node, queues) = (Some("load y".into()), vec!["Dma 0 stream 0".into()]);
        let text = Stopped { node, queues, fault: Some(fault) }.to_string();
        let wanted = "node load y on Dma 0 stream 0 is the first that did not finish; page fault \
                      of engine 7 at 0x100084, where input y is";
        assert_eq!(text, wanted);
    }
}
