//! The gradients of a convolution.

use super::backward_input::{self, InputBand};
use super::backward_pixels::{self, AddLanes, PixelsPart};
use super::backward_weight::{WeightPart, chain_rows};
use super::pack::{Form, Layout};
use super::winograd::{self, Winograd};
use super::{Geometry, Kernel, PARALLEL_MACS, Scratch, cut, source};
use crate::Context;
use crate::gemm;
use crate::map::Function;
use crate::map::pieces::{self, Rows};
use crate::reduce;
use crate::threads::Pool;

/// The arguments of [`conv_backward_input`].
#[derive(Debug)]
pub struct ConvBackwardInput<'a> {
    /// The sizes.
    pub geometry: Geometry,
    /// Number of samples.
    pub batch: usize,
    /// `[batch, out height, out width, filters]`: of the sums, so the derivative of the function is in it already.
    pub grad_output: &'a [f32],
    /// `[filters, channels / groups, kernel height, kernel width]`
    pub weight: &'a [f32],
    /// `[batch, height, width, channels]`
    pub grad_input: &'a mut [f32],
    /// Adds to `grad_input` instead of overwriting it.
    pub accumulate: bool,
}

/// Computes the gradient of the input of a convolution.
///
/// ```text
/// grad_input[n, r, q, first(f) + c] (+)= Σ grad_output[n, y, x, f] · weight[f, c, i, j]
///                                        over all f, y, x, i, j with r = y·s0 + i·d0 - top and q = x·s1 + j·d1 - left
/// ```
///
/// # Numerics
/// For each `y, x, i, j` the sum over the filters of the group is a chain of multiply-adds from zero, in blocks of at most
/// [`KC`](crate::gemm::KC); these are added to the element one after the other. The order depends on the geometry and the
/// kernel alone: not on the threads, not on the batch. (Where Winograd's form is chosen, its order and bound hold.) The error is at most
/// `(min(filters, KC) + kernel height · kernel width · blocks + 2) · 2⁻²⁴ · Σ |grad_output||weight|`, and one more for
/// `accumulate`. There are no products with padding.
///
/// # Panics
/// Where the geometry has no output, or the sizes of the buffers do not fit it.
pub fn conv_backward_input(call: ConvBackwardInput<'_>, scratch: &mut Scratch, context: &Context) {
    let kernel = Kernel::for_isa(context.isa());
    let ConvBackwardInput { geometry, batch, grad_output, weight, grad_input, accumulate } = call;
    assert!(geometry.output().is_some(), "the filters fit the padded input");
    assert_eq!(Some(grad_input.len()), geometry.input_len().checked_mul(batch), "batch · height · width · channels");
    assert_eq!(Some(grad_output.len()), geometry.output_len().checked_mul(batch), "batch · rows · columns · filters");
    assert_eq!(weight.len(), geometry.weight_len(), "the weight has filters · channels / groups · kernel numbers");
    if grad_input.is_empty() {
        return;
    }
    let single = Pool::single();
    let macs = geometry.macs();
    let pool = if macs.saturating_mul(batch as u64) < PARALLEL_MACS { &single } else { context.pool() };
    if let Some(mirrored) = geometry.mirrored()
        && let Some(form) = Winograd::of(&mirrored, context.precision())
    {
        let multiply = gemm::Kernel::for_isa(kernel.isa);
        let len = form.weight_len(&mirrored, multiply);
        scratch.weight.grow(len);
        form.pack(&mirrored, multiply, weight, true, (&mut scratch.weight[..len], pool));
        let call = winograd::Call {
            form,
            kernel,
            geometry: &mirrored,
            batch,
            input: grad_output,
            weight: &scratch.weight[..len],
            bias: None,
            function: Function::Identity,
            pooled: false,
            positions: None,
            output: grad_input,
            accumulate,
        };
        return winograd::run(call, &mut scratch.winograd, pool);
    }
    let len = backward_input::weight_len(&geometry, 2 * kernel.lanes);
    scratch.weight.grow(len);
    backward_input::pack(&geometry, 2 * kernel.lanes, weight, &mut scratch.weight[..len]);
    let (geometry, weight) = (&geometry, &scratch.weight[..len]);
    let (height, row, outputs) = (geometry.height, geometry.width * geometry.channels, geometry.output_len());
    // Bands compute the rows of the output at their borders twice, so there are only as many as the threads need. The bits
    // do not depend on them.
    let bands = if pool.threads() > 1 { (2 * pool.threads()).div_ceil(batch) } else { 1 };
    let (band, piece) = match height.div_ceil(bands).max(BAND_ROWS) {
        band if band < height => (band, band),
        _ => (height, cut(macs, height).1.max(height)),
    };
    pieces::for_each_of(pool, piece, Rows(grad_input, row), |first, grad_input| {
        let mut grad_input = grad_input.0;
        let (mut at, end) = (first, first + grad_input.len() / row);
        while at < end {
            // A piece may go over the end of a sample.
            let (sample, y) = (at / height, at % height);
            let rows = y..height.min(y + (end - at).min(band));
            let (these, rest) = grad_input.split_at_mut(rows.len() * row);
            at += rows.len();
            let grad_output = &grad_output[sample * outputs..][..outputs];
            (kernel.input)(InputBand { geometry, grad_output, weight, rows, grad_input: these, accumulate });
            grad_input = rest;
        }
    });
}

