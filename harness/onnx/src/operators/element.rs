// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Functions of elements.

use super::Table;
use crate::error::Result;
use crate::primitive::{Binary, Unary};
use crate::program::{Id, Scope};
use crate::tensor::{Tensor, Type};

pub(super) const TABLE: Table = &[
    ("Abs", |s| s.one(Unary::Abs)),
    ("Neg", |s| s.one(Unary::Neg)),
    ("Relu", |s| s.one(Unary::Relu)),
    ("Exp", |s| s.one(Unary::Exp)),
    ("Log", |s| s.one(Unary::Log)),
    ("Sigmoid", |s| s.one(Unary::Sigmoid)),
    ("Tanh", |s| s.one(Unary::Tanh)),
    ("Sqrt", |s| s.one(Unary::Sqrt)),
    ("Reciprocal", |s| s.one(Unary::Reciprocal)),
    ("Floor", |s| s.one(Unary::Floor)),
    ("Ceil", |s| s.one(Unary::Ceil)),
    ("Round", |s| s.one(Unary::Round)),
    ("Add", |s| s.two(Binary::Add)),
    ("Sub", |s| s.two(Binary::Sub)),
    ("Mul", |s| s.two(Binary::Mul)),
    ("Div", |s| s.two(Binary::Div)),
    ("Less", |s| s.two(Binary::Less)),
    ("LessOrEqual", |s| s.two(Binary::LessOrEqual)),
    ("Equal", |s| s.two(Binary::Equal)),
    ("Greater", |s| s.turned(Binary::Less)),
    ("GreaterOrEqual", |s| s.turned(Binary::LessOrEqual)),
    ("And", |s| s.two(Binary::Min)),
    ("Or", |s| s.two(Binary::Max)),
    ("Max", |s| s.many(Binary::Max)),
    ("Min", |s| s.many(Binary::Min)),
    ("Sum", |s| s.many(Binary::Add)),
    ("Mean", mean),
    ("Not", not),
    ("Where", |s| Ok(vec![s.program.select(s.x(0)?, s.x(1)?, s.x(2)?)?])),
    ("Identity", |s| Ok(vec![s.x(0)?])),
    ("Dropout", dropout),
    ("Cast", cast),
    ("CastLike", |s| Ok(vec![s.program.cast(s.x(0)?, s.ty(s.x(1)?))?])),
    ("Clip", clip),
    ("Pow", pow),
    ("Sign", sign),
    ("LeakyRelu", |s| Ok(vec![s.program.leaky(s.x(0)?, s.float("alpha", 0.01))?])),
    ("PRelu", prelu),
    ("ThresholdedRelu", thresholded),
    ("Elu", |s| s.elu(s.float("alpha", 1.0), 1.0)),
    ("Selu", |s| s.elu(s.float("alpha", 1.673_263_2), s.float("gamma", 1.050_701))),
    ("Celu", celu),
    ("HardSigmoid", |s| s.hard(s.float("alpha", 0.2), s.float("beta", 0.5), false)),
    ("HardSwish", |s| s.hard(1.0 / 6.0, 0.5, true)),
    ("Softplus", |s| Ok(vec![s.softplus()?])),
    ("Softsign", softsign),
    ("Mish", mish),
    ("Swish", swish),
    ("Shrink", shrink),
    ("Gelu", gelu),
];

