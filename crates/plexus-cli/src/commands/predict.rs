//! `plexus predict`: what a model says to one row, or many.

use crate::Failure;
use crate::args::PredictArgs;
use crate::output::{number, percent, print_json, say};
use plexus::{Model, Pool, Task, Workspace};
use plexus_train::Place;
use plexus_train::data::{self, Targets};
use serde_json::Value;
use std::io::{IsTerminal, Read};
use std::path::Path;

/// Answers every row of every input.
pub fn run(args: PredictArgs) -> Result<(), Failure> {
    // One thread: waking others costs more than a few rows, and the answers have the same bits.
    let model = Model::open(&args.model, Pool::single())?;
    let mut answers = Answers { model: &model, args: &args, workspace: Workspace::default() };
    if let Some(source) = &args.data {
        return answers.answer_source(source);
    }
    if args.inputs.is_empty() {
        return Err(Failure::Input(
            "predict needs an input: a .csv, .json or .png file, JSON text such as '[1, 2, 3]', - for standard input, or \
             --data SOURCE --row N"
                .to_string(),
        ));
    }
    for input in &args.inputs {
        let rows = answers.read(input)?;
        for (index, (label, row)) in rows.into_iter().enumerate() {
            let label = label.unwrap_or_else(|| format!("{input} row {}", index + 1));
            answers.answer(&label, &row, None)?;
        }
    }
    Ok(())
}

/// Rows of numbers, each with a name where the input gives one.
type Rows = Vec<(Option<String>, Vec<f32>)>;

struct Answers<'a> {
    model: &'a Model,
    args: &'a PredictArgs,
    workspace: Workspace,
}

