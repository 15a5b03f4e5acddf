//! Sparse linear: a linear layer that stores and multiplies the weights that are not zero, and no others.

use crate::check::MAX_ELEMENTS;
use crate::init::Init;
use crate::layer::{Backward, Cost, Entering, Forward, LayerKind, Mismatch, ParamSpec, Pass, Reads, one};
use crate::layers::formula::{Steps, with_bias};
use crate::shape::Shape;
use plexus_kernels::reduce;
use plexus_kernels::sparse::{Sparse, Structure, sparse, sparse_backward_input, sparse_backward_weight};
use serde::{Deserialize, Serialize};

/// Multiplies by a matrix of which only some places are there.
///
/// ```text
/// output[b, o]      = bias[o] + Σ_n weight[n] · input[b, columns[n]]       n over the weights of row o
/// grad_weight[n]   += Σ_b grad_output[b, o(n)] · input[b, columns[n]]
/// grad_input[b, i]  = Σ_n grad_output[b, o(n)] · weight[n]                 n with columns[n] = i
/// ```
///
/// The weights of row 0 stand first, then those of row 1; `row_lengths` says how many each row has. This is the form of compressed
/// sparse rows (CSR), with the lengths of rows in place of where they start: a length is at most `in_features`, and whole
/// numbers up to 2^24 are exact in f32. Lengths and columns are constants, kept with the model. At first the weights are spread
/// evenly over the rows, each at a place of its own; a convolution written as a matrix sets others.
///
/// # Shapes
/// - `input`: `[…, in_features]`, at most 2^24
/// - `weight`, `columns`: `[nonzeros]`
/// - `row_lengths`: `[out_features]`
/// - `bias`: `[out_features]`
/// - `output`: `[…, out_features]`
///
/// # Examples
/// ```
/// use plexus_nn::{Network, layers::sparse_linear};
/// let network = Network::chain([1000], [sparse_linear(100, 500)]).check().unwrap();
/// assert_eq!((network.layout().weights_len(), network.layout().state_len()), (500 + 100, 100 + 500));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SparseLinear {
    /// Outputs: rows of the matrix.
    pub out_features: usize,
    /// Weights that are stored.
    pub nonzeros: usize,
    /// Inputs: columns of the matrix; `None` takes what comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_features: Option<usize>,
    /// Whether a bias is added.
    #[serde(default = "yes")]
    pub bias: bool,
}

fn yes() -> bool {
    true
}

/// The largest number below which all whole numbers are exact in f32.
pub(crate) const MOST_COLUMNS: usize = 1 << 24;

/// The most weights that are stored.
pub(crate) const MOST_NONZEROS: u64 = u32::MAX as u64;

impl SparseLinear {
    /// With a bias, and so many weights.
    pub fn new(out_features: usize, nonzeros: usize) -> Self {
        SparseLinear { out_features, nonzeros, in_features: None, bias: true }
    }

    /// Lengths of rows and columns of weights, out of the constants of the layer.
    fn structure<'a>(&self, input: &Shape, state: &'a [f32]) -> Structure<'a> {
        let (lengths, columns) = state.split_at(self.out_features);
        Structure { cols: last(input), lengths, columns }
    }
}

with_keys! { SparseLinear {
    with_in_features(in_features: usize) = Some(in_features);
    with_bias(bias: bool) = bias;
} }

/// Size of the contracted axis.
fn last(input: &Shape) -> usize {
    input.last().unwrap_or(0)
}

/// Rows that are multiplied: samples times leading axes.
fn rows(batch: usize, input: &Shape) -> usize {
    batch * input.axes().iter().rev().skip(1).product::<usize>()
}

