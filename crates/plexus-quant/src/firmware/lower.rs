//! From a network of whole numbers to the steps of a program.

use super::ExportError;
use super::place::{Life, Place, place};
use plexus_kernels::Context;
use plexus_micro::{Addition, Interleaved, Multiplier, Window};
use plexus_nn::integer::{Arithmetic, Integers, Rounding, WeightType};
use plexus_nn::layers::{
    Flatten, IntegerConv2d, IntegerConvTranspose2d, IntegerLinear, IntegerLookup, IntegerSoftmax, Layer, Order,
    Standardize,
};
use plexus_nn::{CheckedNetwork, DType, LayerParams, Params, Plan, PlanOptions, Quant, ValueId, Workspace};
use std::sync::Arc;

/// Constants of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// 8 bits.
    I8(Vec<i8>),
    /// Two of 4 bits in a byte, the lower half first.
    I4(Vec<u8>),
    /// 16 bits.
    I16(Vec<i16>),
    /// 32 bits.
    I32(Vec<i32>),
    /// 64 bits.
    I64(Vec<i64>),
}

impl Numbers {
    /// Bytes of flash.
    pub fn bytes(&self) -> usize {
        match self {
            Numbers::I8(values) => values.len(),
            Numbers::I4(values) => values.len(),
            Numbers::I16(values) => 2 * values.len(),
            Numbers::I32(values) => 4 * values.len(),
            Numbers::I64(values) => 8 * values.len(),
        }
    }
}

/// How the sums of a layer of products become outputs.
#[derive(Clone, Debug, PartialEq)]
pub enum Sums {
    /// 8-bit activations: see `plexus_micro::Affine`.
    Affine {
        /// One for all rows, or one for each.
        scales: Vec<Multiplier>,
        /// Double or single.
        rounding: plexus_micro::Rounding,
        /// What stands for zero among the inputs.
        input_zero_point: i32,
        /// And among the outputs.
        output_zero_point: i32,
    },
    /// 16-bit activations: see `plexus_micro::AffineWide`.
    Wide {
        /// One for all rows, or one for each.
        scales: Vec<Multiplier>,
    },
    /// Powers of two: see `plexus_micro::Shifts`.
    Shifts {
        /// Of the bias, to the left.
        bias: u32,
        /// Of the sums, to the right.
        out: u32,
        /// What happens to the bits shifted out.
        rounding: plexus_micro::ShiftRounding,
        /// Whether sums have 64 bits.
        wide: bool,
        /// Whether the weight is interleaved.
        interleaved: Option<Interleaved>,
    },
}

/// An input of a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Addend {
    /// What stands for zero.
    pub zero_point: i32,
    /// Scale / (twice the larger of both).
    pub scale: Multiplier,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// A fully connected layer over so many rows.
    FullyConnected {
        /// Rows of inputs.
        rows: usize,
        /// Numbers of each.
        inputs: usize,
        /// Outputs of each.
        outputs: usize,
        /// `[outputs, inputs]`
        weight: Numbers,
        /// `[outputs]`, or empty.
        bias: Numbers,
        /// From sums to outputs.
        sums: Sums,
        /// The smallest and the largest output.
        clamp: [i32; 2],
    },
    /// A convolution, or a transposed one.
    Conv {
        /// How windows slide; of a transposed one, over the output.
        window: Window,
        /// Output channels.
        filters: usize,
        /// Parts that see each other only.
        groups: usize,
        /// Whether it is transposed.
        transposed: bool,
        /// `[filters, rows, columns, channels of a group]`
        weight: Numbers,
        /// `[filters]`, or empty.
        bias: Numbers,
        /// From sums to outputs.
        sums: Sums,
        /// The smallest and the largest output.
        clamp: [i32; 2],
    },
    /// The largest number of each window.
    MaxPool(Window),
    /// The mean of each window.
    AvgPool {
        /// How it slides.
        window: Window,
        /// Whether the quotient is cut off.
        truncate: bool,
    },
    /// The sum of two values.
    Add {
        /// The two.
        addends: [Addend; 2],
        /// Of the sum.
        scale: Multiplier,
        /// What stands for zero among the outputs.
        zero_point: i32,
        /// The smallest and the largest output.
        clamp: [i32; 2],
    },
    /// Another scale.
    Rescale {
        /// What stands for zero before and behind.
        zero_points: [i32; 2],
        /// Scale before / scale behind.
        scale: Multiplier,
    },
    /// Limits.
    Clamp([i32; 2]),
    /// A table: 256 entries of 8 bits, or 513 of 16.
    Lookup(Numbers),
    /// Shares of 8-bit scores.
    Softmax {
        /// Numbers of a row.
        cols: usize,
        /// The scale as a multiplier.
        scale: Multiplier,
        /// The least difference that counts.
        least: i32,
    },
    /// Shares of 16-bit scores.
    SoftmaxWide {
        /// Numbers of a row.
        cols: usize,
        /// The scale as a multiplier.
        scale: Multiplier,
        /// Of e^x, and of 1 / (1 + x).
        tables: [Numbers; 2],
    },
    /// Maps one behind the other: channels of each.
    Concat(Vec<usize>),
    /// Rows become columns: maps channels last as maps channels first, or back.
    Transpose {
        /// Of the input.
        rows: usize,
        /// Of the input.
        cols: usize,
    },
}

