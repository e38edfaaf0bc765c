// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! From primitives to nodes of the device.
//!
//! | primitive | node |
//! |---|---|
//! | product, convolution | matrix engine; operands that are no dense tensors are copied first |
//! | functions of elements, select, casts | tensor cores, one kernel each; operands by strides |
//! | folds, windows, softmax | tensor cores, a row for each result |
//! | pad, concat | tensor cores: copies into parts of the result |
//! | reshape, permute, expand, slice | nothing: a view; a reshape that strides cannot say copies |
//!
//! Inputs are loaded, outputs stored by DMA. Constants are put into device memory once.

use crate::error::{Error, Result};
use crate::num::Num;
use crate::primitive::{Binary, Fold, Primitive, Unary};
use crate::program::{Id, Program, Step};
use crate::tensor::{Tensor, Type};
use graph::kernel::Routine;
use graph::{Convolution, DataType, Graph, Op, Product, Shape, TensorId, View};
use std::collections::BTreeMap;

/// Dimensions of a tensor that cores take.
const DIMENSIONS: usize = tpc::descriptor::DIMENSIONS;

/// A program for the device.
#[derive(Debug)]
pub struct Lowered {
    /// Its nodes.
    pub graph: Graph,
    /// What the host fills: value of the program, tensor of the graph.
    pub inputs: Vec<(Id, TensorId)>,
    /// What the host reads, in the order of the program.
    pub outputs: Vec<(Id, TensorId)>,
}

/// Which values the host reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// The outputs of the model.
    Outputs,
    /// What every step makes, to find the first that is wrong.
    Steps,
}

/// Makes nodes of a program.
pub fn lower(program: &Program, watch: Watch) -> Result<Lowered> {
    let lowered = Lowered { graph: Graph::new(), inputs: Vec::new(), outputs: Vec::new() };
    let mut lowering = Lowering { program, lowered, views: BTreeMap::new(), node: String::new() };
    for (name, id) in &program.inputs {
        let tensor = program.get(*id);
        lowering.node = format!("input {name}");
        let sizes = lowering.sizes(&tensor.sizes)?;
        let shape = Shape::dense(data(tensor.ty), &sizes);
        let input = lowering.lowered.graph.input(name, shape);
        lowering.lowered.inputs.push((*id, input));
        lowering.define(*id, input);
    }
    let mut watched: Vec<Id> = program.outputs.iter().map(|(_, id)| *id).collect();
    for step in &program.steps {
        lowering.node.clone_from(&step.node);
        lowering.step(step)?;
        if watch == Watch::Steps {
            watched.push(step.output);
        }
    }
    for id in watched {
        lowering.output(id)?;
    }
    Ok(lowering.lowered)
}

/// The type that the device has of a value.
pub fn data(ty: Type) -> DataType {
    match ty {
        Type::Bf16 => DataType::Bf16,
        // Whole numbers never get there.
        Type::F32 | Type::Bool | Type::I64 | Type::I32 => DataType::F32,
    }
}

/// The bytes of a value as the device has it.
pub fn encode(tensor: &Tensor) -> Vec<u8> {
    let values: Vec<f32> = tensor.values().map(|value| value as f32).collect();
    data(tensor.ty).encode(&values)
}

struct Lowering<'a> {
    program: &'a Program,
    lowered: Lowered,
    views: BTreeMap<Id, View>,
    /// The node at hand.
    node: String,
}

fn stem(f: Unary) -> &'static str {
    match f {
        Unary::Abs => "abs",
        Unary::Neg => "neg",
        Unary::Relu => "relu",
        Unary::Exp => "exp",
        Unary::Log => "log",
        Unary::Sigmoid => "sigmoid",
        Unary::Tanh => "tanh",
        Unary::Sqrt => "sqrt",
        Unary::Reciprocal => "reciprocal",
        Unary::Floor => "floor",
        Unary::Ceil => "ceil",
        Unary::Round => "round",
    }
}

fn stem_of_two(f: Binary) -> &'static str {
    match f {
        Binary::Add => "add",
        Binary::Sub => "sub",
        Binary::Mul => "mul",
        Binary::Div => "div",
        Binary::Max => "max",
        Binary::Min => "min",
        Binary::Less => "less",
        Binary::LessOrEqual => "less_or_equal",
        Binary::Equal => "equal",
    }
}

fn stem_of_fold(fold: Fold) -> &'static str {
    match fold {
        Fold::Sum => "reduce_sum",
        Fold::Product => "reduce_prod",
        Fold::Max => "reduce_max",
        Fold::Min => "reduce_min",
    }
}

