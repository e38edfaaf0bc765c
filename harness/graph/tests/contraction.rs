// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Descriptors that are generated compute what plain loops compute, bit for bit; and what the
//! published recipes compute.

#![allow(clippy::unwrap_used, reason = "test")]

use graph::contraction::{Contraction, Left, Picture, Places};
use graph::tensor::DataType;
use mme::Descriptor;
use mme::arithmetic::{ACCUMULATORS, accumulate, reduce};
use mme::descriptor::{OFFSET, Operand, WORDS};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const RECIPES: &str = include_str!("../../../fixtures/mme/tests/data/mme-gemm-descriptors.json");
const SOB: u64 = 0x7f_fc4f_2000;

/// Left, right, output at 0, 1 << 32, 2 << 32, and signals.
struct Flat {
    parts: [Vec<u8>; 3],
    signals: usize,
}

impl mme::Memory for Flat {
    fn read(&mut self, address: u64, data: &mut [u8]) -> bool {
        let at = address as u32 as usize;
        let Some(part) = self.parts.get((address >> 32) as usize) else { return false };
        part.get(at..at + data.len()).map(|from| data.copy_from_slice(from)).is_some()
    }

    fn write(&mut self, address: u64, data: &[u8]) -> bool {
        if address == SOB {
            self.signals += 1;
            return data == 0x8000_0001u32.to_le_bytes();
        }
        let at = address as u32 as usize;
        let Some(part) = self.parts.get_mut((address >> 32) as usize) else { return false };
        part.get_mut(at..at + data.len()).map(|to| to.copy_from_slice(data)).is_some()
    }
}

fn places() -> Places {
    Places { base: [0, 1 << 32, 2 << 32], signal: SOB }
}

fn types(c: &Contraction) -> (DataType, DataType) {
    let of = |float| if float { DataType::F32 } else { DataType::Bf16 };
    (of(c.f32_in), of(c.f32_out))
}

/// Values that both types have; some zeros.
fn values(random: &mut StdRng, count: usize) -> Vec<f32> {
    let value = |random: &mut StdRng| half::bf16::from_f32(random.random_range(-2.0..2.0)).to_f32();
    (0..count).map(|_| value(random)).collect()
}

/// Runs the launches; gives the output, exactly as long as it should be.
fn run(c: &Contraction, left: &[f32], right: &[f32], output: usize) -> Vec<f32> {
    let (input, result) = types(c);
    let parts =
        [input.encode(left), input.encode(right), vec![0xff; output * result.bytes() as usize]];
    let mut memory = Flat { parts, signals: 0 };
    let launches = c.launches(&places()).unwrap();
    for launch in &launches {
        mme::run(&launch.descriptor, &mut memory).unwrap();
    }
    assert_eq!(memory.signals, 2 * launches.len());
    result.decode(&memory.parts[2])
}

/// The order of the engine: one product after the other.
fn sum(c: &Contraction, products: impl Iterator<Item = (f32, f32)>) -> f32 {
    let mut accumulators = [0.0; ACCUMULATORS];
    let mut count = 0;
    for (s, l) in products {
        let into = &mut accumulators[count % ACCUMULATORS];
        *into = accumulate(*into, s, l);
        count += 1;
    }
    let sum = reduce(accumulators, count);
    let sum = if c.relu && sum < 0.0 { 0.0 } else { sum };
    if c.f32_out { sum } else { half::bf16::from_f32(sum).to_f32() }
}

/// A dense product.
#[derive(Clone, Copy, Debug)]
struct Gemm {
    batches: u32,
    m: u32,
    k: u32,
    n: u32,
    ta: bool,
    tb: bool,
}

impl Gemm {
    fn contraction(self) -> Contraction {
        let Gemm { batches, m, k, n, ta, tb } = self;
        let picture = Picture {
            input: [m, 1, 1],
            input_strides: [k, m * k, m * k],
            output: [m, 1],
            output_strides: [n, m * n, m * n],
            filter: [1, 1],
            filter_strides: [0, 0],
            step: [1, 1],
            dilation: [1, 1],
            padding: [0, 0],
        };
        Contraction {
            rows: m,
            columns: n,
            common: k,
            left: if ta { Left::Transposed { stride: m } } else { Left::Picture(picture) },
            right_transposed: tb,
            right_stride: if tb { k } else { n },
            output_stride: n,
            batches,
            batch_strides: [m * k, k * n, m * n],
            f32_in: false,
            f32_out: true,
            relu: false,
        }
    }

