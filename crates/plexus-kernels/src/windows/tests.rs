//! Products of windows, by every kernel, against the sums of the definition.

use super::*;
use crate::Context;
use crate::gemm_i8::{self, GemmI8, Offsets};
use crate::gemm_i16::{self, GemmI16};
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// `Σ weight[o, i, j, c] · (input[y, x, c] − zero)` of each output; the place of the input by the formula of either convolution.
fn reference(
    geometry: &Geometry,
    transposed: bool,
    maps: &[i64],
    (weight, zero, bias): (&[i64], i64, &[i64]),
) -> Vec<i64> {
    let forward = geometry.output().unwrap();
    let own_size = [geometry.height, geometry.width];
    let (input, output) = if transposed { (forward, own_size) } else { (own_size, forward) };
    let (channels, filters) =
        if transposed { (geometry.filters, geometry.channels) } else { (geometry.channels, geometry.filters) };
    let (own, of_group) = (channels / geometry.groups, filters / geometry.groups);
    let place = |axis: usize, out: usize, tap: usize| -> Option<usize> {
        let (out, tap) = (out as i64, (tap * geometry.dilation[axis]) as i64);
        let (stride, padding) = (geometry.stride[axis] as i64, geometry.padding[axis] as i64);
        let at = if transposed {
            (out + padding - tap).rem_euclid(stride).eq(&0).then(|| (out + padding - tap).div_euclid(stride))?
        } else {
            out * stride + tap - padding
        };
        usize::try_from(at).ok().filter(|at| *at < input[axis])
    };
    let mut sums = Vec::new();
    let sample = input[0] * input[1] * channels;
    for maps in maps.chunks_exact(sample) {
        for (y, x, o) in
            (0..output[0]).flat_map(|y| (0..output[1]).flat_map(move |x| (0..filters).map(move |o| (y, x, o))))
        {
            let mut sum = bias[o];
            for (i, j) in (0..geometry.kernel[0]).flat_map(|i| (0..geometry.kernel[1]).map(move |j| (i, j))) {
                let (Some(row), Some(col)) = (place(0, y, i), place(1, x, j)) else { continue };
                for c in 0..own {
                    let value = maps[(row * input[1] + col) * channels + o / of_group * own + c] - zero;
                    sum += value * weight[((o * geometry.kernel[0] + i) * geometry.kernel[1] + j) * own + c];
                }
            }
            sums.push(sum);
        }
    }
    sums
}

/// A convolution that there is.
fn geometry(rng: &mut ChaCha8Rng) -> Geometry {
    loop {
        let groups = if rng.random_range(0..3) == 0 { rng.random_range(2..4) } else { 1 };
        let pair = |rng: &mut ChaCha8Rng, most: usize| [rng.random_range(1..=most), rng.random_range(1..=most)];
        let geometry = Geometry {
            channels: groups * rng.random_range(1..7),
            height: rng.random_range(1..12),
            width: rng.random_range(1..12),
            filters: groups * [1, 2, 5, 8, 9, 16, 17, 33][rng.random_range(0..8)],
            kernel: pair(rng, 5),
            stride: pair(rng, 3),
            padding: [(); 4].map(|()| rng.random_range(0..4)),
            dilation: pair(rng, 3),
            groups,
        };
        if geometry.output().is_some_and(|output| output[0] * output[1] < 80) {
            return geometry;
        }
    }
}

