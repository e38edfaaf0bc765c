// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Matrix products and convolutions as descriptors of the matrix engine.
//!
//! The two masters share the rows of the output, master and slave of each share its columns, 64
//! (with f32 inputs 32) at a time:
//!
//! | loop | what |
//! |---|---|
//! | 0, 1 | filter columns and rows, summed up |
//! | 1 | row tiles, where the left operand is stored transposed |
//! | 2 | pairs of column tiles |
//! | 3 | batches |
//! | 4 | row tiles: the spatial walk goes on |
//!
//! Sizes above what one loop counts are cut into several launches.

use crate::error::Error;
use mme::descriptor::{Descriptor, header, repeat};

/// Most repetitions of a convolution loop.
const MOST: u32 = 256;
/// A dimension that a loop does not move.
const NONE: u32 = 5;
/// `rateLimiter` of the published recipes; timing only.
const RATE: u32 = 0x0002_0404;

/// How the left operand is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Rows of the output are rows of a picture, `[n][h][w][common]`; a matrix has n = h = 1.
    Picture(Picture),
    /// Stored transposed, `[common][row]`: elements from one step to the next.
    Transposed {
        /// Stride of the common dimension.
        stride: u32,
    },
}

/// A picture and the filter that goes over it. Pairs are (width, height).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Sizes of the input: width, height, pictures.
    pub input: [u32; 3],
    /// Elements from one pixel, line, picture of the input to the next.
    pub input_strides: [u32; 3],
    /// Sizes of the output: width, height.
    pub output: [u32; 2],
    /// Elements from one pixel, line, picture of the output to the next.
    pub output_strides: [u32; 3],
    /// Filter size.
    pub filter: [u32; 2],
    /// Elements of the right operand from one filter column, row to the next.
    pub filter_strides: [u32; 2],
    /// Pixels of the input for one of the output.
    pub step: [u32; 2],
    /// Pixels of the input for one of the filter.
    pub dilation: [u32; 2],
    /// Padding before the first pixel.
    pub padding: [u32; 2],
}

/// A product: `output[row][column] = sum(left[row][k] * right[k][column])`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contraction {
    /// Rows of the output.
    pub rows: u32,
    /// Columns of the output.
    pub columns: u32,
    /// Length of the common dimension, for one filter element.
    pub common: u32,
    /// The left operand.
    pub left: Left,
    /// Is the right operand stored `[column][common]`?
    pub right_transposed: bool,
    /// Elements from one row of the right operand, as stored, to the next.
    pub right_stride: u32,
    /// Elements from one row of the output to the next, where the left operand is no picture.
    pub output_stride: u32,
    /// Products of this shape one after the other.
    pub batches: u32,
    /// Elements from one batch of left, right, output to the next.
    pub batch_strides: [u32; 3],
    /// f32 inputs instead of bf16.
    pub f32_in: bool,
    /// f32 output instead of bf16.
    pub f32_out: bool,
    /// Negative results become 0.
    pub relu: bool,
}

/// Where operands are and where signals go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Addresses of left, right, output.
    pub base: [u64; 3],
    /// Sync object that every engine adds one to.
    pub signal: u64,
}

/// A descriptor and the master that runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// Which master: 0 or 1.
    pub master: usize,
    /// What it runs.
    pub descriptor: Descriptor,
}

/// Signals of one launch: master and slave.
pub const SIGNALS: u32 = 2;

/// A part of the output that one descriptor counts through.
#[derive(Clone, Copy, Debug)]
struct Part {
    master: usize,
    /// First row and number of rows.
    rows: (u32, u32),
    /// First column and number of columns.
    columns: (u32, u32),
    /// First batch and number of batches.
    batches: (u32, u32),
}

impl Contraction {
    /// Rows and columns of a tile.
    fn edge(&self) -> u32 {
        if self.f32_in { 32 } else { 64 }
    }

    /// The launches that compute it.
    pub fn launches(&self, places: &Places) -> Result<Vec<Launch>, Error> {
        self.check()?;
        self.parts()
            .into_iter()
            .map(|part| Ok(Launch { master: part.master, descriptor: self.part(&part, places)? }))
            .collect()
    }

