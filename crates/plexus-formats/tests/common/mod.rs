//! Random networks and models for the tests.
#![allow(dead_code, reason = "each test file uses a part of it")]

use plexus_kernels::map::{FUNCTIONS, Function};
use plexus_nn::layers::{
    Activation, Add, AvgPool2d, BatchNorm, Concat, Conv2d, Conv2dTable, Dequantize, Dropout, Flatten, GlobalAvgPool,
    Layer, LayerNorm, Linear, LogSoftmax, MaxPool2d, Order, Padding, Pair, Quantize, Rbf, Reshape, RunningVariance,
    Softmax, Standardize, TrainablePool2d, Unflatten,
};
use plexus_nn::{CheckedNetwork, DType, Init, Input, NamedLayer, Network, Params, Quant, Shape};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

/// SplitMix64 (Steele et al. 2014): small, and good enough to choose test cases.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    /// Any positive f32 below one.
    pub fn unit(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// A small positive constant of any size.
    fn epsilon(&mut self) -> f32 {
        (self.unit() + 0.1) * 10f32.powi(-(self.below(13) as i32))
    }
}

fn init(random: &mut Random) -> Init {
    let all = [
        Init::UniformFanIn,
        Init::GlorotUniform,
        Init::GlorotNormal,
        Init::HeUniform,
        Init::HeNormal,
        Init::Orthogonal,
        Init::NarrowNormal,
        Init::Zeros,
        Init::Ones,
        Init::Digits,
    ];
    if random.coin() { Init::UniformFanIn } else { all[random.below(all.len())] }
}

fn function(random: &mut Random) -> Function {
    match FUNCTIONS[random.below(FUNCTIONS.len())].default {
        Function::LeakyRelu { .. } if random.coin() => Function::LeakyRelu { slope: random.unit() },
        Function::Elu { .. } if random.coin() => Function::Elu { alpha: random.unit() },
        other => other,
    }
}

/// A layer of a case file, and what its inputs stand for where they are whole numbers.
#[derive(Clone)]
struct Known {
    layer: Layer,
    quants: Vec<Quant>,
}

impl Known {
    fn read(case: &toml::Value) -> Option<Known> {
        let layer = Layer::deserialize(case["layer"].clone()).ok()?;
        let more = case.get("more").and_then(toml::Value::as_array).into_iter().flatten();
        let quants = case.get("input_quant").into_iter().chain(more.filter_map(|more| more.get("quant")));
        let quants = quants.map(|quant| Quant::deserialize(quant.clone()).expect("a case says what numbers stand for"));
        Some(Known { layer, quants: quants.collect() })
    }
}

/// The layers of all case files, by kind: every kind, with whatever keys it has. Those of whole numbers stand behind the others.
fn known_layers() -> &'static [Vec<Vec<Known>>; 2] {
    static KNOWN: OnceLock<[Vec<Vec<Known>>; 2]> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/layers");
        let mut paths: Vec<_> =
            std::fs::read_dir(folder).expect("testdata/layers").map(|entry| entry.expect("a file").path()).collect();
        paths.sort();
        let read = |path: std::path::PathBuf| -> toml::Table {
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let tables = paths.into_iter().map(read);
        let cases = tables.flat_map(|table| table["case"].as_array().expect("a list of cases").clone());
        // The text form has no layers of no features, and `dense` is a short form.
        let cases = cases.filter(|case| case["layer"].get("out_features") != Some(&toml::Value::Integer(0)));
        let mut kinds: [BTreeMap<&str, Vec<Known>>; 2] = [BTreeMap::new(), BTreeMap::new()];
        for known in cases.filter_map(|case| Known::read(&case)) {
            let whole = !known.layer.has_gradient();
            kinds[usize::from(whole)].entry(known.layer.kind()).or_default().push(known);
        }
        kinds.map(|kinds| kinds.into_values().collect())
    })
}

/// A layer of any of these kinds.
fn pick(random: &mut Random, kinds: &[Vec<Known>]) -> Known {
    let kind = &kinds[random.below(kinds.len())];
    kind[random.below(kind.len())].clone()
}

/// Some layers of whole numbers behind a value, floats again at the end; `None` where the first does not fit.
fn whole_layers(random: &mut Random, index: usize, from: &str, input: &Shape) -> Option<(Vec<NamedLayer>, Shape)> {
    let [_, kinds] = known_layers();
    let Known { layer, quants } = pick(random, kinds);
    let mut layers = Vec::new();
    let mut named = |name: &str, inputs: &[String], layer| {
        let name = format!("{name} {index}.{}", layers.len());
        layers.push(NamedLayer { name: name.clone(), inputs: inputs.to_vec(), layer });
        name
    };
    let from = [from.to_string()];
    let mut reads: Vec<String> =
        quants.iter().map(|quant| named("whole", &from, Quantize::new(*quant).into())).collect();
    let mut quants: Vec<Option<Quant>> = quants.into_iter().map(Some).collect();
    if reads.is_empty() {
        (reads, quants) = (from.to_vec(), vec![None]);
    }
    let mut shape = layer.infer(&vec![input; reads.len()]).ok()?;
    let mut quant = layer.quant(&quants).ok()?;
    named("first", &reads, layer);
    for _ in 0..random.below(3) {
        let Known { layer, .. } = pick(random, kinds);
        if let (Ok(leaving), Ok(numbers)) = (layer.infer(&[&shape]), layer.quant(&[quant])) {
            (shape, quant) = (leaving, numbers);
            named("next", &[], layer);
        }
    }
    if quant.is_some() {
        named("floats", &[], Dequantize::new().into());
    }
    Some((layers, shape))
}