/// The fewest rows of a band of the gradient of an input.
const BAND_ROWS: usize = 24;

/// The arguments of [`conv_backward_weight`].
#[derive(Debug)]
pub struct ConvBackwardWeight<'a> {
    /// The sizes.
    pub geometry: Geometry,
    /// Number of samples.
    pub batch: usize,
    /// `[batch, height, width, channels]`
    pub input: &'a [f32],
    /// `[batch, out height, out width, filters]`: of the sums, so the derivative of the function is in it already.
    pub grad_output: &'a [f32],
    /// `[filters, channels / groups, kernel height, kernel width]`
    pub grad_weight: &'a mut [f32],
    /// `[filters]`
    pub grad_bias: Option<&'a mut [f32]>,
    /// Adds to both results instead of overwriting them.
    pub accumulate: bool,
}

/// Computes the gradients of the weight and of the bias of a convolution.
///
/// ```text
/// grad_weight[f, c, i, j] (+)= Σ_n Σ_y Σ_x grad_output[n, y, x, f] · input[n, y·s0 + i·d0 - top, x·s1 + j·d1 - left, first(f) + c]
/// grad_bias[f]            (+)= Σ_n Σ_y Σ_x grad_output[n, y, x, f]
/// ```
///
/// # Numerics
/// The pixels of a sample are summed in chains of at most [`KC`](crate::gemm::KC), or of one row (with few filters: in 8 or
/// 16 chains, one for each lane, over the sample); the chains of some samples are added one after the other, and the sums
/// of at most sixteen such parts of the batch are added in order. All cuts depend on the geometry, the batch and the kernel
/// alone, so the number of threads changes no bit. The error is at most
/// `(max(KC, columns) + chains + 20) · 2⁻²⁴ · Σ |grad_output||input|`. Where an input is infinite or NaN, any element of
/// `grad_weight` may be NaN.
///
/// # Panics
/// Where the geometry has no output, or the sizes of the buffers do not fit it.
pub fn conv_backward_weight(call: ConvBackwardWeight<'_>, scratch: &mut Scratch, context: &Context) {
    let kernel = Kernel::for_isa(context.isa());
    let ConvBackwardWeight { geometry, batch, input, grad_output, grad_weight, grad_bias, accumulate } = call;
    assert!(geometry.output().is_some(), "the filters fit the padded input");
    assert_eq!(Some(input.len()), geometry.input_len().checked_mul(batch), "batch · height · width · channels");
    assert_eq!(Some(grad_output.len()), geometry.output_len().checked_mul(batch), "batch · rows · columns · filters");
    assert_eq!(grad_weight.len(), geometry.weight_len(), "filters · channels / groups · kernel numbers");
    assert!(grad_bias.as_ref().is_none_or(|bias| bias.len() == geometry.filters), "one bias for each filter");
    if grad_weight.is_empty() && geometry.filters == 0 {
        return;
    }
    let call = Call { kernel, geometry: &geometry, batch, input, grad_output, accumulate, context };
    match Layout::of(&geometry, kernel).form {
        Form::Pixels => call.pixels(grad_weight, grad_bias, scratch),
        _ => call.filters(grad_weight, grad_bias, scratch),
    }
}

