//! Windows of maps as rows of a matrix of whole numbers, so that a convolution is a product of matrices.
//!
//! Maps lie channels last, `[height, width, channels]`. A window is as many stretches of numbers as the filter has rows; each stretch holds
//! the columns and channels of one row of the window, and is filled up to a multiple of four:
//!
//! ```text
//! row (y, x) = stretch(first_y(y), x), stretch(first_y(y) + 1, x), … as many as the filter has rows
//! stretch(p, x) = row p of the padded map, the columns that windows of column x see
//! ```
//!
//! For each output column `x` the stretches of all rows `p` are written below each other. So the stretches of a window lie behind each
//! other in memory, and those of the window below begin a few stretches later: a row of the matrix is a place to start, and a number
//! is written once for each column of the filter, not once for each of its elements.
//!
//! # Source
//! M. Cho, D. Brand, "MEC: Memory-efficient Convolution for Deep Neural Network", ICML 2017 (the lowering of one axis).

use crate::buffer::{MatrixMut, TileMut, for_each_tile};
use crate::conv::Geometry;
use crate::gemm_i8::pack::{Layout, Scratch, Term};
use crate::isa::{Isa, SimdInt, VectorizedInt};
use crate::threads::Pool;
use bytemuck::Pod;
use std::marker::PhantomData;

/// The numbers that the kernels take at a time.
const QUAD: usize = 4;

/// Where the windows of a convolution lie.
///
/// # Examples
/// ```
/// use plexus_kernels::{conv::Geometry, windows::Windows};
/// let windows = Windows::new(&Geometry::plain([3, 8, 8], 16, [3, 3]));
/// // 6 x 6 of them; three rows of nine numbers, filled up to twelve.
/// assert_eq!((windows.count(), windows.len()), (36, 36));
/// assert_eq!(windows.fill_up(&[1i8; 27])[..13], [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    rows: Axis,
    cols: Axis,
    /// Columns of the input.
    width: usize,
    channels: usize,
    /// Channels of one group.
    own: usize,
    /// Numbers of the input of one sample.
    input_len: usize,
}

/// The places along one axis, in an order in which those of a window lie behind each other.
#[derive(Clone, Debug, PartialEq)]
struct Axis {
    /// Elements of a window.
    kernel: usize,
    /// The first place of the window of each output.
    first: Vec<usize>,
    /// The input at each place; none where it is padding, or between the inputs of a transposed convolution.
    source: Vec<Option<usize>>,
}

impl Axis {
    /// `reach` places are there where neighbors in a window are neighbors; output `o` starts at `start(o)` of them, and place `at` is
    /// input `source(at)`.
    fn new(
        (kernel, dilation): (usize, usize),
        (outputs, reach): (usize, usize),
        start: impl Fn(usize) -> usize,
        source: impl Fn(usize) -> Option<usize>,
    ) -> Self {
        // Elements of a window are `dilation` apart: places with one remainder come behind each other.
        let each = reach.div_ceil(dilation.max(1));
        let first = (0..outputs).map(|output| start(output) % dilation * each + start(output) / dilation).collect();
        let place = |at: usize| Some(at % each * dilation + at / each).filter(|place| *place < reach);
        Axis { kernel, first, source: (0..each * dilation).map(|at| source(place(at)?)).collect() }
    }

    /// That of a convolution.
    fn forward(geometry: &Geometry, axis: usize, (input, output): (usize, usize)) -> Self {
        let Geometry { kernel, stride, padding, dilation, .. } = *geometry;
        let (kernel, stride, padding, dilation) = (kernel[axis], stride[axis], padding[axis], dilation[axis]);
        let reach = output.saturating_sub(1) * stride + kernel.saturating_sub(1) * dilation + 1;
        let source = |at: usize| at.checked_sub(padding).filter(|at| *at < input);
        Axis::new((kernel, dilation), (output, reach), |output| output * stride, source)
    }