    fn check(self, change: impl Fn(&mut Contraction)) {
        let Gemm { batches, m, k, n, ta, tb } = self;
        let mut c = self.contraction();
        change(&mut c);
        let mut random = StdRng::seed_from_u64(u64::from(m * 7 + k * 5 + n));
        let a = values(&mut random, (batches * m * k) as usize);
        let b = values(&mut random, (batches * k * n) as usize);
        let got = run(&c, &a, &b, (batches * m * n) as usize);
        for (index, got) in got.into_iter().enumerate() {
            let index = index as u32;
            let (z, i, j) = (index / (m * n), index / n % m, index % n);
            let left = |p| z * m * k + if ta { p * m + i } else { i * k + p };
            let right = |p| z * k * n + if tb { j * k + p } else { p * n + j };
            let pairs = (0..k).map(|p| (a[left(p) as usize], b[right(p) as usize]));
            let expected = sum(&c, pairs);
            assert_eq!(got.to_bits(), expected.to_bits(), "{self:?}: {z}, {i}, {j}");
        }
    }
}

#[test]
fn products_of_all_transposes_and_sizes() {
    let sizes =
        [(1, 1, 1, 1), (1, 64, 64, 64), (1, 65, 3, 129), (3, 130, 70, 40), (2, 200, 33, 300)];
    for (batches, m, k, n) in sizes {
        for (ta, tb) in [(false, false), (false, true), (true, false), (true, true)] {
            let gemm = Gemm { batches, m, k, n, ta, tb };
            gemm.check(|_| ());
            gemm.check(|c| (c.f32_in, c.f32_out) = (true, true));
            gemm.check(|c| (c.f32_out, c.relu) = (false, true));
        }
    }
}

#[test]
fn more_than_a_loop_counts_becomes_several_launches() {
    let wide = Gemm { batches: 1, m: 2, k: 2, n: 70_000, ta: false, tb: false };
    wide.check(|_| ());
    let tall = Gemm { batches: 1, m: 70_000, k: 2, n: 2, ta: true, tb: true };
    tall.check(|_| ());
    let many = Gemm { batches: 300, m: 2, k: 3, n: 2, ta: false, tb: false };
    many.check(|_| ());
    assert!(many.contraction().launches(&places()).unwrap().len() > 1);
}

/// A convolution of dense tensors: `[n][h][w][c]`, `[r][s][c][k]`, `[n][oh][ow][k]`.
#[derive(Clone, Copy, Debug)]
struct Conv {
    n: u32,
    size: [u32; 2],
    c: u32,
    k: u32,
    filter: [u32; 2],
    step: [u32; 2],
    dilation: [u32; 2],
    padding: [u32; 2],
}

impl Conv {
    fn output(self) -> [u32; 2] {
        std::array::from_fn(|d| {
            let reach = (self.filter[d] - 1) * self.dilation[d] + 1;
            (self.size[d] + 2 * self.padding[d] - reach) / self.step[d] + 1
        })
    }

