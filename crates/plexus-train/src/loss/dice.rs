//! The overlap of areas as a loss; [`Loss::Dice`](super::Loss::Dice) has the formula.

use super::LossSums;
use plexus_kernels::Context;
use plexus_kernels::softmax::{CrossEntropy, IGNORED, cross_entropy, softmax};

/// Added above and below, so that a class that is nowhere has the share 1.
const SMOOTH: f64 = 1.0;

/// Answers for the positions of some images.
pub(super) struct Areas<'a> {
    /// `[images · positions, cols]`
    pub outputs: &'a [f32],
    pub cols: usize,
    pub positions: usize,
    /// `[images · positions]`
    pub classes: &'a [u32],
    pub divisor: f64,
    pub with_entropy: bool,
}

/// Images in which any place is known.
pub(super) fn weight(positions: usize, classes: &[u32]) -> f64 {
    classes.chunks_exact(positions.max(1)).filter(|image| image.iter().any(|class| *class != IGNORED)).count() as f64
}

/// The sum of the losses of the images, and its derivative divided by `divisor`.
pub(super) fn dice(areas: Areas<'_>, mut grad: Option<&mut [f32]>, context: &Context) -> LossSums {
    let Areas { outputs, cols, positions, classes, divisor, with_entropy } = areas;
    let width = (positions * cols).max(1);
    let mut probabilities = vec![0.0; width];
    let mut sums = LossSums::default();
    for (index, (logits, classes)) in outputs.chunks_exact(width).zip(classes.chunks_exact(positions)).enumerate() {
        let mut grad = grad.as_deref_mut().map(|grad| &mut grad[index * width..][..width]);
        let known = classes.iter().filter(|class| **class != IGNORED).count() as f64;
        if known == 0.0 {
            grad.iter_mut().for_each(|grad| grad.fill(0.0));
            continue;
        }
        sums.weight += 1.0;
        if with_entropy {
            let entropy = CrossEntropy {
                cols,
                logits,
                targets: classes,
                class_weights: None,
                label_smoothing: 0.0,
                divisor: divisor * known,
                grad_logits: grad.as_deref_mut(),
            };
            sums.loss += cross_entropy(entropy, context).loss / known;
        } else if let Some(grad) = &mut grad {
            grad.fill(0.0);
        }
        softmax(positions, cols, logits, &mut probabilities, context);
        let shares = shares(&probabilities, classes, cols);
        sums.loss += 1.0 - shares.iter().map(|share| share.above / share.below).sum::<f64>() / cols as f64;
        if let Some(grad) = grad {
            add_gradient(&shares, &probabilities, classes, divisor, grad);
        }
    }
    sums
}

/// What overlaps of one class, above and below the line.
#[derive(Clone)]
struct Share {
    above: f64,
    below: f64,
}

fn shares(probabilities: &[f32], classes: &[u32], cols: usize) -> Vec<Share> {
    let mut shares = vec![Share { above: SMOOTH, below: SMOOTH }; cols];
    let known = probabilities.chunks_exact(cols).zip(classes).filter(|(_, class)| **class != IGNORED);
    for (row, &class) in known {
        for (share, probability) in shares.iter_mut().zip(row) {
            share.below += f64::from(*probability);
        }
        let (own, probability) = (&mut shares[class as usize], f64::from(row[class as usize]));
        own.above += 2.0 * probability;
        own.below += 1.0;
    }
    shares
}

