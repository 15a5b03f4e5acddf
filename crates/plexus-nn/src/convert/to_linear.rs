//! Convolutions as fully connected layers.
//!
//! A kernel that covers all of its input meets it once: it is the weight of a fully connected layer, `weight[o, place of (c, i, j)]
//! = kernel[o, c, i, j]`, whatever the stride. Any other convolution is the matrix of [`super::matrix`].
//!
//! Activations and dropout behind them work on rows as on maps and are carried along; in front of other layers the maps are
//! written again, with an unflatten.

use super::matrix::ConvMatrix;
use super::rewrite::{Other, Rewrite, Written, chosen, place_in_row};
use super::{ConvertError, Storage};
use crate::check::MAX_ELEMENTS;
use crate::layers::{Conv2d, Layer, Linear, LogSoftmax, MOST_COLUMNS, MOST_NONZEROS, Order, Softmax, SparseLinear};
use crate::shape::Shape;

/// Which convolutions are meant, and what becomes of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Those whose kernel covers their input.
    Covering(Order),
    /// All, as matrices.
    Matrix(Storage),
}

impl Way {
    fn order(self) -> Order {
        match self {
            Way::Covering(order) => order,
            Way::Matrix(_) => Order::ChannelsFirst,
        }
    }
}

pub(super) fn rewrite<'a>(mut to: Rewrite<'a>, way: Way, named: &[usize]) -> Result<Written<'a>, ConvertError> {
    const COVERING: &str = "a conv2d layer without padding and groups whose kernel is as large as its input";
    const MATRIX: &str = "a conv2d layer";
    const HELP: &str = "Any convolution can be written as a matrix.";
    let network = to.network;
    let layers = network.network().layers.len();
    let expected =
        if way == Way::Matrix(Storage::Dense) || way == Way::Matrix(Storage::Sparse) { MATRIX } else { COVERING };
    let why_not = |index: usize| {
        let input = network.input_shapes(index)[0];
        match (&network.network().layers[index].layer, way) {
            (Layer::Conv2d(_), Way::Matrix(_)) => None,
            (Layer::Conv2d(conv), Way::Covering(_)) => covers(conv, input).err(),
            (other, _) => Some(format!("a layer of kind {}", other.kind())),
        }
    };
    let nothing = |_| {
        let conv = |index: &usize| matches!(network.network().layers[*index].layer, Layer::Conv2d(_));
        let near = (0..layers).filter(conv);
        let got = near.filter_map(|index| Some(format!("{} with {}", network.label(index), why_not(index)?))).collect();
        to.nothing(expected, got, if way.order() == Order::ChannelsFirst && expected == MATRIX { "" } else { HELP })
    };
    let unfit = |index: usize, got: String| {
        let is_conv = matches!(network.network().layers[index].layer, Layer::Conv2d(_));
        to.unfit(index, expected, got, if is_conv { HELP } else { "" })
    };
    let chosen = chosen(layers, named, why_not, nothing, unfit)?;
    let leads = leads(to.network, &chosen);

    for (index, chosen) in chosen.into_iter().enumerate() {
        let (value, reads) = (network.value_of(index), network.reads(index));
        let (layer, first) = (&to.layer(index).layer, reads[0]);
        let input = network.shape(first);
        match layer {
            Layer::Conv2d(conv) if chosen => {
                let row = Shape::new([network.len(first)]);
                match way {
                    Way::Covering(order) => {
                        let row = to.as_other(first, row, order);
                        covering(&mut to, index, conv, &row);
                    }
                    Way::Matrix(storage) => {
                        check_matrix(&to, index, conv, input, storage)?;
                        let row = to.as_other(first, row, Order::ChannelsFirst);
                        matrix(&mut to, index, conv, &row, storage);
                    }
                }
            }
            // The row in front of it goes on, and the maps are there if someone asks for them.
            Layer::Unflatten(unflatten) if leads[value.index()] && unflatten.shape.axes().len() == 3 => {
                let (name, shape, order) = (to.was(first), input.clone(), unflatten.order);
                to.set_other(value, Other { name, shape, order });
            }
            Layer::Flatten(flatten) => match to.other(first).cloned() {
                Some(other) if other.order == flatten.order || other.is_one_pixel(input) => to.set(value, other.name),
                _ => to.keep(index),
            },
            layer => {
                let carried = carried(&to, layer, index);
                to.carry(index, carried);
            }
        }
    }
    to.finish(!matches!(way, Way::Covering(_)))
}

