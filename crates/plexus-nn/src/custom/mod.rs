//! Layers of your own: a type that implements [`CustomLayer`] is a layer as any other.
//!
//! It is checked, planned, trained, traced, counted and saved; nothing is fused with it or folded into it. Numbers come as plain
//! slices, maps channels first, whatever the layers beside it do.
//!
//! 1. implement [`CustomLayer`] for a struct with named fields, which are its keys in files;
//! 2. check its gradients with [`crate::gradcheck`];
//! 3. call [`register`] once, before a model or a network file with it is opened.
//!
//! Start reading at [`CustomLayer`]. How it becomes a [`Layer`](crate::layers::Layer) is in `erased.rs`, the table of kinds that a
//! program knows in `registry.rs`.

mod erased;
mod registry;

pub use erased::Custom;
pub use registry::{NotRegistered, RegisterError, is_registered, register};

pub(crate) use registry::read;

use crate::layer::{Mismatch, ParamSpec, RandomKey};
use crate::shape::Shape;
use plexus_kernels::Context;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// A kind of layer of your own.
///
/// The fields are the keys in files, and serde says how they are written: give those that may be left out
/// `#[serde(default)]`, and the struct `#[serde(deny_unknown_fields)]`, so that a typing error in a network file is refused. The
/// names `kind`, `name`, `inputs` and `activation` are taken.
///
/// A method that panics ends what called it, as a panic elsewhere; it cannot break memory safety.
///
/// # Examples
/// A scale and a shift for each feature, both learnt:
///
/// ```text
/// output[b, f] = input[b, f] · scale[f] + shift[f]
/// ```
///
/// ```
/// use plexus_nn::custom::{self, CustomBackward, CustomForward, CustomLayer};
/// use plexus_nn::layer::{Mismatch, ParamSpec, one};
/// use plexus_nn::layers::{linear, relu};
/// use plexus_nn::{Init, Network, Shape, gradcheck};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
/// #[serde(deny_unknown_fields)]
/// struct ScaleShift {}
///
/// impl CustomLayer for ScaleShift {
///     const KIND: &'static str = "my_crate/scale_shift";
///
///     fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
///         Ok(one(inputs)?.clone())
///     }
///
///     fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
///         let features = inputs[0].last().unwrap_or(1);
///         vec![ParamSpec::new("scale", [features], Init::Ones), ParamSpec::new("shift", [features], Init::Zeros)]
///     }
///
///     fn forward(&self, cx: CustomForward<'_>) {
///         let (scale, shift) = (cx.params[0], cx.params[1]);
///         for (to, from) in cx.output.chunks_mut(scale.len()).zip(cx.inputs[0].chunks(scale.len())) {
///             for f in 0..scale.len() {
///                 to[f] = from[f] * scale[f] + shift[f];
///             }
///         }
///     }
///
///     fn backward(&self, cx: CustomBackward<'_>) {
///         let CustomBackward { inputs, params, grad_output, grad_inputs, grad_params, .. } = cx;
///         let features = params[0].len();
///         for (at, grad) in grad_output.iter().enumerate() {
///             let f = at % features;
///             if let Some(grad_input) = &mut grad_inputs[0] {
///                 grad_input[at] = grad * params[0][f];
///             }
///             grad_params[0][f] += grad * inputs[0][at];
///             grad_params[1][f] += grad;
///         }
///     }
/// }
///
/// gradcheck::layer(ScaleShift {}, [[2, 3]])?;
/// custom::register::<ScaleShift>()?;
/// let network = Network::chain([4], [linear(8), ScaleShift {}.into(), relu(), linear(2)]);
/// assert_eq!(network.check()?.layout().weights_len(), 40 + 16 + 18);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait CustomLayer: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of the kind in files: that of your crate, a slash, and that of the layer, of letters, digits, `_` and `-`. With
    /// it the layer is found again, so it stays the same for as long as there are files with it.
    const KIND: &'static str;

    /// The shape that leaves, for the shapes that enter: of one sample, without the batch. Shapes that do not fit are
    /// refused here and nowhere else; [`one`](crate::layer::one) refuses more than one input.
    ///
    /// # Errors
    /// [`Mismatch`] where the inputs do not fit the layer.
    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch>;

    /// The tensors that the layer owns, for shapes that [`CustomLayer::infer`] took: their roles, shapes and first values. Roles
    /// differ from each other. None by default.
    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let _ = inputs;
        Vec::new()
    }

    /// Multiply-adds for one sample, for summaries; 0 by default.
    fn macs(&self, inputs: &[&Shape], output: &Shape) -> u64 {
        let _ = (inputs, output);
        0
    }

    /// How many numbers for each row forward keeps for backward besides inputs and output; none by default.
    fn saved(&self, inputs: &[&Shape]) -> usize {
        let _ = inputs;
        0
    }

    /// Computes the output.
    fn forward(&self, cx: CustomForward<'_>);

    /// Computes the gradients.
    fn backward(&self, cx: CustomBackward<'_>);
}

/// What [`CustomLayer::forward`] reads and writes. Numbers are row-major, maps channels first.
#[derive(Debug)]
#[non_exhaustive]
pub struct CustomForward<'a> {
    /// Samples in the batch.
    pub rows: usize,
    /// Of one sample of each input.
    pub input_shapes: &'a [&'a Shape],
    /// `[rows, input shape]` each.
    pub inputs: &'a [&'a [f32]],
    /// Of one sample.
    pub output_shape: &'a Shape,
    /// `[rows, output shape]`; zeros to begin with.
    pub output: &'a mut [f32],
    /// The trainable tensors, in the order of [`CustomLayer::params`].
    pub params: &'a [&'a [f32]],
    /// The tensors that no gradient changes, in the same order.
    pub state: State<'a>,
    /// Whether this is a step of a training; otherwise it is a prediction.
    pub training: bool,
    /// `[rows, saved]`, zeros to begin with, for backward to read; empty in a prediction. See [`CustomLayer::saved`].
    pub saved: &'a mut [f32],
    /// What random numbers of a training step have to follow from, besides the position, so that a run can be repeated and resumed.
    pub random: RandomKey,
    /// Instruction set, threads and precision, for those who call `plexus_kernels`.
    pub context: &'a Context,
}

