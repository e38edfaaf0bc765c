// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! What moves elements, and what makes constants.

use super::Table;
use crate::error::Result;
use crate::model::Attribute;
use crate::program::{Id, Scope};
use crate::tensor::{MOST, Tensor, Type};

pub(super) const TABLE: Table = &[
    ("Transpose", transpose),
    ("Reshape", reshape),
    ("Flatten", flatten),
    ("Squeeze", squeeze),
    ("Unsqueeze", unsqueeze),
    ("Expand", expand),
    ("Tile", tile),
    ("Concat", concat),
    ("Split", split),
    ("Slice", slice),
    ("Gather", gather),
    ("Pad", pad),
    ("DepthToSpace", depth_to_space),
    ("SpaceToDepth", space_to_depth),
    ("Shape", shape),
    ("Size", size),
    ("Constant", constant),
    ("ConstantOfShape", constant_of_shape),
    ("Range", range),
];

fn transpose(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let order = match s.ints("perm") {
        Some(order) => s.counts(&order)?,
        None => (0..s.rank(x)).rev().collect(),
    };
    Ok(vec![s.program.permute(x, &order)?])
}

/// 0 keeps a size unless `allowzero` says otherwise; -1 is what is left.
fn reshape(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let old = s.sizes(x);
    let mut wanted = s.whole(1, "shape")?.unwrap_or_default();
    let keeps = s.int("allowzero", 0) == 0;
    for (n, size) in wanted.iter_mut().enumerate() {
        if *size == 0 && keeps {
            *size = old.get(n).map_or(0, |size| *size as i64);
        }
    }
    if let Some(open) = wanted.iter().position(|size| *size == -1) {
        let others = wanted.iter().enumerate().filter(|(n, _)| *n != open);
        let known: i64 = others.map(|(_, size)| *size).product();
        let count: usize = old.iter().product();
        wanted[open] = (count as i64).checked_div(known).unwrap_or(0);
    }
    let sizes = s.counts(&wanted)?;
    Ok(vec![s.program.reshape(x, &sizes)?])
}

fn flatten(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let sizes = s.sizes(x);
    // One behind the last is a dimension here, but only counted from the front.
    let axis = match s.int("axis", 1) {
        axis if axis == sizes.len() as i64 => sizes.len(),
        axis => s.dimension(axis, sizes.len())?,
    };
    let flat = [sizes[..axis].iter().product(), sizes[axis..].iter().product()];
    Ok(vec![s.program.reshape(x, &flat)?])
}

fn squeeze(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let sizes = s.sizes(x);
    let axes: Vec<usize> = match s.whole(1, "axes")? {
        None => (0..sizes.len()).filter(|n| sizes[*n] == 1).collect(),
        Some(axes) => axes.iter().map(|n| s.dimension(*n, sizes.len())).collect::<Result<_>>()?,
    };
    let kept = |(n, size): (usize, &usize)| (!axes.contains(&n)).then_some(*size);
    let sizes: Vec<usize> = sizes.iter().enumerate().filter_map(kept).collect();
    Ok(vec![s.program.reshape(x, &sizes)?])
}

fn unsqueeze(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let named = s.whole(1, "axes")?.unwrap_or_default();
    let rank = s.rank(x);
    let mut axes: Vec<usize> =
        named.iter().map(|n| s.dimension(*n, rank + named.len())).collect::<Result<_>>()?;
    axes.sort_unstable();
    let mut sizes = s.sizes(x);
    for axis in axes {
        sizes.insert(axis, 1);
    }
    Ok(vec![s.program.reshape(x, &sizes)?])
}

fn expand(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let wanted = s.counts(&s.whole(1, "shape")?.unwrap_or_default())?;
    let sizes = crate::view::broadcast(&s.sizes(x), &wanted)
        .ok_or_else(|| s.program.wrong(format!("{wanted:?} does not fit")))?;
    Ok(vec![s.program.expand(x, &sizes)?])
}

