//! What to say where a layer that slides over maps reads a row: a convolution or a pooling behind a fully connected layer.

use crate::check::ValueId;
use crate::layers::Layer;
use crate::network::Network;
use crate::shape::Shape;

/// Where a row comes from, and what to do so that a window can slide. `reads` are those of the layers above.
pub(crate) fn help(network: &Network, shapes: &[Shape], reads: &[Vec<ValueId>], value: ValueId) -> Option<String> {
    let &[features] = shapes[value.index()].axes() else { return None };
    let shape = "kind = \"unflatten\", shape = [channels, height, width]";
    let layer_of = |value: ValueId| value.index().checked_sub(network.inputs.len());
    let above = |mut value: ValueId, wanted: fn(&Layer) -> bool| loop {
        let index = layer_of(value)?;
        let layer = &network.layers[index].layer;
        if wanted(layer) {
            return Some(index);
        }
        match layer {
            Layer::Activation(_) | Layer::Dropout(_) | Layer::BatchNorm(_) | Layer::LayerNorm(_) => {}
            Layer::Standardize(_) | Layer::Softmax(_) | Layer::LogSoftmax(_) => {}
            _ => return None,
        }
        value = reads[index][0];
    };
    let is_flatten = |layer: &Layer| matches!(layer, Layer::Flatten(_));
    let is_linear = |layer: &Layer| matches!(layer, Layer::Linear(_) | Layer::MaskedLinear(_) | Layer::SparseLinear(_));
    if let Some(flatten) = above(value, is_flatten) {
        let (name, maps) = (&network.layers[flatten].name, &shapes[reads[flatten][0].index()]);
        return Some(format!("{name} made a row of {maps}: put this layer in front of it, or {shape} behind it."));
    }
    let linear = above(value, is_linear)?;
    let (name, layer) = (&network.layers[linear].name, &network.layers[linear].layer);
    let why = format!(
        "Every output of a fully connected layer sees all of its input, so the {features} numbers have no rows and columns that a \
         window could slide over."
    );
    let maps = above(reads[linear][0], is_flatten).map(|flatten| &shapes[reads[flatten][0].index()]);
    let conv = match (layer, maps.map(Shape::axes), shapes[reads[linear][0].index()].axes()) {
        (Layer::Linear(linear), Some(&[_, height, width]), _) => {
            let size = if height == width { height.to_string() } else { format!("[{height}, {width}]") };
            Some(format!(
                "kind = \"conv2d\", out_channels = {}, kernel_size = {size} in place of {name} and the flatten before it",
                linear.out_features
            ))
        }
        (Layer::Linear(linear), _, &[inputs]) => Some(format!(
            "kind = \"unflatten\", shape = [{inputs}, 1, 1] and kind = \"conv2d\", out_channels = {}, kernel_size = 1 in place of \
             {name}",
            linear.out_features
        )),
        _ => None,
    };
    let or = conv.map_or(String::new(), |conv| {
        format!(
            " Or write {name} as the convolution that computes the same, whose output is maps of one pixel: {conv}; the conversion \
             fc-to-conv does so to a network with its weights."
        )
    });
    Some(format!("{why} Say which they have, with {shape} in front of this layer.{or}"))
}
