// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What runs where and when: a table of steps, and a picture of queues, steps and syncs.
//!
//! The times are those of the model's order, not of a chip: a step begins when everything that it
//! waits for has ended and its queues are free, and takes a tick for each KiB that it touches.

use crate::plan::{Action, Plan};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Bytes of a tick.
const TICK: u64 = 1024;

/// A step in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// Names of its queues.
    pub queues: Vec<String>,
    /// Bytes that it reads and writes.
    pub bytes: u64,
    /// First tick, and the one behind the last.
    pub ticks: (u64, u64),
    /// Steps that it waits for.
    pub after: Vec<usize>,
}

/// The steps of a plan in time.
pub fn rows(plan: &Plan) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut free: BTreeMap<u32, u64> = BTreeMap::new();
    for step in &plan.steps {
        let touched = step.action.reads().into_iter().chain(step.action.writes());
        let bytes = touched.map(|id| plan.tensors[id.0].shape.bytes()).sum();
        let before = step.after.iter().map(|n| rows[*n].ticks.1);
        let queues = step.queues.iter().map(|queue| free.get(queue).copied().unwrap_or(0));
        let start = before.chain(queues).max().unwrap_or(0);
        let end = start + u64::max(1, u64::div_ceil(bytes, TICK));
        for queue in &step.queues {
            free.insert(*queue, end);
        }
        rows.push(Row {
            name: step.name.clone(),
            queues: step.queues.iter().map(|queue| plan.chip.name(*queue)).collect(),
            bytes,
            ticks: (start, end),
            after: step.after.clone(),
        });
    }
    rows
}

/// What kind of engine a step runs on.
pub fn engine(action: &Action) -> &'static str {
    match action {
        Action::Load(_) | Action::Store(_) | Action::Copy(..) => "DMA",
        Action::Contraction(..) => "MME",
        Action::Kernel(_) => "TPC",
    }
}

/// The table: a line for each step.
pub fn table(plan: &Plan) -> String {
    let mut text = format!(
        "{:>4}  {:6}  {:>2}  {:>10}  {:>15}  {}\n",
        "step", "engine", "n", "bytes", "ticks", "node"
    );
    for (index, (row, step)) in rows(plan).iter().zip(&plan.steps).enumerate() {
        let Row { name, queues, bytes, ticks: (start, end), after: _ } = row;
        let (engine, count) = (engine(&step.action), queues.len());
        let ticks = format!("{start}..{end}");
        let _ = writeln!(text, "{index:4}  {engine:6}  {count:2}  {bytes:10}  {ticks:>15}  {name}");
    }
    text
}

/// Pixels: left margin, width of the ticks, height of a lane.
const LEFT: u64 = 170;
const WIDTH: u64 = 1000;
const LANE: u64 = 28;

/// The picture, as SVG.
pub fn svg(plan: &Plan) -> String {
    let rows = rows(plan);
    let end = rows.iter().map(|row| row.ticks.1).max().unwrap_or(1).max(1);
    let mut lanes: Vec<&str> = Vec::new();
    for queue in rows.iter().flat_map(|row| &row.queues) {
        if !lanes.contains(&queue.as_str()) {
            lanes.push(queue);
        }
    }
    let lane = |row: &Row| row.queues.first().and_then(|q| lanes.iter().position(|l| l == q));
    let x = |tick: u64| LEFT + tick * WIDTH / end;
    let height = LANE * (lanes.len() as u64 + 1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"currentColor\">\n<title>Queues, steps and syncs</title>\n",
        LEFT + WIDTH + 20
    );
    for (n, name) in lanes.iter().enumerate() {
        let y = n as u64 * LANE;
        let _ = writeln!(out, "<text x=\"4\" y=\"{}\">{}</text>", y + 18, escaped(name));
        let line = y + LANE - 2;
        let right = LEFT + WIDTH;
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {line}H{right}\" stroke=\"currentColor\" stroke-opacity=\"0.2\" fill=\"none\"/>"
        );
    }
    for (row, step) in rows.iter().zip(&plan.steps) {
        let colour = match step.action {
            Action::Load(_) | Action::Store(_) | Action::Copy(..) => "#8ab",
            Action::Contraction(..) => "#d95",
            Action::Kernel(_) => "#6b7",
        };
        let (left, right) = (x(row.ticks.0), x(row.ticks.1).max(x(row.ticks.0) + 2));
        for queue in &row.queues {
            let y = lanes.iter().position(|lane| lane == queue).unwrap_or(0) as u64 * LANE + 4;
            let _ = writeln!(
                out,
                "<rect x=\"{left}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"{colour}\">\
                 <title>{}: {} bytes</title></rect>",
                right - left,
                LANE - 10,
                escaped(&row.name),
                row.bytes
            );
        }
        for before in &row.after {
            let (Some(from), Some(to)) = (lane(&rows[*before]), lane(row)) else { continue };
            let middle = |lane: usize| lane as u64 * LANE + LANE / 2;
            let _ = writeln!(
                out,
                "<path d=\"M{} {}L{left} {}\" stroke=\"currentColor\" stroke-width=\"0.6\"/>",
                x(rows[*before].ticks.1),
                middle(from),
                middle(to)
            );
        }
    }
    let _ = writeln!(
        out,
        "<text x=\"{LEFT}\" y=\"{}\">{end} ticks in the model's order, one for a KiB touched; lines \
         are syncs</text>\n</svg>",
        height - 8
    );
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::GAUDI;
    use crate::plan::Room;
    use crate::{DataType, Graph, Product, Shape};

    #[test]
    fn steps_wait_and_pictures_are_whole() {
        let mut g = Graph::new();
        let square = Shape::dense(DataType::F32, &[64, 64]);
        let (a, b) = (g.input("a<b", square.clone()), g.input("b", square));
        let c = g.product("p", a, b, Product::default()).unwrap_or_else(|why| panic!("{why}"));
        g.output(c);
        let room = Room { sram: (0, 1 << 20), dram: (1 << 30, 1 << 20) };
        let plan = Plan::new(&g, GAUDI, &room).unwrap_or_else(|why| panic!("{why}"));
        let rows = rows(&plan);
        // Both inputs come one after the other: they share a queue.
        let ticks: Vec<_> = rows.iter().map(|row| row.ticks).collect();
        assert_eq!(ticks, [(0, 16), (16, 32), (32, 80), (80, 96)]);
        assert_eq!(table(&plan).lines().count(), 5);
        let svg = svg(&plan);
        assert!(svg.contains("a&lt;b") && svg.matches("<rect").count() >= 5, "{svg}");
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }
}
