//! Classifiers whose layers slide: a class for each window of an image.

use super::input::{self, Pixels};
use super::segment::target;
use crate::Failure;
use crate::args::{Format, PredictArgs};
use crate::commands::png;
use crate::output::{percent, print_json, say};
use crate::pictures::mask;
use plexus::{ClassMap, Model, files};
use plexus_train::data::Picture;
use std::path::Path;

/// Classes that a picture of their numbers can hold.
const MOST_CLASSES: usize = 256;

/// Whether each window is to be answered: where it is asked for, and for images of another size than the model's that are not to be
/// resized.
pub(super) fn is_meant(model: &Model, args: &PredictArgs) -> Result<bool, Failure> {
    let images = !args.inputs.is_empty() && args.inputs.iter().all(|input| input::is_image(input));
    if args.map {
        if !model.slides() {
            return Err(Failure::Input(format!(
                "--map is for classifiers whose layers all slide, but this model gives {} for {}. Leave it out, or make one of a \
                 network with fully connected layers: plexus convert {} OUT --fc-to-conv kernel",
                model.network().output(),
                model.network().input(),
                args.model.display()
            )));
        }
        if !images {
            return Err(Failure::Input("--map is for images: name .png or .jpg files".to_string()));
        }
        return Ok(true);
    }
    if !images || !model.slides() || args.resize || model.image_form().is_some() {
        return Ok(false);
    }
    let own = &model.network().input().axes()[1..];
    for input in &args.inputs {
        let path = Path::new(input);
        let picture = Picture::decode(path, &files::read(path)?)?;
        // A smaller one is refused with its size, as by any other model.
        if [picture.height, picture.width] != own && picture.height >= own[0] && picture.width >= own[1] {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Answers every image.
pub(super) fn run(model: &Model, args: &PredictArgs) -> Result<(), Failure> {
    let refuse = |message: String| Err(Failure::Input(message));
    if args.threshold.is_some() {
        return refuse(
            "--threshold is for one answer a row, but each image has one for each of its windows".to_string(),
        );
    }
    if args.format == Some(Format::Csv) {
        return refuse("a class for each window fits into no table: take --format json".to_string());
    }
    if args.resize {
        return refuse(
            "--resize brings an image to the size of one window, and --map is for larger ones: leave one out"
                .to_string(),
        );
    }
    let names = model.task().names();
    if args.out.is_some() && names.len() > MOST_CLASSES {
        return refuse(format!(
            "a picture holds the numbers of {MOST_CLASSES} classes, but the model has {}: take --json, or --overlay for colors",
            names.len()
        ));
    }
    for input in &args.inputs {
        let pixels = input::pixels(model, &args.reading(), input, &files::read(Path::new(input))?)?;
        let Pixels { values, axes: [channels, height, width] } = pixels;
        let map = model.class_map(&values, [height, width])?;
        let out = args.out.as_ref().map(|out| target(out, input, args.inputs.len())).transpose()?;
        if let Some(path) = &out {
            files::write(path, &png(&mask::labels(&map.classes, map.size, names.len()).into())?)?;
        }
        let overlay = args.overlay.as_ref().map(|out| target(out, input, args.inputs.len())).transpose()?;
        if let Some(path) = &overlay {
            let picture = mask::visible(&values, [channels, height, width]);
            files::write(path, &png(&mask::overlay(&picture, &enlarged(&map, [height, width])).into())?)?;
        }
        let [rows, cols] = map.size;
        let count = |class: usize| map.classes.iter().filter(|found| **found as usize == class).count();
        let shares: Vec<f32> = (0..names.len()).map(|class| count(class) as f32 / map.classes.len() as f32).collect();
        if args.json || args.format == Some(Format::Json) {
            let windows = rows * cols;
            let of_class = |class: usize| &map.probabilities[class * windows..][..windows];
            let likeliest: Vec<f32> =
                map.classes.iter().enumerate().map(|(at, class)| of_class(*class as usize)[at]).collect();
            let shares: serde_json::Map<String, serde_json::Value> =
                names.iter().cloned().zip(shares.into_iter().map(serde_json::Value::from)).collect();
            let mut line = serde_json::json!({
                "input": input, "height": height, "width": width, "positions": map.size,
                "window": model.network().input().axes()[1..], "shares": shares, "classes": map.classes,
                "probability": likeliest, "map": out, "overlay": overlay,
            });
            if args.probabilities {
                let all = names.iter().enumerate().map(|(class, name)| (name.clone(), of_class(class).to_vec().into()));
                line["probabilities"] = all.collect::<serde_json::Map<String, serde_json::Value>>().into();
            }
            print_json(&line);
            continue;
        }
        let mut order: Vec<usize> = (0..names.len()).filter(|class| shares[*class] > 0.0).collect();
        order.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
        let shown: Vec<String> =
            order.iter().take(args.top).map(|&class| format!("{} {}", names[class], percent(shares[class]))).collect();
        let written: Vec<String> = out.iter().chain(&overlay).map(|path| path.display().to_string()).collect();
        let written = if written.is_empty() { String::new() } else { format!("; {}", written.join(", ")) };
        say!("{input}: {} of {rows}x{cols} windows{written}", shown.join(", "));
    }
    if args.out.is_none() && args.overlay.is_none() && !args.quiet && !args.json && args.format.is_none() {
        say!("The map is written with --out map.png or --json, a picture for people with --overlay overlay.png.");
    }
    Ok(())
}

/// The class of the window nearest to each pixel.
fn enlarged(map: &ClassMap, [height, width]: [usize; 2]) -> Vec<u32> {
    let [rows, cols] = map.size;
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| y * rows / height * cols + x * cols / width));
    pixels.map(|at| map.classes[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_has_the_class_of_its_part_of_the_image() {
        let network = plexus::Network::chain([1, 1, 1], [plexus::layers::conv2d(2, 1)]).check().unwrap();
        let mut params = plexus::Params::zeros(&network);
        params.set("layers.0.weight", &[-1.0, 1.0]);
        let classes = ["dark", "light"].map(String::from).to_vec();
        let task = plexus::Task::Classification { classes };
        let model = Model::new(network, &params, task, plexus::Context::single()).unwrap();
        let map = model.class_map(&[1.0, -1.0], [1, 2]).unwrap();
        assert_eq!(enlarged(&map, [2, 5]), [1, 1, 1, 0, 0, 1, 1, 1, 0, 0]);
    }
}
