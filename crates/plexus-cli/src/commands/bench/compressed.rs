//! Compressed weights with f32 inputs: bytes are time where few rows are multiplied.

use super::linear::{Row, Size};
use super::measure::{Prepared, numbers};
use plexus::Context;
use plexus_kernels::buffer::{Buffer, MatrixMut};
use plexus_kernels::gemm::{Scratch, View};
use plexus_kernels::map::Function;
use plexus_kernels::weight_only::{Format, Multiply, Packed, multiply};

/// The way to compute with one format: the instruction set in use.
pub fn rows(format: Format) -> Vec<Row> {
    let kernel = match format {
        Format::Bf16 => "weight_only_bf16",
        Format::Int8(_) => "weight_only_int8",
        Format::Int4(_) => "weight_only_int4",
    };
    vec![Row::new(kernel, true, move |size, context| prepare(kernel, format, size, context))]
}

fn prepare(kernel: &'static str, format: Format, size: Size, context: &Context) -> Prepared {
    let Size { batch, inputs, outputs } = size;
    let weight = numbers(inputs * outputs);
    let packed = Packed::new(View::row_major(&weight, outputs, inputs).transposed(), format, context);
    drop(weight);
    let (input, bias) = (Buffer::from_slice(&numbers(batch * inputs)), vec![0.0; outputs]);
    let mut output = Buffer::zeros(batch * outputs);
    let (mut scratch, context) = (Scratch::default(), context.clone());
    let weight_bytes = packed.bytes();
    let call = move || {
        let call = Multiply {
            a: View::row_major(&input, batch, inputs),
            b: &packed,
            c: MatrixMut { values: &mut output, rows: batch, cols: outputs, stride: outputs },
            bias: Some(&bias),
            function: Function::Relu,
        };
        multiply(call, &mut scratch, &context);
    };
    Prepared { call: Box::new(call), kernel, weight_bytes, other_bytes: size.other_bytes(4, 4, 4), macs: size.macs() }
}