/// What [`CustomLayer::backward`] reads and writes: always of a training step.
#[derive(Debug)]
#[non_exhaustive]
pub struct CustomBackward<'a> {
    /// Samples in the batch.
    pub rows: usize,
    /// Of one sample of each input.
    pub input_shapes: &'a [&'a Shape],
    /// What forward read.
    pub inputs: &'a [&'a [f32]],
    /// Of one sample.
    pub output_shape: &'a Shape,
    /// What forward wrote.
    pub output: &'a [f32],
    /// The derivative of the loss with respect to the output.
    pub grad_output: &'a [f32],
    /// The derivatives with respect to the inputs, to be written; zeros to begin with, `None` where nobody needs one.
    pub grad_inputs: &'a mut [Option<&'a mut [f32]>],
    /// The trainable tensors, in the order of [`CustomLayer::params`].
    pub params: &'a [&'a [f32]],
    /// The derivatives with respect to them, to be *added* to what is there.
    pub grad_params: &'a mut [&'a mut [f32]],
    /// The tensors that no gradient changes, in the same order.
    pub state: &'a [&'a [f32]],
    /// What forward saved.
    pub saved: &'a [f32],
    /// The key that forward had.
    pub random: RandomKey,
    /// Instruction set, threads and precision, for those who call `plexus_kernels`.
    pub context: &'a Context,
}

/// The tensors of a layer that no gradient changes: constants, and running statistics, which forward may change in training.
#[derive(Debug)]
pub struct State<'a>(pub(crate) StateTensors<'a>);

#[derive(Debug)]
pub(crate) enum StateTensors<'a> {
    Training(Vec<&'a mut [f32]>),
    Prediction(Vec<&'a [f32]>),
}

impl State<'_> {
    /// How many tensors there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            StateTensors::Training(tensors) => tensors.len(),
            StateTensors::Prediction(tensors) => tensors.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers of a tensor.
    ///
    /// # Panics
    /// Where there is none with this index.
    pub fn get(&self, index: usize) -> &[f32] {
        match &self.0 {
            StateTensors::Training(tensors) => tensors[index],
            StateTensors::Prediction(tensors) => tensors[index],
        }
    }

    /// The same, to be changed; `None` in a prediction, which changes nothing.
    ///
    /// # Panics
    /// Where there is none with this index.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut [f32]> {
        match &mut self.0 {
            StateTensors::Training(tensors) => Some(&mut *tensors[index]),
            StateTensors::Prediction(_) => None,
        }
    }
}
