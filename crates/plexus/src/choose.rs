//! Which rows of some data a model is measured on.

use crate::error::Error;
use crate::model::Model;
use plexus_train::data::{self, DataOptions, Dataset, MissingTarget};
use std::path::Path;
use std::sync::Arc;

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
        let options = DataOptions { schema: self.columns().cloned(), ..options.clone() };
        #[cfg(feature = "images")]
        let options = self.of_images(options);
        let opened = data::open(source, &options)?;
        let (rows, name) = match part.unwrap_or(Part::Test) {
            Part::Test => (opened.test, "test part"),
            Part::Train => (Arc::unwrap_or_clone(opened.train), "training part"),
            Part::All => {
                let mut all = Arc::unwrap_or_clone(opened.train);
                all.extend(opened.test);
                (all, "all rows")
            }
        };
        Ok(self.chosen(rows, name))
    }

    /// Images are made into what those of the training were made into, and a share is taken as it was taken there.
    #[cfg(feature = "images")]
    fn of_images(&self, options: DataOptions) -> DataOptions {
        let Some(form) = self.image_form() else { return options };
        let options = DataOptions { images: Some(form), ..options };
        match self.split() {
            Some(split) => DataOptions {
                test_fraction: split.test_fraction,
                split_seed: split.split_seed,
                fold: split.fold,
                ..options
            },
            None => options,
        }
    }

    fn choose_of_table(&self, source: &str, all: Dataset, part: Option<Part>) -> Result<Chosen, Error> {
        let refuse = |got: &str, expected: String| {
            Err(Error::Setting { name: "part", got: got.to_string(), expected, remedy: None })
        };
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
                         part. Where no part is chosen, all its rows are measured"
                    ),
                );
            }
            (None, Some(_)) => {
                return refuse(
                    name,
                    "left out: the model was written by an earlier version and does not say which rows were held out. \
                     Where no part is chosen, all rows are measured"
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