/// One layer that may fit the shape.
fn layer(random: &mut Random, input: &Shape) -> Layer {
    if random.coin() {
        let [kinds, _] = known_layers();
        return pick(random, kinds).layer;
    }
    let last = input.last().unwrap_or(1);
    match random.below(13) {
        0..=2 => {
            let mut linear = Linear::new(1 + random.below(9));
            linear.in_features = random.coin().then_some(last);
            linear.with_bias(random.coin()).with_weight_init(init(random)).with_bias_init(init(random)).into()
        }
        3 | 4 => Activation::new(function(random)).into(),
        5 => Flatten::default().into(),
        6 if input.axes().len() == 1 => {
            let shape = Shape::new([1, 1, input.len().unwrap_or(1)]);
            let order = if random.coin() { Order::ChannelsLast } else { Order::ChannelsFirst };
            Unflatten::new(shape).with_order(order).into()
        }
        6 => Reshape::new([input.len().unwrap_or(1), 1]).into(),
        7 if input.axes().len() == 3 => maps_layer(random, input.axes()[0]),
        7 => Dropout::new(random.unit()).into(),
        8 => {
            let norm = BatchNorm::new().with_epsilon(random.epsilon()).with_momentum(random.unit());
            let variance = if random.coin() { RunningVariance::Biased } else { RunningVariance::Unbiased };
            norm.with_center(random.coin()).with_scale(random.coin()).with_running_variance(variance).into()
        }
        9 => {
            let norm = LayerNorm::new().with_epsilon(random.epsilon());
            norm.with_center(random.coin()).with_scale(random.coin()).into()
        }
        10 => Standardize::new().with_per_feature(random.coin()).into(),
        11 => {
            let rbf = Rbf::new(1 + random.below(4));
            rbf.with_center_init(if random.coin() { Init::Digits } else { init(random) }).into()
        }
        _ if random.coin() => Softmax::new().into(),
        _ => LogSoftmax::new().into(),
    }
}

/// A layer that reads maps; it may not fit them.
fn maps_layer(random: &mut Random, channels: usize) -> Layer {
    let pair = |random: &mut Random| match random.coin() {
        true => Pair::Both(1 + random.below(3)),
        false => Pair::Each([1 + random.below(3), 1 + random.below(2)]),
    };
    let padding = match random.below(4) {
        0 => Padding::All(random.below(2)),
        1 => Padding::Each([1, 0]),
        2 => Padding::Sides([0, 1, 1, 0]),
        _ => Padding::SAME,
    };
    let (kernel_size, stride) = (pair(random), random.coin().then(|| pair(random)));
    match random.below(6) {
        0 => {
            let conv = Conv2d::new(1 + random.below(4), kernel_size).with_stride(stride.unwrap_or(Pair::Both(1)));
            conv.with_dilation(pair(random)).with_bias(random.coin()).with_padding(padding).into()
        }
        1 => {
            let mut pool = MaxPool2d::new(kernel_size).with_padding(padding).with_ceil_mode(random.coin());
            pool.stride = stride;
            pool.into()
        }
        2 => {
            let mut pool = AvgPool2d::new(kernel_size).with_padding(padding).with_count_include_pad(random.coin());
            pool.stride = stride;
            pool.into()
        }
        3 => {
            // Each map sees some channels next to each other, in either order.
            let connections = (0..1 + random.below(3)).map(|_| {
                let (first, count) = (random.below(channels), 1 + random.below(channels));
                let mut seen: Vec<usize> = (first..channels).take(count).collect();
                if random.coin() {
                    seen.reverse();
                }
                seen
            });
            Conv2dTable::new(connections.collect(), kernel_size).into()
        }
        4 => {
            let mut pool = TrainablePool2d::new(kernel_size);
            pool.stride = stride;
            pool.into()
        }
        _ => GlobalAvgPool::new().into(),
    }
}

