//! Runs a program here, on `plexus-micro`, in the memory that it has on a device.

use super::lower::{Input, Numbers, Op, Program, Raw, Step, Sums};
use super::place::Place;
use plexus_micro as micro;
use plexus_micro::{Addition, Affine, AffineWide, Interleaved, Rescale, Rounding, Shifts, SoftmaxScale, SoftmaxTables};
use plexus_nn::DType;

/// The memory of a program.
#[derive(Clone, Debug)]
pub struct Memory {
    bytes: Vec<i8>,
    halves: Vec<i16>,
}

impl Memory {
    /// That of a program, zeros.
    pub fn new(program: &Program) -> Self {
        Memory { bytes: vec![0; program.memory[0]], halves: vec![0; program.memory[1]] }
    }

    /// The numbers at a place.
    pub fn numbers(&self, place: Place) -> Vec<i32> {
        match place.dtype {
            DType::I8 => self.bytes[place.range()].iter().map(|value| i32::from(*value)).collect(),
            _ => self.halves[place.range()].iter().map(|value| i32::from(*value)).collect(),
        }
    }

    fn write(&mut self, place: Place, numbers: impl Iterator<Item = i32>) {
        match place.dtype {
            DType::I8 => self.bytes[place.range()].iter_mut().zip(numbers).for_each(|(to, from)| *to = from as i8),
            _ => self.halves[place.range()].iter_mut().zip(numbers).for_each(|(to, from)| *to = from as i16),
        }
    }
}

impl Input {
    /// The whole numbers of one sample of raw bytes.
    ///
    /// # Panics
    /// Where the input is not of bytes.
    pub fn of_bytes(&self, bytes: &[u8]) -> Vec<i32> {
        let Raw::Bytes(table) = &self.raw else { panic!("the input is not of bytes") };
        let entry = |byte: &u8| match table {
            Numbers::I8(table) => i32::from(table[usize::from(*byte)]),
            Numbers::I16(table) => i32::from(table[usize::from(*byte)]),
            _ => unreachable!("a table has the type of its values"),
        };
        bytes.iter().map(entry).collect()
    }

    /// The whole numbers of one sample of raw numbers, of either kind.
    pub fn whole(&self, raw: &[f32]) -> Vec<i32> {
        match self.raw {
            Raw::Bytes(_) => self.of_bytes(&raw.iter().map(|value| *value as u8).collect::<Vec<u8>>()),
            Raw::Floats { .. } => self.of_floats(raw),
        }
    }

    /// The whole numbers of one sample of raw floats.
    ///
    /// # Panics
    /// Where the input is of bytes.
    pub fn of_floats(&self, values: &[f32]) -> Vec<i32> {
        let Raw::Floats { mean, factor } = &self.raw else { panic!("the input is of bytes") };
        let one = |(at, value): (usize, &f32)| {
            let of = |values: &[f32]| if values.len() == 1 { values[0] } else { values[at % values.len()] };
            self.quant.number((value - of(mean)) * of(factor))
        };
        values.iter().enumerate().map(one).collect()
    }
}

impl Program {
    /// Runs one sample. `inputs` are the whole numbers of each input; `see` is shown each step with what it wrote.
    pub fn run(&self, memory: &mut Memory, inputs: &[Vec<i32>], mut see: impl FnMut(&Step, &[i32])) -> Vec<Vec<i32>> {
        for (input, numbers) in self.inputs.iter().zip(inputs) {
            memory.write(input.place, numbers.iter().copied());
        }
        for step in &self.steps {
            step.run(memory);
            see(step, &memory.numbers(step.writes));
        }
        self.outputs.iter().map(|output| memory.numbers(output.place)).collect()
    }
}

impl Step {
    fn run(&self, memory: &mut Memory) {
        // What it reads is copied first: here the places are trusted, and memory is not short.
        let reads: Vec<Vec<i32>> = self.reads.iter().map(|place| memory.numbers(*place)).collect();
        let bytes = |at: usize| reads[at].iter().map(|value| *value as i8).collect::<Vec<i8>>();
        let halves = |at: usize| reads[at].iter().map(|value| *value as i16).collect::<Vec<i16>>();
        let narrow = self.reads[0].dtype == DType::I8;
        match self.writes.dtype {
            DType::I8 => {
                let mut to = vec![0i8; self.writes.len];
                match narrow {
                    true => eight(&self.op, &(0..reads.len()).map(bytes).collect::<Vec<_>>(), &mut to),
                    false => {
                        let Op::Rescale { zero_points, scale } = self.op else {
                            unreachable!("only a rescale narrows")
                        };
                        micro::rescale_s16_to_s8(&halves(0), &rescale(zero_points, scale), &mut to);
                    }
                }
                memory.write(self.writes, to.into_iter().map(i32::from));
            }
            _ => {
                let mut to = vec![0i16; self.writes.len];
                match narrow {
                    true => {
                        let Op::Rescale { zero_points, scale } = self.op else { unreachable!("only a rescale widens") };
                        micro::rescale_s8_to_s16(&bytes(0), &rescale(zero_points, scale), &mut to);
                    }
                    false => sixteen(&self.op, &(0..reads.len()).map(halves).collect::<Vec<_>>(), &mut to),
                }
                memory.write(self.writes, to.into_iter().map(i32::from));
            }
        }
    }
}

