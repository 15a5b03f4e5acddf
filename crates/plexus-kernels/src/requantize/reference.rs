//! The definition of each rounding: one plain function, never tuned. What fits into no `i32` is returned as `i64`.
//!
//! Those of whole numbers are `plexus-micro`'s, which microcontrollers run; those with floats are here.

pub use plexus_micro::{double_rounding, power_of_two, reduced, reduced_multiplier, single_rounding};

/// `round(sum · scale)` in f64, halves away from zero; saturating.
pub fn float64(sum: i32, scale: f64) -> i64 {
    (f64::from(sum) * scale).round() as i64
}

/// `round(f32(sum) · scale)` in f32, halves to even; saturating.
pub fn float32(sum: i32, scale: f32) -> i64 {
    (sum as f32 * scale).round_ties_even() as i64
}