fn suffix(data: DataType) -> &'static str {
    match data {
        DataType::F32 => "f32",
        DataType::Bf16 => "bf16",
    }
}

impl Lowering<'_> {
    fn graph(&mut self) -> &mut Graph {
        &mut self.lowered.graph
    }

    fn sizes(&self, sizes: &[usize]) -> Result<Vec<u32>> {
        if sizes.contains(&0) {
            return Err(Error::Operator(format!("{} on a tensor without elements", self.node)));
        }
        let size = |size: &usize| {
            u32::try_from(*size).map_err(|_| graph::Error::TooLarge {
                what: "a size",
                value: *size as u64,
                limit: u32::MAX.into(),
            })
        };
        Ok(sizes.iter().map(size).collect::<std::result::Result<_, _>>()?)
    }

    fn define(&mut self, id: Id, tensor: TensorId) {
        let view = self.lowered.graph.view(tensor);
        self.views.insert(id, view);
    }

    /// The view of a value; a constant gets its place when it is first asked for.
    fn view(&mut self, id: Id) -> Result<View> {
        if let Some(view) = self.views.get(&id) {
            return Ok(view.clone());
        }
        let tensor = self.program.get(id);
        let values: Vec<f32> = tensor.values().map(|value| value as f32).collect();
        let (ty, sizes) = (data(tensor.ty), self.sizes(&tensor.sizes)?);
        let name = format!("constant of {}", self.node);
        let constant = self.graph().constant(&name, ty, &sizes, &values);
        self.define(id, constant);
        Ok(self.lowered.graph.view(constant))
    }

    /// A number, as a view of these sizes.
    fn number(&mut self, value: f32, data: DataType, sizes: &[u32]) -> Result<View> {
        let name = format!("number of {}", self.node);
        let constant = self.graph().constant(&name, data, &[], &[value]);
        Ok(self.lowered.graph.view(constant).broadcast(sizes)?)
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        let made = self.program.get(step.output);
        let (ty, sizes) = (data(made.ty), self.sizes(&made.sizes)?);
        let inputs: Vec<View> =
            step.inputs.iter().map(|id| self.view(*id)).collect::<Result<_>>()?;
        let view = match &step.op {
            Primitive::Unary(f) => self.points(stem(*f), inputs, ty, &[])?,
            Primitive::Binary(f) => self.points(stem_of_two(*f), inputs, ty, &[])?,
            Primitive::Select => self.points("select", inputs, ty, &[])?,
            Primitive::Leaky(slope) => {
                // In S1, as a number of the type.
                let bits = ty.encode(&[*slope]).into_iter().rev();
                let bits = bits.fold(0, |bits, byte| bits << 8 | u32::from(byte));
                self.points("leaky_relu", inputs, ty, &[0, bits])?
            }
            Primitive::Cast => {
                self.cast(&inputs[0], self.program.get(step.inputs[0]).ty, made.ty)?
            }
            Primitive::Product => self.product(&inputs[0], &inputs[1], ty, &sizes)?,
            Primitive::Convolution { step, dilation } => {
                let x = self.tensor(&inputs[0], &inputs[0].sizes)?;
                let filter = self.tensor(&inputs[1], &inputs[1].sizes)?;
                let pair = |pair: &[usize; 2]| pair.map(|n| n as u32);
                let (step, dilation) = (pair(step), pair(dilation));
                let options = Convolution { step, dilation, output: ty, ..Convolution::default() };
                let node = self.node.clone();
                let y = self.graph().convolution(&node, x, filter, options)?;
                self.lowered.graph.view(y)
            }
            Primitive::Fold(fold, axis) => {
                self.row(stem_of_fold(*fold), &inputs[0], *axis, Some(1))?
            }
            Primitive::Softmax(axis) => self.row("softmax", &inputs[0], *axis, None)?,
            Primitive::Window { fold, axis, size, step, dilation } => {
                // Every window is a row of a new dimension; windows may overlap.
                let mut x = inputs[0].clone();
                let stride = x.strides[*axis];
                x.sizes.push(*size as u32);
                x.strides.push(stride * *dilation as u32);
                x.sizes[*axis] = sizes[*axis];
                x.strides[*axis] = stride * *step as u32;
                self.row(stem_of_fold(*fold), &x, sizes.len(), Some(1))?.reshape(&sizes)?
            }
            Primitive::Reshape => match inputs[0].reshape(&sizes) {
                Ok(view) => view,
                Err(_) => {
                    let copy = self.tensor(&inputs[0], &inputs[0].sizes)?;
                    self.lowered.graph.view(copy).reshape(&sizes)?
                }
            },
            Primitive::Permute(order) => inputs[0].permute(order)?,
            Primitive::Expand => inputs[0].broadcast(&sizes)?,
            Primitive::Slice(cuts) => slice(&inputs[0], cuts)?,
            Primitive::Pad { before, value } => {
                let to = self.space(ty, &sizes);
                let around = self.number(*value, ty, &sizes)?;
                self.copy(&around, &to)?;
                let inner = inputs[0].sizes.iter().zip(before);
                let cuts: Vec<_> = inner.map(|(size, first)| (*first, 1, *size as usize)).collect();
                self.copy(&inputs[0], &slice(&to, &cuts)?)?;
                to
            }
            Primitive::Concat(axis) => {
                let to = self.space(ty, &sizes);
                let mut first = 0;
                for input in &inputs {
                    let part = to.slice(*axis, first, input.sizes[*axis], 1)?;
                    self.copy(input, &part)?;
                    first += input.sizes[*axis];
                }
                to
            }
        };
        self.views.insert(step.output, view);
        Ok(())
    }

    fn space(&mut self, data: DataType, sizes: &[u32]) -> View {
        let name = self.node.clone();
        let space = self.graph().space(&name, data, sizes);
        self.lowered.graph.view(space)
    }

    /// A kernel of the library by name.
    fn routine(&self, stem: &str, data: DataType) -> Result<Routine> {
        let name = format!("{stem}_{}", suffix(data));
        let Some(kernel) = tpc::kernels::find(&name) else {
            return Err(Error::Operator(format!("{} in {}", self.node, suffix(data))));
        };
        Ok(Routine::of(kernel))
    }

    /// A kernel on every element of operands that have the same sizes.
    fn points(
        &mut self,
        stem: &str,
        inputs: Vec<View>,
        data: DataType,
        scalars: &[u32],
    ) -> Result<View> {
        let routine = self.routine(stem, inputs[0].data)?;
        let (node, sizes) = (self.node.clone(), inputs[0].sizes.clone());
        let made = self.graph().own(&node, routine, inputs, (data, &sizes), scalars)?;
        Ok(self.lowered.graph.view(made))
    }

    /// A kernel along a dimension, which gets `size` where it is given.
    fn row(&mut self, stem: &str, x: &View, axis: usize, size: Option<u32>) -> Result<View> {
        let routine = self.routine(stem, x.data)?;
        let mut order: Vec<usize> = (0..x.sizes.len()).filter(|n| *n != axis).collect();
        order.push(axis);
        let x = x.permute(&order)?;
        let length = x.sizes[axis.max(x.sizes.len() - 1)];
        let mut sizes = x.sizes.clone();
        if let (Some(last), Some(size)) = (sizes.last_mut(), size) {
            *last = size;
        }
        let (node, data) = (self.node.clone(), x.data);
        let made = self.graph().own(&node, routine, vec![x], (data, &sizes), &[length])?;
        // Back to where the dimension was.
        let mut back: Vec<usize> = (0..order.len() - 1).collect();
        back.insert(axis, order.len() - 1);
        Ok(self.lowered.graph.view(made).permute(&back)?)
    }

    fn cast(&mut self, x: &View, from: Type, to: Type) -> Result<View> {
        match (from, to) {
            // Conditions are floats already.
            (Type::Bool, Type::F32) => Ok(x.clone()),
            (_, Type::Bool) => {
                let zero = self.number(0.0, x.data, &x.sizes)?;
                let equal = self.points("equal", vec![x.clone(), zero], DataType::F32, &[])?;
                let one = self.number(1.0, DataType::F32, &x.sizes)?;
                self.points("sub", vec![one, equal], DataType::F32, &[])
            }
            (_, to) => {
                let stem = format!("cast_{}", suffix(x.data));
                let routine = self.routine(&stem, data(to))?;
                let (node, sizes) = (self.node.clone(), x.sizes.clone());
                let made =
                    self.graph().own(&node, routine, vec![x.clone()], (data(to), &sizes), &[])?;
                Ok(self.lowered.graph.view(made))
            }
        }
    }

    /// Copies elements; dimensions that are too many for a core one by one.
    fn copy(&mut self, from: &View, to: &View) -> Result<()> {
        let node = self.node.clone();
        match self.graph().write(&node, Op::Copy, std::slice::from_ref(from), to.clone()) {
            Err(graph::Error::TooLarge { .. }) if to.sizes.len() > DIMENSIONS => {
                for index in 0..to.sizes[0] {
                    let row = |view: &View| -> Result<View> {
                        let row = view.slice(0, index, 1, 1)?;
                        Ok(row.reshape(&view.sizes[1..])?)
                    };
                    self.copy(&row(from)?, &row(to)?)?;
                }
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// Is it all of a tensor that has these sizes?
    fn whole(&self, view: &View, sizes: &[u32]) -> Option<TensorId> {
        let shape = self.lowered.graph.shape(view.tensor);
        let dense = Shape::dense(view.data, sizes);
        let same = *shape == dense && view.offset == 0 && view.sizes == sizes;
        (same && view.strides == dense.strides).then_some(view.tensor)
    }

    /// The elements of a view as a dense tensor of these sizes.
    fn tensor(&mut self, view: &View, sizes: &[u32]) -> Result<TensorId> {
        if let Some(tensor) = self.whole(view, sizes) {
            return Ok(tensor);
        }
        let to = self.space(view.data, sizes);
        self.copy(view, &to.reshape(&view.sizes)?)?;
        Ok(to.tensor)
    }

    /// Matrices, perhaps in batches: one dimension of them.
    fn product(&mut self, a: &View, b: &View, ty: DataType, sizes: &[u32]) -> Result<View> {
        let [left, right] = [a, b].map(|view| {
            let rank = view.sizes.len();
            let mut order: Vec<usize> = (0..rank).collect();
            order.swap(rank - 2, rank - 1);
            let turned = view.permute(&order).ok().filter(|turned| {
                rank == 2
                    && self.whole(view, &view.sizes).is_none()
                    && self.whole(turned, &turned.sizes).is_some()
            });
            (turned.is_some(), turned.unwrap_or_else(|| view.clone()))
        });
        let flat = |view: &View| match view.sizes.len() {
            2 => view.sizes.clone(),
            rank => {
                let (batch, matrix) = view.sizes.split_at(rank - 2);
                [&[batch.iter().product()], matrix].concat()
            }
        };
        let x = self.tensor(&left.1, &flat(&left.1))?;
        let y = self.tensor(&right.1, &flat(&right.1))?;
        let options = Product {
            left_transposed: left.0,
            right_transposed: right.0,
            output: ty,
            ..Product::default()
        };
        let node = self.node.clone();
        let made = self.graph().product(&node, x, y, options)?;
        Ok(self.lowered.graph.view(made).reshape(sizes)?)
    }

    /// The host wants to read a value: a dense tensor that nobody else fills.
    fn output(&mut self, id: Id) -> Result<()> {
        if !self.program.is_live(id) {
            return Ok(());
        }
        let view = self.view(id)?;
        let taken = |tensor: &TensorId| {
            let mut all = self.lowered.inputs.iter().chain(&self.lowered.outputs);
            all.all(|(_, used)| used != tensor)
        };
        let tensor = match self.whole(&view, &view.sizes).filter(taken) {
            Some(tensor) => tensor,
            None => {
                let to = self.space(view.data, &view.sizes);
                self.copy(&view, &to)?;
                to.tensor
            }
        };
        self.graph().output(tensor);
        self.lowered.outputs.push((id, tensor));
        Ok(())
    }
}

fn slice(view: &View, cuts: &[(usize, usize, usize)]) -> Result<View> {
    let mut part = view.clone();
    for (axis, (first, step, count)) in cuts.iter().enumerate() {
        part = part.slice(axis, *first as u32, *count as u32, *step as u32)?;
    }
    Ok(part)
}

/// A result that is not what the reference has.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Which element.
    pub element: usize,
    /// What the device gave.
    pub got: f32,
    /// What the reference has.
    pub expected: Num,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Difference { element, got, expected: Num { value, error } } = self;
        write!(f, "element {element} is {got:e}, expected {value:e} within {error:e}")
    }
}

/// Compares a result of the device with the reference: the largest error as a share of the bound,
/// or the first element that is beyond it.
pub fn compare(expected: &[Num], got: &[f32]) -> std::result::Result<f64, Difference> {
    let mut worst = 0f64;
    for (element, expected) in expected.iter().copied().enumerate() {
        let got = got.get(element).copied().unwrap_or(f32::NAN);
        if !expected.admits(got.into()) {
            return Err(Difference { element, got, expected });
        }
        worst = worst.max(expected.share(got.into()));
    }
    Ok(worst)
}
