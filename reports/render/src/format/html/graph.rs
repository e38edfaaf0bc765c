// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The page of one graph that `gauntlet graph` ran: the answer, the timeline, the steps.

use super::{STYLE, text};
use askama::Template;

/// A run of a graph.
#[derive(Clone, Debug)]
pub struct GraphRun {
    /// Name of the model.
    pub model: String,
    /// What it ran on.
    pub device: String,
    /// Exit code: 0 right, 1 wrong, any other not carried out.
    pub code: u8,
    /// What the comparison said.
    pub answer: String,
    /// Its steps, in order.
    pub steps: Vec<GraphStep>,
    /// The timeline, as SVG with all names escaped: it goes in as it is.
    pub picture: String,
}

/// A step of a graph.
#[derive(Clone, Debug)]
pub struct GraphStep {
    /// Name of the node.
    pub node: String,
    /// Engine that does it.
    pub engine: &'static str,
    /// Its queues.
    pub queues: Vec<String>,
    /// Bytes that it touches.
    pub bytes: u64,
    /// First tick, and the one behind the last.
    pub ticks: (u64, u64),
    /// Numbers of the steps that it waits for.
    pub after: Vec<usize>,
}

impl GraphStep {
    fn waits(&self) -> String {
        let numbers: Vec<_> = self.after.iter().map(ToString::to_string).collect();
        numbers.join(" ")
    }
}

#[derive(Template)]
#[template(path = "graph.html")]
struct Page<'a> {
    title: &'static str,
    icon: &'static str,
    tone: &'static str,
    run: &'a GraphRun,
}

impl GraphRun {
    /// The page.
    pub fn html(&self) -> String {
        let (title, tone, icon) = match self.code {
            0 => ("Right", "t-ok", "1a7f4b"),
            1 => ("Wrong", "t-bad", "c02a2a"),
            _ => ("Not carried out", "t-odd", "7a3fb0"),
        };
        text(&Page { title, icon, tone, run: self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_answer_the_picture_and_every_step_and_escapes_names() {
        let step = |node: &str| GraphStep {
            node: node.into(),
            engine: "TPC",
            queues: vec!["TPC0".into()],
            bytes: 64,
            ticks: (3, 4),
            after: vec![0, 7],
        };
        let page = |code| {
            let run = GraphRun {
                model: "<m>.onnx".into(),
                device: "gaudi".into(),
                code,
                answer: "output y: 1 < 2".into(),
                steps: vec![step("a<b"), step("relu")],
                picture: "<svg><title>queues</title></svg>".into(),
            };
            run.html()
        };
        let right = page(0);
        for part in ["&#60;m&#62;.onnx", "1 &#60; 2", "a&#60;b", "relu", "3..4", "0 7", "<svg>"] {
            assert!(right.contains(part), "{part}: {right}");
        }
        assert!(right.contains(">Right<") && page(1).contains(">Wrong<"));
        assert!(page(6).contains(">Not carried out<"));
    }
}