    fn check(&self) -> Result<(), Error> {
        let sizes = [
            ("rows", self.rows),
            ("columns", self.columns),
            ("common dimension", self.common),
            ("batches", self.batches),
        ];
        for (what, size) in sizes {
            if size == 0 {
                let why = format!("the product has no {what}");
                return Err(Error::Shape { node: "contraction".into(), why });
            }
        }
        if let Left::Picture(picture) = &self.left {
            for filter in picture.filter {
                limit("filter size", filter.into(), MOST.into())?;
            }
        }
        Ok(())
    }

    /// Cuts rows for the masters, and everything for the loops.
    fn parts(&self) -> Vec<Part> {
        let edge = self.edge();
        let halves = {
            let first = self.rows.div_ceil(edge).div_ceil(2).saturating_mul(edge).min(self.rows);
            [(0, 0, first), (1, first, self.rows - first)]
        };
        let most_rows = match self.left {
            Left::Picture(_) => u32::MAX,
            Left::Transposed { .. } => MOST * edge,
        };
        let mut parts = Vec::new();
        for batches in cut(0, self.batches, MOST) {
            for columns in cut(0, self.columns, MOST * edge * 2) {
                for (master, first, count) in halves {
                    for rows in cut(first, count, most_rows) {
                        parts.push(Part { master, rows, columns, batches });
                    }
                }
            }
        }
        parts
    }

    fn part(&self, part: &Part, places: &Places) -> Result<Descriptor, Error> {
        let edge = self.edge();
        let mut d = Descriptor {
            header: [header::STORE | header::SIGNAL | 0x3f << header::SIGNAL_MASK, header::ENABLES],
            repeat: repeat::LOAD_S | repeat::LOAD_L | repeat::TE_S | repeat::TE_L,
            rate: RATE,
            ..Descriptor::default()
        };
        let flags = [
            (self.f32_in, header::F32_IN),
            (self.f32_out, header::F32_OUT),
            (self.relu, header::RELU),
        ];
        for (set, bit) in flags {
            d.header[0] |= if set { bit } else { 0 };
        }
        let pairs = part.columns.1.div_ceil(2 * edge);
        let mut loops = Loops::default();
        match &self.left {
            Left::Picture(picture) => self.picture(&mut d, &mut loops, picture, part)?,
            Left::Transposed { stride } => self.transposed(&mut d, &mut loops, *stride, part)?,
        }
        self.right(&mut d, part)?;
        loops.set(2, pairs, [NONE, u32::from(self.right_transposed), 0]);
        d.o.loop_stride[0] = 2 * edge as i32;
        loops.set(3, part.batches.1, [4, 4, 4]);
        let firsts = self.batch_strides.map(|stride| u64::from(stride) * u64::from(part.batches.0));
        let [s, l, o] = self.batch_strides;
        for (tensor, stride, first) in
            [(&mut d.s, s, firsts[0]), (&mut d.l, l, firsts[1]), (&mut d.o, o, firsts[2])]
        {
            tensor.loop_stride[4] = signed("batch stride", stride.into())?;
            let behind = first + u64::from(stride) * u64::from(part.batches.1);
            tensor.valid[4] = unsigned("batches", behind.max(1))?;
        }
        d.agu_s.base[4] = signed("batch", firsts[0])?;
        for half in 0..2 {
            d.agu_l[half].base[4] = signed("batch", firsts[1])?;
            d.agu_o[half].base[4] = signed("batch", firsts[2])?;
            d.agu_o[half].base[0] = signed("column", (part.columns.0 + half as u32 * edge).into())?;
        }
        self.partial_columns(&mut d, part);
        loops.store(&mut d);
        let [left, right, output] = places.base;
        d.base_low = [left as u32, right as u32, output as u32];
        d.base_high = [left, right, output].map(|base| (base >> 32) as u32);
        d.signal.low = [places.signal as u32; 2];
        d.signal.high = (places.signal >> 32) as u32;
        d.signal.data = hw::sync::INCREMENT.mask() | 1;
        Ok(d)
    }

