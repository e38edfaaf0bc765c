// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Graphs that run again and again, and two of them at once.
//!
//! Where a chip's matrix engine cannot be used, elements are multiplied one by one instead.

use super::done;
use super::reference::{compare, equals, values};
use crate::common::typed::compute;
use case::{Case, CaseResult, Context, equal};
use graph::check::Products;
use graph::chip::Chip;
use graph::{DataType, Graph, Op, Product, Session, Shape, Share, TensorId};
use hw::Generation;
use rand::SeedableRng;
use rand::rngs::StdRng;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new("graph/replay/thousand_runs_give_identical_bytes", &["GRAPH-019"], thousand)
            .budget(120),
        Case::new("graph/replay/new_inputs_give_new_results", &["GRAPH-019"], fresh),
        Case::new("graph/streams/two_graphs_interleave", &["GRAPH-020"], interleaved),
        Case::new("graph/streams/an_event_orders_two_graphs", &["GRAPH-020"], event).budget(30),
        Case::new("graph/streams/all_queues_work_at_once", &["GRAPH-020"], crowded).budget(60),
    ]
}

const N: usize = 32;
const DATA: DataType = DataType::Bf16;

/// How matrices are multiplied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Times {
    /// As matrices.
    Matrix,
    /// Element by element.
    Elements,
}

impl Times {
    fn of(chip: &Chip) -> Self {
        if chip.matrix.is_some() { Times::Matrix } else { Times::Elements }
    }

    /// A node that multiplies; element by element nothing but the type of the operands comes out.
    fn node(
        self,
        g: &mut Graph,
        name: &str,
        [x, y]: [TensorId; 2],
        output: DataType,
    ) -> CaseResult<TensorId> {
        match self {
            Times::Matrix => done(g.product(name, x, y, Product { output, ..Product::default() })),
            Times::Elements => done(g.binary(name, Op::Mul, x, y)),
        }
    }

    /// `max((a * b, rounded) * b, 0)`: matrix engine, then tensor cores.
    fn graph(self) -> CaseResult<(Graph, [TensorId; 3])> {
        let mut g = Graph::new();
        let square = Shape::dense(DATA, &[N as u32, N as u32]);
        let a = g.input("a", square.clone());
        let b = g.input("b", square);
        let inner = self.node(&mut g, "inner", [a, b], DATA)?;
        let outer = self.node(&mut g, "outer", [inner, b], DataType::F32)?;
        let c = done(g.unary("relu", Op::Relu, outer))?;
        g.output(c);
        Ok((g, [a, b, c]))
    }

    /// What such a graph gives is right.
    fn check(self, a: &[f32], b: &[f32], got: &[u8]) -> CaseResult {
        match self {
            Times::Matrix => {
                let inner = product(a, b);
                let inner = (0..N * N).map(|index| inner(index).exact(DATA, false));
                let inner: Vec<f32> = inner.collect();
                let got = DataType::F32.decode(got);
                compare("relu", &got, DataType::F32, true, product(&inner, b))
            }
            Times::Elements => {
                let times = |x: &[f32], y: &[f32]| {
                    let all: Vec<f32> = x.iter().zip(y).map(|(x, y)| x * y).collect();
                    DATA.decode(&DATA.encode(&all))
                };
                let outer = times(&times(a, b), b);
                let want: Vec<f32> = outer.into_iter().map(|x| x.max(0.0)).collect();
                equals("relu", &DATA.decode(got), &want)
            }
        }
    }
}

fn product<'a>(a: &'a [f32], b: &'a [f32]) -> impl Fn(usize) -> Products + 'a {
    move |index| Products::of((0..N).map(move |p| (a[index / N * N + p], b[p * N + index % N])))
}

fn thousand(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let chip = done(Chip::found(&node))?;
    let times = Times::of(&chip);
    let (g, [a, b, c]) = times.graph()?;
    let share = done(Share::all(&node, &chip))?;
    let session = done(Session::new(&node, chip, &share, &g))?;
    let mut random = StdRng::seed_from_u64(19);
    let (x, y) = (values(&mut random, N * N), values(&mut random, N * N));
    done(session.set(a, &DATA.encode(&x)))?;
    done(session.set(b, &DATA.encode(&y)))?;
    done(session.run())?;
    let first = session.get(c);
    times.check(&x, &y, &first)?;
    for run in 1..1000 {
        // A run that did nothing would leave this.
        done(session.spoil(c))?;
        done(session.run())?;
        equal(&format!("result of run {run}"), session.get(c) == first, true)?;
    }
    Ok(())
}

fn fresh(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let chip = done(Chip::found(&node))?;
    let times = Times::of(&chip);
    let (g, [a, b, c]) = times.graph()?;
    let share = done(Share::all(&node, &chip))?;
    let session = done(Session::new(&node, chip, &share, &g))?;
    let mut random = StdRng::seed_from_u64(20);
    let y = values(&mut random, N * N);
    done(session.set(b, &DATA.encode(&y)))?;
    for _ in 0..5 {
        let x = values(&mut random, N * N);
        done(session.set(a, &DATA.encode(&x)))?;
        done(session.run())?;
        times.check(&x, &y, &session.get(c))?;
    }
    Ok(())
}

fn interleaved(cx: &Context) -> CaseResult {
    together(cx, 2, 20)
}

