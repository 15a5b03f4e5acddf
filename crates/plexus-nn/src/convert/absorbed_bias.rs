//! The absorbed-bias form: the bias as one more column of the weight, the input as one more one.

/// Puts the bias in front of the weight: row `o` of the result is `bias[o], weight[o, 0], weight[o, 1], …`.
///
/// ```text
/// weight · input + bias = absorbed · [1, input]
/// ```
///
/// # Shapes
/// - `weight`: `[out_features, in_features]`, `bias`: `[out_features]`
/// - result: `[out_features, 1 + in_features]`
///
/// # Panics
/// Where the lengths do not fit.
///
/// # Source
/// The form `f(w₀ + Σ wₙ fₙ)` of multilayer regression, with the bias as row 0.
///
/// # Examples
/// ```
/// use plexus_nn::convert::absorbed_bias::{absorb, release};
/// let absorbed = absorb(&[1.0, 2.0, 3.0, 4.0], &[10.0, 20.0]);
/// assert_eq!(absorbed, [10.0, 1.0, 2.0, 20.0, 3.0, 4.0]);
/// assert_eq!(release(&absorbed, 2), (vec![1.0, 2.0, 3.0, 4.0], vec![10.0, 20.0]));
/// ```
pub fn absorb(weight: &[f32], bias: &[f32]) -> Vec<f32> {
    let out_features = bias.len();
    assert!(out_features > 0 && weight.len().is_multiple_of(out_features), "one bias for each row of the weight");
    let in_features = weight.len() / out_features;
    let mut absorbed = Vec::with_capacity(weight.len() + out_features);
    for (o, &bias) in bias.iter().enumerate() {
        absorbed.push(bias);
        absorbed.extend_from_slice(&weight[o * in_features..(o + 1) * in_features]);
    }
    absorbed
}

/// Takes the bias out again: the inverse of [`absorb`].
///
/// # Panics
/// Where `absorbed` is not `out_features` rows of at least one element.
pub fn release(absorbed: &[f32], out_features: usize) -> (Vec<f32>, Vec<f32>) {
    assert!(out_features > 0 && absorbed.len().is_multiple_of(out_features), "whole rows");
    let width = absorbed.len() / out_features;
    assert!(width > 0, "a row holds at least its bias");
    let (mut weight, mut bias) = (Vec::new(), Vec::new());
    for row in absorbed.chunks_exact(width) {
        bias.push(row[0]);
        weight.extend_from_slice(&row[1..]);
    }
    (weight, bias)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shape;
    use crate::layers::Linear;
    use crate::testing::run_layer;

    #[test]
    fn both_forms_compute_the_same_and_count_the_same() {
        let weight = [0.5, -1.0, 2.0, 0.25, 3.0, -0.5];
        let bias = [1.0, -2.0];
        let absorbed = absorb(&weight, &bias);
        assert_eq!(absorbed.len(), weight.len() + bias.len());
        let both: Vec<f32> = weight.iter().chain(&bias).copied().collect();
        let with_bias = run_layer(&Linear::new(2).into(), &Shape::new([3]), 1, &[1.5, 2.5, -1.0], &both, &[0.0; 2]);
        let input = [1.0, 1.5, 2.5, -1.0];
        let layer = Linear::new(2).with_bias(false).into();
        let without = run_layer(&layer, &Shape::new([4]), 1, &input, &absorbed, &[0.0; 2]);
        assert_eq!(with_bias.output, without.output);
        assert_eq!(release(&absorbed, 2), (weight.to_vec(), bias.to_vec()));
    }
}
