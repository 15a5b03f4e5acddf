//! Which rows a model learnt from and which were held out: written into the model, so that no later measurement mixes
//! them up.

use crate::error::Error;
use crate::model::Model;
use plexus_train::data::{self, DataOptions, DataSource, Dataset, Fold, MissingTarget};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How the data of a model was split when it was trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// The data as the user named it.
    pub data: String,
    /// Rows that the weights were fitted to.
    pub train_rows: usize,
    /// Rows that chose the best weights.
    pub validation_rows: usize,
    /// Rows held out.
    pub test_rows: usize,
    /// Of a table: tells the file from others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// Of a table: the share held out.
    pub test_fraction: f64,
    /// Of a table: the seed that chose the rows.
    pub split_seed: u64,
    /// Of a table: the piece of a cross-validation that was held out instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// Of a table: the file that was tested on instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_data: Option<String>,
    /// Of a table: the file that chose the best weights instead of a share of the rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation_data: Option<String>,
    /// Of a table: what was done about rows without a target.
    pub missing_target: MissingTarget,
    /// Some of the rows that training has seen, to know them again.
    pub seen: Sketch,
}

/// The smallest hashes of a set of rows: enough to tell how much of another set is in it (Broder 1997).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SketchText", into = "SketchText")]
pub struct Sketch {
    /// Rows in the set.
    rows: usize,
    /// At most [`Sketch::SIZE`] hashes, rising.
    hashes: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct SketchText {
    rows: usize,
    hashes: String,
}

impl From<Sketch> for SketchText {
    fn from(sketch: Sketch) -> Self {
        let hashes = sketch.hashes.iter().map(|hash| format!("{hash:016x}")).collect();
        SketchText { rows: sketch.rows, hashes }
    }
}

impl From<SketchText> for Sketch {
    fn from(text: SketchText) -> Self {
        // What does not read is left out: a damaged sketch knows fewer rows again.
        let hashes = text.hashes.as_bytes().chunks(16);
        let hashes = hashes.filter_map(|digits| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        Sketch { rows: text.rows, hashes: hashes.collect() }
    }
}

impl Sketch {
    const SIZE: usize = 512;

    fn of(data: &Dataset) -> Sketch {
        let mut hashes = data.row_hashes();
        let rows = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        hashes.truncate(Sketch::SIZE);
        Sketch { rows, hashes }
    }

    /// About how many rows of a data set are in this one; exact where this one has at most 512 different rows.
    fn shared_rows(&self, data: &Dataset) -> usize {
        let Some(&last) = self.hashes.last() else { return 0 };
        let complete = self.hashes.len() < Sketch::SIZE;
        let hashes = data.row_hashes();
        let comparable: Vec<u64> = hashes.iter().copied().filter(|&hash| complete || hash <= last).collect();
        let found = comparable.iter().filter(|hash| self.hashes.binary_search(hash).is_ok()).count();
        if found == 0 { 0 } else { (found as f64 / comparable.len() as f64 * hashes.len() as f64).round() as usize }
    }
}

impl Split {
    /// What a run is to remember. `source` is as it was opened.
    pub(crate) fn of(
        data: &str,
        options: &DataOptions,
        source: &DataSource,
        train_rows: usize,
        validation_rows: usize,
    ) -> Split {
        Split {
            data: data.to_string(),
            train_rows,
            validation_rows,
            test_rows: source.test.len(),
            fingerprint: source.table.as_ref().map(|table| format!("{:016x}", table.fingerprint)),
            test_fraction: if options.test_data.is_some() { 0.0 } else { options.test_fraction },
            split_seed: options.split_seed,
            fold: options.fold,
            test_data: options.test_data.clone(),
            validation_data: options.validation_data.clone(),
            missing_target: options.missing_target,
            seen: Sketch::of(&source.train),
        }
    }
}

/// A part of a data source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The rows held out.
    Test,
    /// The rows to learn from.
    Train,
    /// All rows.
    All,
}

/// Rows that were chosen to measure a model on.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The rows, as the model takes them.
    pub data: Dataset,
    /// What they are, in words.
    pub part: &'static str,
    /// What to know before believing a result on them; none where the model has seen none of them, as far as can be told.
    pub warning: Option<String>,
}

