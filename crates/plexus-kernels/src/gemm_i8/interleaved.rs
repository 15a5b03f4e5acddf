//! The interleaved weight layouts of CMSIS-NN's `_opt` functions, to and from row-major.
//!
//! Four rows at a time form a block. Within it, columns go in groups of four (or two); each group holds all four rows
//! in the order that the instructions of a Cortex-M4 unpack. Columns left over follow, column by column with the four
//! rows of each; rows left over follow the last block, unchanged. The size does not change.
//!
//! Numbers below are row and column within a group:
//!
//! | layout | columns | order |
//! |---|---|---|
//! | [`Interleaved::Q7`] | 4 | 00 10 02 12, 20 30 22 32, 01 11 03 13, 21 31 23 33 |
//! | [`Interleaved::Q7ForQ15`] | 2 | 00 10 01 11, 20 30 21 31 |
//! | [`Interleaved::Q15`] | 2 | 00 01 10 11 20 21 30 31 |

/// A layout of weights.
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
    /// Row and column of each element of a group, and how many columns it has.
    fn group(self) -> (&'static [(usize, usize)], usize) {
        match self {
            Interleaved::Q7 => (
                &[
                    (0, 0),
                    (1, 0),
                    (0, 2),
                    (1, 2),
                    (2, 0),
                    (3, 0),
                    (2, 2),
                    (3, 2),
                    (0, 1),
                    (1, 1),
                    (0, 3),
                    (1, 3),
                    (2, 1),
                    (3, 1),
                    (2, 3),
                    (3, 3),
                ],
                4,
            ),
            Interleaved::Q7ForQ15 => (&[(0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (3, 0), (2, 1), (3, 1)], 2),
            Interleaved::Q15 => (&[(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)], 2),
        }
    }

    /// For each place of the interleaved weight, the place of the same element row-major.
    fn order(self, rows: usize, cols: usize) -> Vec<usize> {
        let (group, width) = self.group();
        let mut order = Vec::with_capacity(rows * cols);
        let whole = rows / 4 * 4;
        for row in (0..whole).step_by(4) {
            let grouped = cols / width * width;
            for col in (0..grouped).step_by(width) {
                order.extend(group.iter().map(|&(r, c)| (row + r) * cols + col + c));
            }
            for col in grouped..cols {
                order.extend((0..4).map(|r| (row + r) * cols + col));
            }
        }
        order.extend(whole * cols..rows * cols);
        order
    }

    /// The interleaved form of a row-major weight.
    ///
    /// # Shapes
    /// - `weight`: `[rows, cols]`
    ///
    /// # Panics
    /// Where the slice has another length than `rows · cols`.
    ///
    /// # Examples
    /// ```
    /// use plexus_kernels::gemm_i8::Interleaved;
    /// let weight: Vec<i8> = (0..8).collect();
    /// assert_eq!(Interleaved::Q7ForQ15.pack(&weight, 4, 2), [0, 2, 1, 3, 4, 6, 5, 7]);
    /// ```
    pub fn pack<T: Copy>(self, weight: &[T], rows: usize, cols: usize) -> Vec<T> {
        assert_eq!(Some(weight.len()), rows.checked_mul(cols), "a {rows} x {cols} weight");
        self.order(rows, cols).into_iter().map(|at| weight[at]).collect()
    }

    /// The row-major form of an interleaved weight: the inverse of [`pack`](Interleaved::pack).
    ///
    /// # Shapes
    /// - `weight`: `rows · cols` elements
    ///
    /// # Panics
    /// Where the slice has another length than `rows · cols`.
    pub fn unpack<T: Copy>(self, weight: &[T], rows: usize, cols: usize) -> Vec<T> {
        assert_eq!(Some(weight.len()), rows.checked_mul(cols), "a {rows} x {cols} weight");
        let mut plain = weight.to_vec();
        for (&value, at) in weight.iter().zip(self.order(rows, cols)) {
            plain[at] = value;
        }
        plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_lies_as_documented() {
        let weight: Vec<i8> = (0..16).map(|at| at / 4 * 10 + at % 4).collect();
        let want = [0, 10, 2, 12, 20, 30, 22, 32, 1, 11, 3, 13, 21, 31, 23, 33];
        assert_eq!(Interleaved::Q7.pack(&weight, 4, 4), want);
    }

    #[test]
    fn unpack_is_the_inverse_of_pack() {
        for layout in [Interleaved::Q7, Interleaved::Q7ForQ15, Interleaved::Q15] {
            for rows in 0..10 {
                for cols in 0..10 {
                    let weight: Vec<usize> = (0..rows * cols).collect();
                    let packed = layout.pack(&weight, rows, cols);
                    assert_eq!(layout.unpack(&packed, rows, cols), weight, "{layout:?} {rows} x {cols}");
                }
            }
        }
    }
}
