//! `plexus quantize`: a model of whole numbers, and what it costs.

use crate::Failure;
use crate::args::{CalibrationArg, QuantizeArgs, RoundingArg, SchemeArg};
use crate::commands::{csv_text, is_svg, model_path, save_drawing};
use crate::output::{accuracy, bytes, grouped, number, print_json, program, quoted, say, table, yellow};
use crate::pictures::quantization::{self, quantization};
use crate::progress::{Bar, PATIENCE, Part as Said, Streams};
use plexus::quant::{LayerReport, Scheme};
use plexus::{Chosen, Context, Model, Part, PlanOptions, Pool, QuantizedModel, Widening};
use plexus_train::data::Dataset;
use plexus_train::evaluate::{Answers, Evaluation};
use serde_json::json;
use std::path::{Path, PathBuf};

/// What a model is measured with: a share of right answers, or an error of numbers.
#[derive(Clone, Copy, Debug)]
struct Measured {
    value: f64,
    is_accuracy: bool,
}

impl Measured {
    fn of(evaluation: &Evaluation) -> Measured {
        let is_accuracy = matches!(evaluation.first().answers, Answers::Classes { .. });
        Measured { value: evaluation.metric(), is_accuracy }
    }

    fn name(self) -> &'static str {
        if self.is_accuracy { "accuracy" } else { "rmse" }
    }

    /// Of what is lost.
    fn unit(self) -> &'static str {
        if self.is_accuracy { "points of accuracy" } else { "percent of the error" }
    }

    fn shown(self) -> String {
        if self.is_accuracy { accuracy(self.value) } else { number(self.value) }
    }

    /// What another one has lost against this: points of accuracy, or percent of the error.
    fn lost(self, other: f64) -> f64 {
        match self.is_accuracy {
            true => (self.value - other) * 100.0,
            false => (other / self.value.max(f64::MIN_POSITIVE) - 1.0) * 100.0,
        }
    }
}

/// Quantizes, measures, writes, and says what became of what.
pub fn run(args: QuantizeArgs) -> Result<(), Failure> {
    check(&args)?;
    let context = Context::detect(Pool::new(args.threads));
    let path = model_path(&args.model)?;
    let out = args.out.clone().unwrap_or_else(|| beside(&path, args.scheme.into()));
    refuse_own_input(&path, &out)?;
    let model = Model::open_with(&path, PlanOptions::default(), context)?;
    let trained_on = model.split().map(|split| split.data.as_str());
    let source = args.data.as_deref().or(trained_on).unwrap_or("digits").to_string();
    let data = args.source.options();
    let calibration = model.choose_rows(&source, &data, Some(Part::Train));
    // A table that is not that of the training has one part only.
    let calibration = match calibration {
        Ok(chosen) if !chosen.data.is_empty() => chosen,
        _ => model.choose_rows(&source, &data, Some(Part::All))?,
    };
    let Chosen { data: held_out, part, warning } = model.choose_rows(&source, &data, None)?;
    if let Some(warning) = &warning {
        eprintln!("{}: {warning}", yellow("warning"));
    }
    for rows in [&calibration.data, &held_out] {
        model.check_data(rows)?;
        if rows.is_empty() {
            return Err(Failure::Input(format!(
                "{source} has no rows to quantize with: choose other data with --data"
            )));
        }
    }
    let (inputs, rows) = spread(&calibration.data, args.rows);
    let inputs: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
    let bar = Bar::after(PATIENCE, Streams::new());
    let float = Measured::of(&model.evaluate(&held_out)?);
    let budget = args.keep_within.unwrap_or(f64::INFINITY);
    let mut round = 0;
    let (quantized, tried) = model.quantize_until(
        &inputs,
        rows,
        &args.options(),
        |model| -> Result<f64, Failure> {
            round += 1;
            let said = Said::new(format!("measuring the model of whole numbers, {round}"), [(1, "")]);
            bar.update(|| (0.5, vec![said], Vec::new()));
            Ok(model.evaluate(&held_out)?.metric())
        },
        |measured| float.lost(measured) <= budget,
    )?;
    bar.clear();
    let whole = tried.last().expect("there is one at least").measure;
    quantized.model.save(&out)?;
    if let Some(picture) = &args.picture {
        let title = format!("{} as {}", args.model.display(), Scheme::from(args.scheme).name());
        let subtitle =
            format!("{}: {} float, {} of whole numbers", float.name(), float.shown(), measured(float, whole));
        save_drawing(picture, &quantization(&title, &subtitle, &bars(&quantized.layers)), args.dark)?;
    }
    if args.print.json {
        print_json(&json!({
            "model": out, "scheme": Scheme::from(args.scheme).name(), "options": args.options(), "data": source,
            "calibration_rows": rows, "test_rows": held_out.len(), "part": part, "measure": float.name(),
            "float": float.value, "integer": whole, "lost": float.lost(whole), "layers": quantized.layers,
            "tried": tried.iter().map(|one| json!({"wide": one.wide, float.name(): one.measure})).collect::<Vec<_>>(),
            "notes": quantized.notes,
        }));
    } else if args.print.csv {
        say!("{}", csv(&quantized.layers));
    } else {
        print(&args, &quantized, (rows, &calibration.data, &held_out, part), (float, whole), &tried);
        let shown = quoted(&out.display().to_string());
        say!("Model: {shown}");
        say!("Next:  {} evaluate {shown} --data {}", program(), quoted(&source));
    }
    match float.lost(whole) <= budget {
        true => Ok(()),
        false => Err(Failure::Input(format!(
            "{} {} are lost, and --keep-within allows {budget}: all layers have 16-bit activations by now. The model is \
             written all the same. Try --calibration percentile, or the scheme int16",
            number(float.lost(whole)),
            float.unit()
        ))),
    }
}

