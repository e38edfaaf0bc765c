// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! A graph as it is written down: tensors and the nodes that make them.

use crate::contraction::{Contraction, Left, Picture};
use crate::error::Error;
use crate::kernel::Call;
use crate::tensor::{DataType, Shape};
use std::sync::Arc;

/// A tensor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TensorId(pub(crate) usize);

/// Who fills a tensor and who wants to see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The host fills it before a run.
    Input,
    /// The host reads it after a run.
    Output,
    /// It lives only inside of the device.
    Inner,
    /// Loaded once, before the first run.
    Constant,
    /// At this place of device memory, which other graphs know, too. Nobody loads or stores it.
    Section(u64),
}

/// A sync object by which a graph that runs on other streams lets this one go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event(pub(crate) u32);

/// A tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// For people.
    pub name: String,
    /// Its shape.
    pub shape: Shape,
    /// Its role.
    pub role: Role,
    /// What a constant holds.
    pub content: Arc<[u8]>,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// The matrix engine: operands are left and right.
    Contraction(Box<Contraction>),
    /// Tensor cores.
    Kernel(Box<Call>),
    /// Copies bytes inside of the device.
    Copy,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// For people.
    pub name: String,
    /// What it does.
    pub work: Work,
    /// What it reads.
    pub reads: Vec<TensorId>,
    /// What it writes.
    pub writes: TensorId,
}

/// Options of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    /// The left operand is stored transposed.
    pub left_transposed: bool,
    /// The right operand is stored transposed.
    pub right_transposed: bool,
    /// Negative results become 0.
    pub relu: bool,
    /// Type of the result.
    pub output: DataType,
}

impl Default for Product {
    fn default() -> Self {
        let output = DataType::F32;
        Product { left_transposed: false, right_transposed: false, relu: false, output }
    }
}

/// Options of a convolution; pairs are (height, width).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Convolution {
    /// Pixels of the input for one of the output.
    pub step: [u32; 2],
    /// Pixels of the input for one of the filter.
    pub dilation: [u32; 2],
    /// Padding before the first and behind the last pixel.
    pub padding: [u32; 2],
    /// Negative results become 0.
    pub relu: bool,
    /// Type of the result.
    pub output: DataType,
}

impl Default for Convolution {
    fn default() -> Self {
        Convolution {
            step: [1; 2],
            dilation: [1; 2],
            padding: [0; 2],
            relu: false,
            output: DataType::F32,
        }
    }
}