fn rescale(zero_points: [i32; 2], scale: micro::Multiplier) -> Rescale {
    Rescale { input_zero_point: zero_points[0], scale, rounding: Rounding::Double, output_zero_point: zero_points[1] }
}

fn i8s(numbers: &Numbers) -> &[i8] {
    match numbers {
        Numbers::I8(values) => values,
        _ => unreachable!("they have 8 bits"),
    }
}

fn i16s(numbers: &Numbers) -> &[i16] {
    match numbers {
        Numbers::I16(values) => values,
        _ => unreachable!("they have 16 bits"),
    }
}

fn i32s(numbers: &Numbers) -> &[i32] {
    match numbers {
        Numbers::I32(values) => values,
        _ => unreachable!("they have 32 bits"),
    }
}

fn i64s(numbers: &Numbers) -> &[i64] {
    match numbers {
        Numbers::I64(values) => values,
        _ => unreachable!("they have 64 bits"),
    }
}

fn affine<'a>(sums: &'a Sums, bias: &'a Numbers, clamp: [i32; 2]) -> Option<Affine<'a>> {
    let Sums::Affine { scales, rounding, input_zero_point, output_zero_point } = sums else { return None };
    Some(Affine {
        bias: i32s(bias),
        input_zero_point: *input_zero_point,
        weight_zero_point: 0,
        scales,
        rounding: *rounding,
        output_zero_point: *output_zero_point,
        clamp,
    })
}

fn shifts(sums: &Sums) -> (Shifts, bool, Option<Interleaved>) {
    match sums {
        Sums::Shifts { bias, out, rounding, wide, interleaved } => {
            (Shifts::new(*bias, *out, *rounding), *wide, *interleaved)
        }
        _ => unreachable!("the other schemes were taken before"),
    }
}

