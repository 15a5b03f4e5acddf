//! Rows in memory, and taking some of them out.

use super::batch::Batch;
#[cfg(feature = "images")]
use super::image::ImageRows;
#[cfg(feature = "images")]
use super::moments::moments_of_sums;
use super::moments::{moments, moments_u8};
use super::source::{GatherError, IntoSource, Source, TargetKind};
use crate::check::{Unfit, check_dataset};
use plexus_kernels::buffer::{MatrixMut, for_each_tile};
use plexus_kernels::softmax::IGNORED;
use plexus_kernels::threads::Pool;
use plexus_nn::Shape;
use std::fmt;
use std::sync::Arc;

/// Rows of one data set held in memory.
///
/// # Examples
/// ```
/// use plexus_train::data::{Dataset, Samples, Targets};
/// let two = Dataset::classes([2], vec![1.0, 2.0, 3.0, 4.0], [0, 1], ["no", "yes"])?;
/// let mut row = [0.0; 2];
/// two.copy_rows(&[1], &mut row);
/// assert_eq!(row, [3.0, 4.0]);
/// assert_eq!(two.class_balance(), [1, 1]);
/// assert_eq!((two.row(1), two.class_of(1)), (Some(vec![3.0, 4.0]), Some("yes")));
/// // Four numbers are two rows of two, and there are three targets.
/// let ragged = Dataset::numbers([2], vec![1.0, 2.0, 3.0, 4.0], [0.5, 1.0, 1.5], ["y"]);
/// assert!(ragged.unwrap_err().to_string().contains("3 rows of [2]"));
/// # Ok::<(), plexus_train::check::Unfit>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Dataset {
    /// What to call it in messages.
    pub(crate) name: String,
    /// What each input of a network reads, in their order; at least one.
    pub(crate) inputs: Vec<InputRows>,
    /// What each output should give, in their order; at least one. As many rows as samples, classes among their names.
    pub(crate) targets: Vec<Targets>,
}

/// In one line: its numbers are too many to read.
impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs: Vec<String> = self.inputs.iter().map(|input| input.shape.to_string()).collect();
        f.debug_struct("Dataset")
            .field("name", &self.name)
            .field("rows", &self.len())
            .field("inputs", &inputs)
            .field("targets", &self.targets.len())
            .finish_non_exhaustive()
    }
}

/// The samples of all rows for one input of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct InputRows {
    /// What one sample looks like.
    pub shape: Shape,
    /// The samples, row after row.
    pub samples: Samples,
}

/// Sample values as the file has them, `[rows, row_len]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// Bytes, as pixels are; a quarter of the memory.
    U8(Vec<u8>),
    /// Numbers.
    F32(Vec<f32>),
    /// Images that are decoded when they are asked for.
    #[cfg(feature = "images")]
    Images(ImageRows),
}

impl Samples {
    /// How many numbers.
    pub fn len(&self) -> usize {
        match self {
            Samples::U8(values) => values.len(),
            Samples::F32(values) => values.len(),
            #[cfg(feature = "images")]
            Samples::Images(rows) => rows.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<Vec<f32>> for Samples {
    fn from(values: Vec<f32>) -> Self {
        Samples::F32(values)
    }
}

impl From<&[f32]> for Samples {
    fn from(values: &[f32]) -> Self {
        Samples::F32(values.to_vec())
    }
}

impl From<Vec<u8>> for Samples {
    fn from(values: Vec<u8>) -> Self {
        Samples::U8(values)
    }
}

impl From<&[u8]> for Samples {
    fn from(values: &[u8]) -> Self {
        Samples::U8(values.to_vec())
    }
}

/// The numbers in row-major order, whatever their order in memory. Needs the feature `ndarray`.
#[cfg(feature = "ndarray")]
impl<D: ndarray::Dimension> From<ndarray::ArrayView<'_, f32, D>> for Samples {
    fn from(array: ndarray::ArrayView<'_, f32, D>) -> Self {
        Samples::F32(array.iter().copied().collect())
    }
}

/// The bytes in row-major order, whatever their order in memory. Needs the feature `ndarray`.
#[cfg(feature = "ndarray")]
impl<D: ndarray::Dimension> From<ndarray::ArrayView<'_, u8, D>> for Samples {
    fn from(array: ndarray::ArrayView<'_, u8, D>) -> Self {
        Samples::U8(array.iter().copied().collect())
    }
}

impl IntoSource for Dataset {
    fn into_source(self) -> Arc<dyn Source> {
        Arc::new(self)
    }
}

/// A copy.
impl IntoSource for &Dataset {
    fn into_source(self) -> Arc<dyn Source> {
        Arc::new(self.clone())
    }
}

/// What each sample should give, in the order of the samples.
#[derive(Clone, Debug, PartialEq)]
pub enum Targets {
    /// Classes: one a row, or one for each position.
    Classes {
        /// Names of the classes.
        names: Vec<String>,
        /// The axis of the output that has one number a class.
        axis: usize,
        /// `[]` for one class a row, `[height, width]` for one a pixel: see [`TargetKind`].
        positions: Shape,
        /// `[rows, positions]`: positions in `names`, or [`IGNORED`](plexus_kernels::softmax::IGNORED).
        indices: Vec<u32>,
    },
    /// Numbers.
    Values {
        /// A name for each place of the first axis.
        names: Vec<String>,
        /// The shape of one row.
        shape: Shape,
        /// `[rows, shape]`.
        values: Vec<f32>,
    },
}

impl Targets {
    /// One class a row, each a position in `names`.
    pub fn classes(names: Vec<String>, indices: Vec<u32>) -> Self {
        Targets::Classes { names, axis: 0, positions: Shape::new([]), indices }
    }

