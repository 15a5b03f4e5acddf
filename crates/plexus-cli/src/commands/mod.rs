//! One file a command.

pub mod bench;
pub mod compare_connectivity;
pub mod completions;
pub mod convert;
mod describe;
pub mod diff;
pub mod draw;
pub mod evaluate;
pub mod export;
pub mod features;
pub mod import;
pub mod inspect;
pub mod kernels;
pub mod neuron;
pub mod predict;
pub mod profile;
pub mod quantize;
mod results;
mod rows;
pub mod run_case;
pub mod shape;
pub mod summary;
pub mod trace;
pub mod train;
pub mod verify;

use crate::Failure;
use crate::output::{program, quoted};
use crate::pictures::{Picture, Theme};
use plexus::{Context, Model, NamedNetwork, NetworkSpec, Run};
use plexus_nn::{CheckedNetwork, PlanOptions, Shape};
use plexus_train::metrics::ConfusionMatrix;
use std::path::{Path, PathBuf};

/// The model file that a person means: the file, or that of a run folder.
pub(crate) fn model_path(named: &Path) -> Result<PathBuf, Failure> {
    let model = named.join(Run::MODEL);
    if !named.is_dir() {
        return Ok(named.to_path_buf());
    }
    if model.is_file() {
        return Ok(model);
    }
    let shown = named.display();
    let why = if named.join(Run::CHECKPOINT).is_file() {
        let folder = quoted(&shown.to_string());
        format!("its run was stopped before it wrote one. Go on with: {} train --resume {folder}", program())
    } else if let Some(run) = newest_run(named) {
        format!("it holds runs. Name one of them, as {}", run.display())
    } else {
        format!("it is not the folder of a run. Name a model file, or a folder with a {} in it", Run::MODEL)
    };
    Err(Failure::Input(format!("{shown} is a folder without a model: {why}")))
}

/// The run folder below a folder whose checkpoint is the youngest.
pub(crate) fn newest_run(folder: &Path) -> Option<PathBuf> {
    let folders = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path());
    let dated = folders.filter_map(|folder| {
        let modified = std::fs::metadata(folder.join(Run::CHECKPOINT)).ok()?.modified().ok()?;
        Some((modified, folder))
    });
    dated.max().map(|(_, folder)| folder)
}

/// Whether a name is that of a network without weights: a short form or a text file.
pub(crate) fn is_text(name: &str) -> bool {
    name.ends_with(".toml") || NamedNetwork::is_named(name)
}

/// A network named on the command line, and the model where it is one, opened as the options say. `default` are the input and
/// the outputs of networks that take any.
pub(crate) fn open_network(
    name: &str,
    input: Option<&str>,
    outputs: Option<usize>,
    default: (Shape, usize),
    options: PlanOptions,
) -> Result<(CheckedNetwork, Option<Model>), Failure> {
    open_network_with(name, input, outputs, default, options, Context::single())
}

/// The same, for a context.
pub(crate) fn open_network_with(
    name: &str,
    input: Option<&str>,
    outputs: Option<usize>,
    default: (Shape, usize),
    options: PlanOptions,
    context: Context,
) -> Result<(CheckedNetwork, Option<Model>), Failure> {
    if !is_text(name) {
        if !Path::new(name).exists() {
            return Err(Failure::Input(format!(
                "there is no file {name}, and no network of this name: a network is {}, or a file ending in .toml",
                NamedNetwork::FORMS
            )));
        }
        if input.is_some() {
            return Err(Failure::Input(format!(
                "--input is for networks without weights; the model {name} has its own"
            )));
        }
        let model = Model::open_with(model_path(Path::new(name))?, options, context)?;
        return Ok((model.network().clone(), Some(model)));
    }
    let input = input.map(|text| parse_shape("--input", text)).transpose()?;
    let spec = NetworkSpec::parse(name)?;
    if outputs == Some(0) {
        return Err(Failure::Input("--outputs is 0, but must be at least 1".to_string()));
    }
    let (own_input, own_outputs) = match &spec {
        NetworkSpec::Named(named) => (named.input(), named.outputs()),
        NetworkSpec::Text(text) => (text.input.clone(), None),
    };
    let input = input.or(own_input).unwrap_or(default.0);
    let outputs = outputs.or(own_outputs).unwrap_or(default.1);
    Ok((spec.build(input, &[("output".to_string(), outputs)])?.check()?, None))
}