/// Refuses options that mean nothing for a scheme.
fn check(args: &QuantizeArgs) -> Result<(), Failure> {
    let shifts = Scheme::from(args.scheme).is_power_of_two();
    let wrong = [(args.floor, "--floor"), (args.interleaved, "--interleaved"), (args.cmsis, "--cmsis")];
    if let Some((_, flag)) = wrong.iter().find(|(given, _)| *given && !shifts) {
        return Err(Failure::Input(format!("{flag} is for the schemes of shifts: q7, q15 and q7q15")));
    }
    if args.rounding.is_some() && shifts {
        return Err(Failure::Input(
            "--rounding is for the schemes of real scales; q7, q15 and q7q15 have --floor".to_string(),
        ));
    }
    if args.percent.is_some() && args.calibration != CalibrationArg::Percentile {
        return Err(Failure::Input("--percent is for --calibration percentile".to_string()));
    }
    if args.keep_within.is_some() && matches!(args.rounding, Some(RoundingArg::Float64 | RoundingArg::Float32Even)) {
        return Err(Failure::Input(
            "--keep-within gives layers 16-bit activations, whose products have one rounding: use --rounding double or single with it"
                .to_string(),
        ));
    }
    if let Some(picture) = &args.picture {
        is_svg(picture)?;
    }
    if args.keep_within.is_some() && matches!(args.scheme, SchemeArg::Int16 | SchemeArg::Q15) {
        return Err(Failure::Input(
            "--keep-within gives layers 16-bit activations, which all have in this scheme: leave it out".to_string(),
        ));
    }
    Ok(())
}

/// Rows spread evenly over the data: the values of each input, and how many.
fn spread(data: &Dataset, most: usize) -> (Vec<Vec<f32>>, usize) {
    let rows = most.min(data.len());
    let input = |input: &plexus_train::data::InputRows| {
        let len = input.shape.len().unwrap_or(0);
        let mut values = vec![0.0; rows * len];
        for (at, to) in values.chunks_exact_mut(len.max(1)).enumerate() {
            input.copy((at * data.len() / rows) as u64, to);
        }
        values
    };
    (data.inputs().iter().map(input).collect(), rows)
}

/// The file beside a model, with the scheme in its name.
fn beside(path: &Path, scheme: Scheme) -> PathBuf {
    let stem = path.file_stem().map_or_else(|| "model".to_string(), |stem| stem.to_string_lossy().into_owned());
    path.with_file_name(format!("{stem}-{}.safetensors", scheme.name()))
}

/// The model that is read is not written over.
fn refuse_own_input(from: &Path, out: &Path) -> Result<(), Failure> {
    let (Ok(read), Ok(written)) = (from.canonicalize(), out.canonicalize()) else { return Ok(()) };
    match read == written {
        true => {
            Err(Failure::Input(format!("{} is the model that is read: choose another name with --out", out.display())))
        }
        false => Ok(()),
    }
}

