// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A small model of our own, as a file: for tests of the whole way from a file to the device.

use crate::proto::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto,
};
use crate::tensor::{Tensor, Type};
use prost::Message;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Rows, inputs, hidden numbers, classes.
const SIZES: [usize; 4] = [24, 40, 70, 10];

fn declared(name: &str, sizes: [usize; 2]) -> ValueInfoProto {
    let dim = |size: usize| DimensionProto { dim_value: Some(size as i64), dim_param: None };
    let shape = Some(TensorShapeProto { dim: sizes.map(dim).to_vec() });
    let tensor_type = Some(TensorTypeProto { elem_type: Type::F32.number(), shape });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}

fn node(op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: op.into(),
        name: format!("{op} {output}"),
        input: inputs.iter().map(|name| (*name).to_string()).collect(),
        output: vec![output.into()],
        attribute,
        domain: String::new(),
    }
}

/// `y = softmax(relu(x * w1 + b1) * transposed w2 + b2)` with seeded weights.
pub fn mlp(seed: u64) -> Vec<u8> {
    let [rows, inputs, hidden, classes] = SIZES;
    let mut random = StdRng::seed_from_u64(seed);
    let mut weights = |name: &str, sizes: &[usize]| {
        let count = sizes.iter().product();
        let value = |_| f64::from(random.random_range(-1f32..1.0));
        Tensor::new(Type::F32, sizes, &(0..count).map(value).collect::<Vec<_>>()).proto(name)
    };
    let int = |name: &str, i: i64| AttributeProto {
        name: name.into(),
        i,
        r#type: 2,
        ..AttributeProto::default()
    };
    let graph = GraphProto {
        name: "mlp".into(),
        initializer: vec![
            weights("w1", &[inputs, hidden]),
            weights("b1", &[hidden]),
            weights("w2", &[classes, hidden]),
            weights("b2", &[classes]),
        ],
        node: vec![
            node("Gemm", &["x", "w1", "b1"], "h", vec![]),
            node("Relu", &["h"], "r", vec![]),
            node("Gemm", &["r", "w2", "b2"], "z", vec![int("transB", 1)]),
            node("Softmax", &["z"], "y", vec![int("axis", -1)]),
        ],
        input: vec![declared("x", [rows, inputs])],
        output: vec![declared("y", [rows, classes])],
    };
    let set = OperatorSetIdProto { domain: String::new(), version: 18 };
    let model = ModelProto {
        ir_version: 8,
        opset_import: vec![set],
        graph: Some(graph),
        functions: vec![],
    };
    model.encode_to_vec()
}
