//! Wrong convolutions, each of which the checks refuse.

use super::*;

/// A geometry of the same output that sees the input one row too low, where there is padding to take from.
fn shifted(geometry: Geometry) -> Geometry {
    let [top, left, bottom, right] = geometry.padding;
    match bottom {
        0 => geometry,
        _ => Geometry { padding: [top + 1, left, bottom - 1, right], ..geometry },
    }
}

/// The input with the channels of each group in the place of those of the group before.
fn next_group(geometry: &Geometry, input: &[f32]) -> Vec<f32> {
    let mut input = input.to_vec();
    for pixel in input.chunks_exact_mut(geometry.channels.max(1)) {
        pixel.rotate_left(geometry.group_channels().min(geometry.channels));
    }
    input
}

/// Rows and columns of every filter from the last to the first.
fn flipped(geometry: &Geometry, weight: &[f32]) -> Vec<f32> {
    let elements = geometry.kernel.iter().product::<usize>().max(1);
    weight.chunks_exact(elements).flat_map(|plane| plane.iter().rev().copied()).collect()
}

/// A convolution that takes every dilation for 1: of its map, which is larger, the first rows and columns.
fn without_dilation(right: &impl Fn(Call<'_>), call: Call<'_>) {
    let [rows, cols] = call.geometry.output().expect("every geometry of the list has an output");
    if call.pooling.is_some() {
        return right(call);
    }
    let Call { batch, input, weight, bias, function, packed, output, .. } = call;
    let geometry = Geometry { dilation: [1; 2], ..call.geometry };
    let [all_rows, all_cols] = geometry.output().expect("a dense filter is smaller");
    let mut all = vec![0.0; batch * geometry.output_len()];
    let to = &mut all[..];
    right(Call { geometry, batch, input, weight, bias, function, pooling: None, packed, output: to });
    let filters = geometry.filters;
    for (at, row) in output.chunks_exact_mut((cols * filters).max(1)).enumerate() {
        let from = (at / rows * all_rows + at % rows) * all_cols * filters;
        row.copy_from_slice(&all[from..from + row.len()]);
    }
}

/// Pooling that finds the last of equal numbers.
fn last_of_equal(right: &impl Fn(Call<'_>), call: Call<'_>) {
    let Call { geometry, batch, input, weight, bias, function, pooling, packed, output } = call;
    let Some(Pooling::MaxTwo { positions: Some(positions) }) = pooling else {
        return right(Call { geometry, batch, input, weight, bias, function, pooling, packed, output });
    };
    let mut full = vec![0.0; batch * geometry.output_len()];
    let to = &mut full[..];
    right(Call { geometry, batch, input, weight, bias, function, pooling: None, packed, output: to });
    let pooling = Some(Pooling::MaxTwo { positions: Some(&mut *positions) });
    right(Call { geometry, batch, input, weight, bias, function, pooling, packed, output: &mut *output });
    let [height, width] = geometry.output().expect("every geometry of the list has an output");
    let (rows, cols, filters) = (height / 2, width / 2, geometry.filters);
    for (at, (largest, position)) in output.iter().zip(positions).enumerate() {
        let (f, pixel) = (at % filters, at / filters);
        let (n, y, x) = (pixel / cols / rows, pixel / cols % rows, pixel % cols);
        let element = |p: u8| {
            let (row, col) = (2 * y + usize::from(p) / 2, 2 * x + usize::from(p) % 2);
            full[((n * height + row) * width + col) * filters + f]
        };
        *position = (0..4).rev().find(|&p| element(p) == *largest).expect("the largest is one of the four");
    }
}

#[test]
fn a_wrong_convolution_is_refused() {
    let kernel = Kernel::for_isa(Isa::selected());
    let right = row(kernel);
    type Fault<'a> = (&'a str, &'a dyn Fn(Call<'_>));
    let faults: [Fault<'_>; 7] = [
        ("bias missing", &|call| right(Call { bias: None, ..call })),
        ("padding off by one", &|call| right(Call { geometry: shifted(call.geometry), ..call })),
        ("dilation ignored", &|call| without_dilation(&right, call)),
        ("a group reads the channels of another", &|call| {
            let input = next_group(&call.geometry, call.input);
            right(Call { input: &input, ..call });
        }),
        ("filters not mirrored as they should be", &|call| {
            let weight = flipped(&call.geometry, call.weight);
            right(Call { weight: &weight, ..call });
        }),
        ("the last of equal numbers taken", &|call| last_of_equal(&right, call)),
        ("function missing", &|call| right(Call { function: Function::Identity, ..call })),
    ];
    for (fault, convolve) in faults {
        let convolve = |call: Call<'_>| convolve(call);
        let refused = check_functions(&convolve, kernel.isa).is_err()
            || geometries().into_iter().any(|geometry| check(&convolve, geometry).is_err());
        assert!(refused, "{fault} is not refused");
    }
}

#[test]
fn a_wrong_gradient_is_refused() {
    let context = Context::single();
    let right = |operands: Operands<'_>| gradients(&context, operands);
    type Fault<'a> = (&'a str, &'a dyn Fn(Operands<'_>) -> Gradients);
    let faults: [Fault<'_>; 6] = [
        ("the last pixel is missing in the gradient of the weight", &|operands| {
            let mut grad_output = operands.grad_output.to_vec();
            let last = grad_output.len().saturating_sub(operands.geometry.filters);
            grad_output[last..].fill(0.0);
            let Gradients { weight, .. } = right(Operands { grad_output: &grad_output, ..operands });
            Gradients { weight, ..right(operands) }
        }),
        ("filters not flipped for the gradient of the input", &|operands| {
            let weight = flipped(&operands.geometry, operands.weight);
            right(Operands { weight: &weight, ..operands })
        }),
        ("padding off by one", &|operands| right(Operands { geometry: shifted(operands.geometry), ..operands })),
        ("a group reads the channels of another", &|operands| {
            let input = next_group(&operands.geometry, operands.input);
            right(Operands { input: &input, ..operands })
        }),
        ("overwritten where it should be added", &|operands| right(Operands { start: None, ..operands })),
        ("a gradient of the bias for one sample only", &|operands| {
            let mut grad_output = operands.grad_output.to_vec();
            grad_output.iter_mut().skip(operands.geometry.output_len()).for_each(|grad| *grad = 0.0);
            let Gradients { bias, .. } = right(Operands { grad_output: &grad_output, ..operands });
            Gradients { bias, ..right(operands) }
        }),
    ];
    for (fault, differentiate) in faults {
        let refused = geometries()
            .into_iter()
            .any(|geometry| check_gradients(&|operands: Operands<'_>| differentiate(operands), geometry).is_err());
        assert!(refused, "{fault} is not refused");
    }
}
