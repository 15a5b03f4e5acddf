//! How far around a pixel a network looks: what tiles of a large picture must overlap by.

use plexus_nn::{CheckedNetwork, ValueId};
use serde_json::{Map, Value};

/// What a tile must respect to give what the whole picture gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Pixels of the input on each side that an output pixel depends on.
    pub margin: usize,
    /// Sides and corners of tiles are multiples of it: the product of the strides.
    pub align: usize,
}

/// One value of the network, seen from the input.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Pixels of the input from one pixel of the value to the next.
    jump: f64,
    /// Pixels of the input on each side, at most.
    sides: f64,
}

/// The reach of a network of one input whose layers all look at a bounded part of the picture, and treat every place alike.
/// `None` where one does not, or is not known to.
pub(crate) fn reach(network: &CheckedNetwork) -> Option<Reach> {
    let values: Vec<ValueId> = network.values().collect();
    let mut seen: Vec<Option<Seen>> = vec![None; values.len()];
    seen[values[0].index()] = Some(Seen { jump: 1.0, sides: 0.0 });
    let mut align = 1;
    for (index, named) in network.network().layers.iter().enumerate() {
        let inputs: Option<Vec<Seen>> = network.reads(index).iter().map(|value| seen[value.index()]).collect();
        let inputs = inputs?;
        let first = *inputs.first()?;
        if inputs.iter().any(|input| input.jump != first.jump)
            || network.shape(network.value_of(index)).axes().len() != 3
        {
            return None;
        }
        let sides = inputs.iter().fold(0.0f64, |most, input| most.max(input.sides));
        let layer = serde_json::to_value(&named.layer).ok()?;
        let (factor, more) = step(named.layer.kind(), layer.as_object()?)?;
        let now = Seen { jump: first.jump * factor, sides: sides + more * first.jump };
        if now.jump > 1.0 {
            if now.jump.fract() != 0.0 || now.jump > 65_536.0 {
                return None;
            }
            align = lcm(align, now.jump as usize);
        }
        seen[network.value_of(index).index()] = Some(now);
    }
    let output = seen[network.outputs().first()?.index()]?;
    (output.jump == 1.0 && output.sides < 1e6).then(|| Reach { margin: output.sides.ceil() as usize, align })
}

/// How a layer changes the distance of pixels, and how many pixels of its input it looks at on each side, at most. Layers are
/// read by their keys, so that one with a key that is not known here is left alone.
fn step(kind: &str, keys: &Map<String, Value>) -> Option<(f64, f64)> {
    let known = |names: &[&str]| keys.keys().all(|key| key == "kind" || names.contains(&key.as_str()));
    let size = |name: &str, usual: f64| keys.get(name).map_or(Some(usual), largest);
    match kind {
        "activation" | "dropout" | "batch_norm" | "add" | "concat" | "lrn" | "channel_softmax" => Some((1.0, 0.0)),
        "standardize" => (keys.get("per_feature") != Some(&Value::Bool(true))).then_some((1.0, 0.0)),
        "conv2d" | "max_pool2d" | "avg_pool2d" => {
            let (kernel, dilation) = (size("kernel_size", 1.0)?, size("dilation", 1.0)?);
            let stride = size("stride", if kind == "conv2d" { 1.0 } else { kernel })?;
            let sides = [keys.get("stride"), keys.get("kernel_size")].into_iter().flatten();
            // Rows and columns move alike, and no window hangs over the border.
            let alike = { sides }
                .all(|value| value.as_array().is_none_or(|sides| sides.windows(2).all(|two| two[0] == two[1])));
            let whole = keys.get("ceil_mode") != Some(&Value::Bool(true));
            let span = (kernel - 1.0) * dilation;
            let padding = match keys.get("padding") {
                Some(Value::String(same)) if same == "same" => span,
                Some(padding) => largest(padding)?,
                None => 0.0,
            };
            (alike && whole).then_some((stride, span.max(padding)))
        }
        "conv_transpose2d" => {
            let (kernel, dilation, stride) = (size("kernel_size", 1.0)?, size("dilation", 1.0)?, size("stride", 1.0)?);
            let more = size("padding", 0.0)?.max((kernel - 1.0) * dilation) + size("output_padding", 0.0)?;
            Some((1.0 / stride, more / stride + 1.0))
        }
        "upsample" if known(&["factor", "mode"]) => Some((1.0 / size("factor", 1.0)?, 1.0)),
        _ => None,
    }
}

/// The largest of one number or several.
fn largest(value: &Value) -> Option<f64> {
    match value {
        Value::Array(values) => values.iter().map(largest).try_fold(0.0f64, |most, value| Some(most.max(value?))),
        value => value.as_f64(),
    }
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
        assert_eq!(of(vec![conv()]), Some(Reach { margin: 2, align: 1 }));
        // One pixel of the pooled map is two of the picture; so is what a convolution looks at there.
        let deep = vec![conv(), MaxPool2d::new(2).into(), conv(), Upsample::new(2).into()];
        assert_eq!(of(deep), Some(Reach { margin: 2 + 1 + 4 + 2, align: 2 }));
    }

    #[test]
    fn what_looks_everywhere_has_no_reach() {
        assert_eq!(of(vec![Flatten::default().into(), Linear::new(3).into()]), None);
        // Half the size: there is no pixel for each pixel.
        assert_eq!(of(vec![MaxPool2d::new(2).into()]), None);
    }
}
