// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Nodes of tensor cores, by operation.
//!
//! Every operation takes tensors or [`View`]s and makes a new dense tensor; [`Graph::write`] puts
//! the result into a part of an existing one instead, which is how tensors are joined or padded.

use crate::error::Error;
use crate::graph::{Graph, Node, Role, TensorId, Work};
use crate::kernel::{Call, Op, Routine};
use crate::tensor::{DataType, Shape};
use crate::view::{Operand, View};
use tpc::isa::Arch;

impl Graph {
    /// A tensor with these values, put into the memory of the device once, for all runs.
    pub fn constant(
        &mut self,
        name: &str,
        data: DataType,
        sizes: &[u32],
        values: &[f32],
    ) -> TensorId {
        let id = self.tensor(name, Shape::dense(data, sizes), Role::Constant);
        self.tensors[id.0].content = data.encode(values).into();
        id
    }

    /// A tensor that nodes fill part by part with [`Graph::write`]. What nobody writes is not
    /// defined.
    pub fn space(&mut self, name: &str, data: DataType, sizes: &[u32]) -> TensorId {
        self.tensor(name, Shape::dense(data, sizes), Role::Inner)
    }

    /// A tensor as a view of all of it.
    pub fn view(&self, operand: impl Operand) -> View {
        operand.view(self)
    }

    /// A function of one number, or [`Op::Copy`].
    pub fn unary(&mut self, name: &str, op: Op, x: impl Operand) -> Result<TensorId, Error> {
        let x = x.view(self);
        let (data, sizes) = (x.data, x.sizes.clone());
        self.make(name, op, vec![x], data, &sizes, &[])
    }

    /// A function of two numbers. Sizes of 1 and missing dimensions in front are repeated.
    pub fn binary(
        &mut self,
        name: &str,
        op: Op,
        a: impl Operand,
        b: impl Operand,
    ) -> Result<TensorId, Error> {
        let (a, b) = (a.view(self), b.view(self));
        let rank = a.sizes.len().max(b.sizes.len());
        let size = |view: &View, n: usize| {
            (n + view.sizes.len()).checked_sub(rank).map_or(1, |n| view.sizes[n])
        };
        let sizes: Vec<u32> = (0..rank)
            .map(|n| match (size(&a, n), size(&b, n)) {
                (1, other) => other,
                (one, _) => one,
            })
            .collect();
        let inputs = vec![a.broadcast(&sizes)?, b.broadcast(&sizes)?];
        let data = inputs[0].data;
        self.make(name, op, inputs, data, &sizes, &[])
    }

    /// `x` where `x >= 0`, else `slope * x`.
    pub fn leaky_relu(
        &mut self,
        name: &str,
        x: impl Operand,
        slope: f32,
    ) -> Result<TensorId, Error> {
        let x = x.view(self);
        let (data, sizes) = (x.data, x.sizes.clone());
        // As a number of the type, in S1.
        let bytes = data.encode(&[slope]);
        let bits = bytes.iter().rev().fold(0, |bits, byte| bits << 8 | u32::from(*byte));
        self.make(name, Op::LeakyRelu, vec![x], data, &sizes, &[0, bits])
    }

    /// The same numbers in this type.
    pub fn cast(&mut self, name: &str, x: impl Operand, to: DataType) -> Result<TensorId, Error> {
        let x = x.view(self);
        let sizes = x.sizes.clone();
        self.make(name, Op::Cast, vec![x], to, &sizes, &[])
    }

    /// A function along one dimension: [`Op::ReduceSum`], [`Op::ReduceMax`] (the dimension stays,
    /// with size 1) or [`Op::Softmax`].
    pub fn along(
        &mut self,
        name: &str,
        op: Op,
        x: impl Operand,
        axis: usize,
    ) -> Result<TensorId, Error> {
        self.rows(name, op, x.view(self), axis, &[])
    }

    /// `(x - mean) / sqrt(variance + epsilon)` along one dimension.
    pub fn layer_norm(
        &mut self,
        name: &str,
        x: impl Operand,
        axis: usize,
        epsilon: f32,
    ) -> Result<TensorId, Error> {
        let x = x.view(self);
        let count = x.sizes.get(axis).copied().unwrap_or(1);
        let scalars = [(1.0 / count as f32).to_bits(), epsilon.to_bits()];
        self.rows(name, Op::LayerNorm, x, axis, &scalars)
    }

