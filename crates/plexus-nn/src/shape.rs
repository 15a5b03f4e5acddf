//! What one sample looks like, without the batch.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Describes one sample: `[features]`, `[steps, features]` or `[channels, height, width]`.
///
/// The batch comes beside it. Row-major, channels first. A shape with no axis is one number; an axis may be zero.
///
/// # Examples
/// ```
/// use plexus_nn::Shape;
/// let image = Shape::new([1, 28, 28]);
/// assert_eq!(image.len(), Some(784));
/// assert_eq!(image.to_string(), "[1, 28, 28]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Shape(Vec<usize>);

impl Shape {
    /// Makes a shape from its axes, outermost first.
    pub fn new(axes: impl Into<Vec<usize>>) -> Self {
        Shape(axes.into())
    }

    /// The axes, outermost first.
    pub fn axes(&self) -> &[usize] {
        &self.0
    }

    /// The number of elements of one sample; `None` where that does not fit in a `usize`.
    pub fn len(&self) -> Option<usize> {
        // A zero axis makes the product zero even where the other axes alone would overflow.
        if self.0.contains(&0) {
            return Some(0);
        }
        self.0.iter().try_fold(1usize, |product, &axis| product.checked_mul(axis))
    }

    /// Whether a sample has no elements.
    pub fn is_empty(&self) -> bool {
        self.0.contains(&0)
    }

    /// The last axis, which a linear layer contracts; `None` for a shape with no axis.
    pub fn last(&self) -> Option<usize> {
        self.0.last().copied()
    }

    /// The same shape with another last axis.
    pub fn with_last(&self, features: usize) -> Shape {
        let mut axes = self.0.clone();
        if let Some(last) = axes.last_mut() {
            *last = features;
        }
        Shape(axes)
    }

    /// Names the axes as the field does, for messages: `784 features`, `10 steps x 16 features`, `1x28x28`.
    pub fn describe(&self) -> String {
        match self.0.as_slice() {
            [] => "a single number".to_string(),
            [features] => format!("{features} features"),
            [steps, features] => format!("{steps} steps x {features} features"),
            axes => axes.iter().map(usize::to_string).collect::<Vec<_>>().join("x"),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(axes: [usize; N]) -> Self {
        Shape(axes.to_vec())
    }
}

impl From<Vec<usize>> for Shape {
    fn from(axes: Vec<usize>) -> Self {
        Shape(axes)
    }
}

impl From<&[usize]> for Shape {
    fn from(axes: &[usize]) -> Self {
        Shape(axes.to_vec())
    }
}

/// One axis.
impl From<usize> for Shape {
    fn from(features: usize) -> Self {
        Shape(vec![features])
    }
}

impl From<&Shape> for Shape {
    fn from(shape: &Shape) -> Self {
        shape.clone()
    }
}
