//! Tiles on their way in, and sums on their way out.

#![allow(clippy::needless_range_loop)]

use super::super::Geometry;
use super::super::epilogue::{byte, cheap, in_registers, largest, largest_and_position};
use super::points::{Four3, Points, Two3, Two5};
use super::{Grid, POSITIONS, Winograd};
use crate::buffer::TileMut;
use crate::isa::{Simd, Vectorized};
use crate::map::{self, Function};
use std::hint::black_box;

/// Lanes of the widest vector.
const WIDEST: usize = 16;

/// Memory for one tile of one vector of channels; it starts on a cache line.
#[repr(C, align(64))]
struct TileMemory([f32; POSITIONS * WIDEST]);

/// Some tiles to be transformed: row `p` of `to` has position `p` of all of them, `stride` numbers from one to the next.
pub(in super::super) struct InputTiles<'a, 'b> {
    pub form: Winograd,
    pub geometry: &'a Geometry,
    pub grid: Grid,
    /// Of the batch.
    pub input: &'a [f32],
    /// Number of the first tile, and how many.
    pub first: usize,
    pub count: usize,
    pub stride: usize,
    pub to: TileMut<'b>,
}

impl Vectorized for InputTiles<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.form {
            Winograd::Two3 => s.run(InputOf { tiles: self, points: Two3 }),
            Winograd::Four3 => s.run(InputOf { tiles: self, points: Four3 }),
            Winograd::Two5 => s.run(InputOf { tiles: self, points: Two5 }),
        }
    }
}

struct InputOf<'a, 'b, P> {
    tiles: InputTiles<'a, 'b>,
    #[expect(dead_code, reason = "it says which form")]
    points: P,
}

impl<P: Points> Vectorized for InputOf<'_, '_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let InputTiles { geometry, grid, input, first, count, stride, mut to, .. } = self.tiles;
        let [top, left, ..] = geometry.padding;
        let (height, width, channels) = (geometry.height, geometry.width, geometry.channels);
        let len = geometry.input_len();
        let mut memory = TileMemory([0.0; POSITIONS * WIDEST]);
        let memory = &mut memory.0;
        for tile in 0..count {
            let (sample, ty, tx) = grid.place(first + tile);
            let input = &input[sample * len..][..len];
            // Rows and columns of the tile that are inside of the input.
            let (y, x) = (ty * P::M, tx * P::M);
            let inside = |at: usize, before: usize, size: usize| {
                let first = before.saturating_sub(at).min(P::N);
                first..(size + before).saturating_sub(at).clamp(first, P::N)
            };
            let (rows, cols) = (inside(y, top, height), inside(x, left, width));
            let corner = |i: usize, j: usize| ((y + i - top) * width + x + j - left) * channels;
            for c in (0..channels).step_by(S::LEN) {
                let lanes = S::LEN.min(channels - c);
                let zero = s.splat(0.0);
                // Along the rows.
                for i in 0..P::N {
                    let mut d = [zero; 6];
                    if rows.contains(&i) && !cols.is_empty() {
                        let from = &input[corner(i, cols.start) + c..];
                        for j in 0..P::N {
                            if cols.contains(&j) {
                                let at = (j - cols.start) * channels;
                                d[j] = if lanes == S::LEN {
                                    s.load(&from[at..])
                                } else {
                                    s.load_part(&from[at..at + lanes], 0.0)
                                };
                            }
                        }
                        d = P::input(s, d);
                    }
                    for j in 0..P::N {
                        s.store(d[j], &mut memory[(i * P::N + j) * S::LEN..]);
                    }
                }
                // Along the columns.
                for j in 0..P::N {
                    let mut d = [zero; 6];
                    for i in 0..P::N {
                        d[i] = s.load(&memory[(i * P::N + j) * S::LEN..]);
                    }
                    d = P::input(s, d);
                    for i in 0..P::N {
                        let to = &mut to.row(i * P::N + j)[tile * stride + c..];
                        match lanes == S::LEN {
                            true => s.store(d[i], to),
                            false => s.store_part(d[i], &mut to[..lanes]),
                        }
                    }
                }
            }
        }
    }
}

/// Sums of some tiles and filters to be transformed: position `p` of tile `i` begins at `p · across + i · width`.
pub(in super::super) struct OutputTiles<'a, 'b> {
    pub form: Winograd,
    pub grid: Grid,
    /// Number of the first tile, and how many.
    pub first: usize,
    pub count: usize,
    pub sums: &'a [f32],
    pub across: usize,
    pub width: usize,
    /// Of these filters.
    pub bias: Option<&'a [f32]>,
    pub function: Function,
    pub pooled: bool,
    pub accumulate: bool,
    /// Pixels by filters, from pixel `pixel` of the batch on; the filters here begin at column `col`.
    pub to: &'a mut TileMut<'b>,
    pub positions: Option<&'a mut TileMut<'b, u8>>,
    pub pixel: usize,
    pub col: usize,
    pub filters: usize,
}