    /// Numbers, one for each name in a row: `[rows, names]`.
    pub fn values(names: Vec<String>, values: Vec<f32>) -> Self {
        Targets::Values { shape: [names.len()].into(), names, values }
    }

    /// What they are.
    pub fn kind(&self) -> TargetKind {
        match self {
            Targets::Classes { names, axis, positions, .. } => {
                TargetKind::Classes { names: names.clone(), axis: *axis, positions: positions.clone() }
            }
            Targets::Values { names, shape, .. } => TargetKind::Values { names: names.clone(), shape: shape.clone() },
        }
    }

    /// Names of the classes or of the numbers.
    pub fn names(&self) -> &[String] {
        match self {
            Targets::Classes { names, .. } | Targets::Values { names, .. } => names,
        }
    }

    /// How often each class occurs; empty where there are numbers.
    pub fn class_balance(&self) -> Vec<u64> {
        let Targets::Classes { names, indices, .. } = self else { return Vec::new() };
        let mut counts = vec![0; names.len()];
        for &class in indices.iter().filter(|class| **class != IGNORED) {
            counts[class as usize] += 1;
        }
        counts
    }

    /// The same without rows.
    fn clone_empty(&self) -> Self {
        match self.kind() {
            TargetKind::Classes { names, axis, positions } => {
                Targets::Classes { names, axis, positions, indices: Vec::new() }
            }
            TargetKind::Values { names, shape } => Targets::Values { names, shape, values: Vec::new() },
        }
    }

    /// Classes or numbers of one row.
    pub(crate) fn width(&self) -> usize {
        let shape = match self {
            Targets::Classes { positions: shape, .. } | Targets::Values { shape, .. } => shape,
        };
        shape.len().expect("targets that are in memory can be counted")
    }

    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        let found = match self {
            Targets::Classes { indices, .. } => indices.len(),
            Targets::Values { values, .. } => values.len(),
        };
        found / self.width().max(1)
    }
}

impl Source for Dataset {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> u64 {
        Dataset::len(self) as u64
    }

    fn inputs(&self) -> Vec<Shape> {
        self.inputs.iter().map(|input| input.shape.clone()).collect()
    }

    fn targets(&self) -> Vec<TargetKind> {
        self.targets.iter().map(Targets::kind).collect()
    }

    fn is_in_memory(&self) -> bool {
        #[cfg(feature = "images")]
        let is_in_memory = !self.inputs.iter().any(|input| matches!(input.samples, Samples::Images(_)));
        #[cfg(not(feature = "images"))]
        let is_in_memory = true;
        is_in_memory
    }

    fn fingerprint(&self) -> Option<u64> {
        let hashes = self.row_hashes();
        Some(hashes.iter().fold(0, |sum: u64, hash| mixed(sum.rotate_left(1) ^ hash)))
    }

    fn mean_and_scale(
        &self,
        input: usize,
        rows: &[u64],
        per_feature: bool,
        _: &Pool,
    ) -> Result<(Vec<f32>, Vec<f32>), GatherError> {
        Ok(Dataset::mean_and_scale(self, input, rows, per_feature))
    }

