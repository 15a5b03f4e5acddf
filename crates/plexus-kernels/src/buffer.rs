//! Memory: aligned buffers, and matrices that several threads write tile by tile.
#![allow(unsafe_code)]

use crate::threads::Pool;
use bytemuck::{Pod, Zeroable};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// One cache line.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Memory on the stack: `LINES` cache lines.
///
/// Vectors that cross lines load at half the speed. Only [`ZEROS`](OnStack::ZEROS) makes it, straight into a variable: an
/// array that goes through an expression has a second copy in an unoptimized frame.
pub(crate) struct OnStack<const LINES: usize>([Line; LINES]);

impl<const LINES: usize> OnStack<LINES> {
    /// All bytes zero.
    pub(crate) const ZEROS: Self = OnStack([Line([0; 64]); LINES]);

    /// The memory as numbers.
    #[inline(always)]
    pub(crate) fn values<T: Pod>(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.0)
    }
}

/// The lines that hold `len` elements.
fn lines<T>(len: usize) -> usize {
    len.checked_mul(size_of::<T>()).expect("a buffer fits into memory").div_ceil(size_of::<Line>())
}

/// A growable buffer of numbers that starts on a cache line (64 bytes). It derefs to a slice.
///
/// # Examples
/// ```
/// let buffer = plexus_kernels::buffer::Buffer::<f32>::zeros(3);
/// assert_eq!(&buffer[..], [0.0, 0.0, 0.0]);
/// assert_eq!(buffer.as_ptr() as usize % 64, 0);
/// ```
#[derive(Clone)]
pub struct Buffer<T = f32> {
    lines: Vec<Line>,
    len: usize,
    elements: PhantomData<T>,
}

impl<T> Default for Buffer<T> {
    fn default() -> Self {
        Buffer { lines: Vec::new(), len: 0, elements: PhantomData }
    }
}

impl<T: Pod> Buffer<T> {
    /// A buffer of `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Buffer { lines: vec![Line::zeroed(); lines::<T>(len)], len, elements: PhantomData }
    }

    /// A copy of a slice.
    pub fn from_slice(values: &[T]) -> Self {
        let mut buffer = Buffer::zeros(values.len());
        buffer.copy_from_slice(values);
        buffer
    }

    /// Makes the buffer at least `len` long; new elements are zero, old ones stay, nothing shrinks.
    pub fn grow(&mut self, len: usize) {
        if len > self.len {
            self.lines.resize(lines::<T>(len), Line::zeroed());
            self.len = len;
        }
    }
}

impl<T> Buffer<T> {
    /// Leaves off what is behind the first `len` elements, without moving the others or giving memory back.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl<T: Pod + std::fmt::Debug> std::fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: Pod + PartialEq> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

/// A rectangle of a row-major matrix that one task may write.
pub struct TileMut<'a, T = f32> {
    start: *mut T,
    rows: usize,
    cols: usize,
    stride: usize,
    life: PhantomData<&'a mut [T]>,
}

impl<T> TileMut<'_, T> {
    /// Rows of the rectangle.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the rectangle.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The elements of one row of the rectangle.
    ///
    /// # Panics
    /// Where there is no such row.
    #[inline(always)]
    pub fn row(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows);
        // SAFETY: `for_each_tile` made this rectangle inside one slice and gave it to nobody else; `row` is inside it,
        // and the returned borrow keeps `self` borrowed, so no second one exists.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.stride), self.cols) }
    }
}

/// A matrix whose rectangles may be made by the threads of a pool.
struct Start<'a, T> {
    start: *mut T,
    stride: usize,
    life: PhantomData<&'a mut [T]>,
}
// SAFETY: the pointer is only used to make disjoint rectangles, in `for_each_tile_of_two`, of elements that may be sent.
unsafe impl<T: Send> Sync for Start<'_, T> {}

impl<'a, T> Start<'a, T> {
    /// A rectangle.
    ///
    /// # Safety
    /// It is inside the matrix, and no other that is used at the same time overlaps it.
    unsafe fn tile(&self, (row, col): (usize, usize), (rows, cols): (usize, usize)) -> TileMut<'a, T> {
        // SAFETY: the corner is inside the matrix.
        let start = unsafe { self.start.add(row * self.stride + col) };
        TileMut { start, rows, cols, stride: self.stride, life: PhantomData }
    }
}

