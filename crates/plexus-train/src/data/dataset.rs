//! Rows in memory, and taking some of them out.

use super::augment::{Augment, RowKey};
use plexus_kernels::buffer::{MatrixMut, for_each_tile};
use plexus_kernels::threads::Pool;
use plexus_nn::Shape;

/// Rows of one data set held in memory, one sample a row.
///
/// # Examples
/// ```
/// use plexus_train::data::{Dataset, Samples, Targets};
/// let two = Dataset {
///     name: "two".into(),
///     input: [2].into(),
///     samples: Samples::U8(vec![1, 2, 3, 4]),
///     targets: Targets::Classes { names: vec!["no".into(), "yes".into()], indices: vec![0, 1] },
/// };
/// let mut row = [0.0; 2];
/// two.gather(&[1], &mut row);
/// assert_eq!(row, [3.0, 4.0]);
/// assert_eq!(two.class_balance(), [1, 1]);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// What to call it in messages.
    pub name: String,
    /// What one sample looks like.
    pub input: Shape,
    /// The samples, row after row.
    pub samples: Samples,
    /// What each sample should give.
    pub targets: Targets,
}

/// Sample values as the file has them, `[rows, row_len]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Bytes, as pixels are; a quarter of the memory.
    U8(Vec<u8>),
    /// Numbers.
    F32(Vec<f32>),
}

/// What each sample should give, in the order of the samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// One class a row.
    Classes {
        /// Names of the classes.
        names: Vec<String>,
        /// `[rows]`: positions in `names`.
        indices: Vec<u32>,
    },
    /// Numbers.
    Values {
        /// Names of the numbers.
        names: Vec<String>,
        /// `[rows, names.len()]`.
        values: Vec<f32>,
    },
}

/// How the pictures of one epoch are changed.
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    /// How much.
    pub augment: &'a Augment,
    /// The seed of the run.
    pub seed: u64,
    /// The epoch.
    pub epoch: u64,
}

