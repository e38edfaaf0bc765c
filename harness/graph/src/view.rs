// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Views: a part of a tensor in another order, without moving anything.
//!
//! Tensor cores reach their operands by sizes and strides, so slices, transposition and
//! broadcasting cost nothing but another descriptor. All methods but [`View::reshape`] work on
//! any view.

use crate::error::Error;
use crate::graph::{Graph, TensorId};
use crate::tensor::{DataType, Shape};

/// Elements of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Of which tensor.
    pub tensor: TensorId,
    /// Type of the elements.
    pub data: DataType,
    /// Element of the tensor at index 0.
    pub offset: u64,
    /// Sizes, the last dimension fastest.
    pub sizes: Vec<u32>,
    /// Elements from one index to the next, by dimension; 0: the same again.
    pub strides: Vec<u32>,
}

/// What an operation may be given: a tensor or a view.
pub trait Operand {
    /// As a view.
    fn view(&self, graph: &Graph) -> View;
}

impl Operand for TensorId {
    fn view(&self, graph: &Graph) -> View {
        let Shape { data, sizes, strides } = graph.shape(*self).clone();
        View { tensor: *self, data, offset: 0, sizes, strides }
    }
}

impl Operand for View {
    fn view(&self, _graph: &Graph) -> View {
        self.clone()
    }
}

impl Operand for &View {
    fn view(&self, _graph: &Graph) -> View {
        (*self).clone()
    }
}

impl View {
    fn wrong<T>(&self, what: &str) -> Result<T, Error> {
        let why = format!("{what} does not fit sizes {:?} strides {:?}", self.sizes, self.strides);
        Err(Error::Shape { node: "view".into(), why })
    }

    /// Dimensions in another order: dimension n of the result is `order[n]` of this one.
    pub fn permute(&self, order: &[usize]) -> Result<View, Error> {
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..self.sizes.len()) {
            return self.wrong(&format!("order {order:?}"));
        }
        let pick = |from: &[u32]| order.iter().map(|n| from[*n]).collect();
        Ok(View { sizes: pick(&self.sizes), strides: pick(&self.strides), ..self.clone() })
    }

    /// `size` indices of a dimension from `start` on, every `step`-th.
    pub fn slice(&self, axis: usize, start: u32, size: u32, step: u32) -> Result<View, Error> {
        let last = size
            .checked_sub(1)
            .and_then(|steps| steps.checked_mul(step))
            .and_then(|far| far.checked_add(start));
        match (self.sizes.get(axis), last) {
            (Some(room), Some(last)) if last < *room && step > 0 => {
                let mut view = self.clone();
                view.offset += u64::from(start) * u64::from(self.strides[axis]);
                view.sizes[axis] = size;
                view.strides[axis] *= step;
                Ok(view)
            }
            _ => self.wrong(&format!("slice of {size} from {start} by {step} of axis {axis}")),
        }
    }

    /// Repeats dimensions of size 1, and puts more in front, as far as these sizes ask for.
    pub fn broadcast(&self, sizes: &[u32]) -> Result<View, Error> {
        let Some(more) = sizes.len().checked_sub(self.sizes.len()) else {
            return self.wrong(&format!("broadcast to {sizes:?}"));
        };
        let mut view = View { sizes: sizes.to_vec(), strides: vec![0; more], ..self.clone() };
        for (n, (size, stride)) in self.sizes.iter().zip(&self.strides).enumerate() {
            match (*size, sizes[more + n]) {
                (1, _) => view.strides.push(0),
                (have, want) if have == want => view.strides.push(*stride),
                _ => return self.wrong(&format!("broadcast to {sizes:?}")),
            }
        }
        Ok(view)
    }

    /// Other sizes for the same elements in the same order. Splits and joins dimensions; where
    /// elements that should be joined are not next to each other, copy first.
    pub fn reshape(&self, sizes: &[u32]) -> Result<View, Error> {
        let count = |sizes: &[u32]| sizes.iter().map(|n| u64::from(*n)).product::<u64>();
        if count(sizes) != count(&self.sizes) || count(sizes) == 0 {
            return self.wrong(&format!("reshape to {sizes:?}"));
        }
        let joined = joined(&self.sizes, &self.strides);
        let mut left = joined.iter().rev();
        let mut strides = Vec::new();
        // What is left of the joined dimension, and the stride in it.
        let (mut rest, mut stride) = (1, 1);
        for size in sizes.iter().rev() {
            if *size == 1 {
                strides.push(stride);
                continue;
            }
            if rest == 1 {
                (rest, stride) = left.next().copied().unwrap_or((1, 1));
            }
            if rest % size != 0 {
                return self.wrong(&format!("reshape to {sizes:?}"));
            }
            strides.push(stride);
            rest /= size;
            stride *= size;
        }
        strides.reverse();
        Ok(View { sizes: sizes.to_vec(), strides, ..self.clone() })
    }

    /// Number of elements.
    pub fn count(&self) -> u64 {
        self.sizes.iter().map(|n| u64::from(*n)).product()
    }

    /// Elements of the tensor that the view reaches: how many from the first on.
    pub fn reach(&self) -> u64 {
        let shape =
            Shape { data: self.data, sizes: self.sizes.clone(), strides: self.strides.clone() };
        self.offset + shape.span()
    }

    /// The element of the tensor at an index of the view, counted in order.
    pub fn at(&self, index: u64) -> u64 {
        let mut rest = index;
        let dimensions = self.sizes.iter().zip(&self.strides).rev();
        dimensions.fold(self.offset, |at, (size, stride)| {
            let here = rest % u64::from(*size);
            rest /= u64::from(*size);
            at + here * u64::from(*stride)
        })
    }
}

