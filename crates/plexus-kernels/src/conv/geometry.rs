//! The sizes of a convolution.

/// The sizes of one convolution: of a sample, of the filters, and how these move.
///
/// # Examples
/// ```
/// use plexus_kernels::conv::Geometry;
/// // The first layer of LeNet-5.
/// let geometry = Geometry { padding: [2; 4], ..Geometry::plain([1, 28, 28], 6, [5, 5]) };
/// assert_eq!(geometry.output(), Some([28, 28]));
/// assert_eq!(geometry.macs(), 28 * 28 * 6 * 25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    /// Channels of the input.
    pub channels: usize,
    /// Rows of the input.
    pub height: usize,
    /// Columns of the input.
    pub width: usize,
    /// Channels of the output.
    pub filters: usize,
    /// Rows and columns of a filter.
    pub kernel: [usize; 2],
    /// Rows and columns from one window to the next.
    pub stride: [usize; 2],
    /// Rows and columns of zeros around the input: top, left, bottom, right.
    pub padding: [usize; 4],
    /// Rows and columns from one element of a filter to the next; 1 is dense.
    pub dilation: [usize; 2],
    /// Equal parts of the channels and of the filters; each part of the filters sees its part of the channels only.
    pub groups: usize,
}

impl Geometry {
    /// Stride and dilation 1, no padding, one group; the input is `[channels, height, width]`.
    pub fn plain([channels, height, width]: [usize; 3], filters: usize, kernel: [usize; 2]) -> Self {
        let (stride, padding, dilation, groups) = ([1; 2], [0; 4], [1; 2], 1);
        Geometry { channels, height, width, filters, kernel, stride, padding, dilation, groups }
    }

    /// Rows and columns of the output: `(size + padding - dilation · (kernel - 1) - 1) / stride + 1`, rounded down.
    ///
    /// `None` where there is no such convolution: the filter is larger than the padded input, a kernel size, a stride or
    /// a dilation is zero, the groups do not divide the channels and the filters, or a size is beyond `usize`.
    pub fn output(&self) -> Option<[usize; 2]> {
        let grouped = |size: usize| self.groups > 0 && size.is_multiple_of(self.groups);
        if !grouped(self.channels) || !grouped(self.filters) {
            return None;
        }
        let [top, left, bottom, right] = self.padding;
        let rows = self.positions(0, self.height, top.checked_add(bottom)?)?;
        let cols = self.positions(1, self.width, left.checked_add(right)?)?;
        Some([rows, cols])
    }

    /// The windows along one axis.
    fn positions(&self, axis: usize, size: usize, padding: usize) -> Option<usize> {
        let (kernel, stride, dilation) = (self.kernel[axis], self.stride[axis], self.dilation[axis]);
        if stride == 0 || dilation == 0 {
            return None;
        }
        let reach = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
        Some(size.checked_add(padding)?.checked_sub(reach)? / stride + 1)
    }

    /// Numbers of the input of one sample.
    pub fn input_len(&self) -> usize {
        product(&[self.height, self.width, self.channels])
    }

    /// Numbers of the output of one sample; zero where there is no output.
    pub fn output_len(&self) -> usize {
        self.output().map_or(0, |[rows, cols]| product(&[rows, cols, self.filters]))
    }

    /// Numbers of the weight.
    pub fn weight_len(&self) -> usize {
        product(&[self.filters, self.depth()])
    }

    /// Multiply-adds for one sample, those with padding included.
    pub fn macs(&self) -> u64 {
        self.output().map_or(0, |[rows, cols]| {
            [rows, cols, self.weight_len()].into_iter().fold(1u64, |macs, size| macs.saturating_mul(size as u64))
        })
    }

    /// The convolution that the gradient of the input is, of the gradient of the output with turned filters; `None` for
    /// strides, and where the padding is as wide as the filters.
    pub(crate) fn mirrored(&self) -> Option<Geometry> {
        let [height, width] = self.output()?;
        let reach = |axis: usize| (self.kernel[axis] - 1) * self.dilation[axis];
        let [top, left, bottom, right] = self.padding;
        let [down, across] = [reach(0), reach(1)];
        let padding =
            [down.checked_sub(top)?, across.checked_sub(left)?, down.checked_sub(bottom)?, across.checked_sub(right)?];
        let (channels, filters) = (self.filters, self.channels);
        (self.stride == [1, 1]).then_some(Geometry { channels, height, width, filters, padding, ..*self })
    }

    /// Channels that one filter sees.
    pub(crate) fn group_channels(&self) -> usize {
        self.channels / self.groups.max(1)
    }

    /// Filters of one group.
    pub(crate) fn group_filters(&self) -> usize {
        self.filters / self.groups.max(1)
    }

    /// Multiply-adds of one output: the contracted axis.
    pub(crate) fn depth(&self) -> usize {
        product(&[self.kernel[0], self.kernel[1], self.group_channels()])
    }

    /// Whether anything lies around the input.
    pub(crate) fn is_padded(&self) -> bool {
        self.padding != [0; 4]
    }
}

/// The product of sizes; a map that a slice can hold never has more elements than `usize::MAX`.
fn product(sizes: &[usize]) -> usize {
    sizes.iter().fold(1usize, |product, &size| product.saturating_mul(size))
}
