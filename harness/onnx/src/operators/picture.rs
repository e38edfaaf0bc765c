// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Convolutions and pools over `[n][c]` and one or more dimensions of space.

use super::Table;
use crate::error::Result;
use crate::primitive::{Binary, Fold};
use crate::program::{Id, Scope};
use crate::tensor::Tensor;

pub(super) const TABLE: Table = &[
    ("Conv", conv),
    ("MaxPool", max_pool),
    ("AveragePool", average_pool),
    ("GlobalMaxPool", |s| {
        let (x, axes) = s.space()?;
        Ok(vec![s.fold_all(Fold::Max, x, &axes)?])
    }),
    ("GlobalAveragePool", |s| {
        let (x, axes) = s.space()?;
        Ok(vec![s.mean(x, &axes)?])
    }),
];

/// How a window moves over the dimensions of space.
struct Windows {
    kernel: Vec<usize>,
    steps: Vec<usize>,
    dilations: Vec<usize>,
    before: Vec<usize>,
    after: Vec<usize>,
    /// Elements behind the padding that only rounding the size up reaches.
    beyond: Vec<usize>,
}

impl Scope<'_> {
    /// The operand and its dimensions of space.
    fn space(&self) -> Result<(Id, Vec<usize>)> {
        let x = self.x(0)?;
        match self.rank(x) {
            0..3 => Err(self.program.wrong("the operand has no dimension of space")),
            rank => Ok((x, (2..rank).collect())),
        }
    }

    fn windows(&self, x: Id, kernel: Vec<usize>) -> Result<Windows> {
        let sizes = self.sizes(x);
        let rank = kernel.len();
        if sizes.len() != rank + 2 || kernel.contains(&0) {
            return Err(self.program.wrong(format!("a window {kernel:?} over {sizes:?}")));
        }
        let counts = |name: &str, default: i64, length: usize| {
            let numbers = self.ints(name).unwrap_or_else(|| vec![default; length]);
            match numbers.len() == length {
                true => self.counts(&numbers),
                false => Err(self.program.wrong(format!("{name} are {numbers:?}"))),
            }
        };
        let steps = counts("strides", 1, rank)?;
        let dilations = counts("dilations", 1, rank)?;
        if steps.contains(&0) || dilations.contains(&0) {
            return Err(self.program.wrong("windows do not move"));
        }
        let pads = counts("pads", 0, 2 * rank)?;
        let mut w = Windows {
            before: pads[..rank].to_vec(),
            after: pads[rank..].to_vec(),
            beyond: vec![0; rank],
            kernel,
            steps,
            dilations,
        };
        let auto = self.text("auto_pad", "NOTSET");
        for d in 0..rank {
            let (size, step) = (sizes[d + 2], w.steps[d]);
            let reach = (w.kernel[d] - 1) * w.dilations[d] + 1;
            match auto.as_str() {
                "NOTSET" => {}
                "VALID" => (w.before[d], w.after[d]) = (0, 0),
                "SAME_UPPER" | "SAME_LOWER" => {
                    let all = ((size.div_ceil(step) - 1) * step + reach).saturating_sub(size);
                    let less = all / 2;
                    let lower = auto == "SAME_LOWER";
                    (w.before[d], w.after[d]) =
                        if lower { (all - less, less) } else { (less, all - less) };
                }
                other => return self.unsupported(format!("auto_pad {other:?}")),
            }
            if self.int("ceil_mode", 0) != 0 {
                let padded = size + w.before[d] + w.after[d];
                let over = padded.saturating_sub(reach) % step;
                // A window that begins in the padding behind the last element is none.
                let begin = padded.saturating_sub(reach) - over + step;
                if over > 0 && begin < size + w.before[d] {
                    w.beyond[d] = step - over;
                }
            }
        }
        Ok(w)
    }

    fn kernel_shape(&self) -> Result<Vec<usize>> {
        let kernel = self.ints("kernel_shape");
        self.counts(&kernel.ok_or_else(|| self.program.wrong("no kernel_shape"))?)
    }

    /// A fold over the windows of one dimension after the other.
    fn pool(&mut self, fold: Fold, x: Id, w: &Windows, outside: f32) -> Result<Id> {
        let zero = [0, 0];
        let behind: Vec<usize> = w.after.iter().zip(&w.beyond).map(|(a, b)| a + b).collect();
        let (before, after) = ([&zero[..], &w.before].concat(), [&zero[..], &behind].concat());
        let mut y = self.program.pad(x, &before, &after, outside)?;
        for d in 0..w.kernel.len() {
            y = self.program.window(fold, y, d + 2, [w.kernel[d], w.steps[d], w.dilations[d]])?;
        }
        Ok(y)
    }
}

