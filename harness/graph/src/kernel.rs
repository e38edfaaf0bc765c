// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Work of tensor cores: which kernel, on which elements, cut into jobs for the cores.
//!
//! A kernel walks over an index space ([`tpc::kernels::Space`]). Its operands are [`View`]s of the
//! same sizes; dimensions that are one run of elements in all of them are joined before the space
//! is cut, as a core takes no more than five.

use crate::error::Error;
use crate::graph::TensorId;
use crate::tensor::DataType;
use crate::view::View;
use std::sync::Arc;
use tpc::descriptor::{DIMENSIONS, Descriptor, Element, SCALARS, TENSORS, Tensor, split};
use tpc::isa::Arch;
use tpc::kernels::{self, Kernel, Space};

/// What tensor cores can do with tensors. bf16 operations round once, at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Op {
    /// The same elements: transposes, slices, broadcasts, joins as views say.
    Copy,
    /// The same numbers in another type.
    Cast,
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
    /// The larger of two.
    Max,
    /// The smaller of two.
    Min,
    /// `max(x, 0)`.
    Relu,
    /// Gradient through relu: `a` where `b > 0`, else 0.
    ReluBackward,
    /// `x` where `x >= 0`, else `slope * x`.
    LeakyRelu,
    /// `e^x`.
    Exp,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// `tanh(x)`.
    Tanh,
    /// `1 / x`.
    Reciprocal,
    /// Sum along the last dimension.
    ReduceSum,
    /// Largest along the last dimension.
    ReduceMax,
    /// Softmax along the last dimension.
    Softmax,
    /// `(x - mean) / sqrt(variance + epsilon)` along the last dimension.
    LayerNorm,
    /// A kernel that the caller brings: see [`Routine`].
    Own,
}

/// Kernels by operation: name without the type, inputs.
const KERNELS: &[(Op, &str, usize)] = &[
    (Op::Copy, "copy", 1),
    (Op::Cast, "cast", 1),
    (Op::Add, "add", 2),
    (Op::Sub, "sub", 2),
    (Op::Mul, "mul", 2),
    (Op::Div, "div", 2),
    (Op::Max, "max", 2),
    (Op::Min, "min", 2),
    (Op::Relu, "relu", 1),
    (Op::ReluBackward, "relu_backward", 2),
    (Op::LeakyRelu, "leaky_relu", 1),
    (Op::Exp, "exp", 1),
    (Op::Sigmoid, "sigmoid", 1),
    (Op::Tanh, "tanh", 1),
    (Op::Reciprocal, "reciprocal", 1),
    (Op::ReduceSum, "reduce_sum", 1),
    (Op::ReduceMax, "reduce_max", 1),
    (Op::Softmax, "softmax", 1),
    (Op::LayerNorm, "layer_norm", 1),
];

impl Op {
    /// Inputs, if it is one of the library.
    pub fn inputs(self) -> Option<usize> {
        KERNELS.iter().find(|(op, ..)| *op == self).map(|(_, _, inputs)| *inputs)
    }
}

/// A kernel and how it walks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routine {
    /// For people; kernels of one graph that have the same name have the same code.
    pub name: String,
    /// Its text, which is assembled for the chip of a plan.
    pub text: Arc<str>,
    /// How it walks.
    pub space: Space,
    /// Elements of a vector, where every vector is on its own.
    pub step: u32,
}

impl Routine {
    /// A kernel of the library.
    pub fn of(kernel: &Kernel) -> Self {
        let Kernel { name, space, step, .. } = *kernel;
        Routine { name: name.to_string(), text: kernel.text().into(), space, step }
    }

    /// Its machine code.
    pub fn code(&self, arch: Arch) -> Result<Arc<[u8]>, Error> {
        kernels::code(&self.text, self.step, arch).map(Arc::from).map_err(|error| {
            let why = format!("kernel {} does not assemble: {error}", self.name);
            Error::Shape { node: self.name.clone(), why }
        })
    }

