//! Every instruction set against the reference.

use super::*;
use crate::Context;
use crate::isa::Isa;
use crate::threads::Pool;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

fn values(len: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect()
}

/// Numbers of which many are equal, with some that are not numbers.
fn coarse(len: usize, seed: u64) -> Vec<f32> {
    let special = [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, -0.0, 0.0];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let number = |roll: usize| special.get(roll).copied().unwrap_or((roll % 4) as f32 - 1.0);
    (0..len).map(|_| number(rng.random_range(0..60))).collect()
}

/// Windows of all kinds.
fn windows() -> Vec<Window> {
    let mut windows = Vec::new();
    for channels in [1, 6, 7, 8, 16, 17, 35] {
        let plain = Window::plain([channels, 7, 9], [2, 2]);
        windows.extend([
            plain,
            Window { ceil: true, ..plain },
            Window { kernel: [3, 3], padding: [1; 4], ..plain },
            Window { kernel: [3, 2], stride: [1, 3], padding: [1, 0, 0, 1], ..plain },
            Window { kernel: [3, 3], stride: [2, 2], padding: [1; 4], ceil: true, ..plain },
            Window { kernel: [1, 4], stride: [5, 3], padding: [0, 2, 0, 2], ceil: true, ..plain },
            Window { kernel: [7, 9], stride: [1, 1], ..plain },
            // Some windows have nothing inside the map.
            Window { kernel: [2, 2], stride: [1, 1], padding: [3, 2, 3, 2], ..plain },
        ]);
    }
    windows
}

#[test]
fn output_sizes_are_those_of_pytorch() {
    // torch.nn.functional.max_pool2d of a line of so many: size, kernel, stride, padding, dilation; floor, ceil.
    for ((size, kernel, stride, padding, dilation), floor, ceil) in [
        ((5, 2, 2, 0, 1), Some(2), Some(3)),
        ((4, 2, 2, 0, 1), Some(2), Some(2)),
        ((5, 3, 2, 1, 1), Some(3), Some(3)),
        // The last window would start in the padding at the end.
        ((3, 2, 2, 1, 1), Some(2), Some(2)),
        ((6, 1, 4, 0, 1), Some(2), Some(2)),
        ((7, 2, 3, 0, 2), Some(2), Some(3)),
        ((2, 3, 1, 0, 1), None, None),
        ((5, 0, 1, 0, 1), None, None),
        ((5, 2, 0, 0, 1), None, None),
        ((5, 2, 1, 0, 0), None, None),
    ] {
        let window = Window {
            kernel: [kernel, 1],
            stride: [stride, 1],
            padding: [padding, 0, padding, 0],
            dilation: [dilation, 1],
            ..Window::plain([1, size, 1], [1, 1])
        };
        assert_eq!(window.output().map(|[rows, _]| rows), floor, "{window:?}");
        assert_eq!(Window { ceil: true, ..window }.output().map(|[rows, _]| rows), ceil, "{window:?}");
    }
}

#[test]
fn the_largest_and_its_place_are_those_of_the_reference() {
    for isa in Isa::available() {
        let context = Context::new(isa, Pool::single());
        for (window, dilation) in windows().into_iter().flat_map(|window| [(window, [1, 1]), (window, [2, 3])]) {
            let window = Window { dilation, ..window };
            if window.output().is_none() {
                continue;
            }
            let batch = 2;
            let input = coarse(batch * window.input_len(), 1);
            let (want, places) = reference::max_pool(&window, batch, &input);
            let (mut output, mut positions) = (vec![9.0; want.len()], vec![9; want.len()]);
            for keep in [true, false] {
                let positions = keep.then_some(&mut positions[..]);
                let call = MaxPool { window, batch, input: &input, output: &mut output, positions };
                max_pool(call, &context);
                let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(&output), bits(&want), "{isa:?} {window:?}");
            }
            assert_eq!(positions, places, "{isa:?} {window:?}");

            let grad_output = values(want.len(), 2);
            let mut grad = vec![9.0; input.len()];
            let call =
                MaxPoolBackward { window, batch, grad_output: &grad_output, positions: &places, grad_input: &mut grad };
            max_pool_backward(call, &context);
            let mut expected = vec![0.0f64; input.len()];
            for (at, &place) in places.iter().enumerate().filter(|&(_, &place)| place != u32::MAX) {
                let (n, c) = (at / window.output_len(), at % window.channels);
                expected[n * window.input_len() + place as usize * window.channels + c] += f64::from(grad_output[at]);
            }
            close(&grad, &expected, 1e-5);
        }
    }
}

/// Every number is as wanted, within an absolute bound.
fn close(got: &[f32], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len());
    for (at, (&got, &want)) in got.iter().zip(want).enumerate() {
        let close = (f64::from(got) - want).abs() <= bound;
        assert!(close, "[{at}]: {got} want {want}");
    }
}