    /// That of a transposed convolution: element `i` of the window of output `o` is input `(o + padding − i · dilation) / stride`, where that
    /// is whole. Places go down, so that elements go up.
    fn transposed(mirrored: &Geometry, axis: usize, (input, output): (usize, usize)) -> Self {
        let Geometry { kernel, stride, padding, dilation, .. } = *mirrored;
        let (kernel, stride, padding, dilation) = (kernel[axis], stride[axis], padding[axis], dilation[axis]);
        let last = output.saturating_sub(1);
        let reach = last + kernel.saturating_sub(1) * dilation + 1;
        let source = |at: usize| {
            let at = (last + padding).checked_sub(at)?;
            at.is_multiple_of(stride).then(|| at / stride).filter(|at| *at < input)
        };
        Axis::new((kernel, dilation), (output, reach), |output| last - output, source)
    }

    fn places(&self) -> usize {
        self.source.len()
    }
}

impl Windows {
    /// Those of a convolution.
    ///
    /// # Panics
    /// Where there is no such convolution.
    pub fn new(geometry: &Geometry) -> Self {
        let output = geometry.output().expect("the windows fit into the padded map");
        let Geometry { channels, height, width, groups, .. } = *geometry;
        Windows {
            rows: Axis::forward(geometry, 0, (height, output[0])),
            cols: Axis::forward(geometry, 1, (width, output[1])),
            width,
            channels,
            own: channels / groups,
            input_len: height * width * channels,
        }
    }

    /// Those of a transposed convolution, from the geometry of the convolution that goes the other way.
    ///
    /// # Panics
    /// Where there is no such convolution.
    pub fn transposed(mirrored: &Geometry) -> Self {
        let input = mirrored.output().expect("the windows fit into the padded map");
        let Geometry { filters: channels, height, width, groups, .. } = *mirrored;
        Windows {
            rows: Axis::transposed(mirrored, 0, (input[0], height)),
            cols: Axis::transposed(mirrored, 1, (input[1], width)),
            width: input[1],
            channels,
            own: channels / groups,
            input_len: input[0] * input[1] * channels,
        }
    }

    /// Windows of one sample: rows of the matrix, row after row of the output.
    pub fn count(&self) -> usize {
        self.rows.first.len() * self.cols.first.len()
    }

    /// Numbers of the input of one sample.
    pub fn input_len(&self) -> usize {
        self.input_len
    }

    /// Numbers of one row of the matrix: `rows of the filter · stretch`.
    pub fn len(&self) -> usize {
        self.rows.kernel * self.quads() * QUAD
    }

    /// Whether rows have no number.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes that the windows of one sample take while they are multiplied, about.
    pub fn bytes(&self) -> usize {
        self.cols.first.len() * self.rows.places() * self.quads() * QUAD
    }

    /// The weights of filters `[filters, rows, columns, channels of a group]` in the order of the matrix: each row of a filter filled up
    /// with zeros.
    pub fn fill_up<T: Copy + Default>(&self, weight: &[T]) -> Vec<T> {
        let (len, filled) = (self.stretch(), self.quads() * QUAD);
        let mut to = vec![T::default(); weight.len().checked_div(len).unwrap_or(0) * filled];
        for (from, to) in weight.chunks_exact(len.max(1)).zip(to.chunks_exact_mut(filled.max(1))) {
            to[..len].copy_from_slice(from);
        }
        to
    }

    /// Numbers of one stretch.
    fn stretch(&self) -> usize {
        self.cols.kernel * self.own
    }

    /// Quads of one stretch.
    fn quads(&self) -> usize {
        self.stretch().div_ceil(QUAD)
    }

    /// Numbers of one padded map.
    fn padded(&self) -> usize {
        self.rows.places() * self.cols.places() * self.own
    }
}

/// Maps whose windows are the rows of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Maps<'a, T> {
    /// Where the windows lie.
    pub windows: &'a Windows,
    /// `[samples, height, width, channels]`
    pub values: &'a [T],
    /// How many.
    pub samples: usize,
    /// Which group of channels.
    pub group: usize,
    /// What stands outside of the maps.
    pub outside: T,
}

