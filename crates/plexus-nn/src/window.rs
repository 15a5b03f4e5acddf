//! Which inputs an output reads: how windows go along an axis, and what a chain of them sees of the input of a network.

use crate::check::{CheckedNetwork, ValueId};
use crate::shape::Shape;
use std::ops::RangeInclusive;

/// How the window of a layer goes along one axis.
///
/// ```text
/// output o reads the inputs from ⌈(o · stride − before) / spread⌉ to ⌊(o · stride − before + size − 1) / spread⌋
/// ```
///
/// A convolution has spread 1, its dilated kernel for a size, and the padding before the first input. A transposed convolution
/// has stride 1 and its stride for a spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slide {
    /// Places that it spans, gaps of a dilation included.
    pub size: usize,
    /// Places that it goes on from one output to the next.
    pub stride: usize,
    /// Places from one input to the next.
    pub spread: usize,
    /// Places in front of the first input where the first window begins; negative where the first inputs are left out.
    pub before: i64,
    /// The same behind the last input.
    pub behind: i64,
    /// Whether the last window has to be whole.
    pub whole: bool,
}

impl Slide {
    /// One input for each output.
    pub const POINT: Slide = Slide { size: 1, stride: 1, spread: 1, before: 0, behind: 0, whole: true };

    /// That of a convolution or a pooling.
    pub fn sliding(size: usize, stride: usize, [before, behind]: [usize; 2]) -> Slide {
        Slide { size, stride, before: before as i64, behind: behind as i64, ..Slide::POINT }
    }

    /// The inputs that some neighboring outputs read, those that are not there (padding) included. May be empty.
    pub fn reads(&self, outputs: &RangeInclusive<i64>) -> RangeInclusive<i64> {
        let (stride, spread) = (self.stride as i64, (self.spread as i64).max(1));
        let first = outputs.start() * stride - self.before;
        let last = outputs.end() * stride - self.before + self.size as i64 - 1;
        // Rounded up, and down.
        -(-first).div_euclid(spread)..=last.div_euclid(spread)
    }

    /// How many steps it goes along so many inputs, `[whole and parts, of one step]`: `(inputs + padding − size) / stride`;
    /// `None` where the inputs are spread, or the last window need not be whole.
    pub fn steps(&self, inputs: usize) -> Option<[usize; 2]> {
        let far = inputs as i64 + self.before + self.behind - self.size as i64;
        (self.spread == 1 && self.whole).then(|| [far.max(0) as usize, self.stride])
    }
}

/// The windows of a layer whose outputs read one input each, or those of one place.
pub(crate) fn points(input: &Shape) -> Option<Vec<Slide>> {
    Some(vec![Slide::POINT; input.axes().len().saturating_sub(1)])
}

/// What one layer sees of the input of its network, along one axis.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Field {
    /// Places of the input that one of its outputs depends on, at most: the receptive field.
    pub size: usize,
    /// Places of the input from one of its outputs to the next.
    pub stride: f64,
}

/// Of every value of a network its [`Field`] on the first input, an axis each; `None` where an output may depend on all of it.
///
/// Borders are not looked at: the field of an output near one is smaller. The first axis (channels) is not counted.
pub fn receptive_fields(network: &CheckedNetwork) -> Vec<Option<Vec<Field>>> {
    let strides = strides(network);
    let field = |value: ValueId| -> Option<Vec<Field>> {
        let strides = strides[value.index()].as_ref()?;
        let axes = strides.iter().enumerate().map(|(axis, [far, of])| {
            // The pattern of fields repeats after so many outputs.
            let mut sizes = (0..*of as i64).map(|output| seen(network, value, axis, output..=output));
            let size = sizes.try_fold(0, |most, seen| Some((seen?.count()).max(most)))?;
            Some(Field { size, stride: *far as f64 / *of as f64 })
        });
        axes.collect()
    };
    network.values().map(field).collect()
}

