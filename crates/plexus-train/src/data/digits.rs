//! The built-in digits, so that the first run needs no file.

use super::{DataSource, Dataset, Samples, Targets};
use flate2::read::GzDecoder;
use plexus_nn::Shape;
use std::io::Read;

const ROWS: usize = 1797;
const PIXELS: usize = 64;
const PACKED: &[u8] = include_bytes!("digits.bin.gz");

/// One image in so many, the last of each run, is for the test.
const TEST_EVERY: usize = 5;

/// Opens the built-in digits: 1,797 images `[1, 8, 8]`, values 0..=16, ten classes.
///
/// The split is fixed and has no seed: image `i` is for the test where `i % 5 == 4` (359 images), else for training
/// (1,438). Numbers from different runs and machines are therefore about the same images.
///
/// # Source
/// E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998,
/// DOI 10.24432/C50P49, CC BY 4.0; as in scikit-learn's `load_digits`. `digits.README.md` beside the file says more.
pub(super) fn open() -> DataSource {
    let mut content = Vec::with_capacity(ROWS * (PIXELS + 1));
    GzDecoder::new(PACKED).read_to_end(&mut content).expect("the embedded file is whole; a test reads it");
    let (pixels, labels) = content.split_at(ROWS * PIXELS);
    let part = |test: bool| {
        let rows = || (0..ROWS).filter(move |row| (row % TEST_EVERY == TEST_EVERY - 1) == test);
        let samples = rows().flat_map(|row| &pixels[row * PIXELS..(row + 1) * PIXELS]).copied().collect();
        let names = (0..10).map(|digit| digit.to_string()).collect();
        let classes = Targets::classes(names, rows().map(|row| u32::from(labels[row])).collect());
        let data = Dataset::single("digits", Shape::new([1, 8, 8]), Samples::U8(samples), classes);
        data.expect("the embedded file is whole; a test reads it")
    };
    DataSource::fixed(part(false), part(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(set: &Dataset) -> (u64, u64) {
        let Samples::U8(values) = set.samples() else { unreachable!("digits are bytes") };
        assert_eq!(values.len(), set.len() * set.row_len());
        values.iter().fold((0, 0), |(sum, squares), &value| (sum + u64::from(value), squares + u64::from(value).pow(2)))
    }

    /// Numbers by scikit-learn 1.9.1: `d = load_digits()`, then `d.data.sum()`, `(d.data**2).sum()`,
    /// `np.bincount(d.target)`, `np.bincount(d.target[np.arange(1797) % 5 == 4])`.
    #[test]
    fn the_embedded_set_is_that_of_scikit_learn() {
        let DataSource { train, test, table, .. } = open();
        assert!(table.is_none());
        assert_eq!((train.len(), test.len(), train.class_count()), (1438, 359, 10));
        assert_eq!(*train.input(), Shape::new([1, 8, 8]));
        let ((sum, squares), (test_sum, test_squares)) = (sums(&train), sums(&test));
        assert_eq!((sum + test_sum, squares + test_squares), (561_718, 6_907_012));
        assert_eq!(test.class_balance(), [27, 21, 34, 52, 34, 28, 31, 43, 47, 42]);
        let all: Vec<u64> = train.class_balance().iter().zip(test.class_balance()).map(|(a, b)| a + b).collect();
        assert_eq!(all, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        let mut first = [0.0; 64];
        train.copy_rows(&[0], &mut first);
        assert_eq!(first[..12], [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0, 0.0, 0.0, 13.0, 15.0]);
        // The first ten images are 0 to 9; images 4 and 9 go to the test.
        let classes = |set: &Dataset| match set.target() {
            Targets::Classes { indices, .. } => indices.clone(),
            Targets::Values { .. } => unreachable!("digits are classes"),
        };
        assert_eq!(classes(&train)[..8], [0, 1, 2, 3, 5, 6, 7, 8]);
        assert_eq!(classes(&test)[..2], [4, 9]);
    }
}