/// The most parts of a batch that have sums of their own.
const PARTS: usize = 16;

/// Numbers that the sums of all parts take at most (16 MiB), where one part takes less.
const PARTIAL: usize = 1 << 22;

/// Multiply-adds of a part, at least.
const PART_MACS: u64 = 1 << 18;

/// What both ways to compute the gradient of a weight need.
struct Call<'a> {
    kernel: &'static Kernel,
    geometry: &'a Geometry,
    batch: usize,
    input: &'a [f32],
    grad_output: &'a [f32],
    accumulate: bool,
    context: &'a Context,
}

impl Call<'_> {
    /// Samples of one part and the number of parts, from the sizes alone. `len` numbers are summed.
    fn parts(&self, len: usize) -> (usize, usize) {
        let macs = self.geometry.macs().saturating_mul(self.batch as u64);
        let most = (macs / PART_MACS).clamp(1, PARTS as u64) as usize;
        let most = most.min(PARTIAL / len.max(1)).max(1);
        let samples = self.batch.div_ceil(most).max(1);
        (samples, self.batch.div_ceil(samples).max(1))
    }

    /// The threads, or none but this one where there is little to do.
    fn pool<'p>(&'p self, single: &'p Pool) -> &'p Pool {
        let macs = self.geometry.macs().saturating_mul(self.batch as u64);
        if macs < PARALLEL_MACS { single } else { self.context.pool() }
    }

    /// With filters (or, depthwise, channels) in the lanes: a task is a part of the batch by one row of a panel of filters.
    fn filters(&self, grad_weight: &mut [f32], grad_bias: Option<&mut [f32]>, scratch: &mut Scratch) {
        let Call { kernel, geometry, batch, input, grad_output, accumulate, .. } = *self;
        let single = Pool::single();
        let pool = self.pool(&single);
        let channels = geometry.group_channels();
        let [kernel_rows, kernel_cols] = geometry.kernel;
        let depthwise = backward_input::is_depthwise(geometry);
        let (groups, filters) = match depthwise {
            true => (1, geometry.filters),
            false => (geometry.groups, geometry.group_filters()),
        };
        let width = match depthwise {
            true => filters,
            false if filters <= kernel.lanes => kernel.lanes,
            false => 2 * kernel.lanes,
        };
        let panels = filters.div_ceil(width);
        let item = (kernel_cols * channels + 1) * width;
        let items = groups * panels * kernel_rows;
        let (samples, parts) = self.parts(items * item);
        let [rows, cols] = geometry.output().expect("checked at the entry");
        scratch.partial.grow(parts * items * item);
        let slots = scratch.slots.grow(pool.threads(), source::halo_len(geometry, rows.min(chain_rows(cols))));
        let partial = &mut scratch.partial[..parts * items * item];
        pieces::for_each_of(pool, 1, Rows(&mut *partial, item), |number, sums| {
            let (part, number) = (number / items, number % items);
            let (panel, row) = (number / kernel_rows, number % kernel_rows);
            let (group, panel) = (panel / panels, panel % panels);
            let first = panel * width;
            (kernel.weight)(WeightPart {
                geometry,
                input,
                grad_output,
                samples: part * samples..batch.min((part + 1) * samples),
                channel: group * channels,
                filter: group * filters + first,
                count: width.min(filters - first),
                row,
                width,
                sums: sums.0,
                halo: &mut slots.take()[..],
            });
        });
        let sums = self.add_parts(partial, items * item);
        let place = |f: usize, i: usize| {
            let (group, f) = (f / filters, f % filters);
            ((group * panels + f / width) * kernel_rows + i) * item + f % width
        };
        self.finish(grad_weight, accumulate, width, place, sums);
        if let Some(grad_bias) = grad_bias {
            // The row behind the last element of the first row of each panel.
            for (f, to) in grad_bias.iter_mut().enumerate() {
                write(to, sums[place(f, 0) + item - width], accumulate);
            }
        }
    }

    /// With pixels in the lanes: a task is a part of the batch.
    fn pixels(&self, grad_weight: &mut [f32], grad_bias: Option<&mut [f32]>, scratch: &mut Scratch) {
        let Call { kernel, geometry, batch, input, grad_output, accumulate, .. } = *self;
        let single = Pool::single();
        let pool = self.pool(&single);
        let item = backward_pixels::sums(geometry) * kernel.lanes;
        let (samples, parts) = self.parts(item);
        scratch.partial.grow(parts * item);
        let slots = scratch.slots.grow(pool.threads(), backward_pixels::halo_len(geometry));
        let partial = &mut scratch.partial[..parts * item];
        pieces::for_each_of(pool, 1, Rows(&mut *partial, item), |part, sums| {
            let samples = part * samples..batch.min((part + 1) * samples);
            let halo = &mut slots.take()[..];
            (kernel.weight_of_pixels)(PixelsPart { geometry, input, grad_output, samples, sums: sums.0, halo });
        });
        let sums = self.add_parts(partial, item);
        kernel.isa.run(AddLanes { sums: &mut *sums });
        let row = geometry.kernel[1] * geometry.channels;
        let place = |f: usize, i: usize| backward_pixels::place(geometry, i * row, f) * kernel.lanes;
        self.finish(grad_weight, accumulate, backward_pixels::place(geometry, 1, 0) * kernel.lanes, place, sums);
        if let Some(grad_bias) = grad_bias {
            for (f, to) in grad_bias.iter_mut().enumerate() {
                write(to, sums[place(f, geometry.kernel[0])], accumulate);
            }
        }
    }

    /// Adds the sums of the other parts to those of the first, in order.
    fn add_parts<'s>(&self, partial: &'s mut [f32], len: usize) -> &'s mut [f32] {
        let (first, others) = partial.split_at_mut(len);
        for other in others.chunks_exact(len.max(1)) {
            reduce::add_assign(first, other, self.context);
        }
        first
    }

    /// Writes the gradient of the weight in its own order. The sums of row `i` of filter `f` begin at `place(f, i)`, and are
    /// `step` numbers apart.
    fn finish(
        &self,
        grad_weight: &mut [f32],
        accumulate: bool,
        step: usize,
        place: impl Fn(usize, usize) -> usize,
        sums: &[f32],
    ) {
        let [rows, cols] = self.geometry.kernel;
        let channels = self.geometry.group_channels();
        if grad_weight.is_empty() {
            return;
        }
        for (f, grad_weight) in grad_weight.chunks_exact_mut(channels * rows * cols).enumerate() {
            for i in 0..rows {
                let mut from = sums[place(f, i)..].iter().step_by(step);
                for j in 0..cols {
                    for c in 0..channels {
                        let sum = from.next().expect("there is a sum for each element");
                        write(&mut grad_weight[(c * rows + i) * cols + j], *sum, accumulate);
                    }
                }
            }
        }
    }
}

/// Writes one number, or adds it.
fn write(to: &mut f32, sum: f32, accumulate: bool) {
    *to = if accumulate { *to + sum } else { sum };
}
