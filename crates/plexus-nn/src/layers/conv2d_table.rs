//! Convolution with a table of connections: every map sees some of the maps below.

use crate::check::MAX_ELEMENTS;
use crate::init::Init;
use crate::layer::{Backward, Cost, Forward, GradInput, LayerKind, Maps, Mismatch, ParamSpec, Reads, one};
use crate::layers::formula::{Steps, with_bias};
use crate::layers::sides::{Pair, check_border, check_sizes, maps, too_large};
use crate::scratch::Scratch;
use crate::shape::Shape;
use plexus_kernels::conv::{
    Conv, ConvBackwardInput, ConvBackwardWeight, Geometry, Table, Weight, conv, conv_backward_input,
    conv_backward_weight,
};
use serde::{Deserialize, Serialize};

/// Slides filters over maps, each over those of the list of its map alone.
///
/// ```text
/// output[b, o, y, x] = bias[o] + Σ_n Σ_i Σ_j weight[first(o) + n, i, j] · input[b, connections[o][n], y + i, x + j]
/// grad_weight[first(o) + n, i, j] += Σ_b Σ_y Σ_x grad_output[b, o, y, x] · input[b, connections[o][n], y + i, x + j]
/// grad_bias[o]                    += Σ_b Σ_y Σ_x grad_output[b, o, y, x]
/// grad_input                       = the sum of grad_output · weight over all outputs that saw the input
/// ```
///
/// `first(o)` is the number of connections of the maps before `o`. Stride and dilation are 1, and there is no padding. It is
/// computed as a full convolution whose other weights are zero, so a NaN or an infinity in any map spreads to all.
///
/// Weight and bias start uniform within ±1/√(inputs of an output, in the mean).
///
/// # Shapes
/// - `input`: `[channels, height, width]`
/// - `weight`: `[connections, kernel rows, kernel columns]`
/// - `bias`: `[maps]`
/// - `output`: `[maps, height − kernel + 1, …]`
///
/// # Source
/// LeCun et al. 1998 (Proc. IEEE 86), layer C3 and table I.
///
/// # Examples
/// ```
/// use plexus_nn::{Network, Shape, layers::Conv2dTable};
/// let layer = Conv2dTable::new(vec![vec![0, 1], vec![2]], 5);
/// let network = Network::chain(Shape::new([3, 14, 14]), [layer.into()]).check().unwrap();
/// assert_eq!((network.output(), network.layout().weights_len()), (&Shape::new([2, 10, 10]), 3 * 25 + 2));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Conv2dTable {
    /// For each map of the output the channels of the input that it sees, from 0 on.
    pub connections: Vec<Vec<usize>>,
    /// Rows and columns of a filter.
    pub kernel_size: Pair,
}

impl Conv2dTable {
    /// Filters over the listed channels; one number as the size of a kernel is both its sides.
    pub fn new(connections: Vec<Vec<usize>>, kernel_size: impl Into<Pair>) -> Self {
        Conv2dTable { connections, kernel_size: kernel_size.into() }
    }

    fn geometry(&self, input: &Shape) -> Geometry {
        Geometry::plain(maps(input).unwrap_or_default(), self.connections.len(), self.kernel_size.sizes())
    }