impl Answers<'_> {
    /// A row of the test part of a data source, with its true answer.
    fn answer_source(&mut self, source: &str) -> Result<(), Failure> {
        let data = self.model.choose_rows(source, &self.args.source.options(), None)?.data;
        self.model.check_data(&data)?;
        let row = self.args.row;
        if row >= data.len() {
            let last = data.len().saturating_sub(1);
            return Err(Failure::Input(format!("--row is {row}, but there are rows 0 to {last}")));
        }
        let mut values = vec![0.0; data.row_len()];
        data.gather(&[row as u32], &mut values);
        let truth = match &data.targets {
            Targets::Classes { names, indices } => names[indices[row] as usize].clone(),
            Targets::Values { names, values } => {
                let row = &values[row * names.len()..][..names.len()];
                row.iter().map(|value| number(f64::from(*value))).collect::<Vec<_>>().join(", ")
            }
        };
        if let ([1, height, width], false) = (data.input.axes(), self.args.json)
            && *width <= 64
        {
            print_image(&values, *height, *width);
        }
        self.answer(&format!("{source} row {row}"), &values, Some(&truth))
    }

    /// Rows from one input, whatever it is.
    fn read(&self, input: &str) -> Result<Rows, Failure> {
        if input == "-" {
            let mut text = String::new();
            let read = std::io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::Input(format!("cannot read standard input: {error}")))?;
            return if looks_like_json(&text) {
                self.json_rows("standard input", &text)
            } else {
                self.csv_rows("standard input", &text)
            };
        }
        if looks_like_json(input) {
            return self.json_rows("the input", input);
        }
        let path = Path::new(input);
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("").to_ascii_lowercase();
        let bytes = plexus::files::read(path)?;
        match extension.as_str() {
            "png" | "pgm" | "ppm" | "pnm" => Ok(vec![(Some(input.to_string()), self.image_row(input, &bytes)?)]),
            "json" | "jsonl" => self.json_rows(input, &utf8(input, bytes)?),
            _ => self.csv_rows(input, &utf8(input, bytes)?),
        }
    }

    /// A table: encoded as in training where the model knows columns, plain numbers otherwise.
    fn csv_rows(&self, origin: &str, text: &str) -> Result<Rows, Failure> {
        let width = self.model.network().input_len();
        let schema = self.model.columns();
        let names =
            schema.map_or(Vec::new(), |schema| schema.columns.iter().map(|column| column.name.as_str()).collect());
        let said = self.args.source.options();
        let header = said.header.or(if schema.is_some() { None } else { Some(false) });
        let options =
            data::TableOptions { header, delimiter: said.delimiter, known_names: names, given_names: Vec::new() };
        let table = data::Table::parse(origin, text, &options)?;
        let whole = Place { file: Some(origin.into()), line: None };
        let named = schema.filter(|_| table.has_header());
        let positions = named.map(|schema| schema.locate(&whole, table.columns())).transpose()?;
        (0..table.len())
            .map(|index| {
                let mut row = Vec::with_capacity(width);
                match (schema, &positions) {
                    (Some(schema), Some(positions)) => {
                        let fields = table.row(index);
                        let fields: Vec<&str> = positions.iter().map(|&position| fields[position]).collect();
                        schema.encode_at(&table.place(index), &fields, &mut row)?;
                    }
                    (Some(schema), None) => schema.encode_at(&table.place(index), &table.row(index), &mut row)?,
                    (None, _) => {
                        for field in table.row(index) {
                            let value = field.trim().parse::<f32>().ok().filter(|value| value.is_finite());
                            row.push(value.ok_or_else(|| {
                                Failure::Input(format!("{}: \"{field}\" is not a number", table.place(index)))
                            })?);
                        }
                        self.check_width(&table.place(index).to_string(), row.len())?;
                    }
                }
                Ok((None, row))
            })
            .collect()
    }

    /// A row, rows, or objects.
    fn json_rows(&self, origin: &str, text: &str) -> Result<Rows, Failure> {
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
        let rows = rows.into_iter().enumerate().map(|(index, row)| {
            let place = format!("{origin}, row {}", index + 1);
            let row = match row {
                Value::Array(items) => {
                    let numbers = items.iter().map(|item| match item.as_f64() {
                        Some(number) if (number as f32).is_finite() => Ok(number as f32),
                        _ => Err(Failure::Input(format!("{place}: {item} is not a number of ordinary size"))),
                    });
                    numbers.collect::<Result<Vec<f32>, _>>()?
                }
                Value::Object(fields) => self.object_row(&place, &fields)?,
                other => return Err(Failure::Input(format!("{place}: expected an array or an object, got {other}"))),
            };
            self.check_width(&place, row.len())?;
            Ok((None, row))
        });
        rows.collect()
    }

    fn object_row(&self, place: &str, fields: &serde_json::Map<String, Value>) -> Result<Vec<f32>, Failure> {
        let Some(schema) = self.model.columns() else {
            return Err(Failure::Input(format!("{place}: this model has no column names; give an array of numbers")));
        };
        let names: Vec<&str> = fields.keys().map(String::as_str).collect();
        let texts = fields.values().map(|value| match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        });
        let texts: Vec<String> = texts.collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut row = Vec::new();
        let place = Place { file: Some(place.into()), line: None };
        let positions = schema.locate(&place, &names)?;
        let fields: Vec<&str> = positions.iter().map(|&position| texts[position]).collect();
        schema.encode_at(&place, &fields, &mut row)?;
        Ok(row)
    }

    /// An image in gray, 0 to 255 brought to the range that the model was trained on.
    fn image_row(&self, path: &str, bytes: &[u8]) -> Result<Vec<f32>, Failure> {
        let axes = self.model.network().input().axes();
        let (height, width) = match axes {
            [1, height, width] => (*height, *width),
            _ => {
                let shape = self.model.network().input().describe();
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
            if !self.args.resize {
                return Err(Failure::Input(format!(
                    "{path} is {} x {} pixels, but the model takes {width} x {height}; use --resize, or another image",
                    size.0, size.1
                )));
            }
            let filter = image::imageops::FilterType::Triangle;
            gray = image::imageops::resize(&gray, width as u32, height as u32, filter);
        }
        let largest =
            self.model.metadata().get(Model::PIXEL_MAX).and_then(|text| text.parse::<f32>().ok()).unwrap_or(255.0);
        let pixels = gray.as_raw().iter().map(|&pixel| if self.args.invert { 255 - pixel } else { pixel });
        Ok(pixels.map(|pixel| f32::from(pixel) * largest / 255.0).collect())
    }

    fn check_width(&self, place: &str, got: usize) -> Result<(), Failure> {
        let network = self.model.network();
        if got == network.input_len() {
            return Ok(());
        }
        Err(Failure::Input(format!(
            "{place}: {got} numbers, but the model takes {} ({})",
            network.input_len(),
            network.input().describe()
        )))
    }

    /// Prints what the model says to one row.
    fn answer(&mut self, label: &str, row: &[f32], truth: Option<&str>) -> Result<(), Failure> {
        let scores = self.model.scores(row, 1, &mut self.workspace)?.to_vec();
        let output = self.model.predict(row, 1, &mut self.workspace)?;
        let names = self.model.task().names();
        if let Task::Regression { .. } | Task::Quantiles { .. } = self.model.task() {
            if self.args.json {
                let outputs: serde_json::Map<String, Value> =
                    names.iter().cloned().zip(output.iter().map(|value| Value::from(*value))).collect();
                print_json(&serde_json::json!({ "input": label, "outputs": outputs, "target": truth }));
            } else {
                let answers =
                    names.iter().zip(output).map(|(name, value)| format!("{name} {}", number(f64::from(*value))));
                let truth = truth.map_or(String::new(), |truth| format!("   (true value: {truth})"));
                say!("{label}: {}{truth}", answers.collect::<Vec<_>>().join(", "));
            }
            return Ok(());
        }
        let mut order: Vec<usize> = (0..output.len()).collect();
        // NaN last; among equals the first class first.
        order.sort_by(|&a, &b| {
            output[b].partial_cmp(&output[a]).unwrap_or_else(|| output[a].is_nan().cmp(&output[b].is_nan()))
        });
        if self.args.json {
            let classes: Vec<Value> = order
                .iter()
                .take(self.args.top)
                .map(|&class| serde_json::json!({ "label": names[class], "probability": output[class], "score": scores[class] }))
                .collect();
            print_json(&serde_json::json!({
                "input": label,
                "label": order.first().map(|&class| &names[class]),
                "probability": order.first().map(|&class| output[class]),
                "top": classes,
                "true": truth,
            }));
        } else {
            let top = order
                .iter()
                .take(self.args.top.max(1))
                .map(|&class| format!("{} {}", names[class], percent(output[class])));
            let truth = truth.map_or(String::new(), |truth| format!("   (true class: {truth})"));
            say!("{label}: {}{truth}", top.collect::<Vec<_>>().join(", "));
        }
        Ok(())
    }
}

fn looks_like_json(text: &str) -> bool {
    matches!(text.trim_start().chars().next(), Some('[' | '{'))
}

fn utf8(path: &str, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|error| {
        Failure::Input(format!(
            "{path} is not text (byte {}); images end in .png, .pgm or .ppm",
            error.utf8_error().valid_up_to()
        ))
    })
}

/// A gray image as characters, two pixels high each.
fn print_image(values: &[f32], height: usize, width: usize) {
    if !std::io::stdout().is_terminal() {
        return;
    }
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    let largest = values.iter().copied().fold(1.0f32, f32::max);
    for y in 0..height {
        let shade = |value: f32| SHADES[((value / largest * 4.0).round() as usize).min(4)];
        let line: String = (0..width).flat_map(|x| [shade(values[y * width + x]); 2]).collect();
        say!("  {line}");
    }
}
