//! Batch norm: every column by its statistics over the batch, or by running averages of them.

use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Rows};
use crate::reduce::columns::{self, load, load_or};

/// Running averages of the statistics, which inference uses.
#[derive(Debug)]
pub struct RunningStatistics<'a> {
    /// `[cols]`
    pub mean: &'a mut [f32],
    /// `[cols]`
    pub variance: &'a mut [f32],
    /// The share of the new batch: `running = (1 − momentum) · running + momentum · batch`; PyTorch's default is 0.1.
    pub momentum: f32,
    /// Whether the variance of the batch is divided by `rows − 1`, as PyTorch does, or by `rows`.
    ///
    /// A batch of one row has no unbiased variance (PyTorch refuses it): its biased variance, zero, is taken.
    pub unbiased: bool,
}

/// The arguments of [`batch_norm`].
#[derive(Debug)]
pub struct BatchNorm<'a> {
    /// Number of rows: the batch.
    pub rows: usize,
    /// Number of columns: the features.
    pub cols: usize,
    /// Added to the variance.
    pub epsilon: f32,
    /// `[rows, cols]`
    pub input: &'a [f32],
    /// `[cols]`
    pub weight: Option<&'a [f32]>,
    /// `[cols]`
    pub bias: Option<&'a [f32]>,
    /// `[rows, cols]`, overwritten.
    pub output: &'a mut [f32],
    /// `[cols]`, overwritten: kept for [`batch_norm_backward`].
    pub mean: &'a mut [f32],
    /// `[cols]`, overwritten: kept for [`batch_norm_backward`].
    pub rstd: &'a mut [f32],
    /// Updated with the statistics of this batch; untouched where there are no rows.
    pub running: Option<RunningStatistics<'a>>,
}

/// Normalizes every column by its mean and variance over the batch, for training.
///
/// # Panics
/// Where the lengths disagree.
pub fn batch_norm(arguments: BatchNorm<'_>, context: &Context) {
    let BatchNorm { rows, cols, epsilon, input, weight, bias, output, mean, rstd, running } = arguments;
    assert_eq!(input.len(), rows * cols, "the input has rows · cols elements");
    assert!(mean.len() == cols && rstd.len() == cols, "one mean and one rstd for each column");
    let count = rows.max(1) as f64;
    mean.fill(0.0);
    crate::reduce::add_column_sums(rows, cols, input, mean, context);
    for mean in mean.iter_mut() {
        *mean = (f64::from(*mean) / count) as f32;
    }
    let variance = rstd;
    variance.fill(0.0);
    columns::add(context.isa(), (rows, cols), &Squares { cols, input, mean }, [&mut *variance], context.pool());
    for variance in variance.iter_mut() {
        *variance = (f64::from(*variance) / count) as f32;
    }
    if let Some(running) = running.filter(|_| rows > 0) {
        running.update(rows, mean, variance);
    }
    let rstd = variance;
    for rstd in rstd.iter_mut() {
        *rstd = reciprocal(*rstd, epsilon);
    }
    batch_norm_inference(BatchNormInference { rows, cols, input, mean, rstd, weight, bias, output }, context);
}

impl RunningStatistics<'_> {
    fn update(self, rows: usize, mean: &[f32], variance: &[f32]) {
        assert!(
            self.mean.len() == mean.len() && self.variance.len() == mean.len(),
            "running statistics of each column"
        );
        let momentum = f64::from(self.momentum);
        let correction = if self.unbiased && rows > 1 { rows as f64 / (rows - 1) as f64 } else { 1.0 };
        for (running, &batch) in self.mean.iter_mut().zip(mean) {
            *running = ((1.0 - momentum) * f64::from(*running) + momentum * f64::from(batch)) as f32;
        }
        for (running, &batch) in self.variance.iter_mut().zip(variance) {
            *running = ((1.0 - momentum) * f64::from(*running) + momentum * correction * f64::from(batch)) as f32;
        }
    }
}

/// `(input − mean)²`
struct Squares<'a> {
    cols: usize,
    input: &'a [f32],
    mean: &'a [f32],
}

impl columns::Terms<1> for Squares<'_> {
    #[inline(always)]
    fn at<S: Simd>(&self, s: S, row: usize, col: usize, lanes: usize) -> [S::F; 1] {
        let d = s.sub(load(s, self.input, row * self.cols + col, lanes), load(s, self.mean, col, lanes));
        [s.mul(d, d)]
    }
}

fn reciprocal(variance: f32, epsilon: f32) -> f32 {
    (1.0 / (f64::from(variance) + f64::from(epsilon)).sqrt()) as f32
}

/// Computes `rstd[j] = 1 / √(variance[j] + epsilon)`, for [`batch_norm_inference`].
///
/// # Panics
/// Where the lengths differ.
pub fn reciprocal_std(variance: &[f32], epsilon: f32, rstd: &mut [f32]) {
    assert_eq!(variance.len(), rstd.len(), "one rstd for each variance");
    for (rstd, &variance) in rstd.iter_mut().zip(variance) {
        *rstd = reciprocal(variance, epsilon);
    }
}

