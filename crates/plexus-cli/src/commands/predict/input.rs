//! What is to be answered: rows from tables, JSON and images.

use crate::Failure;
use crate::args::{DataArgs, PredictArgs};
use plexus::{ImageFit, ImageForm, Model, Picture};
use plexus_train::data::{Schema, Table, TableOptions};
use plexus_train::{DataError, Place};
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// How inputs are read.
pub(crate) struct Reading<'a> {
    /// Of tables.
    pub source: &'a DataArgs,
    /// And images.
    pub images: Images,
}

/// How images are read.
#[derive(Clone, Copy)]
pub(crate) struct Images {
    /// They are made as large as the model's input.
    pub resize: bool,
    /// Black and white are exchanged.
    pub invert: bool,
}

impl PredictArgs {
    /// How its inputs are read.
    pub(crate) fn reading(&self) -> Reading<'_> {
        Reading { source: &self.source, images: Images { resize: self.resize, invert: self.invert } }
    }
}

/// Rows of one input, in the order in which they are answered.
pub(crate) struct Input {
    /// What to call it.
    pub name: String,
    rows: Rows,
}

enum Rows {
    /// Encoded when they are asked for: the numbers of a large table are more than its text.
    Table { table: Table, positions: Option<Vec<usize>> },
    /// Encoded, with their names.
    Numbers { labels: Vec<String>, values: Vec<f32> },
}

impl Input {
    /// Rows that are numbers already.
    pub fn numbers(name: &str, labels: Vec<String>, values: Vec<f32>) -> Input {
        Input { name: name.to_string(), rows: Rows::Numbers { labels, values } }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        match &self.rows {
            Rows::Table { table, .. } => table.len(),
            Rows::Numbers { labels, .. } => labels.len(),
        }
    }

    /// What to call a row.
    pub fn label(&self, row: usize) -> String {
        match &self.rows {
            Rows::Table { .. } => format!("{} row {}", self.name, row + 1),
            Rows::Numbers { labels, .. } => labels[row].clone(),
        }
    }

    /// Where a row is from, in messages: of a table its line in the file.
    pub fn place(&self, row: usize) -> String {
        match &self.rows {
            Rows::Table { table, .. } => table.place(row).to_string(),
            Rows::Numbers { labels, .. } => labels[row].clone(),
        }
    }

    /// The names of the columns, where it is a table.
    pub fn columns(&self) -> Option<&[String]> {
        match &self.rows {
            Rows::Table { table, .. } => Some(table.columns()),
            Rows::Numbers { .. } => None,
        }
    }

    /// One field of a table.
    pub fn field(&self, row: usize, column: usize) -> &str {
        match &self.rows {
            Rows::Table { table, .. } => table.cell(row, column),
            Rows::Numbers { .. } => "",
        }
    }

    /// Appends the numbers of some rows to `out`.
    pub fn encode(&self, model: &Model, rows: std::ops::Range<usize>, out: &mut Vec<f32>) -> Result<(), Failure> {
        let (table, positions) = match &self.rows {
            Rows::Numbers { values, .. } => {
                let width = model.network().input_len();
                out.extend_from_slice(&values[rows.start * width..rows.end * width]);
                return Ok(());
            }
            Rows::Table { table, positions } => (table, positions),
        };
        let mut fields: Vec<&str> = Vec::new();
        for row in rows {
            fields.clear();
            match positions {
                Some(positions) => fields.extend(positions.iter().map(|&column| table.cell(row, column))),
                None => fields.extend((0..table.columns().len()).map(|column| table.cell(row, column))),
            }
            match model.columns() {
                Some(schema) => schema.encode_at(&table.place(row), &fields, out)?,
                None => {
                    for field in &fields {
                        let value = field.trim().parse::<f32>().ok().filter(|value| value.is_finite());
                        out.push(value.ok_or_else(|| {
                            Failure::Input(format!("{}: \"{field}\" is not a number", table.place(row)))
                        })?);
                    }
                    check_width(model, &table.place(row).to_string(), fields.len())?;
                }
            }
        }
        Ok(())
    }
}

