//! The interleaved weight layouts of CMSIS-NN's `_opt` functions, to and from row-major.

/// An interleaved layout of weights.
///
/// Four rows at a time form a block. Within it, columns go in groups of four (or two); each group holds all four rows
/// in the order that the instructions of a Cortex-M4 unpack. Columns left over follow, column by column with the four
/// rows of each; rows left over follow the last block, unchanged. The size does not change.
///
/// Numbers below are row and column within a group:
///
/// | layout | columns | order |
/// |---|---|---|
/// | [`Interleaved::Q7`] | 4 | 00 10 02 12, 20 30 22 32, 01 11 03 13, 21 31 23 33 |
/// | [`Interleaved::Q7ForQ15`] | 2 | 00 10 01 11, 20 30 21 31 |
/// | [`Interleaved::Q15`] | 2 | 00 01 10 11 20 21 30 31 |
///
/// # Source
/// CMSIS 5.9.0, `CMSIS/NN/Source/FullyConnectedFunctions` (Apache-2.0): the order in which `arm_fully_connected_q7_opt`,
/// `arm_fully_connected_mat_q7_vec_q15_opt` and `arm_fully_connected_q15_opt` read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interleaved {
    /// `arm_fully_connected_q7_opt`
    Q7,
    /// `arm_fully_connected_mat_q7_vec_q15_opt`
    Q7ForQ15,
    /// `arm_fully_connected_q15_opt`
    Q15,
}

impl Interleaved {
    /// All of them.
    pub const ALL: [Interleaved; 3] = [Interleaved::Q7, Interleaved::Q7ForQ15, Interleaved::Q15];

    /// Row and column of each element of a group, and how many columns it has.
    pub(crate) const fn group(self) -> (&'static [(usize, usize)], usize) {
        match self {
            Interleaved::Q7 => {
                const FIRST: [(usize, usize); 16] = [
                    (0, 0),
                    (1, 0),
                    (0, 2),
                    (1, 2),
                    (2, 0),
                    (3, 0),
                    (2, 2),
                    (3, 2), //
                    (0, 1),
                    (1, 1),
                    (0, 3),
                    (1, 3),
                    (2, 1),
                    (3, 1),
                    (2, 3),
                    (3, 3),
                ];
                (&FIRST, 4)
            }
            Interleaved::Q7ForQ15 => (&[(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (3, 0), (2, 1), (3, 1)], 2),
            Interleaved::Q15 => (&[(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)], 2),
        }
    }

    /// Row and column of what stands at a place of the interleaved weight `[rows, cols]`.
    ///
    /// # Panics
    /// Where the place is outside.
    pub fn element(self, at: usize, rows: usize, cols: usize) -> (usize, usize) {
        assert!(at < rows * cols, "the place is outside of the weight");
        let whole = rows / 4 * 4;
        if at >= whole * cols {
            return (at / cols, at % cols);
        }
        let (group, width) = self.group();
        let (block, within) = (at / (4 * cols), at % (4 * cols));
        let grouped = cols / width * width;
        let (row, col) = if within < 4 * grouped {
            let (row, col) = group[within % group.len()];
            (row, within / group.len() * width + col)
        } else {
            ((within - 4 * grouped) % 4, grouped + (within - 4 * grouped) / 4)
        };
        (4 * block + row, col)
    }

    /// Writes the interleaved form of a row-major weight.
    ///
    /// # Shapes
    /// - `weight`: `[rows, cols]`
    /// - `packed`: `rows · cols` elements
    ///
    /// # Panics
    /// Where a slice has another length than `rows · cols`.
    ///
    /// # Examples
    /// ```
    /// use plexus_micro::Interleaved;
    /// let (weight, mut packed) = ([0, 1, 2, 3, 4, 5, 6, 7], [0; 8]);
    /// Interleaved::Q7ForQ15.pack(&weight, [4, 2], &mut packed);
    /// assert_eq!(packed, [0, 2, 1, 3, 4, 6, 5, 7]);
    /// ```
    pub fn pack<T: Copy>(self, weight: &[T], [rows, cols]: [usize; 2], packed: &mut [T]) {
        check([weight.len(), packed.len()], rows, cols);
        for (at, packed) in packed.iter_mut().enumerate() {
            let (row, col) = self.element(at, rows, cols);
            *packed = weight[row * cols + col];
        }
    }

    /// Writes the row-major form of an interleaved weight: the inverse of [`pack`](Interleaved::pack).
    ///
    /// # Shapes
    /// - `packed`: `rows · cols` elements
    /// - `weight`: `[rows, cols]`
    ///
    /// # Panics
    /// Where a slice has another length than `rows · cols`.
    pub fn unpack<T: Copy>(self, packed: &[T], [rows, cols]: [usize; 2], weight: &mut [T]) {
        check([packed.len(), weight.len()], rows, cols);
        for (at, packed) in packed.iter().enumerate() {
            let (row, col) = self.element(at, rows, cols);
            weight[row * cols + col] = *packed;
        }
    }
}

fn check(lens: [usize; 2], rows: usize, cols: usize) {
    let whole = rows.checked_mul(cols);
    assert!(lens.iter().all(|len| Some(*len) == whole), "the slices are not of rows x cols elements");
}
