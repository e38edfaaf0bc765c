// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Files that are no models: one clear error, never a panic.

use onnx::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use onnx::{Error, Model, Program, Tensor, Type, Values};
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

fn declared(name: &str, sizes: &[i64]) -> ValueInfoProto {
    let dim = sizes
        .iter()
        .map(|size| DimensionProto { dim_value: Some(*size), ..DimensionProto::default() })
        .collect();
    let shape = Some(TensorShapeProto { dim });
    let tensor_type = Some(TensorTypeProto { elem_type: Type::F32.number(), shape });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}

fn node(op: &str, inputs: &[&str], output: &str) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        input: inputs.iter().map(|name| (*name).to_string()).collect(),
        output: vec![output.into()],
        ..NodeProto::default()
    }
}

/// `y = relu(x * w) + b`, then softmax.
fn model() -> ModelProto {
    let w = Tensor::new(Type::F32, &[3, 2], &[1.0, -1.0, 0.5, 2.0, -0.25, 1.0]);
    let b = Tensor::new(Type::F32, &[2], &[0.5, -0.5]);
    let axis = AttributeProto { name: "axis".into(), i: 1, r#type: 2, ..AttributeProto::default() };
    let softmax = NodeProto { attribute: vec![axis], ..node("Softmax", &["s"], "y") };
    let graph = GraphProto {
        name: "small".into(),
        node: vec![
            node("MatMul", &["x", "w"], "p"),
            node("Relu", &["p"], "r"),
            node("Add", &["r", "b"], "s"),
            softmax,
        ],
        initializer: vec![w.proto("w"), b.proto("b")],
        input: vec![declared("x", &[2, 3])],
        output: vec![declared("y", &[2, 2])],
    };
    ModelProto {
        ir_version: 8,
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: 18 }],
        graph: Some(graph),
        ..ModelProto::default()
    }
}

fn read(proto: &ModelProto) -> Result<Model, Error> {
    Model::read("small.onnx", &proto.encode_to_vec())
}

fn graph(proto: &mut ModelProto) -> &mut GraphProto {
    proto.graph.as_mut().expect("a graph")
}

#[test]
fn a_model_is_read_and_computed() {
    let model = read(&model()).expect("a good model");
    let x = Tensor::new(Type::F32, &[2, 3], &[1.0, 2.0, 4.0, -1.0, 0.0, 1.0]);
    let program =
        Program::new(&model, &Values::from([("x".to_string(), x)])).expect("it can be computed");
    let y = program.get(program.outputs[0].1);
    // The first row is relu([1, 7]) + [0.5, -0.5].
    let expected = 1.0 / (1.0 + (6.5f64 - 1.5).exp());
    assert!((y.data[0].value - expected).abs() < 1e-12 && y.data[0].error > 0.0);
    assert_eq!(program.steps.len(), 5, "{:#?}", program.steps);
}

#[test]
fn what_is_not_supported_is_named() {
    let mut unknown = model();
    graph(&mut unknown).node[1].op_type = "NonZero".into();
    let model_read = read(&unknown).expect("only running it tells");
    let x = Tensor::new(Type::F32, &[2, 3], &[0.0; 6]);
    let error = Program::new(&model_read, &Values::from([("x".to_string(), x)]));
    assert_eq!(
        error.expect_err("no such operator").to_string(),
        "operator NonZero is not supported"
    );

    let mut foreign = model();
    graph(&mut foreign).node[1].domain = "com.example".into();
    assert_eq!(read(&foreign), Err(Error::Operator("com.example.Relu".into())));

    for version in [6, 25] {
        let mut other = model();
        other.opset_import[0].version = version;
        assert_eq!(read(&other), Err(Error::Opset(version)));
    }

    let mut double = model();
    graph(&mut double).initializer[0].data_type = 11;
    let error = read(&double).expect_err("double").to_string();
    assert!(error.starts_with("w has type double"), "{error}");
}

#[test]
fn what_does_not_fit_is_said() {
    let mut turned = model();
    graph(&mut turned).node.swap(0, 1);
    let error = read(&turned).expect_err("wrong order").to_string();
    assert_eq!(error, "node Relu that makes r: nothing before it makes its input p");

    let model_read = read(&model()).expect("a good model");
    let missing = Program::new(&model_read, &Values::new()).expect_err("no value").to_string();
    assert_eq!(missing, "input x: it has no value");

    let wide = Tensor::new(Type::F32, &[2, 4], &[0.0; 8]);
    let wrong = Program::new(&model_read, &Values::from([("x".to_string(), wide)]));
    assert!(
        wrong.expect_err("wrong sizes").to_string().starts_with("input x: it is F32 of [2, 4]")
    );
}

#[test]
fn truncated_and_random_bytes_give_an_error_or_a_model() {
    let bytes = model().encode_to_vec();
    let x = Tensor::new(Type::F32, &[2, 3], &[0.5; 6]);
    let values = Values::from([("x".to_string(), x)]);
    // Whatever is read can be tried; nothing panics.
    let attempt = |bytes: &[u8]| {
        let outcome = Model::read("small.onnx", bytes).and_then(|m| Program::new(&m, &values));
        if let Err(error) = outcome {
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
        }
    };
    for length in 0..bytes.len() {
        attempt(&bytes[..length]);
    }
    let mut random = StdRng::seed_from_u64(1);
    for _ in 0..20_000 {
        let mut bytes = bytes.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        attempt(&bytes);
    }
    for length in 0..500 {
        let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
        attempt(&bytes);
        let _ = Tensor::read("x", &bytes);
    }
    assert!(matches!(Model::read("empty", &[]), Err(Error::Malformed { .. })));
}
