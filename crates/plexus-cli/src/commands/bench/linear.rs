//! One fully connected layer: `relu(W x + b)` in every precision there is, and its gradients.
//!
//! [`rows`] is the table: a precision is one arm in it. The tasks, the report on the machine and the sweep loop over it.

use super::measure::{Prepared, numbers};
use super::{compressed, integer};
use crate::args::PrecisionArg;
use plexus::Context;
use plexus_kernels::buffer::{Buffer, MatrixMut};
use plexus_kernels::gemm::{Gemm, KERNELS, Kernel, Operand, Packed, Precision, Scratch, View, gemm};
use plexus_kernels::gemm_bf16;
use plexus_kernels::isa::Isa;
use plexus_kernels::map::Function;
use plexus_kernels::reduce;

/// The size of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rows of the input.
    pub batch: usize,
    /// Width of a row.
    pub inputs: usize,
    /// Width of a row of the output.
    pub outputs: usize,
}

impl Size {
    /// The memory that a call needs, roughly: weights twice (as they are, and packed), input and output.
    pub fn bytes(self) -> f64 {
        let [batch, inputs, outputs] = [self.batch, self.inputs, self.outputs].map(|size| size as f64);
        4.0 * (2.0 * inputs * outputs + batch * (inputs + outputs))
    }

    /// Multiply-adds of one call.
    pub fn macs(self) -> u64 {
        (self.batch * self.inputs * self.outputs) as u64
    }

    /// Bytes of input, output and bias where each number takes as many as said.
    pub fn other_bytes(self, input: usize, output: usize, bias: usize) -> usize {
        self.batch * (self.inputs * input + self.outputs * output) + self.outputs * bias
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&format!("{}x{}x{}", self.batch, self.inputs, self.outputs))
    }
}

/// One way to compute the layer on this machine.
pub struct Row {
    /// The name of the kernel.
    pub kernel: &'static str,
    /// Whether it is the one that the precision uses here.
    pub picked: bool,
    prepare: Prepare,
}

/// Packs weights and puts everything else in place.
type Prepare = Box<dyn Fn(Size, &Context) -> Prepared>;

impl Row {
    /// A row of the table.
    pub fn new(kernel: &'static str, picked: bool, prepare: impl Fn(Size, &Context) -> Prepared + 'static) -> Row {
        Row { kernel, picked, prepare: Box::new(prepare) }
    }

    /// Weights packed and everything else in place, for calls that are timed.
    pub fn prepare(&self, size: Size, context: &Context) -> Prepared {
        (self.prepare)(size, context)
    }
}

/// The ways to compute `relu(W x + b)` in a precision on this machine, the plainest first; none where this build has no
/// kernels for it.
pub fn rows(precision: PrecisionArg) -> Vec<Row> {
    match precision {
        PrecisionArg::Highest | PrecisionArg::Standard => {
            let kernels = KERNELS.iter().filter(|kernel| Isa::selected().runs(kernel.isa));
            let row = |kernel: &'static Kernel| {
                let picked = std::ptr::eq(kernel, Kernel::for_isa(Isa::selected()));
                Row::new(kernel.name, picked, move |size, context| float(size, context.clone().with_isa(kernel.isa)))
            };
            kernels.map(row).collect()
        }
        PrecisionArg::High => vec![rounded(Precision::High)],
        PrecisionArg::Medium => vec![rounded(Precision::Medium)],
        PrecisionArg::Int8 => integer::rows_i8(),
        PrecisionArg::Int16 => integer::rows_i16(),
        _ => precision.of_weights().map_or(Vec::new(), compressed::rows),
    }
}

/// The kernel that a precision allows here: where products of bfloat16 are not faster, that of f32.
fn rounded(precision: Precision) -> Row {
    let isa = Isa::selected();
    let kernel = match precision.parts(isa) {
        Some(_) => gemm_bf16::Kernel::for_isa(isa).name,
        None => Kernel::for_isa(isa).name,
    };
    Row::new(kernel, true, move |size, context| float(size, context.clone().with_precision(precision)))
}