impl Model {
    /// Opens data as this model reads it, and takes the part that was asked for; where nothing was asked, the rows that
    /// training held out, if this is the data of the training, and else all rows.
    ///
    /// # Errors
    /// What opening the data says; [`Error::Setting`] for a part that this data does not have.
    pub fn choose_rows(&self, source: &str, options: &DataOptions, part: Option<Part>) -> Result<Chosen, Error> {
        if let (Some(schema), true) = (self.columns(), data::is_table(source)) {
            let drops = options.missing_target == MissingTarget::Drop
                || self.split().is_some_and(|split| split.missing_target == MissingTarget::Drop);
            let missing_target = if drops { MissingTarget::Drop } else { MissingTarget::Fail };
            let options = DataOptions { missing_target, ..options.clone() };
            let all = data::read_with_schema(Path::new(data::path_of_table(source)), schema, &options)?;
            return self.choose_of_table(source, all, part);
        }
        let opened = data::open(source, &DataOptions { schema: self.columns().cloned(), ..options.clone() })?;
        let (rows, name) = match part.unwrap_or(Part::Test) {
            Part::Test => (opened.test, "test part"),
            Part::Train => (opened.train, "training part"),
            Part::All => {
                let mut all = opened.train;
                all.extend(opened.test);
                (all, "all rows")
            }
        };
        Ok(self.chosen(rows, name))
    }

    fn choose_of_table(&self, source: &str, all: Dataset, part: Option<Part>) -> Result<Chosen, Error> {
        let refuse =
            |got: &str, expected: String| Err(Error::Setting { name: "--part", got: got.to_string(), expected });
        let name = if part == Some(Part::Test) { "test" } else { "train" };
        let places: Vec<usize> = (0..all.len()).collect();
        let fingerprint = format!("{:016x}", data::fingerprint(&[(&all, &places)]));
        let split = match (self.split(), part) {
            (Some(split), _) if split.fingerprint.as_ref() == Some(&fingerprint) => split,
            (_, None | Some(Part::All)) => return Ok(self.chosen(all, "all rows")),
            (Some(split), Some(_)) => {
                let was = &split.data;
                return refuse(
                    name,
                    format!(
                        "left out: {source} is not the data that the model was trained on ({was}), so it has no such \
                         part. Without --part all its rows are measured"
                    ),
                );
            }
            (None, Some(_)) => {
                return refuse(
                    name,
                    "left out: the model was written by an earlier version and does not say which rows were held out. \
                     Without --part all rows are measured"
                        .to_string(),
                );
            }
        };
        let parts = data::split_rows(all.len(), split.test_fraction, split.split_seed, split.fold);
        let seen = |rows: usize| {
            let count = parts.train.len();
            Some(format!(
                "the model was trained on {count} of these {rows} rows: the result says little about new data"
            ))
        };
        Ok(match part {
            None | Some(Part::Test) if !parts.test.is_empty() => {
                Chosen { data: all.select(&parts.test), part: "test part", warning: None }
            }
            Some(Part::Test) => {
                let instead = split.test_data.as_ref();
                let instead = instead.map_or(String::new(), |file| format!(" It was tested on {file}"));
                return refuse(name, format!("left out: no rows of {source} were held out.{instead}"));
            }
            Some(Part::Train) => {
                let warning = seen(parts.train.len());
                Chosen { data: all.select(&parts.train), part: "training part", warning }
            }
            None | Some(Part::All) => {
                let warning = seen(all.len());
                Chosen { data: all, part: "all rows", warning }
            }
        })
    }

    /// Some rows, with a warning where training has seen rows like them.
    fn chosen(&self, data: Dataset, part: &'static str) -> Chosen {
        let shared = self.split().map_or(0, |split| split.seen.shared_rows(&data));
        let warning = (shared > 0).then(|| {
            format!(
                "about {shared} of these {} rows are equal to rows that the model was trained on: on them the result says \
                 little about new data",
                data.len()
            )
        });
        Chosen { data, part, warning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plexus_train::data::{Samples, Targets};

    fn numbers(range: std::ops::Range<usize>) -> Dataset {
        let values: Vec<f32> = range.map(|value| value as f32).collect();
        Dataset {
            name: "t".into(),
            input: [1].into(),
            targets: Targets::Values { names: vec!["y".into()], values: values.clone() },
            samples: Samples::F32(values),
        }
    }

    #[test]
    fn a_sketch_knows_rows_again() {
        let small = Sketch::of(&numbers(0..100));
        assert_eq!(small.shared_rows(&numbers(50..150)), 50);
        assert_eq!(small.shared_rows(&numbers(100..200)), 0);
        let large = Sketch::of(&numbers(0..20_000));
        assert_eq!(large.hashes.len(), Sketch::SIZE);
        assert_eq!(large.shared_rows(&numbers(0..20_000)), 20_000);
        assert_eq!(large.shared_rows(&numbers(20_000..40_000)), 0);
        let half = large.shared_rows(&numbers(10_000..30_000));
        assert!((8_000..12_000).contains(&half), "{half}");
        let json = serde_json::to_string(&small).expect("is written");
        assert_eq!(serde_json::from_str::<Sketch>(&json).expect("is read"), small);
        let damaged = json.replace("\"hashes\":\"", "\"hashes\":\"zz");
        let damaged = serde_json::from_str::<Sketch>(&damaged).expect("is read");
        assert!(damaged.shared_rows(&numbers(0..100)) < 100);
    }
}
