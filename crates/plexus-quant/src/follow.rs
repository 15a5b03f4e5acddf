//! A network of whole numbers beside a float one in training, which sees its values.

use crate::calibrated::{Calibrated, Followed};
use crate::error::QuantError;
use plexus_kernels::Context;
use plexus_nn::layer::Layout;
use plexus_nn::{CheckedBatch, Overwrite, Params, Plan, PlanOptions, ValueId, View, ViewMut, Workspace};
use std::collections::HashMap;

/// Computes each batch with whole numbers, and writes what they stand for over the values of the float network.
///
/// All later layers then read what the network of whole numbers gives, and so does the loss. The way back is that of floats through
/// these values, as if rounding did nothing (the straight-through estimator), with weights as they were rounded. A value that was cut
/// off at an end of its range stays there: a gradient that would push it further out becomes zero, one that leads back counts.
///
/// # Source
/// Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference" (CVPR), section 3;
/// Bengio et al. 2013 (arXiv 1308.3432) for the estimator.
#[derive(Debug)]
pub struct Follower {
    calibrated: Calibrated,
    plan: Plan,
    workspace: Workspace,
    /// The values of the float network by those of whole numbers.
    values: HashMap<ValueId, ValueId>,
    /// What the last batch gave, by the values of the float network.
    kept: HashMap<ValueId, Kept>,
}

/// A value of the last batch.
#[derive(Debug, Default)]
struct Kept {
    layout: Option<Layout>,
    values: Vec<f32>,
    /// The ends of its range, and half a step: what rounding may do.
    ends: Option<([f32; 2], f32)>,
    /// Numbers that were cut off: at the upper end, or at the lower. In the layout of the float network.
    cut: Vec<(usize, Cut)>,
}

#[derive(Clone, Copy, Debug)]
enum Cut {
    Below,
    Above,
}

impl Follower {
    /// For the present numbers of the float network.
    ///
    /// # Errors
    /// As [`Calibrated::quantize`].
    pub fn new(calibrated: Calibrated, params: &Params, context: Context) -> Result<Self, QuantError> {
        let Followed { network, params, values, .. } = calibrated.quantize(params)?;
        let plan = Plan::with(network, &params, one_by_one(), context);
        let (workspace, kept) = (Workspace::default(), HashMap::new());
        Ok(Follower { calibrated, plan, workspace, values: turned(&values), kept })
    }

    /// Takes other numbers of the float network. `rounded` becomes those numbers with weights as they were rounded.
    ///
    /// # Errors
    /// As [`Calibrated::quantize`]; nothing has changed then.
    pub fn take(&mut self, params: &Params, rounded: &mut Params) -> Result<(), QuantError> {
        let followed = self.calibrated.quantize(params)?;
        // Where scales are powers of two, they are part of the layers, and change with the weights.
        if followed.network.network() == self.plan.network().network() {
            self.plan.reload(&followed.params);
        } else {
            self.plan = Plan::with(followed.network, &followed.params, one_by_one(), self.plan.context().clone());
            self.values = turned(&followed.values);
        }
        *rounded = followed.rounded;
        Ok(())
    }

    /// Computes a batch.
    pub fn run(&mut self, batch: CheckedBatch<'_>) {
        let Follower { plan, workspace, values, kept, .. } = self;
        let mut see = |value: ValueId, view: View<'_>| {
            let Some(was) = values.get(&value) else { return };
            let kept = kept.entry(*was).or_default();
            kept.values.clear();
            kept.values.extend_from_slice(&view.values());
            kept.layout = Some(view.layout);
            kept.ends = view.quant.map(|quant| (quant.range().map(|end| quant.value(end)), quant.scale / 2.0));
        };
        plan.run_observed(batch, workspace, Some(&mut see));
    }

    /// The network of whole numbers, to be run. Its inputs and outputs are those of the float one.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What the ranges were made from.
    pub fn calibrated(&self) -> &Calibrated {
        &self.calibrated
    }
}

fn one_by_one() -> PlanOptions {
    PlanOptions::default().with_one_by_one(true)
}

fn turned(values: &[(ValueId, ValueId)]) -> HashMap<ValueId, ValueId> {
    values.iter().map(|(was, is)| (*is, *was)).collect()
}

impl Overwrite for Follower {
    fn value(&mut self, value: ValueId, mut numbers: ViewMut<'_>) {
        let Some(Kept { layout, values, ends, cut }) = self.kept.get_mut(&value) else { return };
        let layout = layout.unwrap_or(numbers.layout);
        let whole = View::of(numbers.shape, layout, values).in_layout(numbers.layout);
        cut.clear();
        let ([low, high], half) = ends.unwrap_or(([f32::NEG_INFINITY, f32::INFINITY], 0.0));
        for (at, (number, whole)) in numbers.f32().iter_mut().zip(whole.iter()).enumerate() {
            if *whole >= high && *number > high + half {
                cut.push((at, Cut::Above));
            } else if *whole <= low && *number < low - half {
                cut.push((at, Cut::Below));
            }
            *number = *whole;
        }
    }

    fn gradient(&mut self, value: ValueId, mut grad: ViewMut<'_>) {
        let Some(Kept { cut, .. }) = self.kept.get(&value) else { return };
        let grad = grad.f32();
        for (at, cut) in cut {
            // A step goes against the gradient.
            let outwards = match cut {
                Cut::Above => grad[*at] < 0.0,
                Cut::Below => grad[*at] > 0.0,
            };
            if outwards {
                grad[*at] = 0.0;
            }
        }
    }
}
