//! What happens to finished sums: bias, function, pooling, and the way into memory.

#![allow(clippy::needless_range_loop)]

use super::Block;
use super::body::Output;
use crate::isa::{Isa, Simd};
use crate::map::function::{Formula, LeakyRelu, Relu};
use crate::map::{self, Function};
use crate::threads::Pool;

/// Whether a function costs a few instructions, and is applied to sums in registers.
pub(super) fn in_registers(function: Function) -> bool {
    matches!(function, Function::Identity | Function::Relu | Function::LeakyRelu { .. })
}

/// Applies the other functions where the numbers are, while they are in the cache.
pub(super) fn in_cache(isa: Isa, function: Function, values: &mut [f32]) {
    if !in_registers(function) {
        map::forward_in_place(function, values, &crate::Context::new(isa, Pool::single()));
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

/// What is done to the sums of one panel.
pub(super) struct Epilogue<'a, S: Simd, const NV: usize> {
    block: &'a Block<'a>,
    bias: [S::F; NV],
}

impl<'a, S: Simd, const NV: usize> Epilogue<'a, S, NV> {
    /// For `count` filters from `filter` on.
    #[inline(always)]
    pub(super) fn new(s: S, block: &'a Block<'a>, filter: usize, count: usize) -> Self {
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

    /// Adds the bias and applies the function; one that is not cheap is left to the cache, unless the sums are pooled.
    #[inline(always)]
    pub(super) fn function<const R: usize>(
        &self,
        s: S,
        mut sums: [[S::F; NV]; R],
        memory: &mut [f32],
    ) -> [[S::F; NV]; R] {
        for r in 0..R {
            for v in 0..NV {
                sums[r][v] = s.add(sums[r][v], self.bias[v]);
            }
        }
        let function = self.block.function;
        match function {
            Function::Identity => {}
            Function::Relu | Function::LeakyRelu { .. } => {
                for r in 0..R {
                    sums[r] = cheap(s, function, sums[r]);
                }
            }
            _ if self.block.pooled => {
                for r in 0..R {
                    for v in 0..NV {
                        s.store(sums[r][v], &mut memory[(r * NV + v) * S::LEN..]);
                    }
                }
                in_cache(S::ISA, function, &mut memory[..R * NV * S::LEN]);
                for r in 0..R {
                    for v in 0..NV {
                        sums[r][v] = s.load(&memory[(r * NV + v) * S::LEN..]);
                    }
                }
            }
            _ => {}
        }
        sums
    }

    /// Writes `pixels` pixels of the band from number `first` on.
    #[inline(always)]
    pub(super) fn store<const R: usize>(
        &self,
        s: S,
        sums: &[[S::F; NV]; R],
        output: &mut Output<'_>,
        first: usize,
        pixels: usize,
    ) {
        let filters = self.block.geometry.filters;
        for r in 0..R {
            if r < pixels {
                let to = &mut output.values[(first + r) * filters + output.filter..][..output.count];
                store_vectors(s, sums[r], to);
            }
        }
    }

    /// Writes the largest of each four sums: `windows` windows of the band from number `first` on.
    #[inline(always)]
    pub(super) fn pool<const R: usize>(
        &self,
        s: S,
        sums: &[[S::F; NV]; R],
        output: &mut Output<'_>,
        first: usize,
        windows: usize,
    ) {
        let filters = self.block.geometry.filters;
        for window in 0..R / 4 {
            if window < windows {
                let at = (first + window) * filters + output.filter;
                let mut pooled = [s.splat(0.0); NV];
                if let Some(positions) = &mut output.positions {
                    let mut chosen = [s.splat(0.0); NV];
                    for v in 0..NV {
                        (pooled[v], chosen[v]) = largest_and_position(s, window_of(sums, window, v));
                    }
                    let positions = &mut positions[at..][..output.count];
                    for (v, positions) in positions.chunks_mut(S::LEN).enumerate() {
                        let mut numbers = [0.0f32; 16];
                        s.store(chosen[v.min(NV - 1)], &mut numbers);
                        for (position, &number) in positions.iter_mut().zip(&numbers) {
                            *position = byte(number);
                        }
                    }
                } else {
                    for v in 0..NV {
                        pooled[v] = largest(s, window_of(sums, window, v));
                    }
                }
                store_vectors(s, pooled, &mut output.values[at..][..output.count]);
            }
        }
    }
}

/// The four sums of one window.
#[inline(always)]
fn window_of<F: Copy, const NV: usize, const R: usize>(sums: &[[F; NV]; R], window: usize, v: usize) -> [F; 4] {
    let first = 4 * window;
    [sums[first][v], sums[first + 1][v], sums[first + 2][v], sums[first + 3][v]]
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