    /// The library's kernel for an operation on these types.
    pub fn find(op: Op, input: DataType, output: DataType) -> Option<Self> {
        let (_, stem, _) = KERNELS.iter().find(|(known, ..)| *known == op)?;
        let same = input == output;
        let name = match op {
            Op::Cast if same => format!("copy_{}", suffix(input)),
            Op::Cast => format!("{stem}_{}_{}", suffix(input), suffix(output)),
            _ if same => format!("{stem}_{}", suffix(input)),
            _ => return None,
        };
        tpc::kernels::find(&name).map(Routine::of)
    }
}

fn suffix(data: DataType) -> &'static str {
    match data {
        DataType::Bf16 => "bf16",
        DataType::F32 => "f32",
    }
}

/// A kernel with its operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// What it computes.
    pub op: Op,
    /// The kernel.
    pub routine: Routine,
    /// What it reads, in the order of tensor numbers.
    pub inputs: Vec<View>,
    /// What it writes; its tensor number is behind the inputs'.
    pub output: View,
    /// S0, S1 and so on.
    pub scalars: Vec<u32>,
}

/// A dimension of all operands: size of each, stride of each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Dimension {
    sizes: Vec<u32>,
    strides: Vec<u32>,
}

impl Dimension {
    /// May the slower dimension be counted as more of this one?
    fn runs_into(&self, slower: &Dimension) -> bool {
        let same = |sizes: &[u32]| sizes.iter().all(|size| *size == sizes[0]);
        let run = |n: usize| Some(slower.strides[n]) == self.strides[n].checked_mul(self.sizes[n]);
        let fits = self.sizes[0].checked_mul(slower.sizes[0]).is_some();
        fits && same(&self.sizes) && same(&slower.sizes) && (0..self.sizes.len()).all(run)
    }
}

impl Call {
    /// What it touches, inputs first.
    pub fn operands(&self) -> impl Iterator<Item = &View> {
        self.inputs.iter().chain([&self.output])
    }

    /// The operands' tensors as cores count: dimensions fastest first, at most five.
    fn dimensions(&self) -> Result<Vec<Dimension>, Error> {
        let rank = self.output.sizes.len();
        if self.operands().any(|view| view.sizes.len() != rank) {
            let why = format!("operands of {} have different ranks", self.routine.name);
            return Err(Error::Shape { node: self.routine.name.clone(), why });
        }
        let pick = |n: usize| Dimension {
            sizes: self.operands().map(|view| view.sizes[n]).collect(),
            strides: self.operands().map(|view| view.strides[n]).collect(),
        };
        let mut all = (0..rank).rev().map(pick);
        let mut out: Vec<Dimension> = Vec::new();
        // Along a row nothing is joined.
        let row = match self.routine.space {
            Space::Rows => {
                out.extend(all.next());
                1
            }
            Space::Points => 0,
        };
        for next in all.filter(|one| one.sizes.iter().any(|size| *size != 1)) {
            let joined = out.len() > row;
            match out.last_mut() {
                Some(last) if joined && last.runs_into(&next) => {
                    for (size, more) in last.sizes.iter_mut().zip(&next.sizes) {
                        *size *= more;
                    }
                }
                Some(_) | None => out.push(next),
            }
        }
        if out.len() > DIMENSIONS {
            let (what, value, limit) = ("number of dimensions", out.len() as u64, 5);
            return Err(Error::TooLarge { what, value, limit });
        }
        Ok(out)
    }

    /// Descriptors for this many cores of a generation or less. `place` says where a tensor is,
    /// `code` where the kernel is; `message` is sent at the end: value, low half of the address.
    pub fn jobs(
        &self,
        (arch, cores): (Arch, usize),
        place: impl Fn(TensorId) -> u64,
        code: u64,
        message: (u32, u32),
    ) -> Result<Vec<Descriptor>, Error> {
        let limit = |what, value: usize, limit: usize| {
            let error = Error::TooLarge { what, value: value as u64, limit: limit as u64 };
            if value > limit { Err(error) } else { Ok(()) }
        };
        limit("number of operands", self.inputs.len() + 1, TENSORS)?;
        limit("number of scalars", self.scalars.len(), SCALARS)?;
        let dimensions = self.dimensions()?;
        let mut whole = Descriptor { code, message, ..Descriptor::new(arch) };
        for (n, view) in self.operands().enumerate() {
            whole.tensors[n] = tensor(view, n, &dimensions, place(view.tensor));
        }
        whole.scalars[..self.scalars.len()].copy_from_slice(&self.scalars);
        let mut space = whole.tensors[self.inputs.len()].sizes;
        space[0] = match self.routine.space {
            Space::Points => space[0].div_ceil(self.routine.step),
            Space::Rows => 1,
        };
        let part = |(offset, size)| Descriptor { offset, size, ..whole.clone() };
        Ok(split(space, cores).into_iter().map(part).collect())
    }
}