/// Whether a kernel covers all of its input.
///
/// # Errors
/// Why it does not.
fn covers(conv: &Conv2d, input: &Shape) -> Result<(), String> {
    let geometry = conv.geometry(input);
    let size = [geometry.height, geometry.width];
    let [rows, cols] = geometry.kernel;
    let dilated = (0..2).any(|axis| geometry.kernel[axis] > 1 && geometry.dilation[axis] > 1);
    if geometry.groups != 1 {
        return Err(format!("{} groups", geometry.groups));
    }
    if geometry.padding != [0; 4] {
        return Err("padding".to_string());
    }
    if geometry.kernel != size || dilated {
        let dilated = if dilated { ", dilated" } else { "" };
        return Err(format!("a kernel of {rows} x {cols}{dilated} on maps of {} x {}", size[0], size[1]));
    }
    Ok(())
}

/// Writes a convolution whose kernel covers its input.
fn covering(to: &mut Rewrite<'_>, index: usize, conv: &Conv2d, row: &Other) {
    let geometry = conv.geometry(to.network.input_shapes(index)[0]);
    let size = [geometry.channels, geometry.height, geometry.width];
    let (features, order) = (size.iter().product::<usize>(), row.order);
    let name = push_linear(to, index, conv, conv.out_channels, features, row);
    to.fill(&name, "weight", index, move |weight, rows| {
        for (row, kernel) in rows.chunks_exact_mut(features.max(1)).zip(weight.chunks_exact(features.max(1))) {
            for (at, value) in kernel.iter().enumerate() {
                let place = [at / (size[1] * size[2]), at / size[2] % size[1], at % size[2]];
                row[place_in_row(order, size, place)] = *value;
            }
        }
    });
    to.fill(&name, "bias", index, |weights, bias| bias.copy_from_slice(&weights[weights.len() - bias.len()..]));
    let shape = Shape::new([conv.out_channels]);
    to.set_other(to.network.value_of(index), Other { name, shape, order: Order::default() });
}

fn push_linear(to: &mut Rewrite<'_>, index: usize, conv: &Conv2d, out: usize, features: usize, row: &Other) -> String {
    let layer = Linear::new(out)
        .with_in_features(features)
        .with_bias(conv.bias)
        .with_weight_init(conv.weight_init)
        .with_bias_init(conv.bias_init);
    to.push(&to.layer(index).name, vec![row.name.clone()], layer)
}

/// Refuses a matrix that is too large, before it has any memory.
fn check_matrix(
    to: &Rewrite<'_>,
    index: usize,
    conv: &Conv2d,
    input: &Shape,
    storage: Storage,
) -> Result<(), ConvertError> {
    let matrix = ConvMatrix::new(conv, input).expect("the network was checked");
    let (rows, cols, bias) = (matrix.rows(), matrix.cols(), if conv.bias { matrix.rows() } else { 0 } as u128);
    let (nonzeros, places) = (u128::from(matrix.nonzeros()), matrix.places());
    let (numbers, stored, help) = match storage {
        Storage::Dense => {
            let numbers = format!("a matrix of {rows} x {cols}, {places} weights of which {nonzeros} are not zero");
            let sparse = 4 * (2 * nonzeros + rows as u128 + bias);
            (numbers, places + bias, format!("Without its zeros (sparse storage) it takes {sparse} bytes."))
        }
        Storage::Sparse => {
            let numbers = format!("{nonzeros} weights of a matrix of {rows} x {cols}, and as many columns");
            (numbers, 2 * nonzeros + rows as u128 + bias, "As a convolution it shares its weights.".to_string())
        }
    };
    to.check_size(index, numbers, 4 * stored, &help)?;
    if storage == Storage::Sparse && cols > MOST_COLUMNS {
        let expected = format!("at most {MOST_COLUMNS} inputs, whose places are exact in f32");
        return Err(to.unfit(index, expected, format!("{cols}"), "Make the maps smaller."));
    }
    let (count, most) = match storage {
        Storage::Dense => (places, MAX_ELEMENTS as u128),
        Storage::Sparse => (nonzeros, u128::from(MOST_NONZEROS)),
    };
    if count > most {
        return Err(to.unfit(index, format!("at most {most} weights"), count.to_string(), "Make the maps smaller."));
    }
    Ok(())
}

