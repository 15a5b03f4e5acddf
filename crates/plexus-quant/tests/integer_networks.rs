//! Networks of whole numbers give on the kernels of every instruction set what `plexus-micro` gives in the memory of a device.

mod networks;

use networks::{networks, numbers, options, params};
use plexus_kernels::Context;
use plexus_kernels::isa::Isa;
use plexus_kernels::threads::Pool;
use plexus_nn::integer::Rounding;
use plexus_nn::layers::{Standardize, linear, relu};
use plexus_nn::{CheckedNetwork, Network, Params, Plan, PlanOptions, ValueId, View, Workspace};
use plexus_quant::firmware::{Memory, lower};
use plexus_quant::{Options, QuantError, Samples, Scheme, quantize};
use std::collections::HashMap;
use std::sync::Arc;

const ROWS: usize = 9;

/// The whole numbers of a view, channels last.
fn channels_last(view: &View<'_>) -> Vec<i32> {
    let numbers = view.numbers();
    let whole = |at: usize| numbers[at] as i32;
    match *view.shape.axes() {
        [channels, height, width] => {
            let len = channels * height * width;
            (0..numbers.len())
                .map(|at| {
                    let (sample, at) = (at / len * len, at % len);
                    whole(sample + at % channels * (height * width) + at / channels)
                })
                .collect()
        }
        _ => (0..numbers.len()).map(whole).collect(),
    }
}

/// The whole numbers of all values of a plan, and its outputs.
fn values(
    network: &Arc<CheckedNetwork>,
    params: &Params,
    input: &[f32],
    context: Context,
) -> (HashMap<ValueId, Vec<i32>>, Vec<f32>) {
    let plan = Plan::with(network.clone(), params, PlanOptions::default(), context);
    let (mut seen, mut workspace) = (HashMap::new(), Workspace::default());
    let batch = network.batch(input, ROWS).unwrap();
    let mut observer = |value: ValueId, view: View<'_>| {
        if view.quant.is_some() {
            seen.insert(value, channels_last(&view));
        }
    };
    let outputs = plan.run_observed(batch, &mut workspace, Some(&mut observer)).to_vec();
    (seen, outputs)
}

#[test]
fn every_scheme_gives_the_same_bits_on_all_kernels_and_in_the_memory_of_a_device() {
    let mut steps = 0;
    for (name, network) in networks() {
        let network = network.check().unwrap_or_else(|error| panic!("{name}: {error}"));
        let params = params(&network);
        let input = numbers(ROWS * network.input_len(), 1);
        for (scheme, options) in options() {
            let samples = Samples { inputs: &[&input], rows: ROWS };
            let quantized = quantize(&network, &params, samples, &options, &Context::single())
                .unwrap_or_else(|error| panic!("{name}, {scheme}: {error}"));
            let whole = Arc::new(quantized.network);
            let fresh = numbers(ROWS * network.input_len(), 5);
            let (expected, outputs) =
                values(&whole, &quantized.params, &fresh, Context::new(Isa::Portable, Pool::single()));
            for isa in Isa::available() {
                for threads in [1, 3] {
                    let context = Context::new(isa, Pool::new(threads));
                    let (seen, same) = values(&whole, &quantized.params, &fresh, context);
                    assert!(seen == expected && same == outputs, "{name}, {scheme}: {} differs", isa.name());
                }
            }
            if matches!(options.rounding, Rounding::Float64 | Rounding::Float32Even) {
                let refused = lower(&whole, &quantized.params, None).unwrap_err().to_string();
                assert!(refused.contains("rounded in floats"), "{refused}");
                continue;
            }
            let program =
                lower(&whole, &quantized.params, None).unwrap_or_else(|error| panic!("{name}, {scheme}: {error}"));
            let (mut memory, len) = (Memory::new(&program), network.input_len());
            let quantize = program.inputs[0].clone();
            for row in 0..ROWS {
                // Raw inputs are in the order of the program: maps channels last.
                let sample = &fresh[row * len..][..len];
                let sample: Vec<f32> = match quantize.shape[..] {
                    [height, width, channels] => {
                        (0..len).map(|at| sample[at % channels * (height * width) + at / channels]).collect()
                    }
                    _ => sample.to_vec(),
                };
                let inputs = [quantize.of_floats(&sample)];
                let last = program.run(&mut memory, &inputs, |step, numbers| {
                    let value = whole.value(&step.layer).expect("a layer of the network");
                    // A layer that only renames axes is no value of a plan.
                    let Some(all) = expected.get(&value) else { return };
                    let own = all.len() / ROWS;
                    assert_eq!(numbers, &all[row * own..][..own], "{name}, {scheme}: {} of row {row}", step.layer);
                    steps += 1;
                });
                let output = &program.outputs[0];
                let values: Vec<f32> = last[0].iter().map(|number| output.quant.value(*number)).collect();
                let own = outputs.len() / ROWS;
                let maps_last = |at: usize| match output.shape[..] {
                    [height, width, channels] => at % (height * width) * channels + at / (height * width),
                    _ => at,
                };
                let values: Vec<f32> = (0..values.len()).map(|at| values[maps_last(at)]).collect();
                assert_eq!(values, outputs[row * own..][..own], "{name}, {scheme}: the output of row {row}");
            }
        }
    }
    assert!(steps > 2000, "{steps} steps were compared");
}

