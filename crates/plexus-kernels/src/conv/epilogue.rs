//! What happens to finished sums: bias, function, pooling, and the way into memory.

#![allow(clippy::needless_range_loop)]

use super::Block;
use super::body::{Output, TILE};
use crate::isa::{Isa, Simd, Vectorized};
use crate::map::function::{Formula, LeakyRelu, Relu};
use crate::map::{self, Function};

/// Whether a function costs a few instructions, and is applied to sums in registers.
pub(super) fn in_registers(function: Function) -> bool {
    matches!(function, Function::Identity | Function::Relu | Function::LeakyRelu { .. })
}

/// Applies the other functions where the numbers are, while they are in the cache.
pub(super) fn in_cache(isa: Isa, function: Function, values: &mut [f32]) {
    if !in_registers(function) {
        map::apply(isa, function, values);
    }
}

/// Applies a function that costs a few instructions; others do nothing.
#[inline(always)]
pub(super) fn cheap<S: Simd, const N: usize>(s: S, function: Function, mut values: [S::F; N]) -> [S::F; N] {
    match function {
        Function::Relu => {
            for v in 0..N {
                values[v] = Relu.apply(s, values[v]);
            }
        }
        Function::LeakyRelu { slope } => {
            for v in 0..N {
                values[v] = LeakyRelu { slope }.apply(s, values[v]);
            }
        }
        _ => {}
    }
    values
}

/// The largest of four numbers in each lane: the first of equal ones, and a NaN before every number.
#[inline(always)]
pub(super) fn largest<S: Simd>(s: S, [a, b, c, d]: [S::F; 4]) -> S::F {
    let mut largest = a;
    let others = [b, c, d];
    for p in 0..3 {
        // Where `largest` is NaN it stays: `max` gives its second operand where either is NaN.
        largest = s.select(s.eq(others[p], others[p]), s.max(others[p], largest), others[p]);
    }
    largest
}

/// [`largest`], and which of the four it is.
#[inline(always)]
pub(super) fn largest_and_position<S: Simd>(s: S, values: [S::F; 4]) -> (S::F, S::F) {
    let mut largest = values[0];
    let mut position = s.splat(0.0);
    for p in 1..4 {
        let (value, this) = (values[p], s.splat(p as f32));
        let number = s.eq(value, value);
        position = s.select(number, s.select(s.lt(largest, value), this, position), this);
        largest = s.select(number, s.max(value, largest), value);
    }
    (largest, position)
}

/// A small whole number: the low byte of the sum with 2²³.
#[inline(always)]
pub(super) fn byte(number: f32) -> u8 {
    (number + 8_388_608.0).to_bits() as u8
}

/// Sums of `NV` vectors that are finished, on their way to the output: of `pixels` pixels from number `first` of the band on;
/// with pooling each four in a row are one window, and `first` counts windows.
///
/// It is a function of its own, which all register tiles share.
pub(super) struct Finish<'a, 'b, const NV: usize> {
    pub block: &'a Block<'a>,
    pub sums: &'a mut [f32; TILE],
    pub output: &'a mut Output<'b>,
    pub first: usize,
    pub pixels: usize,
}

impl<const NV: usize> Vectorized for Finish<'_, '_, NV> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Finish { block, sums, output, first, pixels } = self;
        let epilogue = Epilogue::<S, NV>::new(s, block, output.filter, output.count);
        epilogue.finish(s, sums, pixels);
        match block.pooled {
            true => epilogue.pool(s, sums, output, first, pixels / 4),
            false => epilogue.store(s, sums, output, first, pixels),
        }
    }
}

/// What is done to the sums of one panel.
struct Epilogue<'a, S: Simd, const NV: usize> {
    block: &'a Block<'a>,
    bias: [S::F; NV],
}

impl<'a, S: Simd, const NV: usize> Epilogue<'a, S, NV> {
    /// For `count` filters from `filter` on.
    #[inline(always)]
    fn new(s: S, block: &'a Block<'a>, filter: usize, count: usize) -> Self {
        // Adding -0 changes no number.
        let mut bias = [s.splat(-0.0); NV];
        if let Some(values) = block.bias {
            let values = &values[filter..filter + count];
            for v in 0..NV {
                let part = &values[(v * S::LEN).min(count)..((v + 1) * S::LEN).min(count)];
                bias[v] = s.load_part(part, -0.0);
            }
        }
        Epilogue { block, bias }
    }

