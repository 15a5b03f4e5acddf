//! Rounds weights and re-orders them into panels, and back.

use super::element::WORDS;
use super::{Format, Packed, Values, WIDTH};
use crate::buffer::{Buffer, MatrixMut, for_each_tile};
use crate::threads::Pool;
use crate::view::View;
use bytemuck::Pod;

/// Rounds to the nearest whole number, ties to even, for |x| below 2^22: what is added pushes the fraction out of the
/// mantissa. A library call where the target has no rounding instruction costs ten times as much.
fn round(x: f32) -> f32 {
    const PUSH: f32 = 12_582_912.0; // 1.5 · 2^23
    (x + PUSH) - PUSH
}

/// The nearest bfloat16, ties to even. NaN stays NaN.
fn to_bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return (bits >> 16) as u16 | 0x40; // quiet, and not infinity where only low bits were set
    }
    ((bits + (0x7FFF + (bits >> 16 & 1))) >> 16) as u16
}

fn from_bf16(x: u16) -> f32 {
    f32::from_bits(u32::from(x) << 16)
}

/// Scales below this one are denormal and would be flushed to zero.
const SMALLEST_SCALE: f32 = f32::MIN_POSITIVE;

/// A scale as it is stored: the nearest bfloat16 that keeps `limit · scale` finite.
fn to_scale(scale: f32, limit: f32) -> u16 {
    let scale = scale.signum() * scale.abs().max(SMALLEST_SCALE);
    let stored = to_bf16(scale);
    if (from_bf16(stored) * limit).is_infinite() { stored - 1 } else { stored }
}

/// The multiple of the scale nearest to a weight; 0 where there is none (NaN, or scale zero).
fn multiple(w: f32, scale: f32, (low, high): (f32, f32)) -> i8 {
    let quotient = (w / scale).clamp(low, high);
    if quotient.is_nan() { 0 } else { round(quotient) as i8 }
}

const INT8: (f32, f32) = (-127.0, 127.0);
const INT4: (f32, f32) = (-8.0, 7.0);

/// The scale of one group, as bfloat16.
///
/// Zero for a group of zeros, NaN for a group with a NaN or an infinity.
fn scale(group: &[f32], format: Format) -> u16 {
    let extreme = group.iter().fold(0.0f32, |extreme, &w| if w.abs() <= extreme.abs() { extreme } else { w });
    if extreme == 0.0 {
        return 0;
    }
    if !group.iter().all(|w| w.is_finite()) {
        return to_bf16(f32::NAN);
    }
    match format {
        Format::Int4(_) => int4_scale(group, extreme),
        _ => to_scale(extreme.abs() / 127.0, 127.0),
    }
}

/// What the weight of largest magnitude is divided by, one after the other.
///
/// With a negative divisor of -8 or so that weight becomes -8, the end that reaches further; others of its size but of
/// the other sign may then be too far from 7. Up to half a step beyond the last multiple is no worse than between two.
const DIVISORS: [f32; 8] = [-7.0, -7.4, -7.6, -7.8, -8.0, -8.15, -8.3, -8.45];

/// The candidate with the least squared error among those that round no weight by more than half a step.
fn int4_scale(group: &[f32], extreme: f32) -> u16 {
    let mut best = (f32::INFINITY, to_scale(extreme.abs() / 7.0, 8.0));
    for divisor in DIVISORS {
        let stored = to_scale(extreme / divisor, 8.0);
        let scale = from_bf16(stored);
        let (mut worst, mut sum) = (0.0f32, 0.0f32);
        for &w in group {
            let quotient = w / scale;
            let off = (quotient - round(quotient.clamp(INT4.0, INT4.1))).abs();
            worst = worst.max(off);
            sum += off * off;
        }
        // In units of the extreme, so that nothing overflows.
        let unit = scale / extreme;
        let error = sum * unit * unit;
        if worst <= 0.5 && error < best.0 {
            best = (error, stored);
        }
    }
    best.1
}

/// Copies one column, which has the weights of one output.
fn copy_column(b: View<'_>, col: usize, to: &mut Vec<f32>) {
    let (values, row_stride, col_stride) = b.parts();
    to.clear();
    if row_stride == 1 && b.rows() > 0 {
        to.extend_from_slice(&values[col * col_stride..][..b.rows()]);
    } else {
        to.extend((0..b.rows()).map(|p| values[p * row_stride + col * col_stride]));
    }
}

impl Format {
    /// Weights that share a scale, at most.
    fn group_len(self, k: usize) -> usize {
        k.div_ceil(self.groups(k).max(1)).max(self.block_len())
    }
}

