//! Models in another form.

use crate::error::Error;
use crate::model::Model;
use plexus_kernels::threads::flush_denormals;
use plexus_nn::Workspace;
use plexus_nn::convert::{Change, Conversion, ConvertOptions, Converted, convert};

/// A model in its new form, and what became of which layer.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConvertedModel {
    /// The model. It has the names, the metadata and the columns of the old one.
    pub model: Model,
    /// Each layer that is another now, that is new, or that is gone.
    pub changes: Vec<Change>,
    /// What else there is to say, a sentence each.
    pub notes: Vec<String>,
}

/// How far apart the outputs of two models are for the same inputs.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Apart {
    /// The largest difference of two numbers.
    pub difference: f32,
    /// The largest number among the outputs of the first model.
    pub largest: f32,
}

impl Model {
    /// The same model with its network in another form: see [`convert`](crate::convert).
    ///
    /// # Errors
    /// [`Error::Convert`] where a layer that is named cannot be converted, or none can, or the new network would be too large.
    ///
    /// # Examples
    /// A classifier that slides over larger pictures:
    /// ```
    /// use plexus::convert::{Conversion, ConvertOptions, KernelForm};
    /// # use plexus::{Context, Model, Network, Params, Task, layers::{conv2d, flatten, linear, relu}};
    /// # let network = Network::chain([1, 8, 8], [conv2d(4, 3), relu(), flatten(), linear(2)]).check()?;
    /// # let params = Params::initialize(&network, 1);
    /// # let task = Task::Classification { classes: vec!["no".into(), "yes".into()] };
    /// # let model = Model::new(network, &params, task, Context::single())?;
    /// let sliding = model.convert(Conversion::FcToConv(KernelForm::Map), &ConvertOptions::default())?.model;
    /// let map = sliding.class_map(&[0.5; 10 * 12], [10, 12])?;
    /// assert_eq!((map.size, map.classes.len()), ([3, 5], 15));
    /// # Ok::<(), plexus::Error>(())
    /// ```
    pub fn convert(&self, conversion: Conversion, options: &ConvertOptions) -> Result<ConvertedModel, Error> {
        let converted = convert(self.network(), &self.params(), conversion, options)?;
        let Converted { network, params, changes, notes, .. } = converted;
        let model = Model::new(network, &params, self.outputs().to_vec(), self.plan.context().clone())?;
        let model = model.with_metadata(self.metadata().clone());
        #[cfg(feature = "table")]
        let model = model.with_columns(self.columns().cloned()).with_split(self.split().cloned());
        Ok(ConvertedModel { model, changes, notes })
    }

    /// How far the outputs of another model are from those of this one, for some rows of all inputs. Numbers of outputs are
    /// compared in their order, whatever axes they have; scores, not probabilities.
    ///
    /// # Errors
    /// [`Error::Shape`] where the inputs do not fit one of them, [`Error::Mismatch`] where their outputs have other numbers.
    pub fn apart(&self, other: &Model, inputs: &[&[f32]], rows: usize) -> Result<Apart, Error> {
        let outputs = |model: &Model| -> Result<Vec<f32>, Error> {
            let (batch, mut workspace) = (model.network().batches(inputs, rows)?, Workspace::default());
            flush_denormals(|| _ = model.plan.run(batch, &mut workspace));
            let count = model.network().outputs().len();
            Ok((0..count).flat_map(|index| model.plan.output(&workspace, index)).copied().collect())
        };
        let (ours, theirs) = (outputs(self)?, outputs(other)?);
        if ours.len() != theirs.len() {
            return Err(Error::Mismatch {
                what: "the numbers of the outputs",
                model: format!("{} for {rows} rows", ours.len()),
                data: format!("{}", theirs.len()),
                help: "Compare models that answer alike.".to_string(),
            });
        }
        let pairs = || ours.iter().zip(&theirs);
        // A NaN in one of the two is as far apart as can be.
        let far = |(a, b): (&f32, &f32)| if a == b || a.is_nan() && b.is_nan() { 0.0 } else { (a - b).abs() };
        let most = |most: f32, far: f32| if far.is_nan() { f32::INFINITY } else { most.max(far) };
        let largest = ours.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        Ok(Apart { difference: pairs().map(far).fold(0.0, most), largest })
    }
}

#[cfg(all(test, feature = "train"))]
mod tests {
    use super::*;
    use crate::{Context, Task};
    use plexus_nn::convert::KernelForm;
    use plexus_nn::layers::{conv2d, flatten, linear, relu};
    use plexus_nn::{Network, Params};
    use std::collections::BTreeMap;

    fn model() -> Model {
        let network = Network::chain([1, 6, 5], [conv2d(3, 3), relu(), flatten(), linear(2)]).check().unwrap();
        let params = Params::initialize(&network, 1);
        let task = Task::Classification { classes: vec!["no".to_string(), "yes".to_string()] };
        let metadata = BTreeMap::from([("author".to_string(), "me".to_string())]);
        Model::new(network, &params, task, Context::single()).unwrap().with_metadata(metadata)
    }

    #[test]
    fn a_model_keeps_its_names_and_its_answers() {
        let model = model();
        let converted = model.convert(Conversion::FcToConv(KernelForm::Map), &ConvertOptions::default()).unwrap();
        assert_eq!((converted.model.task(), converted.model.metadata()), (model.task(), model.metadata()));
        assert_eq!(converted.changes.len(), 2);
        let input: Vec<f32> = (0..90).map(|at| (at as f32 * 0.7).sin()).collect();
        let apart = model.apart(&converted.model, &[&input], 3).unwrap();
        assert!(apart.difference <= 1e-6 && apart.largest > 0.01, "{apart:?}");
        let bytes = converted.model.to_bytes().unwrap();
        let opened = Model::from_bytes(&bytes, Context::single()).unwrap();
        assert_eq!(opened.apart(&converted.model, &[&input], 3).unwrap().difference, 0.0);
    }

    #[test]
    fn models_of_other_numbers_are_not_compared() {
        let other = Network::chain([1, 6, 5], [flatten(), linear(3)]).check().unwrap();
        let task = Task::Regression { outputs: ["a", "b", "c"].map(String::from).to_vec() };
        let other = Model::new(other.clone(), &Params::zeros(&other), task, Context::single()).unwrap();
        let error = model().apart(&other, &[&[0.0; 30]], 1).unwrap_err().to_string();
        assert!(error.contains("the model has 2 for 1 rows"), "{error}");
    }
}
