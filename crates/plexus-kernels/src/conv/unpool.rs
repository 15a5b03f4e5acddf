//! The way back through 2 x 2 max pooling.

use crate::isa::Isa;
use crate::map::{self, Function, Saved};
use crate::threads::Pool;

/// The arguments of [`unpool_two`].
#[derive(Debug)]
pub struct UnpoolTwo<'a> {
    /// Number of samples.
    pub batch: usize,
    /// Channels of the maps.
    pub channels: usize,
    /// Rows of the full map.
    pub height: usize,
    /// Columns of the full map.
    pub width: usize,
    /// `[batch, height / 2, width / 2, channels]`, halves rounded down.
    pub grad_pooled: &'a [f32],
    /// As `grad_pooled`: where in its window each number was, 0 to 3, row-major.
    pub positions: &'a [u8],
    /// The function before the pooling and the pooled output, as `grad_pooled`: the gradient is multiplied by the
    /// derivative, which follows from the output ([`Function::derivative_from_output`]).
    pub activation: Option<(Function, &'a [f32])>,
    /// `[batch, height, width, channels]`, overwritten: zero where nothing was chosen.
    pub grad_full: &'a mut [f32],
}

/// Spreads the gradient of pooled maps to the places that were chosen.
///
/// ```text
/// grad_full[n, 2y + p / 2, 2x + p mod 2, c] = grad_pooled[n, y, x, c] · f'   where p = positions[n, y, x, c], else 0
/// ```
///
/// # Panics
/// Where the lengths disagree, or the function needs its input.
pub fn unpool_two(call: UnpoolTwo<'_>, pool: &Pool) {
    unpool_two_on(Isa::selected(), call, pool);
}

/// [`unpool_two`] on a given instruction set.
pub fn unpool_two_on(isa: Isa, call: UnpoolTwo<'_>, pool: &Pool) {
    let UnpoolTwo { batch, channels, height, width, grad_pooled, positions, activation, grad_full } = call;
    let (rows, cols) = (height / 2, width / 2);
    assert_eq!(grad_pooled.len(), batch * rows * cols * channels, "a gradient for each pooled number");
    assert_eq!(positions.len(), grad_pooled.len(), "a position for each pooled number");
    assert_eq!(grad_full.len(), batch * height * width * channels, "batch · height · width · channels");
    let _ = isa;
    let mut grad = grad_pooled.to_vec();
    if let Some((function, output)) = activation {
        map::backward_in_place(function, Saved::Output(output), &mut grad, &crate::Context::new(isa, pool.clone()));
    }
    grad_full.fill(0.0);
    for (at, (&grad, &position)) in grad.iter().zip(positions).enumerate() {
        let (c, pixel) = (at % channels, at / channels);
        let (x, y, n) = (pixel % cols, pixel / cols % rows, pixel / cols / rows);
        let (row, col) = (2 * y + usize::from(position) / 2, 2 * x + usize::from(position) % 2);
        grad_full[((n * height + row) * width + col) * channels + c] = grad;
    }
}
