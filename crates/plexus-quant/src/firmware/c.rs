//! A program as one C99 file with its header.

use super::golden::Golden;
use super::lower::{Input, Numbers, Op, Program, Raw, Step, Sums};
use super::names::{constants, identifier, lines, product, scales, steps, what};
use super::place::Place;
use super::readout::Readout;
use plexus_micro::c::with_uses;
use plexus_micro::{Multiplier, Rounding, ShiftRounding, Window};
use plexus_nn::DType;
use std::fmt::Write;

fn c_type(dtype: DType) -> &'static str {
    if dtype == DType::I8 { "int8_t" } else { "int16_t" }
}

fn raw_type(input: &Input) -> &'static str {
    match input.raw {
        Raw::Bytes(_) => "uint8_t",
        Raw::Floats { .. } => "float",
    }
}

/// The arguments of a run.
fn arguments(program: &Program) -> String {
    let inputs = program.inputs.iter().map(|input| format!("const {} *{}", raw_type(input), identifier(&input.name)));
    let outputs = program
        .outputs
        .iter()
        .map(|output| format!("{} *out_{}", c_type(output.place.dtype), identifier(&output.name)));
    inputs.chain(outputs).collect::<Vec<_>>().join(", ")
}

/// The header.
pub(super) fn header(name: &str, program: &Program, readout: Option<&Readout>) -> String {
    let upper = name.to_uppercase();
    let mut text = format!(
        "/* {name}: a network of whole numbers. Written by Plexus; the float model it was made of is changed there, not here. */\n\
         #ifndef {upper}_H\n#define {upper}_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n"
    );
    for input in &program.inputs {
        let own = identifier(&input.name).to_uppercase();
        _ = writeln!(
            text,
            "/* Numbers of the input{}. */\n#define {upper}_{own}_LEN {}",
            order(&input.shape),
            input.place.len
        );
    }
    for output in &program.outputs {
        let own = identifier(&output.name).to_uppercase();
        _ = writeln!(
            text,
            "/* Numbers of the output{}: {} is the value that one stands for. */\n#define {upper}_{own}_LEN {}",
            order(&output.shape),
            output.formula(),
            output.place.len
        );
    }
    let first = &program.outputs[0];
    _ = write!(
        text,
        "#define {upper}_STEPS {}\n\n/* Runs one sample. The memory of the network is static: one run at a time. */\nvoid {name}_run({});\n\n\
         /* As {name}_run; `watch` is shown what each step wrote, by its number from 0: `count` numbers of `size` bytes. */\n\
         typedef void {name}_watch(size_t step, const void *numbers, size_t count, size_t size);\n\
         void {name}_run_watched({}, {name}_watch *watch);\n\n\
         /* The place of the largest number, the first of several: the class. */\nsize_t {name}_largest(const {} *numbers, size_t count);\n{}\n#endif\n",
        program.steps.len(),
        arguments(program),
        arguments(program),
        c_type(first.place.dtype),
        readout.map_or(String::new(), |readout| {
            let (len, short) = (readout.weight.len(), c_type(first.place.dtype));
            format!(
                "\n/* The last layer: {} classes of {} features. It learns from examples. */\n\
                 size_t {name}_classify(const {short} *features);\n\n\
                 /* Learns from an example; whether that changed anything. Then it is shown what is kept of the classes that it knew.\n \
                 * Show examples of new classes in turns. */\n\
                 int {name}_learn(const {short} *features, size_t class_);\n\n\
                 /* What was learnt, to be kept and written back. */\nextern int16_t {name}_readout_weight[{len}];\n",
                readout.classes, readout.features
            )
        })
    );
    text
}

fn order(shape: &[usize]) -> String {
    match shape {
        [height, width, channels] => format!(", maps [{height}][{width}][{channels}] (height, width, channels)"),
        _ => String::new(),
    }
}