/// The arguments of [`batch_norm_inference`].
#[derive(Debug)]
pub struct BatchNormInference<'a> {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// `[rows, cols]`
    pub input: &'a [f32],
    /// `[cols]`, the running mean.
    pub mean: &'a [f32],
    /// `[cols]`, from the running variance by [`reciprocal_std`].
    pub rstd: &'a [f32],
    /// `[cols]`
    pub weight: Option<&'a [f32]>,
    /// `[cols]`
    pub bias: Option<&'a [f32]>,
    /// `[rows, cols]`, overwritten.
    pub output: &'a mut [f32],
}

/// Normalizes every column by given statistics.
///
/// # Panics
/// Where the lengths disagree.
pub fn batch_norm_inference(arguments: BatchNormInference<'_>, context: &Context) {
    let BatchNormInference { rows, cols, input, mean, rstd, weight, bias, output } = arguments;
    assert_eq!(input.len(), rows * cols, "the input has rows · cols elements");
    assert_eq!(output.len(), rows * cols, "the output has rows · cols elements");
    assert!(mean.len() == cols && rstd.len() == cols, "one mean and one rstd for each column");
    assert!(weight.is_none_or(|weight| weight.len() == cols), "one weight for each column");
    assert!(bias.is_none_or(|bias| bias.len() == cols), "one bias for each column");
    if input.is_empty() {
        return;
    }
    let columns = Columns { cols, mean, rstd, weight };
    pieces::for_each(context.pool(), cols, (Rows(input, cols), Rows(output, cols)), |_, (input, output)| {
        context.isa().run(Forward { columns, input: input.0, bias, output: output.0 });
    });
}

/// What all rows share.
#[derive(Clone, Copy)]
struct Columns<'a> {
    cols: usize,
    mean: &'a [f32],
    rstd: &'a [f32],
    weight: Option<&'a [f32]>,
}

struct Forward<'a> {
    columns: Columns<'a>,
    input: &'a [f32],
    bias: Option<&'a [f32]>,
    output: &'a mut [f32],
}

impl Forward<'_> {
    #[inline(always)]
    fn at<S: Simd>(s: S, columns: &Columns<'_>, bias: Option<&[f32]>, x: &[f32], at: usize, lanes: usize) -> S::F {
        let d = s.sub(load(s, x, at, lanes), load(s, columns.mean, at, lanes));
        let normal = s.mul(d, load(s, columns.rstd, at, lanes));
        s.mul_add(normal, load_or(s, columns.weight, at, lanes, 1.0), load_or(s, bias, at, lanes, 0.0))
    }
}

impl Vectorized for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Forward { columns, input, bias, output } = self;
        let cols = columns.cols;
        let whole = cols / S::LEN * S::LEN;
        for (x, y) in input.chunks_exact(cols).zip(output.chunks_exact_mut(cols)) {
            for at in (0..whole).step_by(S::LEN) {
                s.store(Self::at(s, &columns, bias, x, at, S::LEN), &mut y[at..at + S::LEN]);
            }
            if whole < cols {
                s.store_part(Self::at(s, &columns, bias, x, whole, cols - whole), &mut y[whole..]);
            }
        }
    }
}

/// The arguments of [`batch_norm_backward`].
#[derive(Debug)]
pub struct BatchNormBackward<'a> {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// Whether mean and variance are those of this batch (training) or were given (inference).
    pub batch_statistics: bool,
    /// `[rows, cols]`: the input of the forward pass.
    pub input: &'a [f32],
    /// `[cols]`
    pub weight: Option<&'a [f32]>,
    /// `[cols]`, from the forward pass.
    pub mean: &'a [f32],
    /// `[cols]`, from the forward pass.
    pub rstd: &'a [f32],
    /// `[rows, cols]`
    pub grad_output: &'a [f32],
    /// `[rows, cols]`, overwritten; may be missing.
    pub grad_input: Option<&'a mut [f32]>,
    /// `[cols]`, added to; may be missing.
    pub grad_weight: Option<&'a mut [f32]>,
    /// `[cols]`, added to; may be missing.
    pub grad_bias: Option<&'a mut [f32]>,
    /// `[2 · cols]`, overwritten with sums of this batch.
    pub scratch: &'a mut [f32],
}

