//! A matrix in memory, as the products read it.

/// A matrix that is read: `rows` by `cols`, with any distance between rows and between columns.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) cols: usize,
    pub(crate) row_stride: usize,
    pub(crate) col_stride: usize,
}

impl<'a> View<'a> {
    /// A row-major matrix without gaps.
    ///
    /// # Panics
    /// Where the slice has another length than `rows · cols`.
    pub fn row_major(values: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(Some(values.len()), rows.checked_mul(cols), "a {rows} x {cols} matrix");
        View { values, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The same elements with rows and columns exchanged.
    pub fn transposed(self) -> Self {
        View {
            values: self.values,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The elements, and the distances between rows and between columns.
    pub(crate) fn parts(&self) -> (&'a [f32], usize, usize) {
        (self.values, self.row_stride, self.col_stride)
    }
}
