//! A program as a Rust crate.

use super::golden::Golden;
use super::lower::{Addend, Input, Numbers, Op, Program, Raw, Step, Sums};
use super::names::{constants, identifier, lines, product, scales, steps, what};
use super::place::Place;
use super::readout::Readout;
use plexus_micro::{Multiplier, ShiftRounding, Window};
use plexus_nn::DType;
use std::fmt::Write;

/// The module: `src/lib.rs`.
pub(super) fn module(name: &str, program: &Program, readout: Option<&Readout>) -> String {
    let mut text = format!(
        "//! {name}: a network of whole numbers. Written by Plexus; the float model it was made of is changed there, not here.\n\
         //!\n\
         //! No heap, no unsafe code, {} bytes of memory for values. `Model::run` takes one sample.\n\
         #![no_std]\n\
         #![forbid(unsafe_code)]\n\n\
         pub mod golden;\n\n\
         use core::ops::Range;\n\
         use plexus_micro::*;\n\n",
        program.memory_bytes()
    );
    for input in &program.inputs {
        let name = identifier(&input.name).to_uppercase();
        let what = match &input.raw {
            Raw::Bytes(_) => "bytes from 0 to 255",
            Raw::Floats { .. } => "floats",
        };
        _ = writeln!(
            text,
            "/// Numbers of the input, {what}{}.\npub const {name}_LEN: usize = {};",
            order(&input.shape),
            input.place.len
        );
    }
    for output in &program.outputs {
        _ = writeln!(
            text,
            "/// Numbers of the output `{}`{}: `{}` is the value that one stands for.\npub const {}_LEN: usize = {};",
            output.name,
            order(&output.shape),
            output.formula(),
            identifier(&output.name).to_uppercase(),
            output.place.len
        );
    }
    text.push('\n');
    let names = steps(program);
    for input in &program.inputs {
        text += &input_constants(input);
    }
    for (step, name) in program.steps.iter().zip(&names) {
        text += &step_constants(step, &name.to_uppercase());
    }
    text += NUMBERS;
    text += &model(program, &names);
    text += AROUND;
    if let Some(readout) = readout {
        text += &learning(readout, program.outputs[0].place.dtype);
    }
    text
}

/// In which order numbers of maps stand.
fn order(shape: &[usize]) -> String {
    match shape {
        [height, width, channels] => format!(", maps `[{height}, {width}, {channels}]` (height, width, channels)"),
        _ => String::new(),
    }
}

fn rust_type(numbers: &Numbers) -> &'static str {
    match numbers {
        Numbers::I8(_) => "i8",
        Numbers::I4(_) => "u8",
        Numbers::I16(_) => "i16",
        Numbers::I32(_) => "i32",
        Numbers::I64(_) => "i64",
    }
}

fn array(name: &str, numbers: &Numbers) -> String {
    format!("static {name}: [{}; {}] = [\n{}];\n", rust_type(numbers), numbers.len(), numbers.lines())
}

fn floats(name: &str, values: &[f32]) -> String {
    let shown: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("static {name}: [f32; {}] = [\n{}];\n", values.len(), lines(&shown))
}

fn input_constants(input: &Input) -> String {
    let name = identifier(&input.name).to_uppercase();
    match &input.raw {
        Raw::Bytes(table) => array(&format!("{name}_TABLE"), table),
        Raw::Floats { mean, factor } => {
            floats(&format!("{name}_MEAN"), mean) + &floats(&format!("{name}_FACTOR"), factor)
        }
    }
}

fn multiplier(scale: Multiplier) -> String {
    format!("Multiplier::new({}, {})", scale.multiplier(), scale.shift())
}

fn step_constants(step: &Step, name: &str) -> String {
    let mut text = String::new();
    for (word, numbers) in constants(&step.op) {
        text += &array(&format!("{name}_{}", word.to_uppercase()), numbers);
    }
    if let Some(scales) = scales(&step.op) {
        let shown: Vec<String> = scales.iter().map(|scale| multiplier(*scale)).collect();
        text += &format!("static {name}_SCALES: [Multiplier; {}] = [\n{}];\n", scales.len(), lines(&shown));
    }
    text
}