    fn check(self) {
        let Conv { n, size: [w, h], c, k, filter, step, dilation, padding } = self;
        let [ow, oh] = self.output();
        let picture = Picture {
            input: [w, h, n],
            input_strides: [c, w * c, h * w * c],
            output: [ow, oh],
            output_strides: [k, ow * k, oh * ow * k],
            filter,
            filter_strides: [c * k, filter[0] * c * k],
            step,
            dilation,
            padding,
        };
        let product = Contraction {
            rows: n * oh * ow,
            columns: k,
            common: c,
            left: Left::Picture(picture),
            right_stride: k,
            batch_strides: [0; 3],
            ..Gemm { batches: 1, m: 1, k: 1, n: 1, ta: false, tb: false }.contraction()
        };
        let mut random = StdRng::seed_from_u64(u64::from(w * h * c * k));
        let x = values(&mut random, (n * h * w * c) as usize);
        let f = values(&mut random, (filter[0] * filter[1] * c * k) as usize);
        let got = run(&product, &x, &f, (n * oh * ow * k) as usize);
        for (index, got) in got.into_iter().enumerate() {
            let index = index as u32;
            let (at, out) = (index / k, index % k);
            let (px, py, image) = (at % ow, at / ow % oh, at / ow / oh);
            let mut pairs = Vec::new();
            for (r, s, channel) in (0..filter[1])
                .flat_map(|r| (0..filter[0]).flat_map(move |s| (0..c).map(move |e| (r, s, e))))
            {
                let y = i64::from(py * step[1] + r * dilation[1]) - i64::from(padding[1]);
                let x0 = i64::from(px * step[0] + s * dilation[0]) - i64::from(padding[0]);
                let inside = (0..i64::from(h)).contains(&y) && (0..i64::from(w)).contains(&x0);
                let place = ((i64::from(image * h) + y) * i64::from(w) + x0) * i64::from(c);
                let left = if inside { x[(place + i64::from(channel)) as usize] } else { 0.0 };
                let weight = ((r * filter[0] + s) * c + channel) * k + out;
                pairs.push((left, f[weight as usize]));
            }
            let expected = sum(&product, pairs.into_iter());
            assert_eq!(got, expected, "{self:?}: pixel {px}, {py} of {image}, channel {out}");
        }
    }
}

#[test]
fn convolutions_with_steps_dilation_and_padding() {
    let plain = Conv {
        n: 1,
        size: [5, 4],
        c: 3,
        k: 2,
        filter: [3, 3],
        step: [1, 1],
        dilation: [1, 1],
        padding: [0, 0],
    };
    let all = [
        plain,
        Conv { padding: [1, 1], ..plain },
        Conv { size: [20, 19], c: 5, k: 70, n: 2, padding: [1, 1], ..plain },
        Conv { size: [21, 9], step: [2, 3], dilation: [2, 1], padding: [2, 0], k: 130, ..plain },
        Conv { size: [12, 30], filter: [1, 5], step: [3, 1], n: 3, c: 70, ..plain },
        Conv { size: [28, 28], filter: [5, 5], c: 1, k: 6, padding: [2, 2], ..plain },
    ];
    all.into_iter().for_each(Conv::check);
}

#[test]
fn generated_descriptors_store_what_the_published_recipes_store() {
    let recipes: serde_json::Value = serde_json::from_str(RECIPES).unwrap();
    let sets = [(64, false, false), (128, false, false), (128, false, true), (128, true, false)];
    for (recipe, (n, tb, float)) in recipes.as_array().unwrap().iter().zip(sets) {
        let mut c = Gemm { batches: 1, m: n, k: n, n, ta: false, tb }.contraction();
        c.f32_in = float;
        let mut random = StdRng::seed_from_u64(n.into());
        let a = values(&mut random, (n * n) as usize);
        let b = values(&mut random, (n * n) as usize);
        let got = run(&c, &a, &b, (n * n) as usize);
        let (input, output) = types(&c);
        let parts = [input.encode(&a), input.encode(&b), vec![0; 4 * (n * n) as usize]];
        let mut memory = Flat { parts, signals: 0 };
        for value in recipe["desc"].as_array().unwrap() {
            let mut words = [0; WORDS];
            for (offset, word) in value.as_object().unwrap() {
                let number = |text: &str| u32::from_str_radix(&text[2..], 16).unwrap();
                words[((number(offset) - OFFSET) / 4) as usize] = number(word.as_str().unwrap());
            }
            let mut d = Descriptor::from_words(&words);
            for operand in [Operand::S, Operand::L, Operand::O] {
                d.set_base(operand, (operand as u64) << 32);
            }
            (d.signal.low, d.signal.high) = ([SOB as u32; 2], (SOB >> 32) as u32);
            mme::run(&d, &mut memory).unwrap();
        }
        assert_eq!(output.decode(&memory.parts[2]), got, "{}", recipe["name"]);
    }
}