impl Scope<'_> {
    fn one(&mut self, f: Unary) -> Result<Vec<Id>> {
        Ok(vec![self.program.unary(f, self.x(0)?)?])
    }

    fn two(&mut self, f: Binary) -> Result<Vec<Id>> {
        Ok(vec![self.program.binary(f, self.x(0)?, self.x(1)?)?])
    }

    fn turned(&mut self, f: Binary) -> Result<Vec<Id>> {
        Ok(vec![self.program.binary(f, self.x(1)?, self.x(0)?)?])
    }

    fn many(&mut self, f: Binary) -> Result<Vec<Id>> {
        let all = self.all()?;
        let mut result = all[0];
        for other in &all[1..] {
            result = self.program.binary(f, result, *other)?;
        }
        Ok(vec![result])
    }

    /// A function of a value and a number.
    pub(super) fn with(&mut self, f: Binary, x: Id, number: f64) -> Result<Id> {
        let number = self.program.number(x, number);
        self.program.binary(f, x, number)
    }

    /// The first where the condition is not 0, else a number.
    fn or_number(&mut self, condition: Id, x: Id, number: f64) -> Result<Id> {
        let number = self.program.number(x, number);
        self.program.select(condition, x, number)
    }

    /// `scale * (x < 0 ? alpha * (exp(x) - 1) : x)`.
    fn elu(&mut self, alpha: f32, scale: f32) -> Result<Vec<Id>> {
        let x = self.x(0)?;
        let low = self.elu_low(x, alpha)?;
        let y = self.negative_or(x, low)?;
        let y = if scale == 1.0 { y } else { self.with(Binary::Mul, y, scale.into())? };
        Ok(vec![y])
    }

    fn elu_low(&mut self, x: Id, alpha: f32) -> Result<Id> {
        let power = self.program.unary(Unary::Exp, x)?;
        let less = self.with(Binary::Sub, power, 1.0)?;
        self.with(Binary::Mul, less, alpha.into())
    }

    /// `low` where x is negative, else x.
    fn negative_or(&mut self, x: Id, low: Id) -> Result<Id> {
        let negative = self.with(Binary::Less, x, 0.0)?;
        self.program.select(negative, low, x)
    }

    /// `max(0, min(1, alpha * x + beta))`, perhaps times x.
    fn hard(&mut self, alpha: f32, beta: f32, times: bool) -> Result<Vec<Id>> {
        let x = self.x(0)?;
        let y = self.with(Binary::Mul, x, alpha.into())?;
        let y = self.with(Binary::Add, y, beta.into())?;
        let y = self.with(Binary::Min, y, 1.0)?;
        let y = self.with(Binary::Max, y, 0.0)?;
        Ok(vec![if times { self.program.binary(Binary::Mul, x, y)? } else { y }])
    }

    /// `log(1 + exp(x))`, as `max(x, 0) + log(1 + exp(-|x|))`: nothing overflows.
    fn softplus(&mut self) -> Result<Id> {
        let x = self.x(0)?;
        let size = self.program.unary(Unary::Abs, x)?;
        let size = self.program.unary(Unary::Neg, size)?;
        let power = self.program.unary(Unary::Exp, size)?;
        let more = self.with(Binary::Add, power, 1.0)?;
        let log = self.program.unary(Unary::Log, more)?;
        let high = self.program.unary(Unary::Relu, x)?;
        self.program.binary(Binary::Add, high, log)
    }
}

fn mean(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let sum = s.many(Binary::Add)?[0];
    Ok(vec![s.with(Binary::Div, sum, s.inputs.len() as f64)?])
}

fn not(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    Ok(vec![s.with(Binary::Equal, x, 0.0)?])
}

/// Nothing, but in training.
fn dropout(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    match s.fixed(2)? {
        Some(training) if training.values().any(|one| one != 0.0) => s.unsupported("training_mode"),
        Some(_) | None => Ok(vec![s.x(0)?]),
    }
}

fn cast(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let ty = Type::of(s.int("to", 0) as i32, "the result of a cast")?;
    Ok(vec![s.program.cast(s.x(0)?, ty)?])
}

/// `min(max(x, low), high)`; bounds were attributes up to version 10.
fn clip(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let mut y = s.x(0)?;
    for (n, name, f) in [(1, "min", Binary::Max), (2, "max", Binary::Min)] {
        if let Some(bound) = s.maybe(n) {
            y = s.program.binary(f, y, bound)?;
        } else if s.attribute(name).is_some() {
            y = s.with(f, y, s.float(name, 0.0).into())?;
        }
    }
    Ok(vec![y])
}

/// Only with exponents that products and roots make.
fn pow(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let exponents = s.fixed(1)?.unwrap_or_else(|| Tensor::scalar(Type::F32, 1.0));
    let first = exponents.data.first().map_or(1.0, |one| one.value);
    if exponents.values().any(|one| one != first) {
        return s.unsupported("several exponents");
    }
    let sizes = crate::view::broadcast(&s.sizes(x), &exponents.sizes).unwrap_or_default();
    let x = s.program.expand(x, &sizes)?;
    if first == 0.5 {
        return Ok(vec![s.program.unary(Unary::Sqrt, x)?]);
    }
    if !(1.0..=8.0).contains(&first) || first.fract() != 0.0 {
        return s.unsupported(format!("exponent {first}: 0.5 and 1 to 8 are"));
    }
    let mut y = x;
    for _ in 1..first as usize {
        y = s.program.binary(Binary::Mul, y, x)?;
    }
    Ok(vec![y])
}