/// What the outside sees of the values of a step.
const NUMBERS: &str = "
/// The numbers that a step wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Numbers<'a> {
    /// Of 8 bits.
    I8(&'a [i8]),
    /// Of 16 bits.
    I16(&'a [i16]),
}
";

/// One slice to be written, and the rest of the memory to be read.
const AROUND: &str = "
/// The memory without the slice that is written.
struct Around<'a, T> {
    low: &'a [T],
    high: &'a [T],
    end: usize,
}

impl<'a, T> Around<'a, T> {
    /// A slice of it.
    fn get(&self, range: Range<usize>) -> &'a [T] {
        match range.end <= self.low.len() {
            true => &self.low[range],
            false => &self.high[range.start - self.end..range.end - self.end],
        }
    }
}

/// Cuts the slice that is written out of the memory.
#[allow(dead_code)]
fn cut<T>(memory: &mut [T], range: Range<usize>) -> (Around<'_, T>, &mut [T]) {
    let (low, rest) = memory.split_at_mut(range.start);
    let (slice, high) = rest.split_at_mut(range.end - range.start);
    (Around { low, high, end: range.end }, slice)
}
";

/// The layer that learns.
fn learning(readout: &Readout, dtype: DType) -> String {
    let Readout { weight, classes, features, zero_point, margin, kept } = readout;
    let (len, short) = (weight.len(), type_of(dtype));
    let rows: String = kept.iter().map(|(features, _)| format!("[\n{}],\n", lines(features))).collect();
    let kept_classes: Vec<usize> = kept.iter().map(|(_, class)| *class).collect();
    let suffix = if dtype == DType::I8 { "s8" } else { "s16" };
    format!(
        "\nstatic READOUT: [i16; {len}] = [\n{}];\nstatic KEPT: [[{short}; {features}]; {}] = [\n{rows}];\nstatic KEPT_CLASSES: [usize; {}] = [\n{}];\n\n\
         /// The last layer: {classes} classes of {features} features. It learns from examples, in {} bytes of memory.\n\
         #[derive(Clone, Debug)]\npub struct Readout {{\n    weight: [i16; {len}],\n}}\n\n\
         impl Default for Readout {{\n    fn default() -> Self {{\n        Readout::new()\n    }}\n}}\n\n\
         impl Readout {{\n    /// As it was exported.\n    pub fn new() -> Self {{\n        Readout {{ weight: READOUT }}\n    }}\n\n    \
         fn layer(&mut self) -> plexus_micro::Readout<'_> {{\n        plexus_micro::Readout {{ weight: &mut self.weight, classes: {classes}, zero_point: {zero_point}, margin: {margin} }}\n    }}\n\n    \
         /// The class of what `Model::run` gave.\n    pub fn classify(&mut self, features: &[{short}]) -> usize {{\n        self.layer().classify_{suffix}(features)\n    }}\n\n    \
         /// Learns from an example; whether that changed anything. Then it is shown what is kept of the classes that it knew. Show examples of\n    /// new classes in turns.\n    \
         pub fn learn(&mut self, features: &[{short}], class: usize) -> bool {{\n        let changed = self.layer().learn_{suffix}(features, class);\n        \
         for (kept, class) in KEPT.iter().zip(&KEPT_CLASSES) {{\n            self.layer().learn_{suffix}(kept, *class);\n        }}\n        changed\n    }}\n\n    \
         /// What was learnt, to be kept and given back.\n    pub fn weight(&self) -> &[i16; {len}] {{\n        &self.weight\n    }}\n\n    \
         /// Goes on from what was kept.\n    pub fn set_weight(&mut self, weight: &[i16; {len}]) {{\n        self.weight = *weight;\n    }}\n}}\n",
        lines(weight),
        kept.len(),
        kept.len(),
        lines(&kept_classes),
        2 * len
    )
}

fn range(place: Place) -> String {
    format!("{}..{}", place.at, place.at + place.len)
}

fn part(place: Place) -> &'static str {
    if place.dtype == DType::I8 { "bytes" } else { "halves" }
}

fn type_of(dtype: DType) -> &'static str {
    if dtype == DType::I8 { "i8" } else { "i16" }
}