/// Of every value, for each axis behind the first: how many places of the input for how many of its own, reduced. `None`
/// where a layer on the way reads everything, or where ways of different strides meet.
pub fn strides(network: &CheckedNetwork) -> Vec<Option<Vec<[usize; 2]>>> {
    let mut strides: Vec<Option<Vec<[usize; 2]>>> = vec![None; network.values().count()];
    let first = network.network().inputs[0].shape.axes();
    strides[0] = (!first.is_empty()).then(|| vec![[1, 1]; first.len() - 1]);
    for (index, named) in network.network().layers.iter().enumerate() {
        let Some(windows) = named.layer.slides(&network.input_shapes(index)) else { continue };
        let mut read = network.reads(index).iter().map(|value| strides[value.index()].clone());
        let Some(Some(before)) = read.next() else { continue };
        if before.len() != windows.len() || read.any(|other| other.as_ref() != Some(&before)) {
            continue;
        }
        let next = before.iter().zip(&windows).map(|(&[far, of], window)| {
            let (far, of) = (far.checked_mul(window.stride)?, of.checked_mul(window.spread)?);
            let common = gcd(far, of).max(1);
            // More is no network that anybody has, and would take long.
            (far / common <= 1 << 20 && of / common <= 1 << 12).then_some([far / common, of / common])
        });
        strides[network.value_of(index).index()] = next.collect();
    }
    strides
}

/// The places of the first input, along one axis behind the channels, that some neighboring outputs of a value depend on.
/// Padding counts as places. `None` where it may be all of them.
pub fn seen(
    network: &CheckedNetwork,
    value: ValueId,
    axis: usize,
    outputs: RangeInclusive<i64>,
) -> Option<RangeInclusive<i64>> {
    let mut wanted: Vec<Option<RangeInclusive<i64>>> = vec![None; network.values().count()];
    wanted[value.index()] = Some(outputs);
    for index in (0..network.network().layers.len()).rev() {
        let Some(outputs) = wanted[network.value_of(index).index()].take() else { continue };
        let windows = network.network().layers[index].layer.slides(&network.input_shapes(index))?;
        let read = windows.get(axis)?.reads(&outputs);
        for value in network.reads(index) {
            let wanted = &mut wanted[value.index()];
            *wanted = Some(match wanted.take() {
                Some(other) => *read.start().min(other.start())..=*read.end().max(other.end()),
                None => read.clone(),
            });
        }
    }
    wanted.swap_remove(0)
}