/// f32 inputs and outputs, with weights packed beforehand.
fn float(size: Size, context: Context) -> Prepared {
    let Size { batch, inputs, outputs } = size;
    let packed = Packed::new(View::row_major(&numbers(inputs * outputs), outputs, inputs).transposed(), &context);
    let (kernel, weight_bytes) = (packed.kernel(), packed.bytes());
    let (input, bias) = (Buffer::from_slice(&numbers(batch * inputs)), vec![0.0; outputs]);
    let mut output = Buffer::zeros(batch * outputs);
    let mut scratch = Scratch::default();
    let call = move || {
        let call = Gemm {
            a: View::row_major(&input, batch, inputs),
            b: Operand::Packed(&packed),
            c: MatrixMut { values: &mut output, rows: batch, cols: outputs, stride: outputs },
            accumulate: false,
            bias: Some(&bias),
            function: Function::Relu,
        };
        gemm(call, &mut scratch, &context);
    };
    Prepared { call: Box::new(call), kernel, weight_bytes, other_bytes: size.other_bytes(4, 4, 4), macs: size.macs() }
}

/// Forward without a function, then the gradients of input, weight and bias, each overwritten.
///
/// The weights are not packed beforehand: in training they are other ones at every step.
pub fn backward(size: Size, precision: Precision, context: &Context) -> Prepared {
    let Size { batch, inputs, outputs } = size;
    let weight = Buffer::from_slice(&numbers(inputs * outputs));
    let (input, bias) = (Buffer::from_slice(&numbers(batch * inputs)), vec![0.0; outputs]);
    let grad_output = Buffer::from_slice(&numbers(batch * outputs));
    let mut output = Buffer::zeros(batch * outputs);
    let (mut grad_input, mut grad_weight) = (Buffer::zeros(batch * inputs), Buffer::zeros(outputs * inputs));
    let mut grad_bias = vec![0.0; outputs];
    let (mut scratch, context) = (Scratch::default(), context.clone().with_precision(precision));
    let weight_bytes = 4 * inputs * outputs;
    let call = move || {
        let mut product = |a: View<'_>, b: View<'_>, values: &mut [f32], bias: Option<&[f32]>| {
            let (rows, cols) = (a.rows(), b.cols());
            let c = MatrixMut { values, rows, cols, stride: cols };
            let function = Function::Identity;
            let call = Gemm { a, b: Operand::Plain(b), c, accumulate: false, bias, function };
            gemm(call, &mut scratch, &context);
        };
        let x = View::row_major(&input, batch, inputs);
        let w = View::row_major(&weight, outputs, inputs);
        let dy = View::row_major(&grad_output, batch, outputs);
        product(x, w.transposed(), &mut output, Some(&bias));
        product(dy, w, &mut grad_input, None);
        product(dy.transposed(), x, &mut grad_weight, None);
        grad_bias.fill(0.0);
        reduce::add_column_sums(batch, outputs, &grad_output, &mut grad_bias, &context);
    };
    Prepared {
        call: Box::new(call),
        kernel: rounded(precision).kernel,
        // Read forward and for the gradient of the input; the gradient is written once.
        weight_bytes: 3 * weight_bytes,
        other_bytes: 3 * size.other_bytes(4, 4, 4),
        macs: 3 * size.macs(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_precision_have_one_pick_and_run() {
        // More outputs than half a panel: fewer may have rows of their own.
        let size = Size { batch: 2, inputs: 33, outputs: 40 };
        let context = Context::single();
        for precision in PrecisionArg::all() {
            let rows = rows(precision);
            let picks = rows.iter().filter(|row| row.picked).count();
            assert!(rows.is_empty() || picks == 1, "{}", precision.name());
            for row in rows {
                let mut prepared = row.prepare(size, &context);
                (prepared.call)();
                assert!(prepared.kernel == row.kernel && prepared.macs == 2640 && prepared.weight_bytes >= 33 * 40 / 2);
            }
        }
    }

    #[test]
    fn the_gradients_run() {
        for precision in Precision::ALL {
            let mut prepared = backward(Size { batch: 3, inputs: 7, outputs: 5 }, precision, &Context::single());
            (prepared.call)();
            assert_eq!(prepared.macs, 3 * 3 * 7 * 5);
        }
    }
}