/// Dimensions, slowest first, with those joined that are one run of elements; without those of
/// size 1.
fn joined(sizes: &[u32], strides: &[u32]) -> Vec<(u32, u32)> {
    let mut out: Vec<(u32, u32)> = Vec::new();
    for (size, stride) in sizes.iter().zip(strides).filter(|(size, _)| **size != 1) {
        match out.last_mut() {
            Some(last) if last.1 == stride * size => *last = (last.0 * size, *stride),
            Some(_) | None => out.push((*size, *stride)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(sizes: &[u32]) -> View {
        let Shape { data, sizes, strides } = Shape::dense(DataType::F32, sizes);
        View { tensor: TensorId(0), data, offset: 0, sizes, strides }
    }

    fn elements(view: &View) -> Vec<u64> {
        (0..view.count()).map(|n| view.at(n)).collect()
    }

    fn good(view: Result<View, Error>) -> View {
        view.unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn views_pick_elements() {
        let all = view(&[2, 3]);
        assert_eq!(elements(&good(all.permute(&[1, 0]))), [0, 3, 1, 4, 2, 5]);
        assert_eq!(elements(&good(all.slice(1, 0, 2, 2))), [0, 2, 3, 5]);
        assert_eq!(elements(&good(all.slice(0, 1, 1, 1))), [3, 4, 5]);
        assert_eq!(elements(&good(view(&[3]).broadcast(&[2, 3]))), [0, 1, 2, 0, 1, 2]);
        assert_eq!(elements(&good(view(&[2, 1]).broadcast(&[2, 2]))), [0, 0, 1, 1]);
        assert_eq!(good(all.slice(0, 1, 1, 1)).reach(), 6);
    }

    #[test]
    fn reshaping_keeps_the_order() {
        let all = view(&[4, 1, 6]);
        for sizes in [[24, 1, 1], [2, 2, 6], [8, 3, 1], [1, 4, 6]] {
            assert_eq!(elements(&good(all.reshape(&sizes))), elements(&all));
        }
        // Rows with gaps can be split, but not joined.
        let gaps = good(all.slice(2, 0, 4, 1));
        assert_eq!(elements(&good(gaps.reshape(&[4, 2, 2]))), elements(&gaps));
        assert!(gaps.reshape(&[16]).is_err());
        assert!(all.reshape(&[23]).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let all = view(&[2, 3]);
        assert!(all.permute(&[0, 0]).is_err());
        assert!(all.slice(1, 1, 2, 2).is_err());
        assert!(all.slice(2, 0, 1, 1).is_err());
        assert!(all.slice(1, 0, 0, 1).is_err());
        assert!(all.broadcast(&[2, 4]).is_err());
        assert!(all.broadcast(&[3]).is_err());
    }
}
