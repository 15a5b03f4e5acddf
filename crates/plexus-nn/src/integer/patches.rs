//! Windows of maps as rows of a matrix, so that a convolution of whole numbers is a product of matrices.

use super::product::{Outputs, Product, Rows};
use crate::scratch::IntegerScratch;
use crate::view::{DType, View, ViewMut};
use plexus_kernels::Context;
use plexus_kernels::buffer::{Buffer, MatrixMut, for_each_tile};
use plexus_kernels::conv::Geometry;

/// The most bytes of windows that are written out at a time.
const MOST: usize = 1 << 20;

/// What each output of a convolution sees of maps `[height, width, channels]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patches {
    /// Rows and columns.
    input: [usize; 2],
    output: [usize; 2],
    channels: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Above, to the left.
    padding: [usize; 2],
    groups: usize,
    transposed: bool,
}

impl Patches {
    /// Those of a convolution that the network check has seen.
    pub fn new(geometry: &Geometry) -> Self {
        let Geometry { channels, height, width, kernel, stride, padding, dilation, groups, .. } = *geometry;
        let output = geometry.output().expect("the network check refused windows that do not fit");
        let padding = [padding[0], padding[1]];
        let input = [height, width];
        Patches { input, output, channels, kernel, stride, dilation, padding, groups, transposed: false }
    }

    /// Those of a transposed convolution, for the geometry of the convolution that goes the other way.
    pub fn transposed(mirrored: &Geometry) -> Self {
        let mut patches = Patches::new(mirrored);
        std::mem::swap(&mut patches.input, &mut patches.output);
        Patches { channels: mirrored.filters, transposed: true, ..patches }
    }

    /// Rows of one sample.
    fn rows(&self) -> usize {
        self.output[0] * self.output[1]
    }

    /// Numbers of one row: rows of the kernel, columns, channels of a group.
    fn cols(&self) -> usize {
        self.kernel[0] * self.kernel[1] * (self.channels / self.groups)
    }

    /// Whether a row is just a pixel, so that the maps themselves are the matrix.
    fn is_pixels(&self) -> bool {
        self.kernel == [1; 2]
            && self.stride == [1; 2]
            && self.padding == [0; 2]
            && self.groups == 1
            && self.input == self.output
    }

    /// The place of the input that a tap sees from an output, along one axis; `None` outside of the map.
    fn source(&self, axis: usize, output: usize, tap: usize) -> Option<usize> {
        let (stride, tap, padding) = (self.stride[axis], tap * self.dilation[axis], self.padding[axis]);
        let at = if self.transposed {
            let at = (output + padding).checked_sub(tap)?;
            at.is_multiple_of(stride).then(|| at / stride)?
        } else {
            (output * stride + tap).checked_sub(padding)?
        };
        (at < self.input[axis]).then_some(at)
    }

    /// The rows of some samples for the channels of one group. What is outside of the map is `zero`.
    fn fill<T: Copy + Send + Sync>(&self, input: &[T], group: usize, zero: T, to: &mut [T], context: &Context) {
        let (own, len, [height, width]) = (self.channels / self.groups, self.cols(), self.input);
        let rows = to.len().checked_div(len).unwrap_or(0);
        let sample_len = height * width * self.channels;
        let matrix = MatrixMut { values: to, rows, cols: len, stride: len };
        for_each_tile(matrix, (64, len.max(1)), context.pool(), |first, _, mut tile| {
            for row in 0..tile.rows() {
                let (sample, pixel) = ((first + row) / self.rows(), (first + row) % self.rows());
                let maps = &input[sample * sample_len..][..sample_len];
                let (y, x) = (pixel / self.output[1], pixel % self.output[1]);
                for (at, to) in tile.row(row).chunks_exact_mut(own).enumerate() {
                    let (i, j) = (at / self.kernel[1], at % self.kernel[1]);
                    match (self.source(0, y, i), self.source(1, x, j)) {
                        (Some(y), Some(x)) => {
                            to.copy_from_slice(&maps[(y * width + x) * self.channels + group * own..][..own]);
                        }
                        _ => to.fill(zero),
                    }
                }
            }
        });
    }

    /// The same, in some memory where they are not the maps themselves. Maps without a number have windows too, on their padding.
    fn of<'a, T: bytemuck::Pod + Send + Sync>(
        &self,
        (input, samples): (&'a [T], usize),
        group: usize,
        zero: T,
        memory: &'a mut Buffer<u8>,
        context: &Context,
    ) -> &'a [T] {
        if self.is_pixels() {
            return input;
        }
        let len = samples * self.rows() * self.cols();
        memory.grow(len * size_of::<T>());
        let to: &mut [T] = bytemuck::cast_slice_mut(&mut memory[..len * size_of::<T>()]);
        self.fill(input, group, zero, to, context);
        to
    }

    /// Convolves a batch with the weights of a product.
    pub fn convolve(
        &self,
        product: &Product,
        input: View<'_>,
        mut output: ViewMut<'_>,
        batch: usize,
        scratch: &mut IntegerScratch,
        context: &Context,
    ) {
        let (sample, filters) = (self.input[0] * self.input[1] * self.channels, product.outputs());
        let bytes = (self.rows() * self.cols() * input.dtype.size()).max(1);
        let together = (MOST / bytes).clamp(1, batch.max(1));
        let (outputs, mut memory) = (self.rows() * filters, std::mem::take(&mut scratch.patches));
        for first in (0..batch).step_by(together) {
            let samples = together.min(batch - first);
            for group in 0..self.groups {
                if input.dtype == DType::I8 {
                    let maps = &input.i8()[first * sample..][..samples * sample];
                    let rows = self.of((maps, samples), group, product.zero() as i8, &mut memory, context);
                    let to = &mut output.again().into_i8()[first * outputs..][..samples * outputs];
                    product.multiply(group, Rows::I8(rows), Outputs::I8(to), scratch, context);
                } else {
                    let maps = &input.i16()[first * sample..][..samples * sample];
                    let rows = self.of((maps, samples), group, product.zero() as i16, &mut memory, context);
                    let to = &mut output.again().into_i16()[first * outputs..][..samples * outputs];
                    product.multiply(group, Rows::I16(rows), Outputs::I16(to), scratch, context);
                }
            }
        }
        scratch.patches = memory;
    }
}