impl Dataset {
    /// The number of rows.
    pub fn len(&self) -> usize {
        match &self.targets {
            Targets::Classes { indices, .. } => indices.len(),
            Targets::Values { names, values } => values.len() / names.len().max(1),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of values of one sample.
    ///
    /// # Panics
    /// Where `input` has more elements than a `usize` counts; such a set cannot be in memory.
    pub fn row_len(&self) -> usize {
        self.input.len().expect("samples that are in memory can be counted")
    }

    /// Copies samples, as numbers.
    ///
    /// # Shapes
    /// - `indices`: `[batch]`, each below `len()`, in any order, repeats allowed
    /// - `out`: `[batch, row_len]`, overwritten
    ///
    /// # Panics
    /// Where `out` has another length, or an index is no row.
    pub fn gather(&self, indices: &[u32], out: &mut [f32]) {
        let row_len = self.row_len();
        assert_eq!(out.len(), indices.len() * row_len, "gather: out must be [batch, row_len]");
        if row_len == 0 {
            return;
        }
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(row_len)) {
            let start = index as usize * row_len;
            match &self.samples {
                Samples::U8(values) => {
                    for (out, &value) in out.iter_mut().zip(&values[start..start + row_len]) {
                        *out = f32::from(value);
                    }
                }
                Samples::F32(values) => out.copy_from_slice(&values[start..start + row_len]),
            }
        }
    }

    /// As [`Dataset::gather`], on all threads, and each picture changed as the epoch has it.
    ///
    /// # Panics
    /// As [`Dataset::gather`], and where the samples are no maps: the trainer checks that.
    pub fn gather_changed(&self, indices: &[u32], changes: Changes<'_>, out: &mut [f32], pool: &Pool) {
        let row_len = self.row_len();
        assert_eq!(out.len(), indices.len() * row_len, "gather_changed: out must be [batch, row_len]");
        let &[channels, height, width] = self.input.axes() else { panic!("gather_changed: the samples are no maps") };
        if row_len == 0 {
            return;
        }
        let matrix = MatrixMut { values: out, rows: indices.len(), cols: row_len, stride: row_len };
        for_each_tile(matrix, (8, row_len), pool, |first, _, mut tile| {
            let mut picture = vec![0.0; row_len];
            for row in 0..tile.rows() {
                let index = indices[first + row];
                self.gather(&[index], &mut picture);
                let key = RowKey { seed: changes.seed, epoch: changes.epoch, row: u64::from(index) };
                changes.augment.apply(key, [channels, height, width], &picture, tile.row(row));
            }
        });
    }

    /// Copies the classes of rows.
    ///
    /// # Panics
    /// Where `out` and `indices` differ in length, an index is no row, or the targets are numbers.
    pub fn gather_classes(&self, indices: &[u32], out: &mut [u32]) {
        assert_eq!(out.len(), indices.len(), "gather_classes: out must be [batch]");
        let Targets::Classes { indices: classes, .. } = &self.targets else {
            panic!("gather_classes: the targets of {} are numbers", self.name);
        };
        for (&index, out) in indices.iter().zip(out) {
            *out = classes[index as usize];
        }
    }

    /// Copies the target numbers of rows.
    ///
    /// # Shapes
    /// - `indices`: `[batch]`
    /// - `out`: `[batch, names.len()]`, overwritten
    ///
    /// # Panics
    /// Where `out` has another length, an index is no row, or the targets are classes.
    pub fn gather_values(&self, indices: &[u32], out: &mut [f32]) {
        let Targets::Values { names, values } = &self.targets else {
            panic!("gather_values: the targets of {} are classes", self.name);
        };
        let width = names.len();
        assert_eq!(out.len(), indices.len() * width, "gather_values: out must be [batch, outputs]");
        for (row, &index) in indices.iter().enumerate() {
            let start = index as usize * width;
            out[row * width..(row + 1) * width].copy_from_slice(&values[start..start + width]);
        }
    }

    /// The number of classes; 0 where the targets are numbers.
    pub fn class_count(&self) -> usize {
        match &self.targets {
            Targets::Classes { names, .. } => names.len(),
            Targets::Values { .. } => 0,
        }
    }

    /// The number of rows of each class; empty where the targets are numbers.
    pub fn class_balance(&self) -> Vec<u64> {
        let mut counts = vec![0; self.class_count()];
        if let Targets::Classes { indices, .. } = &self.targets {
            for &class in indices {
                counts[class as usize] += 1;
            }
        }
        counts
    }

    /// Measures what a standardise layer needs: `standardised = (value - mean) * scale`.
    ///
    /// Gives `(mean, scale)`, one of each per feature, or, for images, one for all values together (vectors of length
    /// 1): pixels share a unit, and a border that is nearly always 0 must not be blown up. `scale` is one over the
    /// standard deviation with the biased variance, as scikit-learn's `StandardScaler`. A constant feature gets scale
    /// 1.0: it carries nothing to learn from, and one over zero would turn it into NaN. So does one that varies so
    /// little that the scale would overflow. No rows give mean 0.0 and scale 1.0.
    ///
    /// # Numerics
    /// Bytes are summed exactly, in integers; numbers in f64, in two passes, in the order of `indices`.
    ///
    /// # Panics
    /// Where an index is no row.
    pub fn mean_and_scale(&self, indices: &[u32], per_feature: bool) -> (Vec<f32>, Vec<f32>) {
        let row_len = self.row_len();
        let groups = if per_feature { row_len } else { 1 };
        let count = (indices.len() * row_len) as f64 / groups.max(1) as f64;
        if count == 0.0 {
            return (vec![0.0; groups], vec![1.0; groups]);
        }
        match &self.samples {
            Samples::U8(values) => moments_u8(values, indices, row_len, groups, count),
            Samples::F32(values) => moments_f32(values, indices, row_len, groups, count),
        }
    }

    /// Copies some rows into a set of their own.
    ///
    /// # Panics
    /// Where an index is no row.
    pub fn select(&self, rows: &[usize]) -> Dataset {
        fn taken<T: Copy>(values: &[T], width: usize, rows: &[usize]) -> Vec<T> {
            rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect()
        }
        let samples = match &self.samples {
            Samples::U8(values) => Samples::U8(taken(values, self.row_len(), rows)),
            Samples::F32(values) => Samples::F32(taken(values, self.row_len(), rows)),
        };
        let targets = match &self.targets {
            Targets::Classes { names, indices } => {
                Targets::Classes { names: names.clone(), indices: taken(indices, 1, rows) }
            }
            Targets::Values { names, values } => {
                Targets::Values { names: names.clone(), values: taken(values, names.len(), rows) }
            }
        };
        Dataset { name: self.name.clone(), input: self.input.clone(), samples, targets }
    }

    /// Adds the rows of another part of the same source.
    ///
    /// # Panics
    /// Where the two are stored differently, so are not of one source.
    pub fn extend(&mut self, other: Dataset) {
        match (&mut self.samples, other.samples) {
            (Samples::U8(values), Samples::U8(more)) => values.extend(more),
            (Samples::F32(values), Samples::F32(more)) => values.extend(more),
            _ => panic!("extend: the parts of one source are stored alike"),
        }
        match (&mut self.targets, other.targets) {
            (Targets::Classes { indices, .. }, Targets::Classes { indices: more, .. }) => indices.extend(more),
            (Targets::Values { values, .. }, Targets::Values { values: more, .. }) => values.extend(more),
            _ => panic!("extend: the parts of one source have targets of one kind"),
        }
    }

    /// A number for each row, the same for equal rows: samples and targets together.
    pub fn row_hashes(&self) -> Vec<u64> {
        let width = self.row_len();
        let hashed =
            |bits: &mut dyn Iterator<Item = u32>| {
                mixed(bits.fold(0u64, |hash, bits| {
                    (hash.rotate_left(5) ^ u64::from(bits)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                }))
            };
        let sample = |row: usize| match &self.samples {
            Samples::U8(values) => hashed(&mut values[row * width..(row + 1) * width].iter().map(|v| u32::from(*v))),
            Samples::F32(values) => hashed(&mut values[row * width..(row + 1) * width].iter().map(|v| v.to_bits())),
        };
        let target = |row: usize| match &self.targets {
            Targets::Classes { indices, .. } => u64::from(indices[row]),
            Targets::Values { names, values } => {
                hashed(&mut values[row * names.len()..(row + 1) * names.len()].iter().map(|v| v.to_bits()))
            }
        };
        (0..self.len()).map(|row| mixed(sample(row) ^ target(row).rotate_left(32))).collect()
    }

    /// Looks for NaN and infinities in the samples: how many, and the row and column of the first.
    pub fn first_not_finite(&self) -> Option<(usize, usize, usize)> {
        let Samples::F32(values) = &self.samples else { return None };
        let first = values.iter().position(|value| !value.is_finite())?;
        let count = values[first..].iter().filter(|value| !value.is_finite()).count();
        let row_len = self.row_len();
        Some((count, first / row_len, first % row_len))
    }
}

/// Spreads the bits of a number over all 64 (the last step of SplitMix64).
pub(super) fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn moments_u8(values: &[u8], indices: &[u32], row_len: usize, groups: usize, count: f64) -> (Vec<f32>, Vec<f32>) {
    let mut sums = vec![0u64; groups];
    let mut squares = vec![0u64; groups];
    for &index in indices {
        let row = &values[index as usize * row_len..][..row_len];
        if groups == 1 {
            // Runs short enough for 32-bit sums, which vectorise: 255 * 255 * 65,536 < 2^32.
            for run in row.chunks(65_536) {
                sums[0] += u64::from(run.iter().map(|&value| u32::from(value)).sum::<u32>());
                squares[0] += u64::from(run.iter().map(|&value| u32::from(value) * u32::from(value)).sum::<u32>());
            }
        } else {
            for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(row) {
                *sum += u64::from(value);
                *square += u64::from(value) * u64::from(value);
            }
        }
    }
    sums.iter()
        .zip(&squares)
        .map(|(&sum, &square)| {
            // count² variance = count Σv² - (Σv)², exact in integers, so a constant feature gives exactly zero.
            let spread = count as u128 * u128::from(square) - u128::from(sum) * u128::from(sum);
            ((sum as f64 / count) as f32, scale_of(spread as f64 / (count * count)))
        })
        .unzip()
}

fn moments_f32(values: &[f32], indices: &[u32], row_len: usize, groups: usize, count: f64) -> (Vec<f32>, Vec<f32>) {
    let rows = || indices.iter().map(|&index| &values[index as usize * row_len..][..row_len]);
    let group_of = |column: usize| if groups == 1 { 0 } else { column };
    let mut means = vec![0f64; groups];
    let mut lowest = vec![f32::INFINITY; groups];
    let mut highest = vec![f32::NEG_INFINITY; groups];
    for row in rows() {
        for (column, &value) in row.iter().enumerate() {
            let group = group_of(column);
            means[group] += f64::from(value);
            lowest[group] = lowest[group].min(value);
            highest[group] = highest[group].max(value);
        }
    }
    means.iter_mut().for_each(|mean| *mean /= count);
    let mut squares = vec![0f64; groups];
    for row in rows() {
        for (column, &value) in row.iter().enumerate() {
            let group = group_of(column);
            squares[group] += (f64::from(value) - means[group]).powi(2);
        }
    }
    (0..groups)
        .map(|group| {
            // The rounded mean of equal values may differ from them in the last bit: constancy is asked of the values.
            let constant = lowest[group] == highest[group];
            (means[group] as f32, if constant { 1.0 } else { scale_of(squares[group] / count) })
        })
        .unzip()
}

fn scale_of(variance: f64) -> f32 {
    let scale = (1.0 / variance.sqrt()) as f32;
    if scale.is_infinite() { 1.0 } else { scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes() -> Dataset {
        Dataset {
            name: "bytes".into(),
            input: [3].into(),
            samples: Samples::U8(vec![0, 7, 255, 10, 7, 0, 20, 7, 1]),
            targets: Targets::Classes { names: vec!["a".into(), "b".into()], indices: vec![1, 0, 1] },
        }
    }

    fn numbers(columns: usize, values: Vec<f32>) -> Dataset {
        let rows = values.len() / columns;
        Dataset {
            name: "numbers".into(),
            input: [columns].into(),
            samples: Samples::F32(values),
            targets: Targets::Values {
                names: vec!["y".into(), "z".into()],
                values: (0..2 * rows).map(|value| value as f32).collect(),
            },
        }
    }

    #[test]
    fn gather_copies_rows_in_any_order_and_repeats() {
        let mut out = [0.0; 9];
        bytes().gather(&[2, 0, 2], &mut out);
        assert_eq!(out, [20.0, 7.0, 1.0, 0.0, 7.0, 255.0, 20.0, 7.0, 1.0]);
        let set = numbers(2, vec![1.0, 2.0, 3.0, 4.0]);
        let mut out = [0.0; 2];
        set.gather(&[1], &mut out);
        assert_eq!(out, [3.0, 4.0]);
        set.gather_values(&[1], &mut out);
        assert_eq!(out, [2.0, 3.0]);
        set.gather(&[], &mut []);
        let mut classes = [9; 2];
        bytes().gather_classes(&[1, 2], &mut classes);
        assert_eq!(classes, [0, 1]);
    }

    #[test]
    fn every_byte_value_becomes_its_number() {
        let set = Dataset {
            input: [256].into(),
            samples: Samples::U8((0..=255).collect()),
            targets: Targets::Classes { names: vec!["a".into()], indices: vec![0] },
            name: String::new(),
        };
        let mut out = [0.0; 256];
        set.gather(&[0], &mut out);
        assert!(out.iter().enumerate().all(|(index, &value)| value == index as f32));
    }

    #[test]
    #[should_panic(expected = "out must be [batch, row_len]")]
    fn gather_into_a_wrong_length_panics() {
        bytes().gather(&[0], &mut [0.0; 2]);
    }

    #[test]
    fn sizes_and_balance_are_counted() {
        let set = bytes();
        assert_eq!((set.len(), set.row_len(), set.class_count(), set.is_empty()), (3, 3, 2, false));
        assert_eq!(set.class_balance(), [1, 2]);
        let set = numbers(2, vec![0.0; 8]);
        assert_eq!((set.len(), set.class_count(), set.class_balance().len()), (4, 0, 0));
    }

    #[test]
    fn scale_is_one_over_the_biased_deviation_and_constants_keep_theirs() {
        // Column 0 holds 0, 10, 20: mean 10, variance 200 / 3.
        let (mean, scale) = bytes().mean_and_scale(&[0, 1, 2], true);
        assert_eq!(mean[..2], [10.0, 7.0]);
        assert!((scale[0] - (3.0f32 / 200.0).sqrt()).abs() < 1e-7);
        assert_eq!(scale[1], 1.0);
        // 0.1 is not exact in binary; the mean of many is off by rounding, yet the feature is constant.
        let (mean, scale) = numbers(1, vec![0.1; 1001]).mean_and_scale(&(0..1001).collect::<Vec<_>>(), true);
        assert_eq!((mean[0], scale[0]), (0.1, 1.0));
        let (_, scale) = numbers(1, vec![0.0, 1e-45]).mean_and_scale(&[0, 1], true);
        assert_eq!(scale, [1.0]);
    }

    #[test]
    fn only_the_rows_named_are_measured() {
        let (mean, _) = bytes().mean_and_scale(&[0, 1], true);
        assert_eq!(mean, [5.0, 7.0, 127.5]);
        assert_eq!(bytes().mean_and_scale(&[], true), (vec![0.0; 3], vec![1.0; 3]));
        assert_eq!(bytes().mean_and_scale(&[], false), (vec![0.0], vec![1.0]));
    }

    #[test]
    fn images_get_one_number_and_both_storages_agree() {
        let set = bytes();
        let Samples::U8(values) = &set.samples else { unreachable!("made of bytes") };
        let same = numbers(3, values.iter().map(|&value| f32::from(value)).collect());
        for per_feature in [false, true] {
            assert_eq!(set.mean_and_scale(&[0, 1, 2], per_feature), same.mean_and_scale(&[0, 1, 2], per_feature));
        }
        assert_eq!(set.mean_and_scale(&[0], false).0.len(), 1);
    }

    #[test]
    fn a_large_offset_does_not_spoil_the_deviation() {
        let (mean, scale) = numbers(1, vec![1e6, 1e6 + 1.0, 1e6 + 2.0]).mean_and_scale(&[0, 1, 2], true);
        assert_eq!(mean, [1e6 + 1.0]);
        assert!((scale[0] - 1.5f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn the_first_value_that_is_not_finite_is_found() {
        assert_eq!(bytes().first_not_finite(), None);
        assert_eq!(numbers(2, vec![0.0; 4]).first_not_finite(), None);
        let set = numbers(2, vec![0.0, 1.0, 2.0, f32::NAN, f32::INFINITY, 0.0]);
        assert_eq!(set.first_not_finite(), Some((2, 1, 1)));
    }
}
