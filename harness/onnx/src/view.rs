// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Views: sizes and strides over the elements of a tensor that is there already.

/// A view; strides count elements, 0 repeats.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Element that is at index 0 of everything.
    pub offset: usize,
    /// Sizes.
    pub sizes: Vec<usize>,
    /// Elements from one index to the next.
    pub strides: Vec<usize>,
}

/// One dimension of a slice: first index, step, how many.
pub type Cut = (usize, usize, usize);

impl View {
    /// Everything, without gaps.
    pub fn dense(sizes: &[usize]) -> Self {
        let mut strides = vec![1; sizes.len()];
        for n in (1..sizes.len()).rev() {
            strides[n - 1] = strides[n] * sizes[n];
        }
        View { offset: 0, sizes: sizes.to_vec(), strides }
    }

    /// Number of elements.
    pub fn count(&self) -> usize {
        self.sizes.iter().product()
    }

    /// Dimension `n` of the result is dimension `order[n]` of this.
    pub fn permute(&self, order: &[usize]) -> Self {
        let pick = |from: &[usize]| order.iter().map(|n| from[*n]).collect();
        View { offset: self.offset, sizes: pick(&self.sizes), strides: pick(&self.strides) }
    }

    /// A part.
    pub fn slice(&self, cuts: &[Cut]) -> Self {
        let mut part = self.clone();
        for (n, (first, step, count)) in cuts.iter().enumerate() {
            part.offset += first * self.strides[n];
            part.strides[n] = step * self.strides[n];
            part.sizes[n] = *count;
        }
        part
    }

    /// Repeats what has size 1, and new dimensions in front.
    pub fn expand(&self, sizes: &[usize]) -> Self {
        let new = sizes.len() - self.sizes.len();
        let stride = |n: usize| match n.checked_sub(new) {
            Some(old) if self.sizes[old] == sizes[n] => self.strides[old],
            Some(_) | None => 0,
        };
        let strides = (0..sizes.len()).map(stride).collect();
        View { offset: self.offset, sizes: sizes.to_vec(), strides }
    }

    /// The same elements in the same order with other sizes, where strides can say that.
    pub fn reshape(&self, sizes: &[usize]) -> Option<Self> {
        if sizes.contains(&0) {
            return Some(View { offset: self.offset, ..View::dense(sizes) });
        }
        let (old_sizes, old_strides) = self.merged();
        let mut strides = vec![0; sizes.len()];
        let mut old = old_sizes.iter().zip(&old_strides).rev();
        let mut room = old.next();
        let (mut left, mut stride) = room.map_or((1, 1), |(size, stride)| (*size, *stride));
        for n in (0..sizes.len()).rev() {
            if sizes[n] == 1 {
                continue;
            }
            if left == 1 {
                room = old.next();
                (left, stride) = room.map(|(size, stride)| (*size, *stride))?;
            }
            if !left.is_multiple_of(sizes[n]) {
                return None;
            }
            strides[n] = stride;
            stride *= sizes[n];
            left /= sizes[n];
        }
        Some(View { offset: self.offset, sizes: sizes.to_vec(), strides })
    }

    /// Sizes and strides with neighbours made one where they can be.
    fn merged(&self) -> (Vec<usize>, Vec<usize>) {
        let merged = merge(&self.sizes, &[&self.strides]);
        (merged.0, merged.1.into_iter().next().unwrap_or_default())
    }

    /// Is it one piece of memory in order?
    pub fn is_dense(&self) -> bool {
        let (sizes, strides) = self.merged();
        sizes.is_empty() || sizes.len() == 1 && strides[0] == 1
    }

    /// Where its elements are, in order.
    pub fn offsets(&self) -> Vec<usize> {
        let mut all = vec![self.offset];
        for (size, stride) in self.sizes.iter().zip(&self.strides) {
            let next = |base: &usize| {
                let base = *base;
                (0..*size).map(move |index| base + index * stride)
            };
            all = all.iter().flat_map(next).collect();
        }
        all
    }
}

/// Sizes of 1 left out, and neighbours made one dimension where all of the strides allow it.
pub fn merge(sizes: &[usize], strides: &[&[usize]]) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut merged: Vec<usize> = Vec::new();
    let mut all: Vec<Vec<usize>> = vec![Vec::new(); strides.len()];
    for n in (0..sizes.len()).filter(|n| sizes[*n] != 1) {
        let joins = merged.last().is_some()
            && all.iter().zip(strides).all(|(kept, strides)| {
                kept.last().is_some_and(|last| *last == strides[n] * sizes[n])
            });
        match merged.last_mut().filter(|_| joins) {
            Some(last) => *last *= sizes[n],
            None => merged.push(sizes[n]),
        }
        for (kept, strides) in all.iter_mut().zip(strides) {
            if joins {
                kept.pop();
            }
            kept.push(strides[n]);
        }
    }
    (merged, all)
}

/// The sizes that two shapes have together; `None`: they do not fit.
pub fn broadcast(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size = |sizes: &[usize], n: usize| {
        (n + sizes.len()).checked_sub(rank).map_or(1, |index| sizes[index])
    };
    (0..rank)
        .map(|n| match (size(a, n), size(b, n)) {
            (x, y) if x == y || y == 1 => Some(x),
            (1, y) => Some(y),
            (_, _) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_of_views() {
        let all = View::dense(&[2, 3, 4]);
        let turned = all.permute(&[2, 0, 1]);
        assert_eq!(turned.strides, [1, 12, 4]);
        assert!(!turned.is_dense() && all.is_dense());
        assert_eq!(turned.offsets()[..4], [0, 4, 8, 12]);
        let part = all.slice(&[(1, 1, 1), (0, 2, 2), (1, 1, 3)]);
        assert_eq!(part.offsets(), [13, 14, 15, 21, 22, 23]);
        let wide = View::dense(&[3, 1]).expand(&[2, 3, 2]);
        assert_eq!(wide.offsets(), [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    }

    #[test]
    fn reshapes_keep_the_order_or_are_refused() {
        let all = View::dense(&[2, 3, 4]);
        for sizes in [vec![24], vec![4, 6], vec![1, 2, 12, 1], vec![3, 8]] {
            let view = all.reshape(&sizes).expect("dense");
            assert_eq!(view.offsets(), all.offsets());
        }
        let turned = all.permute(&[1, 0, 2]);
        assert_eq!(turned.reshape(&[3, 2, 2, 2]).map(|v| v.offsets()), Some(turned.offsets()));
        assert_eq!(turned.reshape(&[6, 4]), None);
        assert_eq!(View::dense(&[]).reshape(&[1, 1]).map(|v| v.offsets()), Some(vec![0]));
        let part = all.slice(&[(0, 1, 2), (0, 1, 3), (0, 1, 1)]);
        assert_eq!(part.reshape(&[6]).map(|v| v.offsets()), Some(part.offsets()));
    }

    #[test]
    fn shapes_broadcast_from_the_right() {
        assert_eq!(broadcast(&[3, 1, 5], &[4, 1]), Some(vec![3, 4, 5]));
        assert_eq!(broadcast(&[3], &[]), Some(vec![3]));
        assert_eq!(broadcast(&[3], &[2]), None);
        assert_eq!(merge(&[2, 3, 1, 4], &[&[12, 4, 9, 1], &[0, 0, 9, 0]]).0, [24]);
        assert_eq!(merge(&[2, 3, 4], &[&[12, 4, 1], &[0, 4, 1]]).0, [2, 12]);
    }
}