    /// The rest of the columns is a tile of the slave or of the master; beyond it all is padding.
    fn partial_columns(&self, d: &mut Descriptor, part: &Part) {
        let columns = part.columns.1;
        let master = columns.div_ceil(self.edge()) % 2 == 1;
        let (local, remote) = if master { (1 << 2, 0) } else { (0, 1 << 2) };
        let [_, l_local, l_remote, o_local, o_remote] = header::PARTIAL;
        d.header[1] |=
            local << l_local | remote << l_remote | local << o_local | remote << o_remote;
        d.o.roi[0] = columns as i32;
        d.o.valid[0] = part.columns.0 + columns;
    }

    /// The right operand: rows of columns, or columns of rows.
    fn right(&self, d: &mut Descriptor, part: &Part) -> Result<(), Error> {
        let edge = self.edge();
        let stride = u64::from(self.right_stride);
        let (first, columns) = part.columns;
        let last = u64::from(first + columns);
        let common = u64::from(self.common);
        d.l.spatial_stride[0] = self.right_stride;
        d.l.roi = [0, i32::MAX, i32::MAX, i32::MAX];
        let remote = u64::from(first + edge);
        if self.right_transposed {
            d.header[0] |= header::TRANS_L;
            d.l.valid = [self.common, unsigned("right operand", last * stride)?, 1, 1, 1];
            d.l.loop_stride[1] = signed("right operand", 2 * u64::from(edge) * stride)?;
            d.l.roi[0] = signed("common dimension", common)?;
            d.l.spatial_size = columns - 1;
            d.agu_l[0].base[1] = signed("right operand", u64::from(first) * stride)?;
            d.agu_l[1].base[1] = signed("right operand", remote * stride)?;
        } else {
            let valid = unsigned("right operand", common * stride)?;
            d.l.valid = [first + columns, valid, 1, 1, 1];
            d.l.loop_stride[0] = 2 * edge as i32;
            d.l.roi[0] = columns as i32;
            d.l.spatial_size = self.common - 1;
            d.agu_l[0].base[0] = signed("column", first.into())?;
            d.agu_l[1].base[0] = signed("column", remote)?;
        }
        if let Left::Picture(picture) = &self.left {
            for n in 0..2 {
                let stride = u64::from(picture.filter_strides[n]);
                d.l.loop_stride[2 + n] = signed("filter", stride)?;
                let valid = stride * u64::from(picture.filter[n]);
                d.l.valid[2 + n] = unsigned("filter", valid.max(1))?;
            }
        }
        Ok(())
    }

    /// Rows by the spatial walk over a picture.
    fn picture(
        &self,
        d: &mut Descriptor,
        loops: &mut Loops,
        p: &Picture,
        part: &Part,
    ) -> Result<(), Error> {
        let edge = self.edge();
        let (first, rows) = part.rows;
        let accumulated = 0b11 << header::ACCUM_MASK;
        d.header[0] |= header::TRANS_S | header::ADVANCE_S | header::ADVANCE_O | accumulated;
        d.header[1] |= 1 << 4 << header::PARTIAL[0];
        loops.set(0, p.filter[0], [1, 2, NONE]);
        loops.set(1, p.filter[1], [2, 3, NONE]);
        d.iterations = rows.div_ceil(edge) - 1;
        let last = rows - d.iterations * edge;
        (d.s.spatial_size, d.o.spatial_size) = (last - 1, last - 1);
        let [width, height] = p.output;
        let pictures = p.input[2];
        let start = [first % width, first / width % height, first / width / height];
        let steps = [p.step[0], p.step[1], 1];
        let sizes = [width, height, pictures];
        d.s.valid[0] = self.common;
        d.s.roi[0] = signed("common dimension", self.common.into())?;
        for n in 0..3 {
            let stride = u64::from(p.input_strides[n]);
            let walk = stride * u64::from(steps[n]);
            d.s.valid[n + 1] = unsigned("left operand", stride * u64::from(p.input[n]))?;
            d.s.spatial_stride[n] = unsigned("left operand", walk)?;
            d.s.roi[n + 1] = region(walk, sizes[n], n)?;
            d.agu_s.start[n] = unsigned("left operand", walk * u64::from(start[n]))?;
            let out = u64::from(p.output_strides[n]);
            d.o.valid[n + 1] = unsigned("output", out * u64::from(sizes[n]))?;
            d.o.spatial_stride[n] = p.output_strides[n];
            d.o.roi[n + 1] = region(out, sizes[n], n)?;
            for agu in &mut d.agu_o {
                agu.start[n] = unsigned("output", out * u64::from(start[n]))?;
            }
        }
        for n in 0..2 {
            let stride = u64::from(p.input_strides[n]);
            let dilated = stride * u64::from(p.dilation[n]);
            d.s.loop_stride[n + 1] = signed("left operand", dilated)?;
            d.agu_s.base[n + 1] = -signed("padding", stride * u64::from(p.padding[n]))?;
        }
        Ok(())
    }