/// Operand `n` as a core sees it.
fn tensor(view: &View, n: usize, dimensions: &[Dimension], base: u64) -> Tensor {
    let element = match view.data {
        DataType::Bf16 => Element::Bf16,
        DataType::F32 => Element::F32,
    };
    let mut tensor = Tensor::dense(base + view.offset * view.data.bytes(), element, &[1]);
    for (d, dimension) in dimensions.iter().enumerate() {
        tensor.sizes[d] = dimension.sizes[n];
        tensor.strides[d] = dimension.strides[n];
    }
    tensor
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Graph;
    use crate::tensor::Shape;
    use crate::view::Operand;

    fn call(graph: &Graph) -> &Call {
        let Some(node) = graph.nodes().last() else { panic!("no node") };
        match &node.work {
            crate::graph::Work::Kernel(call) => call,
            crate::graph::Work::Copy | crate::graph::Work::Contraction(_) => panic!("no kernel"),
        }
    }

    fn sizes(call: &Call) -> Vec<Vec<u32>> {
        let jobs =
            call.jobs((Arch::Gaudi, 8), |_| 0, 0, (0, 0)).unwrap_or_else(|error| panic!("{error}"));
        let count = call.inputs.len() + 1;
        jobs[0].tensors[..count].iter().map(|tensor| tensor.sizes.to_vec()).collect()
    }

    #[test]
    fn runs_of_elements_are_one_dimension() {
        let mut g = Graph::new();
        let x = g.input("x", Shape::dense(DataType::F32, &[2, 3, 4, 5, 6, 7]));
        g.unary("relu", Op::Relu, x).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(sizes(call(&g)), [[5040, 1, 1, 1, 1], [5040, 1, 1, 1, 1]]);
        // A bias joins only what it does not repeat.
        let bias = g.input("bias", Shape::dense(DataType::F32, &[6, 7]));
        g.binary("bias", Op::Add, x, bias).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(sizes(call(&g)), [[42, 120, 1, 1, 1]; 3]);
        // A row stays one, whatever is around it.
        let last = g.along("sum", Op::ReduceSum, x, 5).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(g.shape(last).sizes, [2, 3, 4, 5, 6, 1]);
        assert_eq!(sizes(call(&g)), [[7, 720, 1, 1, 1], [1, 720, 1, 1, 1]]);
    }

    #[test]
    fn six_dimensions_that_cannot_be_joined_are_too_many() {
        let mut g = Graph::new();
        let x = g.input("x", Shape::dense(DataType::F32, &[2; 6]));
        let all = x.view(&g).permute(&[5, 4, 3, 2, 1, 0]);
        let all = all.unwrap_or_else(|error| panic!("{error}"));
        let refused = g.unary("transpose", Op::Copy, all);
        assert!(matches!(refused, Err(Error::TooLarge { value: 6, limit: 5, .. })), "{refused:?}");
    }

    #[test]
    fn jobs_cover_the_index_space() {
        let mut g = Graph::new();
        let x = g.input("x", Shape::dense(DataType::Bf16, &[1000]));
        g.unary("exp", Op::Exp, x).unwrap_or_else(|error| panic!("{error}"));
        let jobs = call(&g).jobs((Arch::Gaudi, 8), |_| 0x1000, 0x2000, (1, 2));
        let jobs = jobs.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(jobs.len(), 8);
        assert_eq!(jobs.iter().map(|job| job.size[0]).sum::<u32>(), 8);
        assert!(jobs.iter().all(|job| job.code == 0x2000 && job.tensors[1].base == 0x1000));
    }
}
