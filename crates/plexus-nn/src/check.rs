//! The one place that decides what fits: networks, weights from outside, batches.
//!
//! Each check returns a type that cannot be made elsewhere; the code after it trusts that type.

use crate::layer::Mismatch;
use crate::network::{NamedLayer, Network};
use crate::params::ParamLayout;
use crate::shape::Shape;
use std::fmt;
use std::sync::Arc;

/// Something does not fit: which layer, what was compared, what was expected, what came, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShapeError {
    /// The layer, as `layers.2 (linear)`; `None` where the input of the network is meant.
    pub layer: Option<String>,
    /// What was compared, e.g. `in_features`.
    pub compared: String,
    /// What would fit, with where that number comes from.
    pub expected: String,
    /// What came, with where that came from.
    pub got: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ShapeError { layer, compared, expected, got, help } = self;
        match layer {
            Some(layer) => write!(f, "layer {layer}: {compared} does not fit: expected {expected}, got {got}.")?,
            None => write!(f, "{compared} does not fit: expected {expected}, got {got}.")?,
        }
        if help.is_empty() { Ok(()) } else { write!(f, " {help}") }
    }
}

impl std::error::Error for ShapeError {}

/// The largest number of elements that one sample, one activation or one weight may have: 2^40, and 2^29 where addresses
/// have 32 bits, so that the bytes can be counted.
///
/// Larger sizes come from mistakes and hostile files; refusing them keeps every product of two sizes inside 64 bits.
pub const MAX_ELEMENTS: usize = 1 << if usize::BITS > 32 { 40 } else { 29 };

/// A network in which every layer fits the one before: the proof that [`check_network`] walked it.
#[derive(Clone, Debug)]
pub struct CheckedNetwork {
    network: Network,
    shapes: Vec<Shape>,
    layout: Arc<ParamLayout>,
}

impl CheckedNetwork {
    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// The shape that enters layer `index`.
    pub fn input_shape(&self, index: usize) -> &Shape {
        match index {
            0 => &self.network.input,
            _ => &self.shapes[index - 1],
        }
    }

    /// The shape that leaves layer `index`.
    pub fn output_shape(&self, index: usize) -> &Shape {
        &self.shapes[index]
    }

    /// The shape that enters the network.
    pub fn input(&self) -> &Shape {
        &self.network.input
    }

    /// The shape that leaves the network.
    pub fn output(&self) -> &Shape {
        self.shapes.last().unwrap_or(&self.network.input)
    }

    /// Elements of one sample at the input.
    pub fn input_len(&self) -> usize {
        known(self.input())
    }

    /// Elements of one sample at the output.
    pub fn output_len(&self) -> usize {
        known(self.output())
    }

    /// Where the weights lie.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    /// Checks that a slice is a whole number of samples of finite or infinite numbers, whatever they are.
    ///
    /// # Errors
    /// [`ShapeError`] where the length is not `rows` times the elements of one sample.
    pub fn batch<'a>(&self, values: &'a [f32], rows: usize) -> Result<CheckedBatch<'a>, ShapeError> {
        let sample = self.input_len();
        if rows.checked_mul(sample) == Some(values.len()) {
            return Ok(CheckedBatch { values, rows });
        }
        let got = match values.len().checked_rem(rows) {
            Some(0) => format!("{} numbers a row ({rows} rows)", values.len() / rows),
            _ => format!("{} numbers for {rows} rows", values.len()),
        };
        Err(ShapeError {
            layer: None,
            compared: "the input".to_string(),
            expected: format!("{sample} numbers a row (the network's input is {})", self.input()),
            got,
            help: "Give rows of the width the model was trained on.".to_string(),
        })
    }
}

/// Rows that fit the input of a network.
#[derive(Clone, Copy, Debug)]
pub struct CheckedBatch<'a> {
    values: &'a [f32],
    rows: usize,
}

impl<'a> CheckedBatch<'a> {
    /// All elements, row after row.
    pub fn values(&self) -> &'a [f32] {
        self.values
    }

    /// How many rows.
    pub fn rows(&self) -> usize {
        self.rows
    }
}

/// The element count of a shape that a check has seen.
fn known(shape: &Shape) -> usize {
    shape.len().expect("the network check refused shapes that overflow")
}

/// Walks a network and gives every layer its shapes.
///
/// # Errors
/// [`ShapeError`] for the first layer that does not fit what comes before it.
pub fn check_network(network: Network) -> Result<CheckedNetwork, ShapeError> {
    check_size(&network.input, None, "the input shape")?;
    let mut shapes: Vec<Shape> = Vec::with_capacity(network.layers.len());
    for (index, named) in network.layers.iter().enumerate() {
        let label = format!("{} ({})", named.name, named.layer.kind());
        let previous = index.checked_sub(1).map(|at| &network.layers[at]);
        let before = shapes.last().unwrap_or(&network.input);
        if network.layers[..index].iter().any(|other| other.name == named.name) {
            return Err(ShapeError {
                layer: Some(label),
                compared: "the name".to_string(),
                expected: "a name used once".to_string(),
                got: format!("\"{}\" again", named.name),
                help: "Rename one of the two, or leave the names out: they are then numbered.".to_string(),
            });
        }
        check_inputs(named, &label, previous.map(|previous| previous.name.as_str()))?;
        let shape = named.layer.infer(before).map_err(|mismatch| {
            let Mismatch { compared, expected, got, help } = mismatch;
            let origin = match previous {
                Some(previous) => format!("{got} (output {before} of {}, {})", previous.name, previous.layer.kind()),
                None => format!("{got} (the network's input is {before})"),
            };
            ShapeError { layer: Some(label.clone()), compared, expected, got: origin, help }
        })?;
        check_size(&shape, Some(&label), "the output shape")?;
        for spec in named.layer.params(before) {
            check_size(&Shape::new(spec.shape), Some(&label), spec.role)?;
        }
        shapes.push(shape);
    }
    let layout = Arc::new(ParamLayout::new(&network, &shapes));
    Ok(CheckedNetwork { network, shapes, layout })
}

/// Every layer kind of today reads one input, so the only network is a chain.
fn check_inputs(named: &NamedLayer, label: &str, previous: Option<&str>) -> Result<(), ShapeError> {
    let before = previous.unwrap_or("input");
    if named.inputs.is_empty() || named.inputs == [before] {
        return Ok(());
    }
    Err(ShapeError {
        layer: Some(label.to_string()),
        compared: "inputs".to_string(),
        expected: format!("[\"{before}\"], the layer before"),
        got: format!("{:?}", named.inputs),
        help: "No layer kind reads several inputs yet: leave `inputs` out and order the layers as a chain.".to_string(),
    })
}

fn check_size(shape: &Shape, layer: Option<&str>, what: &str) -> Result<(), ShapeError> {
    match shape.len() {
        Some(len) if len <= MAX_ELEMENTS => Ok(()),
        _ => Err(ShapeError {
            layer: layer.map(str::to_string),
            compared: format!("the size of {what}"),
            expected: format!("at most {MAX_ELEMENTS} elements"),
            got: shape.to_string(),
            help: "Check the sizes: is a digit too many?".to_string(),
        }),
    }
}