/// The source.
pub(super) fn source(name: &str, program: &Program, readout: Option<&Readout>) -> String {
    let names: Vec<String> = steps(program).iter().map(|step| format!("{name}_{step}")).collect();
    let mut used = Vec::new();
    let mut body = String::new();
    for input in &program.inputs {
        body += &input_constants(name, input);
    }
    for (step, own) in program.steps.iter().zip(&names) {
        body += &step_constants(step, own);
    }
    let [bytes, halves] = program.memory;
    if bytes > 0 {
        _ = writeln!(body, "static int8_t {name}_bytes[{bytes}];");
    }
    if halves > 0 {
        _ = writeln!(body, "static int16_t {name}_halves[{halves}];");
    }
    if program.inputs.iter().any(|input| matches!(input.raw, Raw::Floats { .. })) {
        body += &NUMBER.replace("NAME", name);
    }
    _ = writeln!(body, "\nvoid {name}_run_watched({}, {name}_watch *watch)\n{{", arguments(program));
    for input in &program.inputs {
        body += &convert(name, input);
    }
    for (index, (step, own)) in program.steps.iter().zip(&names).enumerate() {
        _ = writeln!(body, "    /* {}: {} */", step.layer.replace(['\n', '\r', '*', '/'], " "), what(step));
        body += &call(index, step, own, name, &mut used);
    }
    for output in &program.outputs {
        let place = output.place;
        _ = writeln!(
            body,
            "    for (size_t i = 0; i < {}; i++) {{\n        out_{}[i] = {}[i];\n    }}",
            place.len,
            identifier(&output.name),
            at(name, place)
        );
    }
    body += "}\n";
    let passed: Vec<String> = program
        .inputs
        .iter()
        .map(|input| identifier(&input.name))
        .chain(program.outputs.iter().map(|output| format!("out_{}", identifier(&output.name))))
        .collect();
    _ = write!(
        body,
        "\nvoid {name}_run({})\n{{\n    {name}_run_watched({}, NULL);\n}}\n\n\
         size_t {name}_largest(const {} *numbers, size_t count)\n{{\n    size_t best = 0;\n    for (size_t i = 1; i < count; i++) {{\n        \
         if (numbers[i] > numbers[best]) {{\n            best = i;\n        }}\n    }}\n    return best;\n}}\n",
        arguments(program),
        passed.join(", "),
        c_type(program.outputs[0].place.dtype)
    );
    if let Some(readout) = readout {
        body += &learning(name, readout, program.outputs[0].place.dtype, &mut used);
    }
    let mut text = format!(
        "/* {name}: a network of whole numbers. Written by Plexus; the float model it was made of is changed there, not here.\n \
         * C99 with nothing but <stdint.h> and <stddef.h>. {} bytes of memory for values. */\n#include \"{name}.h\"\n\n",
        program.memory_bytes()
    );
    used.sort_unstable();
    used.dedup();
    let used: Vec<&str> = used.iter().map(String::as_str).collect();
    for piece in with_uses(&used) {
        text += piece.text.trim_end();
        text += "\n\n";
    }
    text + &body
}

/// The layer that learns.
fn learning(name: &str, readout: &Readout, dtype: DType, used: &mut Vec<String>) -> String {
    let suffix = if dtype == DType::I8 { "s8" } else { "s16" };
    let Readout { weight, classes, features, zero_point, margin, kept } = readout;
    let (len, short) = (weight.len(), c_type(dtype));
    let rows: String = kept.iter().map(|(features, _)| format!("{{\n{}}},\n", lines(features))).collect();
    let kept_classes: Vec<usize> = kept.iter().map(|(_, class)| *class).collect();
    let (declared, rehearsed) = match kept.len() {
        0 => (String::new(), String::new()),
        count => (
            format!(
                "static const {short} {name}_kept[{count}][{features}] = {{\n{rows}}};\nstatic const uint16_t {name}_kept_classes[{count}] = {{\n{}}};\n\n",
                lines(&kept_classes)
            ),
            format!(
                "    for (size_t i = 0; i < {count}; i++) {{\n        plexus_readout_learn_{suffix}(&{name}_readout, {name}_kept[i], {name}_kept_classes[i]);\n    }}\n"
            ),
        ),
    };
    used.extend([format!("readout_classify_{suffix}"), format!("readout_learn_{suffix}")]);
    format!(
        "\nint16_t {name}_readout_weight[{len}] = {{\n{}}};\n\n\
         {declared}static const plexus_readout {name}_readout = {{{name}_readout_weight, {classes}, {features}, {zero_point}, INT64_C({margin})}};\n\n\
         size_t {name}_classify(const {short} *features)\n{{\n    return plexus_readout_classify_{suffix}(&{name}_readout, features);\n}}\n\n\
         int {name}_learn(const {short} *features, size_t class_)\n{{\n    const int changed = plexus_readout_learn_{suffix}(&{name}_readout, features, class_);\n{rehearsed}    return changed;\n}}\n",
        lines(weight)
    )
}