fn model(program: &Program, names: &[String]) -> String {
    let raw = |input: &Input| match input.raw {
        Raw::Bytes(_) => "u8",
        Raw::Floats { .. } => "f32",
    };
    let arguments: Vec<String> = program
        .inputs
        .iter()
        .map(|input| {
            let name = identifier(&input.name);
            format!("{name}: &[{}; {}_LEN]", raw(input), name.to_uppercase())
        })
        .collect();
    let passed: Vec<String> = program.inputs.iter().map(|input| identifier(&input.name)).collect();
    let first = &program.outputs[0];
    let first_type = format!("&[{}]", type_of(first.place.dtype));
    let mut text = format!(
        "\n/// The memory of the network.\npub struct Model {{\n    bytes: [i8; {}],\n    halves: [i16; {}],\n}}\n\n\
         impl Default for Model {{\n    fn default() -> Self {{\n        Model::new()\n    }}\n}}\n\n\
         impl Model {{\n    /// All zeros: it can be a `static`.\n    pub const fn new() -> Self {{\n        \
         Model {{ bytes: [0; {}], halves: [0; {}] }}\n    }}\n\n",
        program.memory[0], program.memory[1], program.memory[0], program.memory[1]
    );
    _ = writeln!(
        text,
        "    /// Runs one sample. Returns the output `{}`.\n    pub fn run(&mut self, {}) -> {first_type} {{\n        \
         self.run_watched({}, &mut |_, _| {{}})\n    }}\n",
        first.name,
        arguments.join(", "),
        passed.join(", ")
    );
    _ = writeln!(
        text,
        "    /// As `run`; `watch` is shown what each step wrote, by its number from 0.\n    \
         pub fn run_watched(&mut self, {}, watch: &mut impl FnMut(usize, Numbers<'_>)) -> {first_type} {{\n        \
         let Model {{ bytes, halves }} = self;\n        let _ = (&bytes, &halves);",
        arguments.join(", ")
    );
    for input in &program.inputs {
        text += &convert(input);
    }
    for (index, (step, name)) in program.steps.iter().zip(names).enumerate() {
        _ = writeln!(text, "        // {}: {}", step.layer.replace(['\n', '\r'], " "), what(step));
        text += &call(index, step, &name.to_uppercase());
    }
    _ = writeln!(text, "        &self.{}[{}]\n    }}", part(first.place), range(first.place));
    for output in &program.outputs[1..] {
        _ = writeln!(
            text,
            "\n    /// The output `{}` of the last run.\n    pub fn {}(&self) -> &[{}] {{\n        &self.{}[{}]\n    }}",
            output.name,
            identifier(&output.name),
            type_of(output.place.dtype),
            part(output.place),
            range(output.place)
        );
    }
    text += "}\n\n/// The place of the largest number, the first of several: the class.\npub fn largest<T: Copy + Ord>(numbers: &[T]) -> usize {\n    \
             let mut best = 0;\n    for (at, number) in numbers.iter().enumerate() {\n        if *number > numbers[best] {\n            best = at;\n        \
             }\n    }\n    best\n}\n";
    if program.inputs.iter().any(|input| matches!(input.raw, Raw::Floats { .. })) {
        text += NUMBER;
    }
    text
}

/// Rounds as the quantize layer does.
const NUMBER: &str = "
/// `round(value / scale) + zero_point`, halves away from zero, inside of a range; the zero point for NaN.
fn number(value: f32, scale: f32, zero_point: i64, [low, high]: [i64; 2]) -> i64 {
    let exact = f64::from(value) / f64::from(scale);
    // Towards zero; what is too large becomes the largest number.
    let whole = exact as i64;
    let rest = exact - whole as f64;
    let up = if rest >= 0.5 { 1 } else if rest <= -0.5 { -1 } else { 0 };
    whole.saturating_add(up).saturating_add(zero_point).clamp(low, high)
}
";

