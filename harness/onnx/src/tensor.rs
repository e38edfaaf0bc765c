// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Tensors of the reference, and how files spell them.

use crate::error::{Error, Result};
use crate::num::Num;
use crate::proto::{TensorProto, data_type};
use half::bf16;
use prost::Message;

/// More elements than any tensor here may have.
pub const MOST: usize = 1 << 28;

/// Element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// 32-bit float.
    F32,
    /// Its upper half.
    Bf16,
    /// 64-bit integer: shapes, axes, indices.
    I64,
    /// 32-bit integer: the same.
    I32,
    /// Condition: 0 or 1. The device has it as a float.
    Bool,
}

/// Types, their numbers in files and their bytes there.
const TYPES: &[(Type, i32, usize)] = &[
    (Type::F32, data_type::FLOAT, 4),
    (Type::Bf16, data_type::BFLOAT16, 2),
    (Type::I64, data_type::INT64, 8),
    (Type::I32, data_type::INT32, 4),
    (Type::Bool, data_type::BOOL, 1),
];

impl Type {
    /// The type of a number in a file.
    pub fn of(number: i32, what: &str) -> Result<Self> {
        let found = TYPES.iter().find(|(_, code, _)| *code == number);
        found.map(|(ty, ..)| *ty).ok_or_else(|| {
            let known = usize::try_from(number).ok().and_then(|n| data_type::NAMES.get(n));
            let name = known.map_or_else(|| format!("number {number}"), |name| (*name).to_string());
            Error::Type { what: what.to_string(), name }
        })
    }

    fn row(self) -> &'static (Type, i32, usize) {
        // A test has every type in the table.
        TYPES.iter().find(|(ty, ..)| *ty == self).unwrap_or(&TYPES[0])
    }

    /// Its number in files.
    pub fn number(self) -> i32 {
        self.row().1
    }

    /// Does the device compute with it?
    pub fn computes(self) -> bool {
        match self {
            Type::F32 | Type::Bf16 | Type::Bool => true,
            Type::I64 | Type::I32 => false,
        }
    }

    /// Does it have fractions?
    pub fn is_float(self) -> bool {
        match self {
            Type::F32 | Type::Bf16 => true,
            Type::I64 | Type::I32 | Type::Bool => false,
        }
    }
}

/// A tensor; the last dimension is contiguous.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Type of the elements.
    pub ty: Type,
    /// Sizes.
    pub sizes: Vec<usize>,
    /// Elements.
    pub data: Vec<Num>,
}

impl Tensor {
    /// A tensor of exact numbers.
    pub fn new(ty: Type, sizes: &[usize], values: &[f64]) -> Self {
        debug_assert_eq!(sizes.iter().product::<usize>(), values.len());
        let data = values.iter().map(|value| Num::exact(*value)).collect();
        Tensor { ty, sizes: sizes.to_vec(), data }
    }

    /// A vector of whole numbers.
    pub fn integers(values: &[i64]) -> Self {
        let values: Vec<f64> = values.iter().map(|value| *value as f64).collect();
        Tensor::new(Type::I64, &[values.len()], &values)
    }

    /// A number.
    pub fn scalar(ty: Type, value: f64) -> Self {
        Tensor::new(ty, &[], &[value])
    }

    /// Number of dimensions.
    pub fn rank(&self) -> usize {
        self.sizes.len()
    }