/// Rounds as the quantize layer does.
const NUMBER: &str = "
/* round(value / scale) + zero_point, halves away from zero, inside of a range; the zero point for NaN. */
static int32_t NAME_number(float value, float scale, int32_t zero_point, int32_t low, int32_t high)
{
    const double exact = (double)value / (double)scale;
    if (exact != exact) {
        return zero_point;
    }
    if (exact >= 100000.0 || exact <= -100000.0) {
        return exact > 0.0 ? high : low;
    }
    int32_t whole = (int32_t)exact;
    const double rest = exact - (double)whole;
    whole += (rest >= 0.5 ? 1 : rest <= -0.5 ? -1 : 0) + zero_point;
    return whole < low ? low : whole > high ? high : whole;
}
";

fn element(numbers: &Numbers) -> &'static str {
    match numbers {
        Numbers::I8(_) => "int8_t",
        Numbers::I4(_) => "uint8_t",
        Numbers::I16(_) => "int16_t",
        Numbers::I32(_) => "int32_t",
        Numbers::I64(_) => "int64_t",
    }
}

fn array(name: &str, numbers: &Numbers) -> String {
    // The smallest numbers cannot be written as they are: the minus is no part of a number in C.
    let text = match numbers {
        Numbers::I32(values) => {
            let shown = values.iter().map(|value| match *value {
                i32::MIN => "INT32_MIN".to_string(),
                value => value.to_string(),
            });
            lines(&shown.collect::<Vec<_>>())
        }
        Numbers::I64(values) => {
            let shown = values.iter().map(|value| match *value {
                i64::MIN => "INT64_MIN".to_string(),
                value => format!("INT64_C({value})"),
            });
            lines(&shown.collect::<Vec<_>>())
        }
        other => other.lines(),
    };
    format!("static const {} {name}[{}] = {{\n{text}}};\n", element(numbers), numbers.len())
}

fn floats(name: &str, values: &[f32]) -> String {
    let shown: Vec<String> = values.iter().map(|value| format!("{value:?}f")).collect();
    format!("static const float {name}[{}] = {{\n{}}};\n", values.len(), lines(&shown))
}

fn input_constants(name: &str, input: &Input) -> String {
    let own = format!("{name}_{}", identifier(&input.name));
    match &input.raw {
        Raw::Bytes(table) => array(&format!("{own}_table"), table),
        Raw::Floats { mean, factor } => {
            floats(&format!("{own}_mean"), mean) + &floats(&format!("{own}_factor"), factor)
        }
    }
}

fn multiplier(scale: Multiplier) -> String {
    format!("{{{}, {}}}", scale.multiplier(), scale.shift())
}

fn step_constants(step: &Step, name: &str) -> String {
    let mut text = String::new();
    for (word, numbers) in constants(&step.op) {
        text += &array(&format!("{name}_{word}"), numbers);
    }
    if let Some(scales) = scales(&step.op) {
        let shown: Vec<String> = scales.iter().map(|scale| multiplier(*scale)).collect();
        text += &format!("static const plexus_multiplier {name}_scales[{}] = {{\n{}}};\n", scales.len(), lines(&shown));
    }
    text
}

/// Where a value begins.
fn at(name: &str, place: Place) -> String {
    let part = if place.dtype == DType::I8 { "bytes" } else { "halves" };
    match place.at {
        0 => format!("{name}_{part}"),
        at => format!("({name}_{part} + {at})"),
    }
}

fn convert(name: &str, input: &Input) -> String {
    let (own, place) = (identifier(&input.name), input.place);
    let value = match &input.raw {
        Raw::Bytes(_) => format!("{name}_{own}_table[{own}[i]]"),
        Raw::Floats { mean, .. } => {
            let quant = input.quant;
            let [low, high] = quant.range();
            let index = if mean.len() == 1 { "0".to_string() } else { format!("i % {}", mean.len()) };
            format!(
                "({}){name}_number(({own}[i] - {name}_{own}_mean[{index}]) * {name}_{own}_factor[{index}], {:?}f, {}, {low}, {high})",
                c_type(place.dtype),
                quant.scale,
                quant.zero_point
            )
        }
    };
    format!("    for (size_t i = 0; i < {}; i++) {{\n        {}[i] = {value};\n    }}\n", place.len, at(name, place))
}