    fn table(&self, geometry: &Geometry) -> Table<'_> {
        let [rows, cols] = geometry.kernel;
        Table { connections: &self.connections, channels: geometry.channels, window: rows * cols }
    }

    /// Refuses a table that does not fit the channels.
    fn check(&self, channels: usize) -> Result<(), Mismatch> {
        let refuse = |expected: String, got: String, help: &str| Err(Mismatch::new("connections", expected, got, help));
        if self.connections.is_empty() {
            let help = "Write a list of channels for each map: connections = [[0, 1, 2], [1, 2, 3]].";
            return refuse("at least one map".to_string(), "no map".to_string(), help);
        }
        for (map, seen) in self.connections.iter().enumerate() {
            if seen.is_empty() {
                let help = "A map that sees nothing would be the same for every input.";
                return refuse("at least one channel for each map".to_string(), format!("none for map {map}"), help);
            }
            if let Some(channel) = seen.iter().find(|channel| **channel >= channels) {
                let help = "Channels are counted from 0.";
                return refuse(
                    format!("channels below {channels}, which is how many the input has"),
                    format!("channel {channel} for map {map}"),
                    help,
                );
            }
            let mut sorted = seen.clone();
            sorted.sort_unstable();
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                return refuse(
                    "each channel once in a list".to_string(),
                    format!("channel {} twice for map {map}", pair[0]),
                    "",
                );
            }
        }
        Ok(())
    }
}