/// Every dimension gets a new one before it, which is repeated.
fn tile(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let sizes = s.sizes(x);
    let repeats = s.counts(&s.whole(1, "repeats")?.unwrap_or_default())?;
    if repeats.len() != sizes.len() {
        return Err(s.program.wrong(format!("{repeats:?} repeats of {sizes:?}")));
    }
    let pairs = |first: &dyn Fn(usize) -> usize| {
        sizes.iter().enumerate().flat_map(|(n, size)| [first(n), *size]).collect::<Vec<_>>()
    };
    let split = s.program.reshape(x, &pairs(&|_| 1))?;
    let wide = s.program.expand(split, &pairs(&|n| repeats[n]))?;
    let all: Vec<usize> = sizes.iter().zip(&repeats).map(|(a, b)| a * b).collect();
    Ok(vec![s.program.reshape(wide, &all)?])
}

fn concat(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let all = s.all()?;
    let axis = s.axis(0, all[0])?;
    Ok(vec![s.program.concat(&all, axis)?])
}

fn split(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let axis = s.axis(0, x)?;
    let size = s.sizes(x)[axis];
    let parts = match s.whole(1, "split")? {
        Some(parts) => s.counts(&parts)?,
        None => {
            let number = s.int("num_outputs", s.node.outputs.len() as i64).max(1) as usize;
            let each = size.div_ceil(number);
            (0..number).map(|n| each.min(size.saturating_sub(n * each))).collect()
        }
    };
    let mut first = 0;
    let mut all = Vec::new();
    for part in parts {
        all.push(s.program.part(x, axis, first, part)?);
        first += part;
    }
    Ok(all)
}