fn measured(float: Measured, value: f64) -> String {
    Measured { value, ..float }.shown()
}

/// For the picture: name and relative error of each layer.
fn bars(layers: &[LayerReport]) -> Vec<quantization::Bar> {
    let whole = layers.iter().filter(|layer| layer.scale.is_some());
    let bar = |layer: &LayerReport| quantization::Bar {
        name: layer.own.clone(),
        error: layer.error,
        wide: layer.output == "i16",
    };
    whole.map(bar).collect()
}

fn print(
    args: &QuantizeArgs,
    quantized: &QuantizedModel,
    (rows, calibration, held_out, part): (usize, &Dataset, &Dataset, &str),
    (float, whole): (Measured, f64),
    tried: &[Widening],
) {
    let scheme = Scheme::from(args.scheme).name();
    say!("{} as {scheme}, ranges from {} rows of {}", args.model.display(), grouped(rows as u64), calibration.name());
    let header = ["layer", "as", "weight", "output", "scale", "error", "cut off", "bytes", "float"];
    let mut lines = table(&header, &[4, 5, 6, 7, 8]);
    let (mut sum, mut float_sum) = (0, 0);
    for layer in &quantized.layers {
        (sum, float_sum) = (sum + layer.bytes, float_sum + layer.float_bytes);
        let size = |count: u64| if count == 0 { String::new() } else { bytes(count) };
        lines.add_row([
            layer.own.clone(),
            layer.integer_kind.strip_prefix("integer_").unwrap_or(&layer.integer_kind).to_string(),
            layer.weight_bits.map_or(String::new(), |bits| format!("i{bits}")),
            layer.output.to_string(),
            layer.scale.map_or(String::new(), |scale| number(f64::from(scale))),
            format!("{:.2} %", 100.0 * layer.error),
            if layer.scale.is_some() { format!("{:.2} %", 100.0 * layer.saturated) } else { String::new() },
            size(layer.bytes),
            size(layer.float_bytes),
        ]);
    }
    lines.add_row(["all", "", "", "", "", "", "", &bytes(sum), &bytes(float_sum)]);
    say!("{lines}");
    say!(
        "error: how far the values behind a layer are from those of the float model, as a share of them (root mean square)"
    );
    quantized.notes.iter().for_each(|note| say!("{note}"));
    for one in tried.iter().filter(|_| tried.len() > 1) {
        let wide = if one.wide.is_empty() { "no layer".to_string() } else { one.wide.join(", ") };
        say!("16-bit activations in {wide}: {}", measured(float, one.measure));
    }
    say!("On {} rows of {} ({part}):", grouped(held_out.len() as u64), held_out.name());
    let mut sides = table(&["", float.name(), "weights"], &[1, 2]);
    sides.add_row(["float", &float.shown(), &bytes(float_sum)]);
    sides.add_row([scheme, &measured(float, whole), &bytes(sum)]);
    say!("{sides}");
    let lost = float.lost(whole);
    match float.is_accuracy {
        _ if lost == 0.0 => say!("Nothing is lost."),
        true => say!("{} points of accuracy {}.", number(lost.abs()), if lost > 0.0 { "lost" } else { "won" }),
        false => say!("The error is {} % {}.", number(lost.abs()), if lost > 0.0 { "larger" } else { "smaller" }),
    }
}

/// What became of what, for programs.
fn csv(layers: &[LayerReport]) -> String {
    let header = [
        "layer",
        "kind",
        "name",
        "integer_kind",
        "weight_bits",
        "output",
        "scale",
        "zero_point",
        "error",
        "largest_difference",
        "saturated",
        "bytes",
        "float_bytes",
    ];
    let shown = |value: Option<String>| value.unwrap_or_default();
    let rows = layers.iter().map(|layer| {
        vec![
            layer.layer.clone(),
            layer.kind.clone(),
            layer.name.clone(),
            layer.integer_kind.clone(),
            shown(layer.weight_bits.map(|bits| bits.to_string())),
            layer.output.to_string(),
            shown(layer.scale.map(|scale| scale.to_string())),
            shown(layer.zero_point.map(|zero_point| zero_point.to_string())),
            layer.error.to_string(),
            layer.largest.to_string(),
            layer.saturated.to_string(),
            layer.bytes.to_string(),
            layer.float_bytes.to_string(),
        ]
    });
    csv_text(&header, rows)
}
