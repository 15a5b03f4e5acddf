//! The arithmetic behind a line of a summary, in words and numbers.

use crate::check::CheckedNetwork;
use crate::layer::ParamSpec;
use crate::layers::Layer;
use crate::shape::Shape;
use crate::window::Slide;
use serde::Serialize;

/// One number of a layer and how it comes about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Formula {
    /// What is counted: `rows`, `columns`, `steps`, `features`, `parameters`, `multiply-adds`.
    pub what: &'static str,
    /// The arithmetic, as `(227 − 11) / 4 + 1`.
    pub arithmetic: String,
    /// The number that it gives.
    pub value: u64,
}

impl Formula {
    fn new(what: &'static str, arithmetic: String, value: u64) -> Self {
        Formula { what, arithmetic, value }
    }
}

impl std::fmt::Display for Formula {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} = {}", self.what, self.arithmetic, grouped(self.value))
    }
}

/// The formulas of a layer: of each side of its maps where it has windows, of its parameters and of its multiply-adds for one
/// sample. Empty for a layer that has none of these.
///
/// # Examples
/// ```
/// use plexus_nn::{Network, formulas::formulas, layers::{Conv2d, Layer}};
/// let conv: Layer = Conv2d::new(96, 11).with_stride(4).into();
/// let network = Network::chain([3, 227, 227], [conv]).check().unwrap();
/// let lines: Vec<String> = formulas(&network, 0).iter().map(|line| line.to_string()).collect();
/// assert_eq!(lines, [
///     "rows: (227 − 11) / 4 + 1 = 55",
///     "columns: (227 − 11) / 4 + 1 = 55",
///     "parameters: weight 96 · 3 · 11 · 11 + bias 96 = 34,944",
///     "multiply-adds: 96 · 55 · 55 outputs, each of 3 · 11 · 11 inputs = 105,415,200",
/// ]);
/// ```
pub fn formulas(network: &CheckedNetwork, index: usize) -> Vec<Formula> {
    let layer = &network.network().layers[index].layer;
    let (inputs, output) = (network.input_shapes(index), network.output_shape(index));
    let params = layer.params(&inputs);
    let mut formulas = sides(layer, inputs[0], output);
    if matches!(layer, Layer::Flatten(_)) {
        formulas.push(Formula::new("features", product(inputs[0].axes()), output.len().unwrap_or(0) as u64));
    }
    let trainable: Vec<&ParamSpec> = params.iter().filter(|spec| spec.trainable).collect();
    if !trainable.is_empty() {
        let terms: Vec<String> =
            trainable.iter().map(|spec| format!("{} {}", spec.role, product(&spec.shape))).collect();
        let count = trainable.iter().map(|spec| spec.len() as u64).sum();
        formulas.push(Formula::new("parameters", terms.join(" + "), count));
    }
    let macs = layer.cost(&inputs, output).macs;
    if macs > 0 {
        formulas.push(Formula::new("multiply-adds", multiply_adds(inputs[0], output, trainable.first(), macs), macs));
    }
    formulas
}

/// The sizes of maps or sequences that windows make.
fn sides(layer: &Layer, input: &Shape, output: &Shape) -> Vec<Formula> {
    let slides = layer.slides(&[input]).unwrap_or_default();
    let names: &[&str] = if slides.len() == 2 { &["rows", "columns"] } else { &["steps"] };
    let sizes = input.axes().iter().zip(output.axes()).skip(1);
    let lines = slides.iter().zip(sizes).zip(names).map(|((slide, (input, output)), what)| {
        let arithmetic = match layer {
            Layer::Upsample(layer) => Some(format!("{input} · {}", layer.factor)),
            _ => side(slide, *input),
        };
        arithmetic.map(|arithmetic| Formula::new(what, arithmetic, *output as u64))
    });
    lines.flatten().collect()
}

/// How many outputs there are along one axis.
fn side(slide: &Slide, input: usize) -> Option<String> {
    let Slide { size, stride, spread, before, behind, whole } = *slide;
    let (size, signed) = (size as i64, |value: i64| match value {
        0 => String::new(),
        value if value < 0 => format!(" − {}", -value),
        value => format!(" + {value}"),
    });
    if spread > 1 || before < 0 && size > 1 {
        // A transposed convolution: what is cut off the full result on both sides, and what is added behind it.
        let cut = signed(before - (size - 1)) + &signed(behind - (size - 1));
        return Some(format!("({input} − 1) · {spread} + {size}{cut}"));
    }
    let padded = format!("{input}{}{}", signed(before), signed(behind));
    match (size, stride) {
        (1, 1) if before == 0 && behind == 0 => None,
        (1, 1) => Some(padded),
        (_, 1) => Some(format!("{padded} − {size} + 1")),
        _ => {
            let far = input as i64 + before + behind - size;
            let exact = far % stride as i64 == 0;
            let [open, close] = match (exact, whole) {
                (true, _) => ["", ""],
                (false, true) => ["⌊", "⌋"],
                (false, false) => ["⌈", "⌉"],
            };
            Some(format!("{open}({padded} − {size}) / {stride}{close} + 1"))
        }
    }
}