/// Up to eight layers that fit each other, some of them named, some with their inputs named, some adding up what stands
/// above them, some in whole numbers; sometimes several inputs and outputs.
pub fn random_network(random: &mut Random) -> Network {
    let axes: Vec<usize> = (0..1 + random.below(3)).map(|_| 1 + random.below(5)).collect();
    let mut network = Network::new(Shape::new(axes.clone()), Vec::new());
    let mut shape = Shape::new(axes);
    if random.coin() {
        network.inputs[0].name = "left side".to_string();
        network.inputs.push(Input { name: "right".to_string(), shape: shape.clone() });
    }
    let mut known: Vec<(String, Shape)> =
        network.inputs.iter().map(|input| (input.name.clone(), input.shape.clone())).collect();
    for index in 0..random.below(9) {
        if random.below(6) == 0 {
            let from = network.layers.last().map_or(&network.inputs[0].name, |named| &named.name).clone();
            if let Some((layers, leaving)) = whole_layers(random, index, &from, &shape) {
                shape = leaving;
                network.layers.extend(layers);
                known.push((network.layers.last().expect("some").name.clone(), shape.clone()));
            }
            continue;
        }
        let layer = layer(random, &shape);
        let before = network.layers.last().map(|named| named.name.clone());
        let name = match (random.below(6), &before) {
            (0, _) => format!("name {index} with \"quotes\" é"),
            (1, _) => format!("block.{index}.fc"),
            // As the short form `activation` names it.
            (2, Some(before)) => format!("{before}.activation"),
            (3, _) => format!("layers.{}", index + 100),
            _ => format!("layers.{index}"),
        };
        let inputs = match random.below(5) {
            0 => vec![before.unwrap_or(network.inputs[0].name.clone())],
            1 if random.coin() => {
                let alike: Vec<String> =
                    known.iter().filter(|(_, other)| *other == shape).map(|(name, _)| name.clone()).collect();
                let mut axes = shape.axes().to_vec();
                axes[0] *= alike.len();
                shape = Shape::new(axes);
                let concat =
                    NamedLayer { name: format!("joined {index}"), inputs: alike, layer: Concat::default().into() };
                known.push((concat.name.clone(), shape.clone()));
                network.layers.push(concat);
                continue;
            }
            1 => {
                let alike = known.iter().filter(|(_, other)| *other == shape).map(|(name, _)| name.clone()).collect();
                let add = NamedLayer { name: format!("sum {index}"), inputs: alike, layer: Add::new().into() };
                known.push((add.name.clone(), shape.clone()));
                network.layers.push(add);
                continue;
            }
            _ => Vec::new(),
        };
        // A kind that refuses this shape is left out; names then have gaps, which is as good.
        if let Ok(output) = layer.infer(&[&shape]) {
            shape = output;
            known.push((name.clone(), shape.clone()));
            network.layers.push(NamedLayer { name, inputs, layer });
        }
    }
    if random.below(4) == 0 {
        // Floats come out, not whole numbers.
        let layers = &known[network.inputs.len()..];
        network.outputs = layers.iter().rev().take(2).map(|(name, _)| name.clone()).collect();
    }
    network
}

/// A whole number of a type that an f32 holds too: at most 24 bits, with zeros behind them.
fn whole_number(dtype: DType, random: &mut Random) -> f32 {
    let bits = 8 * dtype.size() as u32;
    let number = random.next() as i64 >> (64 - bits.min(24));
    let number = number << if bits > 24 { random.below(bits as usize - 23) } else { 0 };
    number as f32
}

/// Weights of every kind of bit pattern; whole numbers where a layer has such.
pub fn params_with_odd_values(network: &CheckedNetwork, random: &mut Random) -> Params {
    let mut params = Params::zeros(network);
    let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, f32::from_bits(1), f32::MAX];
    for value in params.weights.iter_mut().chain(params.state.iter_mut()) {
        *value = match random.below(8) {
            0 => odd[random.below(odd.len())],
            _ => random.unit() - 0.5,
        };
    }
    for index in 0..network.network().layers.len() {
        if network.network().layers[index].layer.has_gradient() {
            continue;
        }
        let entries = network.layout().entries_of(index).to_vec();
        for entry in &entries {
            let values = params.values_mut(entry);
            values.iter_mut().for_each(|value| {
                *value = match entry.dtype {
                    DType::F32 => random.epsilon(),
                    dtype => whole_number(dtype, random),
                };
            });
        }
        // Weights of four bits are kept as bytes.
        let weights = network.layout().weights_of(index);
        if network.check_params(index, &params.weights[weights], &[]).is_err() {
            let weight = params.values_mut(&entries[0]);
            weight.iter_mut().for_each(|value| *value = random.below(16) as f32 - 8.0);
        }
    }
    // Constants that a layer cannot have are not read back.
    let initial = Params::initialize(network, 1);
    for index in 0..network.network().layers.len() {
        let (own, weights) = (network.layout().state_of(index), network.layout().weights_of(index));
        if network.check_params(index, &params.weights[weights], &params.state[own.clone()]).is_err() {
            params.state[own.clone()].copy_from_slice(&initial.state[own]);
        }
    }
    params
}

/// A small model with two named layers, labels and batch statistics.
pub fn sample() -> (CheckedNetwork, Params) {
    let mut network = Network::chain(
        Shape::new([3]),
        [Linear::new(4).into(), Activation::new(Function::Relu).into(), Linear::new(2).with_bias(false).into()],
    );
    network.layers[0].name = "hidden".to_string();
    let network = network.check().expect("it fits");
    let params = Params::initialize(&network, 5);
    (network, params)
}
