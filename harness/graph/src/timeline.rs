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
            queues: plan.chip.names(&step.queues),
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
        let Row { name, queues: _, bytes, ticks: (start, end), after: _ } = row;
        let (engine, count) = (engine(&step.action), step.queues.len());
        let ticks = format!("{start}..{end}");
        let _ = writeln!(text, "{index:4}  {engine:6}  {count:2}  {bytes:10}  {ticks:>15}  {name}");
    }
    text
}

/// Pixels: left margin, width of the ticks, height of a lane.
const LEFT: u64 = 130;
const WIDTH: u64 = 1000;
const LANE: u64 = 28;
/// Pixels of a digit.
const DIGIT: u64 = 7;

/// A line for each queue: engines in the order of their first step, then by number.
fn lanes(plan: &Plan) -> Vec<u32> {
    let mut kinds = Vec::new();
    let mut lanes = Vec::new();
    for queue in plan.steps.iter().flat_map(|step| &step.queues) {
        let kind = hw::queue::queue(plan.chip.generation, *queue).map(|found| found.engine);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        let lane = (kinds.iter().position(|known| *known == kind), *queue);
        if !lanes.contains(&lane) {
            lanes.push(lane);
        }
    }
    lanes.sort_unstable();
    lanes.into_iter().map(|(_, queue)| queue).collect()
}

/// What a picture is made of.
struct Picture<'a> {
    plan: &'a Plan,
    rows: Vec<Row>,
    lanes: Vec<u32>,
    /// The last tick.
    end: u64,
    out: String,
}

impl Picture<'_> {
    fn lane(&self, queue: u32) -> Option<u64> {
        self.lanes.iter().position(|lane| *lane == queue).map(|n| n as u64)
    }

    /// The topmost line of a step.
    fn top(&self, step: usize) -> Option<u64> {
        self.plan.steps[step].queues.iter().filter_map(|queue| self.lane(*queue)).min()
    }

    fn x(&self, tick: u64) -> u64 {
        LEFT + tick * WIDTH / self.end
    }

    fn names(&mut self) {
        for (n, queue) in (0..).zip(&self.lanes) {
            let (name, y) = (self.plan.chip.name(*queue), n * LANE);
            let (text, line, right) = (y + 18, y + LANE - 2, LEFT + WIDTH);
            let _ = writeln!(
                self.out,
                "<text x=\"4\" y=\"{text}\">{}</text>\n<path d=\"M{LEFT} {line}H{right}\" \
                 stroke=\"currentColor\" stroke-opacity=\"0.2\" fill=\"none\"/>",
                escaped(&name)
            );
        }
    }

    /// A bar on each line of a step, and its number in the table where there is room.
    fn bars(&mut self, number: usize) {
        let (row, step) = (&self.rows[number], &self.plan.steps[number]);
        let colour = match step.action {
            Action::Load(_) | Action::Store(_) | Action::Copy(..) => "#8ab",
            Action::Contraction(..) => "#d95",
            Action::Kernel(_) => "#6b7",
        };
        let left = self.x(row.ticks.0);
        let right = self.x(row.ticks.1).max(left + 2);
        let (title, bytes) = (escaped(&row.name), row.bytes);
        let mut bars = String::new();
        for y in step.queues.iter().filter_map(|queue| self.lane(*queue)) {
            let (y, width, height) = (y * LANE + 4, right - left - 1, LANE - 10);
            let _ = writeln!(
                bars,
                "<rect x=\"{left}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" \
                 fill=\"{colour}\"><title>{number} {title}: {bytes} bytes</title></rect>"
            );
        }
        let room = right - left > DIGIT * (number.to_string().len() as u64 + 1);
        if let Some(top) = self.top(number).filter(|_| room) {
            let (x, y) = (left + 4, top * LANE + 18);
            let _ = writeln!(bars, "<text x=\"{x}\" y=\"{y}\">{number}</text>");
        }
        self.out.push_str(&bars);
    }

    /// A line from each step that it waits for.
    fn waits(&mut self, number: usize) {
        let middle = |lane: u64| lane * LANE + LANE / 2;
        let to = self.x(self.rows[number].ticks.0);
        let mut lines = String::new();
        for before in &self.rows[number].after {
            let from = self.x(self.rows[*before].ticks.1);
            let (Some(above), Some(below)) = (self.top(*before), self.top(number)) else {
                continue;
            };
            let (above, below) = (middle(above), middle(below));
            let _ = writeln!(
                lines,
                "<path d=\"M{from} {above}L{to} {below}\" stroke=\"currentColor\" \
                 stroke-width=\"0.6\"/>"
            );
        }
        self.out.push_str(&lines);
    }
}

/// The picture, as SVG.
pub fn svg(plan: &Plan) -> String {
    let (rows, lanes) = (rows(plan), lanes(plan));
    let end = rows.iter().map(|row| row.ticks.1).max().unwrap_or(1).max(1);
    let (width, height) = (LEFT + WIDTH + 10, LANE * (lanes.len() as u64 + 1));
    let out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"11\" fill=\"currentColor\">\n\
         <title>Queues, steps and syncs</title>\n"
    );
    let mut picture = Picture { plan, rows, lanes, end, out };
    picture.names();
    (0..plan.steps.len()).for_each(|step| picture.bars(step));
    (0..plan.steps.len()).for_each(|step| picture.waits(step));
    let y = height - 8;
    let _ = writeln!(
        picture.out,
        "<text x=\"{LEFT}\" y=\"{y}\">{end} ticks in the model's order, one for a KiB touched; \
         numbers are those of the steps, lines are syncs</text>\n</svg>"
    );
    picture.out
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