fn gcd(mut a: usize, mut b: usize) -> usize {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::{
        CenterCrop, Conv2d, ConvTranspose2d, Flatten, Layer, Linear, MaxPool2d, Upsample, UpsampleMode,
    };
    use crate::network::Network;
    use crate::zoo;

    fn fields(input: [usize; 3], layers: Vec<Layer>) -> Vec<Option<[usize; 2]>> {
        let network = Network::chain(input, layers).check().expect("the layers fit");
        let fields = receptive_fields(&network).into_iter().skip(1);
        fields.map(|field| field.map(|axes| [axes[0].size, axes[1].size])).collect()
    }

    #[test]
    fn the_fields_are_those_of_the_formula() {
        // r' = r + (k − 1) · j, j' = j · s.
        let layers = vec![
            Conv2d::new(4, 3).with_padding(1).into(),
            MaxPool2d::new(2).into(),
            Conv2d::new(4, [3, 5]).with_dilation([2, 1]).into(),
            Conv2d::new(4, 1).with_stride(2).into(),
            Conv2d::new(4, 2).into(),
            Flatten::default().into(),
            Linear::new(3).into(),
        ];
        let want = [Some([3, 3]), Some([4, 4]), Some([12, 12]), Some([12, 12]), Some([16, 16]), None, None];
        assert_eq!(fields([1, 40, 40], layers), want);
    }

    #[test]
    fn known_networks_have_their_known_fields() {
        // Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019: AlexNet 195 (the
        // last pooling), VGG-16 212.
        let alexnet = zoo::alexnet([3, 227, 227], 10, zoo::AlexNet::default()).expect("it reads such images");
        let vgg = zoo::vgg([3, 224, 224], 10, zoo::Vgg::default()).expect("it reads such images");
        for (network, largest) in [(alexnet, 195), (vgg, 212)] {
            let fields = receptive_fields(&network.check().expect("it fits"));
            let most = fields.into_iter().flatten().map(|axes| axes[0].size).max();
            assert_eq!(most, Some(largest));
        }
    }

    #[test]
    fn what_is_enlarged_sees_few_inputs() {
        let conv = |size| -> Layer { ConvTranspose2d::new(2, size).with_stride(2).into() };
        // A kernel of the stride: each output has one input. A larger one: two at some places.
        assert_eq!(fields([1, 8, 8], vec![conv(2)]), [Some([1, 1])]);
        assert_eq!(fields([1, 8, 8], vec![conv(3)]), [Some([2, 2])]);
        assert_eq!(fields([1, 8, 8], vec![Upsample::new(3).into()]), [Some([1, 1])]);
        let bilinear = Upsample::new(2).with_mode(UpsampleMode::Bilinear);
        assert_eq!(fields([1, 8, 8], vec![bilinear.into()]), [Some([2, 2])]);
        let crop = vec![CenterCrop::new([4, 4]).into(), Conv2d::new(1, 3).into()];
        assert_eq!(fields([1, 8, 8], crop), [Some([1, 1]), Some([3, 3])]);
    }

    /// Whether an output changes with an input, for every layer, against what its windows say.
    #[test]
    fn windows_say_what_an_output_depends_on() {
        use crate::params::Params;
        use crate::plan::Plan;
        use plexus_kernels::Context;
        let layers: Vec<Layer> = vec![
            Conv2d::new(2, [3, 2]).with_stride([2, 1]).with_padding([1, 0, 2, 1]).into(),
            Conv2d::new(2, 3).with_dilation([1, 2]).with_groups(2).into(),
            ConvTranspose2d::new(2, [4, 3]).with_stride([3, 2]).with_padding([1, 0]).into(),
            ConvTranspose2d::new(2, 2).with_stride(2).with_output_padding([1, 0]).into(),
            crate::layers::AvgPool2d::new(3).with_stride(2).with_padding(1).with_ceil_mode(true).into(),
            crate::layers::Pad::new([2, 1, 0, 3]).into(),
            CenterCrop::new([4, 3]).into(),
            Upsample::new(3).into(),
            Upsample::new(3).with_mode(UpsampleMode::Bilinear).into(),
            Upsample::new(2).with_mode(UpsampleMode::Bilinear).into(),
            crate::layers::Lrn::new(3).into(),
            crate::layers::LocallyConnected2d::new(2, 3).with_stride(2).into(),
            crate::layers::TrainablePool2d::new(2).into(),
            crate::layers::BatchNorm::default().into(),
        ];
        let [height, width] = [8, 7];
        for layer in layers {
            let network = std::sync::Arc::new(Network::chain([2, height, width], [layer.clone()]).check().unwrap());
            let plan = Plan::new(network.clone(), &Params::initialize(&network, 3), Context::single());
            let run = |input: &[f32]| {
                let batch = network.batch(input, 1).expect("one row");
                plan.run(batch, &mut crate::plan::Workspace::default()).to_vec()
            };
            let input: Vec<f32> = (0..network.input_len()).map(|at| (at as f32 * 0.7).sin() + 2.0).collect();
            let (was, value) = (run(&input), network.value_of(0));
            let &[channels, rows, cols] = network.output().axes() else { panic!("a layer of maps") };
            let axes = [rows, cols].map(|len| (0..len as i64).collect::<Vec<i64>>());
            let seen: [Vec<_>; 2] = [0, 1].map(|axis| {
                axes[axis].iter().map(|&at| seen(&network, value, axis, at..=at).expect("it has windows")).collect()
            });
            for (row, col) in (0..height).flat_map(|row| (0..width).map(move |col| (row, col))) {
                let mut changed = input.clone();
                for channel in 0..2 {
                    changed[(channel * height + row) * width + col] += 1.0;
                }
                let now = run(&changed);
                for (at, (was, now)) in was.iter().zip(&now).enumerate() {
                    let (y, x) = (at / cols % rows, at % cols);
                    assert!(at < channels * rows * cols);
                    let sees = seen[0][y].contains(&(row as i64)) && seen[1][x].contains(&(col as i64));
                    assert!(was == now || sees, "{layer:?}: output {y}, {x} changes with input {row}, {col}");
                }
            }
        }
    }
}
