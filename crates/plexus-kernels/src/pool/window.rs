//! The sizes of a pooling.

/// The sizes of one pooling: of a map, of the window, and how the window moves.
///
/// # Examples
/// ```
/// use plexus_kernels::pool::Window;
/// let window = Window { stride: [2, 2], ..Window::plain([6, 5, 5], [2, 2]) };
/// assert_eq!(window.output(), Some([2, 2]));
/// assert_eq!(Window { ceil: true, ..window }.output(), Some([3, 3]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// Channels of the map.
    pub channels: usize,
    /// Rows of the map.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
    /// Rows and columns of the window.
    pub kernel: [usize; 2],
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
    /// Rows and columns around the map: top, left, bottom, right.
    pub padding: [usize; 4],
    /// Rows and columns from one element of a window to the next; 1 is dense.
    pub dilation: [usize; 2],
    /// Whether a last window that is not complete counts too.
    pub ceil: bool,
}

impl Window {
    /// Windows side by side, no padding, dilation 1; the map is `[channels, height, width]`.
    pub fn plain([channels, height, width]: [usize; 3], kernel: [usize; 2]) -> Self {
        Window { channels, height, width, kernel, stride: kernel, padding: [0; 4], dilation: [1; 2], ceil: false }
    }

    /// Rows and columns of the output: `(size + padding - dilation · (kernel - 1) - 1) / stride + 1`.
    ///
    /// The quotient is rounded down; with `ceil` up, and then a last window that would start beyond the map and the
    /// padding in front of it is left out, as PyTorch does. `None` where there is no such pooling: the window is larger
    /// than the padded map, a kernel size, a stride or a dilation is zero, or a size is beyond `usize`.
    pub fn output(&self) -> Option<[usize; 2]> {
        let [top, left, bottom, right] = self.padding;
        Some([self.positions(0, self.height, (top, bottom))?, self.positions(1, self.width, (left, right))?])
    }

    fn positions(&self, axis: usize, size: usize, (before, after): (usize, usize)) -> Option<usize> {
        let (kernel, stride, dilation) = (self.kernel[axis], self.stride[axis], self.dilation[axis]);
        if stride == 0 || dilation == 0 {
            return None;
        }
        let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
        let start = size.checked_add(before)?;
        let rest = start.checked_add(after)?.checked_sub(reach)?;
        let windows = if self.ceil { rest.div_ceil(stride) } else { rest / stride } + 1;
        Some(if self.ceil && (windows - 1).checked_mul(stride)? >= start { windows - 1 } else { windows })
    }

    /// Numbers of the map of one sample.
    pub fn input_len(&self) -> usize {
        self.height.saturating_mul(self.width).saturating_mul(self.channels)
    }

    /// Numbers of the output of one sample; zero where there is no output.
    pub fn output_len(&self) -> usize {
        self.output().map_or(0, |[rows, cols]| rows.saturating_mul(cols).saturating_mul(self.channels))
    }

    /// The elements of the window at `at` along one axis that are inside the map.
    pub(super) fn inside(&self, axis: usize, at: usize) -> Inside {
        let size = if axis == 0 { self.height } else { self.width };
        let (before, dilation) = (self.padding[axis], self.dilation[axis]);
        let start = at * self.stride[axis];
        if start >= before && start - before + (self.kernel[axis] - 1) * dilation < size {
            // Without a division: most windows are whole.
            return Inside { first: start - before, count: self.kernel[axis] };
        }
        let skipped = before.saturating_sub(start).div_ceil(dilation).min(self.kernel[axis]);
        let first = (start + skipped * dilation).saturating_sub(before);
        let fitting = size.saturating_sub(first).div_ceil(dilation);
        Inside { first, count: fitting.min(self.kernel[axis] - skipped) }
    }

    /// Elements of the window at `at` along one axis that are inside the map or its padding. Dilation is 1.
    pub(super) fn with_padding(&self, axis: usize, at: usize) -> usize {
        let size = if axis == 0 { self.height } else { self.width };
        let whole = size + self.padding[axis] + self.padding[axis + 2];
        (whole - (at * self.stride[axis]).min(whole)).min(self.kernel[axis])
    }
}

/// The part of a window along one axis that is inside the map.
#[derive(Clone, Copy)]
pub(super) struct Inside {
    /// The first row or column.
    pub first: usize,
    /// How many.
    pub count: usize,
}
