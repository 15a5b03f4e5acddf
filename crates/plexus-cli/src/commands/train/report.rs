//! The end of a run: pictures, results and what to do next.

use super::looks::{looks, segmentation};
use crate::Failure;
use crate::args::TrainArgs;
use crate::commands::results::{Results, add_to};
use crate::commands::{describe, png, save_picture, summary};
use crate::output::{accuracy, grouped, number, print_json, program, quoted, say, shown};
use crate::pictures::Theme;
use crate::pictures::curves::{Curves, learning_curves};
use image::{DynamicImage, GrayImage, RgbImage};
use plexus::{Finished, Run};
use plexus_train::data::{Dataset, Samples, Targets};
use plexus_train::evaluate::Answers;
use plexus_train::trainer::EpochRecord;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The end: pictures, summary, results and what to do next.
pub(super) fn report(run: &Run, finished: &Finished, elapsed: Duration, args: &TrainArgs) -> Result<(), Failure> {
    let folder = run.folder();
    let counted = summary::of_model(&finished.model);
    let text = summary::text(finished.model.network(), &counted, None) + &describe::text(&finished.model);
    plexus::files::write(&folder.join("summary.txt"), format!("{text}\n").as_bytes())?;
    let test_part = (&run.source().test, "test part");
    let results =
        finished.test.as_ref().map(|test| Results::all(&finished.model, test, test_part, None)).transpose()?;
    let results = results.unwrap_or_default();
    let mut pictures = vec!["learning-curves".to_string()];
    save_picture(folder, "learning-curves", &learning_curves(&curves(run)), Theme::Light)?;
    for results in &results {
        pictures.extend(results.save_pictures(folder, Theme::Light)?);
    }
    for (name, picture) in looks(&finished.model, &run.source().test)? {
        save_picture(folder, name, &picture, Theme::Light)?;
        pictures.push(name.to_string());
    }
    let segmented = segmentation(&finished.model, &run.source().test)?;
    if let Some(picture) = segmented {
        plexus::files::write(&folder.join("segmentation.png"), &png(&picture.into())?)?;
        pictures.push("segmentation".to_string());
    }
    let example = save_example(folder, &run.source().test)?;
    let seconds = elapsed.as_secs_f64();
    if args.json {
        let mut line = serde_json::json!({
            "event": "finished",
            "model": finished.model_path,
            "folder": folder,
            "float_model": run.has_whole_numbers().then(|| folder.join(Run::FLOAT)),
            "best_epoch": run.progress().best_epoch,
            "epochs": run.progress().epoch,
            "seconds": (seconds * 1000.0).round() / 1000.0,
        });
        if let Some(test) = &finished.test {
            add_to(&results, test, &mut line, "test_", false);
        }
        print_json(&line);
        return Ok(());
    }
    if !args.quiet {
        say!();
    }
    let best = run.progress().best_epoch;
    match &finished.test {
        Some(test) if test.outputs.len() > 1 => {
            let rows = grouped(test.rows);
            say!("Test      loss {} on {rows} rows; weights of epoch {best}", number(test.loss));
        }
        Some(_) => {}
        None => say!("Test      no rows were held out; weights of epoch {best}"),
    }
    for (index, results) in results.iter().enumerate() {
        let label = match results.output_name() {
            Some(name) => format!("{:<8}  ", shown(name)),
            None => "Test      ".to_string(),
        };
        let end = if results.output_name().is_some() { String::new() } else { format!("; weights of epoch {best}") };
        match &results.evaluation.answers {
            Answers::Classes { confusion, .. } if results.is_of_areas() => {
                say!("{label}{}{end}", results.score_of_areas(confusion));
            }
            Answers::Classes { confusion, .. } => say!(
                "{label}accuracy {} ({} of {} rows), loss {}{end}",
                accuracy(confusion.accuracy()),
                grouped(confusion.correct()),
                grouped(confusion.total()),
                number(results.evaluation.loss)
            ),
            Answers::Values(metrics) => say!(
                "{label}{}RMSE {}, MAE {}, R2 {} on {} rows{end}",
                target_name(run, index),
                number(metrics.root_mean_squared_error()),
                number(metrics.mean_absolute_error()),
                number(metrics.r2()),
                grouped(metrics.rows())
            ),
        }
        if let Some(interval) = results.interval() {
            say!("Interval  {interval}");
        }
        let baseline = results.baseline();
        say!("Baseline  {}", baseline.text);
        for (index, sentence) in baseline.warning.iter().enumerate() {
            say!("{}{sentence}", if index == 0 { "Warning   " } else { "          " });
        }
    }
    if !args.quiet {
        say!("Time      {seconds:.1} s");
    }
    say!("Model     {}", finished.model_path.display());
    let whole = run.spec().quantize.filter(|_| run.has_whole_numbers());
    if let Some(whole) = whole {
        let float = folder.join(Run::FLOAT);
        say!("Floats    {}: what the whole numbers ({}) were made of", float.display(), whole.scheme.name());
    }
    if args.quiet {
        return Ok(());
    }
    say!("Pictures  {} (.png and .svg)", pictures.join(", "));
    say!();
    say!("Next:");
    let (program, model) = (program(), quoted(&finished.model_path.display().to_string()));
    let source = quoted(&run.spec().data);
    say!("  {program} evaluate {model} --data {source}{}", data_options(run));
    match example {
        Some(picture) => say!("  {program} predict {model} {}", quoted(&picture.display().to_string())),
        None => say!("  {program} predict {model} --data {source} --row 0{}", data_options(run)),
    }
    say!("  {program} summary {model}");
    // What stays float is not exported.
    if whole.is_some() && finished.model.program(None).is_ok() {
        say!("  {program} export {model} --target c --out firmware");
    }
    Ok(())
}