/// Reads one input, whatever it is.
pub(crate) fn read(model: &Model, how: &Reading<'_>, input: &str) -> Result<Input, Failure> {
    if input == "-" {
        return read_bytes(model, how, &standard_input()?);
    }
    if looks_like_json(input.as_bytes()) {
        return json(model, "the input", input);
    }
    let path = Path::new(input);
    let extension = extension(input);
    match extension.as_str() {
        _ if is_image(input) => {
            let values = image(model, how.images, input)?;
            Ok(Input::numbers(input, vec![input.to_string()], values))
        }
        "json" | "jsonl" | "ndjson" => {
            let text = String::from_utf8(plexus::files::read(path)?).map_err(|error| {
                Failure::Input(format!("{input} is not text (byte {})", error.utf8_error().valid_up_to()))
            })?;
            json(model, input, &text)
        }
        _ => match Table::open(path, &table_options(model, how)) {
            Ok(table) => from_table(model, input, table),
            Err(error @ DataError::NotText { .. }) if !["csv", "tsv", "txt"].contains(&extension.as_str()) => {
                Err(Failure::Input(format!(
                    "{input} is not text, and images end in .png, .jpg, .pgm, .ppm, .bmp or .webp ({error})"
                )))
            }
            Err(error) => Err(error.into()),
        },
    }
}

/// All that is piped in.
pub(crate) fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|error| Failure::Input(format!("cannot read standard input: {error}")))?;
    Ok(bytes)
}

/// What was piped in: JSON or a table.
pub(crate) fn read_bytes(model: &Model, how: &Reading<'_>, bytes: &[u8]) -> Result<Input, Failure> {
    const NAME: &str = "standard input";
    match std::str::from_utf8(bytes) {
        Ok(text) if looks_like_json(bytes) => json(model, NAME, text),
        // A table says itself what is wrong with its text.
        _ => from_table(model, NAME, Table::parse(NAME, bytes, &table_options(model, how))?),
    }
}

fn looks_like_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'[' | b'{'))
}

/// How a table is read: without columns in the model, every row is numbers.
fn table_options<'a>(model: &'a Model, how: &Reading<'_>) -> TableOptions<'a> {
    let said = how.source.options();
    let names = |schema: &'a Schema| schema.columns.iter().map(|column| column.name.as_str()).collect();
    TableOptions {
        header: said.header.or(if model.columns().is_some() { None } else { Some(false) }),
        delimiter: said.delimiter,
        known_names: model.columns().map_or(Vec::new(), names),
        ..TableOptions::default()
    }
}

/// A table: its columns are found by their names where it has some.
fn from_table(model: &Model, name: &str, table: Table) -> Result<Input, Failure> {
    let named = model.columns().filter(|_| table.has_header());
    let place = Place { file: Some(name.into()), line: None };
    let positions = named.map(|schema| schema.locate(&place, table.columns())).transpose()?;
    Ok(Input { name: name.to_string(), rows: Rows::Table { table, positions } })
}

/// A row, rows, or objects.
fn json(model: &Model, origin: &str, text: &str) -> Result<Input, Failure> {
    let values: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let values = values.map_err(|error| Failure::Input(format!("{origin} does not read as JSON: {error}")))?;
    let rows = match <[Value; 1]>::try_from(values) {
        Ok([Value::Array(items)]) if items.iter().all(Value::is_number) => vec![Value::Array(items)],
        Ok([Value::Array(items)]) => items,
        Ok([object]) => vec![object],
        Err(nothing) if nothing.is_empty() => {
            return Err(Failure::Input(format!("{origin} is empty; expected a row of numbers as [1, 2, 3]")));
        }
        // JSON Lines: a row each.
        Err(lines) => lines,
    };
    let labels = (1..=rows.len()).map(|row| format!("{origin} row {row}")).collect();
    let mut numbers = Vec::new();
    for (index, row) in rows.into_iter().enumerate() {
        let place = format!("{origin}, row {}", index + 1);
        let before = numbers.len();
        match row {
            Value::Array(items) => {
                for item in &items {
                    let number = item.as_f64().map(|number| number as f32).filter(|number| number.is_finite());
                    numbers.push(
                        number.ok_or_else(|| {
                            Failure::Input(format!("{place}: {item} is not a number of ordinary size"))
                        })?,
                    );
                }
            }
            Value::Object(fields) => object(model, &place, &fields, &mut numbers)?,
            other => return Err(Failure::Input(format!("{place}: expected an array or an object, got {other}"))),
        }
        check_width(model, &place, numbers.len() - before)?;
    }
    Ok(Input::numbers(origin, labels, numbers))
}

