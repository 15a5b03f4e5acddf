//! The page that explains an exported program.

use super::Target;
use super::lower::{Output, Program, Raw, Step};
use super::names::{constants, identifier, scales, what};
use super::readout::Readout;
use plexus_nn::{DType, Quant};

/// Bytes of constants of a step.
pub(super) fn constant_bytes(step: &Step) -> usize {
    let numbers: usize = constants(&step.op).iter().map(|(_, numbers)| numbers.bytes()).sum();
    numbers + scales(&step.op).map_or(0, |scales| 8 * scales.len())
}

/// What the rows of measured numbers begin with, before they were measured.
pub const NOT_MEASURED: &str = "not measured: see `plexus verify`";

pub(super) fn page(name: &str, program: &Program, target: Target, readout: Option<&Readout>) -> String {
    let steps = program.steps.iter().map(|step| {
        let bytes = constant_bytes(step);
        let layer = step.layer.replace('|', "\\|");
        format!(
            "| {layer} | {} | {} {} | {} | {bytes} |\n",
            what(step),
            step.writes.len,
            step.writes.dtype.name(),
            step.macs
        )
    });
    let constants: usize = program.steps.iter().map(constant_bytes).sum();
    let inputs = program.inputs.iter().map(|input| {
        let form = match &input.raw {
            Raw::Bytes(_) => "bytes from 0 to 255 (a table makes whole numbers of them)".to_string(),
            Raw::Floats { .. } => {
                "32-bit floats, as the model was trained on (this is the only place with floats)".to_string()
            }
        };
        format!("- input `{}`: {} numbers {:?}, {form}\n", identifier(&input.name), input.place.len, input.shape)
    });
    let outputs = program.outputs.iter().map(|output| {
        format!(
            "- output `{}`: {} numbers {} {:?}; `{}` is the value\n",
            identifier(&output.name),
            output.place.len,
            output.place.dtype.name(),
            output.shape,
            output.formula()
        )
    });
    let calls = calls(name, program, target, readout.is_some());
    let use_it = match target {
        Target::Rust => format!(
            "Depend on this folder, and:\n\n```rust\n{calls}```\n\n\
             The crate has no dependency but `plexus-micro`, whose source is in the folder beside it.\n"
        ),
        Target::C => format!(
            "Compile `{name}.c` with your program, and:\n\n```c\n#include \"{name}.h\"\n{calls}```\n\n\
             `{name}.c` is C99 and needs nothing but <stdint.h> and <stddef.h>.\n"
        ),
    };
    let verify = match target {
        Target::Rust => format!("`{name}::golden::verify(&mut model, &mut |text| ...)`"),
        Target::C => format!("`{name}_verify(put)` of `{name}_golden.h`"),
    };
    let learning = readout.map_or(String::new(), |readout| {
        let call = match target {
            Target::Rust => "`Readout::classify` and `Readout::learn`".to_string(),
            Target::C => format!("`{name}_classify` and `{name}_learn`"),
        };
        format!(
            "## It learns\n\nThe program gives {} features; the last layer, {} classes, is a layer of its own that learns from examples: {call}. It takes {} \
             bytes of memory, and an example changes the weights only as far as its class has to come ahead (passive-aggressive updates, \
             in whole numbers). Behind each example it is shown the {} kept ones of the classes that it knew, so that it does not forget \
             them. Show examples of several new classes in turns. What was learnt are the weights: keep them where the device keeps \
             its settings.\n\n",
            readout.features,
            readout.classes,
            2 * readout.weight.len(),
            readout.kept.len()
        )
    });
    format!(
        "# {name}\n\nA network of whole numbers, written by Plexus. Everything here follows from the model; change that and export it again.\n\n\
         {}{}\n{use_it}\n## What it takes\n\n| | |\n|---|---|\n| constants in flash | {constants} bytes |\n| memory for values (static) | {} bytes |\n\
         | multiply-adds of a run | {} |\n| flash, code and constants | {NOT_MEASURED} |\n| stack | {NOT_MEASURED} |\n| instructions of a run | {NOT_MEASURED} |\n\n\
         | step | | writes | multiply-adds | bytes of constants |\n|---|---|---|---:|---:|\n{}\n\
         {learning}## Is it right on the board?\n\n`golden.json` has inputs with the outputs of every layer, computed where the program was written. {verify} runs the same \
         inputs on the board and writes a line for each layer. `plexus verify` compares them and \
         names the first layer that differs, with both values. Leave the golden inputs out of the final program: nothing else uses them.\n",
        inputs.collect::<String>(),
        outputs.collect::<String>(),
        program.memory_bytes(),
        program.macs(),
        steps.collect::<String>(),
    )
}