/// One step of a program.
#[derive(Clone, Debug)]
pub struct Step {
    /// The layer that it belongs to.
    pub layer: String,
    /// What it reads.
    pub reads: Vec<Place>,
    /// What it writes.
    pub writes: Place,
    /// What it does.
    pub op: Op,
    /// Multiply-adds.
    pub macs: u64,
}

/// How raw numbers become the first whole numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// Pixels from 0 to 255: a table.
    Bytes(Numbers),
    /// Floats: `round((x − mean) · factor / scale) + zero point`, with a mean and a factor for each number, or one for all.
    Floats {
        /// What is taken off.
        mean: Vec<f32>,
        /// What the rest is multiplied with.
        factor: Vec<f32>,
    },
}

/// An input of a program.
#[derive(Clone, Debug)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Of one sample; maps are `[height, width, channels]`.
    pub shape: Vec<usize>,
    /// What its whole numbers stand for.
    pub quant: Quant,
    /// Where they go.
    pub place: Place,
    /// How raw numbers become those.
    pub raw: Raw,
}

/// An output of a program.
#[derive(Clone, Debug)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// Of one sample; maps are `[height, width, channels]`.
    pub shape: Vec<usize>,
    /// What its whole numbers stand for, but for the offset.
    pub quant: Quant,
    /// What is added to that: of numbers that were learnt on a scale of their own.
    pub offset: f32,
    /// Where they are at the end.
    pub place: Place,
}

/// A network as a list of steps.
#[derive(Clone, Debug)]
pub struct Program {
    /// What goes in.
    pub inputs: Vec<Input>,
    /// What is done.
    pub steps: Vec<Step>,
    /// What comes out.
    pub outputs: Vec<Output>,
    /// Numbers of 8 bits and of 16 bits that it keeps while it runs.
    pub memory: [usize; 2],
}

impl Program {
    /// Multiply-adds of a run.
    pub fn macs(&self) -> u64 {
        self.steps.iter().map(|step| step.macs).sum()
    }

    /// Bytes that it keeps while it runs.
    pub fn memory_bytes(&self) -> usize {
        self.memory[0] + 2 * self.memory[1]
    }
}

/// What a value of the network is in the program.
#[derive(Clone, Debug)]
enum Value {
    /// Raw numbers of an input, and what was done to them: the values that lead here.
    Front(usize),
    /// Whole numbers, by their index among the lives.
    Numbers(usize),
    /// Floats that only come out.
    End(usize),
}

/// A step whose values have no places yet.
struct Open {
    layer: String,
    reads: Vec<usize>,
    writes: usize,
    op: Op,
    macs: u64,
}

struct Lowering<'a> {
    network: &'a CheckedNetwork,
    params: &'a Params,
    values: Vec<Option<Value>>,
    lives: Vec<Life>,
    steps: Vec<Open>,
    /// For each input that is read: the index of the input, the value that its whole numbers are, and the value in the network.
    inputs: Vec<(usize, usize, ValueId)>,
}

/// Makes a program of a network. `pixels` says that raw inputs are bytes that stand for 0 to this number.
///
/// # Errors
/// [`ExportError`] naming the layer that has no form for a device.
pub fn lower(network: &Arc<CheckedNetwork>, params: &Params, pixels: Option<f32>) -> Result<Program, ExportError> {
    if network.without_gradient().is_none() {
        return Err(ExportError::Float);
    }
    let mut lowering = Lowering {
        network,
        params,
        values: vec![None; network.values().count()],
        lives: Vec::new(),
        steps: Vec::new(),
        inputs: Vec::new(),
    };
    for (index, value) in network.values().take(network.network().inputs.len()).enumerate() {
        lowering.values[value.index()] = Some(Value::Front(index));
    }
    for index in 0..network.network().layers.len() {
        let value = lowering.layer(index)?;
        lowering.values[network.value_of(index).index()] = Some(value);
    }
    lowering.finish(network, pixels)
}