    /// The values without their bounds.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.data.iter().map(|one| one.value)
    }

    /// The elements as whole numbers.
    pub fn whole(&self) -> Vec<i64> {
        self.values().map(|value| value as i64).collect()
    }

    /// Reads a `.pb` file.
    pub fn read(what: &str, bytes: &[u8]) -> Result<(String, Self)> {
        let malformed = |why: prost::DecodeError| Error::Malformed {
            what: what.to_string(),
            kind: "tensor",
            why: why.to_string(),
        };
        let proto = TensorProto::decode(bytes).map_err(malformed)?;
        Ok((proto.name.clone(), Tensor::of(what, &proto)?))
    }

    /// The tensor of a message.
    pub fn of(what: &str, proto: &TensorProto) -> Result<Self> {
        let malformed =
            |why: String| Error::Malformed { what: what.to_string(), kind: "tensor", why };
        let ty = Type::of(proto.data_type, what)?;
        if proto.data_location != 0 {
            return Err(malformed("its values are in another file".into()));
        }
        let size = |dim: &i64| usize::try_from(*dim).ok().filter(|size| *size <= MOST);
        let sizes: Option<Vec<usize>> = proto.dims.iter().map(size).collect();
        let count = sizes
            .as_ref()
            .and_then(|sizes| sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size)));
        let (Some(sizes), Some(count)) = (sizes, count) else {
            return Err(malformed(format!("sizes {:?} are not possible", proto.dims)));
        };
        let values = values(ty, proto);
        if values.len() != count {
            let got = values.len();
            return Err(malformed(format!("sizes {sizes:?} take {count} values, not {got}")));
        }
        Ok(Tensor::new(ty, &sizes, &values))
    }

    /// The message of a tensor.
    pub fn proto(&self, name: &str) -> TensorProto {
        let raw = |value: f64| match self.ty {
            Type::F32 => (value as f32).to_le_bytes().to_vec(),
            Type::Bf16 => bf16::from_f64(value).to_le_bytes().to_vec(),
            Type::I64 => (value as i64).to_le_bytes().to_vec(),
            Type::I32 => (value as i32).to_le_bytes().to_vec(),
            Type::Bool => vec![u8::from(value != 0.0)],
        };
        TensorProto {
            name: name.to_string(),
            dims: self.sizes.iter().map(|size| *size as i64).collect(),
            data_type: self.ty.number(),
            raw_data: self.values().flat_map(raw).collect(),
            ..TensorProto::default()
        }
    }
}

/// The values of a message: raw bytes, or the field of the type.
fn values(ty: Type, proto: &TensorProto) -> Vec<f64> {
    let raw = &proto.raw_data;
    if !raw.is_empty() {
        if !raw.len().is_multiple_of(ty.row().2) {
            // The caller sees that the number is wrong.
            return Vec::new();
        }
        let four = || raw.as_chunks::<4>().0.iter();
        return match ty {
            Type::F32 => four().map(|four| f32::from_le_bytes(*four).into()).collect(),
            Type::I32 => four().map(|four| i32::from_le_bytes(*four).into()).collect(),
            Type::Bf16 => {
                let two = raw.as_chunks::<2>().0.iter();
                two.map(|two| bf16::from_le_bytes(*two).into()).collect()
            }
            Type::I64 => {
                let eight = raw.as_chunks::<8>().0.iter();
                eight.map(|eight| i64::from_le_bytes(*eight) as f64).collect()
            }
            Type::Bool => raw.iter().map(|byte| f64::from(*byte != 0)).collect(),
        };
    }
    let ints = proto.int32_data.iter();
    match ty {
        Type::F32 => proto.float_data.iter().map(|value| f64::from(*value)).collect(),
        Type::Bf16 => ints.map(|bits| bf16::from_bits(*bits as u16).into()).collect(),
        Type::I64 => proto.int64_data.iter().map(|value| *value as f64).collect(),
        Type::I32 | Type::Bool => ints.map(|value| f64::from(*value)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_survive_their_messages() {
        for (ty, number, _) in TYPES {
            assert_eq!(Type::of(*number, "x"), Ok(*ty));
            let tensor = Tensor::new(*ty, &[2, 2], &[0.0, 1.0, 1.0, 0.0]);
            let bytes = tensor.proto("x").encode_to_vec();
            assert_eq!(Tensor::read("x", &bytes), Ok(("x".to_string(), tensor)));
        }
    }

    #[test]
    fn what_is_no_tensor_is_named() {
        let mut proto = Tensor::scalar(Type::F32, 1.0).proto("x");
        proto.data_type = 8;
        let error = Tensor::of("x", &proto).expect_err("strings");
        assert!(error.to_string().starts_with("x has type string"), "{error}");
        proto.data_type = 1;
        for dims in [vec![2], vec![-1], vec![i64::MAX, i64::MAX]] {
            proto.dims = dims;
            assert!(matches!(Tensor::of("x", &proto), Err(Error::Malformed { .. })));
        }
    }
}
