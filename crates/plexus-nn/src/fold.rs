//! Folding: a layer that only scales and shifts in a prediction becomes part of the weights of the layer beside it.
//!
//! For a layer `y[o] = Σ_j w[o, j] · x[j] + b[o]` between `x = s · x₀ + t` and `z = u · y + v`:
//!
//! ```text
//! w'[o, j] = u[o] · s[j] · w[o, j]        b'[o] = u[o] · (b[o] + Σ_j w[o, j] · t[j]) + v[o]        z = w' · x₀ + b'
//! ```
//!
//! All of it is computed in f64 and rounded once, so `z` has other last bits than without folding. The weights as they were
//! are got back from the folded ones: `w'/(u · s)` is `w` or one of the two numbers beside it, and two bits say which.

use crate::check::{CheckedNetwork, ValueId};
use crate::layer::{Affine, Along, Products};
use crate::layers::Layer;
use crate::program::needed;
use plexus_kernels::buffer::Buffer;

/// The farthest from zero that a mean may be, in spreads, to be folded into the layer behind it.
///
/// Without folding the mean is taken off before numbers are multiplied; with it, after: rounding errors of the products
/// are larger by up to this factor and one. A column such as a year, with 2000 for its mean and a spread of 10, would lose
/// two digits.
const MOST_DISTANCE: f64 = 4.0;

/// A layer and what is folded into it, in the order in which it is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fold {
    pub layer: usize,
    pub front: Vec<usize>,
    pub behind: Vec<usize>,
}

impl Fold {
    /// The value that the layer computes: its own, or that of the last one behind it.
    pub fn value(&self, network: &CheckedNetwork) -> ValueId {
        network.value_of(self.behind.last().copied().unwrap_or(self.layer))
    }

    /// The values that are not computed any more.
    pub fn hidden(&self, network: &CheckedNetwork) -> impl Iterator<Item = ValueId> {
        let computed = self.value(network);
        let values = self.away().chain([self.layer]).map(|index| network.value_of(index));
        values.filter(move |value| *value != computed).collect::<Vec<_>>().into_iter()
    }

    /// The layers that are folded away.
    pub fn away(&self) -> impl Iterator<Item = usize> {
        self.front.iter().chain(&self.behind).copied()
    }
}

/// For each layer of a network into which it is folded.
pub(crate) fn targets(network: &CheckedNetwork, folds: &[Fold]) -> Vec<Option<usize>> {
    let mut targets = vec![None; network.network().layers.len()];
    for fold in folds {
        fold.away().for_each(|index| targets[index] = Some(fold.layer));
    }
    targets
}

/// Finds what may be folded, by the layers alone; their numbers may still forbid it. Each layer is folded once: into the one
/// in front of it rather than into the one behind. Without `front` none is folded into one behind it.
pub(crate) fn find(network: &CheckedNetwork, keep: &[ValueId], front: bool) -> Vec<Fold> {
    let layers = &network.network().layers;
    let needed = needed(network, keep);
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); needed.len()];
    for index in (0..layers.len()).filter(|&index| needed[network.value_of(index).index()]) {
        network.reads(index).iter().for_each(|value| readers[value.index()].push(index));
    }
    let watched: Vec<usize> = network.outputs().iter().chain(keep).map(|value| value.index()).collect();
    let only = |(value, readers): (usize, &Vec<usize>)| match readers.as_slice() {
        [reader] if !watched.contains(&value) => Some(*reader),
        _ => None,
    };
    let only_reader = readers.iter().enumerate().map(only).collect();
    let mut finder = Finder { network, only_reader, taken: vec![false; layers.len()] };
    let mut folds = Vec::new();
    for (index, named) in layers.iter().enumerate() {
        let Some(products) = named.layer.products(&network.input_shapes(index)) else { continue };
        if !needed[network.value_of(index).index()] {
            continue;
        }
        let fold = Fold {
            layer: index,
            front: products.input_axis.filter(|_| front).map_or(Vec::new(), |axis| finder.front(index, axis)),
            behind: finder.behind(index, products.output_axis),
        };
        fold.away().for_each(|index| finder.taken[index] = true);
        if fold.away().next().is_some() {
            folds.push(fold);
        }
    }
    folds
}

struct Finder<'a> {
    network: &'a CheckedNetwork,
    /// Of each value the only layer that reads it, where nobody else looks at it.
    only_reader: Vec<Option<usize>>,
    taken: Vec<bool>,
}

/// What a layer means for folding along an axis.
enum Step {
    Folds,
    Passes,
    Ends,
}

