// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A model with values: primitives in order, each with what the reference makes of it.
//!
//! Sizes come from the reference: it has every value. What does not depend on an input that the
//! device computes with is fixed: the device gets it as a constant. Inputs of whole numbers (shapes,
//! axes) are fixed, too.

use crate::error::{Error, Result};
use crate::model::{Model, Node};
use crate::primitive::{Binary, Fold, Primitive, Unary};
use crate::tensor::{MOST, Tensor, Type};
use crate::view::{Cut, broadcast};
use crate::{operators, reference};
use std::collections::BTreeMap;

/// A value of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(usize);

/// A primitive with its operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The node that it belongs to.
    pub node: String,
    /// What it does.
    pub op: Primitive,
    /// What it reads.
    pub inputs: Vec<Id>,
    /// What it makes.
    pub output: Id,
}

/// Values by name.
pub type Values = BTreeMap<String, Tensor>;

/// A model with values.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Steps that the device runs.
    pub steps: Vec<Step>,
    /// Inputs that the device reads, by name.
    pub inputs: Vec<(String, Id)>,
    /// Outputs by name.
    pub outputs: Vec<(String, Id)>,
    values: Vec<Tensor>,
    /// Does it depend on an input that the device computes with?
    live: Vec<bool>,
    node: String,
}

impl Program {
    /// Runs a model in the reference.
    pub fn new(model: &Model, inputs: &Values) -> Result<Self> {
        let mut program = Program::default();
        let mut names: BTreeMap<&str, Id> = BTreeMap::new();
        for input in &model.inputs {
            let wrong = |why: String| Error::Input { name: input.name.clone(), why };
            let value = inputs.get(&input.name).ok_or_else(|| wrong("it has no value".into()))?;
            if value.ty != input.ty || input.sizes.as_ref().is_some_and(|s| *s != value.sizes) {
                let (got, sizes) = (value.ty, &value.sizes);
                let wants = (input.ty, &input.sizes);
                return Err(wrong(format!(
                    "it is {got:?} of {sizes:?}, the model wants {wants:?}"
                )));
            }
            let id = program.value(value.clone(), value.ty.computes());
            if value.ty.computes() {
                program.inputs.push((input.name.clone(), id));
            }
            names.insert(&input.name, id);
        }
        for (name, constant) in &model.constants {
            let id = program.constant(constant.clone());
            names.insert(name, id);
        }
        for node in &model.nodes {
            let given = node.inputs.iter().map(|name| names.get(name.as_str()).copied()).collect();
            program.node = node.name.clone();
            let made = operators::translate(&mut program, node, given, model.opset)?;
            for (index, name) in node.outputs.iter().enumerate().filter(|(_, n)| !n.is_empty()) {
                let id = made.get(index).ok_or_else(|| {
                    Error::Operator(format!("{} with output number {}", node.op, index + 1))
                })?;
                names.insert(name, *id);
            }
        }
        for output in &model.outputs {
            // The order was checked when the model was read.
            let id = names.get(output.name.as_str()).copied().unwrap_or(Id(0));
            program.outputs.push((output.name.clone(), id));
        }
        Ok(program)
    }

    /// A value: what the reference has of it.
    pub fn get(&self, id: Id) -> &Tensor {
        &self.values[id.0]
    }

    /// Does it depend on an input that the device computes with?
    pub fn is_live(&self, id: Id) -> bool {
        self.live[id.0]
    }

    fn value(&mut self, tensor: Tensor, live: bool) -> Id {
        self.values.push(tensor);
        self.live.push(live);
        Id(self.values.len() - 1)
    }

    /// A constant.
    pub fn constant(&mut self, tensor: Tensor) -> Id {
        self.value(tensor, false)
    }

    /// A number of a value's type.
    pub fn number(&mut self, like: Id, value: f64) -> Id {
        let tensor = Tensor::scalar(self.get(like).ty, value);
        self.constant(tensor)
    }

    /// An error of the node at hand.
    pub fn wrong(&self, why: impl Into<String>) -> Error {
        Error::Node { node: self.node.clone(), why: why.into() }
    }

    /// Sizes of a value.
    pub fn sizes(&self, id: Id) -> Vec<usize> {
        self.get(id).sizes.clone()
    }

    fn apply(&mut self, op: Primitive, inputs: &[Id], sizes: &[usize], ty: Type) -> Result<Id> {
        let count = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
        if count.is_none_or(|count| count > MOST) {
            return Err(self.wrong(format!("a result of sizes {sizes:?} is too large")));
        }
        let live = inputs.iter().any(|id| self.is_live(*id));
        if live && !ty.computes() {
            let what = format!("a result of {} on the device", self.node);
            return Err(Error::Type { what, name: format!("{ty:?}").to_lowercase() });
        }
        let given: Vec<&Tensor> = inputs.iter().map(|id| self.get(*id)).collect();
        let data = reference::evaluate(&op, &given, sizes, ty);
        debug_assert_eq!(Some(data.len()), count, "{op:?}");
        let output = self.value(Tensor { ty, sizes: sizes.to_vec(), data }, live);
        if live {
            let inputs = inputs.to_vec();
            self.steps.push(Step { node: self.node.clone(), op, inputs, output });
        }
        Ok(output)
    }