impl Output {
    /// What a number stands for, as a formula.
    pub(super) fn formula(&self) -> String {
        let Quant { zero_point, scale, .. } = self.quant;
        let offset = if self.offset == 0.0 { String::new() } else { format!(" + ({:?})", self.offset) };
        format!("(number - {zero_point}) * {scale:?}{offset}")
    }
}

/// How the program is called, and what is done with its outputs: a single number is an answer, several in a row are scores of classes,
/// features are for the layer that learns.
fn calls(name: &str, program: &Program, target: Target, learns: bool) -> String {
    let several = program.outputs.len() > 1;
    let inputs: Vec<String> = program.inputs.iter().map(|input| identifier(&input.name)).collect();
    let raw = |raw: &Raw, of: [&'static str; 2]| if matches!(raw, Raw::Bytes(_)) { of[0] } else { of[1] };
    let mut text = String::new();
    if target == Target::Rust {
        text +=
            &format!("let mut model = {name}::Model::new();    // it has no memory but its own: a static will do\n");
    }
    for (input, name) in program.inputs.iter().zip(&inputs) {
        let len = input.place.len;
        text += &match target {
            Target::Rust => format!("let {name}: [{}; {len}] = ...;\n", raw(&input.raw, ["u8", "f32"])),
            Target::C => format!("{} {name}[{len}];\n", raw(&input.raw, ["uint8_t", "float"])),
        };
    }
    let own = |output: &Output| if several { identifier(&output.name) } else { "output".to_string() };
    if target == Target::C {
        for output in &program.outputs {
            let kind = if output.place.dtype == DType::I8 { "int8_t" } else { "int16_t" };
            text += &format!("{kind} {}[{}];\n", own(output), output.place.len);
        }
        let outputs = program.outputs.iter().map(own);
        let arguments: Vec<String> = inputs.iter().cloned().chain(outputs).collect();
        text += &format!("{name}_run({});\n", arguments.join(", "));
    }
    for (index, output) in program.outputs.iter().enumerate() {
        let numbers = match target {
            Target::Rust if index == 0 => {
                let arguments: Vec<String> = inputs.iter().map(|input| format!("&{input}")).collect();
                format!("model.run({})", arguments.join(", "))
            }
            Target::Rust => format!("model.{}()", identifier(&output.name)),
            Target::C => own(output),
        };
        let of = if several { format!("{}_", own(output)) } else { String::new() };
        let (zero_point, scale, len) = (output.quant.zero_point, output.quant.scale, output.place.len);
        let offset = |unit: &str| match output.offset {
            0.0 => String::new(),
            offset => format!(" + ({offset:?}{unit})"),
        };
        text += &match target {
            Target::Rust if learns => {
                format!("let mut readout = {name}::Readout::new();\nlet class = readout.classify({numbers});\n")
            }
            Target::C if learns => format!("size_t class = {name}_classify({numbers});\n"),
            Target::Rust if len == 1 => {
                let offset = offset("");
                format!("let {of}value = (f32::from({numbers}[0]) - ({zero_point}.0)) * {scale:?}{offset};\n")
            }
            Target::C if len == 1 => {
                let offset = offset("f");
                format!("float {of}value = (float)({numbers}[0] - ({zero_point})) * {scale:?}f{offset};\n")
            }
            Target::Rust if output.shape.len() == 1 => format!("let {of}class = {name}::largest({numbers});\n"),
            Target::C if output.shape.len() == 1 => format!("size_t {of}class = {name}_largest({numbers}, {len});\n"),
            Target::Rust => format!("let {of}numbers = {numbers};\n"),
            Target::C => String::new(),
        };
    }
    text
}