fn object(
    model: &Model,
    place: &str,
    fields: &serde_json::Map<String, Value>,
    out: &mut Vec<f32>,
) -> Result<(), Failure> {
    let Some(schema) = model.columns() else {
        return Err(Failure::Input(format!("{place}: this model has no column names; give an array of numbers")));
    };
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    let texts = fields.values().map(|value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    });
    let texts: Vec<String> = texts.collect();
    let place = Place { file: Some(place.into()), line: None };
    let positions = schema.locate(&place, &names)?;
    let fields: Vec<&str> = positions.iter().map(|&position| texts[position].as_str()).collect();
    Ok(schema.encode_at(&place, &fields, out)?)
}

/// The endings of images.
const IMAGES: [&str; 9] = ["png", "jpg", "jpeg", "pgm", "ppm", "pnm", "pbm", "bmp", "webp"];

/// Whether an input is an image, by its name.
pub(crate) fn is_image(input: &str) -> bool {
    !looks_like_json(input.as_bytes()) && IMAGES.contains(&extension(input).as_str())
}

fn extension(input: &str) -> String {
    Path::new(input).extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// An image as numbers `[channels, height, width]`.
pub(crate) struct Pixels {
    pub values: Vec<f32>,
    pub axes: [usize; 3],
}

/// An image in its own size, with the channels that the model reads, 0 to 255 brought to the range that it was trained on.
pub(crate) fn pixels(model: &Model, how: &Reading<'_>, path: &str, bytes: &[u8]) -> Result<Pixels, Failure> {
    let [channels, ..] = picture_axes(model, path)?;
    let picture = Picture::decode(Path::new(path), bytes)?;
    let form = ImageForm { channels, height: picture.height, width: picture.width, fit: ImageFit::Stretch };
    let values = form.apply(&picture);
    Ok(Pixels { values: ranged(model, how.images, &values), axes: form.axes() })
}

/// An image in the size that the model reads: as the images of its training were treated where it was trained on files, else
/// of this very size, or as asked for.
pub(crate) fn image(model: &Model, how: Images, path: &str) -> Result<Vec<f32>, Failure> {
    let [channels, height, width] = picture_axes(model, path)?;
    let picture = Picture::decode(Path::new(path), &plexus::files::read(Path::new(path))?)?;
    let known = model.image_form();
    if (picture.height, picture.width) != (height, width) && known.is_none() && !how.resize {
        return Err(Failure::Input(format!(
            "{path} is {} x {} pixels, but the model takes {width} x {height}; use --resize, or another image",
            picture.width, picture.height
        )));
    }
    let fit = known.map_or(ImageFit::Stretch, |form| form.fit);
    Ok(ranged(model, how, &ImageForm { channels, height, width, fit }.apply(&picture)))
}

pub(crate) fn picture_axes(model: &Model, path: &str) -> Result<[usize; 3], Failure> {
    match model.network().input().axes() {
        &[channels @ (1 | 3), height, width] => Ok([channels, height, width]),
        _ => {
            let shape = model.network().input().describe();
            Err(Failure::Input(format!("{path} is an image, but the model takes {shape}")))
        }
    }
}

/// 0 to 255 brought to the range of the training images.
fn ranged(model: &Model, how: Images, pixels: &[u8]) -> Vec<f32> {
    let largest = model.metadata().get(Model::PIXEL_MAX).and_then(|text| text.parse::<f32>().ok()).unwrap_or(255.0);
    let pixels = pixels.iter().map(|&pixel| if how.invert { 255 - pixel } else { pixel });
    pixels.map(|pixel| f32::from(pixel) * largest / 255.0).collect()
}

fn check_width(model: &Model, place: &str, got: usize) -> Result<(), Failure> {
    let network = model.network();
    if got == network.input_len() {
        return Ok(());
    }
    Err(Failure::Input(format!(
        "{place}: {got} numbers, but the model takes {} ({})",
        network.input_len(),
        network.input().describe()
    )))
}
