//! `plexus trace`: one input, every primitive.

use crate::Failure;
use crate::args::TraceArgs;
use crate::commands::open_network;
use crate::output::{grouped, print_json, say};
use plexus_nn::layer::Operand;
use plexus_nn::trace::trace;
use plexus_nn::{Params, PlanOptions, Shape};

/// Nobody reads more, and it still fits into memory.
const MOST_NUMBERS: usize = 1 << 26;

/// Prints every primitive with its operands and its result.
pub fn run(args: TraceArgs) -> Result<(), Failure> {
    let (input, options) = (args.input.as_deref(), PlanOptions::default());
    let (network, model) = open_network(&args.network, input, args.outputs, (Shape::new([2]), 2), options)?;
    let outputs =
        (0..network.network().layers.len()).map(|layer| network.output_shape(layer).len().unwrap_or(usize::MAX));
    let numbers = outputs.fold(network.layout().weights_len() + network.input_len(), usize::saturating_add);
    if numbers > MOST_NUMBERS {
        return Err(Failure::Input(format!(
            "{} has {} weights, inputs and activations, but trace takes at most {}: it is for looking at small networks",
            args.network,
            grouped(numbers as u64),
            grouped(MOST_NUMBERS as u64)
        )));
    }
    let params = model.map_or_else(|| Params::initialize(&network, args.seed), |model| model.params());
    let values: Vec<f32> = match &args.values {
        None => (1..=network.input_len()).map(|index| index as f32).collect(),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            Failure::Input(format!("the input \"{text}\" is not a JSON array of numbers, as '[1, 2.5]': {error}"))
        })?,
    };
    let traced = trace(&network, &params, network.batch(&values, 1)?);
    if args.json {
        for layer in &traced {
            print_json(&serde_json::to_value(layer).expect("plain data has a JSON form"));
        }
        return Ok(());
    }
    let mut step = 0;
    for layer in &traced {
        say!("{} ({})", layer.name, layer.kind);
        for primitive in &layer.primitives {
            step += 1;
            say!("  {step}. {}: {}", primitive.operation, primitive.formula);
            for operand in &primitive.operands {
                print_operand("in ", operand, args.full);
            }
            print_operand("out", &primitive.result, args.full);
        }
    }
    Ok(())
}

/// Numbers shown of a row, rows shown, and maps shown, unless all are asked for.
const SHOWN: usize = 8;
const SHOWN_MAPS: usize = 2;

fn print_operand(direction: &str, operand: &Operand, full: bool) {
    let shape = Shape::new(operand.shape.clone());
    let (label, axes) = (format!("{} {shape}", operand.name), shape.axes());
    let width = shape.last().unwrap_or(1).max(1);
    let Some((leading, &[height, _])) = axes.split_last_chunk::<2>().filter(|(leading, _)| !leading.is_empty()) else {
        print_rows(&format!("     {direction} {label:<22}"), &operand.values, width, full);
        return;
    };
    // Maps, each behind its place on the axes in front.
    say!("     {direction} {label}");
    let maps: Vec<&[f32]> = operand.values.chunks((height * width).max(1)).collect();
    let shown = if full { maps.len() } else { SHOWN_MAPS };
    for (index, map) in maps.iter().enumerate().take(shown) {
        let mut rest = index;
        let mut place: Vec<String> = Vec::new();
        for axis in leading.iter().rev() {
            place.push((rest % axis).to_string());
            rest /= axis;
        }
        place.reverse();
        print_rows(&format!("         {:<22}", format!("[{}]", place.join(", "))), map, width, full);
    }
    if maps.len() > shown {
        say!("         … {} more maps; --full prints all", grouped((maps.len() - shown) as u64));
    }
}

/// Rows of numbers; the label stands in front of the first.
fn print_rows(label: &str, values: &[f32], width: usize, full: bool) {
    let shown = if full { usize::MAX } else { SHOWN };
    let rows = values.chunks(width).collect::<Vec<_>>();
    let row_text = |row: &[f32]| {
        let mut text = row.iter().take(shown).map(|value| format!("{value:>9.4}")).collect::<Vec<_>>().join(" ");
        if row.len() > shown {
            text += &format!(" … {} more", row.len() - shown);
        }
        text
    };
    let indent = " ".repeat(label.chars().count());
    for (index, row) in rows.iter().take(shown).enumerate() {
        say!("{} {}", if index == 0 { label } else { &indent }, row_text(row));
    }
    if rows.len() > shown {
        say!("{indent} … {} more rows; --full prints all", rows.len() - shown);
    }
}
