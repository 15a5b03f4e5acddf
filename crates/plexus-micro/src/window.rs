//! How windows slide over maps.

use core::ops::Range;

/// A window that slides over maps `[height, width, channels]`, channels last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Height, width, channels.
    pub input: [usize; 3],
    /// Rows, columns.
    pub kernel: [usize; 2],
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
    /// Rows above, columns to the left, rows below, columns to the right.
    pub padding: [usize; 4],
    /// Rows and columns from one number of a window to the next; 1 is dense.
    pub dilation: [usize; 2],
}

impl Window {
    /// A window of stride 1 without padding.
    pub const fn new(input: [usize; 3], kernel: [usize; 2]) -> Self {
        Window { input, kernel, stride: [1; 2], padding: [0; 4], dilation: [1; 2] }
    }

    /// Rows and columns of the output: `(size + padding − dilation · (kernel − 1) − 1) / stride + 1`, rounded down.
    ///
    /// # Panics
    /// Where the kernel is larger than the padded map, or a size, stride or dilation is 0.
    pub const fn output(&self) -> [usize; 2] {
        let mut output = [0; 2];
        let mut axis = 0;
        while axis < 2 {
            assert!(
                self.kernel[axis] > 0 && self.stride[axis] > 0 && self.dilation[axis] > 0,
                "a size of the window is 0"
            );
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let padded = self.input[axis] + self.padding[axis] + self.padding[axis + 2];
            assert!(reach <= padded, "the kernel is larger than the padded map");
            output[axis] = (padded - reach) / self.stride[axis] + 1;
            axis += 1;
        }
        output
    }

    /// Whether a window somewhere is on padding alone, so that it has no mean.
    ///
    /// # Panics
    /// As [`output`](Window::output).
    pub fn is_on_padding_alone(&self) -> bool {
        let output = self.output();
        (0..2).any(|axis| (0..output[axis]).any(|index| self.inside(axis, index).is_empty()))
    }

    /// Of the window at an output along one axis: the taps that are inside of the map.
    pub(crate) fn inside(&self, axis: usize, output: usize) -> Range<usize> {
        let (start, dilation) = (output * self.stride[axis], self.dilation[axis]);
        let first = self.padding[axis].saturating_sub(start).div_ceil(dilation);
        let end = (self.input[axis] + self.padding[axis]).saturating_sub(start).div_ceil(dilation);
        first..end.min(self.kernel[axis])
    }

    /// Where a tap is on the map.
    pub(crate) fn place(&self, axis: usize, output: usize, tap: usize) -> usize {
        output * self.stride[axis] + tap * self.dilation[axis] - self.padding[axis]
    }

    pub(crate) fn input_len(&self) -> usize {
        self.input[0] * self.input[1] * self.input[2]
    }
}
