//! Pictures of what a network of images sees: its first filters, its maps, and its mistakes.

use crate::Failure;
use crate::output::grouped;
use crate::pictures::sheet::{Grid, Shades, Tile, sheet};
use crate::pictures::{Picture, mask};
use image::RgbImage;
use plexus::{Context, Model, Task, Workspace};
use plexus_nn::layers::Layer;
use plexus_nn::{Plan, PlanOptions, ValueId};
use plexus_train::data::{Dataset, Targets};
use std::sync::Arc;

/// The most small pictures of one kind.
const MOST: usize = 48;
/// The most maps of one layer.
const MOST_MAPS: usize = 16;
/// The longest side of an image that is drawn pixel by pixel.
const LARGEST: usize = 64;
/// Images whose classes are shown, and the most in a row.
const SEGMENTED: usize = 8;

/// The pictures that this model and data have, with their names.
pub(super) fn looks(model: &Model, test: &Dataset) -> Result<Vec<(&'static str, Picture)>, Failure> {
    let &[channels, height, width] = test.input().axes() else { return Ok(Vec::new()) };
    // Larger ones have too many pixels for drawings.
    if test.is_empty() || !(channels == 1 || channels == 3) || height.max(width) > LARGEST {
        return Ok(Vec::new());
    }
    let mut pictures = Vec::new();
    pictures.extend(filters(model).map(|picture| ("filters", picture)));
    pictures.extend(activations(model, test)?.map(|picture| ("activations", picture)));
    pictures.extend(mistakes(model, test, [height, width])?.map(|picture| ("mistakes", picture)));
    Ok(pictures)
}

/// Some test images, each with its true classes and those that the model gives its pixels, side by side.
pub(super) fn segmentation(model: &Model, test: &Dataset) -> Result<Option<RgbImage>, Failure> {
    let (Targets::Classes { positions, indices, .. }, &[channels, height, width]) =
        (test.target(), test.input().axes())
    else {
        return Ok(None);
    };
    let size = [height, width];
    if positions.axes() != size || model.positions(0) != size || test.is_empty() || !(channels == 1 || channels == 3) {
        return Ok(None);
    }
    let (mut workspace, mut image, mut pictures) = (Workspace::default(), vec![0.0; test.row_len()], Vec::new());
    for row in 0..test.len().min(SEGMENTED) {
        test.copy_rows(&[row as u64], &mut image);
        let found = model.segment(&image, 1, &mut workspace)?;
        pictures.push(mask::visible(&image, [channels, height, width]));
        pictures.push(mask::colored(&indices[row * height * width..][..height * width], size));
        pictures.push(mask::colored(&found, size));
    }
    Ok(Some(mask::beside(&pictures, 6)))
}

/// The filters of the first convolution.
fn filters(model: &Model) -> Option<Picture> {
    let layers = &model.network().network().layers;
    let named = layers.iter().find(|named| matches!(named.layer, Layer::Conv2d(_)))?;
    let name = format!("{}.weight", named.name);
    let params = model.params();
    let entry = params.layout().entries().iter().find(|entry| entry.name == name)?;
    let &[filters, channels, height, width] = entry.shape.as_slice() else { return None };
    let planes = params.values(entry).chunks_exact((height * width).max(1)).enumerate();
    let tiles = planes.take(MOST).map(|(index, values)| Tile {
        caption: match channels {
            1 => (index + 1).to_string(),
            _ => format!("{}, channel {}", index / channels + 1, index % channels + 1),
        },
        height,
        width,
        values: values.to_vec(),
    });
    let tiles: Vec<Tile> = tiles.collect();
    let subtitle = format!("{filters} filters of {height} x {width}; vermilion adds, blue takes away");
    Some(sheet((&format!("Filters of {}", named.name), ""), &subtitle, Shades::Signed, &tiles, Grid::PAGE))
}