fn check(geometry: Geometry, transposed: bool, samples: usize, rng: &mut ChaCha8Rng) {
    let windows = if transposed { Windows::transposed(&geometry) } else { Windows::new(&geometry) };
    let filters = if transposed { geometry.channels } else { geometry.filters };
    let outputs = filters / geometry.groups;
    let taps = geometry.kernel[0] * geometry.kernel[1] * windows.own;
    let maps: Vec<i8> = (0..samples * windows.input_len()).map(|_| rng.random()).collect();
    let weight: Vec<i8> = (0..filters * taps).map(|_| rng.random()).collect();
    let bias: Vec<i32> = (0..filters).map(|_| rng.random_range(-9999..9999)).collect();
    let zero: i8 = rng.random();
    let wide = |values: &[i8]| -> Vec<i64> { values.iter().map(|value| i64::from(*value)).collect() };
    let biases: Vec<i64> = bias.iter().map(|bias| i64::from(*bias)).collect();
    let want = reference(&geometry, transposed, &wide(&maps), (&wide(&weight), zero.into(), &biases));
    let rows = samples * windows.count();
    assert_eq!(want.len(), rows * filters);

    for kernel in gemm_i8::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
        let context = Context::new(kernel.isa, Pool::single());
        let (mut sums, mut scratch) = (vec![0i32; rows * filters], gemm_i8::Scratch::default());
        for group in 0..geometry.groups {
            let values = windows.fill_up(&weight[group * outputs * taps..][..outputs * taps]);
            let offsets = Offsets { input_zero_point: zero.into(), weight_zero_point: 0 };
            let bias = Some(&bias[group * outputs..][..outputs]);
            let (out_features, in_features) = (outputs, windows.len());
            let weight = gemm_i8::Weight { values: &values, out_features, in_features, bias, offsets };
            let packed = gemm_i8::Packed::new(weight, &context);
            let maps = Maps { windows: &windows, values: &maps, samples, group, outside: zero };
            let values = &mut sums[group * outputs..];
            let output = gemm_i8::Output::Sums(MatrixMut { values, rows, cols: outputs, stride: filters });
            let call = GemmI8 { input: gemm_i8::Input::Windows(maps), weight: &packed, output };
            gemm_i8::gemm_i8(call, &mut scratch, &context);
        }
        let sums: Vec<i64> = sums.into_iter().map(i64::from).collect();
        assert!(sums == want, "{kernel:?} {geometry:?} transposed {transposed}");
    }

    // Rows one behind the other.
    let mut values = vec![1i8; rows * windows.len()];
    let group = geometry.groups - 1;
    let maps_of = Maps { windows: &windows, values: &maps, samples, group, outside: zero };
    maps_of.write_rows(&mut values);
    let filled = windows.fill_up(&weight);
    for (row, values) in values.chunks_exact(windows.len()).enumerate() {
        let filter = filters - 1;
        let weights = &filled[filter * windows.len()..];
        let products = values.iter().zip(weights).map(|(x, w)| (i64::from(*x) - i64::from(zero)) * i64::from(*w));
        assert_eq!(want[row * filters + filter], products.sum::<i64>() + biases[filter], "{geometry:?}");
    }

    let words: Vec<i16> = maps.iter().map(|value| i16::from(*value) * 251).collect();
    let large: Vec<i64> = words.iter().map(|value| i64::from(*value)).collect();
    let want = reference(&geometry, transposed, &large, (&wide(&weight), 0, &biases));
    for kernel in gemm_i16::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
        let context = Context::new(kernel.isa, Pool::single());
        let (mut sums, mut scratch) = (vec![0i64; rows * filters], gemm_i16::Scratch::default());
        for group in 0..geometry.groups {
            let values = windows.fill_up(&weight[group * outputs * taps..][..outputs * taps]);
            let bias = gemm_i16::Bias::I64(Some(&biases[group * outputs..][..outputs]));
            let (out_features, in_features) = (outputs, windows.len());
            let values = gemm_i16::Values::I8(&values);
            let weight = gemm_i16::Weight { values, out_features, in_features, bias };
            let packed = gemm_i16::Packed::new(weight, &context);
            let maps = Maps { windows: &windows, values: &words, samples, group, outside: 0 };
            let values = &mut sums[group * outputs..];
            let output = gemm_i16::Output::WideSums(MatrixMut { values, rows, cols: outputs, stride: filters });
            let call = GemmI16 { input: gemm_i16::Input::Windows(maps), weight: &packed, output };
            gemm_i16::gemm_i16(call, &mut scratch, &context);
        }
        assert!(sums == want, "{kernel:?} {geometry:?} transposed {transposed}");
    }
}

#[test]
fn products_of_windows_are_convolutions() {
    let mut rng = ChaCha8Rng::seed_from_u64(31);
    for round in 0..300 {
        check(geometry(&mut rng), round % 2 == 1, [1, 1, 2, 3][round % 4], &mut rng);
    }
    // Several tasks and several threads' worth of rows.
    let large = Geometry { padding: [1; 4], ..Geometry::plain([20, 40, 30], 40, [3, 3]) };
    check(large, false, 2, &mut rng);
    // No sample, and the matrix of a plain layer: windows of one pixel.
    check(Geometry::plain([5, 3, 3], 4, [2, 2]), false, 0, &mut rng);
    check(Geometry::plain([9, 4, 5], 3, [1, 1]), false, 2, &mut rng);
}

#[test]
fn terms_of_an_earlier_call_are_forgotten() {
    // A call with terms, then one without, in the same memory.
    let mut rng = ChaCha8Rng::seed_from_u64(32);
    for _ in 0..3 {
        let geometry = geometry(&mut rng);
        check(geometry, false, 3, &mut rng);
    }
    let windows = Windows::new(&Geometry::plain([2, 4, 4], 1, [2, 2]));
    let values: Vec<i8> = (0..2 * 32).map(|_| rng.random()).collect();
    let weights: Vec<i8> = windows.fill_up(&[3, -5, 7, 11, -13, 17, 19, -23]);
    for kernel in gemm_i8::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
        let context = Context::new(kernel.isa, Pool::single());
        let weight = gemm_i8::Weight {
            values: &weights,
            out_features: 1,
            in_features: windows.len(),
            bias: None,
            offsets: Offsets::default(),
        };
        let packed = gemm_i8::Packed::new(weight, &context);
        let run = |maps: &[i8], scratch: &mut gemm_i8::Scratch| {
            let maps = Maps { windows: &windows, values: maps, samples: maps.len() / 32, group: 0, outside: 0 };
            let rows = maps.rows();
            let mut sums = vec![0i32; rows];
            let output = gemm_i8::Output::Sums(MatrixMut { values: &mut sums, rows, cols: 1, stride: 1 });
            let call = GemmI8 { input: gemm_i8::Input::Windows(maps), weight: &packed, output };
            gemm_i8::gemm_i8(call, scratch, &context);
            sums
        };
        let mut scratch = gemm_i8::Scratch::default();
        let both = run(&values, &mut scratch);
        assert_eq!(run(&values[..32], &mut scratch), both[..9], "{kernel:?}");
    }
}