/// Rounds and re-orders a right operand.
pub(super) fn pack(b: View<'_>, format: Format, pool: &Pool) -> Packed {
    let (k, n) = (b.rows(), b.cols());
    let scales = panels(b, format.groups(k) * WIDTH, pool, |j, column, panel| {
        for (group, weights) in column.chunks(format.group_len(k)).take(format.groups(k)).enumerate() {
            panel[group * WIDTH + j % WIDTH] = scale(weights, format);
        }
    });
    // The multiple of the scale that each weight of a column is nearest to.
    let multiples = |j: usize, column: &[f32], range: (f32, f32), put: &mut dyn FnMut(usize, i8)| {
        for (group, weights) in column.chunks(format.group_len(k)).enumerate() {
            let scale = from_bf16(scales[(j / WIDTH * format.groups(k) + group) * WIDTH + j % WIDTH]);
            for (i, &w) in weights.iter().enumerate() {
                put(group * format.group_len(k) + i, multiple(w, scale, range));
            }
        }
    };
    let values = match format {
        Format::Bf16 => Values::Bf16(panels(b, k * WIDTH, pool, |j, column, panel| {
            for (p, &w) in column.iter().enumerate() {
                panel[p * WIDTH + j % WIDTH] = to_bf16(w);
            }
        })),
        Format::Int8(_) => Values::Int8(panels(b, k * WIDTH, pool, |j, column, panel| {
            multiples(j, column, INT8, &mut |p, q| panel[p * WIDTH + j % WIDTH] = q);
        })),
        Format::Int4(_) => Values::Int4(panels(b, k * WORDS, pool, |j, column, panel| {
            let (word, nibble) = (j % WORDS, j % WIDTH / WORDS);
            multiples(j, column, INT4, &mut |p, q| {
                let bits = if nibble < 7 { q + 8 } else { q & 15 };
                panel[p * WORDS + word] |= u32::from(bits.cast_unsigned()) << (4 * nibble);
            });
        })),
    };
    Packed { format, rows: k, cols: n, values, scales }
}

/// Panels of [`WIDTH`] columns, `len` numbers each; `work(j, column, panel)` writes column `j` into its zeroed panel.
fn panels<T: Pod + Send>(
    b: View<'_>,
    len: usize,
    pool: &Pool,
    work: impl Fn(usize, &[f32], &mut [T]) + Sync + Send,
) -> Buffer<T> {
    let count = b.cols().div_ceil(WIDTH);
    let mut panels = Buffer::zeros(count * len);
    let matrix = MatrixMut { values: &mut panels[..], rows: count, cols: len, stride: len };
    for_each_tile(matrix, (1, len.max(1)), pool, |panel, _, mut tile| {
        let mut column = Vec::with_capacity(b.rows());
        for j in panel * WIDTH..b.cols().min((panel + 1) * WIDTH) {
            copy_column(b, j, &mut column);
            work(j, &column, tile.row(0));
        }
    });
    panels
}

/// The values that products are computed with, `[n, k]`.
pub(super) fn unpack(packed: &Packed) -> Buffer {
    let (k, n, format) = (packed.rows, packed.cols, packed.format);
    let (groups, scales) = (format.groups(k), &packed.scales[..]);
    let mut weight = Buffer::zeros(n * k);
    let each = |weight: &mut [f32], value: &dyn Fn(usize, usize) -> f32| {
        for j in 0..n {
            let (panel, c) = (j / WIDTH, j % WIDTH);
            let row = &mut weight[j * k..(j + 1) * k];
            for (group, weights) in row.chunks_mut(format.group_len(k)).enumerate() {
                let scale = if groups == 0 { 1.0 } else { from_bf16(scales[(panel * groups + group) * WIDTH + c]) };
                for (i, to) in weights.iter_mut().enumerate() {
                    *to = scale * value(panel * k + group * format.group_len(k) + i, c);
                }
            }
        }
    };
    match &packed.values {
        Values::Bf16(values) => {
            let values = &values[..];
            each(&mut weight, &|row, c| from_bf16(values[row * WIDTH + c]));
        }
        Values::Int8(values) => {
            let values = &values[..];
            each(&mut weight, &|row, c| f32::from(values[row * WIDTH + c]));
        }
        Values::Int4(words) => {
            let words = &words[..];
            each(&mut weight, &|row, c| {
                let nibble = (words[row * WORDS + c % WORDS] >> (c / WORDS * 4)) & 15;
                // The last nibble is in two's complement; shifting up and down copies its sign.
                let q = if c / WORDS < 7 { nibble.cast_signed() - 8 } else { (nibble << 28).cast_signed() >> 28 };
                q as f32
            });
        }
    }
    weight
}