/// From raw numbers to whole ones.
fn convert(input: &Input) -> String {
    let (name, place) = (identifier(&input.name), input.place);
    let upper = name.to_uppercase();
    let to = format!("{}[{}].iter_mut()", part(place), range(place));
    match &input.raw {
        Raw::Bytes(_) => format!(
            "        for (to, byte) in {to}.zip({name}) {{\n            *to = {upper}_TABLE[usize::from(*byte)];\n        }}\n"
        ),
        Raw::Floats { mean, .. } => {
            let quant = input.quant;
            let [low, high] = quant.range();
            let at = if mean.len() == 1 { "0".to_string() } else { format!("at % {}", mean.len()) };
            let index = if mean.len() == 1 { "" } else { ".enumerate()" };
            let pattern = if mean.len() == 1 { "(to, value)" } else { "(at, (to, value))" };
            format!(
                "        for {pattern} in {to}.zip({name}){index} {{\n            let value = (value - {upper}_MEAN[{at}]) * {upper}_FACTOR[{at}];\n            \
                 *to = number(value, {:?}, {}, [{low}, {high}]) as {};\n        }}\n",
                quant.scale,
                quant.zero_point,
                type_of(place.dtype)
            )
        }
    }
}

fn window(window: &Window) -> String {
    let Window { input, kernel, stride, padding, dilation } = window;
    format!(
        "Window {{ input: {input:?}, kernel: {kernel:?}, stride: {stride:?}, padding: {padding:?}, dilation: {dilation:?} }}"
    )
}

/// Struct of the sums, and whether the function takes it as a reference.
fn sums_of(sums: &Sums, name: &str, bias: &Numbers, clamp: [i32; 2]) -> String {
    let bias_of = if bias.is_empty() { "&[]".to_string() } else { format!("&{name}_BIAS") };
    match sums {
        Sums::Affine { rounding, input_zero_point, output_zero_point, .. } => format!(
            "&Affine {{ bias: {bias_of}, input_zero_point: {input_zero_point}, weight_zero_point: 0, scales: &{name}_SCALES, \
             rounding: Rounding::{rounding:?}, output_zero_point: {output_zero_point}, clamp: {clamp:?} }}"
        ),
        Sums::Wide { .. } => format!("&AffineWide {{ bias: {bias_of}, scales: &{name}_SCALES, clamp: {clamp:?} }}"),
        Sums::Shifts { bias, out, rounding, .. } => {
            let rounding = match rounding {
                ShiftRounding::HalfUp => "HalfUp",
                ShiftRounding::Floor => "Floor",
            };
            format!("Shifts::new({bias}, {out}, ShiftRounding::{rounding})")
        }
    }
}

