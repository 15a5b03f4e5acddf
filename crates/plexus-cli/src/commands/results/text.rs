//! Results for people.

use super::{Classes, Results, Rows};
use crate::output::{accuracy, grouped, number, say, share, shown, table};
use plexus_train::evaluate::Answers;
use plexus_train::metrics::{Calibration, ConfusionMatrix, Ranking};

/// By so much another threshold must raise F1 to be worth a word.
const CLEARLY_BETTER: f64 = 0.02;
/// By so much at least a balanced accuracy, or an area under the ROC curve, is above guessing where classes are told
/// apart; and by more than two standard errors, which few rows make large.
const TELLS_APART: f64 = 0.05;

/// What needs no model, beside the score.
pub(crate) struct Baseline {
    /// What it is and what it reaches.
    pub(crate) text: String,
    /// Where the model is no better: what that means and what to try, a sentence a line.
    pub(crate) warning: Vec<String>,
}

impl Results<'_> {
    /// What always giving the same answer reaches on these rows.
    pub(crate) fn baseline(&self) -> Baseline {
        match &self.evaluation.answers {
            Answers::Classes { confusion, .. } => {
                let Some(class) = confusion.most_frequent() else {
                    return Baseline { text: "no rows".to_string(), warning: Vec::new() };
                };
                let (name, reached) = (shown(&self.names()[class]), accuracy(confusion.baseline_accuracy()));
                Baseline {
                    text: format!("accuracy {reached} by always answering \"{name}\", the most frequent class here"),
                    warning: self.class_warning(confusion, &name),
                }
            }
            Answers::Values(metrics) => {
                let name = shown(&self.names().join(", "));
                let reached = metrics.baseline_root_mean_squared_error();
                let warning = if reached == 0.0 {
                    vec![format!("All rows measured have the same {name}: R2 says nothing about this model.")]
                } else if self.is_better_than_baseline() {
                    Vec::new()
                } else {
                    vec![
                        format!("The model is no better than always answering the mean of {name}."),
                        "Try to train longer, another --lr or --network; --loss huber if the target has outliers;"
                            .to_string(),
                        "and ask whether the columns say anything about it (evaluate --importance).".to_string(),
                    ]
                };
                Baseline { text: format!("RMSE {} by always answering the mean, R2 0", number(reached)), warning }
            }
        }
    }

    fn class_warning(&self, confusion: &ConfusionMatrix, most_frequent: &str) -> Vec<String> {
        let occurring = (0..confusion.classes()).filter(|&class| confusion.support(class) > 0).count();
        if occurring == 1 {
            return vec![format!("All rows measured are \"{most_frequent}\": accuracy says little about this model.")];
        }
        if self.is_better_than_baseline() {
            return Vec::new();
        }
        let (balanced, guessing) = (confusion.balanced_accuracy(), 1.0 / occurring as f64);
        // A recall by guessing has at most the variance of a coin: a quarter, divided by the rows of the class.
        let supports = (0..confusion.classes()).map(|class| confusion.support(class)).filter(|support| *support > 0);
        let error = guessing * supports.map(|support| 0.25 / support as f64).sum::<f64>().sqrt();
        if balanced > guessing + TELLS_APART.max(2.0 * error) {
            return vec![
                format!("Always answering \"{most_frequent}\" would be right as often, or more."),
                format!(
                    "The model does tell the classes apart: balanced accuracy {}, by guessing {}.",
                    accuracy(balanced),
                    accuracy(guessing)
                ),
                "Judge it by precision and recall, not by accuracy.".to_string(),
            ];
        }
        let no_better = format!("The model is no better than always answering \"{most_frequent}\".");
        if let (Some((_, ranking)), Some(_)) = (self.two_classes(), self.threshold())
            && let Some(area) = ranking.roc_auc()
            && area > 0.5 + TELLS_APART.max(2.0 * guessing_error(ranking))
        {
            let area = share(area, 4);
            return vec![
                no_better,
                format!("Its probabilities do tell the classes apart (ROC AUC {area}): try evaluate with another"),
                "--threshold, or train with --class-weights balanced.".to_string(),
            ];
        }
        vec![
            no_better,
            "Try to train longer, another --lr or --network; --class-weights balanced if a class is rare;".to_string(),
            "and ask whether the columns tell the classes apart at all (evaluate --importance).".to_string(),
        ]
    }

    /// Whether accuracy, or the root mean squared error, is better than without a model.
    pub(super) fn is_better_than_baseline(&self) -> bool {
        match &self.evaluation.answers {
            Answers::Classes { confusion, .. } => confusion.accuracy() > confusion.baseline_accuracy(),
            Answers::Values(metrics) => metrics.root_mean_squared_error() < metrics.baseline_root_mean_squared_error(),
        }
    }

    /// Prints everything, tables included.
    pub(crate) fn print(&self) {
        if let Some(name) = self.output_name() {
            say!();
            say!("Output {}", shown(name));
        }
        match (&self.evaluation.answers, &self.rows) {
            (Answers::Classes { confusion, top_5 }, Rows::Classes(classes)) => {
                let mut likely = String::new();
                if self.names().len() > 5 {
                    likely = format!(", among the five likeliest {}", accuracy(*top_5 as f64 / self.data.len() as f64));
                }
                say!(
                    "accuracy {} ({} right), balanced accuracy {}, loss {}{likely}",
                    accuracy(confusion.accuracy()),
                    grouped(confusion.correct()),
                    accuracy(confusion.balanced_accuracy()),
                    number(self.evaluation.loss)
                );
                self.print_baseline();
                say!("{}", self.class_table(confusion));
                self.print_probabilities(classes);
            }
            (Answers::Classes { confusion, .. }, Rows::Areas) => {
                say!("{}", self.score_of_areas(confusion));
                self.print_baseline();
                say!("{}", self.area_table(confusion));
            }
            (Answers::Values(metrics), _) => {
                say!(
                    "{}: RMSE {}, MAE {}, R2 {}, loss {}",
                    shown(&self.names().join(", ")),
                    number(metrics.root_mean_squared_error()),
                    number(metrics.mean_absolute_error()),
                    number(metrics.r2()),
                    number(self.evaluation.loss)
                );
                if let Some(interval) = self.interval() {
                    say!("interval: {interval}");
                }
                self.print_baseline();
            }
            _ => unreachable!("the rows were made for the kind of the answers"),
        }
    }

    /// What was right, where there is a class for each pixel.
    pub(crate) fn score_of_areas(&self, confusion: &ConfusionMatrix) -> String {
        format!(
            "mean IoU {}, mean Dice {}, pixel accuracy {} ({} of {} pixels), loss {}",
            accuracy(confusion.mean_iou()),
            accuracy(confusion.mean_dice()),
            accuracy(confusion.accuracy()),
            grouped(confusion.correct()),
            grouped(confusion.total()),
            number(self.evaluation.loss)
        )
    }

    fn area_table(&self, confusion: &ConfusionMatrix) -> comfy_table::Table {
        let mut rows = table(&["class", "IoU", "Dice", "precision", "recall", "pixels"], &[1, 2, 3, 4, 5]);
        for (class, name) in self.names().iter().enumerate() {
            rows.add_row([
                shown(name),
                accuracy(confusion.iou(class)),
                accuracy(confusion.dice(class)),
                accuracy(confusion.precision(class)),
                accuracy(confusion.recall(class)),
                grouped(confusion.support(class)),
            ]);
        }
        let mean = confusion.macro_average();
        let (precision, recall, pixels) = (accuracy(mean.precision), accuracy(mean.recall), grouped(mean.support));
        let (iou, dice) = (accuracy(confusion.mean_iou()), accuracy(confusion.mean_dice()));
        rows.add_row(["mean".to_string(), iou, dice, precision, recall, pixels]);
        rows
    }

    /// How the interval between the outer quantiles fares, where the model gives quantiles.
    pub(crate) fn interval(&self) -> Option<String> {
        let interval = self.evaluation.interval?;
        Some(format!(
            "{} of the targets lie between the quantiles {} and {} (wanted {}); mean width {}",
            accuracy(interval.inside as f64 / self.data.len() as f64),
            interval.low,
            interval.high,
            accuracy(f64::from(interval.high) - f64::from(interval.low)),
            number(interval.width)
        ))
    }

    fn print_baseline(&self) {
        let Baseline { text, warning } = self.baseline();
        say!("baseline: {text}");
        for (index, sentence) in warning.iter().enumerate() {
            say!("{}{sentence}", if index == 0 { "warning:  " } else { "          " });
        }
    }

    fn class_table(&self, confusion: &ConfusionMatrix) -> comfy_table::Table {
        let mut rows = table(&["class", "precision", "recall", "F1", "rows", "most often taken for"], &[1, 2, 3, 4]);
        let names = self.names();
        for (class, name) in names.iter().enumerate() {
            let score = confusion.class_score(class);
            let mistakes =
                confusion.row(class).iter().enumerate().filter(|(other, count)| *other != class && **count > 0);
            let most = mistakes.max_by_key(|(other, count)| (**count, usize::MAX - other));
            rows.add_row([
                shown(name),
                accuracy(score.precision),
                accuracy(score.recall),
                accuracy(score.f1),
                grouped(score.support),
                most.map_or(String::new(), |(other, count)| format!("{} ({count})", shown(&names[other]))),
            ]);
        }
        let mean = confusion.macro_average();
        let (precision, recall, f1) = (accuracy(mean.precision), accuracy(mean.recall), accuracy(mean.f1));
        rows.add_row(["mean".to_string(), precision, recall, f1, grouped(mean.support), String::new()]);
        rows
    }

    fn print_probabilities(&self, classes: &Classes) {
        let area = |value: Option<f64>| value.map_or("not defined".to_string(), |value| share(value, 4));
        match self.two_classes() {
            Some((positive, ranking)) => {
                let positive = &shown(positive);
                say!(
                    "positive class: \"{positive}\" (the last); ROC AUC {}, average precision {}",
                    area(ranking.roc_auc()),
                    area(ranking.average_precision())
                );
                // Scores of a model without probabilities have no thresholds in 0..=1.
                if classes.calibration.is_some() {
                    say!("{}", threshold_table(positive, ranking, self.threshold()));
                    if let Some(hint) = self.threshold_hint(positive, ranking) {
                        say!("{hint}");
                    }
                }
            }
            None if classes.macro_roc_auc.is_some() => {
                say!("ROC AUC of each class against the others, mean: {}", area(classes.macro_roc_auc));
            }
            None => {}
        }
        if let Some((calibration, brier)) = &classes.calibration {
            say!("calibration error {}, Brier score {brier:.4}", area(calibration.expected_error()));
            say!("{}", calibration_table(self.two_classes().map(|two| shown(two.0)), calibration));
        }
    }

    /// Another threshold, where it is clearly better than the one in use.
    fn threshold_hint(&self, positive: &str, ranking: &Ranking) -> Option<String> {
        let used = self.threshold()?;
        let (best, now) = (ranking.best_f1()?, ranking.f1(&ranking.at(used)));
        let f1 = ranking.f1(&best);
        (f1 >= now + CLEARLY_BETTER).then(|| {
            format!(
                "hint: --threshold {} has the best F1 of \"{positive}\": {} instead of {}.\n      It was chosen on \
                 these very rows, so expect less on others.",
                best.threshold,
                accuracy(f1),
                accuracy(now)
            )
        })
    }
}

