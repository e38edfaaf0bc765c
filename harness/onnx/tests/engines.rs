// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Node tests on the engines of the model alone: the plan of the graph layer, step by step, in a
//! flat memory. No driver, no queues; those come in the suite. Finds wrong nodes in seconds.

use graph::chip::GAUDI;
use graph::plan::{Action, Plan, Room};
use onnx::lower::{Lowered, Watch, compare, encode, lower};
use onnx::node_test::{NodeTest, all};
use onnx::user::Request;
use onnx::{Error, Model, Program};
use std::collections::BTreeMap;
use tpc::emu::flat::Flat;
use tpc::emu::{Core, Memory as _, Status};

const ROOM: Room = Room { sram: (1 << 20, 1 << 20), dram: (2 << 20, 6 << 20) };
const MEMORY: usize = 8 << 20;
/// Where signals go.
const SIGNAL: u64 = 1 << 40;

struct Matrix<'a>(&'a mut Flat);

impl mme::Memory for Matrix<'_> {
    fn read(&mut self, address: u64, data: &mut [u8]) -> bool {
        self.0.read(address, data).is_ok()
    }

    fn write(&mut self, address: u64, data: &[u8]) -> bool {
        address == SIGNAL || self.0.write(address, data).is_ok()
    }
}

/// Runs the second kernel wherever the first is wanted.
type Fault<'a> = Option<(&'a str, &'a str)>;

/// What the outputs are after all steps.
fn run(program: &Program, lowered: &Lowered, fault: Fault<'_>) -> Result<Vec<Vec<f32>>, String> {
    let plan = Plan::new(&lowered.graph, GAUDI, &ROOM).map_err(|why| why.to_string())?;
    let mut memory = Flat::new(0, MEMORY);
    let mut put = |address: u64, bytes: &[u8]| {
        memory.bytes[address as usize..][..bytes.len()].copy_from_slice(bytes);
    };
    for code in &plan.code {
        match fault.filter(|(wanted, _)| *wanted == code.name) {
            None => put(code.address, &code.bytes),
            Some((_, other)) => {
                let other = tpc::kernels::find(other).expect("a kernel of the library");
                put(code.address, &other.code(GAUDI.arch).expect("it assembles"));
            }
        }
    }
    for (tensor, place) in plan.tensors.iter().zip(&plan.places) {
        if let Some(place) = place {
            put(place.address, &tensor.content);
        }
    }
    let inputs: BTreeMap<_, _> =
        lowered.inputs.iter().map(|(id, tensor)| (*tensor, encode(program.get(*id)))).collect();
    let mut outputs = BTreeMap::new();
    for (index, step) in plan.steps.iter().enumerate() {
        match &step.action {
            Action::Load(id) => {
                let at = plan.place(*id).address as usize;
                let bytes = &inputs[id];
                memory.bytes[at..at + bytes.len()].copy_from_slice(bytes);
            }
            Action::Store(id) => {
                let shape = lowered.graph.shape(*id);
                let at = plan.place(*id).address as usize;
                let bytes = &memory.bytes[at..at + shape.bytes() as usize];
                outputs.insert(*id, shape.data.decode(bytes));
            }
            Action::Copy(..) => return Err("nothing here copies by DMA".into()),
            Action::Contraction(work, ids) => {
                let places = plan.operands(ids, SIGNAL);
                for launch in work.launches(&places).map_err(|why| why.to_string())? {
                    mme::run(&launch.descriptor, &mut Matrix(&mut memory))
                        .map_err(|why| format!("{}: {why}", step.name))?;
                }
            }
            Action::Kernel(call) => {
                let jobs = plan.jobs(call, index, (0, 0)).map_err(|why| why.to_string())?;
                for (_, job) in jobs {
                    let status = Core::new(GAUDI.arch, &job).run(&mut memory, 100_000_000);
                    if status != Ok(Status::Halted) {
                        return Err(format!("{}: {status:?}", step.name));
                    }
                }
            }
        }
    }
    Ok(lowered.outputs.iter().map(|(_, tensor)| outputs[tensor].clone()).collect())
}

/// The largest error as a share of the bound, or what is wrong, beginning with the first step.
fn check(program: &Program, fault: Fault<'_>) -> Result<f64, String> {
    let lowered = lower(program, Watch::Outputs).map_err(|why| why.to_string())?;
    let got = run(program, &lowered, fault)?;
    let mut worst = 0f64;
    for ((id, _), got) in lowered.outputs.iter().zip(&got) {
        match compare(&program.get(*id).data, got) {
            Ok(share) => worst = worst.max(share),
            Err(difference) => return Err(format!("{difference}; {}", first(program, fault)?)),
        }
    }
    Ok(worst)
}

/// The first step that differs.
fn first(program: &Program, fault: Fault<'_>) -> Result<String, String> {
    let lowered = lower(program, Watch::Steps).map_err(|why| why.to_string())?;
    let got = run(program, &lowered, fault)?;
    let outputs = lowered.outputs.len() - program.steps.len();
    for (step, got) in program.steps.iter().zip(&got[outputs..]) {
        if let Err(difference) = compare(&program.get(step.output).data, got) {
            return Ok(format!("{} of {} is the first: {difference}", step.op.name(), step.node));
        }
    }
    Ok("no step alone".into())
}

#[test]
fn a_wrong_kernel_is_found_and_its_node_named() {
    let model = Model::read("mlp.onnx", &onnx::sample::mlp(3)).expect("our own model");
    let request = Request { inputs: Vec::new(), seed: 4 };
    let program = request.of(&model).expect("our own model");
    assert!(check(&program, None).is_ok_and(|worst| worst > 0.0 && worst < 1.0));
    let why = check(&program, Some(("relu_f32", "abs_f32"))).expect_err("a planted fault");
    assert!(why.contains("relu of Relu r is the first:"), "{why}");
    let why = check(&program, Some(("add_f32", "sub_f32"))).expect_err("a planted fault");
    assert!(why.contains("add of Gemm h is the first:"), "{why}");
}

#[test]
fn node_tests_are_right_on_the_engines() {
    let Some(tests) = all().expect("the folder of node tests") else {
        eprintln!("skipped: run ./scripts/setup to fetch the node tests");
        return;
    };
    let (mut good, mut wrong, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (name, path) in tests {
        let read = NodeTest::read(&path).and_then(|test| test.check());
        let program = match read {
            Ok((program, _)) if program.outputs.iter().any(|(_, id)| program.is_live(*id)) => {
                program
            }
            Ok(_) => continue,
            Err(Error::Operator(_) | Error::Type { .. } | Error::Opset(_)) => continue,
            Err(why) => panic!("{name}: {why}"),
        };
        match lower(&program, Watch::Outputs) {
            Err(why) => refused.push(format!("{name}: {why}")),
            Ok(_) => match check(&program, None) {
                Ok(worst) => good.push((name, worst)),
                Err(why) => wrong.push(format!("{name}: {why}")),
            },
        }
    }
    for (name, worst) in &good {
        println!("{name} {worst:.3}");
    }
    println!("{} refused:\n{}", refused.len(), refused.join("\n"));
    assert!(wrong.is_empty(), "{} wrong, {} right:\n{}", wrong.len(), good.len(), wrong.join("\n"));
    assert!(good.len() >= 500, "only {} run", good.len());
}