fn call(index: usize, step: &Step, name: &str) -> String {
    let (to, dtype) = (step.writes, step.writes.dtype);
    let own = part(to);
    let same = step.reads.iter().all(|read| read.dtype == dtype);
    let mut text = "        {\n".to_string();
    if same {
        _ = writeln!(text, "            let (around, to) = cut({own}, {});", range(to));
        for (at, read) in step.reads.iter().enumerate() {
            let from = if at == 0 { "from".to_string() } else { format!("from{at}") };
            _ = writeln!(text, "            let {from} = around.get({});", range(*read));
        }
    } else {
        let read = step.reads[0];
        _ = writeln!(text, "            let from = &{}[{}];", part(read), range(read));
        _ = writeln!(text, "            let to = &mut {own}[{}];", range(to));
    }
    let input = step.reads[0].dtype;
    let short = type_of(dtype);
    let suffix = if dtype == DType::I8 { "s8" } else { "s16" };
    let all = format!("[{short}::MIN, {short}::MAX]");
    let limits = |clamp: [i32; 2], text: &mut String| {
        _ = writeln!(text, "            clamp(to, {clamp:?});");
    };
    match &step.op {
        Op::FullyConnected { rows, inputs, outputs, weight, bias, sums, clamp } => {
            let function = product("fully_connected", weight, input, sums);
            let sums_text = sums_of(sums, name, bias, *clamp);
            let shifts = matches!(sums, Sums::Shifts { .. });
            let bias = if bias.is_empty() { "&[]".to_string() } else { format!("&{name}_BIAS") };
            let arguments = |from: &str| match shifts {
                true => format!("{function}({from}, &{name}_WEIGHT, {bias}, {sums_text}, to);"),
                false => format!("{function}({from}, &{name}_WEIGHT, {sums_text}, to);"),
            };
            match rows {
                1 => _ = writeln!(text, "            {}", arguments("from")),
                _ => {
                    _ = writeln!(
                        text,
                        "            for (from, to) in from.chunks_exact({inputs}).zip(to.chunks_exact_mut({outputs})) {{\n                {}\n            }}",
                        arguments("from")
                    );
                }
            }
            if shifts {
                limits(*clamp, &mut text);
            }
        }
        Op::Conv { window: slides, groups, transposed, weight, bias, sums, clamp, .. } => {
            let prefix = if *transposed { "conv_transpose2d" } else { "conv2d" };
            let function = product(prefix, weight, input, sums);
            let weight = match transposed {
                true => format!("&{name}_WEIGHT"),
                false => format!("(&{name}_WEIGHT, {groups})"),
            };
            let sums_text = sums_of(sums, name, bias, *clamp);
            let shifts = matches!(sums, Sums::Shifts { .. });
            let bias = if bias.is_empty() { "&[]".to_string() } else { format!("&{name}_BIAS") };
            let last = if shifts { format!("({bias}, {sums_text})") } else { sums_text };
            _ = writeln!(text, "            let window = {};", window(slides));
            _ = writeln!(text, "            {function}(from, &window, {weight}, {last}, to);");
            if shifts {
                limits(*clamp, &mut text);
            }
        }
        Op::MaxPool(slides) => {
            _ = writeln!(text, "            max_pool(from, &{}, {all}, to);", window(slides));
        }
        Op::AvgPool { window: slides, truncate: true } => {
            _ = writeln!(text, "            avg_pool_q7(from, &{}, to);", window(slides));
        }
        Op::AvgPool { window: slides, truncate: false } => {
            _ = writeln!(text, "            avg_pool_{suffix}(from, &{}, {all}, to);", window(slides));
        }
        Op::Add { addends: [a, b], scale, zero_point, clamp } => {
            let zero = |addend: &Addend| addend.zero_point;
            _ = writeln!(
                text,
                "            let addition = Addition {{ zero_points: [{}, {}], scales: [{}, {}], output_scale: {}, rounding: Rounding::Double, \
                 output_zero_point: {zero_point}, clamp: {clamp:?} }};\n            add_{suffix}([from, from1], &addition, to);",
                zero(a),
                zero(b),
                multiplier(a.scale),
                multiplier(b.scale),
                multiplier(*scale)
            );
        }
        Op::Rescale { zero_points: [before, behind], scale } => {
            let function = match (input, dtype) {
                (DType::I8, DType::I8) => "rescale_s8",
                (DType::I8, _) => "rescale_s8_to_s16",
                (_, DType::I8) => "rescale_s16_to_s8",
                _ => "rescale_s16",
            };
            _ = writeln!(
                text,
                "            let rescale = Rescale {{ input_zero_point: {before}, scale: {}, rounding: Rounding::Double, output_zero_point: {behind} }};\n            \
                 {function}(from, &rescale, to);",
                multiplier(*scale)
            );
        }
        Op::Clamp(clamp) => {
            text += "            to.copy_from_slice(from);\n";
            limits(*clamp, &mut text);
        }
        Op::Lookup(_) => {
            let function = if dtype == DType::I8 { "lookup" } else { "lookup_s16" };
            _ = writeln!(text, "            to.copy_from_slice(from);\n            {function}(to, &{name}_TABLE);");
        }
        Op::Softmax { cols, scale, least } => {
            _ = writeln!(
                text,
                "            softmax_s8(from, {cols}, SoftmaxScale::new({}, {}, {least}), to);",
                scale.multiplier(),
                scale.shift()
            );
        }
        Op::SoftmaxWide { cols, scale, .. } => {
            _ = writeln!(
                text,
                "            let tables = SoftmaxTables {{ exp: &{name}_EXP, one_over_one_plus: &{name}_ONE_OVER_ONE_PLUS }};\n            \
                 softmax_s16(from, {cols}, {}, &tables, to);",
                multiplier(*scale)
            );
        }
        Op::Concat(channels) => {
            let all: Vec<String> =
                (0..channels.len()).map(|at| if at == 0 { "from".to_string() } else { format!("from{at}") }).collect();
            _ = writeln!(text, "            concat(&[{}], &{channels:?}, to);", all.join(", "));
        }
        Op::Transpose { rows, cols } => {
            _ = writeln!(
                text,
                "            for (at, from) in from.iter().enumerate() {{\n                to[at % {cols} * {rows} + at / {cols}] = *from;\n            }}"
            );
        }
    }
    let variant = if dtype == DType::I8 { "I8" } else { "I16" };
    _ = writeln!(text, "            watch({index}, Numbers::{variant}(to));\n        }}");
    text
}

