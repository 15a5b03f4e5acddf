//! Every row of the table against the reference.

use super::winograd::Winograd;
use super::*;
use crate::Context;
use crate::gemm::{KC, Precision};
use crate::map::{self, Saved};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

mod faults;
mod winograd;

fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

fn available() -> impl Iterator<Item = &'static Kernel> {
    KERNELS.iter().filter(|kernel| kernel.isa.is_available())
}

/// Sizes of all kinds: few and many filters and channels, odd maps, every way that a filter moves.
fn geometries() -> Vec<Geometry> {
    let plain = Geometry::plain;
    let mut geometries = vec![
        // The layers of LeNet-5.
        Geometry { padding: [2; 4], ..plain([1, 28, 28], 6, [5, 5]) },
        plain([6, 14, 14], 16, [5, 5]),
        // Nothing to do, or nothing to add.
        plain([0, 4, 4], 3, [2, 2]),
        plain([3, 4, 4], 0, [2, 2]),
        plain([1, 1, 1], 1, [1, 1]),
        // Sums of more than one block, cut inside a stretch of the input and between two.
        plain([70, 6, 5], 33, [3, 3]),
        plain([600, 3, 3], 5, [1, 1]),
        Geometry { padding: [0, 1, 0, 1], dilation: [1, 2], ..plain([300, 2, 4], 18, [2, 2]) },
    ];
    for filters in [1, 2, 3, 5, 6, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 67] {
        for channels in [1, 3, 7] {
            let small = plain([channels, 7, 9], filters, [3, 3]);
            geometries.extend([
                small,
                Geometry { padding: [1; 4], ..small },
                Geometry { padding: [0, 1, 2, 3], kernel: [2, 4], ..small },
                Geometry { padding: [3, 2, 0, 0], kernel: [4, 1], stride: [2, 3], ..small },
                Geometry { padding: [2; 4], dilation: [2, 3], ..small },
            ]);
        }
    }
    for (channels, filters, groups) in
        [(2, 2, 2), (4, 6, 2), (6, 3, 3), (12, 36, 2), (16, 16, 16), (19, 19, 19), (8, 16, 8), (5, 70, 5), (40, 40, 40)]
    {
        let grouped = Geometry { groups, ..plain([channels, 8, 7], filters, [3, 2]) };
        geometries.extend([
            grouped,
            Geometry { padding: [1, 2, 1, 0], stride: [2, 1], ..grouped },
            Geometry { padding: [1; 4], dilation: [1, 2], ..grouped },
        ]);
    }
    // Rows wider than a vector of pairs of columns, odd and even, with padding of either parity.
    for (width, left) in [(15, 1), (31, 0), (33, 3), (36, 2), (65, 1), (64, 4)] {
        geometries.push(Geometry { padding: [1, left, 0, 1], ..plain([1, 5, width], 6, [2, 5]) });
        geometries.push(Geometry { padding: [0, left, 2, 2], ..plain([2, 4, width], 4, [3, 4]) });
    }
    geometries
}

/// One convolution of a check.
struct Call<'a> {
    geometry: Geometry,
    batch: usize,
    input: &'a [f32],
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    function: Function,
    pooling: Option<Pooling<'a>>,
    packed: bool,
    output: &'a mut [f32],
}

/// A kernel of the table.
fn row(kernel: &'static Kernel) -> impl Fn(Call<'_>) {
    move |call| run(call, &Context::new(kernel.isa, Pool::single()))
}

fn run(call: Call<'_>, context: &Context) {
    let Call { geometry, batch, input, weight, bias, function, pooling, packed, output } = call;
    let owned = packed.then(|| PackedWeight::new(&geometry, weight, context));
    let weight = owned.as_ref().map_or(Weight::Plain(weight), Weight::Packed);
    let call = Conv { geometry, batch, input, weight, bias, function, pooling, output };
    conv(call, &mut Scratch::default(), context);
}

const GUARD: f32 = 12345.0;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|x| x.to_bits()).collect()
}

/// How far a sum of so many terms may be off, for terms of magnitude 1 in all.
fn steps(depth: usize) -> f64 {
    (KC.min(depth) + depth.div_ceil(KC) + 2) as f64 * 2f64.powi(-24)
}