/// Starts and ends may be beyond the ends, and count from behind where negative.
fn slice(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let sizes = s.sizes(x);
    let starts = s.whole(1, "starts")?.unwrap_or_default();
    let ends = s.whole(2, "ends")?.unwrap_or_default();
    let axes = s.whole(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = s.whole(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if [ends.len(), axes.len(), steps.len()] != [starts.len(); 3] {
        return Err(s.program.wrong("starts, ends, axes, steps differ in length"));
    }
    let mut cuts: Vec<_> = sizes.iter().map(|size| (0, 1, *size)).collect();
    for n in 0..starts.len() {
        let axis = s.dimension(axes[n], sizes.len())?;
        let size = sizes[axis] as i64;
        if steps[n] < 1 {
            return s.unsupported(format!("step {}", steps[n]));
        }
        let inside = |at: i64| if at < 0 { at.saturating_add(size).max(0) } else { at.min(size) };
        let (start, end) = (inside(starts[n]), inside(ends[n]));
        let count = (end - start).max(0) as usize;
        let step = steps[n].min(size.max(1)) as usize;
        cuts[axis] = (start as usize, step, count.div_ceil(step));
    }
    Ok(vec![s.program.slice(x, &cuts)?])
}

/// Part after part.
fn gather(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let axis = s.axis(0, x)?;
    let sizes = s.sizes(x);
    let Some(indices) = s.fixed(1)? else {
        return Err(s.program.wrong("no indices"));
    };
    let mut parts = Vec::new();
    for index in indices.whole() {
        let index = s.dimension(index, sizes[axis])?;
        parts.push(s.program.part(x, axis, index, 1)?);
    }
    if parts.is_empty() {
        return s.unsupported("no indices");
    }
    let joined = if parts.len() > 1 { s.program.concat(&parts, axis)? } else { parts[0] };
    let all = [&sizes[..axis], &indices.sizes, &sizes[axis + 1..]].concat();
    Ok(vec![s.program.reshape(joined, &all)?])
}

fn pad(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let mode = s.text("mode", "constant");
    if mode != "constant" {
        return s.unsupported(format!("mode {mode:?}"));
    }
    let x = s.x(0)?;
    let rank = s.rank(x);
    let pads = s.whole(1, "pads")?.unwrap_or_default();
    let value = match s.fixed(2)? {
        Some(value) => value.data.first().map_or(0.0, |one| one.value as f32),
        None => s.float("value", 0.0),
    };
    let named = s.whole(3, "")?.unwrap_or_else(|| (0..rank as i64).collect());
    let pads = match s.counts(&pads) {
        Ok(pads) if pads.len() == 2 * named.len() => pads,
        Ok(_) | Err(_) => return s.unsupported(format!("pads {pads:?}")),
    };
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    for (n, axis) in named.iter().enumerate() {
        let axis = s.dimension(*axis, rank)?;
        (before[axis], after[axis]) = (pads[n], pads[named.len() + n]);
    }
    Ok(vec![s.program.pad(x, &before, &after, value)?])
}

fn depth_to_space(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let (x, b, [n, c, h, w]) = s.blocks()?;
    if !c.is_multiple_of(b * b) {
        return Err(s.program.wrong(format!("{c} channels in blocks of {b}")));
    }
    let c = c / (b * b);
    let (split, order) = match s.text("mode", "DCR").as_str() {
        "DCR" => ([n, b, b, c, h, w], [0, 3, 4, 1, 5, 2]),
        _ => ([n, c, b, b, h, w], [0, 1, 4, 2, 5, 3]),
    };
    let y = s.program.reshape(x, &split)?;
    let y = s.program.permute(y, &order)?;
    Ok(vec![s.program.reshape(y, &[n, c, h * b, w * b])?])
}

fn space_to_depth(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let (x, b, [n, c, h, w]) = s.blocks()?;
    if !h.is_multiple_of(b) || !w.is_multiple_of(b) {
        return Err(s.program.wrong(format!("{h} x {w} in blocks of {b}")));
    }
    let y = s.program.reshape(x, &[n, c, h / b, b, w / b, b])?;
    let y = s.program.permute(y, &[0, 3, 5, 1, 2, 4])?;
    Ok(vec![s.program.reshape(y, &[n, c * b * b, h / b, w / b])?])
}

impl Scope<'_> {
    fn blocks(&self) -> Result<(Id, usize, [usize; 4])> {
        let x = self.x(0)?;
        let block = self.counts(&[self.int("blocksize", 1)])?[0].max(1);
        match <[usize; 4]>::try_from(self.sizes(x)) {
            Ok(sizes) => Ok((x, block, sizes)),
            Err(sizes) => Err(self.program.wrong(format!("{sizes:?} are not 4 dimensions"))),
        }
    }
}

fn shape(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let sizes: Vec<i64> = s.sizes(s.x(0)?).iter().map(|size| *size as i64).collect();
    let rank = sizes.len() as i64;
    let inside = |at: i64| (if at < 0 { at + rank } else { at }).clamp(0, rank) as usize;
    let (start, end) = (inside(s.int("start", 0)), inside(s.int("end", rank)));
    let part = sizes.get(start..end).unwrap_or_default();
    Ok(vec![s.program.constant(Tensor::integers(part))])
}

fn size(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let count: usize = s.sizes(s.x(0)?).iter().product();
    Ok(vec![s.program.constant(Tensor::scalar(Type::I64, count as f64))])
}

fn constant(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let named = ["value", "value_float", "value_floats", "value_int", "value_ints"];
    let tensor = match named.iter().find_map(|name| s.attribute(name)) {
        Some(Attribute::Tensor(tensor)) => tensor.clone(),
        Some(Attribute::Float(value)) => Tensor::scalar(Type::F32, f64::from(*value)),
        Some(Attribute::Int(value)) => Tensor::scalar(Type::I64, *value as f64),
        Some(Attribute::Ints(values)) => Tensor::integers(values),
        Some(Attribute::Floats(values)) => {
            let values: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
            Tensor::new(Type::F32, &[values.len()], &values)
        }
        Some(Attribute::Text(_) | Attribute::Other) | None => {
            return s.unsupported("a value that is no tensor");
        }
    };
    Ok(vec![s.program.constant(tensor)])
}

fn constant_of_shape(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let sizes = s.counts(&s.whole(0, "")?.unwrap_or_default())?;
    let (ty, value) = match s.attribute("value") {
        Some(Attribute::Tensor(t)) => (t.ty, t.data.first().map_or(0.0, |one| one.value)),
        Some(_) | None => (Type::F32, 0.0),
    };
    let number = s.program.constant(Tensor::scalar(ty, value));
    Ok(vec![s.program.expand(number, &sizes)?])
}

fn range(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let (Some(start), Some(end), Some(step)) = (s.fixed(0)?, s.fixed(1)?, s.fixed(2)?) else {
        return Err(s.program.wrong("start, limit or delta is missing"));
    };
    let [first, last, by] = [&start, &end, &step].map(|t| t.data.first().map_or(0.0, |n| n.value));
    let count = ((last - first) / by).ceil().max(0.0);
    if count.is_nan() || count > MOST as f64 {
        return Err(s.program.wrong(format!("{count} numbers")));
    }
    let values: Vec<f64> = (0..count as usize).map(|n| first + n as f64 * by).collect();
    Ok(vec![s.program.constant(Tensor::new(start.ty, &[values.len()], &values))])
}