impl Finder<'_> {
    fn layer(&self, index: usize) -> &Layer {
        &self.network.network().layers[index].layer
    }

    fn step(&self, index: usize, axis: &mut Option<usize>) -> Step {
        let (layer, inputs) = (self.layer(index), self.network.input_shapes(index));
        if self.taken[index] {
            return Step::Ends;
        }
        if layer.is_identity(false) {
            if inputs[0] != self.network.output_shape(index) {
                // Behind other axes only what is the same for all numbers still fits.
                *axis = None;
            }
            return Step::Passes;
        }
        match layer.scales_along(&inputs) {
            Some(Along::All) => Step::Folds,
            Some(Along::Axis(along)) if *axis == Some(along) => Step::Folds,
            _ => Step::Ends,
        }
    }

    fn front(&self, index: usize, axis: usize) -> Vec<usize> {
        let (mut found, mut axis, mut value) = (Vec::new(), Some(axis), self.network.reads(index)[0]);
        while self.only_reader[value.index()].is_some()
            && let Some(layer) = self.network.layer_of(value)
        {
            match self.step(layer, &mut axis) {
                Step::Folds => found.insert(0, layer),
                Step::Passes => {}
                Step::Ends => break,
            }
            value = self.network.reads(layer)[0];
        }
        found
    }

    fn behind(&self, index: usize, axis: usize) -> Vec<usize> {
        let (mut found, mut axis, mut value) = (Vec::new(), Some(axis), self.network.value_of(index));
        while let Some(reader) = self.only_reader[value.index()] {
            match self.step(reader, &mut axis) {
                Step::Folds => found.push(reader),
                // The layer itself gives its output the axes of the last value.
                Step::Passes if axis.is_some() => {}
                _ => break,
            }
            value = self.network.value_of(reader);
        }
        found
    }
}

/// What is folded into a layer, in numbers.
pub(crate) struct Scales {
    products: Products,
    /// Of each input, over all groups, and of each output.
    input: Affine,
    output: Affine,
}

/// What it takes to get weights back from folded ones.
#[derive(Clone, Debug)]
pub(crate) struct Undo {
    /// Two bits a weight, four weights a byte: 0 for the number that a division gives, 1 for the one with the next larger
    /// bits, 2 for the one before.
    corrections: Vec<u8>,
    /// The bias as it was; empty where there was none.
    bias: Buffer,
}

impl Undo {
    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.corrections.len() + size_of_val(&self.bias[..])
    }
}

impl Scales {
    /// Of a fold, whose layers have the numbers that `affine` gives; `None` where they forbid it.
    pub fn new(network: &CheckedNetwork, fold: &Fold, mut affine: impl FnMut(usize) -> Affine) -> Option<Scales> {
        let layer = &network.network().layers[fold.layer].layer;
        let products = layer.products(&network.input_shapes(fold.layer))?;
        let mut composed = |layers: &[usize], len: usize| {
            let mut sum = Affine { scale: vec![1.0; len], shift: vec![0.0; len], distance: 0.0 };
            for &index in layers {
                sum.then(&affine(index));
            }
            sum
        };
        let input = composed(&fold.front, products.inputs * products.groups);
        let output = composed(&fold.behind, products.outputs);
        (input.distance <= MOST_DISTANCE).then_some(Scales { products, input, output })
    }

    /// The factor of each stretch of weights, which are those of one input and one output.
    fn factors(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        let Products { outputs, inputs, groups, .. } = self.products;
        let in_group = (outputs / groups.max(1)).max(1);
        (0..outputs).flat_map(move |output| {
            let first = output / in_group * inputs;
            (first..first + inputs)
                .map(move |input| (output, input, self.output.scale[output] * self.input.scale[input]))
        })
    }

    /// Changes the weights of a layer, without its bias behind them, to the folded ones. Gives the folded bias.
    ///
    /// `None`, and nothing is changed, where a number would be infinite, NaN or subnormal, or a weight could not be got
    /// back.
    pub fn fold(&self, weights: &mut [f32]) -> Option<(Buffer, Undo)> {
        let Products { outputs, inputs, taps, bias, .. } = self.products;
        let (weights, old) = weights.split_at_mut(outputs * inputs * taps);
        let old = &old[..if bias { outputs } else { 0 }];
        let mut sums: Vec<f64> = old.iter().map(|&bias| f64::from(bias)).collect();
        sums.resize(outputs, 0.0);
        let mut corrections = vec![0u8; weights.len().div_ceil(4)];
        for (stretch, (output, input, factor)) in self.factors().enumerate() {
            let first = stretch * taps;
            for (at, &weight) in (first..).zip(&weights[first..first + taps]) {
                let folded = times(weight, factor);
                if !(folded.is_normal() || folded == 0.0 && weight == 0.0) {
                    return None;
                }
                let correction = match weight.to_bits().wrapping_sub(divided(folded, factor).to_bits()) {
                    0 => 0,
                    1 => 1,
                    u32::MAX => 2,
                    _ => return None,
                };
                corrections[at / 4] |= correction << (at % 4 * 2);
                sums[output] += f64::from(weight) * self.input.shift[input];
            }
        }
        let mut bias = Buffer::zeros(outputs);
        for (output, (bias, sum)) in bias.iter_mut().zip(sums).enumerate() {
            *bias = (sum * self.output.scale[output] + self.output.shift[output]) as f32;
            if !(bias.is_normal() || *bias == 0.0) {
                return None;
            }
        }
        for (stretch, (.., factor)) in self.factors().enumerate() {
            weights[stretch * taps..][..taps].iter_mut().for_each(|weight| *weight = times(*weight, factor));
        }
        Some((bias, Undo { corrections, bias: Buffer::from_slice(old) }))
    }

