//! `plexus predict`: what a model says to one row, or many.

mod answer;
pub(crate) mod input;
mod segment;
mod slide;

use crate::Failure;
use crate::args::{Format, PredictArgs};
use crate::commands::model_path;
use crate::output::{self, grouped, number, percent, say};
use crate::progress::{Bar, PATIENCE, Streams, rows_done};
use answer::{Answered, Answers};
use input::Input;
use plexus::{Model, Workspace, files};
use plexus_train::data::Targets;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;

/// Answers every row of every input.
pub fn run(args: PredictArgs) -> Result<(), Failure> {
    let model = Model::open_with(model_path(&args.model)?, args.open.into(), args.numbers.context(args.threads))?;
    if segment::is_meant(&model, &args) {
        return segment::run(&model, &args);
    }
    if slide::is_meant(&model, &args)? {
        return slide::run(&model, &args);
    }
    if args.overlay.is_some() {
        return Err(Failure::Input(
            "--overlay is for images, and a model that gives a class for each of their pixels or windows. Leave it out"
                .to_string(),
        ));
    }
    let inputs = Inputs::of(&args)?;
    let Some(path) = &args.out else {
        let out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
        let failed = |error| -> Failure { output::cannot_print(&error) };
        let answers = Answers::new(&model, &args, out, output::width())?;
        // Between rows on a terminal a bar would only flicker.
        let bar = !args.quiet && output::width().is_none();
        Answering { model: &model, args: &args, answers, failed: &failed, bar }.answer(inputs)?;
        return Ok(());
    };
    refuse_own_input(&args, path)?;
    let failed = |error| Failure::from(files::save_failed(path, error));
    let rows = files::write_with(path, |file| {
        let answers = Answers::new(&model, &args, BufWriter::with_capacity(1 << 16, file), None)?;
        Answering { model: &model, args: &args, answers, failed: &failed, bar: !args.quiet }.answer(inputs)
    })?;
    if !args.quiet {
        say!("{}: {} {}", path.display(), grouped(rows as u64), if rows == 1 { "answer" } else { "answers" });
    }
    Ok(())
}

/// Where rows come from.
enum Inputs<'a> {
    Named(&'a [String]),
    /// What was piped in, without being named.
    Piped(Vec<u8>),
    /// The data source.
    Source(&'a str),
}

impl<'a> Inputs<'a> {
    fn of(args: &'a PredictArgs) -> Result<Self, Failure> {
        if let Some(source) = &args.data {
            return Ok(Inputs::Source(source));
        }
        if !args.inputs.is_empty() {
            return Ok(Inputs::Named(&args.inputs));
        }
        let piped = if std::io::stdin().is_terminal() { Vec::new() } else { input::standard_input()? };
        if piped.trim_ascii().is_empty() {
            return Err(Failure::Input(
                "predict needs an input: a .csv, .json or .png file, JSON text such as '[1, 2, 3]', something on \
                 standard input, or --data SOURCE --row N"
                    .to_string(),
            ));
        }
        Ok(Inputs::Piped(piped))
    }
}

/// An output in place of an input would take away what it was made from.
fn refuse_own_input(args: &PredictArgs, out: &Path) -> Result<(), Failure> {
    let Ok(out) = out.canonicalize() else { return Ok(()) };
    let own = args.inputs.iter().find(|input| Path::new(input).canonicalize().is_ok_and(|input| input == out));
    match own {
        Some(input) => Err(Failure::Input(format!("--out {input} is an input itself: choose another name"))),
        None => Ok(()),
    }
}

/// Everything that it takes to answer.
struct Answering<'a, W: Write> {
    model: &'a Model,
    args: &'a PredictArgs,
    answers: Answers<'a, W>,
    /// What it means where an answer cannot be written.
    failed: &'a dyn Fn(std::io::Error) -> Failure,
    bar: bool,
}

