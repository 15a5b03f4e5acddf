//! The gradients of a convolution.

use super::{Geometry, Kernel, Scratch, reference};
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
/// # Panics
/// Where the geometry has no output, or the sizes of the buffers do not fit it.
pub fn conv_backward_input(call: ConvBackwardInput<'_>, scratch: &mut Scratch, pool: &Pool) {
    conv_backward_input_with(Kernel::selected(), call, scratch, pool);
}

/// [`conv_backward_input`] with a chosen kernel.
pub fn conv_backward_input_with(
    kernel: &'static Kernel,
    call: ConvBackwardInput<'_>,
    scratch: &mut Scratch,
    pool: &Pool,
) {
    let ConvBackwardInput { geometry, batch, grad_output, weight, grad_input, accumulate } = call;
    assert!(geometry.output().is_some(), "the filters fit the padded input");
    assert_eq!(Some(grad_input.len()), geometry.input_len().checked_mul(batch), "batch · height · width · channels");
    assert_eq!(Some(grad_output.len()), geometry.output_len().checked_mul(batch), "batch · rows · columns · filters");
    assert_eq!(weight.len(), geometry.weight_len(), "the weight has filters · channels / groups · kernel numbers");
    let _ = (kernel, scratch, pool);
    let (sums, _) = reference::backward_input(&geometry, batch, grad_output, weight);
    add(&sums, grad_input, accumulate);
}

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
/// # Panics
/// Where the geometry has no output, or the sizes of the buffers do not fit it.
pub fn conv_backward_weight(call: ConvBackwardWeight<'_>, scratch: &mut Scratch, pool: &Pool) {
    conv_backward_weight_with(Kernel::selected(), call, scratch, pool);
}

/// [`conv_backward_weight`] with a chosen kernel.
pub fn conv_backward_weight_with(
    kernel: &'static Kernel,
    call: ConvBackwardWeight<'_>,
    scratch: &mut Scratch,
    pool: &Pool,
) {
    let ConvBackwardWeight { geometry, batch, input, grad_output, grad_weight, grad_bias, accumulate } = call;
    assert!(geometry.output().is_some(), "the filters fit the padded input");
    assert_eq!(Some(input.len()), geometry.input_len().checked_mul(batch), "batch · height · width · channels");
    assert_eq!(Some(grad_output.len()), geometry.output_len().checked_mul(batch), "batch · rows · columns · filters");
    assert_eq!(grad_weight.len(), geometry.weight_len(), "filters · channels / groups · kernel numbers");
    assert!(grad_bias.as_ref().is_none_or(|bias| bias.len() == geometry.filters), "one bias for each filter");
    let _ = (kernel, scratch, pool);
    let (sums, _) = reference::backward_weight(&geometry, batch, input, grad_output);
    add(&sums, grad_weight, accumulate);
    if let Some(grad_bias) = grad_bias {
        let mut sums = vec![0.0f64; geometry.filters];
        for (at, &grad) in grad_output.iter().enumerate() {
            sums[at % geometry.filters] += f64::from(grad);
        }
        add(&sums, grad_bias, accumulate);
    }
}

fn add(sums: &[f64], to: &mut [f32], accumulate: bool) {
    for (to, &sum) in to.iter_mut().zip(sums) {
        *to = if accumulate { *to + sum as f32 } else { sum as f32 };
    }
}
