// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Kernels of planned graphs, executed by the emulator without a driver: every node gives what the
//! plain loops of `check` give, and a wrong kernel does not.

#![allow(clippy::unwrap_used, reason = "test")]

use graph::check::{Values, first_difference, worst};
use graph::chip::{Chip, GAUDI, GAUDI2};
use graph::plan::{Action, Plan, Room};
use graph::{DataType, Graph, Op, Shape, TensorId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tpc::emu::flat::Flat;
use tpc::emu::{Core, Status};

const ROOM: Room = Room { sram: (0, 0x10_0000), dram: (0x10_0000, 0x40_0000) };
const SIZES: [u32; 3] = [7, 5, 130];

/// Runs all kernels of a plan; gives what all tensors hold then.
fn run(g: &Graph, plan: &Plan, inputs: &[(TensorId, Vec<f32>)]) -> Values {
    let mut memory = Flat::new(0, 0x50_0000);
    let mut put = |at: u64, bytes: &[u8]| {
        memory.bytes[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    };
    for code in &plan.code {
        put(code.address, &code.bytes);
    }
    for (id, values) in inputs {
        put(plan.place(*id).address, &g.shape(*id).data.encode(values));
    }
    let mut values: Values = inputs.iter().cloned().collect();
    for (index, step) in plan.steps.iter().enumerate() {
        match &step.action {
            Action::Kernel(call) => {
                for (_, job) in plan.jobs(call, index, (0, 0)).unwrap() {
                    let status = Core::new(plan.chip.arch, &job).run(&mut memory, 10_000_000);
                    assert_eq!(status, Ok(Status::Halted), "{}", step.name);
                }
            }
            Action::Store(id) => {
                let (shape, at) = (g.shape(*id), plan.place(*id).address as usize);
                let bytes = &memory.bytes[at..at + shape.bytes() as usize];
                values.insert(*id, shape.data.decode(bytes));
            }
            Action::Load(_) => {}
            Action::Copy(..) | Action::Contraction(..) => panic!("no kernel"),
        }
    }
    values
}

fn numbers(seed: u64, data: DataType, sizes: &[u32]) -> Vec<f32> {
    let mut random = StdRng::seed_from_u64(seed);
    let count = sizes.iter().product::<u32>();
    let all: Vec<f32> = (0..count).map(|_| random.random_range(-4.0..4.0)).collect();
    data.decode(&data.encode(&all))
}

/// All operations on one type, with two operands that are repeated.
fn all(data: DataType) -> (Graph, Vec<(TensorId, Vec<f32>)>) {
    let mut g = Graph::new();
    let a = g.input("a", Shape::dense(data, &SIZES));
    let b = g.input("b", Shape::dense(data, &[5, 1]));
    for op in [Op::Copy, Op::Relu, Op::Exp, Op::Sigmoid, Op::Tanh, Op::Reciprocal] {
        g.unary(&format!("{op:?}"), op, a).unwrap();
    }
    for op in [Op::Add, Op::Sub, Op::Mul, Op::Div, Op::Max, Op::Min, Op::ReluBackward] {
        g.binary(&format!("{op:?}"), op, a, b).unwrap();
    }
    g.leaky_relu("leaky relu", a, 0.1).unwrap();
    for to in [DataType::F32, DataType::Bf16] {
        g.cast(&format!("to {to:?}"), a, to).unwrap();
    }
    for axis in 0..3 {
        for op in [Op::ReduceSum, Op::ReduceMax, Op::Softmax] {
            g.along(&format!("{op:?} along {axis}"), op, a, axis).unwrap();
        }
        g.layer_norm(&format!("norm along {axis}"), a, axis, 1e-5).unwrap();
    }
    let inputs = vec![(a, numbers(1, data, &SIZES)), (b, numbers(2, data, &[5, 1]))];
    (g.inspect(), inputs)
}

/// Each type on each chip.
fn each() -> impl Iterator<Item = (DataType, Chip)> {
    let types = [DataType::F32, DataType::Bf16];
    types.into_iter().flat_map(|data| [GAUDI, GAUDI2].map(|chip| (data, chip)))
}

#[test]
fn every_operation_gives_what_plain_loops_give() {
    for (data, chip) in each() {
        let (g, inputs) = all(data);
        let plan = Plan::new(&g, chip, &ROOM).unwrap();
        let values = run(&g, &plan, &inputs);
        assert_eq!(first_difference(&g, &values).map(|found| found.to_string()), None);
        for node in g.nodes() {
            assert!(worst(&g, node, &values).unwrap() <= 1.0, "{}", node.name);
        }
    }
}

#[test]
fn a_wrong_kernel_is_named() {
    let (g, inputs) = all(DataType::F32);
    let mut plan = Plan::new(&g, GAUDI, &ROOM).unwrap();
    let address = |plan: &Plan, name: &str| {
        plan.code.iter().find(|code| code.name == name).unwrap().bytes.clone()
    };
    let wrong = address(&plan, "exp_f32");
    plan.code.iter_mut().find(|code| code.name == "sigmoid_f32").unwrap().bytes = wrong;
    let found = first_difference(&g, &run(&g, &plan, &inputs)).unwrap();
    assert_eq!((found.node.as_str(), found.wrong), ("Sigmoid", 7 * 5 * 130));
}

#[test]
fn views_are_moved_as_they_say() {
    for (data, chip) in each() {
        let mut g = Graph::new();
        let x = g.input("x", Shape::dense(data, &[6, 70, 3]));
        let turned = g.view(x).permute(&[2, 0, 1]).unwrap();
        let turned = g.unary("turned", Op::Copy, turned).unwrap();
        let both = g.space("both", data, &[3, 6, 70]);
        for start in 0..2 {
            let from = g.view(turned).slice(2, start, 35, 2).unwrap();
            let to = g.view(both).slice(2, 35 * start, 35, 1).unwrap();
            g.write("half", Op::Copy, &[from], to).unwrap();
        }
        g.output(both);
        let input = numbers(3, data, &[6, 70, 3]);
        let plan = Plan::new(&g, chip, &ROOM).unwrap();
        let values = run(&g, &plan, &[(x, input.clone())]);
        let want = |n: usize| {
            let (i, j, k) = (n / 420, n / 70 % 6, n % 70);
            let column = k % 35 * 2 + k / 35;
            input[(j * 70 + column) * 3 + i]
        };
        let want: Vec<f32> = (0..1260).map(want).collect();
        assert_eq!(values[&both], want);
    }
}