/// The golden inputs, and what prints the outputs of all steps: `src/golden.rs`.
pub(super) fn golden(program: &Program, golden: &Golden) -> String {
    let mut text = "//! Golden inputs. `verify` runs them and writes what each step makes of them, for `plexus verify` to compare.\n\n\
                    use crate::{Model, Numbers};\n\n"
        .to_string();
    let count = golden.vectors.len();
    for (at, input) in program.inputs.iter().enumerate() {
        let name = identifier(&input.name).to_uppercase();
        let len = input.place.len;
        let (element, rows): (&str, Vec<String>) = match input.raw {
            Raw::Bytes(_) => {
                let row = |values: &Vec<f32>| lines(&values.iter().map(|value| *value as u8).collect::<Vec<u8>>());
                ("u8", golden.vectors.iter().map(|vector| row(&vector.inputs[at])).collect())
            }
            Raw::Floats { .. } => {
                let row =
                    |values: &Vec<f32>| lines(&values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>());
                ("f32", golden.vectors.iter().map(|vector| row(&vector.inputs[at])).collect())
            }
        };
        _ = writeln!(text, "pub static {name}: [[{element}; {len}]; {count}] = [");
        rows.iter().for_each(|row| text += &format!("[\n{row}],\n"));
        text += "];\n";
    }
    let passed: Vec<String> =
        program.inputs.iter().map(|input| format!("&{}[vector]", identifier(&input.name).to_uppercase())).collect();
    let zeros: Vec<String> = program
        .inputs
        .iter()
        .map(|input| match input.raw {
            Raw::Bytes(_) => format!("&[0; {}]", input.place.len),
            Raw::Floats { .. } => format!("&[0.0; {}]", input.place.len),
        })
        .collect();
    _ = write!(
        text,
        "
/// Runs all golden inputs, and writes a line for each step: the numbers of the input and of the step, and what it wrote in hexadecimal
/// digits, two for each byte, the lowest byte first.
pub fn verify(model: &mut Model, put: &mut impl FnMut(&str)) {{
    put(\"plexus verify 1\\n\");
    for vector in 0..{count} {{
        model.run_watched({}, &mut |step, numbers| {{
            put(\"v \");
            decimal(vector, put);
            put(\" \");
            decimal(step, put);
            put(\" \");
            match numbers {{
                Numbers::I8(numbers) => numbers.iter().for_each(|number| byte(*number as u8, put)),
                Numbers::I16(numbers) => {{
                    numbers.iter().for_each(|number| number.to_le_bytes().into_iter().for_each(|part| byte(part, put)));
                }}
            }}
            put(\"\\n\");
        }});
    }}
    put(\"end\\n\");
}}

/// Runs zeros, for those who measure: it takes as long as any input.
pub fn run_zeros(model: &mut Model, watch: &mut impl FnMut(usize, Numbers<'_>)) -> usize {{
    model.run_watched({}, watch).len()
}}

/// Two hexadecimal digits.
fn byte(value: u8, put: &mut impl FnMut(&str)) {{
    let digits = [b\"0123456789abcdef\"[usize::from(value >> 4)], b\"0123456789abcdef\"[usize::from(value & 15)]];
    put(core::str::from_utf8(&digits).unwrap_or(\"??\"));
}}

/// A number in decimal digits.
pub fn decimal(value: usize, put: &mut impl FnMut(&str)) {{
    if value >= 10 {{
        decimal(value / 10, put);
    }}
    let digit = [b'0' + (value % 10) as u8];
    put(core::str::from_utf8(&digit).unwrap_or(\"?\"));
}}
",
        passed.join(", "),
        zeros.join(", ")
    );
    text
}

/// `Cargo.toml`.
pub(super) fn manifest(name: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\npublish = false\n\n[lib]\n\n[dependencies]\n\
         plexus-micro = {{ path = \"plexus-micro\" }}\n\n[workspace]\n"
    )
}
