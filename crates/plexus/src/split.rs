//! Which rows a model learnt from and which were held out: written into the model, so that no later measurement mixes
//! them up.

use plexus_train::data::{DataOptions, DataSource, Dataset, Fold, MissingTarget};
use serde::{Deserialize, Serialize};

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
    pub(crate) fn shared_rows(&self, data: &Dataset) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;
    use plexus_train::data::{Samples, Targets};

    fn numbers(range: std::ops::Range<usize>) -> Dataset {
        let values: Vec<f32> = range.map(|value| value as f32).collect();
        let targets = Targets::values(vec!["y".into()], values.clone());
        Dataset::single("t", [1], Samples::F32(values), targets).expect("the rows fit")
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