/// Writes a convolution as its matrix.
fn matrix(to: &mut Rewrite<'_>, index: usize, conv: &Conv2d, row: &Other, storage: Storage) {
    let matrix = ConvMatrix::new(conv, to.network.input_shapes(index)[0]).expect("the network was checked");
    let matrix = matrix.with_order(row.order);
    let nonzeros = matrix.nonzeros();
    let name = match storage {
        Storage::Dense => {
            let name = push_linear(to, index, conv, matrix.rows(), matrix.cols(), row);
            to.fill(&name, "weight", index, move |kernel, to| matrix.write_dense(kernel, to));
            name
        }
        Storage::Sparse => {
            let layer = SparseLinear::new(matrix.rows(), nonzeros as usize);
            let layer = layer.with_in_features(matrix.cols()).with_bias(conv.bias);
            let name = to.push(&to.layer(index).name, vec![row.name.clone()], layer);
            to.fill(&name, "weight", index, move |kernel, to| matrix.write_values(kernel, to));
            to.fill(&name, "row_lengths", index, move |_, to| matrix.write_row_lengths(to));
            to.fill(&name, "columns", index, move |_, to| matrix.write_columns(to));
            name
        }
    };
    let filters = conv.out_channels;
    to.fill(&name, "bias", index, move |weights, to| matrix.write_bias(&weights[weights.len() - filters..], to));
    to.count(&name, nonzeros, matrix.distinct());
    let shape = Shape::new([matrix.rows()]);
    to.set_other(to.network.value_of(index), Other { name, shape, order: Order::ChannelsFirst });
}

/// The layer that does to rows what a layer does to the maps that they stand for, and the shape and order of what it gives;
/// `None` where the values are not there as rows, or there is no such layer.
fn carried(to: &Rewrite<'_>, layer: &Layer, index: usize) -> Option<(Layer, Shape, Order)> {
    let (all, pixels) = to.others(index)?;
    let Other { shape, order, .. } = *all.first()?;
    let alike = pixels || all.iter().all(|other| other.order == *order);
    let same = |layer: Layer| Some((layer, shape.clone(), *order));
    match layer {
        Layer::Activation(_) | Layer::Dropout(_) => same(layer.clone()),
        Layer::Standardize(standardize) if !standardize.per_feature => same(layer.clone()),
        Layer::BatchNorm(_) if pixels => same(layer.clone()),
        Layer::Softmax(softmax) if pixels && softmax.axis == Some(0) => same(Softmax::new().into()),
        Layer::LogSoftmax(softmax) if pixels && softmax.axis == Some(0) => same(LogSoftmax::new().into()),
        Layer::Add(_) if alike => same(layer.clone()),
        Layer::Concat(_) if pixels || alike && *order == Order::ChannelsFirst => {
            let len = all.iter().map(|other| other.shape.axes()[0]).sum();
            Some((layer.clone(), Shape::new([len]), *order))
        }
        _ => None,
    }
}

/// For each value whether a convolution that is converted reads it, through nothing but layers that are carried along.
fn leads(network: &crate::check::CheckedNetwork, chosen: &[bool]) -> Vec<bool> {
    let mut leads = vec![false; network.values().count()];
    for index in (0..chosen.len()).rev() {
        let passes = matches!(network.network().layers[index].layer, Layer::Activation(_) | Layer::Dropout(_));
        if chosen[index] || passes && leads[network.value_of(index).index()] {
            network.reads(index).iter().for_each(|read| leads[read.index()] = true);
        }
    }
    leads
}
