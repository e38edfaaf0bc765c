// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Graphs that run again and again, and two of them at once.

use super::done;
use super::reference::{compare, equals, values};
use crate::common::typed::compute;
use case::{Case, CaseResult, Context, equal};
use graph::check::Products;
use graph::chip::GAUDI;
use graph::{DataType, Graph, Op, Product, Session, Shape, Share, TensorId};
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

/// `max((a * b, rounded) * b, 0)`: matrix engine, then tensor cores.
fn graph() -> CaseResult<(Graph, [TensorId; 3])> {
    let mut g = Graph::new();
    let square = Shape::dense(DATA, &[N as u32, N as u32]);
    let a = g.input("a", square.clone());
    let b = g.input("b", square);
    let rounded = Product { output: DATA, ..Product::default() };
    let inner = done(g.product("inner", a, b, rounded))?;
    let outer = done(g.product("outer", inner, b, Product::default()))?;
    let c = done(g.unary("relu", Op::Relu, outer))?;
    g.output(c);
    Ok((g, [a, b, c]))
}

fn product<'a>(a: &'a [f32], b: &'a [f32]) -> impl Fn(usize) -> Products + 'a {
    move |index| Products::of((0..N).map(move |p| (a[index / N * N + p], b[p * N + index % N])))
}

fn check(a: &[f32], b: &[f32], got: &[u8]) -> CaseResult {
    let inner = product(a, b);
    let inner: Vec<f32> = (0..N * N).map(|index| inner(index).exact(DATA, false)).collect();
    let got = DataType::F32.decode(got);
    compare("relu", &got, DataType::F32, true, product(&inner, b))
}

fn thousand(cx: &Context) -> CaseResult {
    let node = compute(cx)?;
    let (g, [a, b, c]) = graph()?;
    let share = done(Share::all(&node, &GAUDI))?;
    let session = done(Session::new(&node, GAUDI, &share, &g))?;
    let mut random = StdRng::seed_from_u64(19);
    let (x, y) = (values(&mut random, N * N), values(&mut random, N * N));
    done(session.set(a, &DATA.encode(&x)))?;
    done(session.set(b, &DATA.encode(&y)))?;
    done(session.run())?;
    let first = session.get(c);
    check(&x, &y, &first)?;
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
    let (g, [a, b, c]) = graph()?;
    let share = done(Share::all(&node, &GAUDI))?;
    let session = done(Session::new(&node, GAUDI, &share, &g))?;
    let mut random = StdRng::seed_from_u64(20);
    let y = values(&mut random, N * N);
    done(session.set(b, &DATA.encode(&y)))?;
    for _ in 0..5 {
        let x = values(&mut random, N * N);
        done(session.set(a, &DATA.encode(&x)))?;
        done(session.run())?;
        check(&x, &y, &session.get(c))?;
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
    products: bool,
}

impl Running<'_> {
    fn check(&self) -> CaseResult {
        let got = self.session.get(self.output);
        let [x, y] = &self.operands;
        if self.products {
            return check(x, y, &got);
        }
        let sum: Vec<f32> = x.iter().zip(y).map(|(x, y)| x + y).collect();
        equals("c", &DataType::F32.decode(&got), &DATA.decode(&DATA.encode(&sum)))
    }
}

/// One graph on each stream with its part of the engines, all running at once.
fn together(cx: &Context, streams: u8, rounds: u32) -> CaseResult {
    let node = compute(cx)?;
    let share = done(Share::all(&node, &GAUDI))?;
    let mut random = StdRng::seed_from_u64(21);
    let mut all = Vec::new();
    for stream in 0..streams {
        let chip = GAUDI.stream(stream).part(stream.into(), streams.into());
        let products = usize::from(stream) < chip.masters.len();
        let (g, [a, b, output]) = if products { graph()? } else { small()? };
        let share = share.half(stream & 1 != 0).half(stream & 2 != 0);
        let session = done(Session::new(&node, chip, &share, &g))?;
        let operands = [(); 2].map(|()| values(&mut random, N * N));
        for (id, values) in [a, b].into_iter().zip(&operands) {
            done(session.set(id, &DATA.encode(values)))?;
        }
        all.push(Running { session, output, operands, products });
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
    let mut share = done(Share::all(&node, &GAUDI))?;
    let square = Shape::dense(DATA, &[N as u32, N as u32]);
    let address = done(share.section(square.bytes()))?;
    let ready = done(share.event())?;
    let mut first = Graph::new();
    let (a, b) = (first.input("a", square.clone()), first.input("b", square.clone()));
    let left = first.section("section", square.clone(), address);
    let rounded = Product { output: DATA, ..Product::default() };
    let inner = done(first.product("inner", a, b, rounded))?;
    let (from, to) = (first.view(inner), first.view(left));
    done(first.write("keep", Op::Copy, &[from], to))?;
    first.signal(ready);
    let mut second = Graph::new();
    second.wait_for(ready);
    let (taken, b2) =
        (second.section("section", square.clone(), address), second.input("b", square));
    let outer = done(second.product("outer", taken, b2, Product::default()))?;
    let c = done(second.unary("relu", Op::Relu, outer))?;
    second.output(c);
    let make = |graph: &Graph, stream: u8| {
        let chip = GAUDI.stream(stream).part(stream.into(), 2);
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
        check(&x, &y, &taker.get(c))?;
    }
    Ok(())
}