/// The gradients of [`batch_norm`] and of [`batch_norm_inference`].
///
/// ```text
/// first[j]         = Σ_i grad_output[i, j] · x̂[i, j]
/// second[j]        = Σ_i grad_output[i, j]
/// grad_weight[j]  += first[j]
/// grad_bias[j]    += second[j]
/// training:   grad_input[i, j] = weight[j] · rstd[j] · (grad_output[i, j] − (second[j] + x̂[i, j] · first[j]) / rows)
/// inference:  grad_input[i, j] = weight[j] · rstd[j] · grad_output[i, j]
/// ```
///
/// # Panics
/// Where the lengths disagree.
pub fn batch_norm_backward(arguments: BatchNormBackward<'_>, context: &Context) {
    let BatchNormBackward { rows, cols, batch_statistics, input, weight, mean, rstd, grad_output, scratch, .. } =
        arguments;
    assert_eq!(input.len(), rows * cols, "the input has rows · cols elements");
    assert_eq!(grad_output.len(), rows * cols, "the gradient of the output has rows · cols elements");
    assert!(weight.is_none_or(|weight| weight.len() == cols), "one weight for each column");
    assert!(mean.len() == cols && rstd.len() == cols, "one mean and one rstd for each column");
    assert_eq!(scratch.len(), 2 * cols, "the scratch has two numbers for each column");
    if input.is_empty() {
        return;
    }
    let columns = Columns { cols, mean, rstd, weight };
    let (first, second) = scratch.split_at_mut(cols);
    if batch_statistics || arguments.grad_weight.is_some() || arguments.grad_bias.is_some() {
        first.fill(0.0);
        second.fill(0.0);
        let sums = [&mut *first, &mut *second];
        columns::add(context.isa(), (rows, cols), &Terms { columns, input, grad_output }, sums, context.pool());
    }
    for (grad, sums) in [(arguments.grad_weight, &*first), (arguments.grad_bias, &*second)] {
        if let Some(grad) = grad {
            crate::reduce::add_assign(grad, sums, context);
        }
    }
    if let Some(grad_input) = arguments.grad_input {
        assert_eq!(grad_input.len(), rows * cols, "the gradient of the input has rows · cols elements");
        for sum in first.iter_mut().chain(second.iter_mut()) {
            *sum = if batch_statistics { (f64::from(*sum) / rows as f64) as f32 } else { 0.0 };
        }
        let (first, second) = (&*first, &*second);
        let operands = (Rows(input, cols), Rows(grad_output, cols), Rows(grad_input, cols));
        pieces::for_each(context.pool(), cols, operands, |_, (input, grad_output, grad_input)| {
            let (input, grad_output, grad_input) = (input.0, grad_output.0, grad_input.0);
            context.isa().run(Backward { columns, first, second, input, grad_output, grad_input });
        });
    }
}

/// `grad_output · x̂`, and `grad_output`.
struct Terms<'a> {
    columns: Columns<'a>,
    input: &'a [f32],
    grad_output: &'a [f32],
}

impl columns::Terms<2> for Terms<'_> {
    #[inline(always)]
    fn at<S: Simd>(&self, s: S, row: usize, col: usize, lanes: usize) -> [S::F; 2] {
        let at = row * self.columns.cols + col;
        let g = load(s, self.grad_output, at, lanes);
        let d = s.sub(load(s, self.input, at, lanes), load(s, self.columns.mean, col, lanes));
        [s.mul(g, s.mul(d, load(s, self.columns.rstd, col, lanes))), g]
    }
}

struct Backward<'a> {
    columns: Columns<'a>,
    /// The mean of `grad_output · x̂` of each column; zero for given statistics.
    first: &'a [f32],
    /// The mean of `grad_output` of each column; zero for given statistics.
    second: &'a [f32],
    input: &'a [f32],
    grad_output: &'a [f32],
    grad_input: &'a mut [f32],
}

impl Vectorized for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Backward { columns, first, second, input, grad_output, grad_input } = self;
        let cols = columns.cols;
        let whole = cols / S::LEN * S::LEN;
        let rows = input.chunks_exact(cols).zip(grad_output.chunks_exact(cols));
        for ((x, g), to) in rows.zip(grad_input.chunks_exact_mut(cols)) {
            let row = Row { columns: &columns, first, second, x, g };
            for at in (0..whole).step_by(S::LEN) {
                s.store(row.gradient(s, at, S::LEN), &mut to[at..at + S::LEN]);
            }
            if whole < cols {
                s.store_part(row.gradient(s, whole, cols - whole), &mut to[whole..]);
            }
        }
    }
}

/// One row of the backward pass.
struct Row<'a> {
    columns: &'a Columns<'a>,
    first: &'a [f32],
    second: &'a [f32],
    x: &'a [f32],
    g: &'a [f32],
}

impl Row<'_> {
    #[inline(always)]
    fn gradient<S: Simd>(&self, s: S, at: usize, lanes: usize) -> S::F {
        let rstd = load(s, self.columns.rstd, at, lanes);
        let normal = s.mul(s.sub(load(s, self.x, at, lanes), load(s, self.columns.mean, at, lanes)), rstd);
        let centered = s.sub(load(s, self.g, at, lanes), load(s, self.second, at, lanes));
        let rest = s.sub(centered, s.mul(normal, load(s, self.first, at, lanes)));
        s.mul(s.mul(load_or(s, self.columns.weight, at, lanes, 1.0), rstd), rest)
    }
}
