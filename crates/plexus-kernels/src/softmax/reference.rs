//! The definition of softmax and cross-entropy: plain loops, 64-bit arithmetic.

/// Softmax of one row.
pub fn softmax(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - largest).exp()).sum();
    row.iter().map(|x| (x - largest).exp() / sum).collect()
}

/// The logarithm of the softmax of one row.
pub fn log_softmax(row: &[f64]) -> Vec<f64> {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = row.iter().map(|x| (x - largest).exp()).sum();
    row.iter().map(|x| x - largest - sum.ln()).collect()
}

/// The sum of the weighted losses of a batch, and the sum of the weights of its targets.
pub fn cross_entropy(
    cols: usize,
    logits: &[f64],
    targets: &[u32],
    class_weights: Option<&[f32]>,
    label_smoothing: f64,
) -> (f64, f64) {
    let weight = |class: usize| class_weights.map_or(1.0, |weights| f64::from(weights[class]));
    let (mut loss, mut total) = (0.0, 0.0);
    for (row, &target) in logits.chunks(cols).zip(targets) {
        let log = log_softmax(row);
        let target = target as usize;
        loss -= (1.0 - label_smoothing) * weight(target) * log[target];
        if label_smoothing > 0.0 {
            loss -= label_smoothing / cols as f64 * (0..cols).map(|c| weight(c) * log[c]).sum::<f64>();
        }
        total += weight(target);
    }
    (loss, total)
}