fn window(window: &Window) -> String {
    let Window { input, kernel, stride, padding, dilation } = window;
    let list = |values: &[usize]| values.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "static const plexus_window window = {{{{{}}}, {{{}}}, {{{}}}, {{{}}}, {{{}}}}};",
        list(input),
        list(kernel),
        list(stride),
        list(padding),
        list(dilation)
    )
}

/// What is declared for the sums, and how it is passed.
fn sums_of(sums: &Sums, name: &str, bias: &Numbers, clamp: [i32; 2]) -> (String, String) {
    let bias_of = if bias.is_empty() { "NULL".to_string() } else { format!("{name}_bias") };
    let [low, high] = clamp;
    match sums {
        Sums::Affine { scales, rounding, input_zero_point, output_zero_point } => {
            let rounding = if *rounding == Rounding::Double { "PLEXUS_DOUBLE" } else { "PLEXUS_SINGLE" };
            let each = u8::from(scales.len() > 1);
            let declared = format!(
                "static const plexus_affine affine = {{{bias_of}, {name}_scales, {each}, {rounding}, {input_zero_point}, 0, \
                 {output_zero_point}, {low}, {high}}};"
            );
            (declared, "&affine".to_string())
        }
        Sums::Wide { scales } => {
            let each = u8::from(scales.len() > 1);
            let declared = format!(
                "static const plexus_affine_wide affine = {{{bias_of}, {name}_scales, {each}, {low}, {high}}};"
            );
            (declared, "&affine".to_string())
        }
        Sums::Shifts { bias, out, rounding, .. } => {
            let floor = u8::from(*rounding == ShiftRounding::Floor);
            let declared = format!("static const plexus_shifts shifts = {{{bias}, {out}, {floor}}};");
            (declared, format!("{bias_of}, shifts"))
        }
    }
}