    /// A function of every element.
    pub fn unary(&mut self, f: Unary, x: Id) -> Result<Id> {
        let (sizes, ty) = (self.sizes(x), self.get(x).ty);
        self.apply(Primitive::Unary(f), &[x], &sizes, ty)
    }

    /// Negative elements times a slope.
    pub fn leaky(&mut self, x: Id, slope: f32) -> Result<Id> {
        let (sizes, ty) = (self.sizes(x), self.get(x).ty);
        self.apply(Primitive::Leaky(slope), &[x], &sizes, ty)
    }

    /// Another type.
    pub fn cast(&mut self, x: Id, ty: Type) -> Result<Id> {
        let sizes = self.sizes(x);
        if self.get(x).ty == ty {
            return Ok(x);
        }
        self.apply(Primitive::Cast, &[x], &sizes, ty)
    }

    /// A function of two values, which are made to fit each other.
    pub fn binary(&mut self, f: Binary, a: Id, b: Id) -> Result<Id> {
        let ty = self.get(a).ty;
        if ty != self.get(b).ty {
            return Err(self.wrong(format!("types {ty:?} and {:?} differ", self.get(b).ty)));
        }
        let [a, b] = self.fitted([a, b])?;
        let result = match f {
            Binary::Less | Binary::LessOrEqual | Binary::Equal => Type::Bool,
            Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::Max | Binary::Min => ty,
        };
        let sizes = self.sizes(a);
        self.apply(Primitive::Binary(f), &[a, b], &sizes, result)
    }

    /// Elements of `yes` or `no`.
    pub fn select(&mut self, condition: Id, yes: Id, no: Id) -> Result<Id> {
        let [condition, yes, no] = self.fitted([condition, yes, no])?;
        let (sizes, ty) = (self.sizes(yes), self.get(yes).ty);
        self.apply(Primitive::Select, &[condition, yes, no], &sizes, ty)
    }

    /// Values expanded to the sizes that they have together.
    fn fitted<const N: usize>(&mut self, ids: [Id; N]) -> Result<[Id; N]> {
        let mut all = Vec::new();
        for id in ids {
            let sizes = self.sizes(id);
            all = broadcast(&all, &sizes)
                .ok_or_else(|| self.wrong(format!("sizes {sizes:?} do not fit {all:?}")))?;
        }
        let mut fitted = ids;
        for id in &mut fitted {
            *id = self.expand(*id, &all)?;
        }
        Ok(fitted)
    }

    /// A product of matrices, in batches.
    pub fn product(&mut self, a: Id, b: Id) -> Result<Id> {
        let (x, y) = (self.sizes(a), self.sizes(b));
        let (r, s) = (x.len(), y.len());
        if r < 2 || r != s || x[..r - 2] != y[..s - 2] || x[r - 1] != y[s - 2] {
            return Err(self.wrong(format!("matrices of {x:?} and {y:?} do not fit")));
        }
        let sizes = [&x[..r - 1], &y[s - 1..]].concat();
        let ty = self.get(a).ty;
        self.apply(Primitive::Product, &[a, b], &sizes, ty)
    }

    /// A convolution of `[n][h][w][c]` with `[r][s][c][k]`.
    pub fn convolution(
        &mut self,
        x: Id,
        filter: Id,
        step: [usize; 2],
        dilation: [usize; 2],
    ) -> Result<Id> {
        let (a, b) = (self.sizes(x), self.sizes(filter));
        let mut sizes = vec![a[0], 0, 0, b[3]];
        for d in 0..2 {
            sizes[d + 1] = windows(a[d + 1], b[d], step[d], dilation[d])
                .ok_or_else(|| self.wrong(format!("the filter {b:?} is larger than {a:?}")))?;
        }
        if a[3] != b[2] {
            return Err(self.wrong(format!("channels of {a:?} and the filter {b:?} differ")));
        }
        let ty = self.get(x).ty;
        self.apply(Primitive::Convolution { step, dilation }, &[x, filter], &sizes, ty)
    }

    /// The elements along a dimension become one.
    pub fn fold(&mut self, fold: Fold, x: Id, axis: usize) -> Result<Id> {
        let (mut sizes, ty) = (self.sizes(x), self.get(x).ty);
        sizes[axis] = 1;
        self.apply(Primitive::Fold(fold, axis), &[x], &sizes, ty)
    }