fn eight(op: &Op, reads: &[Vec<i8>], to: &mut [i8]) {
    match op {
        Op::FullyConnected { inputs, outputs, weight, bias, sums, clamp, .. } => {
            for (from, to) in reads[0].chunks_exact((*inputs).max(1)).zip(to.chunks_exact_mut((*outputs).max(1))) {
                match (affine(sums, bias, *clamp), weight) {
                    (Some(affine), Numbers::I4(weight)) => micro::fully_connected_s4(from, weight, &affine, to),
                    (Some(affine), weight) => micro::fully_connected_s8(from, i8s(weight), &affine, to),
                    (None, weight) => {
                        let (shifts, wide, interleaved) = shifts(sums);
                        let run = match (interleaved.is_some(), wide) {
                            (false, false) => micro::fully_connected_q7,
                            (false, true) => micro::fully_connected_q7_wide,
                            (true, false) => micro::fully_connected_q7_opt,
                            (true, true) => micro::fully_connected_q7_opt_wide,
                        };
                        run(from, i8s(weight), i8s(bias), shifts, to);
                        micro::clamp(to, clamp.map(|end| end as i8));
                    }
                }
            }
        }
        Op::Conv { window, groups, transposed, weight, bias, sums, clamp, .. } => {
            match (affine(sums, bias, *clamp), weight, transposed) {
                (Some(affine), Numbers::I4(weight), _) => {
                    micro::conv2d_s4(&reads[0], window, (weight, *groups), &affine, to);
                }
                (Some(affine), weight, false) => {
                    micro::conv2d_s8(&reads[0], window, (i8s(weight), *groups), &affine, to);
                }
                (Some(affine), weight, true) => {
                    micro::conv_transpose2d_s8(&reads[0], window, i8s(weight), &affine, to);
                }
                (None, weight, transposed) => {
                    let (shifts, wide, _) = shifts(sums);
                    let (weight, bias) = (i8s(weight), i8s(bias));
                    match (transposed, wide) {
                        (false, false) => micro::conv2d_q7(&reads[0], window, (weight, *groups), (bias, shifts), to),
                        (false, true) => {
                            micro::conv2d_q7_wide(&reads[0], window, (weight, *groups), (bias, shifts), to);
                        }
                        (true, false) => micro::conv_transpose2d_q7(&reads[0], window, weight, (bias, shifts), to),
                        (true, true) => micro::conv_transpose2d_q7_wide(&reads[0], window, weight, (bias, shifts), to),
                    }
                    micro::clamp(to, clamp.map(|end| end as i8));
                }
            }
        }
        Op::MaxPool(window) => micro::max_pool(&reads[0], window, [i8::MIN, i8::MAX], to),
        Op::AvgPool { window, truncate: true } => micro::avg_pool_q7(&reads[0], window, to),
        Op::AvgPool { window, truncate: false } => {
            micro::avg_pool_s8(&reads[0], window, [i8::MIN, i8::MAX], to);
        }
        Op::Add { addends, scale, zero_point, clamp } => {
            let addition = Addition {
                zero_points: addends.map(|addend| addend.zero_point),
                scales: addends.map(|addend| addend.scale),
                output_scale: *scale,
                rounding: Rounding::Double,
                output_zero_point: *zero_point,
                clamp: clamp.map(|end| end as i8),
            };
            micro::add_s8([&reads[0], &reads[1]], &addition, to);
        }
        Op::Rescale { zero_points, scale } => micro::rescale_s8(&reads[0], &rescale(*zero_points, *scale), to),
        Op::Clamp(clamp) => {
            to.copy_from_slice(&reads[0]);
            micro::clamp(to, clamp.map(|end| end as i8));
        }
        Op::Lookup(table) => {
            to.copy_from_slice(&reads[0]);
            micro::lookup(to, i8s(table).try_into().expect("a table of 8 bits has 256 entries"));
        }
        Op::Softmax { cols, scale, least } => {
            let scale = SoftmaxScale::new(scale.multiplier(), scale.shift() as u32, *least);
            micro::softmax_s8(&reads[0], *cols, scale, to);
        }
        Op::SoftmaxWide { .. } => unreachable!("it is of 16 bits"),
        Op::Concat(channels) => {
            micro::concat(&reads.iter().map(Vec::as_slice).collect::<Vec<_>>(), channels, to);
        }
        Op::Transpose { rows, cols } => transpose(&reads[0], (*rows, *cols), to),
    }
}

