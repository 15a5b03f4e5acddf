//! U-Net, which gives every pixel a class.

use super::stack::{Stack, images};
use crate::init::Init;
use crate::layer::Mismatch;
use crate::layers::{CenterCrop, Concat, Conv2d, ConvTranspose2d, MaxPool2d};
use crate::network::Network;
use crate::shape::Shape;

/// What may differ in U-Net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UNet {
    /// Filters of the first level; each level below has twice as many.
    pub width: usize,
    /// Levels above the lowest: how often maps are halved.
    pub depth: usize,
    /// Whether convolutions keep the size of maps, with zeros around them. Otherwise each takes a pixel off every side, as in the
    /// paper, and what goes across is cut to size.
    pub same: bool,
    /// Whether every 3 x 3 convolution is followed by batch norm.
    pub batch_norm: bool,
}

impl Default for UNet {
    fn default() -> Self {
        UNet { width: 64, depth: 4, same: false, batch_norm: false }
    }
}

impl UNet {
    /// The images of the paper, or some that can be halved often enough.
    pub fn input(&self) -> Shape {
        let size = if self.same { 16usize << self.depth } else { 572 };
        Shape::new([1, size, size])
    }

    /// The sizes of one side of the maps on the way up, the lowest level first; `None` where nothing is left of them.
    fn sizes(&self, size: usize) -> Option<Vec<usize>> {
        let twice = |size: usize| if self.same { Some(size) } else { size.checked_sub(4) };
        let mut lowest = size;
        for _ in 0..self.depth {
            lowest = twice(lowest)? / 2;
        }
        let mut sizes = vec![twice(lowest).filter(|size| *size > 0)?];
        for _ in 0..self.depth {
            let last = sizes.last().copied().unwrap_or(0);
            sizes.push(twice(2 * last).filter(|size| *size > 0)?);
        }
        Some(sizes)
    }
}