/// Multiply-adds, by the weight where its shape says how they come about.
fn multiply_adds(input: &Shape, output: &Shape, weight: Option<&&ParamSpec>, macs: u64) -> String {
    let count = |axes: &[usize]| axes.iter().map(|&axis| axis as u64).product::<u64>();
    if let Some(weight) = weight.filter(|weight| weight.shape.len() > 1) {
        let (all, each) = (&weight.shape[..], &weight.shape[1..]);
        if count(output.axes()) * count(each) == macs {
            return format!("{} outputs, each of {} inputs", product(output.axes()), product(each));
        }
        if count(input.axes()) * count(each) == macs {
            return format!("{} inputs, each in {} outputs", product(input.axes()), product(each));
        }
        if count(all) == macs {
            return format!("each of {} weights once", grouped(macs));
        }
    }
    "as this kind of layer counts them".to_string()
}

/// The factors of a number of elements.
fn product(axes: &[usize]) -> String {
    match axes {
        [] => "1".to_string(),
        _ => axes.iter().map(usize::to_string).collect::<Vec<_>>().join(" · "),
    }
}

/// Whole numbers in groups of three: `535,818`.
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let head = digits.len() % 3;
    let (first, rest) = digits.split_at(head);
    let groups = rest.as_bytes().chunks(3).map(|group| std::str::from_utf8(group).expect("digits are ASCII"));
    let groups: Vec<&str> = (!first.is_empty()).then_some(first).into_iter().chain(groups).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{Conv1d, Conv2d};
    use crate::layers::{ConvTranspose2d, Flatten, Linear, LocallyConnected2d, MaxPool2d, Upsample};
    use crate::network::Network;

    fn lines(input: impl Into<Shape>, layer: Layer) -> Vec<String> {
        let network = Network::chain(input, [layer]).check().expect("the layer fits");
        formulas(&network, 0).iter().map(Formula::to_string).collect()
    }

    #[test]
    fn each_kind_of_window_has_its_arithmetic() {
        // S14: a window of 11 with stride 4 does not divide 224.
        let conv = Conv2d::new(96, 11).with_stride(4);
        assert_eq!(lines([3, 224, 224], conv.into())[0], "rows: ⌊(224 − 11) / 4⌋ + 1 = 54");
        let conv = Conv2d::new(64, 3).with_padding(1);
        assert_eq!(lines([3, 64, 64], conv.into())[0], "rows: 64 + 1 + 1 − 3 + 1 = 64");
        let pool = MaxPool2d::new(3).with_stride(2).with_ceil_mode(true);
        assert_eq!(lines([2, 8, 8], pool.into()), ["rows: ⌈(8 − 3) / 2⌉ + 1 = 4", "columns: ⌈(8 − 3) / 2⌉ + 1 = 4"]);
        let up = ConvTranspose2d::new(4, 3).with_stride(2).with_padding(1).with_output_padding(1);
        let told = lines([8, 16, 16], up.into());
        assert_eq!(told[0], "rows: (16 − 1) · 2 + 3 − 1 = 32");
        // Not by the outputs: stride squared as many would be multiplications with zero.
        assert_eq!(told[3], "multiply-adds: 8 · 16 · 16 inputs, each in 4 · 3 · 3 outputs = 73,728");
        assert_eq!(lines([2, 5, 5], Upsample::new(3).into())[0], "rows: 5 · 3 = 15");
        assert_eq!(lines([2, 9], Conv1d::new(4, 3).into())[0], "steps: 9 − 3 + 1 = 7");
        assert_eq!(lines([16, 5, 5], Flatten::default().into()), ["features: 16 · 5 · 5 = 400"]);
        assert_eq!(
            lines([4096], Linear::new(4096).into()),
            [
                "parameters: weight 4096 · 4096 + bias 4096 = 16,781,312",
                "multiply-adds: 4096 outputs, each of 4096 inputs = 16,777,216"
            ]
        );
        let local = LocallyConnected2d::new(2, 3);
        assert!(lines([1, 6, 6], local.into()).last().is_some_and(|line| line.ends_with("= 288")));
    }
}