/// [`steps`] of a geometry, which is computed with fewer products where [`Winograd`] says so.
fn steps_of(geometry: &Geometry) -> f64 {
    steps(geometry.depth()) * if Winograd::of(geometry, Precision::Standard).is_some() { winograd::GROWTH } else { 1.0 }
}

/// Every number is within its bound of the one wanted; NaN is in no bound.
fn close(got: &[f32], (want, sizes): &(Vec<f64>, Vec<f64>), steps: f64) -> Result<(), String> {
    assert_eq!(got.len(), want.len());
    for (at, ((&got, want), size)) in got.iter().zip(want).zip(sizes).enumerate() {
        let close = (f64::from(got) - want).abs() <= steps * (size + 1e-30);
        if !close {
            return Err(format!("[{at}]: {got} want {want}"));
        }
    }
    Ok(())
}

/// Holds one geometry to the reference: sums with and without bias, packed and plain, guards on both sides; then pooling to
/// what pooling the unpooled result gives, bit for bit.
fn check(convolve: &impl Fn(Call<'_>), geometry: Geometry) -> Result<(), String> {
    let batch = 2;
    // One element in front makes the starts unaligned.
    let input = values(batch * geometry.input_len() + 1, 1);
    let (input, weight) = (&input[1..], values(geometry.weight_len(), 2));
    let bias = values(geometry.filters, 3);
    let len = batch * geometry.output_len();
    for (bias, packed) in [(None, false), (Some(&bias[..]), true)] {
        let mut guarded = vec![GUARD; len + 10];
        let output = &mut guarded[5..5 + len];
        let (function, pooling) = (Function::Identity, None);
        convolve(Call { geometry, batch, input, weight: &weight, bias, function, pooling, packed, output });
        let want = reference::conv(&geometry, batch, input, &weight, bias);
        close(&guarded[5..5 + len], &want, steps_of(&geometry)).map_err(|error| format!("{geometry:?} {error}"))?;
        if guarded[..5].iter().chain(&guarded[5 + len..]).any(|&guard| guard != GUARD) {
            return Err(format!("{geometry:?} wrote outside"));
        }
    }
    let [rows, cols] = geometry.output().expect("every geometry of the list has an output");
    for function in [Function::Identity, Function::Relu, Function::LeakyRelu { slope: 0.25 }, Function::Tanh] {
        let (bias, packed) = (Some(&bias[..]), true);
        let mut full = vec![GUARD; len];
        let output = &mut full[..];
        convolve(Call { geometry, batch, input, weight: &weight, bias, function, pooling: None, packed, output });
        let (want, places) = reference::max_two(&full, batch, [geometry.filters, rows, cols]);
        let (mut pooled, mut positions) = (vec![GUARD; want.len() + 10], vec![9; want.len() + 10]);
        for keep in [true, false] {
            let end = 5 + want.len();
            let pooling = Some(Pooling::MaxTwo { positions: keep.then_some(&mut positions[5..end]) });
            let output = &mut pooled[5..end];
            convolve(Call { geometry, batch, input, weight: &weight, bias, function, pooling, packed, output });
            if bits(&pooled[5..end]) != bits(&want) {
                return Err(format!("{geometry:?} {function:?}: pooled {:?} want {want:?}", &pooled[5..end]));
            }
            if positions[5..end] != places {
                return Err(format!("{geometry:?} {function:?}: positions"));
            }
            let outside = [&pooled[..5], &pooled[end..]].concat();
            if outside.iter().any(|&guard| guard != GUARD) || positions[..5].iter().any(|&guard| guard != 9) {
                return Err(format!("{geometry:?} wrote outside"));
            }
        }
    }
    Ok(())
}

#[test]
fn every_row_matches_the_reference() {
    for kernel in available() {
        for geometry in geometries() {
            check(&row(kernel), geometry).unwrap_or_else(|refusal| panic!("{kernel:?} {refusal}"));
        }
    }
}

/// Holds every function to what `map` makes of the sums, bit for bit.
fn check_functions(convolve: &impl Fn(Call<'_>), isa: Isa) -> Result<(), String> {
    for geometry in [Geometry::plain([1, 6, 6], 4, [3, 3]), Geometry::plain([3, 6, 6], 20, [3, 3])] {
        let (input, weight) = (&values(geometry.input_len(), 1)[..], &values(geometry.weight_len(), 2)[..]);
        let mut sums = vec![0.0; geometry.output_len()];
        let mut result = sums.clone();
        let (batch, bias, packed) = (1, None, false);
        let (function, output) = (Function::Identity, &mut sums[..]);
        convolve(Call { geometry, batch, input, weight, bias, function, pooling: None, packed, output });
        for row in map::FUNCTIONS {
            let (function, output) = (row.default, &mut result[..]);
            convolve(Call { geometry, batch, input, weight, bias, function, pooling: None, packed, output });
            let mut want = sums.clone();
            map::forward_in_place(function, &mut want, &Context::new(isa, Pool::single()));
            if bits(&result) != bits(&want) {
                return Err(format!("{geometry:?} {}", row.name));
            }
        }
    }
    Ok(())
}

#[test]
fn the_function_is_that_of_map() {
    for kernel in available() {
        check_functions(&row(kernel), kernel.isa).unwrap_or_else(|refusal| panic!("{kernel:?} {refusal}"));
    }
}

/// A geometry of each form, with more than one band in a sample.
fn large() -> [Geometry; 6] {
    [
        Geometry { padding: [2; 4], ..Geometry::plain([1, 120, 120], 6, [5, 5]) },
        Geometry { padding: [1; 4], ..Geometry::plain([20, 41, 37], 40, [3, 3]) },
        Geometry { padding: [1; 4], groups: 150, ..Geometry::plain([150, 41, 37], 150, [3, 3]) },
        Geometry { padding: [1; 4], stride: [2, 2], groups: 2, ..Geometry::plain([64, 61, 33], 32, [3, 3]) },
        Geometry { padding: [1; 4], ..Geometry::plain([40, 35, 38], 48, [3, 3]) },
        Geometry { padding: [2; 4], groups: 2, ..Geometry::plain([96, 27, 27], 256, [5, 5]) },
    ]
}

/// The whole result for one context: pooled numbers and positions, and the full map.
fn results(context: &Context, geometry: Geometry, batch: usize, input: &[f32]) -> Vec<u32> {
    let weight = values(geometry.weight_len(), 6);
    let [rows, cols] = geometry.output().expect("every geometry of the list has an output");
    let mut full = vec![0.0; batch * geometry.output_len()];
    let len = batch * (rows / 2) * (cols / 2) * geometry.filters;
    let (mut pooled, mut positions) = (vec![0.0; len], vec![0; len]);
    let (function, bias, packed) = (Function::Relu, None, false);
    let output = &mut full[..];
    run(Call { geometry, batch, input, weight: &weight, bias, function, pooling: None, packed, output }, context);
    let pooling = Some(Pooling::MaxTwo { positions: Some(&mut positions) });
    let output = &mut pooled[..];
    run(Call { geometry, batch, input, weight: &weight, bias, function, pooling, packed, output }, context);
    bits(&full).into_iter().chain(bits(&pooled)).chain(positions.into_iter().map(u32::from)).collect()
}

#[test]
fn output_is_the_same_for_any_thread_count() {
    for kernel in available() {
        for geometry in large() {
            for batch in [1, 3] {
                let input = values(batch * geometry.input_len(), 5);
                let all = |threads| results(&Context::new(kernel.isa, Pool::new(threads)), geometry, batch, &input);
                let one = all(1);
                for threads in [2, 7] {
                    assert!(one == all(threads), "{kernel:?} {geometry:?} {threads}");
                }
            }
        }
    }
}

#[test]
fn a_sample_of_a_batch_has_the_bits_of_the_sample_alone() {
    for kernel in available() {
        for geometry in large().into_iter().chain([Geometry::plain([6, 14, 14], 16, [5, 5])]) {
            let (batch, weight) = (3, values(geometry.weight_len(), 6));
            let input = values(batch * geometry.input_len(), 7);
            let whole = |batch, input: &[f32]| {
                let mut full = vec![0.0; batch * geometry.output_len()];
                let (function, bias, pooling, packed, output) = (Function::Relu, None, None, true, &mut full[..]);
                row(kernel)(Call { geometry, batch, input, weight: &weight, bias, function, pooling, packed, output });
                bits(&full)
            };
            let together = whole(batch, &input);
            let alone: Vec<u32> = input.chunks(geometry.input_len()).flat_map(|input| whole(1, input)).collect();
            assert!(together == alone, "{kernel:?} {geometry:?}");
        }
    }
}

#[test]
fn consistent_rows_give_the_same_bits() {
    for geometry in geometries() {
        let input = values(geometry.input_len(), 8);
        let weight = values(geometry.weight_len(), 9);
        let mut all = available().filter(|kernel| kernel.consistent).map(|kernel| {
            let mut full = vec![0.0; geometry.output_len()];
            let (batch, function, bias, pooling) = (1, Function::Identity, None, None);
            let (packed, input, output) = (false, &input[..], &mut full[..]);
            row(kernel)(Call { geometry, batch, input, weight: &weight, bias, function, pooling, packed, output });
            bits(&full)
        });
        if let Some(first) = all.next() {
            assert!(all.all(|other| other == first), "{geometry:?}");
        }
    }
}

#[test]
fn packed_weights_come_back_bit_for_bit() {
    for kernel in available() {
        let context = Context::new(kernel.isa, Pool::single());
        for geometry in geometries() {
            let mut weight = values(geometry.weight_len(), 10);
            if let [first, second, ..] = &mut weight[..] {
                (*first, *second) = (f32::NAN, -0.0);
            }
            let packed = PackedWeight::new(&geometry, &weight, &context);
            let unpacked = packed.unpack().expect("none of these is transformed");
            assert_eq!(bits(&unpacked), bits(&weight), "{kernel:?} {geometry:?}");
            assert!(packed.is_exact() && packed.bytes() >= 4 * weight.len());
            assert_eq!((packed.bytes(), true), PackedWeight::bytes_for(&geometry, &context), "{kernel:?} {geometry:?}");
            assert_eq!(packed.kernel(), kernel.name);
        }
    }
}

#[test]
fn nan_wins_and_the_first_of_equal_numbers_is_taken() {
    for kernel in available() {
        for (channels, filters, groups) in [(1, 3, 1), (1, 20, 1), (5, 5, 5)] {
            // The filter is one element of 1: the map goes through to every filter.
            let geometry = Geometry { groups, ..Geometry::plain([channels, 4, 40], filters, [1, 1]) };
            let weight = vec![1.0; geometry.weight_len()];
            let special = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1.0, 1.0, -1.0, 0.0, -0.0];
            let mut rng = ChaCha8Rng::seed_from_u64(11);
            let input: Vec<f32> = (0..geometry.input_len()).map(|_| special[rng.random_range(0..8)]).collect();
            let mut full = vec![0.0; geometry.output_len()];
            let (batch, function, bias, packed) = (1, Function::Identity, None, false);
            let (input, weight, output) = (&input[..], &weight[..], &mut full[..]);
            row(kernel)(Call { geometry, batch, input, weight, bias, function, pooling: None, packed, output });
            let (want, places) = reference::max_two(&full, 1, [filters, 4, 40]);
            let (mut pooled, mut positions) = (vec![0.0; want.len()], vec![9; want.len()]);
            let pooling = Some(Pooling::MaxTwo { positions: Some(&mut positions) });
            let output = &mut pooled[..];
            row(kernel)(Call { geometry, batch, input, weight, bias, function, pooling, packed, output });
            assert!(want.iter().any(|x| x.is_nan()) && want.iter().any(|x| x.is_infinite()));
            assert_eq!(bits(&pooled), bits(&want), "{kernel:?} {geometry:?}");
            assert_eq!(positions, places, "{kernel:?} {geometry:?}");
        }
    }
}

#[test]
fn there_is_no_output_where_sizes_do_not_fit() {
    let plain = Geometry::plain([4, 5, 6], 8, [3, 3]);
    assert_eq!(plain.output(), Some([3, 4]));
    assert_eq!(Geometry { stride: [2, 3], padding: [1, 0, 1, 2], ..plain }.output(), Some([3, 2]));
    assert_eq!(Geometry { dilation: [2, 2], ..plain }.output(), Some([1, 2]));
    for wrong in [
        Geometry { kernel: [6, 1], ..plain },
        Geometry { kernel: [0, 1], ..plain },
        Geometry { stride: [0, 1], ..plain },
        Geometry { dilation: [1, 0], ..plain },
        Geometry { dilation: [3, 1], ..plain },
        Geometry { groups: 0, ..plain },
        Geometry { groups: 3, ..plain },
        Geometry { padding: [usize::MAX, 0, 0, 0], ..plain },
        Geometry { dilation: [usize::MAX, 1], ..plain },
    ] {
        assert_eq!(wrong.output(), None, "{wrong:?}");
    }
}

/// The gradients of one convolution: of the input, of the weight, of the bias.
struct Gradients {
    input: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

/// What gradients are computed of.
#[derive(Clone, Copy)]
struct Operands<'a> {
    geometry: Geometry,
    batch: usize,
    input: &'a [f32],
    weight: &'a [f32],
    grad_output: &'a [f32],
    /// What they are added to; without it they overwrite.
    start: Option<f32>,
}

/// All gradients of a batch.
fn gradients(context: &Context, operands: Operands<'_>) -> Gradients {
    let Operands { geometry, batch, input, weight, grad_output, start } = operands;
    let filled = |len| vec![start.unwrap_or(GUARD); len];
    let (mut grad_input, mut grad_weight) = (filled(batch * geometry.input_len()), filled(geometry.weight_len()));
    let mut grad_bias = filled(geometry.filters);
    let accumulate = start.is_some();
    let mut scratch = Scratch::default();
    for _ in 0..2 {
        // What is left in the scratch makes no difference.
        let to = &mut grad_input[..];
        let call = ConvBackwardInput { geometry, batch, grad_output, weight, grad_input: to, accumulate };
        conv_backward_input(call, &mut scratch, context);
        let (grad_weight, grad_bias) = (&mut grad_weight[..], Some(&mut grad_bias[..]));
        let call = ConvBackwardWeight { geometry, batch, input, grad_output, grad_weight, grad_bias, accumulate };
        conv_backward_weight(call, &mut scratch, context);
        if accumulate {
            break;
        }
    }
    Gradients { input: grad_input, weight: grad_weight, bias: grad_bias }
}

/// The gradients of the reference, and the magnitudes of their terms.
fn wanted(geometry: &Geometry, batch: usize, input: &[f32], weight: &[f32], grad: &[f32]) -> [(Vec<f64>, Vec<f64>); 3] {
    let mut bias = (vec![0.0; geometry.filters], vec![0.0; geometry.filters]);
    for (at, &grad) in grad.iter().enumerate() {
        bias.0[at % geometry.filters] += f64::from(grad);
        bias.1[at % geometry.filters] += f64::from(grad).abs();
    }
    [
        reference::backward_input(geometry, batch, grad, weight),
        reference::backward_weight(geometry, batch, input, grad),
        bias,
    ]
}

/// Holds the gradients of one geometry to the reference, overwritten and added, and of an empty batch.
fn check_gradients(differentiate: &impl Fn(Operands<'_>) -> Gradients, geometry: Geometry) -> Result<(), String> {
    for (batch, start) in [(2, None), (1, Some(0.5)), (0, None), (0, Some(0.5))] {
        let input = values(batch * geometry.input_len() + 1, 12);
        let (input, weight) = (&input[1..], &values(geometry.weight_len(), 13)[..]);
        let grad_output = &values(batch * geometry.output_len(), 14)[..];
        let got = differentiate(Operands { geometry, batch, input, weight, grad_output, start });
        let mut want = wanted(&geometry, batch, input, weight, grad_output);
        for (sums, sizes) in &mut want {
            for (sum, size) in sums.iter_mut().zip(sizes) {
                *sum += f64::from(start.unwrap_or(0.0));
                *size += f64::from(start.unwrap_or(0.0));
            }
        }
        let [rows, cols] = geometry.output().expect("every geometry of the list has an output");
        // Of the input: chains of filters, one for each element of a filter, or for each window and filter.
        let per_input = geometry.filters.min(KC) + geometry.kernel.iter().product::<usize>() + 4;
        let per_weight = (rows * cols).min(KC) + batch + 20;
        for ((got, want), steps) in
            [&got.input, &got.weight, &got.bias].into_iter().zip(&want).zip([per_input, per_weight, per_weight])
        {
            close(got, want, steps as f64 * 2f64.powi(-24)).map_err(|error| format!("{geometry:?} {batch} {error}"))?;
        }
    }
    Ok(())
}

#[test]
fn gradients_match_the_reference() {
    for kernel in available() {
        let context = Context::new(kernel.isa, Pool::single());
        for geometry in geometries() {
            check_gradients(&|operands| gradients(&context, operands), geometry)
                .unwrap_or_else(|refusal| panic!("{kernel:?} {refusal}"));
        }
    }
}

#[test]
fn gradients_are_the_same_for_any_thread_count() {
    for kernel in available() {
        for geometry in large() {
            let batch = 5;
            let input = values(batch * geometry.input_len(), 15);
            let weight = values(geometry.weight_len(), 16);
            let grad_output = &values(batch * geometry.output_len(), 17)[..];
            let operands = Operands { geometry, batch, input: &input, weight: &weight, grad_output, start: None };
            let all = |threads| {
                let context = Context::new(kernel.isa, Pool::new(threads));
                let got = gradients(&context, operands);
                [bits(&got.input), bits(&got.weight), bits(&got.bias)]
            };
            let one = all(1);
            for threads in [2, 7] {
                assert!(one == all(threads), "{kernel:?} {geometry:?} {threads}");
            }
        }
    }
}

#[test]
fn the_gradient_of_a_sample_of_a_batch_has_the_bits_of_the_sample_alone() {
    for kernel in available() {
        for geometry in large() {
            let batch = 2;
            let input = values(batch * geometry.input_len(), 18);
            let weight = values(geometry.weight_len(), 19);
            let grad_output = &values(batch * geometry.output_len(), 20)[..];
            let operands = Operands { geometry, batch, input: &input, weight: &weight, grad_output, start: None };
            let context = Context::new(kernel.isa, Pool::single());
            let together = gradients(&context, operands);
            let samples = grad_output.chunks(geometry.output_len()).zip(input.chunks(geometry.input_len()));
            let alone: Vec<u32> = samples
                .flat_map(|(grad_output, input)| {
                    bits(&gradients(&context, Operands { batch: 1, input, grad_output, ..operands }).input)
                })
                .collect();
            assert!(bits(&together.input) == alone, "{kernel:?} {geometry:?}");
        }
    }
}

#[test]
fn unpooling_gives_each_gradient_to_the_place_that_was_chosen() {
    for isa in Isa::available() {
        for (channels, height, width) in [(1, 2, 2), (6, 28, 28), (16, 5, 7), (17, 6, 3), (40, 1, 9), (2500, 4, 6)] {
            for function in [None, Some(Function::Relu), Some(Function::Tanh)] {
                let batch = 3;
                let full = values(batch * height * width * channels, 21);
                let (pooled, positions) = reference::max_two(&full, batch, [channels, height, width]);
                let grad_pooled = values(pooled.len(), 22);
                let mut through = grad_pooled.clone();
                if let Some(function) = function {
                    let context = Context::new(isa, Pool::single());
                    map::backward_in_place(function, Saved::Output(&pooled), &mut through, &context);
                }
                let mut want = vec![0.0; full.len()];
                for (at, (&grad, &position)) in through.iter().zip(&positions).enumerate() {
                    let (c, pixel) = (at % channels, at / channels);
                    let (rows, cols) = (height / 2, width / 2);
                    let (n, y, x) = (pixel / cols / rows, pixel / cols % rows, pixel % cols);
                    let (row, col) = (2 * y + usize::from(position) / 2, 2 * x + usize::from(position) % 2);
                    want[((n * height + row) * width + col) * channels + c] = grad;
                }
                for threads in [1, 2] {
                    let mut grad_full = vec![GUARD; full.len()];
                    let call = UnpoolTwo {
                        batch,
                        channels,
                        height,
                        width,
                        grad_pooled: &grad_pooled,
                        positions: &positions,
                        activation: function.map(|function| (function, &pooled[..])),
                        grad_full: &mut grad_full,
                    };
                    unpool_two(call, &Context::new(isa, Pool::new(threads)));
                    assert!(bits(&grad_full) == bits(&want), "{isa:?} {channels} {height} {width} {function:?}");
                }
            }
        }
    }
}