#[test]
fn what_comes_out_is_near_the_float_network() {
    for (name, network) in networks() {
        let network = Arc::new(network.check().unwrap());
        let params = Params::initialize(&network, 3);
        let input = numbers(ROWS * network.input_len(), 1);
        let plan = |network: &Arc<CheckedNetwork>, params: &Params| {
            let plan = Plan::new(network.clone(), params, Context::single());
            plan.run(network.batch(&input, ROWS).unwrap(), &mut Workspace::default()).to_vec()
        };
        let float = plan(&network, &params);
        let size = float.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        for (scheme, most) in [
            (Scheme::Int8, 0.1),
            (Scheme::Int8PerChannel, 0.08),
            (Scheme::Int16x8, 0.05),
            (Scheme::Int16, 0.005),
            (Scheme::Q7, 0.2),
            (Scheme::Q15, 0.005),
            (Scheme::Q7Q15, 0.1),
            (Scheme::Int4, 0.5),
        ] {
            let samples = Samples { inputs: &[&input], rows: ROWS };
            let whole = quantize(&network, &params, samples, &Options::new(scheme), &Context::single()).unwrap();
            let outputs = plan(&Arc::new(whole.network), &whole.params);
            let far = float.iter().zip(&outputs).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(far <= most * size, "{name}, {}: {far} of {size}", scheme.name());
        }
    }
}

#[test]
fn sums_that_could_wrap_are_refused_with_the_row_or_get_64_bits() {
    let network = Network::chain([70_000], [linear(2)]).check().unwrap();
    let mut params = Params::zeros(&network);
    // The second row: all weights as large as they can be.
    params.weights[70_000..140_000].fill(1.0);
    let input = vec![1.0; 70_000];
    let samples = Samples { inputs: &[&input], rows: 1 };
    let error = quantize(&network, &params, samples, &Options::new(Scheme::Int8PerChannel), &Context::single());
    assert!(
        matches!(&error, Err(QuantError::Wraps { row: 1, bound, .. }) if *bound > i64::from(i32::MAX)),
        "{error:?}"
    );
    let wide = quantize(&network, &params, samples, &Options::new(Scheme::Q15), &Context::single()).unwrap();
    assert!(wide.notes.iter().any(|note| note.contains("64 bits")), "{:?}", wide.notes);
}

#[test]
fn columns_of_different_sizes_are_brought_to_one_scale_in_floats() {
    let layers = [Standardize::new().with_per_feature(true).into(), linear(8), relu(), linear(2)];
    let network = Arc::new(Network::chain([3], layers).check().unwrap());
    let mut params = Params::initialize(&network, 3);
    let (means, sizes) = ([1000.0, 0.5, -0.02], [400.0, 0.2, 0.01]);
    params.set("layers.0.mean", &means);
    params.set("layers.0.scale", &sizes.map(|size| 1.0 / size));
    let mut input = numbers(ROWS * 3, 1);
    input.iter_mut().enumerate().for_each(|(at, value)| *value = means[at % 3] + sizes[at % 3] * *value);
    let samples = Samples { inputs: &[&input], rows: ROWS };
    let whole =
        quantize(&network, &params, samples, &Options::new(Scheme::Int8PerChannel), &Context::single()).unwrap();
    let kinds: Vec<&str> = whole.network.network().layers.iter().map(|named| named.layer.kind()).collect();
    assert_eq!(kinds, ["standardize", "quantize", "integer_linear", "integer_linear", "dequantize"]);
    assert!(whole.layers.iter().all(|layer| layer.error < 0.03), "{:?}", whole.layers);
}

#[test]
fn a_softmax_of_a_long_row_stays_float() {
    let network = Network::chain([3], [linear(5000), plexus_nn::layers::softmax()]).check().unwrap();
    let params = params(&network);
    let input = numbers(ROWS * 3, 1);
    let samples = Samples { inputs: &[&input], rows: ROWS };
    let whole = quantize(&network, &params, samples, &Options::new(Scheme::Int8), &Context::single()).unwrap();
    let kinds: Vec<&str> = whole.network.network().layers.iter().map(|named| named.layer.kind()).collect();
    assert_eq!(kinds, ["quantize", "integer_linear", "dequantize", "softmax"]);
}