/// A graph. Nodes are added in an order in which they could run one by one.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    pub(crate) tensors: Vec<Tensor>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) waits: Vec<Event>,
    pub(crate) signals: Vec<Event>,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Graph::default()
    }

    pub(crate) fn tensor(&mut self, name: &str, shape: Shape, role: Role) -> TensorId {
        let content = Arc::default();
        self.tensors.push(Tensor { name: name.to_string(), shape, role, content });
        TensorId(self.tensors.len() - 1)
    }

    /// A tensor that the host fills.
    pub fn input(&mut self, name: &str, shape: Shape) -> TensorId {
        self.tensor(name, shape, Role::Input)
    }

    /// A tensor in memory of the device that graphs share (see [`crate::Share::section`]).
    pub fn section(&mut self, name: &str, shape: Shape, address: u64) -> TensorId {
        self.tensor(name, shape, Role::Section(address))
    }

    /// A run of this graph begins when the event was signalled, and takes the signal.
    pub fn wait_for(&mut self, event: Event) {
        self.waits.push(event);
    }

    /// The end of a run of this graph signals the event. Whoever waits for it must have ended
    /// before the next run ends.
    pub fn signal(&mut self, event: Event) {
        self.signals.push(event);
    }

    /// The host wants to read this one, which a node makes.
    pub fn output(&mut self, id: TensorId) {
        self.tensors[id.0].role = Role::Output;
    }

    /// The same with all that nodes make seen by the host, for [`crate::check`].
    pub fn inspect(&self) -> Self {
        let mut graph = self.clone();
        let inner = graph.tensors.iter_mut().filter(|tensor| tensor.role == Role::Inner);
        inner.for_each(|tensor| tensor.role = Role::Output);
        graph
    }

    /// The shape of a tensor.
    pub fn shape(&self, id: TensorId) -> &Shape {
        &self.tensors[id.0].shape
    }

    /// Its nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    fn add(&mut self, name: &str, work: Work, reads: &[TensorId], shape: Shape) -> TensorId {
        let writes = self.tensor(name, shape, Role::Inner);
        self.nodes.push(Node { name: name.to_string(), work, reads: reads.to_vec(), writes });
        writes
    }

    /// A copy with the same strides.
    pub fn copy(&mut self, name: &str, from: TensorId) -> TensorId {
        let shape = self.shape(from).clone();
        self.add(name, Work::Copy, &[from], shape)
    }

    /// A product of matrices, or of batches of matrices: `[batch][row][column]`.
    pub fn product(
        &mut self,
        name: &str,
        left: TensorId,
        right: TensorId,
        options: Product,
    ) -> Result<TensorId, Error> {
        let Product { left_transposed, right_transposed, relu, output } = options;
        let wrong = |why: String| Error::Shape { node: name.to_string(), why };
        let (a, b) = (self.shape(left), self.shape(right));
        let [a3, b3] = [a, b].map(Matrices::of);
        let (Some(a3), Some(b3)) = (a3, b3) else {
            return Err(wrong(format!("ranks {} and {} are not 2 or 3", a.rank(), b.rank())));
        };
        let (m, k) = if left_transposed { (a3.columns, a3.rows) } else { (a3.rows, a3.columns) };
        let (other, n) =
            if right_transposed { (b3.columns, b3.rows) } else { (b3.rows, b3.columns) };
        if k != other || a.data != b.data || a3.batches != b3.batches {
            return Err(wrong(format!("{a:?} does not fit {b:?}")));
        }
        let sizes = [a3.batches, m, n];
        let shape = Shape::dense(output, if a.rank() == 2 { &sizes[1..] } else { &sizes });
        let out = m * n;
        let picture = Picture {
            input: [m, 1, 1],
            input_strides: [a3.stride, m * a3.stride, m * a3.stride],
            output: [m, 1],
            output_strides: [n, out, out],
            filter: [1, 1],
            filter_strides: [0, 0],
            step: [1, 1],
            dilation: [1, 1],
            padding: [0, 0],
        };
        let contraction = Contraction {
            rows: m,
            columns: n,
            common: k,
            left: match left_transposed {
                true => Left::Transposed { stride: a3.stride },
                false => Left::Picture(picture),
            },
            right_transposed,
            right_stride: b3.stride,
            output_stride: n,
            batches: a3.batches,
            batch_strides: [a3.batch_stride, b3.batch_stride, out],
            f32_in: a.data == DataType::F32,
            f32_out: output == DataType::F32,
            relu,
        };
        Ok(self.add(name, Work::Contraction(Box::new(contraction)), &[left, right], shape))
    }

    /// A convolution: `[n][h][w][c]` with filters `[r][s][c][k]` gives `[n][oh][ow][k]`.
    pub fn convolution(
        &mut self,
        name: &str,
        input: TensorId,
        filter: TensorId,
        options: Convolution,
    ) -> Result<TensorId, Error> {
        let Convolution { step, dilation, padding, relu, output } = options;
        let wrong = |why: String| Error::Shape { node: name.to_string(), why };
        let (x, f) = (self.shape(input), self.shape(filter));
        let (&[n, h, w, c], &[r, s, fc, k]) = (x.sizes.as_slice(), f.sizes.as_slice()) else {
            return Err(wrong(format!("{x:?} and {f:?} do not have 4 dimensions")));
        };
        if c != fc || x.data != f.data {
            return Err(wrong(format!("{x:?} does not fit {f:?}")));
        }
        let size = |input: u32, filter: u32, d: usize| {
            let reach = (filter.checked_sub(1)?).checked_mul(dilation[d])?.checked_add(1)?;
            let room = input.checked_add(2 * padding[d])?.checked_sub(reach)?;
            Some(room.checked_div(step[d])? + 1)
        };
        let (Some(oh), Some(ow)) = (size(h, r, 0), size(w, s, 1)) else {
            return Err(wrong(format!("the filter {f:?} is larger than the padded {x:?}")));
        };
        let picture = Picture {
            input: [w, h, n],
            input_strides: [x.strides[2], x.strides[1], x.strides[0]],
            output: [ow, oh],
            output_strides: [k, ow * k, oh * ow * k],
            filter: [s, r],
            filter_strides: [f.strides[1], f.strides[0]],
            step: [step[1], step[0]],
            dilation: [dilation[1], dilation[0]],
            padding: [padding[1], padding[0]],
        };
        let contraction = Contraction {
            rows: n * oh * ow,
            columns: k,
            common: c,
            left: Left::Picture(picture),
            right_transposed: false,
            right_stride: f.strides[2],
            output_stride: k,
            batches: 1,
            batch_strides: [0; 3],
            f32_in: x.data == DataType::F32,
            f32_out: output == DataType::F32,
            relu,
        };
        let shape = Shape::dense(output, &[n, oh, ow, k]);
        Ok(self.add(name, Work::Contraction(Box::new(contraction)), &[input, filter], shape))
    }
}

/// A tensor as a batch of matrices.
struct Matrices {
    batches: u32,
    rows: u32,
    columns: u32,
    stride: u32,
    batch_stride: u32,
}

impl Matrices {
    fn of(shape: &Shape) -> Option<Self> {
        match (shape.sizes.as_slice(), shape.strides.as_slice()) {
            (&[rows, columns], &[stride, 1]) => {
                Some(Matrices { batches: 1, rows, columns, stride, batch_stride: 0 })
            }
            (&[batches, rows, columns], &[batch_stride, stride, 1]) => {
                Some(Matrices { batches, rows, columns, stride, batch_stride })
            }
            _ => None,
        }
    }
}