impl<T> Maps<'_, T> {
    /// How many rows their matrix has.
    ///
    /// # Panics
    /// Where there are not the numbers of so many samples.
    pub fn rows(&self) -> usize {
        assert_eq!(Some(self.values.len()), self.samples.checked_mul(self.windows.input_len), "numbers of all samples");
        self.samples * self.windows.count()
    }
}

impl<T: Copy> Maps<'_, T> {
    /// Writes the rows one behind the other, `[rows, windows.len()]`: for loops that know no windows.
    ///
    /// # Panics
    /// Where `to` has another length.
    pub fn write_rows(&self, to: &mut [T]) {
        let windows = self.windows;
        assert_eq!(to.len(), self.rows() * windows.len(), "rows of all windows");
        let (stretch, filled, row_len) =
            (windows.stretch(), windows.quads() * QUAD, windows.cols.places() * windows.own);
        let mut padded = vec![self.outside; windows.padded()];
        let mut rows = to.chunks_exact_mut(windows.len().max(1));
        for sample in 0..self.samples {
            self.pad(sample, &mut padded);
            for first in &windows.rows.first {
                for left in &windows.cols.first {
                    let Some(row) = rows.next() else { return };
                    for (i, to) in row.chunks_exact_mut(filled).enumerate() {
                        let (to, rest) = to.split_at_mut(stretch);
                        to.copy_from_slice(&padded[(first + i) * row_len + left * windows.own..][..stretch]);
                        rest.fill(self.outside);
                    }
                }
            }
        }
    }

    /// The map of a sample with what is around it, for the channels of the group.
    fn pad(&self, sample: usize, to: &mut [T]) {
        let Windows { rows, cols, width, channels, own, input_len } = self.windows;
        let map = &self.values[sample * input_len..][..*input_len];
        let all = own == channels;
        for (source, to) in rows.source.iter().zip(to.chunks_exact_mut((cols.places() * own).max(1))) {
            let Some(row) = source else {
                to.fill(self.outside);
                continue;
            };
            let row = &map[row * width * channels..][..width * channels];
            let mut at = 0;
            while at < cols.places() {
                let Some(first) = cols.source[at] else {
                    to[at * own..][..*own].fill(self.outside);
                    at += 1;
                    continue;
                };
                // Neighbors of the input that are neighbors here go together.
                let rest = cols.source[at..].iter().zip(first..);
                let together = if all { rest.take_while(|(source, next)| **source == Some(*next)).count() } else { 1 };
                let from = &row[first * channels + self.group * own..][..together * own];
                to[at * own..][..together * own].copy_from_slice(from);
                at += together;
            }
        }
    }
}

