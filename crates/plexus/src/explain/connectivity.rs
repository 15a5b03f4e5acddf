//! From one layer of numbers to the next: what each way to connect them costs.

use plexus_nn::Shape;
use plexus_nn::convert::matrix::ConvMatrix;
use plexus_nn::layer::{LayerKind, Mismatch};
use plexus_nn::layers::Conv2d;
use serde::Serialize;

/// One way to connect maps of one size with maps of another. All counts are exact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Connectivity {
    /// `fully connected`, `locally connected`, `convolution`, or `sparse matrix`.
    pub name: &'static str,
    /// Weights of one output.
    pub weights_of_an_output: u128,
    /// Weights that are stored.
    pub weights: u128,
    /// Biases.
    pub biases: u128,
    /// Multiply-adds for one sample.
    pub macs: u128,
    /// How its weights are found, in words.
    pub arithmetic: String,
}

impl Connectivity {
    /// Weights and biases.
    pub fn params(&self) -> u128 {
        self.weights + self.biases
    }

    /// Bytes of all parameters in f32.
    pub fn bytes(&self) -> u128 {
        4 * self.params()
    }
}

/// The ways to connect maps with what a convolution makes of them: every input with every output; each output with its own window;
/// the same window weights at every place; and the convolution as the sparse matrix that it is (its zeros at a padded border
/// left out).
///
/// # Errors
/// [`Mismatch`] where the convolution does not fit the maps.
///
/// # Examples
/// ```
/// use plexus::{Shape, explain::compare, layers::Conv2d};
/// // The first layer of AlexNet.
/// let ways = compare(&Shape::new([3, 227, 227]), &Conv2d::new(96, 11).with_stride(4))?;
/// let params: Vec<u128> = ways.iter().map(|way| way.params()).collect();
/// assert_eq!(params, [44_892_355_200, 105_705_600, 34_944, 105_705_600]);
/// # Ok::<(), plexus::explain::Mismatch>(())
/// ```
pub fn compare(input: &Shape, conv: &Conv2d) -> Result<[Connectivity; 4], Mismatch> {
    let output = conv.infer(&[input])?;
    let matrix = ConvMatrix::new(conv, input)?;
    let [inputs, outputs] = [input, &output].map(|shape| shape.len().unwrap_or(0) as u128);
    let kernel: Vec<usize> = conv.params(&[input])[0].shape.clone();
    let window: u128 = kernel[1..].iter().map(|&axis| axis as u128).product();
    let bias = |count: u128| if conv.bias { count } else { 0 };
    let filters = output.axes()[0] as u128;
    let product = |axes: &[usize]| axes.iter().map(usize::to_string).collect::<Vec<_>>().join(" · ");
    let [one, all] = [product(&kernel[1..]), product(output.axes())];
    Ok([
        Connectivity {
            name: "fully connected",
            weights_of_an_output: inputs,
            weights: inputs * outputs,
            biases: bias(outputs),
            macs: inputs * outputs,
            arithmetic: format!("{inputs} inputs · {outputs} outputs"),
        },
        Connectivity {
            name: "locally connected",
            weights_of_an_output: window,
            weights: window * outputs,
            biases: bias(outputs),
            macs: window * outputs,
            arithmetic: format!("{one} a window · {all} outputs"),
        },
        Connectivity {
            name: "convolution",
            weights_of_an_output: window,
            weights: window * filters,
            biases: bias(filters),
            macs: window * outputs,
            arithmetic: format!("{one} a window · {filters} filters"),
        },
        Connectivity {
            name: "sparse matrix",
            weights_of_an_output: window,
            weights: u128::from(matrix.nonzeros()),
            biases: bias(outputs),
            macs: u128::from(matrix.nonzeros()),
            arithmetic: "windows, without what they have on the padding".to_string(),
        },
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use plexus_nn::layers::Padding;

    #[test]
    fn s21_and_s25_have_their_numbers() {
        // 32 maps of 64 x 64, 48 filters of 3 x 3, the size kept.
        let conv = Conv2d::new(48, 3).with_padding(Padding::SAME);
        let [full, local, shared, sparse] = compare(&Shape::new([32, 64, 64]), &conv).expect("it fits");
        assert_eq!((full.weights, shared.params()), (25_769_803_776, 13_872));
        assert_eq!((shared.macs, local.macs, sparse.macs), (56_623_104, 56_623_104, 55_449_600));
        assert_eq!((full.weights_of_an_output, shared.weights_of_an_output), (131_072, 288));
        let [full, local, shared, _] =
            compare(&Shape::new([3, 227, 227]), &Conv2d::new(96, 11).with_stride(4)).expect("it fits");
        assert_eq!((full.weights, full.biases), (44_892_064_800, 290_400));
        assert_eq!((local.params(), shared.params()), (105_705_600, 34_944));
        // S23: one neuron that sees a whole image.
        let [full, ..] = compare(&Shape::new([3, 32, 32]), &Conv2d::new(1, 32)).expect("it fits");
        assert_eq!((full.weights, full.params()), (3_072, 3_073));
        // S21: a fully connected layer of 4096 to 4096 has 1,209.7 times the parameters of that convolution.
        let ratio = 16_781_312.0 / shared_of_the_example() as f64;
        assert!((ratio - 1_209.7).abs() < 0.05, "{ratio}");
    }

    fn shared_of_the_example() -> u128 {
        compare(&Shape::new([32, 64, 64]), &Conv2d::new(48, 3)).expect("it fits")[2].params()
    }

    #[test]
    fn groups_and_no_bias_are_counted() {
        let conv = Conv2d::new(8, 3).with_groups(4).with_bias(false);
        let [full, local, shared, sparse] = compare(&Shape::new([4, 10, 10]), &conv).expect("it fits");
        assert_eq!((full.weights, full.biases), (400 * 512, 0));
        assert_eq!([local.weights, shared.weights, sparse.weights], [9 * 512, 72, 9 * 512]);
        assert!(compare(&Shape::new([4, 2, 2]), &conv).is_err());
    }
}
