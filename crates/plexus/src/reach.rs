//! How far around a pixel a network looks: what tiles of a large picture must overlap by.

use plexus_nn::layers::Layer;
use plexus_nn::{CheckedNetwork, NamedLayer, window};

/// What a tile must respect to give what the whole picture gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Pixels of the input on each side that an output pixel depends on.
    pub margin: usize,
    /// Sides and corners of tiles are multiples of it: the product of the strides.
    pub align: usize,
}

/// The reach of a network of one input whose layers all look at a bounded part of the picture, and treat every place alike.
/// `None` where one does not, or is not known to.
pub(crate) fn reach(network: &CheckedNetwork) -> Option<Reach> {
    let alike = |(index, named): (usize, &NamedLayer)| {
        let windows = named.layer.slides(&network.input_shapes(index));
        // The places of these depend on the size of the picture.
        let fixed = matches!(named.layer, Layer::CenterCrop(_) | Layer::LocallyConnected2d(_));
        !fixed && windows.is_some_and(|windows| windows.len() == 2 && windows.iter().all(|window| window.whole))
    };
    let per_place = |named: &NamedLayer| matches!(&named.layer, Layer::Standardize(layer) if layer.per_feature);
    let layers = &network.network().layers;
    if !layers.iter().enumerate().all(alike) || layers.iter().any(per_place) {
        return None;
    }
    let strides: Option<Vec<Vec<[usize; 2]>>> = window::strides(network).into_iter().collect();
    let (strides, output) = (strides?, *network.outputs().first()?);
    let mut align = 1;
    for &[far, of] in strides.iter().flatten() {
        if far > 1 && of > 1 {
            return None;
        }
        align = lcm(align, far);
    }
    if strides[output.index()].iter().any(|stride| *stride != [1, 1]) || align > 1 << 16 {
        return None;
    }
    let last = align as i64 - 1;
    let margins: Option<Vec<i64>> = (0..2)
        .map(|axis| {
            let seen = window::seen(network, output, axis, 0..=last)?;
            Some((-seen.start()).max(seen.end() - last).max(0))
        })
        .collect();
    let margin = margins?.into_iter().max()? as usize;
    (margin < 1 << 20).then_some(Reach { margin, align })
}

fn lcm(a: usize, b: usize) -> usize {
    let gcd = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    a / gcd(a, b) * b
}

#[cfg(test)]
mod tests {
    use super::*;
    use plexus_nn::Network;
    use plexus_nn::layers::{Conv2d, Flatten, Layer, Linear, MaxPool2d, Upsample};

    fn of(layers: Vec<Layer>) -> Option<Reach> {
        reach(&Network::chain([1, 16, 16], layers).check().expect("the layers fit"))
    }

    #[test]
    fn the_reach_grows_with_what_is_looked_at_and_with_the_stride() {
        let conv = || Conv2d::new(2, 3).with_padding(1).into();
        assert_eq!(of(vec![conv()]), Some(Reach { margin: 1, align: 1 }));
        // One pixel of the pooled map is two of the picture; so is what a convolution looks at there. The two pixels of the
        // picture at the start read the pooled pixels -1 to 1, which read -2 to 3, and those -3 to 4.
        let deep = vec![conv(), MaxPool2d::new(2).into(), conv(), Upsample::new(2).into()];
        assert_eq!(of(deep), Some(Reach { margin: 3, align: 2 }));
    }

    #[test]
    fn what_looks_everywhere_has_no_reach() {
        assert_eq!(of(vec![Flatten::default().into(), Linear::new(3).into()]), None);
        // Half the size: there is no pixel for each pixel.
        assert_eq!(of(vec![MaxPool2d::new(2).into()]), None);
    }
}
