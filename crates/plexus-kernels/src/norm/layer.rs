//! Layer norm: every row by its own statistics.

use crate::Context;
use crate::isa::{Simd, Vectorized};
use crate::map::pieces::{self, Rows};
use crate::reduce::columns::{self, load, load_or};

/// Elements that are summed in 32 bits before they join a 64-bit sum; a whole number of vectors.
const STRETCH: usize = 512;

/// The arguments of [`layer_norm`].
#[derive(Debug)]
pub struct LayerNorm<'a> {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
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
    /// `[rows]`, overwritten: kept for [`layer_norm_backward`].
    pub mean: &'a mut [f32],
    /// `[rows]`, overwritten: kept for [`layer_norm_backward`].
    pub rstd: &'a mut [f32],
}

/// Normalizes every row by its mean and variance.
///
/// # Panics
/// Where the lengths disagree.
pub fn layer_norm(arguments: LayerNorm<'_>, context: &Context) {
    let LayerNorm { rows, cols, epsilon, input, weight, bias, output, mean, rstd } = arguments;
    assert_eq!(input.len(), rows * cols, "the input has rows · cols elements");
    assert_eq!(output.len(), rows * cols, "the output has rows · cols elements");
    assert!(weight.is_none_or(|weight| weight.len() == cols), "one weight for each column");
    assert!(bias.is_none_or(|bias| bias.len() == cols), "one bias for each column");
    assert!(mean.len() == rows && rstd.len() == rows, "one mean and one rstd for each row");
    if input.is_empty() {
        return;
    }
    let operands = (Rows(input, cols), Rows(output, cols), mean, rstd);
    pieces::for_each(context.pool(), cols, operands, |_, (input, output, mean, rstd)| {
        context.isa().run(Forward { cols, epsilon, input: input.0, weight, bias, output: output.0, mean, rstd });
    });
}

struct Forward<'a> {
    cols: usize,
    epsilon: f32,
    input: &'a [f32],
    weight: Option<&'a [f32]>,
    bias: Option<&'a [f32]>,
    output: &'a mut [f32],
    mean: &'a mut [f32],
    rstd: &'a mut [f32],
}

impl Vectorized for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Forward { cols, epsilon, input, weight, bias, output, mean, rstd } = self;
        let rows = input.chunks_exact(cols).zip(output.chunks_exact_mut(cols));
        for ((x, y), (mean, rstd)) in rows.zip(mean.iter_mut().zip(rstd)) {
            *mean = (sum(s, x) / cols as f64) as f32;
            let variance = sum_of_squares_about(s, x, *mean) / cols as f64;
            *rstd = (1.0 / (variance + f64::from(epsilon)).sqrt()) as f32;
            let (m, r) = (s.splat(*mean), s.splat(*rstd));
            let whole = cols / S::LEN * S::LEN;
            for at in (0..whole).step_by(S::LEN) {
                let normal = s.mul(s.sub(load(s, x, at, S::LEN), m), r);
                let (weight, bias) = (load_or(s, weight, at, S::LEN, 1.0), load_or(s, bias, at, S::LEN, 0.0));
                s.store(s.mul_add(normal, weight, bias), &mut y[at..at + S::LEN]);
            }
            let lanes = cols - whole;
            if lanes > 0 {
                let normal = s.mul(s.sub(load(s, x, whole, lanes), m), r);
                let (weight, bias) = (load_or(s, weight, whole, lanes, 1.0), load_or(s, bias, whole, lanes, 0.0));
                s.store_part(s.mul_add(normal, weight, bias), &mut y[whole..]);
            }
        }
    }
}

/// `Σ_j row[j]`
#[inline(always)]
fn sum<S: Simd>(s: S, row: &[f32]) -> f64 {
    let mut total = 0.0;
    for row in row.chunks(STRETCH) {
        let mut sum = s.splat(0.0);
        let mut xs = row.chunks_exact(S::LEN);
        for x in xs.by_ref() {
            sum = s.add(sum, s.load(x));
        }
        total += f64::from(s.sum(s.add(sum, s.load_part(xs.remainder(), 0.0))));
    }
    total
}