/// The standard error of the area under the ROC curve of scores that say nothing: that of the statistic of Mann and
/// Whitney, without ties.
fn guessing_error(ranking: &Ranking) -> f64 {
    let (positives, negatives) = (ranking.positives() as f64, ranking.negatives() as f64);
    ((positives + negatives + 1.0) / (12.0 * positives * negatives)).sqrt()
}

/// What is right when the positive class is answered from some probability on.
fn threshold_table(positive: &str, ranking: &Ranking, used: Option<f64>) -> comfy_table::Table {
    let answered = format!("answered \"{positive}\"");
    let header = ["threshold", &answered, "precision", "recall", "F1", "false positive rate"];
    let mut rows = table(&header, &[0, 1, 2, 3, 4, 5]);
    let mut thresholds: Vec<f64> = (1..=9).map(|tenth| f64::from(tenth) / 10.0).collect();
    thresholds.extend(used.filter(|used| !thresholds.contains(used)));
    thresholds.sort_by(f64::total_cmp);
    for threshold in thresholds {
        let at = ranking.at(threshold);
        rows.add_row([
            if used == Some(threshold) { format!("in use: {threshold}") } else { threshold.to_string() },
            grouped(at.true_positives + at.false_positives),
            accuracy(at.precision()),
            accuracy(ranking.recall(&at)),
            accuracy(ranking.f1(&at)),
            accuracy(ranking.false_positive_rate(&at)),
        ]);
    }
    rows
}

/// For ranges of the probability: what was said and what was so.
fn calibration_table(positive: Option<String>, calibration: &Calibration) -> comfy_table::Table {
    let (said, was) = match positive {
        Some(name) => (format!("probability of \"{name}\""), format!("share that is \"{name}\"")),
        None => ("probability of the answer".to_string(), "share that is right".to_string()),
    };
    let mut rows = table(&[&said, "rows", "mean probability", &was], &[0, 1, 2, 3]);
    for bin in calibration.bins() {
        rows.add_row([
            format!("{:.1} to {:.1}", bin.from, bin.to),
            grouped(bin.rows),
            accuracy(bin.predicted),
            accuracy(bin.observed),
        ]);
    }
    rows
}