/// The column that errors are in the unit of.
fn target_name(run: &Run, output: usize) -> String {
    match &run.source().train.targets()[output] {
        Targets::Values { names, .. } if run.source().table.is_some() => format!("{}: ", names[0]),
        _ => String::new(),
    }
}

/// The options without which the data would read otherwise.
fn data_options(run: &Run) -> String {
    let options = &run.spec().data_options;
    let mut text = String::new();
    if let Some(header) = options.header {
        text += if header { " --header yes" } else { " --header no" };
    }
    if let Some(delimiter) = options.delimiter {
        text += &format!(" --delimiter '{}'", char::from(delimiter));
    }
    text
}

fn curves(run: &Run) -> Curves {
    let history = &run.progress().history;
    let column = |of: fn(&EpochRecord) -> f64| history.iter().map(of).collect::<Vec<f64>>();
    let optional = |of: fn(&EpochRecord) -> Option<f64>| gapped(history.iter().map(of).collect());
    let metric_name = match run.source().train.target() {
        Targets::Classes { .. } => "accuracy",
        Targets::Values { .. } => "root mean squared error",
    };
    Curves {
        title: format!("{} on {}", run.spec().network, run.source().train.name()),
        epochs: column(|record| record.epoch as f64),
        train_loss: column(|record| record.train_loss),
        validation_loss: optional(|record| record.validation_loss),
        metric_name: metric_name.to_string(),
        train_metric: column(|record| record.train_metric),
        validation_metric: optional(|record| record.validation_metric),
        best_epoch: (run.progress().best_epoch as usize).checked_sub(1),
    }
}

/// Results of epochs for a curve: an epoch without one is a gap, so that the others stay at their epochs. Empty where there
/// is none at all.
fn gapped(results: Vec<Option<f64>>) -> Vec<f64> {
    match results.iter().all(Option::is_none) {
        true => Vec::new(),
        false => results.into_iter().map(|result| result.unwrap_or(f64::NAN)).collect(),
    }
}

/// The first test image as a PNG to try `predict` on, where samples are images.
fn save_example(folder: &Path, data: &Dataset) -> Result<Option<PathBuf>, Failure> {
    let (Samples::U8(values), &[channels @ (1 | 3), height, width]) = (data.samples(), data.input().axes()) else {
        return Ok(None);
    };
    if data.is_empty() {
        return Ok(None);
    }
    // White in a set of its own is its largest value; of color it is 255.
    let largest = if channels == 1 { values.iter().max().copied().unwrap_or(255).max(1) } else { u8::MAX };
    let scaled = |value: u8| ((u32::from(value) * 255 + u32::from(largest) / 2) / u32::from(largest)) as u8;
    let plane = height * width;
    let pixels = (0..plane).flat_map(|at| (0..channels).map(move |channel| scaled(values[channel * plane + at])));
    let (width, height, pixels) = (width as u32, height as u32, pixels.collect());
    let image: DynamicImage = match channels {
        1 => GrayImage::from_raw(width, height, pixels).expect("one byte for each pixel").into(),
        _ => RgbImage::from_raw(width, height, pixels).expect("three bytes for each pixel").into(),
    };
    let path = folder.join("example.png");
    plexus::files::write(&path, &png(&image)?)?;
    Ok(Some(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_without_a_result_leaves_the_others_at_their_places() {
        let results = gapped(vec![Some(1.0), None, Some(3.0)]);
        assert!(results[0] == 1.0 && results[1].is_nan() && results[2] == 3.0 && results.len() == 3);
        assert!(gapped(vec![None, None]).is_empty());
    }
}