    fn gather(&self, rows: &[u64], batch: &mut Batch, pool: &Pool) -> Result<(), GatherError> {
        for (index, input) in self.inputs.iter().enumerate() {
            #[cfg(feature = "images")]
            if let Samples::Images(images) = &input.samples {
                let gathered = images.gather(rows, batch.input_mut(index));
                gathered.map_err(|(row, error)| GatherError {
                    data: self.name.clone(),
                    row,
                    message: error.to_string(),
                })?;
                continue;
            }
            let width = batch.inputs[index].width;
            let matrix = MatrixMut { values: batch.input_mut(index), rows: rows.len(), cols: width, stride: width };
            // Pieces that are worth a thread.
            let tile = (PIECE.div_ceil(width.max(1)), width.max(1));
            for_each_tile(matrix, tile, pool, |first, _, mut tile| {
                for row in 0..tile.rows() {
                    input.copy(rows[first + row], tile.row(row));
                }
            });
        }
        for (index, targets) in self.targets.iter().enumerate() {
            let width = targets.width();
            match targets {
                Targets::Classes { indices, .. } => copied(indices, width, rows, batch.classes_mut(index)),
                Targets::Values { values, .. } => copied(values, width, rows, batch.values_mut(index)),
            }
        }
        Ok(())
    }
}

/// Numbers that are copied in the time that it takes to wake a thread.
const PIECE: usize = 1 << 16;

fn copied<T: Copy>(from: &[T], width: usize, rows: &[u64], to: &mut [T]) {
    for (row, to) in rows.iter().zip(to.chunks_exact_mut(width.max(1))) {
        to.copy_from_slice(&from[*row as usize * width..][..width]);
    }
}

impl InputRows {
    /// Copies one sample, as numbers.
    ///
    /// # Panics
    /// Where the row is not there, or `to` is not as long as a sample.
    pub fn copy(&self, row: u64, to: &mut [f32]) {
        let start = row as usize * to.len();
        match &self.samples {
            Samples::U8(values) => {
                let values = &values[start..start + to.len()];
                to.iter_mut().zip(values).for_each(|(to, value)| *to = f32::from(*value));
            }
            Samples::F32(values) => to.copy_from_slice(&values[start..start + to.len()]),
            // A file that was there when the data was opened: what has gone since is black here, and an error in `gather`.
            #[cfg(feature = "images")]
            Samples::Images(images) => match images.read(row as usize) {
                Ok(pixels) => to.iter_mut().zip(pixels).for_each(|(to, pixel)| *to = f32::from(pixel)),
                Err(_) => to.fill(0.0),
            },
        }
    }
}

/// Names, from what has them.
fn strings<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}

impl Dataset {
    /// Rows for networks of any number of inputs and outputs: samples for each input and targets for each output, in their
    /// order.
    ///
    /// # Errors
    /// [`Unfit`] where there is no input or no target, where they have different numbers of rows, or where a class has no
    /// name.
    pub fn new(name: impl Into<String>, inputs: Vec<InputRows>, targets: Vec<Targets>) -> Result<Self, Unfit> {
        let data = Dataset { name: name.into(), inputs, targets };
        check_dataset(&data)?;
        Ok(data)
    }

    /// Rows for networks of one input and one output.
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn single(
        name: impl Into<String>,
        shape: impl Into<Shape>,
        samples: impl Into<Samples>,
        targets: Targets,
    ) -> Result<Self, Unfit> {
        let (shape, samples) = (shape.into(), samples.into());
        Dataset::new(name, vec![InputRows { shape, samples }], vec![targets])
    }