/// `Σ_j (row[j] − center)²`
#[inline(always)]
fn sum_of_squares_about<S: Simd>(s: S, row: &[f32], center: f32) -> f64 {
    let c = s.splat(center);
    let mut total = 0.0;
    for row in row.chunks(STRETCH) {
        let mut sum = s.splat(0.0);
        let mut xs = row.chunks_exact(S::LEN);
        for x in xs.by_ref() {
            let d = s.sub(s.load(x), c);
            sum = s.mul_add(d, d, sum);
        }
        let d = s.sub(s.load_part(xs.remainder(), center), c);
        total += f64::from(s.sum(s.mul_add(d, d, sum)));
    }
    total
}

/// The arguments of [`layer_norm_backward`].
#[derive(Debug)]
pub struct LayerNormBackward<'a> {
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub cols: usize,
    /// `[rows, cols]`: the input of the forward pass.
    pub input: &'a [f32],
    /// `[cols]`
    pub weight: Option<&'a [f32]>,
    /// `[rows]`, from the forward pass.
    pub mean: &'a [f32],
    /// `[rows]`, from the forward pass.
    pub rstd: &'a [f32],
    /// `[rows, cols]`
    pub grad_output: &'a [f32],
    /// `[rows, cols]`, overwritten; may be missing.
    pub grad_input: Option<&'a mut [f32]>,
    /// `[cols]`, added to; may be missing.
    pub grad_weight: Option<&'a mut [f32]>,
    /// `[cols]`, added to; may be missing.
    pub grad_bias: Option<&'a mut [f32]>,
}

/// The gradients of [`layer_norm`].
///
/// ```text
/// h[i, j]          = grad_output[i, j] · weight[j]
/// grad_input[i, j] = rstd[i] · (h[i, j] − mean_c h[i, c] − x̂[i, j] · mean_c (h[i, c] · x̂[i, c]))
/// grad_weight[j]  += Σ_i grad_output[i, j] · x̂[i, j]
/// grad_bias[j]    += Σ_i grad_output[i, j]
/// ```
///
/// # Panics
/// Where the lengths disagree.
pub fn layer_norm_backward(arguments: LayerNormBackward<'_>, context: &Context) {
    let LayerNormBackward { rows, cols, input, weight, mean, rstd, grad_output, .. } = arguments;
    assert_eq!(input.len(), rows * cols, "the input has rows · cols elements");
    assert_eq!(grad_output.len(), rows * cols, "the gradient of the output has rows · cols elements");
    assert!(weight.is_none_or(|weight| weight.len() == cols), "one weight for each column");
    assert!(mean.len() == rows && rstd.len() == rows, "one mean and one rstd for each row");
    if input.is_empty() {
        return;
    }
    if let Some(grad_input) = arguments.grad_input {
        assert_eq!(grad_input.len(), rows * cols, "the gradient of the input has rows · cols elements");
        let operands = (Rows(input, cols), Rows(grad_output, cols), Rows(grad_input, cols), (mean, rstd));
        pieces::for_each(context.pool(), cols, operands, |_, (input, grad_output, grad_input, (mean, rstd))| {
            let (input, grad_output, grad_input) = (input.0, grad_output.0, grad_input.0);
            context.isa().run(Backward { cols, input, weight, mean, rstd, grad_output, grad_input });
        });
    }
    let terms = Terms { cols, input, mean, rstd, grad_output };
    match (arguments.grad_weight, arguments.grad_bias) {
        (Some(grad_weight), Some(grad_bias)) => {
            columns::add::<2>(context.isa(), (rows, cols), &terms, [grad_weight, grad_bias], context.pool());
        }
        (Some(grad_weight), None) => {
            columns::add::<1>(context.isa(), (rows, cols), &terms, [grad_weight], context.pool())
        }
        (None, Some(grad_bias)) => crate::reduce::add_column_sums(rows, cols, grad_output, grad_bias, context),
        (None, None) => {}
    }
}

struct Backward<'a> {
    cols: usize,
    input: &'a [f32],
    weight: Option<&'a [f32]>,
    mean: &'a [f32],
    rstd: &'a [f32],
    grad_output: &'a [f32],
    grad_input: &'a mut [f32],
}