impl<W: Write> Answering<'_, W> {
    /// Answers all rows; returns how many.
    fn answer(&mut self, inputs: Inputs<'_>) -> Result<usize, Failure> {
        match inputs {
            Inputs::Source(source) => {
                let (row, truth) = self.row_of_source(source)?;
                self.rows(&row, Some(&truth))
            }
            Inputs::Piped(bytes) => self.rows(&input::read_bytes(self.model, &self.args.reading(), &bytes)?, None),
            Inputs::Named(names) => {
                let each =
                    names.iter().map(|name| self.rows(&input::read(self.model, &self.args.reading(), name)?, None));
                each.sum()
            }
        }
    }

    /// Answers all rows of one input.
    fn rows(&mut self, input: &Input, truth: Option<&str>) -> Result<usize, Failure> {
        let model = self.model;
        let count = input.len();
        let most = model.rows_per_batch();
        let batches = (0..count).step_by(most).map(|first| first..count.min(first + most));
        let mut numbers = Vec::new();
        // A row that does not read is found before the first answer is printed; a file is whole or not there anyway.
        if self.args.out.is_none() && count > most {
            for batch in batches.clone() {
                numbers.clear();
                input.encode(model, batch, &mut numbers)?;
            }
        }
        let bar = self.bar.then(|| Bar::after(PATIENCE, Streams::new()));
        let started = std::time::Instant::now();
        let mut workspace = Workspace::default();
        let network = model.network();
        let widths: Vec<usize> = network.outputs().iter().map(|output| network.len(*output)).collect();
        for batch in batches {
            numbers.clear();
            input.encode(model, batch.clone(), &mut numbers)?;
            if batch.start == 0 {
                self.answers.begin(input, truth.is_some())?.map_err(self.failed)?;
            }
            let outputs = model.predict_all(&[&numbers], batch.len(), &mut workspace);
            let outputs = outputs.map_err(|error| at_its_row(error, input, batch.start))?;
            for (index, row) in batch.clone().enumerate() {
                let own = |output: usize| index * widths[output]..(index + 1) * widths[output];
                let answered = Answered {
                    input,
                    row,
                    outputs: (0..widths.len()).map(|output| &outputs.at(output)[own(output)]).collect(),
                    scores: (0..widths.len()).map(|output| &outputs.scores(output)[own(output)]).collect(),
                    truth,
                };
                self.answers.answer(&answered).map_err(self.failed)?;
            }
            self.answers.flush().map_err(self.failed)?;
            if let Some(bar) = &bar {
                bar.update(|| rows_done(&input.name, batch.end, count, started.elapsed()));
            }
        }
        if let Some(bar) = &bar {
            bar.clear();
        }
        Ok(count)
    }

    /// A row of a data source, with its true answer.
    fn row_of_source(&self, source: &str) -> Result<(Input, String), Failure> {
        let data = self.model.choose_rows(source, &self.args.source.options(), None)?.data;
        self.model.check_data(&data)?;
        let row = self.args.row;
        if row >= data.len() {
            let last = data.len().saturating_sub(1);
            return Err(Failure::Input(format!("--row is {row}, but there are rows 0 to {last}")));
        }
        let mut values = vec![0.0; data.row_len()];
        data.copy_rows(&[row as u64], &mut values);
        let truths = data.targets().iter().map(|targets| match targets {
            Targets::Classes { names, positions, indices, .. } if !positions.axes().is_empty() => {
                let len = positions.len().unwrap_or(0);
                let known: Vec<usize> = indices[row * len..][..len].iter().map(|class| *class as usize).collect();
                let share = |class: usize| known.iter().filter(|known| **known == class).count() as f32 / len as f32;
                let named = names.iter().enumerate().map(|(class, name)| format!("{name} {}", percent(share(class))));
                named.collect::<Vec<String>>().join(", ")
            }
            Targets::Classes { names, indices, .. } => names[indices[row] as usize].clone(),
            Targets::Values { shape, .. } if shape.axes().len() > 1 => format!("{shape} numbers"),
            Targets::Values { names, values, .. } => {
                let row = &values[row * names.len()..][..names.len()];
                row.iter().map(|value| number(f64::from(*value))).collect::<Vec<_>>().join(", ")
            }
        });
        let truth = truths.collect::<Vec<String>>().join("; ");
        if let ([1, height, width], Format::Text, None) = (data.input().axes(), self.args.format(), &self.args.out)
            && *width <= 64
        {
            print_image(&values, *height, *width);
        }
        Ok((Input::numbers(source, vec![format!("{source} row {row}")], values), truth))
    }
}

/// Says of a number that is refused where it comes from; `first` is the first row of its batch.
fn at_its_row(error: plexus::Error, input: &Input, first: usize) -> Failure {
    let plexus::Error::Input { row, column, value, .. } = error else { return error.into() };
    let place = input.place(first + row);
    Failure::Input(format!("{place}: number {} is {value}, and a prediction takes finite numbers only", column + 1))
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

#[cfg(test)]
mod tests {
    use super::*;
    use plexus::Context;

    #[test]
    fn a_number_that_is_refused_is_shown_with_its_row() {
        let input = Input::numbers("new.json", vec!["a".to_string(), "new.json row 2".to_string()], vec![0.0; 4]);
        let network = plexus::Network::chain([2], [plexus::layers::Linear::new(1).into()]).check().unwrap();
        let (params, task) =
            (plexus::Params::zeros(&network), plexus::Task::Regression { outputs: vec!["y".to_string()] });
        let model = Model::new(network, &params, task, Context::single()).unwrap();
        let error = model.predict(&[0.0, f32::INFINITY], 1, &mut Workspace::default()).unwrap_err();
        let shown = at_its_row(error, &input, 1).to_string();
        assert_eq!(shown, "new.json row 2: number 2 is inf, and a prediction takes finite numbers only");
    }
}
