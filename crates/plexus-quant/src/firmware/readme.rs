//! The page that explains an exported program.

use super::Target;
use super::lower::{Program, Raw, Step};
use super::names::{constants, identifier, scales, what};
use super::readout::Readout;

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
            "- output `{}`: {} numbers {} {:?}; `(number - {}) * {:?}` is the value\n",
            identifier(&output.name),
            output.place.len,
            output.place.dtype.name(),
            output.shape,
            output.quant.zero_point,
            output.quant.scale
        )
    });
    let first_input = identifier(&program.inputs[0].name);
    let element = match program.inputs[0].raw {
        Raw::Bytes(_) => ("u8", "uint8_t"),
        Raw::Floats { .. } => ("f32", "float"),
    };
    let len = program.inputs[0].place.len;
    let output = &program.outputs[0];
    // Features are for the layer that learns; a single number is an answer, several are scores of classes.
    let (zero_point, scale) = (output.quant.zero_point, output.quant.scale);
    let answer = match (target, output.place.len) {
        (Target::Rust, _) if readout.is_some() => format!(
            "let mut readout = {name}::Readout::new();\nlet class = readout.classify(model.run(&{first_input}));"
        ),
        (Target::C, _) if readout.is_some() => format!("size_t class = {name}_classify(output);"),
        (Target::Rust, 1) => {
            format!("let value = (f32::from(model.run(&{first_input})[0]) - {zero_point} as f32) * {scale:?};")
        }
        (Target::Rust, _) => format!("let class = {name}::largest(model.run(&{first_input}));"),
        (Target::C, 1) => format!("float value = (float)(output[0] - ({zero_point})) * {scale:?}f;"),
        (Target::C, len) => format!("size_t class = {name}_largest(output, {len});"),
    };
    let use_it = match target {
        Target::Rust => format!(
            "Depend on this folder, and:\n\n```rust\nstatic MODEL: Mutex<{name}::Model> = ...;    // or a local: Model::new() takes no memory but its own\n\
             let mut model = {name}::Model::new();\nlet {first_input}: [{}; {len}] = ...;\n{answer}\n```\n\n\
             The crate has no dependency but `plexus-micro`, whose source is in the folder beside it.\n",
            element.0
        ),
        Target::C => format!(
            "Compile `{name}.c` with your program, and:\n\n```c\n#include \"{name}.h\"\n{} {first_input}[{len}];\n{} output[{}];\n\
             {name}_run({first_input}, output);\n{answer}\n```\n\n\
             `{name}.c` is C99 and needs nothing but <stdint.h> and <stddef.h>.\n",
            element.1,
            if output.place.dtype == plexus_nn::DType::I8 { "int8_t" } else { "int16_t" },
            output.place.len
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