impl LayerKind for SparseLinear {
    fn kind(&self) -> &'static str {
        "sparse_linear"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let product = "sum over n of weight[n] * input[columns[n]], over the row_lengths[o] weights of the row";
        with_bias(self.bias, "[o]", product, "[o]")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        let Some(features) = input.last() else {
            return Err(Mismatch::new("the input", "at least one axis", "a single number", "Reshape it to [1]."));
        };
        if let Some(expected) = self.in_features.filter(|expected| *expected != features) {
            return Err(Mismatch::new(
                "in_features",
                format!("{expected} features (its in_features)"),
                format!("{features} features"),
                format!("Set in_features = {features}, or leave it out."),
            ));
        }
        if features > MOST_COLUMNS || self.out_features > MAX_ELEMENTS || self.nonzeros as u64 > MOST_NONZEROS {
            let expected = format!("at most {MOST_COLUMNS} inputs, {MAX_ELEMENTS} outputs and {MOST_NONZEROS} weights");
            let got = format!("{features} inputs, {} outputs and {} weights", self.out_features, self.nonzeros);
            return Err(Mismatch::new("the size of the matrix", expected, got, "Is a digit too many?"));
        }
        let places = features.saturating_mul(self.out_features);
        if self.nonzeros > places {
            return Err(Mismatch::new(
                "nonzeros",
                format!("at most {places}, the places of a matrix of {} x {features}", self.out_features),
                self.nonzeros.to_string(),
                "A matrix with more is a linear layer.",
            ));
        }
        Ok(input.with_last(self.out_features))
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let (rows, nonzeros, cols) = (self.out_features, self.nonzeros, last(inputs[0]));
        // So many weights an output has.
        let fan_in = (nonzeros as f32 / rows.max(1) as f32).max(1.0);
        let init = Init::Uniform { bound: fan_in.recip().sqrt() };
        let mut params = vec![ParamSpec::new("weight", [nonzeros], init)];
        if self.bias {
            params.push(ParamSpec::new("bias", [rows], init));
        }
        params.push(ParamSpec::constant("row_lengths", [rows], Init::SparseLengths { nonzeros: nonzeros as u32 }));
        params.push(ParamSpec::constant("columns", [nonzeros], Init::SparseColumns { cols: cols as u32 }));
        params
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let rows = rows(1, inputs[0]) as u64;
        let bias = if self.bias { output.len().unwrap_or(0) as u64 } else { 0 };
        Cost::with_additions(rows.saturating_mul(self.nonzeros as u64), bias)
    }

    fn check_params(&self, entering: Entering<'_>, _weights: &[f32], state: &[f32]) -> Result<(), Mismatch> {
        let Structure { cols, lengths, columns } = self.structure(entering.shapes[0], state);
        let whole = |number: f32, most: usize| number >= 0.0 && number.fract() == 0.0 && number <= most as f32;
        let help = "The numbers of this layer are damaged, or belong to another.";
        if let Some((row, length)) = lengths.iter().enumerate().find(|(_, length)| !whole(**length, cols)) {
            let expected = format!("whole numbers from 0 to {cols}, the columns");
            return Err(Mismatch::new("row_lengths", expected, format!("{length} for row {row}"), help));
        }
        let sum = lengths.iter().fold(0usize, |sum, length| sum.saturating_add(*length as usize));
        if sum != columns.len() {
            let expected = format!("lengths that add up to the {} weights", columns.len());
            return Err(Mismatch::new("row_lengths", expected, format!("a sum of {sum}"), help));
        }
        // Without columns there are no lengths, and so no weights.
        match columns.iter().enumerate().find(|(_, column)| !whole(**column, cols.saturating_sub(1))) {
            None => Ok(()),
            Some((weight, column)) => {
                let expected = format!("whole numbers from 0 to {}, the last column", cols.saturating_sub(1));
                Err(Mismatch::new("columns", expected, format!("{column} for weight {weight}"), help))
            }
        }
    }

    fn adds_to_grad_input(&self) -> bool {
        false
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn forward(&self, cx: Forward<'_>) {
        let state: &[f32] = match &cx.pass {
            Pass::Training { state, .. } => state,
            Pass::Inference { state } => state,
        };
        let (weight, bias) = cx.weights.split_at(self.nonzeros);
        let call = Sparse {
            structure: self.structure(cx.inputs[0].shape, state),
            batch: rows(cx.rows, cx.inputs[0].shape),
            input: cx.inputs[0].f32(),
            weight,
            bias: self.bias.then_some(bias),
            output: cx.output.into_f32(),
        };
        sparse(call, &mut cx.scratch.sparse, cx.context.pool());
    }

    fn backward(&self, mut cx: Backward<'_, '_>) {
        let (shape, pool) = (cx.inputs[0].shape, cx.context.pool());
        let (structure, batch) = (self.structure(shape, cx.state), rows(cx.rows, shape));
        let (input, grad_input, grad_output) = (cx.input(), cx.grad_input(), cx.grad_output);
        let (weight, _) = cx.weights.split_at(self.nonzeros);
        let (grad_weight, grad_bias) = cx.grad_weights.split_at_mut(self.nonzeros);
        let scratch = &mut cx.scratch.sparse;
        sparse_backward_weight(structure, batch, input, grad_output, grad_weight, scratch, pool);
        if self.bias {
            reduce::add_column_sums(batch, self.out_features, grad_output, grad_bias, cx.context);
        }
        if let Some(grad_input) = grad_input {
            sparse_backward_input(structure, batch, grad_output, weight, grad_input, scratch, pool);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Library, Runner, gradcheck, gradients_add_up};
    use std::collections::BTreeSet;

    #[test]
    fn gradients_are_the_derivatives() {
        let layer = SparseLinear::new(4, 9);
        gradcheck(&layer.into(), &Shape::new([5]), 3);
        gradcheck(&layer.with_bias(false).into(), &Shape::new([2, 3]), 2);
        gradients_add_up(&Library, &[layer.into()], &Shape::new([5]), 3).unwrap();
    }

    #[test]
    fn only_the_weights_that_are_there_are_multiplied() {
        // [[0, 2, 0], [3, 0, 4]]
        let (layer, input) = (SparseLinear::new(2, 3), Shape::new([3]));
        let (weights, structure) = ([2.0, 3.0, 4.0, 0.5, -0.5], [1.0, 2.0, 1.0, 0.0, 2.0]);
        let run = Runner::new(&layer.into(), &input, &weights, &structure).run(1, &[1.0, 10.0, 100.0], &[1.0, 2.0], 1);
        assert_eq!(run.output, [20.5, 402.5]);
        assert_eq!(run.grad_weights, [10.0, 2.0, 200.0, 1.0, 2.0]);
        assert_eq!(run.grad_input, [6.0, 2.0, 8.0]);
        assert_eq!(run.state, structure);
    }

    #[test]
    fn at_first_weights_are_spread_over_the_rows_at_places_of_their_own() {
        for (rows, cols, nonzeros) in [(4, 5, 9), (3, 7, 21), (5, 3, 0), (2, 100, 3)] {
            let (layer, input) = (SparseLinear::new(rows, nonzeros), Shape::new([cols]));
            let state = Runner::new(&layer.into(), &input, &[], &[]).params.state.to_vec();
            let entering = Entering { shapes: &[&input], quants: &[None] };
            layer.check_params(entering, &[], &state).unwrap();
            let (lengths, mut columns) = state.split_at(rows);
            for length in lengths {
                assert!((*length as usize).abs_diff(nonzeros / rows) <= 1);
                let (own, rest) = columns.split_at(*length as usize);
                let places: BTreeSet<u32> = own.iter().map(|column| *column as u32).collect();
                assert_eq!(places.len(), own.len(), "{own:?}");
                columns = rest;
            }
        }
    }

    #[test]
    fn structures_that_cannot_be_are_refused() {
        let (layer, input) = (SparseLinear::new(2, 3), Shape::new([3]));
        let entering = Entering { shapes: &[&input], quants: &[None] };
        let refused = |structure: [f32; 5]| layer.check_params(entering, &[], &structure).map_err(|error| error.got);
        assert_eq!(refused([1.0, 2.0, 1.0, 0.0, 2.0]), Ok(()));
        for (structure, got) in [
            ([1.0, 1.0, 1.0, 0.0, 2.0], "a sum of 2"),
            ([0.5, 2.0, 1.0, 0.0, 2.0], "0.5 for row 0"),
            ([-1.0, 4.0, 1.0, 0.0, 2.0], "-1 for row 0"),
            ([f32::NAN, 3.0, 1.0, 0.0, 2.0], "NaN for row 0"),
            ([1.0, 2.0, 1.0, 0.0, 3.0], "3 for weight 2"),
            ([1.0, 2.0, 1.0, -0.5, 2.0], "-0.5 for weight 1"),
        ] {
            assert_eq!(refused(structure).unwrap_err(), got, "{structure:?}");
        }
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        let refused = |layer: SparseLinear, features: usize| layer.infer(&[&Shape::new([features])]).unwrap_err();
        assert!(refused(SparseLinear::new(2, 7), 3).expected.contains("at most 6"));
        assert_eq!(refused(SparseLinear::new(2, 7), MOST_COLUMNS + 1).compared, "the size of the matrix");
        assert_eq!(refused(SparseLinear::new(2, 3).with_in_features(4), 3).compared, "in_features");
    }
}