/// Cuts a row-major matrix into rectangles and gives each to one task: `work(row, col, tile)`.
///
/// Rectangles are `tile_rows` by `tile_cols`, smaller at the lower and right edge; `row` and `col` are where one starts.
/// The cut depends on the sizes alone.
///
/// # Shapes
/// - `matrix`: `rows` rows of `cols` elements, `stride >= cols` elements apart; the last row needs no padding.
///
/// # Panics
/// Where the slice is too short, `stride < cols`, or a tile size is zero.
pub fn for_each_tile<T: Send>(
    matrix: MatrixMut<'_, T>,
    tile: (usize, usize),
    pool: &Pool,
    work: impl Fn(usize, usize, TileMut<'_, T>) + Sync + Send,
) {
    for_each_tile_of_two(matrix, None::<MatrixMut<'_, ()>>, tile, pool, |row, col, tile, _| work(row, col, tile));
}

/// [`for_each_tile`] of two matrices that are cut at the same places, of which the second may be missing.
pub(crate) fn for_each_tile_of_two<A: Send, B: Send>(
    first: MatrixMut<'_, A>,
    second: Option<MatrixMut<'_, B>>,
    (tile_rows, tile_cols): (usize, usize),
    pool: &Pool,
    work: impl for<'t> Fn(usize, usize, TileMut<'t, A>, Option<TileMut<'t, B>>) + Sync + Send,
) {
    assert!(tile_rows > 0 && tile_cols > 0, "tiles of zero size");
    let (rows, cols) = (first.rows, first.cols);
    assert!(second.as_ref().is_none_or(|second| (second.rows, second.cols) == (rows, cols)), "matrices of one size");
    if rows == 0 || cols == 0 {
        return;
    }
    let (first, second) = (first.start(), second.map(MatrixMut::start));
    let across = cols.div_ceil(tile_cols);
    pool.for_each(rows.div_ceil(tile_rows) * across, |task| {
        let (row, col) = (task / across * tile_rows, task % across * tile_cols);
        let size = (tile_rows.min(rows - row), tile_cols.min(cols - col));
        // SAFETY: the rectangle is inside the matrix. Each task number comes once, and different numbers give different cells
        // of the grid: rectangles are disjoint, and all end before the matrices are free again, because `for_each` returns
        // after the last task.
        let (first, second) =
            unsafe { (first.tile((row, col), size), second.as_ref().map(|second| second.tile((row, col), size))) };
        work(row, col, first, second);
    });
}

/// A row-major matrix to be written: `rows` by `cols`, rows `stride` elements apart.
#[derive(Debug)]
pub struct MatrixMut<'a, T = f32> {
    /// The elements.
    pub values: &'a mut [T],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Elements from one row to the next.
    pub stride: usize,
}

impl<'a, T> MatrixMut<'a, T> {
    /// Where rectangles start.
    ///
    /// # Panics
    /// Where the slice is too short for the sizes.
    fn start(self) -> Start<'a, T> {
        let MatrixMut { values, rows, cols, stride } = self;
        let end = rows.checked_sub(1).map_or(Some(0), |last| last.checked_mul(stride)?.checked_add(cols));
        let fits = end.is_some_and(|end| end <= values.len());
        assert!(cols <= stride && fits, "the matrix is larger than its slice");
        Start { start: values.as_mut_ptr(), stride, life: PhantomData }
    }

    /// All of it as one rectangle.
    ///
    /// # Panics
    /// Where the slice is too short for the sizes.
    pub(crate) fn whole(self) -> TileMut<'a, T> {
        let size = (self.rows, self.cols);
        // SAFETY: it is the whole matrix, and nobody else has it.
        unsafe { self.start().tile((0, 0), size) }
    }
}

/// Writes as many of some numbers as there is room for.
#[inline(always)]
pub(crate) fn write<T: Copy, const N: usize>(from: &[T; N], to: &mut [T]) {
    if let Ok(whole) = <&mut [T; N]>::try_from(&mut *to) {
        *whole = *from;
        return;
    }
    // In pieces of a size that is known: calling a function to copy a few bytes takes longer.
    let (mut from, mut to) = (&from[..to.len()], to);
    macro_rules! pieces {
        ($($size:literal)*) => { $(
            if let Some((piece, rest)) = from.split_first_chunk::<$size>()
                && let Some((place, behind)) = std::mem::take(&mut to).split_first_chunk_mut::<$size>()
            {
                (*place, from, to) = (*piece, rest, behind);
            }
        )* };
    }
    pieces!(32 16 8 4 2);
    if let ([last], [place]) = (from, to) {
        *place = *last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_the_matrix_once_and_leave_the_padding_alone() {
        for (rows, cols, stride) in [(0, 3, 3), (1, 1, 1), (5, 7, 9), (16, 16, 16), (3, 100, 101)] {
            for threads in [1, 2] {
                let mut values = vec![0.0f32; rows * stride];
                let matrix = MatrixMut { values: &mut values, rows, cols, stride };
                for_each_tile(matrix, (2, 3), &Pool::new(threads), |row, col, mut tile| {
                    for i in 0..tile.rows() {
                        for (j, value) in tile.row(i).iter_mut().enumerate() {
                            *value += ((row + i) * 1000 + col + j + 1) as f32;
                        }
                    }
                });
                for (at, &value) in values.iter().enumerate() {
                    let (row, col) = (at / stride, at % stride);
                    let want = if col < cols { (row * 1000 + col + 1) as f32 } else { 0.0 };
                    assert_eq!(value, want);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "larger than its slice")]
    fn a_matrix_larger_than_its_slice_is_refused() {
        let mut values = [0.0; 5];
        let matrix = MatrixMut { values: &mut values, rows: 2, cols: 3, stride: 3 };
        for_each_tile(matrix, (1, 1), &Pool::single(), |_, _, _| {});
    }

    #[test]
    fn as_many_are_written_as_there_is_room_for() {
        let from: [u16; 64] = std::array::from_fn(|at| at as u16 + 1);
        for len in 0..=64 {
            let mut to = vec![0; len];
            write(&from, &mut to);
            assert_eq!(to, from[..len]);
        }
    }

    #[test]
    fn growing_keeps_the_values() {
        let mut buffer = Buffer::from_slice(&[1.0, 2.0]);
        buffer.grow(20);
        assert_eq!(buffer[..3], [1.0, 2.0, 0.0]);
        assert_eq!(buffer.len(), 20);
        buffer.grow(1);
        assert_eq!(buffer.len(), 20);
    }
}
