//! The definition of what is parallel here: dropout, one element after the other.

use super::{Random, Stream};

/// The mask of dropout.
pub fn dropout_mask(seed: u64, layer: u64, step: u64, probability: f32, len: usize) -> Vec<f32> {
    let mut random = Random::new(seed, Stream::Dropout, [layer, step]);
    let kept = (1.0 / (1.0 - f64::from(probability))) as f32;
    (0..len)
        .map(|_| f64::from(random.next_u32()) / 4_294_967_296.0 >= f64::from(probability))
        .map(|keep| if keep { kept } else { 0.0 })
        .collect()
}
