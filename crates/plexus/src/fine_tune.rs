//! Training that ends with whole numbers.

use crate::error::Error;
use plexus_kernels::Context;
use plexus_nn::{CheckedBatch, Overwrite, Params, Plan, ValueId, ViewMut};
use plexus_quant::{Calibrated, Follower, Options, QuantError, Samples, Scheme, Statistics};
use plexus_train::data::{Loader, Rows};
use plexus_train::trainer::Trainer;
use plexus_train::twin::{Twin, TwinError};
use serde::{Deserialize, Serialize};

/// Whole numbers that a run ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WholeNumbers {
    /// Which.
    pub scheme: Scheme,
    /// Epochs with floats before; a run that is out of patience goes over earlier. `None`, before a run begins, for two thirds of the
    /// epochs, or for none where training goes on from a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub float_epochs: Option<u64>,
}

impl WholeNumbers {
    /// The most rows that ranges are measured on. They stay to the end of the run, so that it pays to see more than a few: what lies
    /// outside of them is cut off for good.
    pub const ROWS: u64 = 1000;
    /// Fewer where these would take more bytes than this: 64 MiB.
    const BYTES: usize = 64 << 20;

    /// With the number of epochs, where it was not said.
    pub(crate) fn settled(self, epochs: u64, from_model: bool) -> Result<Self, Error> {
        let usual = if from_model { 0 } else { epochs - epochs.div_ceil(3) };
        let whole = WholeNumbers { float_epochs: Some(self.float_epochs.unwrap_or(usual)), ..self };
        whole.check(epochs)?;
        let refuse = |name, got: String, expected: &str| {
            Err(Error::Setting { name, got, expected: expected.to_string(), remedy: None })
        };
        match whole.floats() {
            0 if !from_model && self.float_epochs.is_some() => refuse(
                "float_epochs",
                "0".to_string(),
                "at least 1 where training starts from first values: ranges are those of a network that has learnt",
            ),
            0 if !from_model => refuse(
                "epochs",
                epochs.to_string(),
                "at least 2 where a run ends with whole numbers: ranges are those of a network that has learnt",
            ),
            _ => Ok(whole),
        }
    }

    /// Refuses a run that would end before it comes to whole numbers.
    pub(crate) fn check(self, epochs: u64) -> Result<(), Error> {
        if self.floats() < epochs {
            return Ok(());
        }
        let expected = format!("less than the {epochs} epochs of the run: the others are with whole numbers");
        Err(Error::Setting { name: "float_epochs", got: self.floats().to_string(), expected, remedy: None })
    }

    /// Epochs with floats.
    pub(crate) fn floats(self) -> u64 {
        self.float_epochs.unwrap_or(0)
    }

    /// The usual options, but that biases learn what rounding does to the means.
    fn options(self) -> Options {
        let mut options = Options::new(self.scheme);
        options.correct_bias = false;
        options
    }

    /// How many rows ranges are measured on.
    pub(crate) fn rows(loader: &Loader) -> u64 {
        let numbers: usize = loader.source().inputs().iter().filter_map(|shape| shape.len()).sum();
        let fit = WholeNumbers::BYTES / (numbers * size_of::<f32>()).max(1);
        WholeNumbers::ROWS.min(fit as u64).max(100).min(loader.rows().len())
    }

    /// Measures the ranges of a network in training.
    pub(crate) fn calibrated(self, trainer: &Trainer, loader: &Loader, context: &Context) -> Result<Calibrated, Error> {
        let rows = spread(loader.rows(), WholeNumbers::rows(loader));
        let inputs = loader.inputs(&rows, context.pool())?;
        let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
        let samples = Samples { inputs: &inputs, rows: rows.len() };
        Ok(Calibrated::new(trainer.network().clone(), trainer.params(), samples, self.options(), context)?)
    }

    /// The same with ranges that were kept.
    pub(crate) fn kept(self, trainer: &Trainer, statistics: Statistics) -> Result<Calibrated, Error> {
        Ok(Calibrated::with_statistics(trainer.network().clone(), trainer.params(), statistics, self.options())?)
    }
}

/// From now on the trainer sees whole numbers.
pub(crate) fn begin(trainer: &mut Trainer, calibrated: Calibrated, context: &Context) -> Result<(), Error> {
    let follower = Follower::new(calibrated, trainer.params(), context.clone())?;
    Ok(trainer.set_twin(Box::new(Whole(follower)))?)
}

/// Rows spread evenly over those that are learnt from.
fn spread(rows: &Rows, count: u64) -> Vec<u64> {
    (0..count).filter_map(|at| rows.get((u128::from(at) * u128::from(rows.len()) / u128::from(count)) as u64)).collect()
}

/// A network of whole numbers as the twin of the one that is trained.
#[derive(Debug)]
struct Whole(Follower);

impl Twin for Whole {
    fn take(&mut self, params: &Params, seen: &mut Params) -> Result<(), TwinError> {
        self.0.take(params, seen).map_err(|error: QuantError| TwinError { why: error.to_string() })
    }

    fn run(&mut self, batch: CheckedBatch<'_>) {
        self.0.run(batch);
    }

    fn plan(&self) -> &Plan {
        self.0.plan()
    }
}

impl Overwrite for Whole {
    fn value(&mut self, value: ValueId, numbers: ViewMut<'_>) {
        self.0.value(value, numbers);
    }

    fn gradient(&mut self, value: ValueId, grad: ViewMut<'_>) {
        self.0.gradient(value, grad);
    }
}
