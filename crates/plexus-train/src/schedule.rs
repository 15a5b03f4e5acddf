//! Learning-rate schedules: how large the steps are as training goes on.

use serde::{Deserialize, Serialize};

/// How the learning rate changes. Each is a row of [`SCHEDULES`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Schedule {
    /// Always the same.
    Constant,
    /// Multiplied by `factor` every `every` epochs.
    Step {
        /// Epochs between two changes.
        every: u64,
        /// What the rate is multiplied with.
        factor: f64,
    },
    /// Half a cosine from the full rate to zero over all steps:
    /// `rate · (1 + cos(π · step / steps)) / 2`.
    Cosine,
    /// Up from `rate / 25` over the first 30 % of all steps and down to `rate / 250000`, both along a cosine.
    ///
    /// Source: Smith and Topin 2017 (arXiv 1708.07120), with the constants of PyTorch's `OneCycleLR`.
    OneCycle,
    /// Multiplied by `factor` when the watched number has not improved for `patience` epochs.
    ReduceOnPlateau {
        /// What the rate is multiplied with.
        factor: f64,
        /// Epochs without improvement that are forgiven.
        patience: u64,
    },
}

/// The schedules, with what each does.
pub const SCHEDULES: &[(&str, &str)] = &[
    ("constant", "always the same"),
    ("step", "times 0.1 after every third of the epochs"),
    ("cosine", "half a cosine from the full rate to zero"),
    ("one_cycle", "up for 30 % of the steps, then down to almost zero"),
    ("reduce_on_plateau", "times 0.5 after more than 3 epochs without improvement"),
];

impl Schedule {
    /// The schedule with this name, its constants at the defaults of the table.
    pub fn named(name: &str, epochs: u64) -> Option<Schedule> {
        Some(match name {
            "constant" => Schedule::Constant,
            "step" => Schedule::Step { every: epochs.div_ceil(3).max(1), factor: 0.1 },
            "cosine" => Schedule::Cosine,
            "one_cycle" => Schedule::OneCycle,
            "reduce_on_plateau" => Schedule::ReduceOnPlateau { factor: 0.5, patience: 3 },
            _ => return None,
        })
    }

    /// The name in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Schedule::Constant => "constant",
            Schedule::Step { .. } => "step",
            Schedule::Cosine => "cosine",
            Schedule::OneCycle => "one_cycle",
            Schedule::ReduceOnPlateau { .. } => "reduce_on_plateau",
        }
    }

    /// What the base learning rate is multiplied with at a step.
    ///
    /// A warm-up of `moment.warmup_steps` multiplies everything by `(step + 1) / warmup_steps` until it is over.
    pub fn factor(&self, moment: &Moment) -> f64 {
        let Moment { step, steps, warmup_steps, epoch, reductions } = *moment;
        let progress = if steps == 0 { 1.0 } else { (step as f64 / steps as f64).min(1.0) };
        let factor = match *self {
            Schedule::Constant => 1.0,
            Schedule::Step { every, factor } => factor.powi((epoch / every.max(1)).min(i32::MAX as u64) as i32),
            Schedule::Cosine => cosine(1.0, 0.0, progress),
            Schedule::OneCycle => {
                let (start, end, up) = (1.0 / 25.0, 1.0 / 25.0 / 1e4, 0.3);
                // As PyTorch: the first step has the lowest rate, the last step the final one.
                let last = (steps.max(2) - 1) as f64;
                let (peak, step) = ((up * steps as f64 - 1.0).max(1.0), step as f64);
                if step <= peak {
                    cosine(start, 1.0, step / peak)
                } else {
                    cosine(1.0, end, ((step - peak) / (last - peak).max(1.0)).min(1.0))
                }
            }
            Schedule::ReduceOnPlateau { factor, .. } => factor.powi(reductions.min(i32::MAX as u64) as i32),
        };
        if step < warmup_steps { factor * (step + 1) as f64 / warmup_steps as f64 } else { factor }
    }
}

/// From `from` at 0 to `to` at 1 along half a cosine.
fn cosine(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0
}

/// Where a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Updates done.
    pub step: u64,
    /// Updates of the whole run.
    pub steps: u64,
    /// Updates over which the rate climbs from zero.
    pub warmup_steps: u64,
    /// Epochs finished.
    pub epoch: u64,
    /// How often the rate was reduced for want of progress.
    pub reductions: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(schedule: Schedule, steps: u64, warmup_steps: u64) -> Vec<f64> {
        (0..steps).map(|step| schedule.factor(&Moment { step, steps, warmup_steps, ..Moment::default() })).collect()
    }

    #[test]
    fn cosine_falls_from_one_towards_zero() {
        let factors = factors(Schedule::Cosine, 10, 0);
        assert_eq!(factors[0], 1.0);
        assert!((factors[5] - 0.5).abs() < 1e-12);
        assert!(factors.windows(2).all(|pair| pair[1] < pair[0]));
    }

    #[test]
    fn one_cycle_has_the_rates_of_pytorch() {
        // torch.optim.lr_scheduler.OneCycleLR(SGD(lr=1), max_lr=1.0, total_steps=10), torch 2.15
        let want = [
            0.040000000000000036,
            0.52,
            1.0,
            0.9504846320134737,
            0.8117456539497631,
            0.6112620219362892,
            0.38874197806371076,
            0.18825834605023694,
            0.049519367986526265,
            4e-06,
        ];
        for (got, want) in factors(Schedule::OneCycle, 10, 0).iter().zip(want) {
            assert!((got - want).abs() < 1e-9, "{got} {want}");
        }
    }

    #[test]
    fn warm_up_climbs_in_equal_steps() {
        assert_eq!(factors(Schedule::Constant, 6, 4), [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn step_and_plateau_multiply() {
        let step = Schedule::Step { every: 3, factor: 0.1 };
        assert!((step.factor(&Moment { epoch: 7, ..Moment::default() }) - 0.01).abs() < 1e-12);
        let plateau = Schedule::ReduceOnPlateau { factor: 0.5, patience: 3 };
        assert_eq!(plateau.factor(&Moment { reductions: 2, ..Moment::default() }), 0.25);
    }

    #[test]
    fn every_row_of_the_table_has_a_schedule_with_its_name() {
        for (name, _) in SCHEDULES {
            assert_eq!(Schedule::named(name, 9).map(|schedule| schedule.name()), Some(*name));
        }
    }
}
