// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tensors: type, sizes, strides, and their elements as bytes.

use half::bf16;

/// Type of the elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DataType {
    /// 16 bits, the upper half of a float.
    Bf16,
    /// 32 bits.
    F32,
}

impl DataType {
    /// Bytes of an element.
    pub fn bytes(self) -> u64 {
        match self {
            DataType::Bf16 => 2,
            DataType::F32 => 4,
        }
    }

    /// Elements as the device has them; rounds to nearest even.
    pub fn encode(self, values: &[f32]) -> Vec<u8> {
        match self {
            DataType::Bf16 => {
                values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()).collect()
            }
            DataType::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        }
    }

    /// Elements as numbers.
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            DataType::Bf16 => {
                let pairs = bytes.as_chunks::<2>().0.iter();
                pairs.map(|pair| bf16::from_le_bytes(*pair).to_f32()).collect()
            }
            DataType::F32 => {
                let words = bytes.as_chunks::<4>().0.iter();
                words.map(|word| f32::from_le_bytes(*word)).collect()
            }
        }
    }
}

/// Shape of a tensor in memory. The last dimension is contiguous; the others may have gaps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Type of the elements.
    pub data: DataType,
    /// Sizes, the last dimension fastest.
    pub sizes: Vec<u32>,
    /// Elements from one index to the next, by dimension.
    pub strides: Vec<u32>,
}

impl Shape {
    /// Without gaps.
    pub fn dense(data: DataType, sizes: &[u32]) -> Self {
        let mut strides = vec![1; sizes.len()];
        for n in (1..sizes.len()).rev() {
            strides[n - 1] = strides[n] * sizes[n];
        }
        Shape { data, sizes: sizes.to_vec(), strides }
    }

    /// The same with these strides.
    pub fn strided(mut self, strides: &[u32]) -> Self {
        self.strides = strides.to_vec();
        self
    }

    /// Elements from the first to behind the last, gaps included.
    pub fn span(&self) -> u64 {
        let last = |(size, stride): (&u32, &u32)| (u64::from(*size) - 1) * u64::from(*stride);
        match self.sizes.contains(&0) {
            true => 0,
            false => self.sizes.iter().zip(&self.strides).map(last).sum::<u64>() + 1,
        }
    }

    /// Bytes in memory, gaps included.
    pub fn bytes(&self) -> u64 {
        self.span() * self.data.bytes()
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.sizes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_and_spans() {
        let shape = Shape::dense(DataType::F32, &[2, 3, 4]);
        assert_eq!((shape.strides.as_slice(), shape.bytes()), ([12, 4, 1].as_slice(), 96));
        let gaps = shape.strided(&[100, 10, 1]);
        assert_eq!(gaps.span(), 100 + 20 + 3 + 1);
        assert_eq!(Shape::dense(DataType::F32, &[0, 3]).bytes(), 0);
    }

    #[test]
    fn elements_survive_the_way_through_bytes() {
        for data in [DataType::Bf16, DataType::F32] {
            let values = [0.0, -1.5, 1024.0, f32::INFINITY];
            assert_eq!(data.decode(&data.encode(&values)), values);
        }
    }
}
