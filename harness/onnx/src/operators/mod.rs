// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Operators as primitives: one line for each in the tables of the modules here.

mod element;
mod matrix;
mod normal;
mod picture;
mod reduce;
mod shape;

use crate::error::{Error, Result};
use crate::model::{Attribute, Node};
use crate::program::{Id, Program, Scope};
use crate::tensor::{Tensor, Type};

/// Makes primitives of a node; gives its outputs.
type Translation = fn(&mut Scope<'_>) -> Result<Vec<Id>>;

/// Operators by name.
type Table = &'static [(&'static str, Translation)];

const TABLES: &[Table] =
    &[element::TABLE, matrix::TABLE, normal::TABLE, picture::TABLE, reduce::TABLE, shape::TABLE];

/// The names of all operators, sorted.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = TABLES.iter().copied().flatten().map(|(name, _)| *name).collect();
    names.sort_unstable();
    names
}

/// Makes primitives of a node; gives its outputs.
pub fn translate(
    program: &mut Program,
    node: &Node,
    inputs: Vec<Option<Id>>,
    opset: i64,
) -> Result<Vec<Id>> {
    let row = TABLES.iter().copied().flatten().find(|(name, _)| *name == node.op);
    let (_, translation) = row.ok_or_else(|| Error::Operator(node.op.clone()))?;
    translation(&mut Scope { program, node, inputs, opset })
}

impl Scope<'_> {
    /// Something about this node that is not there.
    fn unsupported<T>(&self, what: impl std::fmt::Display) -> Result<T> {
        Err(Error::Operator(format!("{} with {what}", self.node.op)))
    }

    /// An operand that may be left out.
    fn maybe(&self, n: usize) -> Option<Id> {
        self.inputs.get(n).copied().flatten()
    }

    /// An operand.
    fn x(&self, n: usize) -> Result<Id> {
        self.maybe(n).ok_or_else(|| self.program.wrong(format!("operand {} is missing", n + 1)))
    }

    /// All operands; there is at least one.
    fn all(&self) -> Result<Vec<Id>> {
        self.x(0)?;
        (0..self.inputs.len()).map(|n| self.x(n)).collect()
    }

    fn sizes(&self, id: Id) -> Vec<usize> {
        self.program.sizes(id)
    }

    fn ty(&self, id: Id) -> Type {
        self.program.get(id).ty
    }

    fn rank(&self, id: Id) -> usize {
        self.program.get(id).rank()
    }

    /// The value of an operand that does not depend on what the device computes.
    fn fixed(&self, n: usize) -> Result<Option<Tensor>> {
        match self.maybe(n) {
            None => Ok(None),
            Some(id) if self.program.is_live(id) => {
                self.unsupported(format!("operand {} computed on the device", n + 1))
            }
            Some(id) => Ok(Some(self.program.get(id).clone())),
        }
    }

    /// Whole numbers, from an operand or in older versions from an attribute.
    fn whole(&self, n: usize, attribute: &str) -> Result<Option<Vec<i64>>> {
        match self.fixed(n)? {
            Some(tensor) => Ok(Some(tensor.whole())),
            None => Ok(self.ints(attribute)),
        }
    }

    fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.node.attributes.get(name)
    }

    fn int(&self, name: &str, default: i64) -> i64 {
        match self.attribute(name) {
            Some(Attribute::Int(value)) => *value,
            Some(_) | None => default,
        }
    }

    fn ints(&self, name: &str) -> Option<Vec<i64>> {
        match self.attribute(name) {
            Some(Attribute::Ints(values)) => Some(values.clone()),
            Some(_) | None => None,
        }
    }

    fn float(&self, name: &str, default: f32) -> f32 {
        match self.attribute(name) {
            Some(Attribute::Float(value)) => *value,
            Some(_) | None => default,
        }
    }

    fn text(&self, name: &str, default: &str) -> String {
        match self.attribute(name) {
            Some(Attribute::Text(value)) => value.clone(),
            Some(_) | None => default.to_string(),
        }
    }

    /// A dimension counted from either end.
    fn dimension(&self, axis: i64, rank: usize) -> Result<usize> {
        let from_start = if axis < 0 { axis + rank as i64 } else { axis };
        let found = usize::try_from(from_start).ok().filter(|n| *n < rank);
        found.ok_or_else(|| self.program.wrong(format!("there is no dimension {axis} of {rank}")))
    }

    /// The dimension that an attribute names.
    fn axis(&self, default: i64, x: Id) -> Result<usize> {
        self.dimension(self.int("axis", default), self.rank(x))
    }

    /// Sizes out of whole numbers.
    fn counts(&self, numbers: &[i64]) -> Result<Vec<usize>> {
        let count = |n: &i64| usize::try_from(*n).ok().filter(|n| *n <= crate::tensor::MOST);
        let all: Option<Vec<usize>> = numbers.iter().map(count).collect();
        all.ok_or_else(|| self.program.wrong(format!("{numbers:?} are no sizes")))
    }
}
