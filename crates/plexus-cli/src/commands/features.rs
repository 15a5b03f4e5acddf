//! `plexus features`: the values behind a layer, for every row of some data.

use crate::Failure;
use crate::args::FeaturesArgs;
use crate::commands::model_path;
use crate::commands::rows::each_batch;
use crate::output::{grouped, print_json, say, yellow};
use plexus::explain::Latent;
use plexus::{Chosen, Context, Model, Pool, Workspace, files};
use plexus_train::data::Dataset;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};

/// What the file is.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Npy,
    Csv,
}

/// Writes the values.
pub fn run(args: FeaturesArgs) -> Result<(), Failure> {
    let form = match args.out.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => Form::Npy,
        Some("csv") => Form::Csv,
        _ => {
            let shown = args.out.display();
            return Err(Failure::Input(format!("{shown} must end in .npy or .csv, which says what to write")));
        }
    };
    let model = Model::open(model_path(&args.model)?, Context::detect(Pool::new(args.threads)))?;
    let latent = model.latent(&args.layer)?;
    let Chosen { data, part, warning } =
        model.choose_rows(&args.data, &args.source.options(), args.part.map(Into::into))?;
    model.check_data(&data)?;
    if let Some(warning) = &warning {
        eprintln!("{}: {warning}", yellow("warning"));
    }
    let rows = Rows { latent: &latent, data: &data, batch: model.rows_per_batch().max(1) };
    files::write_with(&args.out, |file| -> Result<(), Failure> {
        let failed = |error| Failure::from(files::save_failed(&args.out, error));
        match form {
            Form::Npy => write_npy(&rows, file, &failed),
            Form::Csv => write_csv(&rows, file, &failed),
        }
    })?;
    let shape: Vec<usize> = [data.len()].into_iter().chain(latent.shape().axes().iter().copied()).collect();
    if args.json {
        print_json(&json!({"file": args.out, "layer": args.layer, "shape": shape, "part": part, "warning": warning}));
    } else {
        let axes: Vec<String> = latent.shape().axes().iter().map(usize::to_string).collect();
        let (rows, of) = (grouped(data.len() as u64), axes.join("x"));
        say!("{}: {rows} rows ({part}) of {of} values behind {}", args.out.display(), args.layer);
    }
    Ok(())
}

type Failed<'a> = &'a dyn Fn(std::io::Error) -> Failure;

/// The rows, and what makes values of them.
struct Rows<'a> {
    latent: &'a Latent,
    data: &'a Dataset,
    batch: usize,
}

impl Rows<'_> {
    /// Goes through them in batches: the number of the first row, and the values.
    fn for_each(&self, mut take: impl FnMut(usize, &[f32]) -> Result<(), Failure>) -> Result<(), Failure> {
        let mut workspace = Workspace::default();
        each_batch(self.data, self.data.len(), self.batch, |first, values, count| {
            take(first, self.latent.of(&[values], count, &mut workspace)?)
        })
    }
}

/// The format of NumPy, version 1.0: a header in the syntax of Python, filled up to 64 bytes, then the numbers.
///
/// # Source
/// "NumPy Enhancement Proposal 1: A Simple File Format for NumPy Arrays".
fn write_npy(rows: &Rows<'_>, file: &mut File, failed: Failed<'_>) -> Result<(), Failure> {
    let Rows { latent, data, .. } = rows;
    let axes = [data.len()].into_iter().chain(latent.shape().axes().iter().copied());
    let shape: String = axes.map(|axis| format!("{axis}, ")).collect();
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
    let before = 10;
    while (before + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut out = BufWriter::new(file);
    out.write_all(b"\x93NUMPY\x01\x00").map_err(failed)?;
    out.write_all(&(header.len() as u16).to_le_bytes()).map_err(failed)?;
    out.write_all(header.as_bytes()).map_err(failed)?;
    rows.for_each(|_, values| values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes())).map_err(failed))?;
    out.flush().map_err(failed)
}

/// A column a value, and the class of the row where it has one.
fn write_csv(rows: &Rows<'_>, file: &mut File, failed: Failed<'_>) -> Result<(), Failure> {
    let Rows { latent, data, .. } = rows;
    let broken = |error: csv::Error| failed(std::io::Error::other(error));
    let (width, layer) = (latent.shape().len().unwrap_or(0), latent.layer());
    let mut out = csv::Writer::from_writer(BufWriter::new(file));
    let has_classes = !data.is_empty() && data.class_of(0).is_some();
    let header = (0..width).map(|at| format!("{layer}[{at}]")).chain(has_classes.then(|| "class".to_string()));
    out.write_record(header).map_err(broken)?;
    rows.for_each(|first, values| {
        for (row, values) in values.chunks_exact(width.max(1)).enumerate() {
            let class = has_classes.then(|| data.class_of(first + row).unwrap_or_default().to_string());
            let fields = values.iter().map(f32::to_string).chain(class);
            out.write_record(fields).map_err(broken)?;
        }
        Ok(())
    })?;
    out.flush().map_err(failed)
}