fn max_pool(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    if s.node.outputs.len() > 1 {
        return s.unsupported("the indices of the largest");
    }
    let x = s.x(0)?;
    let w = s.windows(x, s.kernel_shape()?)?;
    Ok(vec![s.pool(Fold::Max, x, &w, f32::NEG_INFINITY)?])
}

/// The sum over the number of elements in the window: all of them, or those that are no padding.
fn average_pool(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let w = s.windows(x, s.kernel_shape()?)?;
    let sum = s.pool(Fold::Sum, x, &w, 0.0)?;
    let mut sizes = s.sizes(x);
    (sizes[0], sizes[1]) = (1, 1);
    let include = s.int("count_include_pad", 0) != 0;
    // What counts is 1; padding counts where it is asked for, what is beyond it never does.
    let mut ones = w;
    if include {
        for d in 0..ones.kernel.len() {
            sizes[d + 2] += ones.before[d] + ones.after[d];
        }
        ones.before.fill(0);
        ones.after.fill(0);
    }
    let count = sizes.iter().product();
    let ty = s.ty(x);
    let ones_of = Tensor::new(ty, &sizes, &vec![1.0; count]);
    let counted = s.program.constant(ones_of);
    let counts = s.pool(Fold::Sum, counted, &ones, 0.0)?;
    // Whole numbers, which a sum has exactly.
    let mut exact = s.program.get(counts).clone();
    exact.data.iter_mut().for_each(|one| one.error = 0.0);
    let counts = s.program.constant(exact);
    Ok(vec![s.program.binary(Binary::Div, sum, counts)?])
}

/// Channels become the last dimension for the matrix engine; groups run one by one.
fn conv(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let (mut x, mut filter) = (s.x(0)?, s.x(1)?);
    let line = s.rank(x) == 3;
    let kernel = s.sizes(filter).get(2..).unwrap_or_default().to_vec();
    let w = s.windows(x, kernel)?;
    let [mut step, mut dilation] = [[1; 2]; 2];
    let rank = w.kernel.len();
    if rank > 2 {
        return s.unsupported(format!("{rank} dimensions of space: 1 and 2 are"));
    }
    step[2 - rank..].copy_from_slice(&w.steps);
    dilation[2 - rank..].copy_from_slice(&w.dilations);
    let zero = [0, 0];
    let (before, after) = ([&zero[..], &w.before].concat(), [&zero[..], &w.after].concat());
    x = s.program.pad(x, &before, &after, 0.0)?;
    if line {
        for id in [&mut x, &mut filter] {
            let mut sizes = s.sizes(*id);
            sizes.insert(2, 1);
            *id = s.program.reshape(*id, &sizes)?;
        }
    }
    x = s.program.permute(x, &[0, 2, 3, 1])?;
    filter = s.program.permute(filter, &[2, 3, 1, 0])?;
    let y = grouped(s, x, filter, step, dilation)?;
    let mut y = s.program.permute(y, &[0, 3, 1, 2])?;
    if line {
        let mut sizes = s.sizes(y);
        sizes.remove(2);
        y = s.program.reshape(y, &sizes)?;
    }
    if let Some(bias) = s.maybe(2) {
        let mut sizes = s.sizes(bias);
        sizes.resize(rank + 1, 1);
        let bias = s.program.reshape(bias, &sizes)?;
        y = s.program.binary(Binary::Add, y, bias)?;
    }
    Ok(vec![y])
}

fn grouped(
    s: &mut Scope<'_>,
    x: Id,
    filter: Id,
    step: [usize; 2],
    dilation: [usize; 2],
) -> Result<Id> {
    let groups = s.counts(&[s.int("group", 1)])?[0];
    let (channels, outputs) = (s.sizes(filter)[2], s.sizes(filter)[3]);
    if groups == 0 || !outputs.is_multiple_of(groups) || s.sizes(x)[3] != channels * groups {
        return Err(s.program.wrong(format!("{groups} groups do not fit")));
    }
    if groups == 1 {
        return s.program.convolution(x, filter, step, dilation);
    }
    let each = outputs / groups;
    let mut all = Vec::new();
    for group in 0..groups {
        let part = s.program.part(x, 3, group * channels, channels)?;
        let own = s.program.part(filter, 3, group * each, each)?;
        all.push(s.program.convolution(part, own, step, dilation)?);
    }
    s.program.concat(&all, 3)
}
