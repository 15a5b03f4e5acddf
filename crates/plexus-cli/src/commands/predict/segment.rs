//! Models that give a class for each pixel: a mask for each image, whatever its size.

use super::input::{self, Pixels};
use crate::Failure;
use crate::args::{Format, PredictArgs};
use crate::commands::png;
use crate::output::{print_json, say};
use crate::pictures::mask;
use plexus::{Model, Task, files};
use std::path::{Path, PathBuf};

/// Whether this is for images whose pixels get a class each; others are answered like rows.
pub(super) fn is_meant(model: &Model, args: &PredictArgs) -> bool {
    let has_pixels = model.outputs().len() == 1
        && matches!(model.task(), Task::Classification { .. })
        && model.positions(0).len() == 2
        && model.network().input().axes().len() == 3;
    has_pixels && !args.inputs.is_empty() && args.inputs.iter().all(|input| input::is_image(input))
}

/// Answers every image, and writes its mask where one is wanted.
pub(super) fn run(model: &Model, args: &PredictArgs) -> Result<(), Failure> {
    let refuse = |message: &str| Err(Failure::Input(message.to_string()));
    if args.threshold.is_some() || args.probabilities {
        return refuse(
            "--threshold and --probabilities are for one answer a row, but the model answers with a class for each pixel",
        );
    }
    if args.format.is_some_and(|format| format == Format::Csv) {
        return refuse(
            "a class for each pixel fits into no table: leave --format out, and write masks with --out mask.png",
        );
    }
    let names = model.task().names();
    for input in &args.inputs {
        let pixels = input::pixels(model, &args.reading(), input, &files::read(Path::new(input))?)?;
        let Pixels { values, axes: [channels, height, width] } = pixels;
        let classes = model.segment_picture(&values, [height, width], Model::TILE_BYTES)?;
        let mask = args.out.as_ref().map(|out| target(out, input, args.inputs.len())).transpose()?;
        if let Some(path) = &mask {
            files::write(path, &png(&mask::labels(&classes, [height, width], names.len()).into())?)?;
        }
        let overlay = args.overlay.as_ref().map(|out| target(out, input, args.inputs.len())).transpose()?;
        if let Some(path) = &overlay {
            let picture = mask::visible(&values, [channels, height, width]);
            files::write(path, &png(&mask::overlay(&picture, &classes).into())?)?;
        }
        let count = |class: usize| classes.iter().filter(|found| **found as usize == class).count();
        let shares: Vec<f64> = (0..names.len()).map(|class| count(class) as f64 / classes.len() as f64).collect();
        if args.json || args.format == Some(Format::Json) {
            let shares: serde_json::Map<String, serde_json::Value> =
                names.iter().cloned().zip(shares.into_iter().map(serde_json::Value::from)).collect();
            print_json(&serde_json::json!({
                "input": input, "height": height, "width": width, "shares": shares, "mask": mask, "overlay": overlay,
            }));
            continue;
        }
        let shown: Vec<String> =
            names.iter().zip(&shares).map(|(name, share)| format!("{name} {:.1} %", 100.0 * share)).collect();
        let written: Vec<String> = mask.iter().chain(&overlay).map(|path| path.display().to_string()).collect();
        let written = if written.is_empty() { String::new() } else { format!("; {}", written.join(", ")) };
        say!("{input}: {} of {height}x{width} pixels{written}", shown.join(", "));
    }
    if args.out.is_none() && args.overlay.is_none() && !args.quiet && !args.json && args.format.is_none() {
        say!("The mask is written with --out mask.png, a picture for people with --overlay overlay.png.");
    }
    Ok(())
}

/// Where a picture goes: the file named, or one of the input's name in the folder named.
pub(super) fn target(out: &Path, input: &str, inputs: usize) -> Result<PathBuf, Failure> {
    let is_png = out.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("png"));
    let path = match out.is_dir() {
        true => {
            let stem = Path::new(input).file_stem().map_or_else(|| "mask".into(), |stem| stem.to_os_string());
            let mut name = stem;
            name.push(".png");
            out.join(name)
        }
        false if inputs > 1 => {
            return Err(Failure::Input(format!(
                "{} is no folder, but there are {inputs} images; name a folder that is there, for a mask of each",
                out.display()
            )));
        }
        false if !is_png => {
            return Err(Failure::Input(format!("{} must end in .png, or be a folder that is there", out.display())));
        }
        false => out.to_path_buf(),
    };
    let same = path.canonicalize().is_ok_and(|path| Path::new(input).canonicalize().is_ok_and(|input| input == path));
    match same {
        true => Err(Failure::Input(format!("{} is an input itself: choose another name", path.display()))),
        false => Ok(path),
    }
}