/// ```text
/// ∂loss/∂p[x, c] = −(2 · [t[x] = c] / below[c] − above[c] / below[c]²) / classes
/// ∂loss/∂z[x, c] = p[x, c] · (∂loss/∂p[x, c] − Σ_k p[x, k] · ∂loss/∂p[x, k])
/// ```
fn add_gradient(shares: &[Share], probabilities: &[f32], classes: &[u32], divisor: f64, grad: &mut [f32]) {
    let cols = shares.len();
    let scale = 1.0 / (cols as f64 * divisor);
    // What a place adds that is not of the class, and what more one that is.
    let other: Vec<f32> = shares.iter().map(|share| (share.above / share.below.powi(2) * scale) as f32).collect();
    let own: Vec<f32> = shares.iter().map(|share| (-2.0 / share.below * scale) as f32).collect();
    let rows = probabilities.chunks_exact(cols).zip(grad.chunks_exact_mut(cols)).zip(classes);
    for ((row, grad), &class) in rows.filter(|(_, class)| **class != IGNORED) {
        let class = class as usize;
        let mean = row.iter().zip(&other).map(|(p, other)| p * other).sum::<f32>() + row[class] * own[class];
        for ((grad, p), other) in grad.iter_mut().zip(row).zip(&other) {
            *grad += p * (other - mean);
        }
        grad[class] += row[class] * own[class];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{Loss, TargetBatch};

    /// Three images of five places and three classes; one place is unknown, one image wholly.
    fn case() -> (Vec<f32>, Vec<u32>) {
        let logits = (0..45).map(|at| ((at * 37 % 23) as f32 - 11.0) / 7.0).collect();
        (logits, vec![0, 1, 1, IGNORED, 0, 2, 2, 0, 1, 1, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED])
    }

    /// The definition, in 64-bit arithmetic.
    fn reference(logits: &[f64], classes: &[u32], with_entropy: bool) -> f64 {
        let mut loss = 0.0;
        for (logits, classes) in logits.chunks(15).zip(classes.chunks(5)) {
            let known: Vec<usize> = (0..5).filter(|place| classes[*place] != IGNORED).collect();
            if known.is_empty() {
                continue;
            }
            let p: Vec<Vec<f64>> = logits.chunks(3).map(plexus_kernels::softmax::reference::softmax).collect();
            let probability = |place: &usize, class: usize| p[*place][class];
            for class in 0..3 {
                let is = |place: &usize| classes[*place] as usize == class;
                let both: f64 = known.iter().filter(|place| is(place)).map(|place| probability(place, class)).sum();
                let either =
                    known.iter().map(|place| probability(place, class) + f64::from(u8::from(is(place)))).sum::<f64>();
                loss += (1.0 - (2.0 * both + 1.0) / (either + 1.0)) / 3.0;
            }
            if with_entropy {
                let each = known.iter().map(|place| -p[*place][classes[*place] as usize].ln());
                loss += each.sum::<f64>() / known.len() as f64;
            }
        }
        loss
    }

    #[test]
    fn the_loss_is_its_definition_and_the_gradient_its_slope() {
        let (logits, classes) = case();
        let exact: Vec<f64> = logits.iter().map(|value| f64::from(*value)).collect();
        for (loss, with_entropy) in [(Loss::Dice, false), (Loss::DiceCrossEntropy, true)] {
            let context = Context::single();
            let (mut grad, targets) = (vec![f32::NAN; 45], TargetBatch::Classes(&classes));
            let sums = loss.gradient(&logits, (3, 5), targets, 2.0, &mut grad, &context);
            assert_eq!(sums, loss.sums(&logits, (3, 5), targets, &context));
            assert_eq!((sums.weight, loss.weight((3, 5), targets)), (2.0, 2.0));
            let want = reference(&exact, &classes, with_entropy);
            assert!((sums.loss - want).abs() < 1e-6, "{} {want}", sums.loss);
            for at in 0..45 {
                let moved = |by: f64| {
                    let mut moved = exact.clone();
                    moved[at] += by;
                    reference(&moved, &classes, with_entropy)
                };
                let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5 / 2.0;
                assert!((f64::from(grad[at]) - slope).abs() < 1e-6, "{at}: {} {slope}", grad[at]);
            }
        }
    }

    #[test]
    fn a_perfect_answer_costs_nothing_and_a_class_that_is_nowhere_costs_what_is_taken_for_it() {
        let sure = |class: usize| (0..3).map(move |other| if other == class { 60.0 } else { -60.0 });
        let loss = |answers: [usize; 4], classes: [u32; 4]| {
            let outputs: Vec<f32> = answers.iter().flat_map(|class| sure(*class)).collect();
            Loss::Dice.sums(&outputs, (3, 4), TargetBatch::Classes(&classes), &Context::single()).loss
        };
        assert!(loss([0, 0, 1, 1], [0, 0, 1, 1]).abs() < 1e-6);
        // Class 2 is nowhere, but one place is taken for it: shares 1, 3/4 and 1/2.
        assert!((loss([0, 0, 1, 2], [0, 0, 1, 1]) - (1.0 - (1.0 + 0.75 + 0.5) / 3.0)).abs() < 1e-6);
    }
}
