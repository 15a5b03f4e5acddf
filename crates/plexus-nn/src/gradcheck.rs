//! Checks that the gradients of a layer are the derivatives of what it computes: for tests of [layers of your
//! own](crate::custom).
//!
//! # Examples
//! ```
//! use plexus_nn::{gradcheck, layers::layer_norm};
//! let report = gradcheck::layer(layer_norm(), [[2, 5]])?;
//! // Three rows of ten inputs, five factors and five shifts.
//! assert_eq!(report.compared, 40);
//! # Ok::<(), gradcheck::GradcheckError>(())
//! ```

use crate::check::ShapeError;
use crate::layers::Layer;
use crate::network::{Input, NamedLayer, Network};
use crate::shape::Shape;
use crate::testing::{Library, add_up_within, differences_of};
use std::fmt;

/// Samples of each check.
const ROWS: usize = 3;

/// How far two passes may be from twice one, as a share of the largest gradient: the order of sums may differ.
const SUMS: f32 = 1e-4;

/// What was checked.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// How many derivatives were compared: one for each number of an input and each trainable number.
    pub compared: usize,
    /// The largest difference, as a share of what is tolerated: at most 1.
    pub worst: f64,
}

/// What is wrong with a layer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum GradcheckError {
    /// The shapes do not fit.
    Shape(Box<ShapeError>),
    /// A gradient is not the derivative.
    Wrong {
        /// An input or a tensor of the layer.
        tensor: String,
        /// The index along each axis; for an input the row is the first.
        at: Vec<usize>,
        /// The central difference.
        expected: f64,
        /// What backward gives.
        got: f64,
    },
    /// A second backward pass does not add the gradients of the tensors of a layer to those of the first, or gives other
    /// gradients of an input.
    SecondPass {
        /// An input or a tensor of the layer.
        tensor: String,
        /// The index along each axis; for an input the row is the first.
        at: Vec<usize>,
        /// What would be right.
        expected: f64,
        /// What is there after the second pass.
        got: f64,
    },
}

impl fmt::Display for GradcheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GradcheckError::Shape(_) => write!(f, "the gradients cannot be checked"),
            GradcheckError::Wrong { tensor, at, expected, got } => {
                write!(
                    f,
                    "the gradient of {tensor} at {at:?} is {got}, expected {expected}, as central differences give"
                )
            }
            GradcheckError::SecondPass { tensor, at, expected, got } => write!(
                f,
                "after a second backward pass the gradient of {tensor} at {at:?} is {got}, expected {expected}: gradients of \
                 the tensors of a layer are added to what is there, those of inputs are the same each time"
            ),
        }
    }
}

impl std::error::Error for GradcheckError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            GradcheckError::Shape(error) => Some(error),
            _ => None,
        }
    }
}

/// Checks one layer, with inputs of these shapes.
///
/// # Errors
/// As [`network`].
pub fn layer(
    layer: impl Into<Layer>,
    inputs: impl IntoIterator<Item = impl Into<Shape>>,
) -> Result<Report, GradcheckError> {
    let inputs = inputs.into_iter().enumerate();
    let inputs: Vec<Input> =
        inputs.map(|(index, shape)| Input { name: format!("input {index}"), shape: shape.into() }).collect();
    let layer = NamedLayer::new("layer", layer).with_inputs(inputs.iter().map(|input| input.name.as_str()));
    network(&Network { inputs, layers: vec![layer], outputs: Vec::new() })
}

/// Checks a network: the gradients of all inputs and all trainable numbers, each held against the central difference
/// `(f(x + h) − f(x − h)) / 2h` of a sum of all outputs with factors, in training mode, on three rows. Each number costs two runs
/// forward: take small shapes.
///
/// Numbers are between 0.1 and 1.1 or between −1.1 and −0.1, so that they keep away from a corner at zero; the step is 1/256, all
/// arithmetic f32. A gradient may differ by 1 % of itself, a thousandth of the largest of its tensor and the rounding of the
/// sums. A layer for positive numbers only is checked behind [`exp`](crate::layers::exp).
///
/// Then backward runs twice: gradients of tensors add up.
///
/// # Errors
/// - [`GradcheckError::Shape`]: the network does not check
/// - [`GradcheckError::Wrong`]: the first gradient that differs
/// - [`GradcheckError::SecondPass`]: the first gradient that does not add up
pub fn network(network: &Network) -> Result<Report, GradcheckError> {
    network.clone().check().map_err(|error| GradcheckError::Shape(Box::new(error)))?;
    let report = differences_of(&Library, network.clone(), ROWS)?;
    add_up_within(&Library, network.clone(), ROWS, SUMS)?;
    Ok(report)
}