#[test]
fn means_are_those_of_the_reference() {
    for isa in Isa::available() {
        let context = Context::new(isa, Pool::single());
        for window in windows() {
            for count_include_pad in [false, true] {
                let batch = 2;
                let input = values(batch * window.input_len(), 3);
                let want = reference::avg_pool(&window, batch, &input, count_include_pad);
                let mut output = vec![9.0; want.len()];
                let call = AvgPool { window, batch, input: &input, output: &mut output, count_include_pad };
                avg_pool(call, &context);
                close(&output, &want, 1e-5);

                let grad_output = values(want.len(), 4);
                let want = reference::avg_pool_backward(&window, batch, &grad_output, count_include_pad);
                let mut grad_input = vec![9.0; input.len()];
                let (grad_output, grad_input) = (&grad_output[..], &mut grad_input[..]);
                let call = AvgPoolBackward { window, batch, grad_output, grad_input, count_include_pad };
                avg_pool_backward(call, &context);
                close(grad_input, &want, 1e-5);
            }
        }
    }
}

#[test]
fn means_of_whole_maps_are_those_of_one_large_window() {
    for isa in Isa::available() {
        let context = Context::new(isa, Pool::single());
        for channels in [1, 6, 16, 19] {
            for plane in [1, 5, 600] {
                let window = Window::plain([channels, 1, plane], [1, plane]);
                let size = [3, plane, channels];
                let input = values(3 * plane * channels, 5);
                let mut output = vec![9.0; 3 * channels];
                global_avg_pool(size, &input, &mut output, &context);
                close(&output, &reference::avg_pool(&window, 3, &input, true), 1e-5);
                let grad_output = values(3 * channels, 6);
                let mut grad_input = vec![9.0; input.len()];
                global_avg_pool_backward(size, &grad_output, &mut grad_input, &context);
                close(&grad_input, &reference::avg_pool_backward(&window, 3, &grad_output, true), 1e-6);
            }
        }
    }
}

#[test]
fn means_of_bins_are_those_of_the_reference() {
    for isa in Isa::available() {
        let context = Context::new(isa, Pool::single());
        for channels in [1, 7, 16, 35] {
            for (input, output) in
                [([6, 6], [6, 6]), ([7, 9], [3, 2]), ([2, 3], [5, 7]), ([1, 1], [4, 1]), ([13, 8], [6, 7])]
            {
                let bins = Bins { channels, input, output };
                let maps = values(2 * bins.channels * input[0] * input[1], 9);
                let want = reference::adaptive_avg_pool(&bins, 2, &maps);
                let mut got = vec![9.0; want.len()];
                adaptive_avg_pool(bins, 2, &maps, &mut got, &context);
                close(&got, &want, 1e-5);
                if input == output {
                    assert_eq!(got, maps);
                }
                let grads = values(want.len(), 10);
                let mut got = vec![9.0; maps.len()];
                adaptive_avg_pool_backward(bins, 2, &grads, &mut got, &context);
                close(&got, &reference::adaptive_avg_pool_backward(&bins, 2, &grads), 1e-5);
            }
        }
    }
}

#[test]
fn lines_between_pixels_are_those_of_the_reference() {
    for isa in Isa::available() {
        let context = Context::new(isa, Pool::single());
        for channels in [1, 7, 16, 35] {
            for (height, width, factor) in [(3, 4, 2), (1, 1, 3), (2, 5, 1), (4, 1, 5), (5, 3, 4)] {
                let size = [2, height, width, channels];
                let input = values(size.iter().product(), 11);
                let want = reference::upsample_bilinear(size, factor, &input);
                let mut output = vec![9.0; want.len()];
                upsample_bilinear(size, factor, &input, &mut output, &context);
                close(&output, &want, 1e-6);
                let grads = values(want.len(), 12);
                let mut grad_input = vec![9.0; input.len()];
                upsample_bilinear_backward(size, factor, &grads, &mut grad_input, &context);
                close(&grad_input, &reference::upsample_bilinear_backward(size, factor, &grads), 1e-5);
            }
        }
    }
}