/// U-Net: a way down that halves the maps, a way up that doubles them, and across what the way down saw at each level.
///
/// ```text
/// image -> 64 ------------------------- crop, concat -> 64 -> classes        572 ...                          388
///            pool -> 128 ---------- crop, concat -> 128 up                       284 ...              ... 200
///                     pool -> 256 - ...                                              140 ...      ... 104
///                               ... 1024 ...                                              68, 32 -> 28
/// ```
///
/// Each level has two 3 x 3 convolutions with relu; maps are halved by maxima of 2 x 2 and doubled by transposed convolutions of
/// 2 x 2; the last convolution is 1 x 1 and gives a score for each class and pixel. Filters start normal with variance 2 /
/// fan_in, as in the paper.
///
/// # Errors
/// [`Mismatch`] where the input is not images, or they are too small or, with `same`, cannot be halved so often; or for a width
/// or depth that cannot be.
///
/// # Source
/// Ronneberger, Fischer and Brox 2015 (arXiv 1505.04597).
///
/// # Examples
/// ```
/// use plexus_nn::zoo::{self, UNet};
/// let network = zoo::unet([1, 572, 572], 2, UNet::default()).unwrap().check().unwrap();
/// assert_eq!(network.layout().weights_len(), 31_030_658);
/// assert_eq!(network.output().axes(), [2, 388, 388]);
/// ```
pub fn unet(input: impl Into<Shape>, classes: usize, options: UNet) -> Result<Network, Mismatch> {
    let (input, UNet { width, depth, same, batch_norm }) = (input.into(), options);
    if !(1..=1024).contains(&width) {
        return Err(Mismatch::new("width", "1 to 1024 filters", width.to_string(), ""));
    }
    if !(1..=6).contains(&depth) {
        return Err(Mismatch::new("depth", "1 to 6", depth.to_string(), ""));
    }
    let [_, height, across] = images("unet", &input, 1)?;
    if same && [height, across].iter().any(|size| !size.is_multiple_of(1 << depth)) {
        let expected = format!("images whose sides are multiples of {}, to be halved {depth} times", 1 << depth);
        let help = "Take a smaller depth, or padding=valid.";
        return Err(Mismatch::new("the input", expected, input.describe(), help));
    }
    let (Some(rows), Some(cols)) = (options.sizes(height), options.sizes(across)) else {
        let smallest = (1..).find(|size| options.sizes(*size).is_some()).unwrap_or_default();
        let expected = format!("images of at least {smallest} x {smallest} pixels");
        let help = "Take a smaller depth, or padding=same.";
        return Err(Mismatch::new("the input", expected, input.describe(), help));
    };
    let mut layers = Stack::default();
    let two = |layers: &mut Stack, name: &str, filters: usize| {
        for index in 1..=2 {
            let conv = Conv2d::new(filters, 3).with_padding(usize::from(same)).with_bias(!batch_norm);
            let conv = conv.with_weight_init(Init::HeNormal).with_bias_init(Init::Zeros);
            layers.push_conv(&format!("{name}.conv{index}"), conv, batch_norm);
        }
    };
    let mut seen = Vec::new();
    for level in 1..=depth {
        two(&mut layers, &format!("down{level}"), width << (level - 1));
        seen.push(layers.last());
        layers.push(format!("pool{level}"), MaxPool2d::new(2));
    }
    two(&mut layers, "bottom", width << depth);
    for (level, (rows, cols)) in (1..=depth).rev().zip(rows.iter().zip(&cols)) {
        let filters = width << (level - 1);
        let (up, size) = (format!("up{level}"), [2 * rows, 2 * cols]);
        let mut beside = seen.pop().unwrap_or_default();
        layers.push(&*up, ConvTranspose2d::new(filters, 2).with_stride(2));
        if !same {
            layers.push_reading(format!("crop{level}"), CenterCrop::new(size), vec![beside]);
            beside = layers.last();
        }
        layers.push_reading(format!("concat{level}"), Concat::new(), vec![beside, up.clone()]);
        two(&mut layers, &up, filters);
    }
    layers.push("scores", Conv2d::new(classes, 1));
    Ok(layers.into_network(input))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::summary;
    use crate::zoo;

    #[test]
    fn s27_counts_and_sizes_are_those_of_the_paper() {
        for (channels, classes, params) in
            [(1, 2, 31_030_658), (1, 1, 31_030_593), (3, 2, 31_031_810), (3, 1, 31_031_745)]
        {
            for same in [false, true] {
                let options = UNet { same, ..UNet::default() };
                let size = options.input().axes()[1];
                let network = unet([channels, size, size], classes, options).unwrap().check().unwrap();
                assert_eq!(summary(&network).total.params, params);
                let side = if same { size } else { 388 };
                assert_eq!(network.output().axes(), [classes, side, side]);
            }
        }
        let network = unet([1, 572, 572], 2, UNet::default()).unwrap().check().unwrap();
        let side = |name: &str| network.shape(network.value(name).unwrap()).axes()[1];
        assert_eq!(["pool1", "pool2", "pool3", "pool4"].map(side), [284, 140, 68, 32]);
        assert_eq!(["bottom.conv2", "up4", "up3", "up2", "up1"].map(side), [28, 56, 104, 200, 392]);
        assert_eq!(["crop4", "concat1"].map(side), [56, 392]);
    }

    #[test]
    fn images_that_do_not_fit_are_refused() {
        let refused = |input: [usize; 3], options: UNet| unet(input, 2, options).unwrap_err();
        let same = UNet { same: true, ..UNet::default() };
        assert!(refused([1, 28, 28], same).expected.contains("multiples of 16"));
        assert!(refused([1, 64, 64], UNet::default()).expected.contains("at least 188 x 188"));
        unet([1, 188, 188], 2, UNet::default()).unwrap().check().unwrap();
        unet([1, 28, 20], 2, UNet { depth: 2, width: 3, batch_norm: true, ..same }).unwrap().check().unwrap();
        assert_eq!(refused([1, 64, 64], UNet { depth: 0, ..same }).compared, "depth");
        assert_eq!(refused([1, 64, 64], UNet { width: 0, ..same }).compared, "width");
        assert!(unet([64], 2, same).is_err());
    }

    #[test]
    fn maps_keep_their_order_between_the_first_layer_and_the_last() {
        use crate::program::{Op, Program, Purpose};
        let reorders = |network: Network| {
            let program = Program::new(&network.check().unwrap(), &Purpose::default());
            program.ops.iter().filter(|op| matches!(op, Op::Reorder { .. })).count()
        };
        let small = UNet { width: 2, ..UNet::default() };
        assert_eq!(reorders(unet([3, 200, 200], 2, small).unwrap()), 2);
        assert_eq!(reorders(unet([3, 32, 32], 2, UNet { same: true, batch_norm: true, ..small }).unwrap()), 2);
        // The linear layers want channels first.
        let alexnet = zoo::AlexNet { lrn: true, ..zoo::AlexNet::default() };
        assert_eq!(reorders(zoo::alexnet([3, 227, 227], 2, alexnet).unwrap()), 2);
    }

    #[test]
    fn odd_sizes_pass_where_nothing_is_padded() {
        for size in [188, 189, 190, 201] {
            unet([2, size, size + 3], 4, UNet { width: 2, ..UNet::default() }).unwrap().check().unwrap();
        }
    }
}
