//! A convolution as one matrix: the row of an output holds the kernel where its window is, and zeros elsewhere.
//!
//! ```text
//! output = matrix · input + bias
//! matrix[(u, v, w), (i, j, k)] = kernel[u, i − first(u), r, q]    r · d0 = j − (v · s0 − top),  q · d1 = k − (w · s1 − left)
//!                              = 0                                where there is no such r and q, or u does not see channel i
//! ```
//!
//! An output is `(u, v, w)`: filter, row, column; an input is `(i, j, k)`: channel, row, column. Each output is a neuron of a fully
//! connected layer, and all neurons of a filter share its weights. This is the cross-correlation that every framework calls
//! convolution: the kernel is indexed by the filter `u`, and grows with the input.

use super::rewrite::place_in_row;
use crate::layer::{LayerKind, Mismatch};
use crate::layers::{Conv2d, Order};
use crate::shape::Shape;
use plexus_kernels::conv::Geometry;
use std::collections::BTreeSet;

/// The places of the matrix of a convolution that are not zero, whatever its weights are.
///
/// # Examples
/// ```
/// use plexus_nn::{Shape, convert::matrix::ConvMatrix, layers::Conv2d};
/// let matrix = ConvMatrix::new(&Conv2d::new(3, [3, 2]), &Shape::new([2, 4, 5]))?;
/// assert_eq!((matrix.rows(), matrix.cols(), matrix.nonzeros(), matrix.distinct()), (24, 40, 288, 36));
/// # Ok::<(), plexus_nn::layer::Mismatch>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ConvMatrix {
    geometry: Geometry,
    output: [usize; 2],
    /// How the numbers of an input stand in a row of the matrix.
    order: Order,
}