fn call(index: usize, step: &Step, own: &str, name: &str, used: &mut Vec<String>) -> String {
    let (to, dtype) = (step.writes, step.writes.dtype);
    let input = step.reads[0].dtype;
    let from: Vec<String> = step.reads.iter().map(|read| at(name, *read)).collect();
    let (first, into) = (&from[0], at(name, to));
    let suffix = if dtype == DType::I8 { "s8" } else { "s16" };
    let [least, most] = if dtype == DType::I8 { ["INT8_MIN", "INT8_MAX"] } else { ["INT16_MIN", "INT16_MAX"] };
    let mut text = "    {\n".to_string();
    let mut uses = |function: String| -> String {
        let called = format!("plexus_{function}");
        used.push(function);
        called
    };
    let copy = format!(
        "        for (size_t i = 0; i < {}; i++) {{\n            {into}[i] = {first}[i];\n        }}\n",
        to.len
    );
    match &step.op {
        Op::FullyConnected { rows, inputs, outputs, weight, bias, sums, clamp } => {
            let function = uses(product("fully_connected", weight, input, sums));
            let (declared, passed) = sums_of(sums, own, bias, *clamp);
            _ = writeln!(text, "        {declared}");
            let run = |from: &str, to: &str| {
                format!("{function}({from}, {own}_weight, {passed}, {to}, {outputs}, {inputs});")
            };
            match rows {
                1 => _ = writeln!(text, "        {}", run(first, &into)),
                _ => {
                    let run = run(&format!("{first} + row * {inputs}"), &format!("{into} + row * {outputs}"));
                    _ = writeln!(
                        text,
                        "        for (size_t row = 0; row < {rows}; row++) {{\n            {run}\n        }}"
                    );
                }
            }
            if matches!(sums, Sums::Shifts { .. }) {
                let function = uses(format!("clamp_{suffix}"));
                _ = writeln!(text, "        {function}({into}, {}, {}, {});", clamp[0], clamp[1], to.len);
            }
        }
        Op::Conv { window: slides, filters, groups, transposed, weight, bias, sums, clamp } => {
            let prefix = if *transposed { "conv_transpose2d" } else { "conv2d" };
            let function = uses(product(prefix, weight, input, sums));
            let (declared, passed) = sums_of(sums, own, bias, *clamp);
            uses("window".to_string());
            _ = writeln!(text, "        {declared}\n        {}", window(slides));
            let last = match transposed {
                // Channels of the input.
                true => {
                    let [rows, cols] = slides.output();
                    format!("&window, {}", step.reads[0].len / (rows * cols))
                }
                false => format!("&window, {filters}, {groups}"),
            };
            _ = writeln!(text, "        {function}({first}, {own}_weight, {passed}, {into}, {last});");
            if matches!(sums, Sums::Shifts { .. }) {
                let function = uses(format!("clamp_{suffix}"));
                _ = writeln!(text, "        {function}({into}, {}, {}, {});", clamp[0], clamp[1], to.len);
            }
        }
        Op::MaxPool(slides) => {
            let function = uses(format!("max_pool_{suffix}"));
            _ = writeln!(
                text,
                "        {}\n        {function}({first}, {least}, {most}, {into}, &window);",
                window(slides)
            );
        }
        Op::AvgPool { window: slides, truncate: true } => {
            let function = uses("avg_pool_q7".to_string());
            _ = writeln!(text, "        {}\n        {function}({first}, {into}, &window);", window(slides));
        }
        Op::AvgPool { window: slides, truncate: false } => {
            let function = uses(format!("avg_pool_{suffix}"));
            _ = writeln!(
                text,
                "        {}\n        {function}({first}, {least}, {most}, {into}, &window);",
                window(slides)
            );
        }
        Op::Add { addends: [a, b], scale, zero_point, clamp: [low, high] } => {
            let function = uses(format!("add_{suffix}"));
            _ = writeln!(
                text,
                "        static const plexus_addition addition = {{{{{}, {}}}, {{{}, {}}}, {}, PLEXUS_DOUBLE, {zero_point}, {low}, {high}}};\n        \
                 {function}({first}, {}, &addition, {into}, {});",
                a.zero_point,
                b.zero_point,
                multiplier(a.scale),
                multiplier(b.scale),
                multiplier(*scale),
                from[1],
                to.len
            );
        }
        Op::Rescale { zero_points: [before, behind], scale } => {
            let function = uses(
                match (input, dtype) {
                    (DType::I8, DType::I8) => "rescale_s8",
                    (DType::I8, _) => "rescale_s8_to_s16",
                    (_, DType::I8) => "rescale_s16_to_s8",
                    _ => "rescale_s16",
                }
                .to_string(),
            );
            _ = writeln!(
                text,
                "        static const plexus_rescale rescale = {{{before}, {}, PLEXUS_DOUBLE, {behind}}};\n        \
                 {function}({first}, &rescale, {into}, {});",
                multiplier(*scale),
                to.len
            );
        }
        Op::Clamp([low, high]) => {
            let function = uses(format!("clamp_{suffix}"));
            _ = writeln!(text, "{copy}        {function}({into}, {low}, {high}, {});", to.len);
        }
        Op::Lookup(_) => {
            let function = uses(if dtype == DType::I8 { "lookup" } else { "lookup_s16" }.to_string());
            _ = writeln!(text, "{copy}        {function}({into}, {own}_table, {});", to.len);
        }
        Op::Softmax { cols, scale, least } => {
            let function = uses("softmax_s8".to_string());
            _ = writeln!(
                text,
                "        static const plexus_softmax_scale scale = {{{}, {}, {least}}};\n        {function}({first}, &scale, {into}, {}, {cols});",
                scale.multiplier(),
                scale.shift(),
                to.len / cols
            );
        }
        Op::SoftmaxWide { cols, scale, .. } => {
            let function = uses("softmax_s16".to_string());
            _ = writeln!(
                text,
                "        static const plexus_softmax_tables tables = {{{own}_exp, {own}_one_over_one_plus}};\n        \
                 static const plexus_multiplier scale = {};\n        {function}({first}, scale, &tables, {into}, {}, {cols});",
                multiplier(*scale),
                to.len / cols
            );
        }
        Op::Concat(channels) => {
            let function = uses(format!("concat_{suffix}"));
            let list: Vec<String> = channels.iter().map(usize::to_string).collect();
            let pixels = to.len / channels.iter().sum::<usize>().max(1);
            _ = writeln!(
                text,
                "        const {} *inputs[{}];\n        static const size_t channels[{}] = {{{}}};",
                c_type(dtype),
                channels.len(),
                channels.len(),
                list.join(", ")
            );
            for (at, from) in from.iter().enumerate() {
                _ = writeln!(text, "        inputs[{at}] = {from};");
            }
            _ = writeln!(text, "        {function}(inputs, channels, {}, {pixels}, {into});", channels.len());
        }
        Op::Transpose { rows, cols } => {
            _ = writeln!(
                text,
                "        for (size_t i = 0; i < {}; i++) {{\n            {into}[i % {cols} * {rows} + i / {cols}] = {first}[i];\n        }}",
                to.len
            );
        }
    }
    _ = writeln!(
        text,
        "    }}\n    if (watch != NULL) {{\n        watch({index}, {into}, {}, sizeof(*{into}));\n    }}",
        to.len
    );
    text
}