/// The first test image and the maps that the convolutions make of it, behind their functions.
fn activations(model: &Model, test: &Dataset) -> Result<Option<Picture>, Failure> {
    let network = model.network();
    let layers = &network.network().layers;
    let shown: Vec<(ValueId, &str)> = layers
        .iter()
        .enumerate()
        .filter(|(_, named)| matches!(named.layer, Layer::Conv2d(_)))
        .map(|(index, named)| {
            // Behind the function, where one follows at once.
            let value = network.value_of(index);
            let reads = |next: &usize| network.reads(*next) == [value] && layers[*next].layer.function().is_some();
            let value = Some(index + 1)
                .filter(|next| *next < layers.len())
                .filter(reads)
                .map_or(value, |next| network.value_of(next));
            (value, named.name.as_str())
        })
        .collect();
    if shown.is_empty() {
        return Ok(None);
    }
    let options = PlanOptions::default().with_keep(shown.iter().map(|(value, _)| *value));
    let params = model.params();
    let plan = Plan::with(Arc::new(network.clone()), &params, options, Context::single());
    let mut image = vec![0.0; test.row_len()];
    test.copy_rows(&[0], &mut image);
    let mut workspace = plexus_nn::Workspace::default();
    plan.run(network.batch(&image, 1)?, &mut workspace);
    let mut tiles = Vec::new();
    let maps = |name: &str, axes: &[usize], values: &[f32]| -> Vec<Tile> {
        let &[channels, height, width] = axes else { return Vec::new() };
        let planes = values.chunks_exact((height * width).max(1)).enumerate().take(MOST_MAPS);
        let caption = |index: usize| if channels == 1 { name.to_string() } else { format!("{name} {}", index + 1) };
        planes.map(|(index, values)| Tile { caption: caption(index), height, width, values: values.to_vec() }).collect()
    };
    tiles.extend(maps("image", test.input().axes(), &image));
    for (value, name) in shown {
        let Some(view) = plan.value(&workspace, value) else { continue };
        tiles.extend(maps(name, network.shape(value).axes(), &view.channels_first()));
        if tiles.len() >= MOST {
            break;
        }
    }
    let subtitle = "the first test image, and maps of the convolutions behind their functions; dark is large";
    Ok(Some(sheet(("Activations", ""), subtitle, Shades::Gray, &tiles, Grid::PAGE)))
}

/// The images of the test part that the model is most wrong about.
fn mistakes(model: &Model, test: &Dataset, [height, width]: [usize; 2]) -> Result<Option<Picture>, Failure> {
    let (Targets::Classes { names, indices, .. }, Task::Classification { .. }) = (test.target(), model.task()) else {
        return Ok(None);
    };
    if !model.positions(0).is_empty() {
        return Ok(None);
    }
    const ROWS: usize = 256;
    let (mut workspace, mut inputs) = (Workspace::default(), Vec::new());
    let mut wrong: Vec<(f32, usize, usize, f32)> = Vec::new();
    let rows: Vec<u64> = (0..test.len() as u64).collect();
    for chunk in rows.chunks(ROWS) {
        inputs.resize(chunk.len() * test.row_len(), 0.0);
        test.copy_rows(chunk, &mut inputs);
        let answers = model.predict(&inputs, chunk.len(), &mut workspace)?;
        for (row, answer) in chunk.iter().zip(answers.chunks_exact(names.len().max(1))) {
            let truth = indices[*row as usize] as usize;
            let best = (0..answer.len()).max_by(|a, b| answer[*a].total_cmp(&answer[*b])).unwrap_or(truth);
            if best != truth {
                wrong.push((answer[truth], *row as usize, best, answer[best]));
            }
        }
    }
    let count = wrong.len();
    wrong.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut image = vec![0.0; test.row_len()];
    let tiles: Vec<Tile> = wrong
        .iter()
        .take(MOST)
        .map(|(_, row, said, sure)| {
            test.copy_rows(&[*row as u64], &mut image);
            let truth = &names[indices[*row] as usize];
            let caption = format!("{truth}, not {} ({:.0} %)", names[*said], 100.0 * sure);
            Tile { caption, height, width, values: gray(&image, height * width) }
        })
        .collect();
    let subtitle = match count {
        0 => "none on the test part".to_string(),
        _ => {
            let (all, images) = (grouped(count as u64), grouped(test.len() as u64));
            format!("{} of {all} mistakes on {images} test images, the right answer least likely first", tiles.len())
        }
    };
    Ok((count > 0).then(|| sheet(("Mistakes", ""), &subtitle, Shades::Gray, &tiles, Grid::PAGE)))
}

/// The mean of the channels.
fn gray(image: &[f32], pixels: usize) -> Vec<f32> {
    let channels = image.len() / pixels.max(1);
    (0..pixels)
        .map(|at| (0..channels).map(|channel| image[channel * pixels + at]).sum::<f32>() / channels as f32)
        .collect()
}