fn sign(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let zero = s.program.number(x, 0.0);
    let negative = s.program.binary(Binary::Less, x, zero)?;
    let positive = s.program.binary(Binary::Less, zero, x)?;
    let ty = s.ty(x);
    let [positive, negative] = [s.program.cast(positive, ty)?, s.program.cast(negative, ty)?];
    Ok(vec![s.program.binary(Binary::Sub, positive, negative)?])
}

fn prelu(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let low = s.program.binary(Binary::Mul, x, s.x(1)?)?;
    Ok(vec![s.negative_or(x, low)?])
}

fn thresholded(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let alpha = s.program.number(x, s.float("alpha", 1.0).into());
    let high = s.program.binary(Binary::Less, alpha, x)?;
    Ok(vec![s.or_number(high, x, 0.0)?])
}

/// `max(0, x) + min(0, alpha * (exp(x / alpha) - 1))`.
fn celu(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let (x, alpha) = (s.x(0)?, s.float("alpha", 1.0));
    let scaled = s.with(Binary::Div, x, alpha.into())?;
    let low = s.elu_low(scaled, alpha)?;
    let low = s.with(Binary::Min, low, 0.0)?;
    let high = s.program.unary(Unary::Relu, x)?;
    Ok(vec![s.program.binary(Binary::Add, high, low)?])
}

/// `x / (1 + |x|)`.
fn softsign(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let size = s.program.unary(Unary::Abs, x)?;
    let below = s.with(Binary::Add, size, 1.0)?;
    Ok(vec![s.program.binary(Binary::Div, x, below)?])
}

/// `x * tanh(softplus(x))`.
fn mish(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let soft = s.softplus()?;
    let tanh = s.program.unary(Unary::Tanh, soft)?;
    Ok(vec![s.program.binary(Binary::Mul, s.x(0)?, tanh)?])
}

/// `x * sigmoid(alpha * x)`.
fn swish(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let x = s.x(0)?;
    let scaled = s.with(Binary::Mul, x, s.float("alpha", 1.0).into())?;
    let sigmoid = s.program.unary(Unary::Sigmoid, scaled)?;
    Ok(vec![s.program.binary(Binary::Mul, x, sigmoid)?])
}

/// `x < -lambd ? x + bias : x > lambd ? x - bias : 0`.
fn shrink(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    let (x, lambda, bias) = (s.x(0)?, s.float("lambd", 0.5), s.float("bias", 0.0));
    let low = s.with(Binary::Less, x, (-lambda).into())?;
    let limit = s.program.number(x, lambda.into());
    let high = s.program.binary(Binary::Less, limit, x)?;
    let more = s.with(Binary::Add, x, bias.into())?;
    let less = s.with(Binary::Sub, x, bias.into())?;
    let y = s.or_number(high, less, 0.0)?;
    Ok(vec![s.program.select(low, more, y)?])
}

/// Only the approximation: `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`.
fn gelu(s: &mut Scope<'_>) -> Result<Vec<Id>> {
    if s.text("approximate", "none") != "tanh" {
        return s.unsupported("the error function: approximate=tanh is");
    }
    let x = s.x(0)?;
    let square = s.program.binary(Binary::Mul, x, x)?;
    let cube = s.program.binary(Binary::Mul, square, x)?;
    let cube = s.with(Binary::Mul, cube, 0.044_715)?;
    let inner = s.program.binary(Binary::Add, x, cube)?;
    let inner = s.with(Binary::Mul, inner, (2.0 / std::f64::consts::PI).sqrt())?;
    let tanh = s.program.unary(Unary::Tanh, inner)?;
    let more = s.with(Binary::Add, tanh, 1.0)?;
    let half = s.with(Binary::Mul, x, 0.5)?;
    Ok(vec![s.program.binary(Binary::Mul, half, more)?])
}