impl LayerKind for Conv2dTable {
    fn kind(&self) -> &'static str {
        "conv2d_table"
    }

    fn arithmetic(&self, _inputs: &[&Shape]) -> Steps {
        let product = "sum over n, i, j of weight[first(o) + n, i, j] * input[connections[o][n], y + i, x + j]";
        with_bias(true, "[o, y, x]", product, "[o]")
    }

    fn infer(&self, inputs: &[&Shape]) -> Result<Shape, Mismatch> {
        let input = one(inputs)?;
        let [channels, height, width] = maps(input)?;
        self.check(channels)?;
        let geometry = self.geometry(input);
        let Geometry { kernel, stride, padding, dilation, filters, .. } = geometry;
        check_sizes(kernel, stride, padding, dilation)?;
        check_border([channels, height, width], padding)?;
        let Some([rows, cols]) = geometry.output() else {
            return Err(too_large([channels, height, width], kernel, padding, dilation));
        };
        if geometry.weight_len() > MAX_ELEMENTS {
            let expected = format!("at most {MAX_ELEMENTS} elements of maps x channels x kernel");
            let got = geometry.weight_len().to_string();
            return Err(Mismatch::new("the size of the table", expected, got, "Is a digit too many?"));
        }
        Ok(Shape::new([filters, rows, cols]))
    }

    fn params(&self, inputs: &[&Shape]) -> Vec<ParamSpec> {
        let [rows, cols] = self.kernel_size.sizes();
        let (maps, connections) = (self.connections.len(), self.table(&self.geometry(inputs[0])).connections());
        let fan_in = (connections * rows * cols) as f32 / maps.max(1) as f32;
        let init = Init::Uniform { bound: fan_in.max(1.0).recip().sqrt() };
        [("weight", vec![connections, rows, cols]), ("bias", vec![maps])]
            .map(|(role, shape)| ParamSpec::new(role, shape, init))
            .to_vec()
    }

    fn cost(&self, inputs: &[&Shape], output: &Shape) -> Cost {
        let pixels = output.axes().iter().skip(1).product::<usize>() as u64;
        let len = self.table(&self.geometry(inputs[0])).len() as u64;
        Cost::with_additions(pixels.saturating_mul(len), pixels * self.connections.len() as u64)
    }

    fn maps(&self) -> Maps {
        Maps::Last
    }

    fn backward_reads(&self) -> Reads {
        Reads { inputs: true, output: false }
    }

    fn fuses_function(&self) -> bool {
        true
    }

    fn overwrites_gradient(&self) -> bool {
        true
    }

    fn adds_to_grad_input(&self) -> bool {
        true
    }

    fn forward(&self, cx: Forward<'_>) {
        let geometry = self.geometry(cx.inputs[0].shape);
        let table = self.table(&geometry);
        let (weight, bias) = cx.weights.split_at(table.len());
        let Scratch { gemm, conv: scratch, .. } = cx.scratch;
        let full = gemm.values(table.full_len());
        table.expand(weight, full);
        let call = Conv {
            geometry,
            batch: cx.rows,
            input: cx.inputs[0].f32(),
            weight: Weight::Plain(full),
            bias: Some(bias),
            function: cx.function,
            pooling: None,
            output: cx.output.into_f32(),
        };
        conv(call, scratch, cx.context);
    }

    fn backward(&self, cx: Backward<'_, '_>) {
        let (input, grad_output, batch, accumulate) = (cx.inputs[0], cx.grad_output, cx.rows, cx.accumulate);
        let geometry = self.geometry(input.shape);
        let table = self.table(&geometry);
        let (weight, _) = cx.weights.split_at(table.len());
        let (grad_weight, grad_bias) = cx.grad_weights.split_at_mut(table.len());
        let Scratch { gemm, conv: scratch, .. } = cx.scratch;
        let (full, grad_full) = gemm.values(2 * table.full_len()).split_at_mut(table.full_len());
        if accumulate {
            table.expand(grad_weight, grad_full);
        }
        let call = ConvBackwardWeight {
            geometry,
            batch,
            input: input.f32(),
            grad_output,
            grad_weight: &mut *grad_full,
            grad_bias: Some(grad_bias),
            accumulate,
        };
        conv_backward_weight(call, scratch, cx.context);
        table.collect(grad_full, grad_weight);
        if let Some(GradInput { values, accumulate }) = cx.grad_inputs[0].take() {
            table.expand(weight, full);
            let call = ConvBackwardInput { geometry, batch, grad_output, weight: full, grad_input: values, accumulate };
            conv_backward_input(call, scratch, cx.context);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Library, gradcheck, gradients_add_up};

    #[test]
    fn gradients_are_the_derivatives() {
        let (maps, layer) = (Shape::new([3, 5, 4]), Conv2dTable::new(vec![vec![2, 0], vec![1], vec![0, 1, 2]], 3));
        gradcheck(&layer.clone().into(), &maps, 2);
        let wide = Conv2dTable { kernel_size: Pair::Each([1, 2]), ..Conv2dTable::new(vec![vec![1]], 1) };
        gradcheck(&wide.into(), &maps, 2);
        gradients_add_up(&Library, &[layer.into()], &maps, 3).unwrap();
    }

    #[test]
    fn tables_that_do_not_fit_are_refused() {
        let refused = |connections: Vec<Vec<usize>>| {
            let mismatch = Conv2dTable::new(connections, 2).infer(&[&Shape::new([3, 4, 4])]).unwrap_err();
            assert_eq!(mismatch.compared, "connections");
            mismatch.got
        };
        assert_eq!(refused(vec![]), "no map");
        assert_eq!(refused(vec![vec![0], vec![]]), "none for map 1");
        assert_eq!(refused(vec![vec![0, 3]]), "channel 3 for map 0");
        assert_eq!(refused(vec![vec![0], vec![2, 1, 2]]), "channel 2 twice for map 1");
        let layer = Conv2dTable::new(vec![vec![0]], 5);
        assert_eq!(layer.infer(&[&Shape::new([3, 4, 4])]).unwrap_err().compared, "kernel_size");
        assert!(layer.infer(&[&Shape::new([48])]).is_err());
    }

    #[test]
    fn a_full_table_is_a_convolution() {
        use crate::layers::Conv2d;
        use crate::testing::Runner;
        let maps = Shape::new([2, 4, 3]);
        let weights: Vec<f32> = (0..2 * 2 * 4 + 2).map(|at| (at as f32 * 0.7).sin()).collect();
        let values: Vec<f32> = (0..3 * 24).map(|at| (at as f32 * 0.3).cos()).collect();
        let grads: Vec<f32> = (0..3 * 12).map(|at| (at as f32 * 0.9).sin()).collect();
        let full: crate::layers::Layer = Conv2dTable::new(vec![vec![0, 1]; 2], 2).into();
        let runs = [full, Conv2d::new(2, 2).into()]
            .map(|layer| Runner::new(&layer, &maps, &weights, &[]).run(3, &values, &grads, 1));
        assert_eq!(runs[0], runs[1]);
    }
}
