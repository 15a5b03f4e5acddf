//! Results as pictures.

use super::{Results, Rows, of_one};
use crate::Failure;
use crate::commands::{counts, save_picture};
use crate::pictures::Theme;
use crate::pictures::calibration::calibration;
use crate::pictures::confusion::confusion_matrix;
use crate::pictures::ranking::{precision_recall, roc};
use crate::pictures::regression::Predictions;
use plexus_train::data::Targets;
use plexus_train::evaluate::Answers;
use std::path::Path;

impl Results<'_> {
    /// Writes every picture that these results have into a folder; returns their names.
    ///
    /// For classes the confusion matrix, for two classes also ROC and precision-recall curve, and calibration where the
    /// model gives probabilities; for numbers predictions and residuals.
    pub(crate) fn save_pictures(&self, folder: &Path, theme: Theme) -> Result<Vec<String>, Failure> {
        let title = self.title();
        let mut saved = Vec::new();
        let mut save = |name: &str, picture| {
            let name = self.output_name().map_or(name.to_string(), |output| format!("{}-{name}", file_name(output)));
            save_picture(folder, &name, &picture, theme)?;
            saved.push(name);
            Ok::<(), Failure>(())
        };
        match (&self.evaluation.answers, &self.rows) {
            (Answers::Classes { confusion, .. }, Rows::Classes(classes)) => {
                save("confusion-matrix", confusion_matrix(&title, self.names(), &counts(confusion)))?;
                let two = self.two_classes();
                if let Some((positive, ranking)) = two {
                    save("roc", roc(&title, positive, ranking, self.threshold()))?;
                    save("precision-recall", precision_recall(&title, positive, ranking, self.threshold()))?;
                }
                if let Some((found, brier)) = &classes.calibration {
                    let positive = two.map(|(positive, _)| positive);
                    save("calibration", calibration(&title, positive, found, *brier))?;
                }
            }
            (Answers::Classes { confusion, .. }, Rows::Areas) => {
                save("confusion-matrix", confusion_matrix(&title, self.names(), &counts(confusion)))?;
            }
            (Answers::Values(_), Rows::Values(predicted)) => {
                let Targets::Values { names, values, .. } = self.targets() else {
                    unreachable!("numbers are measured against numbers");
                };
                let first = names.first().map_or("target", String::as_str);
                let positions = self.model.positions(self.output).iter().product();
                let truth = of_one((0, names.len()), positions, values);
                let predictions = Predictions::new(&title, first, truth.zip(predicted.iter().copied()));
                save("predictions", predictions.against_truth())?;
                save("residuals", predictions.residuals())?;
            }
            _ => unreachable!("the rows were made for the kind of the answers"),
        }
        Ok(saved)
    }

    /// The data set and the part of it.
    pub(super) fn title(&self) -> String {
        match self.output_name() {
            Some(output) => format!("{}, {}, {output}", self.data.name(), self.part),
            None => format!("{}, {}", self.data.name(), self.part),
        }
    }
}

/// A name that every file system takes.
fn file_name(output: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    output.chars().map(plain).take(60).collect()
}
