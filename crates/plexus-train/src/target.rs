//! The scale of a target that is a number: learnt in units of its own spread, answered in its own unit.
//!
//! ```text
//! standard:  z = (t − mean) / spread            t = z · spread + mean
//! log:       z = (ln t − mean) / spread         t = e^(z · spread + mean)
//! ```
//!
//! `mean` and `spread` (the standard deviation) are those of the rows that are learnt from, of `t` or of `ln t`. Losses are
//! taken on `z`, so that one learning rate suits prices in millions and shares below one; errors are told in the unit of
//! `t`. The way back is a layer of the model.

use crate::data::Targets;
use serde::{Deserialize, Serialize};

/// What a user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleKind {
    /// The target as it is.
    #[default]
    None,
    /// Mean 0 and standard deviation 1.
    Standard,
    /// The same for the natural logarithm: for targets above zero that differ by factors, such as prices.
    Log,
}

/// A scale with its two constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetScale {
    /// Which.
    pub kind: ScaleKind,
    /// The mean of the target, or of its logarithm.
    pub mean: f32,
    /// Its standard deviation; 1 where that is zero.
    pub spread: f32,
}

impl Default for TargetScale {
    fn default() -> Self {
        TargetScale { kind: ScaleKind::None, mean: 0.0, spread: 1.0 }
    }
}

impl TargetScale {
    /// Fits a scale to numbers.
    ///
    /// # Errors
    /// The first number that has no logarithm, where that is asked for.
    pub fn fit(kind: ScaleKind, values: &[f32]) -> Result<TargetScale, f32> {
        if kind == ScaleKind::None || values.is_empty() {
            return Ok(TargetScale::default());
        }
        if let (ScaleKind::Log, Some(bad)) = (kind, values.iter().find(|value| **value <= 0.0)) {
            return Err(*bad);
        }
        let scaled = |value: &f32| if kind == ScaleKind::Log { f64::from(*value).ln() } else { f64::from(*value) };
        let (chosen, count) = (|| values.iter().map(scaled), values.len() as f64);
        let mean = chosen().sum::<f64>() / count;
        let spread = ((chosen().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()) as f32;
        let usable = spread.is_normal() && (1.0 / spread).is_finite();
        Ok(TargetScale { kind, mean: mean as f32, spread: if usable { spread } else { 1.0 } })
    }

    /// Whether it changes nothing.
    pub fn is_none(&self) -> bool {
        self.kind == ScaleKind::None
    }

    /// From the unit of the target to the scale that is learnt.
    pub fn apply(&self, values: &mut [f32]) {
        let TargetScale { kind, mean, spread } = *self;
        for value in values.iter_mut().filter(|_| kind != ScaleKind::None) {
            let target = f64::from(*value);
            let target = if kind == ScaleKind::Log { target.ln() } else { target };
            *value = ((target - f64::from(mean)) / f64::from(spread)) as f32;
        }
    }

    /// From the scale that is learnt to the unit of the target.
    pub fn invert(&self, value: f32) -> f32 {
        let plain = || f64::from(value) * f64::from(self.spread) + f64::from(self.mean);
        match self.kind {
            ScaleKind::None => value,
            ScaleKind::Standard => plain() as f32,
            ScaleKind::Log => plain().exp() as f32,
        }
    }

    /// The constants of the layer `standardize` that leads back: `output = (input − mean) · scale`.
    pub fn inverse_layer(&self) -> (f32, f32) {
        ((-f64::from(self.mean) / f64::from(self.spread)) as f32, self.spread)
    }
}

/// The skewness of the targets: how much further they reach above their mean than below; about 0 for a bell, above 1 for
/// most prices and incomes. `None` where it cannot be said.
pub fn skewness(targets: &Targets) -> Option<f64> {
    let Targets::Values { values, .. } = targets else { return None };
    let count = values.len() as f64;
    let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
    let moment = |power: i32| values.iter().map(|value| (f64::from(*value) - mean).powi(power)).sum::<f64>() / count;
    let skewness = moment(3) / moment(2).powf(1.5);
    (values.len() > 2 && skewness.is_finite()).then_some(skewness)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[f32]) -> Targets {
        Targets::values(vec!["y".into()], values.to_vec())
    }

    #[test]
    fn scales_lead_there_and_back() {
        for kind in [ScaleKind::None, ScaleKind::Standard, ScaleKind::Log] {
            let scale = TargetScale::fit(kind, &[100.0, 200.0, 400.0]).expect("all are above zero");
            let mut values = [100.0f32, 200.0, 400.0, 9.0];
            scale.apply(&mut values);
            if kind != ScaleKind::None {
                let (sum, squares) = values[..3].iter().fold((0.0, 0.0), |(s, q), v| (s + v, q + v * v));
                assert!(sum.abs() < 1e-6 && (squares - 3.0).abs() < 1e-5, "{values:?}");
            }
            let (mean, factor) = scale.inverse_layer();
            for (value, want) in values.iter().zip([100.0f32, 200.0, 400.0, 9.0]) {
                assert!((scale.invert(*value) / want - 1.0).abs() < 1e-6);
                let by_layer = (value - mean) * factor;
                let by_layer = if kind == ScaleKind::Log { by_layer.exp() } else { by_layer };
                assert!((by_layer / want - 1.0).abs() < 1e-5, "{by_layer} {want}");
            }
        }
    }

    #[test]
    fn odd_targets_keep_a_usable_scale() {
        let scale = TargetScale::fit(ScaleKind::Standard, &[7.0; 3]).expect("any number will do");
        assert_eq!((scale.mean, scale.spread), (7.0, 1.0));
        assert_eq!(TargetScale::fit(ScaleKind::Log, &[1.0, 2.0, -3.0]), Err(-3.0));
        assert_eq!(TargetScale::fit(ScaleKind::Log, &[0.0]), Err(0.0));
    }

    #[test]
    fn skewness_is_that_of_the_textbook() {
        assert!(skewness(&numbers(&[1.0, 2.0, 3.0])).expect("it can be said").abs() < 1e-12);
        // scipy.stats.skew([1, 1, 1, 10]) is 1.1547005383792515
        let skew = skewness(&numbers(&[1.0, 1.0, 1.0, 10.0])).expect("it can be said");
        assert!((skew - 1.154_700_538_379_251_5).abs() < 1e-12, "{skew}");
        assert_eq!(skewness(&numbers(&[1.0, 1.0, 1.0])), None);
    }
}