impl Vectorized for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Backward { cols, input, weight, mean, rstd, grad_output, grad_input } = self;
        let rows = input.chunks_exact(cols).zip(grad_output.chunks_exact(cols)).zip(grad_input.chunks_exact_mut(cols));
        for (((x, g), to), (&mean, &rstd)) in rows.zip(mean.iter().zip(rstd)) {
            let row = Row { x, g, weight, mean, rstd };
            let (first, second) = row.sums(s);
            let count = cols as f64;
            let (a, b) = (s.splat((first / count) as f32), s.splat((second / count) as f32));
            let whole = cols / S::LEN * S::LEN;
            for at in (0..whole).step_by(S::LEN) {
                s.store(row.gradient(s, at, S::LEN, a, b), &mut to[at..at + S::LEN]);
            }
            if whole < cols {
                s.store_part(row.gradient(s, whole, cols - whole, a, b), &mut to[whole..]);
            }
        }
    }
}

/// One row of the backward pass.
struct Row<'a> {
    x: &'a [f32],
    g: &'a [f32],
    weight: Option<&'a [f32]>,
    mean: f32,
    rstd: f32,
}

impl Row<'_> {
    /// `(h, x̂)` from column `at` on; `h` is zero in lanes that do not exist.
    #[inline(always)]
    fn at<S: Simd>(&self, s: S, at: usize, lanes: usize) -> (S::F, S::F) {
        let h = s.mul(load(s, self.g, at, lanes), load_or(s, self.weight, at, lanes, 1.0));
        let normal = s.mul(s.sub(load(s, self.x, at, lanes), s.splat(self.mean)), s.splat(self.rstd));
        (h, normal)
    }

    /// `(Σ_c h[c], Σ_c h[c] · x̂[c])`
    #[inline(always)]
    fn sums<S: Simd>(&self, s: S) -> (f64, f64) {
        let (mut total_h, mut total_hx) = (0.0, 0.0);
        let cols = self.x.len();
        for start in (0..cols).step_by(STRETCH) {
            let end = cols.min(start + STRETCH);
            let whole = start + (end - start) / S::LEN * S::LEN;
            let (mut sum_h, mut sum_hx) = (s.splat(0.0), s.splat(0.0));
            for at in (start..whole).step_by(S::LEN) {
                let (h, x) = self.at(s, at, S::LEN);
                sum_h = s.add(sum_h, h);
                sum_hx = s.mul_add(h, x, sum_hx);
            }
            if whole < end {
                let (h, x) = self.at(s, whole, end - whole);
                sum_h = s.add(sum_h, h);
                sum_hx = s.mul_add(h, x, sum_hx);
            }
            total_h += f64::from(s.sum(sum_h));
            total_hx += f64::from(s.sum(sum_hx));
        }
        (total_h, total_hx)
    }

    #[inline(always)]
    fn gradient<S: Simd>(&self, s: S, at: usize, lanes: usize, mean_h: S::F, mean_hx: S::F) -> S::F {
        let (h, x) = self.at(s, at, lanes);
        s.mul(s.splat(self.rstd), s.sub(s.sub(h, mean_h), s.mul(x, mean_hx)))
    }
}

/// `grad_output · x̂`, and `grad_output`.
struct Terms<'a> {
    cols: usize,
    input: &'a [f32],
    mean: &'a [f32],
    rstd: &'a [f32],
    grad_output: &'a [f32],
}

impl columns::Terms<2> for Terms<'_> {
    #[inline(always)]
    fn at<S: Simd>(&self, s: S, row: usize, col: usize, lanes: usize) -> [S::F; 2] {
        let g = load(s, self.grad_output, row * self.cols + col, lanes);
        let d = s.sub(load(s, self.input, row * self.cols + col, lanes), s.splat(self.mean[row]));
        [s.mul(g, s.mul(d, s.splat(self.rstd[row]))), g]
    }
}

impl columns::Terms<1> for Terms<'_> {
    #[inline(always)]
    fn at<S: Simd>(&self, s: S, row: usize, col: usize, lanes: usize) -> [S::F; 1] {
        let [both, _] = columns::Terms::<2>::at(self, s, row, col, lanes);
        [both]
    }
}