/// The gradient of a matrix.
#[derive(Clone, Copy, Debug)]
pub enum MatrixGradient<'a> {
    /// Of all its places, `[rows, cols]`.
    Dense(&'a [f32]),
    /// Of its non-zeros, in the order of [`ConvMatrix::for_each`].
    Sparse(&'a [f32]),
}

impl ConvMatrix {
    /// Of a convolution over maps of a shape, whose numbers stand channels first.
    ///
    /// # Errors
    /// [`Mismatch`] where the convolution does not fit the maps.
    pub fn new(conv: &Conv2d, input: &Shape) -> Result<Self, Mismatch> {
        conv.infer(&[input])?;
        let geometry = conv.geometry(input);
        let output = geometry.output().expect("the check found its output");
        Ok(ConvMatrix { geometry, output, order: Order::ChannelsFirst })
    }

    /// The same for inputs whose numbers stand in another order.
    #[must_use]
    pub fn with_order(self, order: Order) -> Self {
        ConvMatrix { order, ..self }
    }

    /// Outputs of the convolution.
    pub fn rows(&self) -> usize {
        self.geometry.filters * self.output[0] * self.output[1]
    }

    /// Inputs of the convolution.
    pub fn cols(&self) -> usize {
        self.geometry.channels * self.geometry.height * self.geometry.width
    }

    /// Places of the matrix, zeros included.
    pub fn places(&self) -> u128 {
        self.rows() as u128 * self.cols() as u128
    }

    /// Places that hold a weight. It is counted, not gone through.
    pub fn nonzeros(&self) -> u64 {
        let [rows, cols] =
            [0, 1].map(|axis| (0..self.output[axis]).map(|at| self.seen(axis, at).count() as u64).sum::<u64>());
        let filters = (self.geometry.filters * self.in_group()) as u64;
        filters.saturating_mul(rows).saturating_mul(cols)
    }

    /// Different weights among them: those of the kernel, without such as see nothing but padding.
    pub fn distinct(&self) -> u64 {
        let [rows, cols] = [0, 1].map(|axis| {
            let seen = (0..self.output[axis]).flat_map(|at| self.seen(axis, at).map(|(tap, _)| tap));
            seen.collect::<BTreeSet<usize>>().len() as u64
        });
        (self.geometry.filters * self.in_group()) as u64 * rows * cols
    }

    /// Channels that a filter sees.
    fn in_group(&self) -> usize {
        self.geometry.channels / self.geometry.groups.max(1)
    }

    /// The taps of a window along an axis that are inside of the map, and where they are in it.
    fn seen(&self, axis: usize, at: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Geometry { height, width, kernel, stride, padding, dilation, .. } = self.geometry;
        let (size, start) = ([height, width][axis], at * stride[axis]);
        let place = move |tap: usize| (start + tap * dilation[axis]).checked_sub(padding[axis]);
        (0..kernel[axis]).filter_map(move |tap| Some((tap, place(tap).filter(|place| *place < size)?)))
    }

    /// Visits every non-zero, row after row: `visit(row, column, place among the weights of the kernel)`. Within a row columns
    /// rise where the numbers of the input stand channels first.
    pub fn for_each(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let Geometry { channels, height, width, filters, kernel: [kernel_rows, kernel_cols], groups, .. } =
            self.geometry;
        let in_group = self.in_group();
        for filter in 0..filters {
            let first = filter / (filters / groups.max(1)).max(1) * in_group;
            for row in 0..self.output[0] {
                for col in 0..self.output[1] {
                    let neuron = (filter * self.output[0] + row) * self.output[1] + col;
                    for channel in 0..in_group {
                        for (i, y) in self.seen(0, row) {
                            for (j, x) in self.seen(1, col) {
                                let weight = ((filter * in_group + channel) * kernel_rows + i) * kernel_cols + j;
                                let place = [first + channel, y, x];
                                visit(neuron, place_in_row(self.order, [channels, height, width], place), weight);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Writes the matrix, `[rows, cols]`.
    ///
    /// # Panics
    /// Where `kernel` or `to` has another length.
    pub fn write_dense(&self, kernel: &[f32], to: &mut [f32]) {
        assert_eq!(to.len(), self.rows() * self.cols(), "a number for each place");
        to.fill(0.0);
        let cols = self.cols();
        self.for_each(|row, col, weight| to[row * cols + col] = kernel[weight]);
    }

    /// Writes the non-zeros, in the order of [`ConvMatrix::for_each`].
    ///
    /// # Panics
    /// Where `kernel` has another length, or there is no room for them.
    pub fn write_values(&self, kernel: &[f32], to: &mut [f32]) {
        let mut to = to.iter_mut();
        self.for_each(|_, _, weight| *to.next().expect("a number for each non-zero") = kernel[weight]);
    }

    /// Writes the columns of the non-zeros, in the order of [`ConvMatrix::for_each`].
    ///
    /// # Panics
    /// Where there is no room for them.
    pub fn write_columns(&self, to: &mut [f32]) {
        let mut to = to.iter_mut();
        self.for_each(|_, col, _| *to.next().expect("a number for each non-zero") = col as f32);
    }

    /// Writes how many non-zeros each row has.
    ///
    /// # Panics
    /// Where there is no room for them.
    pub fn write_row_lengths(&self, to: &mut [f32]) {
        to.fill(0.0);
        self.for_each(|row, _, _| to[row] += 1.0);
    }

    /// Writes the bias of each output: that of its filter.
    ///
    /// # Panics
    /// Where the lengths do not fit.
    pub fn write_bias(&self, bias: &[f32], to: &mut [f32]) {
        assert_eq!(to.len(), self.rows(), "a number for each output");
        let pixels = self.output[0] * self.output[1];
        for (to, bias) in to.chunks_exact_mut(pixels.max(1)).zip(bias) {
            to.fill(*bias);
        }
    }

    /// The gradient of the kernel, from that of the matrix: for each weight the sum over the places where it stands, in f64. Weights
    /// that share their places this way change together, as those of a convolution do.
    ///
    /// # Panics
    /// Where the gradient has another length.
    ///
    /// # Examples
    /// ```
    /// use plexus_nn::{Shape, convert::matrix::{ConvMatrix, MatrixGradient}, layers::Conv2d};
    /// // Two windows of two pixels: [[w0, w1, 0], [0, w0, w1]].
    /// let matrix = ConvMatrix::new(&Conv2d::new(1, [1, 2]), &Shape::new([1, 1, 3]))?;
    /// let gradient = [1.0, 2.0, 9.0, 9.0, 10.0, 20.0];
    /// assert_eq!(matrix.kernel_gradient(MatrixGradient::Dense(&gradient)), [11.0, 22.0]);
    /// # Ok::<(), plexus_nn::layer::Mismatch>(())
    /// ```
    pub fn kernel_gradient(&self, gradient: MatrixGradient<'_>) -> Vec<f32> {
        let mut sums = vec![0.0f64; self.geometry.weight_len()];
        match gradient {
            MatrixGradient::Dense(gradient) => {
                assert_eq!(gradient.len() as u128, self.places(), "a number for each place");
                let cols = self.cols();
                self.for_each(|row, col, weight| sums[weight] += f64::from(gradient[row * cols + col]));
            }
            MatrixGradient::Sparse(gradient) => {
                assert_eq!(gradient.len() as u64, self.nonzeros(), "a number for each non-zero");
                let mut gradient = gradient.iter();
                self.for_each(|_, _, weight| sums[weight] += gradient.next().map_or(0.0, |value| f64::from(*value)));
            }
        }
        sums.into_iter().map(|sum| sum as f32).collect()
    }

    /// The gradient of the bias of each filter, from that of the bias of each output.
    ///
    /// # Panics
    /// Where the gradient has another length.
    pub fn bias_gradient(&self, gradient: &[f32]) -> Vec<f32> {
        assert_eq!(gradient.len(), self.rows(), "a number for each output");
        let pixels = (self.output[0] * self.output[1]).max(1);
        let sum = |own: &[f32]| own.iter().map(|value| f64::from(*value)).sum::<f64>() as f32;
        gradient.chunks_exact(pixels).map(sum).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(conv: Conv2d, input: [usize; 3]) -> ConvMatrix {
        ConvMatrix::new(&conv, &Shape::new(input)).unwrap()
    }

    #[test]
    fn s30_the_example_with_and_without_stride_and_padding() {
        let plain = of(Conv2d::new(3, [3, 2]), [2, 4, 5]);
        assert_eq!((plain.rows(), plain.cols(), plain.nonzeros(), plain.distinct()), (24, 40, 288, 36));
        let strided = of(Conv2d::new(3, [3, 2]).with_stride(2).with_padding(1), [2, 4, 5]);
        assert_eq!(strided.nonzeros(), 150);
    }

    #[test]
    fn s21_a_large_convolution_is_counted_without_being_gone_through() {
        let matrix = of(Conv2d::new(48, 3).with_padding(1), [32, 64, 64]);
        assert_eq!((matrix.rows(), matrix.cols()), (196_608, 131_072));
        assert_eq!((matrix.places(), matrix.nonzeros()), (25_769_803_776, 55_449_600));
    }

    #[test]
    fn s25_the_first_layer_of_alexnet_shared_unshared_and_dense() {
        let matrix = of(Conv2d::new(96, 11).with_stride(4), [3, 227, 227]);
        assert_eq!(matrix.distinct() + 96, 34_944);
        assert_eq!(matrix.nonzeros() + matrix.rows() as u64, 105_705_600);
        assert_eq!((matrix.places(), matrix.rows()), (44_892_064_800, 290_400));
    }

    #[test]
    fn counts_are_those_of_the_places_that_are_visited() {
        for (conv, input) in [
            (Conv2d::new(2, [2, 3]).with_stride([3, 2]).with_padding([2, 0, 1, 3]), [3, 5, 4]),
            (Conv2d::new(4, 3).with_groups(2).with_dilation([1, 2]).with_padding(2), [2, 3, 5]),
            (Conv2d::new(1, [1, 2]).with_padding([4, 4]).with_stride(5), [1, 1, 1]),
        ] {
            let matrix = of(conv, input);
            let (mut places, mut weights) = (BTreeSet::new(), BTreeSet::new());
            let mut last = (0, 0);
            matrix.for_each(|row, col, weight| {
                assert!(places.insert((row, col)) && (row, col) >= last);
                last = (row, col);
                weights.insert(weight);
            });
            assert_eq!((places.len() as u64, weights.len() as u64), (matrix.nonzeros(), matrix.distinct()), "{conv:?}");
        }
    }
}
