//! Models of whole numbers.

use crate::error::Error;
use crate::model::Model;
use plexus_quant::firmware::{Program, lower};
use plexus_quant::{LayerReport, Options, Quantized, Samples, quantize};

/// A model of whole numbers, and what became of which layer.
#[derive(Debug)]
#[non_exhaustive]
pub struct QuantizedModel {
    /// The model. It has the names, the metadata and the columns of the float one.
    pub model: Model,
    /// Each layer that has an integer form now, and each that stayed float.
    pub layers: Vec<LayerReport>,
    /// What else there is to say, a sentence each.
    pub notes: Vec<String>,
}

/// What a search for mixed precision tried.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Widening {
    /// The layers with 16-bit activations.
    pub wide: Vec<String>,
    /// What the model was measured with then.
    pub measure: f64,
}

impl Model {
    /// The same model with layers of whole numbers. Ranges of values come from some rows of all inputs, such as the model will see: a
    /// hundred or more.
    ///
    /// # Errors
    /// [`Error::Quant`] where the rows do not fit or tell no range, or no layer has an integer form.
    ///
    /// # Examples
    /// ```
    /// use plexus::quant::{Options, Scheme};
    /// # use plexus::{Context, Model, Network, Params, Task, layers::{linear, relu}};
    /// # let network = Network::chain([4], [linear(8), relu(), linear(2)]).check()?;
    /// # let params = Params::initialize(&network, 1);
    /// # let task = Task::Classification { classes: vec!["no".into(), "yes".into()] };
    /// # let model = Model::new(network, &params, task, Context::single())?;
    /// let rows: Vec<f32> = (0..400).map(|at| (at as f32 * 0.7).sin()).collect();
    /// let small = model.quantize(&[&rows], 100, &Options::new(Scheme::Int8PerChannel))?.model;
    /// let [float, whole] = [&model, &small].map(|model| model.predict(&[0.1, 0.2, 0.3, 0.4], 1, &mut Default::default()).unwrap()[0]);
    /// assert!((float - whole).abs() < 0.02);
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn quantize(&self, inputs: &[&[f32]], rows: usize, options: &Options) -> Result<QuantizedModel, Error> {
        let context = self.plan.context();
        let quantized = quantize(self.network(), &self.params(), Samples { inputs, rows }, options, context)?;
        let Quantized { network, params, layers, notes, .. } = quantized;
        let model = Model::new(network, &params, self.outputs().to_vec(), context.clone())?;
        let model = model.with_metadata(self.metadata().clone());
        #[cfg(feature = "table")]
        let model = model.with_columns(self.columns().cloned()).with_split(self.split().cloned());
        Ok(QuantizedModel { model, layers, notes })
    }

    /// The model as a program for a device: a list of steps with their constants. With `bytes` raw inputs are bytes from 0 to 255 that stand
    /// for 0 to this number; where that cannot be, and without, they are floats.
    ///
    /// # Errors
    /// [`Error::Export`] naming the layer that has no form for a device; a model of floats has none.
    pub fn program(&self, bytes: Option<f32>) -> Result<Program, Error> {
        Ok(lower(self.plan.network(), &self.params(), bytes)?)
    }

    /// As [`Model::quantize`], with 16-bit activations for the layers that hurt most, one after the other, until `good` says that the
    /// measure of the model will do, or no layer is left. `measure` is asked for each model that is tried, and those are told.
    ///
    /// # Errors
    /// As [`Model::quantize`], and what `measure` says.
    pub fn quantize_until<E: From<Error>>(
        &self,
        inputs: &[&[f32]],
        rows: usize,
        options: &Options,
        mut measure: impl FnMut(&Model) -> Result<f64, E>,
        good: impl Fn(f64) -> bool,
    ) -> Result<(QuantizedModel, Vec<Widening>), E> {
        let mut options = options.clone();
        let mut tried = Vec::new();
        loop {
            let quantized = self.quantize(inputs, rows, &options)?;
            let measured = measure(&quantized.model)?;
            tried.push(Widening { wide: options.wide.clone(), measure: measured });
            // The layer that is furthest from its float form, of those whose activations have 8 bits.
            let left = quantized.layers.iter().filter(|layer| layer.weight_bits.is_some() && layer.output == "i8");
            let worst = left.max_by(|a, b| a.error.total_cmp(&b.error)).map(|layer| layer.own.clone());
            match worst {
                Some(worst) if !good(measured) => options.wide.push(worst),
                _ => return Ok((quantized, tried)),
            }
        }
    }
}