    /// Windows of `size` elements, a step apart, along a dimension.
    pub fn window(
        &mut self,
        fold: Fold,
        x: Id,
        axis: usize,
        [size, step, dilation]: [usize; 3],
    ) -> Result<Id> {
        let (mut sizes, ty) = (self.sizes(x), self.get(x).ty);
        sizes[axis] = windows(sizes[axis], size, step, dilation)
            .ok_or_else(|| self.wrong(format!("a window of {size} does not fit {sizes:?}")))?;
        self.apply(Primitive::Window { fold, axis, size, step, dilation }, &[x], &sizes, ty)
    }

    /// Softmax along a dimension.
    pub fn softmax(&mut self, x: Id, axis: usize) -> Result<Id> {
        let (sizes, ty) = (self.sizes(x), self.get(x).ty);
        self.apply(Primitive::Softmax(axis), &[x], &sizes, ty)
    }

    /// Other sizes for the same elements.
    pub fn reshape(&mut self, x: Id, sizes: &[usize]) -> Result<Id> {
        let (old, ty) = (self.sizes(x), self.get(x).ty);
        if old.iter().product::<usize>() != sizes.iter().product::<usize>() {
            return Err(self.wrong(format!("{old:?} cannot become {sizes:?}")));
        }
        self.apply(Primitive::Reshape, &[x], sizes, ty)
    }

    /// Dimensions in another order.
    pub fn permute(&mut self, x: Id, order: &[usize]) -> Result<Id> {
        let (old, ty) = (self.sizes(x), self.get(x).ty);
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..old.len()) {
            return Err(self.wrong(format!("{order:?} is no order of {} dimensions", old.len())));
        }
        let sizes: Vec<usize> = order.iter().map(|n| old[*n]).collect();
        self.apply(Primitive::Permute(order.to_vec()), &[x], &sizes, ty)
    }

    /// Repeats dimensions of size 1.
    pub fn expand(&mut self, x: Id, sizes: &[usize]) -> Result<Id> {
        let (old, ty) = (self.sizes(x), self.get(x).ty);
        if old == sizes {
            return Ok(x);
        }
        if broadcast(&old, sizes).as_deref() != Some(sizes) {
            return Err(self.wrong(format!("{old:?} cannot be expanded to {sizes:?}")));
        }
        self.apply(Primitive::Expand, &[x], sizes, ty)
    }

    /// A part.
    pub fn slice(&mut self, x: Id, cuts: &[Cut]) -> Result<Id> {
        let (old, ty) = (self.sizes(x), self.get(x).ty);
        for ((first, step, count), size) in cuts.iter().zip(&old) {
            if *count > 0 && first + step * (count - 1) >= *size {
                return Err(self.wrong(format!("a slice {cuts:?} is not inside of {old:?}")));
            }
        }
        let sizes: Vec<usize> = cuts.iter().map(|(_, _, count)| *count).collect();
        self.apply(Primitive::Slice(cuts.to_vec()), &[x], &sizes, ty)
    }

    /// A part along one dimension.
    pub fn part(&mut self, x: Id, axis: usize, first: usize, count: usize) -> Result<Id> {
        let mut cuts: Vec<Cut> = self.sizes(x).into_iter().map(|size| (0, 1, size)).collect();
        cuts[axis] = (first, 1, count);
        self.slice(x, &cuts)
    }

    /// Elements of a value around.
    pub fn pad(&mut self, x: Id, before: &[usize], after: &[usize], value: f32) -> Result<Id> {
        let (old, ty) = (self.sizes(x), self.get(x).ty);
        if before.iter().chain(after).all(|n| *n == 0) {
            return Ok(x);
        }
        let size = |n: usize| old[n].saturating_add(before[n]).saturating_add(after[n]);
        let sizes: Vec<usize> = (0..old.len()).map(size).collect();
        self.apply(Primitive::Pad { before: before.to_vec(), value }, &[x], &sizes, ty)
    }

    /// One behind the other.
    pub fn concat(&mut self, all: &[Id], axis: usize) -> Result<Id> {
        let (mut sizes, ty) = (self.sizes(all[0]), self.get(all[0]).ty);
        sizes[axis] = 0;
        for id in all {
            let mut other = self.sizes(*id);
            let size = if axis < other.len() { std::mem::take(&mut other[axis]) } else { 0 };
            let total = std::mem::take(&mut sizes[axis]);
            if other != sizes || self.get(*id).ty != ty {
                return Err(self.wrong(format!("{other:?} does not fit {sizes:?}")));
            }
            sizes[axis] = total + size;
        }
        self.apply(Primitive::Concat(axis), all, &sizes, ty)
    }
}

/// How many windows fit.
fn windows(length: usize, size: usize, step: usize, dilation: usize) -> Option<usize> {
    let reach = size.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
    length.checked_sub(reach)?.checked_div(step).map(|more| more + 1)
}

/// The node at hand, for translations.
pub struct Scope<'a> {
    /// Where primitives go.
    pub program: &'a mut Program,
    /// The node.
    pub node: &'a Node,
    /// Its operands; `None`: left out.
    pub inputs: Vec<Option<Id>>,
    /// Version of the operator set.
    pub opset: i64,
}