impl<T: Pod + Into<i32> + Send + Sync> Maps<'_, T> {
    /// Writes the windows as words.
    pub(crate) fn words<L, const W: usize>(self, isa: Isa, scratch: &mut Scratch, term: Option<Term>, pool: &Pool)
    where
        L: Layout<T, W>,
    {
        let (windows, samples) = (self.windows, self.samples);
        let (places, outputs, quads) = (windows.rows.places(), windows.cols.first.len(), windows.quads());
        let len = windows.padded();
        // What fills up the last stretch may be any number: its weight is zero.
        let bytes = (samples * len + QUAD) * size_of::<T>();
        scratch.padded.grow(bytes);
        let padded: &mut [T] = bytemuck::cast_slice_mut(&mut scratch.padded[..bytes]);
        padded[samples * len..].fill(self.outside);
        let matrix = MatrixMut { values: padded, rows: samples, cols: len, stride: len };
        for_each_tile(matrix, (1, len.max(1)), pool, |sample, _, mut tile| self.pad(sample, tile.row(0)));
        let padded: &[T] = bytemuck::cast_slice(&scratch.padded[..bytes]);

        // The words of a column, and the terms of its stretches behind them.
        let own = places * quads * W;
        let (columns, stride) = (samples * outputs, own + if term.is_some() { places } else { 0 });
        scratch.words.grow(columns * stride);
        let matrix = MatrixMut { values: &mut scratch.words[..columns * stride], rows: columns, cols: stride, stride };
        let few = (1usize << 13).div_ceil(stride.max(1));
        for_each_tile(matrix, (few, stride.max(1)), pool, |first, _, tile| {
            isa.run_int(Write::<T, L, W> { windows, padded, first, tile, term, layout: PhantomData });
        });

        let count = samples * windows.count();
        scratch.starts.grow(count);
        scratch.terms.grow(if term.is_some() { count } else { 0 });
        let mut row = 0;
        for sample in 0..samples {
            for &first in &windows.rows.first {
                for column in sample * outputs..(sample + 1) * outputs {
                    scratch.starts[row] = column * stride + first * quads * W;
                    if term.is_some() {
                        let terms = &scratch.words[column * stride + own + first..][..windows.rows.kernel];
                        scratch.terms[row] = terms.iter().fold(0, |sum, term| sum.wrapping_add(*term));
                    }
                    row += 1;
                }
            }
        }
    }
}

/// Writes the stretches of some columns.
struct Write<'a, 'b, T, L, const W: usize> {
    windows: &'a Windows,
    /// The maps of all samples, and some numbers behind them.
    padded: &'a [T],
    /// The first column.
    first: usize,
    tile: TileMut<'b, i32>,
    term: Option<Term>,
    layout: PhantomData<L>,
}

impl<T, L: Layout<T, W>, const W: usize> VectorizedInt for Write<'_, '_, T, L, W>
where
    T: Copy + Into<i32>,
{
    type Output = ();

    #[inline(always)]
    fn run<S: SimdInt>(self, _: S) {
        // Short stretches are many: with a length that is known each is a few instructions.
        match self.windows.quads() {
            1 => self.write(|from, to| stretch::<T, L, W, 1>(from, to)),
            2 => self.write(|from, to| stretch::<T, L, W, 2>(from, to)),
            3 => self.write(|from, to| stretch::<T, L, W, 3>(from, to)),
            _ => self.write(|from, to| {
                for (from, to) in from.as_chunks::<QUAD>().0.iter().zip(to) {
                    *to = L::words(*from);
                }
            }),
        }
    }
}

/// A stretch of so many quads.
#[inline(always)]
fn stretch<T: Copy, L: Layout<T, W>, const W: usize, const QUADS: usize>(from: &[T], to: &mut [[i32; W]]) {
    let (Some(from), Some(to)) = (from.as_chunks::<QUAD>().0.first_chunk::<QUADS>(), to.first_chunk_mut::<QUADS>())
    else {
        return;
    };
    for quad in 0..QUADS {
        to[quad] = L::words(from[quad]);
    }
}

impl<T, L: Layout<T, W>, const W: usize> Write<'_, '_, T, L, W>
where
    T: Copy + Into<i32>,
{
    #[inline(always)]
    fn write(mut self, stretch: impl Fn(&[T], &mut [[i32; W]])) {
        let Windows { rows, cols, own, .. } = self.windows;
        let (outputs, quads) = (cols.first.len(), self.windows.quads());
        let (row_len, map_len) = (cols.places() * own, self.windows.padded());
        for column in 0..self.tile.rows() {
            let (sample, x) = ((self.first + column) / outputs, (self.first + column) % outputs);
            let from = &self.padded[sample * map_len + cols.first[x] * own..];
            let (words, terms) = self.tile.row(column).split_at_mut(rows.places() * quads * W);
            let words = words.as_chunks_mut::<W>().0;
            for (place, to) in words.chunks_exact_mut(quads.max(1)).enumerate() {
                let from = &from[place * row_len..][..quads * QUAD];
                stretch(from, to);
                if let Some(term) = self.term {
                    terms[place] = term.of(from);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