fn sixteen(op: &Op, reads: &[Vec<i16>], to: &mut [i16]) {
    let wide = |scales, bias, clamp: &[i32; 2]| AffineWide { bias: i64s(bias), scales, clamp: *clamp };
    match op {
        Op::FullyConnected { inputs, outputs, weight, bias, sums, clamp, .. } => {
            for (from, to) in reads[0].chunks_exact((*inputs).max(1)).zip(to.chunks_exact_mut((*outputs).max(1))) {
                match (sums, weight) {
                    (Sums::Wide { scales }, Numbers::I16(weight)) => {
                        micro::fully_connected_s16(from, weight, &wide(scales, bias, clamp), to);
                    }
                    (Sums::Wide { scales }, weight) => {
                        micro::fully_connected_s16x8(from, i8s(weight), &wide(scales, bias, clamp), to);
                    }
                    (sums, Numbers::I16(weight)) => {
                        let (shifts, wide, interleaved) = shifts(sums);
                        let run = match (interleaved.is_some(), wide) {
                            (false, false) => micro::fully_connected_q15,
                            (false, true) => micro::fully_connected_q15_wide,
                            (true, false) => micro::fully_connected_q15_opt,
                            (true, true) => micro::fully_connected_q15_opt_wide,
                        };
                        run(from, weight, i16s(bias), shifts, to);
                        micro::clamp(to, clamp.map(|end| end as i16));
                    }
                    (sums, weight) => {
                        let (shifts, wide, interleaved) = shifts(sums);
                        let run = match (interleaved.is_some(), wide) {
                            (false, false) => micro::fully_connected_q7_q15,
                            (false, true) => micro::fully_connected_q7_q15_wide,
                            (true, false) => micro::fully_connected_q7_q15_opt,
                            (true, true) => micro::fully_connected_q7_q15_opt_wide,
                        };
                        run(from, i8s(weight), i8s(bias), shifts, to);
                        micro::clamp(to, clamp.map(|end| end as i16));
                    }
                }
            }
        }
        Op::Conv { window, groups, transposed, weight, bias, sums, clamp, .. } => {
            let input = &reads[0];
            match (sums, weight, transposed) {
                (Sums::Wide { scales }, Numbers::I16(weight), false) => {
                    micro::conv2d_s16(input, window, (weight, *groups), &wide(scales, bias, clamp), to);
                }
                (Sums::Wide { scales }, Numbers::I16(weight), true) => {
                    micro::conv_transpose2d_s16(input, window, weight, &wide(scales, bias, clamp), to);
                }
                (Sums::Wide { scales }, weight, false) => {
                    micro::conv2d_s16x8(input, window, (i8s(weight), *groups), &wide(scales, bias, clamp), to);
                }
                (Sums::Wide { scales }, weight, true) => {
                    micro::conv_transpose2d_s16x8(input, window, i8s(weight), &wide(scales, bias, clamp), to);
                }
                (sums, weight, transposed) => {
                    let (shifts, wide, _) = shifts(sums);
                    match (weight, transposed, wide) {
                        (Numbers::I16(weight), false, false) => {
                            micro::conv2d_q15(input, window, (weight, *groups), (i16s(bias), shifts), to);
                        }
                        (Numbers::I16(weight), false, true) => {
                            micro::conv2d_q15_wide(input, window, (weight, *groups), (i16s(bias), shifts), to);
                        }
                        (Numbers::I16(weight), true, false) => {
                            micro::conv_transpose2d_q15(input, window, weight, (i16s(bias), shifts), to);
                        }
                        (Numbers::I16(weight), true, true) => {
                            micro::conv_transpose2d_q15_wide(input, window, weight, (i16s(bias), shifts), to);
                        }
                        (weight, false, false) => {
                            micro::conv2d_q7_q15(input, window, (i8s(weight), *groups), (i8s(bias), shifts), to);
                        }
                        (weight, false, true) => {
                            micro::conv2d_q7_q15_wide(input, window, (i8s(weight), *groups), (i8s(bias), shifts), to);
                        }
                        (weight, true, false) => {
                            micro::conv_transpose2d_q7_q15(input, window, i8s(weight), (i8s(bias), shifts), to);
                        }
                        (weight, true, true) => {
                            micro::conv_transpose2d_q7_q15_wide(input, window, i8s(weight), (i8s(bias), shifts), to);
                        }
                    }
                    micro::clamp(to, clamp.map(|end| end as i16));
                }
            }
        }
        Op::MaxPool(window) => micro::max_pool(&reads[0], window, [i16::MIN, i16::MAX], to),
        Op::AvgPool { window, .. } => micro::avg_pool_s16(&reads[0], window, [i16::MIN, i16::MAX], to),
        Op::Add { addends, scale, zero_point, clamp } => {
            let addition = Addition {
                zero_points: addends.map(|addend| addend.zero_point),
                scales: addends.map(|addend| addend.scale),
                output_scale: *scale,
                rounding: Rounding::Double,
                output_zero_point: *zero_point,
                clamp: clamp.map(|end| end as i16),
            };
            micro::add_s16([&reads[0], &reads[1]], &addition, to);
        }
        Op::Rescale { zero_points, scale } => micro::rescale_s16(&reads[0], &rescale(*zero_points, *scale), to),
        Op::Clamp(clamp) => {
            to.copy_from_slice(&reads[0]);
            micro::clamp(to, clamp.map(|end| end as i16));
        }
        Op::Lookup(table) => {
            to.copy_from_slice(&reads[0]);
            micro::lookup_s16(to, i16s(table).try_into().expect("a table of 16 bits has 513 entries"));
        }
        Op::Softmax { .. } => unreachable!("it is of 8 bits"),
        Op::SoftmaxWide { cols, scale, tables } => {
            let [exp, one_over_one_plus] =
                [&tables[0], &tables[1]].map(|table| i16s(table).try_into().expect("a table has 513 entries"));
            micro::softmax_s16(&reads[0], *cols, *scale, &SoftmaxTables { exp, one_over_one_plus }, to);
        }
        Op::Concat(channels) => {
            micro::concat(&reads.iter().map(Vec::as_slice).collect::<Vec<_>>(), channels, to);
        }
        Op::Transpose { rows, cols } => transpose(&reads[0], (*rows, *cols), to),
    }
}

fn transpose<T: Copy>(from: &[T], (rows, cols): (usize, usize), to: &mut [T]) {
    for row in 0..rows {
        for col in 0..cols {
            to[col * rows + row] = from[row * cols + col];
        }
    }
}