    /// Rows by a loop over the contiguous dimension of the left operand.
    fn transposed(
        &self,
        d: &mut Descriptor,
        loops: &mut Loops,
        stride: u32,
        part: &Part,
    ) -> Result<(), Error> {
        let edge = self.edge();
        let (first, rows) = part.rows;
        loops.set(1, rows.div_ceil(edge), [0, NONE, 1]);
        d.header[1] |= 1 << 1 << header::PARTIAL[0];
        d.s.valid = [first + rows, 0, 1, 1, 1];
        d.s.valid[1] = unsigned("left operand", u64::from(stride) * u64::from(self.common))?;
        d.s.loop_stride[0] = edge as i32;
        d.s.roi = [rows as i32, i32::MAX, i32::MAX, i32::MAX];
        d.s.spatial_stride[0] = stride;
        d.s.spatial_size = self.common - 1;
        d.agu_s.base[0] = signed("row", first.into())?;
        let out = u64::from(self.output_stride);
        let behind = unsigned("output", out * u64::from(first + rows))?;
        d.o.valid = [0, behind, 1, 1, 1];
        d.o.loop_stride[1] = signed("output", out * u64::from(edge))?;
        d.o.roi = [0, i32::MAX, i32::MAX, i32::MAX];
        d.o.spatial_stride[0] = self.output_stride;
        d.o.spatial_size = edge - 1;
        for agu in &mut d.agu_o {
            agu.base[1] = signed("output", out * u64::from(first))?;
        }
        Ok(())
    }
}

/// Sizes and associated dimensions of the convolution loops.
#[derive(Default)]
struct Loops {
    sizes: [u32; 4],
    dimensions: [Option<u32>; 4],
}

impl Loops {
    fn set(&mut self, index: usize, size: u32, [s, l, o]: [u32; 3]) {
        self.sizes[index] = size - 1;
        self.dimensions[index] = Some(s | l << 3 | o << 6);
    }

    fn store(&self, d: &mut Descriptor) {
        let none = NONE | NONE << 3 | NONE << 6;
        let at = |n: usize| self.dimensions[n].unwrap_or(none);
        d.associated = [at(0) | at(1) << 16, at(2) | at(3) << 16];
        d.kernel_size = (0..4).fold(0, |all, n| all | self.sizes[n] << (8 * n));
        d.outer = none;
    }
}

/// Cuts a range into pieces.
fn cut(first: u32, count: u32, most: u32) -> Vec<(u32, u32)> {
    let pieces = (0..count).step_by(most as usize);
    pieces.map(|at| (first + at, most.min(count - at))).collect()
}

/// Size of a walked region; the outermost has no end that matters.
fn region(stride: u64, size: u32, dimension: usize) -> Result<i32, Error> {
    match dimension {
        0 | 1 => signed("region", (stride * u64::from(size)).max(1)),
        _ => Ok(i32::MAX),
    }
}

fn limit(what: &'static str, value: u64, limit: u64) -> Result<(), Error> {
    if value > limit { Err(Error::TooLarge { what, value, limit }) } else { Ok(()) }
}

fn signed(what: &'static str, value: u64) -> Result<i32, Error> {
    i32::try_from(value).map_err(|_| Error::TooLarge { what, value, limit: i32::MAX as u64 })
}

fn unsigned(what: &'static str, value: u64) -> Result<u32, Error> {
    u32::try_from(value).map_err(|_| Error::TooLarge { what, value, limit: u32::MAX.into() })
}