    /// The numbers of a layer before they were folded, from those that it has now, a bias behind them or not.
    pub fn unfold(&self, mut weights: Vec<f32>, undo: &Undo) -> Vec<f32> {
        let Products { outputs, inputs, taps, .. } = self.products;
        weights.truncate(outputs * inputs * taps);
        for (stretch, (.., factor)) in self.factors().enumerate() {
            let first = stretch * taps;
            for (at, weight) in (first..).zip(&mut weights[first..first + taps]) {
                let bits = divided(*weight, factor).to_bits();
                *weight = f32::from_bits(match undo.corrections[at / 4] >> (at % 4 * 2) & 3 {
                    1 => bits.wrapping_add(1),
                    2 => bits.wrapping_sub(1),
                    _ => bits,
                });
            }
        }
        weights.extend_from_slice(&undo.bias);
        weights
    }
}

/// A weight with what is folded into it.
fn times(weight: f32, factor: f64) -> f32 {
    (f64::from(weight) * factor) as f32
}

/// Nearly the weight again.
fn divided(folded: f32, factor: f64) -> f32 {
    (f64::from(folded) / factor) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use plexus_kernels::random::{Random, Stream};

    fn scales(outputs: usize, inputs: usize, taps: usize, factor: impl Fn(usize) -> f64) -> Scales {
        let affine = |len: usize, factor: &dyn Fn(usize) -> f64| Affine {
            scale: (0..len).map(factor).collect(),
            shift: vec![0.25; len],
            distance: 0.0,
        };
        let (input_axis, output_axis) = (Some(0), 0);
        let products = Products { outputs, inputs, taps, groups: 1, bias: true, input_axis, output_axis };
        Scales { products, input: affine(inputs, &|at| 1.0 / (1.0 + at as f64)), output: affine(outputs, &factor) }
    }

    #[test]
    fn weights_come_back_bit_for_bit_whatever_the_factor() {
        let (outputs, inputs, taps) = (61, 7, 9);
        let mut weights = vec![0.0; outputs * inputs * taps + outputs];
        Random::new(3, Stream::Init, [0, 0]).normal(0.0, 1.0, &mut weights);
        // Both zeros, powers of two, numbers beside them, a subnormal one, and large ones.
        let edges = [0.0, -0.0, 1.0, 2.0, 1.0 - f32::EPSILON / 2.0, 1.0 + f32::EPSILON, -4.0, 1e-40, 1e30, -3e30];
        for start in (0..outputs * inputs * taps - edges.len()).step_by(63) {
            weights[start..start + edges.len()].copy_from_slice(&edges);
        }
        // Weights of 1e-40 have to become normal numbers.
        let scales = scales(outputs, inputs, taps, |at| (1.0 + at as f64 / 7.0) * if at % 2 == 0 { 1e6 } else { -3e5 });
        let mut folded = weights.clone();
        let (bias, undo) = scales.fold(&mut folded).expect("all numbers are normal");
        assert_eq!(bias.len(), outputs);
        assert_eq!(undo.bytes(), (outputs * inputs * taps).div_ceil(4) + 4 * outputs);
        for code in [1, 2] {
            assert!(undo.corrections.iter().any(|byte| byte & 3 == code), "no weight needs the correction {code}");
        }
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        let kept = bits(&folded[outputs * inputs * taps..]);
        assert_eq!(kept, bits(&weights[outputs * inputs * taps..]), "the bias behind the weights is not touched");
        assert_eq!(bits(&scales.unfold(folded, &undo)), bits(&weights));
    }

    #[test]
    fn numbers_that_are_not_normal_are_not_folded_and_nothing_is_changed() {
        let cases = [
            (1.0, 1e39),          // infinite
            (1e30, 1e30),         // infinite
            (1e-30, 1e-10),       // subnormal
            (1e-30, 1e-30),       // zero, though the weight is not
            (1.0, 0.0),           // the same: it could not be got back
            (f32::NAN, 1.0),      // NaN
            (f32::INFINITY, 1.0), // infinite
            (1.0, f64::NAN),      // NaN
            (1.0, f64::INFINITY), // infinite
        ];
        for (weight, factor) in cases {
            let mut weights = [0.5, weight, 0.5];
            let before = weights.map(f32::to_bits);
            assert!(scales(1, 2, 1, |_| factor).fold(&mut weights).is_none(), "{weight} times {factor}");
            assert_eq!(weights.map(f32::to_bits), before);
        }
        // A bias alone.
        let mut weights = [0.5, 0.5, 3e38];
        assert!(scales(1, 2, 1, |_| 2.0).fold(&mut weights).is_none());
        assert!(scales(1, 2, 1, |_| 1.0).fold(&mut weights).is_some());
    }
}