/// All four streams of the DMA engines that reach the host, both masters of the matrix engine and
/// all tensor cores.
fn crowded(cx: &Context) -> CaseResult {
    together(cx, 4, 10)
}

/// Element by element: what has no master of the matrix engine left works on tensor cores alone.
fn small() -> CaseResult<(Graph, [TensorId; 3])> {
    let mut g = Graph::new();
    let square = Shape::dense(DATA, &[N as u32, N as u32]);
    let (a, b) = (g.input("a", square.clone()), g.input("b", square));
    let sum = done(g.binary("sum", Op::Add, a, b))?;
    let c = done(g.cast("c", sum, DataType::F32))?;
    g.output(c);
    Ok((g, [a, b, c]))
}

/// A graph that runs beside others.
struct Running<'a> {
    session: Session<'a>,
    output: TensorId,
    operands: [Vec<f32>; 2],
    /// How it multiplies; `None`: it adds.
    times: Option<Times>,
}

impl Running<'_> {
    fn check(&self) -> CaseResult {
        let got = self.session.get(self.output);
        let [x, y] = &self.operands;
        if let Some(times) = self.times {
            return times.check(x, y, &got);
        }
        let sum: Vec<f32> = x.iter().zip(y).map(|(x, y)| x + y).collect();
        equals("c", &DataType::F32.decode(&got), &DATA.decode(&DATA.encode(&sum)))
    }
}

/// Streams from the host that users have (`gaudi2.c: gaudi2_is_queue_enabled`).
const GAUDI2_STREAMS: u8 = 2;

/// One graph on each stream with its part of the engines, all running at once.
fn together(cx: &Context, streams: u8, rounds: u32) -> CaseResult {
    let node = compute(cx)?;
    let chip = done(Chip::found(&node))?;
    let share = done(Share::all(&node, &chip))?;
    let mut random = StdRng::seed_from_u64(21);
    let mut all = Vec::new();
    let streams = match chip.generation {
        Generation::Gaudi => streams,
        Generation::Gaudi2 => streams.min(GAUDI2_STREAMS),
    };
    for stream in 0..streams {
        let chip = chip.stream(stream).part(stream.into(), streams.into());
        let masters = chip.matrix.map_or(usize::MAX, |matrix| matrix.masters.len());
        let times = (usize::from(stream) < masters).then(|| Times::of(&chip));
        let (g, [a, b, output]) = match times {
            Some(times) => times.graph()?,
            None => small()?,
        };
        let share = share.half(stream & 1 != 0).half(stream & 2 != 0);
        let session = done(Session::new(&node, chip, &share, &g))?;
        let operands = [(); 2].map(|()| values(&mut random, N * N));
        for (id, values) in [a, b].into_iter().zip(&operands) {
            done(session.set(id, &DATA.encode(values)))?;
        }
        all.push(Running { session, output, operands, times });
    }
    for _ in 0..rounds {
        let mut running = Vec::new();
        for one in &all {
            done(one.session.spoil(one.output))?;
            running.push(done(one.session.submit())?);
        }
        for (one, sequence) in all.iter().zip(running) {
            done(one.session.wait(sequence))?;
            one.check()?;
        }
    }
    Ok(())
}

/// A graph leaves a product in a section and signals; another one, submitted before it on another
/// stream, waits for that and goes on with what is there. What the round before left is wrong.
fn event(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let chip = done(Chip::found(&node))?;
    let mut share = done(Share::all(&node, &chip))?;
    let square = Shape::dense(DATA, &[N as u32, N as u32]);
    let address = done(share.section(square.bytes()))?;
    let ready = done(share.event())?;
    let mut first = Graph::new();
    let (a, b) = (first.input("a", square.clone()), first.input("b", square.clone()));
    let left = first.section("section", square.clone(), address);
    let times = Times::of(&chip);
    let inner = times.node(&mut first, "inner", [a, b], DATA)?;
    let (from, to) = (first.view(inner), first.view(left));
    done(first.write("keep", Op::Copy, &[from], to))?;
    first.signal(ready);
    let mut second = Graph::new();
    second.wait_for(ready);
    let (taken, b2) =
        (second.section("section", square.clone(), address), second.input("b", square));
    let outer = times.node(&mut second, "outer", [taken, b2], DataType::F32)?;
    let c = done(second.unary("relu", Op::Relu, outer))?;
    second.output(c);
    let make = |graph: &Graph, stream: u8| {
        let chip = chip.stream(stream).part(stream.into(), 2);
        done(Session::new(&node, chip, &share.half(stream == 1), graph))
    };
    let (maker, taker) = (make(&first, 0)?, make(&second, 1)?);
    let mut random = StdRng::seed_from_u64(22);
    for _ in 0..20 {
        let (x, y) = (values(&mut random, N * N), values(&mut random, N * N));
        done(maker.set(a, &DATA.encode(&x)))?;
        for (session, id) in [(&maker, b), (&taker, b2)] {
            done(session.set(id, &DATA.encode(&y)))?;
        }
        done(taker.spoil(c))?;
        let waiting = done(taker.submit())?;
        done(maker.wait(done(maker.submit())?))?;
        done(taker.wait(waiting))?;
        times.check(&x, &y, &taker.get(c))?;
    }
    Ok(())
}
