//! Sizes with one or several numbers, as users write them: `3`, `[3, 5]`, `[top, left, bottom, right]`, `"same"`.

use crate::layer::Mismatch;
use crate::shape::Shape;
use crate::window::Slide;
use serde::{Deserialize, Serialize};

/// Two sizes, of rows and of columns: `3` or `[3, 5]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number, or two: [rows, columns]")]
pub enum Pair {
    /// The same for both.
    Both(usize),
    /// Rows, columns.
    Each([usize; 2]),
}

impl Pair {
    /// Rows, columns.
    pub fn sizes(self) -> [usize; 2] {
        match self {
            Pair::Both(size) => [size; 2],
            Pair::Each(sizes) => sizes,
        }
    }

    pub(crate) fn one() -> Self {
        Pair::Both(1)
    }

    /// Whether it is the default, as it is written.
    pub(crate) fn is_one(&self) -> bool {
        *self == Pair::Both(1)
    }
}

impl From<usize> for Pair {
    fn from(size: usize) -> Self {
        Pair::Both(size)
    }
}

impl From<[usize; 2]> for Pair {
    fn from(sizes: [usize; 2]) -> Self {
        Pair::Each(sizes)
    }
}

/// Rows and columns of zeros around a map: `2`, `[rows, columns]`, `[top, left, bottom, right]` or `"same"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number, two ([rows, columns]), four ([top, left, bottom, right]) or \"same\"")]
#[non_exhaustive]
pub enum Padding {
    /// The same on all four sides.
    All(usize),
    /// Above and below; left and right.
    Each([usize; 2]),
    /// Top, left, bottom, right.
    Sides([usize; 4]),
    /// As many as keep the size of the map, for stride 1; an odd one goes to the bottom and the right, as PyTorch.
    Named(Same),
}

/// The word `same`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Same {
    /// As many as keep the size.
    Same,
}

impl Padding {
    /// The word `same`.
    pub const SAME: Padding = Padding::Named(Same::Same);

    pub(crate) fn none() -> Self {
        Padding::All(0)
    }

    pub(crate) fn is_none(&self) -> bool {
        *self == Padding::All(0)
    }

    /// Top, left, bottom, right, for a kernel.
    pub fn sides(self, kernel: [usize; 2], dilation: [usize; 2]) -> [usize; 4] {
        match self {
            Padding::All(size) => [size; 4],
            Padding::Each([rows, cols]) => [rows, cols, rows, cols],
            Padding::Sides(sides) => sides,
            Padding::Named(Same::Same) => {
                let total = |axis: usize| dilation[axis].saturating_mul(kernel[axis].saturating_sub(1));
                let (rows, cols) = (total(0), total(1));
                [rows / 2, cols / 2, rows - rows / 2, cols - cols / 2]
            }
        }
    }
}

impl From<usize> for Padding {
    fn from(size: usize) -> Self {
        Padding::All(size)
    }
}

impl From<[usize; 2]> for Padding {
    fn from(sizes: [usize; 2]) -> Self {
        Padding::Each(sizes)
    }
}

impl From<[usize; 4]> for Padding {
    fn from(sides: [usize; 4]) -> Self {
        Padding::Sides(sides)
    }
}

/// The largest kernel, stride, padding or dilation: more is a mistake, and sums of them stay far from overflowing.
const MOST: usize = 1 << 20;

/// What layers want that slide over maps.
pub(crate) const MAPS: &str = "maps: [channels, height, width]";

/// The axes of maps.
///
/// # Errors
/// [`Mismatch`] for other shapes.
pub(crate) fn maps(input: &Shape) -> Result<[usize; 3], Mismatch> {
    match *input.axes() {
        [channels, height, width] => Ok([channels, height, width]),
        _ => Err(Mismatch::new(
            "the input",
            MAPS,
            input.describe(),
            "Put an unflatten layer in front: kind = \"unflatten\", shape = [channels, height, width].",
        )),
    }
}

/// Refuses sizes that no kernel has.
///
/// # Errors
/// [`Mismatch`] naming the size.
pub(crate) fn check_sizes(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
) -> Result<(), Mismatch> {
    let at_least_one = [("kernel_size", kernel), ("stride", stride), ("dilation", dilation)];
    for (name, sizes) in at_least_one {
        if sizes.contains(&0) {
            return Err(Mismatch::new(name, "at least 1", format!("{sizes:?}"), "Both numbers have to be at least 1."));
        }
    }
    let all = at_least_one.iter().flat_map(|(name, sizes)| sizes.map(|size| (*name, size)));
    for (name, size) in all.chain(padding.map(|size| ("padding", size))) {
        if size > MOST {
            return Err(Mismatch::new(name, format!("at most {MOST}"), size.to_string(), "Is a digit too many?"));
        }
    }
    Ok(())
}

/// The most numbers of a padded map that is much larger than the map: kernels copy its rows, and nobody means such a border.
const MOST_PADDED: usize = 1 << 28;

/// Refuses a border that would take more memory than the map by far.
///
/// # Errors
/// [`Mismatch`] naming the padding.
pub(crate) fn check_border([channels, height, width]: [usize; 3], padding: [usize; 4]) -> Result<(), Mismatch> {
    let [top, left, bottom, right] = padding;
    let count = |rows: usize, cols: usize| channels.saturating_mul(rows).saturating_mul(cols);
    let (map, padded) = (count(height, width), count(height + top + bottom, width + left + right));
    if padded <= MOST_PADDED.max(map.saturating_mul(4)) {
        return Ok(());
    }
    Err(Mismatch::new(
        "padding",
        format!("a padded map of at most {MOST_PADDED} numbers, or four times the map"),
        format!("{padding:?}, which makes {padded} numbers of {map}"),
        "Is a digit too many? Half of the kernel keeps the size.",
    ))
}

/// The message for a kernel that is larger than what it slides over.
pub(crate) fn too_large(
    [_, height, width]: [usize; 3],
    kernel: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
) -> Mismatch {
    let reach = |axis: usize| dilation[axis] * (kernel[axis] - 1) + 1;
    let [top, left, bottom, right] = padding;
    Mismatch::new(
        "kernel_size",
        format!("at most the padded map, {} x {}", height + top + bottom, width + left + right),
        format!("{} x {}", reach(0), reach(1)),
        "Make the kernel smaller, pad the map, or leave out a pooling before it.",
    )
}

/// How windows go along rows and columns.
pub(crate) fn sliding(
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 4],
    dilation: [usize; 2],
    whole: bool,
) -> Vec<Slide> {
    let window = |axis: usize| {
        let size = dilation[axis] * kernel[axis].saturating_sub(1) + 1;
        Slide { whole, ..Slide::sliding(size, stride[axis], [padding[axis], padding[axis + 2]]) }
    };
    [0, 1].map(window).into()
}