/// The axes of a shape as it is typed, none of them 0.
pub(crate) fn axes(text: &str) -> Option<Vec<usize>> {
    let axes = text.trim_matches(['[', ']']).split(['x', ',']).map(|axis| axis.trim().parse().ok());
    axes.collect::<Option<Vec<usize>>>().filter(|axes| !axes.contains(&0))
}

/// The last part of a path.
pub(crate) fn name_of(path: &str) -> &str {
    let name = Path::new(path).file_name().and_then(|name| name.to_str());
    if is_text(path) { path } else { name.unwrap_or(path) }
}

/// Axes as they are typed: `1x28x28`.
pub(crate) fn shown_axes(axes: &[usize]) -> String {
    axes.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// `784` or `1x28x28`; `what` says where it was written.
pub(crate) fn parse_shape(what: &str, text: &str) -> Result<Shape, Failure> {
    axes(text).map(Shape::new).ok_or_else(|| {
        Failure::Input(format!(
            "{what} is \"{text}\", but must be whole numbers above 0 with x between them, as 784 or 1x28x28"
        ))
    })
}

/// Counts of a confusion matrix, row-major.
pub(crate) fn counts(confusion: &ConfusionMatrix) -> Vec<u64> {
    (0..confusion.classes()).flat_map(|class| confusion.row(class).to_vec()).collect()
}

/// Writes a picture as SVG and as PNG, the latter in one of its themes.
pub(crate) fn save_picture(folder: &Path, name: &str, picture: &Picture, theme: Theme) -> Result<(), Failure> {
    plexus::files::write(&folder.join(format!("{name}.svg")), picture.svg().as_bytes())?;
    plexus::files::write(&folder.join(format!("{name}.png")), &picture.png(2.0, theme)?)?;
    Ok(())
}

/// Whether a picture is an SVG or a PNG, as the name of its file says.
pub(crate) fn is_svg(path: &Path) -> Result<bool, Failure> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Ok(true),
        Some("png") => Ok(false),
        _ => Err(Failure::Input(format!("{} must end in .svg or .png, which says how to draw", path.display()))),
    }
}

/// Writes a picture to one file, as its name says: .svg, or .png in one of the themes.
pub(crate) fn save_drawing(path: &Path, picture: &Picture, dark: bool) -> Result<(), Failure> {
    let theme = if dark { Theme::Dark } else { Theme::Light };
    match is_svg(path)? {
        true => plexus::files::write(path, picture.svg().as_bytes())?,
        false => plexus::files::write(path, &picture.png(2.0, theme)?)?,
    }
    Ok(())
}

/// A table with commas between its columns.
pub(crate) fn csv_text(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = header.iter().map(|name| name.to_string()).collect();
    for row in std::iter::once(header).chain(rows) {
        writer.write_record(&row).expect("memory takes all, and rows are of one length");
    }
    let text = String::from_utf8(writer.into_inner().expect("memory takes all")).expect("fields are text");
    text.trim_end().to_string()
}

/// An image as the bytes of a PNG file.
pub(crate) fn png(image: &image::DynamicImage) -> Result<Vec<u8>, Failure> {
    let mut png = std::io::Cursor::new(Vec::new());
    let written = image.write_to(&mut png, image::ImageFormat::Png);
    written.map_err(|error| Failure::Input(format!("cannot encode an image: {error}")))?;
    Ok(png.into_inner())
}