impl Lowering<'_> {
    fn refuse(&self, index: usize, reason: impl Into<String>, help: &'static str) -> ExportError {
        ExportError::Layer { layer: self.network.label(index), reason: reason.into(), help }
    }

    fn read(&self, index: usize, at: usize) -> &Value {
        let read = self.network.reads(index)[at];
        self.values[read.index()].as_ref().expect("a layer reads what stands above it")
    }

    /// Whole numbers that a layer reads.
    fn numbers(&self, index: usize, at: usize) -> Result<usize, ExportError> {
        match self.read(index, at) {
            Value::Numbers(number) => Ok(*number),
            _ => Err(self.refuse(index, "it reads floats", FLOATS)),
        }
    }

    fn quant_in(&self, index: usize, at: usize) -> Quant {
        self.network.quant(self.network.reads(index)[at]).expect("whole numbers stand for something")
    }

    fn new_value(&mut self, dtype: DType, len: usize) -> usize {
        self.lives.push(Life { dtype, len, first: usize::MAX, last: 0 });
        self.lives.len() - 1
    }

    fn step(&mut self, index: usize, reads: Vec<usize>, op: Op) -> Value {
        let network = self.network;
        let value = network.value_of(index);
        let quant = network.quant(value).expect("its outputs are whole numbers");
        let writes = self.new_value(quant.dtype, network.len(value));
        let layer = &network.network().layers[index];
        let macs = layer.layer.cost(&network.input_shapes(index), network.output_shape(index)).macs;
        self.steps.push(Open { layer: layer.name.clone(), reads, writes, op, macs });
        Value::Numbers(writes)
    }

    fn layer(&mut self, index: usize) -> Result<Value, ExportError> {
        let network = self.network;
        let layer = &network.network().layers[index].layer;
        let shapes = network.input_shapes(index);
        let value = match layer {
            Layer::Standardize(_) | Layer::Dropout(_) if matches!(self.read(index, 0), Value::Front(_)) => {
                self.read(index, 0).clone()
            }
            Layer::Dropout(_) => self.read(index, 0).clone(),
            // From the scale that a number was learnt on to its unit: that is told with the output.
            Layer::Standardize(Standardize { per_feature: false, .. })
                if matches!(self.read(index, 0), Value::End(_)) =>
            {
                self.read(index, 0).clone()
            }
            Layer::Flatten(Flatten { order, .. }) => self.renames(index, *order),
            Layer::Reshape(_) => self.renames(index, Order::ChannelsFirst),
            Layer::Unflatten(unflatten) => self.renames(index, unflatten.order),
            Layer::Quantize(_) => {
                let Value::Front(input) = *self.read(index, 0) else {
                    return Err(self.refuse(
                        index,
                        "it makes whole numbers of floats in the middle of the network",
                        FLOATS,
                    ));
                };
                let value = network.value_of(index);
                let dtype = network.quant(value).map_or(DType::I8, |quant| quant.dtype);
                let number = self.new_value(dtype, network.len(value));
                self.inputs.push((input, number, value));
                Value::Numbers(number)
            }
            Layer::Dequantize(_) => {
                let number = self.numbers(index, 0)?;
                Value::End(number)
            }
            Layer::IntegerLinear(layer) => self.linear(index, layer)?,
            Layer::IntegerConv2d(layer) => self.conv(index, layer)?,
            Layer::IntegerConvTranspose2d(layer) => self.conv_transpose(index, layer)?,
            Layer::IntegerMaxPool2d(pool) => {
                let op = Op::MaxPool(pool.window(shapes[0]));
                let reads = vec![self.numbers(index, 0)?];
                self.step(index, reads, op)
            }
            Layer::IntegerAvgPool2d(pool) => {
                let window = pool.window(shapes[0]);
                let [rows, cols] = window.kernel;
                // Sums of 8-bit numbers have 32 bits.
                if rows.saturating_mul(cols) > 1 << 24 {
                    let reason = format!("a mean of {rows} x {cols} numbers, more than 2^24");
                    return Err(self.refuse(index, reason, "Use two poolings, one behind the other"));
                }
                let op = Op::AvgPool { window, truncate: pool.truncate };
                let reads = vec![self.numbers(index, 0)?];
                self.step(index, reads, op)
            }
            Layer::IntegerAdd(add) => {
                let quants = [self.quant_in(index, 0), self.quant_in(index, 1)];
                let left = if add.output.dtype == DType::I8 { Addition::<i8>::LEFT } else { Addition::<i16>::LEFT_S16 };
                let addition = add.addition(quants, left, [0i8, 0]);
                let addend = |at: usize| Addend { zero_point: addition.zero_points[at], scale: addition.scales[at] };
                let op = Op::Add {
                    addends: [addend(0), addend(1)],
                    scale: addition.output_scale,
                    zero_point: addition.output_zero_point,
                    clamp: add.range(),
                };
                let reads = vec![self.numbers(index, 0)?, self.numbers(index, 1)?];
                self.step(index, reads, op)
            }
            Layer::Rescale(rescale) => {
                let (from, to) = (self.quant_in(index, 0), rescale.output);
                let scale = Multiplier::from_scale(f64::from(from.scale) / f64::from(to.scale));
                let reads = vec![self.numbers(index, 0)?];
                self.step(index, reads, Op::Rescale { zero_points: [from.zero_point, to.zero_point], scale })
            }
            Layer::IntegerClamp(clamp) => {
                let reads = vec![self.numbers(index, 0)?];
                self.step(index, reads, Op::Clamp(clamp.clamp))
            }
            Layer::IntegerLookup(lookup) => {
                let table = self.tensor(index, "table").expect("it has a table");
                debug_assert_eq!(table.len(), IntegerLookup::entries(lookup.output.dtype));
                let reads = vec![self.numbers(index, 0)?];
                self.step(index, reads, Op::Lookup(numbers(lookup.output.dtype, &table)))
            }
            Layer::IntegerSoftmax(softmax) => {
                let (input, cols) = (self.quant_in(index, 0), softmax.of.cols(shapes[0]));
                let op = match input.dtype {
                    DType::I8 => {
                        let (scale, least) = IntegerSoftmax::scale(input);
                        Op::Softmax { cols, scale, least }
                    }
                    _ => {
                        let tables = IntegerSoftmax::tables().map(|table| Numbers::I16(table.to_vec()));
                        Op::SoftmaxWide { cols, scale: IntegerSoftmax::scale_s16(input), tables }
                    }
                };
                let reads = vec![self.numbers(index, 0)?];
                self.step(index, reads, op)
            }
            Layer::IntegerConcat(concat) => {
                let maps = shapes[0].axes().len() == 3;
                if concat.of.axis != 0 || shapes[0].axes().len() == 2 {
                    return Err(self.refuse(index, "it joins along another axis than the channels", FLOATS));
                }
                let channels = shapes.iter().map(|shape| if maps { shape.axes()[0] } else { shape.len().unwrap_or(0) });
                let op = Op::Concat(channels.collect());
                let reads = (0..shapes.len()).map(|at| self.numbers(index, at)).collect::<Result<_, _>>()?;
                self.step(index, reads, op)
            }
            _ => return Err(self.refuse(index, "it is a layer of floats", FLOATS)),
        };
        Ok(value)
    }

    /// A layer that only gives numbers other axes. In the program maps lie channels last; a vector of them in `order`.
    fn renames(&mut self, index: usize, order: Order) -> Value {
        let from = self.read(index, 0).clone();
        let Value::Numbers(number) = from else { return from };
        let (input, output) = (self.network.input_shapes(index)[0], self.network.output_shape(index));
        let lies = |axes: &[usize]| match *axes {
            [channels, height, width] if channels > 1 && height * width > 1 => Some((channels, height * width)),
            _ => None,
        };
        match (lies(input.axes()), lies(output.axes())) {
            _ if order == Order::ChannelsLast || input == output => from,
            (None, None) => from,
            // Pixels as rows become channels as rows.
            (Some((channels, pixels)), None) => {
                self.step(index, vec![number], Op::Transpose { rows: pixels, cols: channels })
            }
            (None, Some((channels, pixels))) => {
                self.step(index, vec![number], Op::Transpose { rows: channels, cols: pixels })
            }
            (Some((channels, pixels)), Some((to_channels, to_pixels))) => {
                let first = self.new_value(self.lives[number].dtype, self.lives[number].len);
                let layer = self.network.network().layers[index].name.clone();
                let op = Op::Transpose { rows: pixels, cols: channels };
                self.steps.push(Open { layer, reads: vec![number], writes: first, op, macs: 0 });
                self.step(index, vec![first], Op::Transpose { rows: to_channels, cols: to_pixels })
            }
        }
    }

    fn tensor(&self, index: usize, role: &str) -> Option<Vec<f32>> {
        let entry = self.network.layout().entries_of(index).iter().find(|entry| entry.role == role)?;
        Some(self.params.values(entry).to_vec())
    }

    /// The bias and how sums become outputs.
    fn sums(&self, index: usize, integers: &Integers) -> Result<(Numbers, Sums), ExportError> {
        let input = self.quant_in(index, 0);
        let bias = self.tensor(index, "bias").unwrap_or_default();
        let scales = self.tensor(index, "weight_scale").unwrap_or_default();
        let scales: Vec<Multiplier> =
            scales.iter().map(|scale| Multiplier::from_scale(integers.real_scale(input, *scale))).collect();
        Ok(match (integers.arithmetic, input.dtype) {
            (Arithmetic::Affine { rounding, .. }, DType::I8) => {
                let rounding = match rounding {
                    Rounding::Double => plexus_micro::Rounding::Double,
                    Rounding::Single => plexus_micro::Rounding::Single,
                    _ => {
                        let help = "Quantize the float model again, with the rounding double or single";
                        return Err(self.refuse(index, "its products are rounded in floats", help));
                    }
                };
                let (input_zero_point, output_zero_point) = (input.zero_point, integers.output.zero_point);
                let sums = Sums::Affine { scales, rounding, input_zero_point, output_zero_point };
                (numbers(DType::I32, &bias), sums)
            }
            (Arithmetic::Affine { .. }, _) => (numbers(DType::I64, &bias), Sums::Wide { scales }),
            (Arithmetic::PowerOfTwo { rounding, wide, interleaved, .. }, _) => {
                let [bias_shift, out] = integers.shifts(input).expect("the network check found them legal");
                let layout = match (integers.weight, input.dtype) {
                    (WeightType::I16, _) => Interleaved::Q15,
                    (_, DType::I16) => Interleaved::Q7ForQ15,
                    _ => Interleaved::Q7,
                };
                let interleaved = interleaved.then_some(layout);
                let sums = Sums::Shifts { bias: bias_shift, out, rounding: rounding.into(), wide, interleaved };
                let dtype = if integers.weight == WeightType::I16 { DType::I16 } else { DType::I8 };
                (numbers(dtype, &bias), sums)
            }
        })
    }

    fn linear(&mut self, index: usize, layer: &IntegerLinear) -> Result<Value, ExportError> {
        let read = self.numbers(index, 0)?;
        let shape = self.network.input_shapes(index)[0];
        if shape.axes().len() == 3 {
            let help = "Put a flatten layer in front of it in the float model";
            return Err(self.refuse(index, "it reads maps row by row", help));
        }
        let (inputs, outputs) = (shape.last().unwrap_or(0), layer.of.out_features);
        let rows = shape.axes().iter().rev().skip(1).product();
        let (bias, sums) = self.sums(index, &layer.integers)?;
        let mut weight = self.tensor(index, "weight").unwrap_or_default();
        if let Sums::Shifts { interleaved: Some(layout), .. } = sums {
            let plain = weight.clone();
            layout.pack(&plain, [outputs, inputs], &mut weight);
        }
        let weight = weight_numbers(layer.integers, &weight);
        let clamp = layer.integers.range();
        let op = Op::FullyConnected { rows, inputs, outputs, weight, bias, sums, clamp };
        Ok(self.step(index, vec![read], op))
    }

    fn conv(&mut self, index: usize, layer: &IntegerConv2d) -> Result<Value, ExportError> {
        let read = self.numbers(index, 0)?;
        let (bias, sums) = self.sums(index, &layer.integers)?;
        let shape = self.network.input_shapes(index)[0];
        let geometry = layer.of.geometry(shape);
        let window = Window {
            input: [geometry.height, geometry.width, geometry.channels],
            kernel: geometry.kernel,
            stride: geometry.stride,
            padding: geometry.padding,
            dilation: geometry.dilation,
        };
        let weight = layer.channels_last(shape, &self.tensor(index, "weight").unwrap_or_default());
        let op = Op::Conv {
            window,
            filters: geometry.filters,
            groups: geometry.groups,
            transposed: false,
            weight: weight_numbers(layer.integers, &weight),
            bias,
            sums: plain(sums),
            clamp: layer.integers.range(),
        };
        Ok(self.step(index, vec![read], op))
    }

    fn conv_transpose(&mut self, index: usize, layer: &IntegerConvTranspose2d) -> Result<Value, ExportError> {
        let read = self.numbers(index, 0)?;
        let (bias, sums) = self.sums(index, &layer.integers)?;
        if layer.of.groups != 1 {
            let help = "Use one group in the float model";
            return Err(self.refuse(index, "it is a transposed convolution of several groups", help));
        }
        let shape = self.network.input_shapes(index)[0];
        let mirrored = layer.of.mirrored(shape);
        let window = Window {
            input: [mirrored.height, mirrored.width, mirrored.channels],
            kernel: mirrored.kernel,
            stride: mirrored.stride,
            padding: mirrored.padding,
            dilation: mirrored.dilation,
        };
        let weight = layer.channels_last(shape, &self.tensor(index, "weight").unwrap_or_default());
        let op = Op::Conv {
            window,
            filters: mirrored.channels,
            groups: 1,
            transposed: true,
            weight: numbers(layer.integers.weight.dtype(), &weight),
            bias,
            sums: plain(sums),
            clamp: layer.integers.range(),
        };
        Ok(self.step(index, vec![read], op))
    }

    fn finish(mut self, network: &Arc<CheckedNetwork>, pixels: Option<f32>) -> Result<Program, ExportError> {
        // A value lives from the step that writes it to the last that reads it; inputs from the start, outputs to the end.
        let end = self.steps.len() + 1;
        for (at, step) in self.steps.iter().enumerate() {
            let at = at + 1;
            self.lives[step.writes].first = at;
            self.lives[step.writes].last = at;
            for read in &step.reads {
                self.lives[*read].last = self.lives[*read].last.max(at);
            }
        }
        for (_, number, _) in &self.inputs {
            self.lives[*number].first = 0;
        }
        let mut ends = Vec::new();
        for value in network.outputs() {
            let Some(Value::End(number)) = self.values[value.index()] else {
                let index = network.layer_of(*value).unwrap_or(0);
                return Err(self.refuse(index, "what comes out of it is not of whole numbers", FLOATS));
            };
            self.lives[number].last = end;
            ends.push((*value, number));
        }
        // What is dequantized for nobody else may not be read by a layer of floats: such a layer was refused.
        let (places, memory) = place(&self.lives);
        let open = std::mem::take(&mut self.steps);
        let steps = open.into_iter().map(|Open { layer, reads, writes, op, macs }| Step {
            layer,
            reads: reads.into_iter().map(|read| places[read]).collect(),
            writes: places[writes],
            op,
            macs,
        });
        let steps = steps.collect();
        let inputs = self.inputs.iter().map(|(input, number, value)| {
            let quant = network.quant(*value).expect("it was quantized");
            let raw = raw(network, self.params, *input, *value, pixels)?;
            let name = network.network().inputs[*input].name.clone();
            Ok(Input { name, shape: shape(network, *value), quant, place: places[*number], raw })
        });
        let inputs = inputs.collect::<Result<Vec<Input>, ExportError>>()?;
        let outputs = ends.into_iter().map(|(value, number)| {
            let (mut at, mut scale, mut offset) = (value, 1.0, 0.0);
            let quant = loop {
                let index = network.layer_of(at).expect("it is a dequantize layer, or one behind it");
                if let Some(quant) = network.input_quants(index)[0] {
                    break quant;
                }
                if let (Layer::Standardize(_), [mean, factor]) =
                    (&network.network().layers[index].layer, &*self.params.layer(index).1)
                {
                    scale *= f64::from(*factor);
                    offset -= f64::from(*mean) * scale;
                }
                at = network.reads(index)[0];
            };
            let quant = Quant { scale: (f64::from(quant.scale) * scale) as f32, ..quant };
            let name = network.name(value).to_string();
            Output { name, shape: shape(network, value), quant, offset: offset as f32, place: places[number] }
        });
        let outputs = outputs.collect();
        Ok(Program { inputs, steps, outputs, memory })
    }
}

