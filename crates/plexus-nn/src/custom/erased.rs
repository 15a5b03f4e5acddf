//! A layer of your own as a [`LayerKind`], its type forgotten.

use super::{CustomBackward, CustomForward, CustomLayer, State, StateTensors};
use crate::layer::{Backward, Cost, Forward, LayerKind, Mismatch, ParamSpec, Pass, RandomKey, Saved};
use crate::layers::Layer;
use crate::shape::Shape;
use serde_json::{Map, Value};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A layer of a kind that is not built in: any [`CustomLayer`]. Cloning it copies a pointer.
#[derive(Clone)]
pub struct Custom(Arc<dyn Erased>);

impl Custom {
    /// Forgets the type.
    pub fn new(layer: impl CustomLayer) -> Self {
        Custom(Arc::new(Typed(layer)))
    }

    /// The layer, where it is of this type.
    pub fn downcast_ref<T: CustomLayer>(&self) -> Option<&T> {
        self.0.as_any().downcast_ref()
    }

    /// What a layer can do.
    pub(crate) fn as_kind(&self) -> &(dyn LayerKind + 'static) {
        self.0.as_kind()
    }

    /// The fields as keys.
    pub(crate) fn keys(&self) -> Result<Map<String, Value>, String> {
        self.0.keys()
    }
}

// A layer is plain data: a panic leaves nothing of it half done.
impl std::panic::UnwindSafe for Custom {}
impl std::panic::RefUnwindSafe for Custom {}

impl fmt::Debug for Custom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.debug(f)
    }
}

impl PartialEq for Custom {
    fn eq(&self, other: &Self) -> bool {
        self.0.equals(&*other.0)
    }
}

impl<T: CustomLayer> From<T> for Layer {
    fn from(layer: T) -> Layer {
        Layer::Custom(Custom::new(layer))
    }
}

/// What is known of a layer whose type is forgotten.
trait Erased: Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn as_kind(&self) -> &(dyn LayerKind + 'static);
    fn equals(&self, other: &dyn Erased) -> bool;
    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
    fn keys(&self) -> Result<Map<String, Value>, String>;
}

/// Keys that every layer has, so that no field can be called so.
const TAKEN: [&str; 4] = ["kind", "name", "inputs", "activation"];

struct Typed<T>(T);

impl<T: CustomLayer> Erased for Typed<T> {
    fn as_any(&self) -> &dyn Any {
        &self.0
    }

    fn as_kind(&self) -> &(dyn LayerKind + 'static) {
        self
    }

    fn equals(&self, other: &dyn Erased) -> bool {
        other.as_any().downcast_ref::<T>().is_some_and(|other| self.0 == *other)
    }

    fn debug(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }

    fn keys(&self) -> Result<Map<String, Value>, String> {
        match serde_json::to_value(&self.0) {
            Ok(Value::Object(keys)) => match TAKEN.iter().find(|key| keys.contains_key(**key)) {
                Some(key) => Err(format!("a field `{key}`, a key that every layer has")),
                None => Ok(keys),
            },
            // A struct without fields.
            Ok(Value::Null) => Ok(Map::new()),
            Ok(_) => Err("no struct with named fields".to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Cuts numbers into tensors.
fn cut<'a>(params: &[ParamSpec], trainable: bool, mut numbers: &'a [f32]) -> Vec<&'a [f32]> {
    let specs = params.iter().filter(|spec| spec.trainable == trainable);
    specs.map(|spec| numbers.split_off(..spec.len()).expect("the network check counted the numbers")).collect()
}

fn cut_mut<'a>(params: &[ParamSpec], trainable: bool, mut numbers: &'a mut [f32]) -> Vec<&'a mut [f32]> {
    let specs = params.iter().filter(|spec| spec.trainable == trainable);
    specs.map(|spec| numbers.split_off_mut(..spec.len()).expect("the network check counted the numbers")).collect()
}

impl<T: CustomLayer> LayerKind for Typed<T> {
    fn kind(&self) -> &'static str {
        T::KIND
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        // What cannot be written is refused before anything is trained.
        self.keys().map_err(|got| {
            let help = "This is a mistake in the layer itself.";
            Mismatch::new("the type of the layer", "a struct with named fields that serde can write", got, help)
        })?;
        self.0.infer(inputs)
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        self.0.params(inputs)
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        Cost::with_additions(self.0.macs(inputs, output), 0)
    }

    fn saved(&self, inputs: &[&Shape]) -> Saved {
        Saved::per_row(self.0.saved(inputs))
    }

    fn forward(&self, cx: Forward<'_>) {
        let input_shapes: Vec<&Shape> = cx.inputs.iter().map(|input| input.shape).collect();
        let inputs: Vec<&[f32]> = cx.inputs.iter().map(|input| input.f32()).collect();
        let specs = self.0.params(&input_shapes);
        let (output_shape, output) = (cx.output.shape, cx.output.into_f32());
        // Of numbers that a layer forgets to write, none is left from before.
        output.fill(0.0);
        let (training, state, saved, random) = match cx.pass {
            Pass::Training { state, saved, random, .. } => {
                let saved = saved.into_f32();
                saved.fill(0.0);
                (true, StateTensors::Training(cut_mut(&specs, false, state)), saved, random)
            }
            Pass::Inference { state } => {
                (false, StateTensors::Prediction(cut(&specs, false, state)), &mut [][..], RandomKey::default())
            }
        };
        self.0.forward(CustomForward {
            rows: cx.rows,
            input_shapes: &input_shapes,
            inputs: &inputs,
            output_shape,
            output,
            params: &cut(&specs, true, cx.weights),
            state: State(state),
            training,
            saved,
            random,
            context: cx.context,
        });
    }

    fn backward(&self, cx: Backward<'_, '_>) {
        let input_shapes: Vec<&Shape> = cx.inputs.iter().map(|input| input.shape).collect();
        let inputs: Vec<&[f32]> = cx.inputs.iter().map(|input| input.f32()).collect();
        let specs = self.0.params(&input_shapes);
        let grads = cx.grad_inputs.iter_mut().map(|grad| grad.take().map(|grad| grad.values));
        let mut grad_inputs: Vec<Option<&mut [f32]>> = grads.collect();
        grad_inputs.iter_mut().flatten().for_each(|grad| grad.fill(0.0));
        self.0.backward(CustomBackward {
            rows: cx.rows,
            input_shapes: &input_shapes,
            inputs: &inputs,
            output_shape: cx.output.shape,
            output: cx.output.f32(),
            grad_output: cx.grad_output,
            grad_inputs: &mut grad_inputs,
            params: &cut(&specs, true, cx.weights),
            grad_params: &mut cut_mut(&specs, true, cx.grad_weights),
            state: &cut(&specs, false, cx.state),
            saved: cx.saved.f32(),
            random: cx.random,
            context: cx.context,
        });
    }
}
