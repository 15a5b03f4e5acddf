//! A network beside the one that is trained, with arithmetic of its own, that training sees in its place.

use crate::data::{Batch, GatherError, Loader};
use crate::trainer::Trainer;
use plexus_kernels::threads::Pool;
use plexus_nn::{CheckedBatch, Overwrite, Params, Plan, TrainOptions, TrainPlan, Workspace};
use std::fmt;

/// A network with arithmetic of its own that follows the one that is trained: one of whole numbers, say.
///
/// Before each update it takes the numbers of the trained network. Of each batch it computes its own values, and
/// [writes](Overwrite) them over those of the forward pass: losses are taken of its outputs, and gradients go back through its values.
/// Measurements are of its plan.
pub trait Twin: Overwrite + fmt::Debug + Send + Sync {
    /// Takes the numbers of the trained network. `seen` become those that its layers compute with, on both ways.
    ///
    /// # Errors
    /// [`TwinError`] where they cannot be taken.
    fn take(&mut self, params: &Params, seen: &mut Params) -> Result<(), TwinError>;

    /// Computes a batch, before [`Overwrite::value`] is asked.
    fn run(&mut self, batch: CheckedBatch<'_>);

    /// Itself, to predict with: of the same inputs and outputs as the trained network.
    fn plan(&self) -> &Plan;
}

/// The numbers of the trained network cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct TwinError {
    /// A sentence.
    pub why: String,
}

/// A twin, and what it is run with.
#[derive(Debug)]
pub(crate) struct Beside {
    pub twin: Box<dyn Twin>,
    /// What the layers of the trained network compute with.
    pub seen: Params,
    /// For measurements.
    pub workspace: Workspace,
}

impl Beside {
    pub fn take(&mut self, params: &Params) -> Result<(), TwinError> {
        self.twin.take(params, &mut self.seen)
    }
}

impl Trainer {
    /// From now on training sees the values of a twin, and measures it.
    ///
    /// Layers behave as in a prediction then: running statistics stay as they are, and nothing is dropped. What was the best so far is
    /// forgotten, for it was another network's, and patience begins anew; a run that was out of it goes on. Where the run comes from a
    /// checkpoint that had a twin, this one takes its place and nothing is forgotten.
    ///
    /// # Errors
    /// [`TwinError`] where it cannot take the present numbers; nothing has changed then.
    pub fn set_twin(&mut self, twin: Box<dyn Twin>) -> Result<(), TwinError> {
        let mut beside = Beside { twin, seen: self.params.clone(), workspace: Workspace::default() };
        beside.take(&self.params)?;
        let options = TrainOptions::default().with_one_by_one(true).with_settled(true);
        self.plan = TrainPlan::with(self.network().clone(), options, self.context.clone());
        self.beside = Some(beside);
        if self.progress.twin_from.is_none() {
            let progress = &mut self.progress;
            progress.twin_from = Some(progress.epoch);
            (progress.best_epoch, progress.stale_epochs, progress.plateau_epochs) = (0, 0, 0);
            progress.finished = progress.epoch >= self.settings.epochs;
            self.best = None;
        }
        Ok(())
    }
}

impl Loader {
    /// What each input of the network reads in some rows, as they are in their source: one row after the other.
    ///
    /// # Errors
    /// [`GatherError`] where a row cannot be had.
    pub fn inputs(&self, rows: &[u64], pool: &Pool) -> Result<Vec<Vec<f32>>, GatherError> {
        let (mut batch, widths) = (Batch::default(), self.fit().widths());
        batch.resize(widths, rows.len());
        self.source().gather(rows, &mut batch, pool)?;
        Ok((0..widths.inputs.len()).map(|input| batch.input(input).to_vec()).collect())
    }
}