const FLOATS: &str = "Only layers of whole numbers run on a device: quantize the float model, and leave no layer float";

/// Of one sample as it lies in a program.
fn shape(network: &CheckedNetwork, value: ValueId) -> Vec<usize> {
    match *network.shape(value).axes() {
        [channels, height, width] => vec![height, width, channels],
        ref axes => axes.to_vec(),
    }
}

/// Sums of a layer whose weights are never interleaved.
fn plain(sums: Sums) -> Sums {
    match sums {
        Sums::Shifts { bias, out, rounding, wide, .. } => Sums::Shifts { bias, out, rounding, wide, interleaved: None },
        other => other,
    }
}

fn numbers(dtype: DType, values: &[f32]) -> Numbers {
    match dtype {
        DType::I8 => Numbers::I8(values.iter().map(|value| *value as i8).collect()),
        DType::I16 => Numbers::I16(values.iter().map(|value| *value as i16).collect()),
        DType::I32 => Numbers::I32(values.iter().map(|value| *value as i32).collect()),
        _ => Numbers::I64(values.iter().map(|value| *value as i64).collect()),
    }
}

/// Weights as they are kept: those of 4 bits two in a byte, where there is a form that reads them so.
fn weight_numbers(integers: Integers, values: &[f32]) -> Numbers {
    match integers.weight {
        WeightType::I4 if integers.output.dtype == DType::I8 => {
            let half = |value: Option<&f32>| value.map_or(0, |value| (*value as i8 as u8) & 15);
            Numbers::I4(values.chunks(2).map(|pair| half(pair.first()) | half(pair.get(1)) << 4).collect())
        }
        width => numbers(width.dtype(), values),
    }
}

