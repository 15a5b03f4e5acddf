//! Whole numbers: bytes as ONNX Runtime's QGemm multiplies them, and 16-bit activations with byte weights.

use super::linear::{Row, Size};
use super::measure::Prepared;
use plexus::Context;
use plexus_kernels::buffer::{Buffer, MatrixMut};
use plexus_kernels::gemm_i8::{self, GemmI8, Input, Offsets, gemm_i8};
use plexus_kernels::gemm_i16::{self, Bias, GemmI16, Values, gemm_i16};
use plexus_kernels::isa::Isa;
use plexus_kernels::requantize::{Multiplier, Requantize, RequantizeWide};

/// Different bytes without a pattern that a kernel could profit from.
fn byte(at: usize) -> u8 {
    (at.wrapping_mul(0x9e37_79b1) >> 11) as u8
}

/// u8 inputs and outputs with zero point 128, i8 weights, one scale for all: f32 scaling, halves to even.
pub fn rows_i8() -> Vec<Row> {
    // One for each instruction set: layers of few outputs choose a narrow one themselves.
    let widest = |kernel: &&gemm_i8::Kernel| std::ptr::eq(*kernel, gemm_i8::Kernel::for_isa(kernel.isa));
    let kernels = gemm_i8::KERNELS.iter().filter(|kernel| Isa::selected().runs(kernel.isa)).filter(widest);
    let row = |kernel: &'static gemm_i8::Kernel| {
        let picked = std::ptr::eq(kernel, gemm_i8::Kernel::for_isa(Isa::selected()));
        Row::new(kernel.name, picked, move |size, context| prepare_i8(kernel, size, context))
    };
    kernels.map(row).collect()
}

fn prepare_i8(kernel: &'static gemm_i8::Kernel, size: Size, context: &Context) -> Prepared {
    let context = context.clone().with_isa(kernel.isa);
    let Size { batch, inputs, outputs } = size;
    let values: Vec<i8> = (0..inputs * outputs).map(|at| (byte(at) as i8).max(-127)).collect();
    let input: Vec<u8> = (0..batch * inputs).map(byte).collect();
    let bias = vec![0; outputs];
    let offsets = Offsets { input_zero_point: 128, weight_zero_point: 0 };
    let weight =
        gemm_i8::Weight { values: &values, out_features: outputs, in_features: inputs, bias: Some(&bias), offsets };
    let packed = gemm_i8::Packed::new(weight, &context);
    let input = Buffer::from_slice(&input);
    let mut output = Buffer::<u8>::zeros(batch * outputs);
    let requantize = Requantize::float32(&[0.02]).with_zero_point(128);
    let mut scratch = gemm_i8::Scratch::default();
    let (weight_bytes, name) = (packed.bytes(), packed.kernel().name);
    let call = move || {
        let output = MatrixMut { values: &mut output[..], rows: batch, cols: outputs, stride: outputs };
        let output = gemm_i8::Output::U8(output, &requantize);
        gemm_i8(GemmI8 { input: Input::U8(&input), weight: &packed, output }, &mut scratch, &context);
    };
    Prepared {
        call: Box::new(call),
        kernel: name,
        weight_bytes,
        other_bytes: size.other_bytes(1, 1, 0),
        macs: size.macs(),
    }
}

/// i16 inputs and outputs, i8 weights, 64-bit sums: with 32 bits a long row of large values wraps.
pub fn rows_i16() -> Vec<Row> {
    let kernels = gemm_i16::KERNELS.iter().filter(|kernel| Isa::selected().runs(kernel.isa));
    let row = |kernel: &'static gemm_i16::Kernel| {
        let picked = std::ptr::eq(kernel, gemm_i16::Kernel::for_isa(Isa::selected()));
        Row::new(kernel.name, picked, move |size, context| prepare_i16(kernel, size, context))
    };
    kernels.map(row).collect()
}

fn prepare_i16(kernel: &'static gemm_i16::Kernel, size: Size, context: &Context) -> Prepared {
    let context = context.clone().with_isa(kernel.isa);
    let Size { batch, inputs, outputs } = size;
    let values: Vec<i8> = (0..inputs * outputs).map(|at| (byte(at) as i8).max(-127)).collect();
    let input: Vec<i16> = (0..batch * inputs).map(|at| i16::from_le_bytes([byte(at), byte(at + 77)])).collect();
    let bias = vec![0; outputs];
    let weight = gemm_i16::Weight {
        values: Values::I8(&values),
        out_features: outputs,
        in_features: inputs,
        bias: Bias::I64(Some(&bias)),
    };
    let packed = gemm_i16::Packed::new(weight, &context);
    let input = Buffer::from_slice(&input);
    let mut output = Buffer::<i16>::zeros(batch * outputs);
    let requantize = RequantizeWide::new(&[Multiplier::from_scale(0.0001)]);
    let mut scratch = gemm_i16::Scratch::default();
    let weight_bytes = packed.bytes();
    let call = move || {
        let output = MatrixMut { values: &mut output[..], rows: batch, cols: outputs, stride: outputs };
        let output = gemm_i16::Output::I16FromWide(output, &requantize);
        gemm_i16(GemmI16 { input: gemm_i16::Input::Rows(&input), weight: &packed, output }, &mut scratch, &context);
    };
    Prepared {
        call: Box::new(call),
        kernel: kernel.name,
        weight_bytes,
        other_bytes: size.other_bytes(2, 2, 0),
        macs: size.macs(),
    }
}
