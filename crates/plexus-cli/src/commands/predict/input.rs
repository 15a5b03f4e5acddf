//! What is to be answered: rows from tables, JSON and images.

use crate::Failure;
use crate::args::PredictArgs;
use plexus::Model;
use plexus_train::data::{Schema, Table, TableOptions};
use plexus_train::{DataError, Place};
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// Rows of one input, in the order in which they are answered.
pub(super) struct Input {
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
pub(super) fn read(model: &Model, args: &PredictArgs, input: &str) -> Result<Input, Failure> {
    if input == "-" {
        return read_bytes(model, args, &standard_input()?);
    }
    if looks_like_json(input.as_bytes()) {
        return json(model, "the input", input);
    }
    let path = Path::new(input);
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("").to_ascii_lowercase();
    match extension.as_str() {
        "png" | "pgm" | "ppm" | "pnm" => {
            let values = image(model, args, input, &plexus::files::read(path)?)?;
            Ok(Input::numbers(input, vec![input.to_string()], values))
        }
        "json" | "jsonl" | "ndjson" => {
            let text = String::from_utf8(plexus::files::read(path)?).map_err(|error| {
                Failure::Input(format!("{input} is not text (byte {})", error.utf8_error().valid_up_to()))
            })?;
            json(model, input, &text)
        }
        _ => match Table::open(path, &table_options(model, args)) {
            Ok(table) => from_table(model, input, table),
            Err(error @ DataError::NotText { .. }) if !["csv", "tsv", "txt"].contains(&extension.as_str()) => {
                Err(Failure::Input(format!("{input} is not text, and images end in .png, .pgm or .ppm ({error})")))
            }
            Err(error) => Err(error.into()),
        },
    }
}

/// All that is piped in.
pub(super) fn standard_input() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().read_to_end(&mut bytes);
    read.map_err(|error| Failure::Input(format!("cannot read standard input: {error}")))?;
    Ok(bytes)
}

/// What was piped in: JSON or a table.
pub(super) fn read_bytes(model: &Model, args: &PredictArgs, bytes: &[u8]) -> Result<Input, Failure> {
    const NAME: &str = "standard input";
    match std::str::from_utf8(bytes) {
        Ok(text) if looks_like_json(bytes) => json(model, NAME, text),
        // A table says itself what is wrong with its text.
        _ => from_table(model, NAME, Table::parse(NAME, bytes, &table_options(model, args))?),
    }
}

fn looks_like_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'[' | b'{'))
}

/// How a table is read: without columns in the model, every row is numbers.
fn table_options<'a>(model: &'a Model, args: &PredictArgs) -> TableOptions<'a> {
    let said = args.source.options();
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

/// An image in gray, 0 to 255 brought to the range that the model was trained on.
fn image(model: &Model, args: &PredictArgs, path: &str, bytes: &[u8]) -> Result<Vec<f32>, Failure> {
    let axes = model.network().input().axes();
    let (height, width) = match axes {
        [1, height, width] => (*height, *width),
        _ => {
            let shape = model.network().input().describe();
            return Err(Failure::Input(format!("{path} is an image, but the model takes {shape}")));
        }
    };
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(16_384), Some(16_384));
    limits.max_alloc = Some(256 << 20);
    let read = || {
        let mut reader = image::ImageReader::new(std::io::Cursor::new(bytes)).with_guessed_format()?;
        reader.limits(limits);
        reader.decode()
    };
    let image = read().map_err(|error| Failure::Input(format!("{path} does not read as an image: {error}")))?;
    let mut gray = image.to_luma8();
    let size = (gray.width() as usize, gray.height() as usize);
    if size != (width, height) {
        if !args.resize {
            return Err(Failure::Input(format!(
                "{path} is {} x {} pixels, but the model takes {width} x {height}; use --resize, or another image",
                size.0, size.1
            )));
        }
        let filter = image::imageops::FilterType::Triangle;
        gray = image::imageops::resize(&gray, width as u32, height as u32, filter);
    }
    let largest = model.metadata().get(Model::PIXEL_MAX).and_then(|text| text.parse::<f32>().ok()).unwrap_or(255.0);
    let pixels = gray.as_raw().iter().map(|&pixel| if args.invert { 255 - pixel } else { pixel });
    Ok(pixels.map(|pixel| f32::from(pixel) * largest / 255.0).collect())
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