impl Vectorized for OutputTiles<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.form {
            Winograd::Two3 => s.run(OutputOf { tiles: self, points: Two3 }),
            Winograd::Four3 => s.run(OutputOf { tiles: self, points: Four3 }),
            Winograd::Two5 => s.run(OutputOf { tiles: self, points: Two5 }),
        }
    }
}

struct OutputOf<'a, 'b, P> {
    tiles: OutputTiles<'a, 'b>,
    #[expect(dead_code, reason = "it says which form")]
    points: P,
}

impl<P: Points> Vectorized for OutputOf<'_, '_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let OutputTiles { grid, first, count, sums, across, width, bias, function, pooled, .. } = self.tiles;
        let OutputTiles { accumulate, to, mut positions, pixel, col, filters, .. } = self.tiles;
        let mut memory = TileMemory([0.0; POSITIONS * WIDEST]);
        let memory = &mut memory.0;
        let mut full = TileMemory([0.0; POSITIONS * WIDEST]);
        let full = &mut full.0;
        for f in (0..filters).step_by(S::LEN) {
            let lanes = S::LEN.min(filters - f);
            let bias = match bias {
                Some(bias) => s.load_part(&bias[f..f + lanes], -0.0),
                None => s.splat(-0.0),
            };
            for tile in 0..count {
                let (sample, ty, tx) = grid.place(first + tile);
                // Asked anew for each tile: the compiler would else make a copy of all of this for each answer.
                let (function, pooled, accumulate) = black_box((function, pooled, accumulate));
                let positions = black_box(&mut positions);
                // Along the columns.
                for j in 0..P::N {
                    let mut m = [s.splat(0.0); 6];
                    for i in 0..P::N {
                        m[i] = s.load(&sums[(i * P::N + j) * across + tile * width + f..]);
                    }
                    let y = P::output(s, m);
                    for i in 0..P::M {
                        s.store(y[i], &mut memory[(i * P::N + j) * S::LEN..]);
                    }
                }
                // Along the rows; the outputs of the tile, row by row.
                for i in 0..P::M {
                    let mut m = [s.splat(0.0); 6];
                    for j in 0..P::N {
                        m[j] = s.load(&memory[(i * P::N + j) * S::LEN..]);
                    }
                    let mut y = P::output(s, m);
                    for j in 0..P::M {
                        y[j] = s.add(y[j], bias);
                    }
                    let y = cheap::<S, 4>(s, function, y);
                    for j in 0..P::M {
                        s.store(y[j], &mut full[(i * P::M + j) * S::LEN..]);
                    }
                }
                if pooled && !in_registers(function) {
                    map::apply(S::ISA, function, &mut full[..P::M * P::M * S::LEN]);
                }
                let (y, x) = (ty * grid.unit, tx * grid.unit);
                let rows = grid.unit.min(grid.size[0] - y);
                let cols = grid.unit.min(grid.size[1] - x);
                let place = |i: usize, j: usize| (sample * grid.size[0] + y + i) * grid.size[1] + x + j - pixel;
                let columns = col + f..col + f + lanes;
                for i in 0..rows {
                    for j in 0..cols {
                        if !pooled {
                            let value = s.load(&full[(i * P::M + j) * S::LEN..]);
                            write(s, value, &mut to.row(place(i, j))[columns.clone()], accumulate);
                            continue;
                        }
                        let at = |p: usize| s.load(&full[((2 * i + p / 2) * P::M + 2 * j + p % 2) * S::LEN..]);
                        let four = [at(0), at(1), at(2), at(3)];
                        let value = match positions {
                            None => largest(s, four),
                            Some(positions) => {
                                let (value, chosen) = largest_and_position(s, four);
                                let mut numbers = [0.0f32; WIDEST];
                                s.store(chosen, &mut numbers);
                                let to = &mut positions.row(place(i, j))[columns.clone()];
                                for (position, &number) in to.iter_mut().zip(&numbers) {
                                    *position = byte(number);
                                }
                                value
                            }
                        };
                        write(s, value, &mut to.row(place(i, j))[columns.clone()], accumulate);
                    }
                }
            }
        }
    }
}

/// Writes as many lanes as there is room for, or adds them.
#[inline(always)]
fn write<S: Simd>(s: S, value: S::F, to: &mut [f32], accumulate: bool) {
    if to.len() == S::LEN {
        let value = if accumulate { s.add(s.load(to), value) } else { value };
        s.store(value, to);
    } else {
        let value = if accumulate { s.add(s.load_part(to, 0.0), value) } else { value };
        s.store_part(value, to);
    }
}
