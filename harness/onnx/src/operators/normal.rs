// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Normalisations.

use super::Table;
use crate::error::Result;
use crate::primitive::{Binary, Fold, Unary};
use crate::program::{Id, Scope};

pub(super) const TABLE: Table = &[
    ("Softmax", softmax),
    ("LogSoftmax", log_softmax),
    ("BatchNormalization", batch_norm),
    ("InstanceNormalization", instance_norm),
    ("GroupNormalization", group_norm),
    ("LayerNormalization", layer_norm),
    ("RMSNormalization", rms_norm),
    ("MeanVarianceNormalization", mean_variance),
    ("LpNormalization", lp_norm),
];

impl Scope<'_> {
    /// The value whose last dimensions are one row up to version 12, with the axis to work along.
    fn row(&mut self) -> Result<(Id, usize)> {
        let x = self.x(0)?;
        if self.opset >= 13 {
            return Ok((x, self.axis(-1, x)?));
        }
        let axis = self.axis(1, x)?;
        let sizes = self.sizes(x);
        let flat = [sizes[..axis].iter().product(), sizes[axis..].iter().product()];
        Ok((self.program.reshape(x, &flat)?, 1))
    }

    /// `x - mean` and the mean of its square, along dimensions.
    fn moments(&mut self, x: Id, axes: &[usize]) -> Result<(Id, Id)> {
        let mean = self.mean(x, axes)?;
        let centred = self.program.binary(Binary::Sub, x, mean)?;
        let square = self.program.binary(Binary::Mul, centred, centred)?;
        Ok((centred, self.mean(square, axes)?))
    }

    /// `x / sqrt(variance + epsilon)`.
    fn over_deviation(&mut self, x: Id, variance: Id, epsilon: f32) -> Result<Id> {
        let shifted = self.with(Binary::Add, variance, epsilon.into())?;
        let deviation = self.program.unary(Unary::Sqrt, shifted)?;
        self.program.binary(Binary::Div, x, deviation)
    }

    /// `x * scale + shift`, which have one element a channel.
    fn by_channel(&mut self, x: Id, scale: usize, shift: usize) -> Result<Id> {
        let (scale, shift) = (self.channels(x, scale)?, self.channels(x, shift)?);
        let y = self.program.binary(Binary::Mul, x, scale)?;
        self.program.binary(Binary::Add, y, shift)
    }

    /// An operand with one element a channel, made to fit x.
    fn channels(&mut self, x: Id, operand: usize) -> Result<Id> {
        let id = self.x(operand)?;
        let mut sizes = self.sizes(id);
        sizes.resize(self.rank(x) - 1, 1);
        self.program.reshape(id, &sizes)
    }
}

fn softmax(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let sizes = s.sizes(s.x(0)?);
    let (x, axis) = s.row()?;
    let y = s.program.softmax(x, axis)?;
    Ok(vec![s.program.reshape(y, &sizes)?])
}

/// `(x - max) - log(sum(exp(x - max)))`.
fn log_softmax(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let sizes = s.sizes(s.x(0)?);
    let (x, axis) = s.row()?;
    let max = s.program.fold(Fold::Max, x, axis)?;
    let below = s.program.binary(Binary::Sub, x, max)?;
    let powers = s.program.unary(Unary::Exp, below)?;
    let sum = s.program.fold(Fold::Sum, powers, axis)?;
    let log = s.program.unary(Unary::Log, sum)?;
    let y = s.program.binary(Binary::Sub, below, log)?;
    Ok(vec![s.program.reshape(y, &sizes)?])
}

fn batch_norm(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    if s.int("training_mode", 0) != 0 {
        return s.unsupported("training_mode");
    }
    let x = s.x(0)?;
    let (mean, variance) = (s.channels(x, 3)?, s.channels(x, 4)?);
    let centred = s.program.binary(Binary::Sub, x, mean)?;
    let y = s.over_deviation(centred, variance, s.float("epsilon", 1e-5))?;
    Ok(vec![s.by_channel(y, 1, 2)?])
}

fn instance_norm(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let axes: Vec<usize> = (2..s.rank(x)).collect();
    let (centred, variance) = s.moments(x, &axes)?;
    let y = s.over_deviation(centred, variance, s.float("epsilon", 1e-5))?;
    Ok(vec![s.by_channel(y, 1, 2)?])
}

/// Channels of a group are normalised together.
fn group_norm(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let sizes = s.sizes(x);
    let groups = s.counts(&[s.int("num_groups", 1)])?[0].max(1);
    if sizes.len() < 2 || !sizes[1].is_multiple_of(groups) {
        return Err(s.program.wrong(format!("{groups} groups of {sizes:?}")));
    }
    let rest = sizes[1..].iter().product::<usize>() / groups;
    let split = s.program.reshape(x, &[sizes[0], groups, rest])?;
    let (centred, variance) = s.moments(split, &[2])?;
    let y = s.over_deviation(centred, variance, s.float("epsilon", 1e-5))?;
    let y = s.program.reshape(y, &sizes)?;
    Ok(vec![s.by_channel(y, 1, 2)?])
}

/// The second output is the mean, the third one over the deviation.
fn layer_norm(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let axes: Vec<usize> = (s.axis(-1, x)?..s.rank(x)).collect();
    let mean = s.mean(x, &axes)?;
    let (centred, variance) = s.moments(x, &axes)?;
    let shifted = s.with(Binary::Add, variance, s.float("epsilon", 1e-5).into())?;
    let deviation = s.program.unary(Unary::Sqrt, shifted)?;
    let inverse = s.program.unary(Unary::Reciprocal, deviation)?;
    let mut y = s.program.binary(Binary::Mul, centred, inverse)?;
    y = s.program.binary(Binary::Mul, y, s.x(1)?)?;
    if let Some(bias) = s.maybe(2) {
        y = s.program.binary(Binary::Add, y, bias)?;
    }
    Ok(vec![y, mean, inverse])
}

fn rms_norm(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let axes: Vec<usize> = (s.axis(-1, x)?..s.rank(x)).collect();
    let square = s.program.binary(Binary::Mul, x, x)?;
    let mean = s.mean(square, &axes)?;
    let y = s.over_deviation(x, mean, s.float("epsilon", 1e-5))?;
    Ok(vec![s.program.binary(Binary::Mul, y, s.x(1)?)?])
}

/// `(x - mean) / (deviation + 1e-9)`.
fn mean_variance(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let named = s.ints("axes").unwrap_or_else(|| vec![0, 2, 3]);
    let rank = s.rank(x);
    let axes: Vec<usize> =
        named.iter().map(|axis| s.dimension(*axis, rank)).collect::<Result<_>>()?;
    let (centred, variance) = s.moments(x, &axes)?;
    let deviation = s.program.unary(Unary::Sqrt, variance)?;
    let deviation = s.with(Binary::Add, deviation, 1e-9)?;
    Ok(vec![s.program.binary(Binary::Div, centred, deviation)?])
}

fn lp_norm(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let axis = s.axis(-1, x)?;
    let norm = match s.int("p", 2) {
        1 => {
            let sizes = s.program.unary(Unary::Abs, x)?;
            s.program.fold(Fold::Sum, sizes, axis)?
        }
        2 => {
            let square = s.program.binary(Binary::Mul, x, x)?;
            let sum = s.program.fold(Fold::Sum, square, axis)?;
            s.program.unary(Unary::Sqrt, sum)?
        }
        p => return s.unsupported(format!("p = {p}")),
    };
    Ok(vec![s.program.binary(Binary::Div, x, norm)?])
}