/// How raw numbers become the whole numbers of a value. A network knows: it is run.
fn raw(
    network: &Arc<CheckedNetwork>,
    params: &Params,
    input: usize,
    value: ValueId,
    pixels: Option<f32>,
) -> Result<Raw, ExportError> {
    // The layers between the input and the whole numbers.
    let mut between = Vec::new();
    let mut at = value;
    while let Some(index) = network.layer_of(at) {
        between.push(index);
        at = network.reads(index)[0];
    }
    if let Some(most) = pixels {
        let plan = Plan::with(network.clone(), params, PlanOptions::default().with_keep([value]), Context::single());
        let mut table = Vec::with_capacity(256);
        for byte in 0..256 {
            let pixel = byte as f32 * (most / 255.0);
            let inputs: Vec<Vec<f32>> = (0..network.network().inputs.len())
                .map(|other| {
                    let len = network.network().inputs[other].shape.len().unwrap_or(0);
                    vec![if other == input { pixel } else { 0.0 }; len]
                })
                .collect();
            let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
            let batch = network.batches(&inputs, 1).expect("the sizes are those of the network");
            let mut workspace = Workspace::default();
            plan.run(batch, &mut workspace);
            let view = plan.value(&workspace, value).expect("it is kept");
            let numbers = view.numbers();
            let first = numbers.first().copied().unwrap_or(0.0);
            if numbers.iter().any(|number| *number != first) {
                table.clear();
                break;
            }
            table.push(first);
        }
        if !table.is_empty() {
            let dtype = network.quant(value).map_or(DType::I8, |quant| quant.dtype);
            return Ok(Raw::Bytes(numbers(dtype, &table)));
        }
    }
    let (mut mean, mut factor) = (vec![0.0], vec![1.0]);
    let standardize: Vec<usize> = between
        .into_iter()
        .filter(|index| matches!(network.network().layers[*index].layer, Layer::Standardize(_)))
        .collect();
    match standardize[..] {
        [] => {}
        [index] => {
            let of = |role: &str| {
                let entry = network.layout().entries_of(index).iter().find(|entry| entry.role == role);
                entry.map_or_else(Vec::new, |entry| params.values(entry).to_vec())
            };
            (mean, factor) = (of("mean"), of("scale"));
            if mean.len() > 1 && network.shape(value).axes().len() == 3 {
                let layer = network.label(index);
                let reason = "it takes another mean from each number of maps".to_string();
                return Err(ExportError::Layer { layer, reason, help: "Train with one mean for all pixels" });
            }
        }
        [_, index, ..] => {
            let layer = network.label(index);
            let reason = "it is the second standardize layer of an input".to_string();
            return Err(ExportError::Layer { layer, reason, help: "Keep one" });
        }
    }
    Ok(Raw::Floats { mean, factor })
}
