// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A model as its file says it, checked as far as that goes without values.

use crate::error::{Error, Result};
use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto, ValueInfoProto};
use crate::tensor::{Tensor, Type};
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};

/// First and last version of the operator set.
pub const OPSETS: (i64, i64) = (7, 24);

/// An input or output.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Its sizes; `None`: the file leaves them open.
    pub sizes: Option<Vec<usize>>,
}

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// Fraction.
    Float(f32),
    /// Whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// Tensor.
    Tensor(Tensor),
    /// Fractions.
    Floats(Vec<f32>),
    /// Whole numbers.
    Ints(Vec<i64>),
    /// Another kind; an operator that wants it does not get it.
    Other,
}

/// A node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// For people: its name, or its operator and output.
    pub name: String,
    /// The operator.
    pub op: String,
    /// Names of what it reads; empty: left out.
    pub inputs: Vec<String>,
    /// Names of what it makes; empty: left out.
    pub outputs: Vec<String>,
    /// Attributes by name.
    pub attributes: BTreeMap<String, Attribute>,
}

/// A model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Version of the operator set.
    pub opset: i64,
    /// What the caller has to give: the inputs that have no initial value.
    pub inputs: Vec<Declared>,
    /// What the caller gets.
    pub outputs: Vec<Declared>,
    /// Constants by name.
    pub constants: BTreeMap<String, Tensor>,
    /// Nodes in an order in which they can run.
    pub nodes: Vec<Node>,
}

impl Model {
    /// Reads a model; `what` names it in errors.
    pub fn read(what: &str, bytes: &[u8]) -> Result<Self> {
        let malformed =
            |why: String| Error::Malformed { what: what.to_string(), kind: "model", why };
        let proto = ModelProto::decode(bytes).map_err(|why| malformed(why.to_string()))?;
        let Some(graph) = &proto.graph else {
            return Err(malformed("it has no graph".into()));
        };
        if let Some(name) = names(&proto, graph).find(|name| name.contains(char::is_control)) {
            return Err(malformed(format!("the name {name:?} has control characters")));
        }
        if let Some(function) = proto.functions.first() {
            return Err(Error::Operator(format!("{} (a function of the model)", function.name)));
        }
        let opset = opset(&proto)?;
        let constant = |proto: &crate::proto::TensorProto| {
            Ok((proto.name.clone(), Tensor::of(&proto.name, proto)?))
        };
        let constants: BTreeMap<String, Tensor> =
            graph.initializer.iter().map(constant).collect::<Result<_>>()?;
        let nodes: Vec<Node> = graph.node.iter().map(node).collect::<Result<_>>()?;
        let open = graph.input.iter().filter(|input| !constants.contains_key(&input.name));
        let inputs: Vec<Declared> = open.map(declared).collect::<Result<_>>()?;
        let outputs: Vec<Declared> = graph.output.iter().map(declared).collect::<Result<_>>()?;
        if outputs.is_empty() {
            return Err(malformed("its graph has no outputs".into()));
        }
        let model = Model { opset, inputs, outputs, constants, nodes };
        model.check_order()?;
        Ok(model)
    }

    /// Does every node read what is there before it, and nothing is made twice?
    fn check_order(&self) -> Result<()> {
        let inputs = self.inputs.iter().map(|input| input.name.as_str());
        let mut known: BTreeSet<&str> = inputs.chain(self.constants.keys().map(|k| &**k)).collect();
        for node in &self.nodes {
            let wrong = |why: String| Error::Node { node: node.name.clone(), why };
            for input in node.inputs.iter().filter(|name| !name.is_empty()) {
                if !known.contains(input.as_str()) {
                    return Err(wrong(format!("nothing before it makes its input {input}")));
                }
            }
            for output in node.outputs.iter().filter(|name| !name.is_empty()) {
                if !known.insert(output) {
                    return Err(wrong(format!("its output {output} is there already")));
                }
            }
        }
        match self.outputs.iter().find(|output| !known.contains(output.name.as_str())) {
            None => Ok(()),
            Some(output) => {
                let why = "nothing makes this output of the graph".to_string();
                Err(Error::Node { node: output.name.clone(), why })
            }
        }
    }
}

/// Every name in a file.
fn names<'a>(proto: &'a ModelProto, graph: &'a GraphProto) -> impl Iterator<Item = &'a String> {
    let nodes = graph.node.iter().flat_map(|node| {
        let attributes = node.attribute.iter().map(|attribute| &attribute.name);
        let own = [&node.name, &node.op_type, &node.domain];
        node.input.iter().chain(&node.output).chain(own).chain(attributes)
    });
    let declared = graph.input.iter().chain(&graph.output).map(|value| &value.name);
    let constants = graph.initializer.iter().map(|tensor| &tensor.name);
    let functions = proto.functions.iter().map(|function| &function.name);
    let domains = proto.opset_import.iter().map(|set| &set.domain);
    nodes.chain(declared).chain(constants).chain(functions).chain(domains)
}

fn opset(proto: &ModelProto) -> Result<i64> {
    let ours = |domain: &str| domain.is_empty() || domain == "ai.onnx";
    match proto.opset_import.iter().find(|set| ours(&set.domain)) {
        Some(set) if (OPSETS.0..=OPSETS.1).contains(&set.version) => Ok(set.version),
        Some(set) => Err(Error::Opset(set.version)),
        None => {
            let others = proto.opset_import.iter().map(|set| set.domain.as_str());
            let others: Vec<_> = others.collect();
            Err(Error::Operator(format!("set {}", others.join(", "))))
        }
    }
}

fn declared(proto: &ValueInfoProto) -> Result<Declared> {
    let name = proto.name.clone();
    let Some(tensor) = proto.r#type.as_ref().and_then(|ty| ty.tensor_type.as_ref()) else {
        return Err(Error::Type { what: name, name: "other than tensor".into() });
    };
    let ty = Type::of(tensor.elem_type, &name)?;
    let sizes = tensor.shape.as_ref().and_then(|shape| {
        let size = |dim: &crate::proto::DimensionProto| usize::try_from(dim.dim_value?).ok();
        shape.dim.iter().map(size).collect()
    });
    Ok(Declared { name, ty, sizes })
}

fn node(proto: &NodeProto) -> Result<Node> {
    let op = match proto.domain.as_str() {
        "" | "ai.onnx" => proto.op_type.clone(),
        domain => return Err(Error::Operator(format!("{domain}.{}", proto.op_type))),
    };
    let output = proto.output.first().cloned().unwrap_or_default();
    let name = match proto.name.as_str() {
        "" => format!("{op} that makes {output}"),
        name => name.to_string(),
    };
    let attributes = proto.attribute.iter().map(|one| Ok((one.name.clone(), attribute(one)?)));
    Ok(Node {
        name,
        op,
        inputs: proto.input.clone(),
        outputs: proto.output.clone(),
        attributes: attributes.collect::<Result<_>>()?,
    })
}

fn attribute(proto: &AttributeProto) -> Result<Attribute> {
    Ok(match proto.r#type {
        1 => Attribute::Float(proto.f),
        2 => Attribute::Int(proto.i),
        3 => Attribute::Text(String::from_utf8_lossy(&proto.s).into_owned()),
        4 => match &proto.t {
            Some(tensor) => Attribute::Tensor(Tensor::of(&proto.name, tensor)?),
            None => Attribute::Other,
        },
        6 => Attribute::Floats(proto.floats.clone()),
        7 => Attribute::Ints(proto.ints.clone()),
        // Graphs, sparse tensors, types.
        _ => Attribute::Other,
    })
}