    /// Adds the bias to the sums of `pixels` pixels and applies the function; one that is not cheap is left to the cache,
    /// unless the sums are pooled.
    #[inline(always)]
    fn finish(&self, s: S, sums: &mut [f32; TILE], pixels: usize) {
        let function = self.block.function;
        let sums = &mut sums[..pixels * NV * S::LEN];
        for pixel in sums.chunks_exact_mut(NV * S::LEN) {
            let mut values = self.bias;
            for v in 0..NV {
                values[v] = s.add(s.load(&pixel[v * S::LEN..]), self.bias[v]);
            }
            values = cheap(s, function, values);
            for v in 0..NV {
                s.store(values[v], &mut pixel[v * S::LEN..]);
            }
        }
        if self.block.pooled {
            in_cache(S::ISA, function, sums);
        }
    }

    /// Writes `pixels` pixels of the band from number `first` on.
    #[inline(always)]
    fn store(&self, s: S, sums: &[f32; TILE], output: &mut Output<'_>, first: usize, pixels: usize) {
        let filters = self.block.geometry.filters;
        for (r, pixel) in sums.chunks_exact(NV * S::LEN).take(pixels).enumerate() {
            let to = &mut output.values[(first + r) * filters + output.filter..][..output.count];
            store_vectors::<S, NV>(s, load_vectors(s, pixel), to);
        }
    }

    /// Writes the largest of each four sums: `windows` windows of the band from number `first` on.
    #[inline(always)]
    fn pool(&self, s: S, sums: &[f32; TILE], output: &mut Output<'_>, first: usize, windows: usize) {
        let filters = self.block.geometry.filters;
        for (window, sums) in sums.chunks_exact(4 * NV * S::LEN).take(windows).enumerate() {
            let at = (first + window) * filters + output.filter;
            let mut four = [[s.splat(0.0); 4]; NV];
            for v in 0..NV {
                for p in 0..4 {
                    four[v][p] = s.load(&sums[(p * NV + v) * S::LEN..]);
                }
            }
            let mut pooled = [s.splat(0.0); NV];
            if let Some(positions) = &mut output.positions {
                let mut numbers = [0.0f32; 32];
                for v in 0..NV {
                    let chosen;
                    (pooled[v], chosen) = largest_and_position(s, four[v]);
                    s.store(chosen, &mut numbers[v * S::LEN..]);
                }
                let positions = &mut positions[at..][..output.count];
                if let Some(positions) = positions.first_chunk_mut::<16>()
                    && output.count == 16
                {
                    for (position, &number) in positions.iter_mut().zip(&numbers[..16]) {
                        *position = byte(number);
                    }
                } else {
                    for (position, &number) in positions.iter_mut().zip(&numbers) {
                        *position = byte(number);
                    }
                }
            } else {
                for v in 0..NV {
                    pooled[v] = largest(s, four[v]);
                }
            }
            store_vectors(s, pooled, &mut output.values[at..][..output.count]);
        }
    }
}

/// The vectors of one pixel.
#[inline(always)]
fn load_vectors<S: Simd, const NV: usize>(s: S, from: &[f32]) -> [S::F; NV] {
    let mut vectors = [s.splat(0.0); NV];
    for v in 0..NV {
        vectors[v] = s.load(&from[v * S::LEN..]);
    }
    vectors
}

/// Writes as many lanes as there are elements.
#[inline(always)]
fn store_vectors<S: Simd, const NV: usize>(s: S, vectors: [S::F; NV], to: &mut [f32]) {
    if to.len() == NV * S::LEN {
        for v in 0..NV {
            s.store(vectors[v], &mut to[v * S::LEN..]);
        }
        return;
    }
    for v in 0..NV {
        let start = (v * S::LEN).min(to.len());
        let end = ((v + 1) * S::LEN).min(to.len());
        s.store_part(vectors[v], &mut to[start..end]);
    }
}