    /// Rows with a class each, for networks of one input and one output.
    ///
    /// # Shapes
    /// - `samples`: `[rows, shape]`, numbers or bytes
    /// - `classes`: `[rows]`, each a position in `names`
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn classes<N: Into<String>>(
        shape: impl Into<Shape>,
        samples: impl Into<Samples>,
        classes: impl Into<Vec<u32>>,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, Unfit> {
        Dataset::single("the data", shape, samples, Targets::classes(strings(names), classes.into()))
    }

    /// Rows with numbers to be learnt, for networks of one input and one output.
    ///
    /// # Shapes
    /// - `samples`: `[rows, shape]`, numbers or bytes
    /// - `values`: `[rows, names]`
    ///
    /// # Errors
    /// As [`Dataset::new`].
    pub fn numbers<N: Into<String>>(
        shape: impl Into<Shape>,
        samples: impl Into<Samples>,
        values: impl Into<Vec<f32>>,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, Unfit> {
        Dataset::single("the data", shape, samples, Targets::values(strings(names), values.into()))
    }

    /// As [`Dataset::classes`], with rows that a function makes: it fills a sample, all zeros at first, and gives its class.
    ///
    /// # Errors
    /// As [`Dataset::new`], and where the rows have more numbers than can be counted.
    ///
    /// # Examples
    /// ```
    /// use plexus_train::data::Dataset;
    /// let data = Dataset::classes_from_fn(100, [2], ["even", "odd"], |row, sample| {
    ///     sample.copy_from_slice(&[row as f32, (row % 2) as f32]);
    ///     (row % 2) as u32
    /// })?;
    /// assert_eq!((data.len(), data.class_balance()), (100, vec![50, 50]));
    /// # Ok::<(), plexus_train::check::Unfit>(())
    /// ```
    pub fn classes_from_fn<N: Into<String>>(
        rows: usize,
        shape: impl Into<Shape>,
        names: impl IntoIterator<Item = N>,
        mut row: impl FnMut(usize, &mut [f32]) -> u32,
    ) -> Result<Self, Unfit> {
        let shape = shape.into();
        let (width, mut samples) = room(rows, &shape)?;
        let classes: Vec<u32> = (0..rows).map(|at| row(at, &mut samples[at * width..][..width])).collect();
        Dataset::classes(shape, samples, classes, names)
    }

    /// As [`Dataset::numbers`], with rows that a function makes: it fills a sample and its targets, all zeros at first.
    ///
    /// # Errors
    /// As [`Dataset::new`], and where the rows have more numbers than can be counted.
    pub fn numbers_from_fn<N: Into<String>>(
        rows: usize,
        shape: impl Into<Shape>,
        names: impl IntoIterator<Item = N>,
        mut row: impl FnMut(usize, &mut [f32], &mut [f32]),
    ) -> Result<Self, Unfit> {
        let (shape, names) = (shape.into(), strings(names));
        let (width, mut samples) = room(rows, &shape)?;
        let (targets, mut values) = room(rows, &Shape::new([names.len()]))?;
        for at in 0..rows {
            row(at, &mut samples[at * width..][..width], &mut values[at * targets..][..targets]);
        }
        Dataset::numbers(shape, samples, values, names)
    }

    /// The same with another name in messages; at first it is "the data".
    pub fn with_name(self, name: impl Into<String>) -> Self {
        Dataset { name: name.into(), ..self }
    }

    /// Its parts, for [`Dataset::new`].
    pub fn into_parts(self) -> (String, Vec<InputRows>, Vec<Targets>) {
        (self.name, self.inputs, self.targets)
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What each input of a network reads, in their order.
    pub fn inputs(&self) -> &[InputRows] {
        &self.inputs
    }

    /// What each output should give, in their order.
    pub fn targets(&self) -> &[Targets] {
        &self.targets
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.targets.first().map_or(0, Targets::rows)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a sample of the first input looks like.
    pub fn input(&self) -> &Shape {
        &self.inputs[0].shape
    }

    /// The samples of the first input.
    pub fn samples(&self) -> &Samples {
        &self.inputs[0].samples
    }

    /// What the first output should give.
    pub fn target(&self) -> &Targets {
        &self.targets[0]
    }

    /// The number of values of one sample of the first input.
    ///
    /// # Panics
    /// Where it has more elements than a `usize` counts; such a set cannot be in memory.
    pub fn row_len(&self) -> usize {
        self.input().len().expect("samples that are in memory can be counted")
    }

    /// Copies samples of the first input, as numbers.
    ///
    /// # Shapes
    /// - `rows`: `[batch]`, each below `len()`, in any order, repeats allowed
    /// - `out`: `[batch, row_len]`, overwritten
    ///
    /// # Panics
    /// Where `out` has another length, or a row is not there.
    pub fn copy_rows(&self, rows: &[u64], out: &mut [f32]) {
        let row_len = self.row_len();
        assert_eq!(out.len(), rows.len() * row_len, "copy_rows: out must be [batch, row_len]");
        for (&row, out) in rows.iter().zip(out.chunks_exact_mut(row_len.max(1))) {
            self.inputs[0].copy(row, out);
        }
    }

    /// One sample of the first input, as numbers; `None` where the row is not there.
    pub fn row(&self, row: usize) -> Option<Vec<f32>> {
        let mut sample = vec![0.0; self.row_len()];
        (row < self.len()).then(|| self.inputs[0].copy(row as u64, &mut sample))?;
        Some(sample)
    }

    /// The name of the class of a row, by the first target; `None` where it has numbers, or one class for each of several
    /// positions, or where the row is not there or is left out.
    pub fn class_of(&self, row: usize) -> Option<&str> {
        match self.target() {
            Targets::Classes { names, positions, indices, .. } if positions.axes().is_empty() => {
                names.get(*indices.get(row)? as usize).map(String::as_str)
            }
            _ => None,
        }
    }

    /// The number of classes of the first target; 0 where it is numbers.
    pub fn class_count(&self) -> usize {
        match self.target() {
            Targets::Classes { names, .. } => names.len(),
            Targets::Values { .. } => 0,
        }
    }

    /// How often each class of the first target occurs; empty where it is numbers.
    pub fn class_balance(&self) -> Vec<u64> {
        self.target().class_balance()
    }

    /// Measures what a standardize layer behind an input needs: `standardized = (value - mean) * scale`.
    ///
    /// Gives `(mean, scale)`, one of each per feature, or, for images, one for all values together (vectors of length
    /// 1): pixels share a unit, and a border that is nearly always 0 must not be blown up. `scale` is one over the
    /// standard deviation with the biased variance, as scikit-learn's `StandardScaler`. A constant feature gets scale
    /// 1.0: it carries nothing to learn from, and one over zero would turn it into NaN. So does one that varies so
    /// little that the scale would overflow. No rows give mean 0.0 and scale 1.0.
    ///
    /// # Numerics
    /// Bytes are summed exactly, in integers; numbers in f64, in two passes, in the order of `rows`.
    ///
    /// # Panics
    /// Where there are fewer inputs, or a row is not there.
    pub fn mean_and_scale(&self, input: usize, rows: &[u64], per_feature: bool) -> (Vec<f32>, Vec<f32>) {
        let InputRows { shape, samples } = &self.inputs[input];
        let row_len = shape.len().expect("samples that are in memory can be counted");
        let groups = if per_feature { row_len } else { 1 };
        let count = (rows.len() * row_len) as f64 / groups.max(1) as f64;
        if count == 0.0 {
            return (vec![0.0; groups], vec![1.0; groups]);
        }
        match samples {
            Samples::U8(values) => moments_u8(values, rows, row_len, groups, count),
            #[cfg(feature = "images")]
            Samples::Images(images) if groups == 1 => {
                let (sum, squares) = images.sums(rows);
                let (mean, scale) = moments_of_sums(sum, squares, count);
                (vec![mean], vec![scale])
            }
            #[cfg(feature = "images")]
            Samples::Images(_) => {
                let mut sample = vec![0.0; row_len];
                let each = |look: &mut dyn FnMut(&[f32])| {
                    rows.iter().for_each(|&row| {
                        self.inputs[input].copy(row, &mut sample);
                        look(&sample);
                    });
                    Ok::<(), std::convert::Infallible>(())
                };
                match moments(each, groups, count) {
                    Ok(moments) => moments,
                    Err(never) => match never {},
                }
            }
            Samples::F32(values) => {
                let each = |look: &mut dyn FnMut(&[f32])| {
                    rows.iter().for_each(|&row| look(&values[row as usize * row_len..][..row_len]));
                    Ok::<(), std::convert::Infallible>(())
                };
                match moments(each, groups, count) {
                    Ok(moments) => moments,
                    Err(never) => match never {},
                }
            }
        }
    }

    /// Copies some rows into a set of their own.
    ///
    /// # Panics
    /// Where a row is not there.
    pub fn select(&self, rows: &[usize]) -> Dataset {
        fn taken<T: Copy>(values: &[T], width: usize, rows: &[usize]) -> Vec<T> {
            rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect()
        }
        let inputs = self.inputs.iter().map(|InputRows { shape, samples }| {
            let width = shape.len().expect("samples that are in memory can be counted");
            let samples = match samples {
                Samples::U8(values) => Samples::U8(taken(values, width, rows)),
                Samples::F32(values) => Samples::F32(taken(values, width, rows)),
                #[cfg(feature = "images")]
                Samples::Images(images) => Samples::Images(images.select(rows)),
            };
            InputRows { shape: shape.clone(), samples }
        });
        let targets = self.targets.iter().map(|targets| {
            let width = targets.width();
            let mut some = targets.clone_empty();
            match (targets, &mut some) {
                (Targets::Classes { indices: all, .. }, Targets::Classes { indices, .. }) => {
                    *indices = taken(all, width, rows);
                }
                (Targets::Values { values: all, .. }, Targets::Values { values, .. }) => {
                    *values = taken(all, width, rows);
                }
                _ => unreachable!("a copy is of the same kind"),
            }
            some
        });
        Dataset { name: self.name.clone(), inputs: inputs.collect(), targets: targets.collect() }
    }

    /// Adds the rows of another part of the same source.
    ///
    /// # Panics
    /// Where the two are stored differently, so are not of one source.
    pub fn extend(&mut self, other: Dataset) {
        assert_eq!(self.inputs.len(), other.inputs.len(), "extend: the parts of one source have the same inputs");
        assert_eq!(self.targets.len(), other.targets.len(), "extend: the parts of one source have the same targets");
        for (input, more) in self.inputs.iter_mut().zip(other.inputs) {
            match (&mut input.samples, more.samples) {
                (Samples::U8(values), Samples::U8(more)) => values.extend(more),
                (Samples::F32(values), Samples::F32(more)) => values.extend(more),
                #[cfg(feature = "images")]
                (Samples::Images(images), Samples::Images(more)) => images.extend(&more),
                _ => panic!("extend: the parts of one source are stored alike"),
            }
        }
        for (targets, more) in self.targets.iter_mut().zip(other.targets) {
            match (targets, more) {
                (Targets::Classes { indices, .. }, Targets::Classes { indices: more, .. }) => indices.extend(more),
                (Targets::Values { values, .. }, Targets::Values { values: more, .. }) => values.extend(more),
                _ => panic!("extend: the parts of one source have targets of one kind"),
            }
        }
    }

    /// A number for each row, the same for equal rows: samples and targets together.
    pub fn row_hashes(&self) -> Vec<u64> {
        let hashed =
            |bits: &mut dyn Iterator<Item = u32>| {
                mixed(bits.fold(0u64, |hash, bits| {
                    (hash.rotate_left(5) ^ u64::from(bits)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                }))
            };
        let sample = |input: &InputRows, row: usize| {
            let width = input.shape.len().expect("samples that are in memory can be counted");
            let range = row * width..(row + 1) * width;
            match &input.samples {
                Samples::U8(values) => hashed(&mut values[range].iter().map(|v| u32::from(*v))),
                Samples::F32(values) => hashed(&mut values[range].iter().map(|v| v.to_bits())),
                #[cfg(feature = "images")]
                Samples::Images(images) => images.hash(row),
            }
        };
        let target = |targets: &Targets, row: usize| {
            let width = targets.width();
            let range = row * width..(row + 1) * width;
            match targets {
                Targets::Classes { indices, .. } if width == 1 => u64::from(indices[row]),
                Targets::Classes { indices, .. } => hashed(&mut indices[range].iter().copied()),
                Targets::Values { values, .. } => hashed(&mut values[range].iter().map(|v| v.to_bits())),
            }
        };
        let hash = |row: usize| {
            let inputs = self.inputs.iter().map(|input| sample(input, row));
            let parts = inputs.chain(self.targets.iter().map(|targets| target(targets, row).rotate_left(32)));
            parts.enumerate().fold(0, |hash, (index, part)| hash ^ part.rotate_left(index as u32 / 2))
        };
        (0..self.len()).map(|row| mixed(hash(row))).collect()
    }

    /// Looks for NaN and infinities in the samples of the first input: how many, and the row and column of the first.
    pub fn first_not_finite(&self) -> Option<(usize, usize, usize)> {
        let Samples::F32(values) = self.samples() else { return None };
        let first = values.iter().position(|value| !value.is_finite())?;
        let count = values[first..].iter().filter(|value| !value.is_finite()).count();
        let row_len = self.row_len();
        Some((count, first / row_len, first % row_len))
    }
}

/// The numbers of a row, and room for all rows.
fn room(rows: usize, shape: &Shape) -> Result<(usize, Vec<f32>), Unfit> {
    let width = shape.len();
    let len = width.and_then(|width| width.checked_mul(rows));
    let mut room = Vec::new();
    match (width, len) {
        (Some(width), Some(len)) if room.try_reserve_exact(len).is_ok() => {
            room.resize(len, 0.0);
            Ok((width, room))
        }
        _ => Err(Unfit {
            what: "the rows".to_string(),
            expected: "few enough for the memory".to_string(),
            got: format!("{rows} rows of {shape}"),
            help: String::new(),
        }),
    }
}

/// Spreads the bits of a number over all 64 (the last step of SplitMix64).
pub(super) fn mixed(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests;