#[test]
fn results_are_the_same_for_any_thread_count() {
    let window = Window { stride: [1, 1], ..Window::plain([16, 40, 40], [3, 3]) };
    let batch = 5;
    let input = values(batch * window.input_len(), 7);
    let grad = values(batch * window.output_len(), 8);
    let run = |threads| {
        let context = Context::detect(Pool::new(threads));
        let mut outputs = [vec![0.0; grad.len()], vec![0.0; grad.len()]];
        let mut grads = [vec![0.0; input.len()], vec![0.0; input.len()]];
        let mut positions = vec![0; grad.len()];
        let [largest, mean] = &mut outputs;
        let [first, second] = &mut grads;
        let at = Some(&mut positions[..]);
        max_pool(MaxPool { window, batch, input: &input, output: largest, positions: at }, &context);
        let call = MaxPoolBackward { window, batch, grad_output: &grad, positions: &positions, grad_input: first };
        max_pool_backward(call, &context);
        avg_pool(AvgPool { window, batch, input: &input, output: mean, count_include_pad: true }, &context);
        let call = AvgPoolBackward { window, batch, grad_output: &grad, grad_input: second, count_include_pad: true };
        avg_pool_backward(call, &context);
        let bins = Bins { channels: 16, input: [40, 40], output: [17, 9] };
        let (mut means, mut shares) = (vec![0.0; batch * 17 * 9 * 16], vec![0.0; input.len()]);
        adaptive_avg_pool(bins, batch, &input, &mut means, &context);
        adaptive_avg_pool_backward(bins, batch, &means, &mut shares, &context);
        let (mut large, mut back) = (vec![0.0; 9 * input.len()], vec![0.0; input.len()]);
        upsample_bilinear([batch, 40, 40, 16], 3, &input, &mut large, &context);
        upsample_bilinear_backward([batch, 40, 40, 16], 3, &large, &mut back, &context);
        (outputs, grads, positions, (means, shares), (large, back))
    };
    let one = run(1);
    for threads in [2, 7] {
        assert!(run(threads) == one, "{threads}");
    }
}

/// The largest or the mean by the definition.
fn defined(window: &Window, input: &[i16], mean: Option<Mean>) -> Vec<i16> {
    let [rows, cols] = window.output().unwrap();
    let mut output = Vec::new();
    for (y, x, c) in (0..rows).flat_map(|y| (0..cols).flat_map(move |x| (0..window.channels).map(move |c| (y, x, c)))) {
        let place = |axis: usize, out: usize, tap: usize| {
            let at = (out * window.stride[axis] + tap * window.dilation[axis]).checked_sub(window.padding[axis])?;
            (at < [window.height, window.width][axis]).then_some(at)
        };
        let taps = (0..window.kernel[0]).flat_map(|i| (0..window.kernel[1]).map(move |j| (i, j)));
        let values: Vec<i64> = taps
            .filter_map(|(i, j)| {
                let at = (place(0, y, i)? * window.width + place(1, x, j)?) * window.channels + c;
                Some(i64::from(input[at]))
            })
            .collect();
        let (sum, count) = (values.iter().sum::<i64>(), values.len() as i64);
        let half = if sum > 0 { count / 2 } else { -(count / 2) };
        let value = match mean {
            None => values.iter().copied().max().unwrap_or(i16::MIN.into()),
            Some(_) if count == 0 => 0,
            Some(Mean::Rounded) => (sum + half) / count,
            Some(Mean::Truncated) => sum / count,
        };
        output.push(value as i16);
    }
    output
}

#[test]
fn whole_numbers_have_their_definition() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for isa in Isa::ALL.into_iter().filter(|isa| isa.is_available()) {
        for threads in [1, 3] {
            let context = Context::new(isa, Pool::new(threads));
            for window in windows().into_iter().chain([Window::plain([130, 6, 6], [6, 6])]) {
                let batch = 3;
                // Few numbers have ties; the ends of the range saturate nothing.
                let few = rng.random::<bool>();
                let number = |rng: &mut ChaCha8Rng| if few { rng.random_range(-3..3) } else { rng.random::<i8>() };
                let bytes: Vec<i8> = (0..batch * window.input_len()).map(|_| number(&mut rng)).collect();
                let words: Vec<i16> = bytes.iter().map(|byte| i16::from(*byte) * if few { 1 } else { 256 }).collect();
                for mean in [None, Some(Mean::Rounded), Some(Mean::Truncated)] {
                    let len = batch * window.output_len();
                    let (mut small, mut large) = (vec![0i8; len], vec![0i16; len]);
                    match mean {
                        None => {
                            max_pool_integers(&window, batch, &bytes, &mut small, &context);
                            max_pool_integers(&window, batch, &words, &mut large, &context);
                        }
                        Some(mean) => {
                            avg_pool_integers(&window, batch, &bytes, mean, &mut small, &context);
                            avg_pool_integers(&window, batch, &words, mean, &mut large, &context);
                        }
                    }
                    let want = |input: &[i16]| -> Vec<i16> {
                        let each = window.input_len();
                        input.chunks_exact(each).flat_map(|input| defined(&window, input, mean)).collect()
                    };
                    assert_eq!(large, want(&words), "{isa:?} {window:?} {mean:?}");
                    let wide: Vec<i16> = bytes.iter().map(|byte| i16::from(*byte)).collect();
                    let want: Vec<i16> = want(&wide).into_iter().map(|value| value.max(-128)).collect();
                    let small: Vec<i16> = small.iter().map(|byte| i16::from(*byte)).collect();
                    assert_eq!(small, want, "{isa:?} {window:?} {mean:?}");
                }
            }
        }
    }
}