    /// Puts the result of an operation into a part of an existing tensor. Inputs are repeated to
    /// the sizes of the part; along rows (see [`Op`]) the last dimension is the row.
    pub fn write(&mut self, name: &str, op: Op, inputs: &[View], to: View) -> Result<(), Error> {
        let inputs: Result<_, _> = inputs.iter().map(|input| input.broadcast(&to.sizes)).collect();
        self.kernel(name, op, inputs?, to, &[])
    }

    /// A kernel of the caller. It makes a dense tensor of these sizes.
    pub fn own(
        &mut self,
        name: &str,
        routine: Routine,
        inputs: Vec<View>,
        (data, sizes): (DataType, &[u32]),
        scalars: &[u32],
    ) -> Result<TensorId, Error> {
        let to = self.space(name, data, sizes);
        let (output, scalars) = (to.view(self), scalars.to_vec());
        self.call(name, Call { op: Op::Own, routine, inputs, output, scalars })?;
        Ok(to)
    }

    /// A function along a dimension that need not be the last.
    fn rows(
        &mut self,
        name: &str,
        op: Op,
        x: View,
        axis: usize,
        scalars: &[u32],
    ) -> Result<TensorId, Error> {
        let mut sizes = x.sizes.clone();
        let Some(row) = sizes.get(axis).copied() else {
            let why = format!("there is no dimension {axis} in {sizes:?}");
            return Err(Error::Shape { node: name.to_string(), why });
        };
        if matches!(op, Op::ReduceSum | Op::ReduceMax) {
            sizes[axis] = 1;
        }
        let mut order: Vec<usize> = (0..sizes.len()).filter(|n| *n != axis).collect();
        order.push(axis);
        let to = self.space(name, x.data, &sizes);
        let (input, output) = (x.permute(&order)?, to.view(self).permute(&order)?);
        let scalars = [&[row], scalars].concat();
        self.kernel(name, op, vec![input], output, &scalars)?;
        Ok(to)
    }

    fn make(
        &mut self,
        name: &str,
        op: Op,
        inputs: Vec<View>,
        data: DataType,
        sizes: &[u32],
        scalars: &[u32],
    ) -> Result<TensorId, Error> {
        let to = self.space(name, data, sizes);
        let output = to.view(self);
        self.kernel(name, op, inputs, output, scalars)?;
        Ok(to)
    }

    fn kernel(
        &mut self,
        name: &str,
        op: Op,
        inputs: Vec<View>,
        output: View,
        scalars: &[u32],
    ) -> Result<(), Error> {
        let types: Vec<DataType> = inputs.iter().map(|view| view.data).collect();
        let found = match types.split_first() {
            Some((first, rest)) if rest.iter().all(|data| data == first) => {
                Routine::find(op, *first, output.data).filter(|_| op.inputs() == Some(types.len()))
            }
            Some(_) | None => None,
        };
        let Some(routine) = found else {
            let why = format!("no kernel for {op:?} of {types:?} to {:?}", output.data);
            return Err(Error::Shape { node: name.to_string(), why });
        };
        // S0: elements of a row, for the kernels that walk along rows.
        let row = inputs[0].sizes.last().copied().unwrap_or(1);
        let scalars = if scalars.is_empty() { vec![row] } else { scalars.to_vec() };
        self.call(name, Call { op, routine, inputs, output, scalars })
    }

    fn call(&mut self, name: &str, call: Call) -> Result<(), Error> {
        let wrong = |why: String| Err(Error::Shape { node: name.to_string(), why });
        for view in call.operands() {
            let (reach, room) = (view.reach(), self.shape(view.tensor).span());
            if view.count() == 0 || reach > room {
                return wrong(format!("{view:?} does not fit a tensor of {room} elements"));
            }
        }
        // Said here, not when it is planned.
        call.jobs((Arch::Gaudi, 1), |_| 0, 0, (0, 0))?;
        let reads = call.inputs.iter().map(|view| view.tensor).collect();
        let writes = call.output.tensor;
        let work = Work::Kernel(Box::new(call));
        self.nodes.push(Node { name: name.to_string(), work, reads, writes });
        Ok(())
    }
}