/// The golden inputs, and what prints the outputs of all steps.
pub(super) fn golden(name: &str, program: &Program, golden: &Golden) -> [String; 2] {
    let count = golden.vectors.len();
    let header = format!(
        "/* The golden inputs of {name}. */\n#ifndef {0}_GOLDEN_H\n#define {0}_GOLDEN_H\n\n#define {0}_VECTORS {count}\n\n\
         /* Runs all golden inputs and writes what each step makes of them, for `plexus verify`; `put` writes a text. */\n\
         void {name}_verify(void (*put)(const char *text));\n\n#endif\n",
        name.to_uppercase()
    );
    let mut text =
        format!("/* The golden inputs of {name}. */\n#include \"{name}_golden.h\"\n#include \"{name}.h\"\n\n");
    for (at, input) in program.inputs.iter().enumerate() {
        _ = writeln!(
            text,
            "static const {} {name}_golden_{}[{count}][{}] = {{",
            raw_type(input),
            identifier(&input.name),
            input.place.len
        );
        for vector in &golden.vectors {
            let row = match input.raw {
                Raw::Bytes(_) => lines(&vector.inputs[at].iter().map(|value| *value as u8).collect::<Vec<u8>>()),
                Raw::Floats { .. } => {
                    lines(&vector.inputs[at].iter().map(|value| format!("{value:?}f")).collect::<Vec<_>>())
                }
            };
            text += &format!("{{\n{row}}},\n");
        }
        text += "};\n";
    }
    for output in &program.outputs {
        _ = writeln!(
            text,
            "static {} {name}_out_{}[{}];",
            c_type(output.place.dtype),
            identifier(&output.name),
            output.place.len
        );
    }
    let passed: Vec<String> = program
        .inputs
        .iter()
        .map(|input| format!("{name}_golden_{}[vector]", identifier(&input.name)))
        .chain(program.outputs.iter().map(|output| format!("{name}_out_{}", identifier(&output.name))))
        .collect();
    _ = write!(
        text,
        "
static void (*{name}_put)(const char *text);
static size_t {name}_vector;

static void {name}_decimal(size_t value)
{{
    char digit[2] = {{0, 0}};
    if (value >= 10) {{
        {name}_decimal(value / 10);
    }}
    digit[0] = (char)('0' + (char)(value % 10));
    {name}_put(digit);
}}

/* A line for each step: the numbers of the input and of the step, and what it wrote in hexadecimal digits, the lowest byte first. */
static void {name}_line(size_t step, const void *numbers, size_t count, size_t size)
{{
    static const char digits[] = \"0123456789abcdef\";
    {name}_put(\"v \");
    {name}_decimal({name}_vector);
    {name}_put(\" \");
    {name}_decimal(step);
    {name}_put(\" \");
    for (size_t i = 0; i < count; i++) {{
        uint16_t number = size == 1 ? (uint16_t)((const uint8_t *)numbers)[i] : ((const uint16_t *)numbers)[i];
        for (size_t byte = 0; byte < size; byte++) {{
            char pair[3] = {{0, 0, 0}};
            pair[0] = digits[number >> 4 & 15];
            pair[1] = digits[number & 15];
            {name}_put(pair);
            number = (uint16_t)(number >> 8);
        }}
    }}
    {name}_put(\"\\n\");
}}

void {name}_verify(void (*put)(const char *text))
{{
    {name}_put = put;
    put(\"plexus verify 1\\n\");
    for (size_t vector = 0; vector < {count}; vector++) {{
        {name}_vector = vector;
        {name}_run_watched({}, {name}_line);
    }}
    put(\"end\\n\");
}}
",
        passed.join(", ")
    );
    [header, text]
}
