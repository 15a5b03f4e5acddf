//! What a model says, written for people, for programs, or as a table.

use super::input::Input;
use crate::Failure;
use crate::args::{Format, PredictArgs};
use crate::output::{folded, number, percent};
use plexus::{Model, OutputTask, Task};
use serde_json::Value;
use std::io::{self, Write};

/// Writes one answer after the other.
pub(super) struct Answers<'a, W: Write> {
    model: &'a Model,
    outputs: &'a [OutputTask],
    args: &'a PredictArgs,
    out: Sink<W>,
    /// Columns of the terminal that lines are folded for, where they go to one.
    width: Option<usize>,
    /// The input that the columns of the table are those of, and these columns; once there is one.
    table: Option<(String, Vec<String>)>,
}

/// Where answers go.
enum Sink<W: Write> {
    Lines(W),
    Table(Box<csv::Writer<W>>),
}

/// One row that was answered.
pub(super) struct Answered<'a> {
    pub input: &'a Input,
    pub row: usize,
    /// Of each output probabilities, or numbers.
    pub outputs: Vec<&'a [f32]>,
    /// What the probabilities were made of.
    pub scores: Vec<&'a [f32]>,
    /// The true answer, where it is known.
    pub truth: Option<&'a str>,
}

/// The column of the rows that are no table: their names.
const INPUT: &str = "input";

impl<'a, W: Write> Answers<'a, W> {
    pub(super) fn new(model: &'a Model, args: &'a PredictArgs, out: W, width: Option<usize>) -> Result<Self, Failure> {
        let refuse = |message: String| Err(Failure::Input(message));
        let outputs = model.outputs();
        let at_positions = (0..outputs.len()).find(|output| !model.positions(*output).is_empty());
        if let Some(output) = at_positions {
            let what = if is_class(&outputs[output].task) { "a class" } else { "numbers" };
            let is_text = args.format() == Format::Text && is_class(&outputs[output].task);
            if !is_text && args.format() != Format::Json {
                return refuse(format!(
                    "the model answers with {what} for each pixel, which fits into no line: use --format json, or for classes \
                     --out mask.png"
                ));
            }
            if args.threshold.is_some() || args.probabilities {
                let option = if args.probabilities { "--probabilities" } else { "--threshold" };
                return refuse(format!(
                    "{option} is for one answer a row, but the model answers with {what} for each pixel"
                ));
            }
        }
        match (args.threshold, &outputs[0].task) {
            (None, _) => {}
            (Some(_), _) if outputs.len() > 1 => return refuse("--threshold is for models of one output".to_string()),
            (Some(_), Task::Classification { classes }) if classes.len() == 2 => {}
            (Some(_), Task::Classification { classes }) => {
                return refuse(format!("--threshold is for two classes, but the model knows {}", classes.len()));
            }
            (Some(_), Task::MultiLabel { .. }) => {
                return refuse(
                    "--threshold is for two classes that exclude each other, as cross_entropy learns them".into(),
                );
            }
            (Some(_), _) => return refuse("--threshold is for two classes, but the model answers with numbers".into()),
        }
        if args.probabilities && !outputs.iter().any(|output| is_class(&output.task)) {
            return refuse("--probabilities is for classes, but the model answers with numbers".to_string());
        }
        let out = match args.format() {
            Format::Csv => {
                let is_tsv =
                    args.out.as_ref().is_some_and(|path| path.extension().is_some_and(|ending| ending == "tsv"));
                let delimiter = if is_tsv { b'\t' } else { b',' };
                Sink::Table(Box::new(csv::WriterBuilder::new().delimiter(delimiter).from_writer(out)))
            }
            Format::Text | Format::Json => Sink::Lines(out),
        };
        Ok(Answers { model, outputs, args, out, width, table: None })
    }

    /// Begins with an input: a table gets its header, and takes no rows of other columns.
    pub(super) fn begin(&mut self, input: &Input, with_truth: bool) -> Result<io::Result<()>, Failure> {
        let Sink::Table(out) = &mut self.out else { return Ok(Ok(())) };
        let columns = input.columns().map_or_else(|| vec![INPUT.to_string()], <[String]>::to_vec);
        if let Some((first, of_first)) = &self.table {
            if *of_first == columns {
                return Ok(Ok(()));
            }
            return Err(Failure::Input(format!(
                "{} has other columns than {first}, so they do not fit into one table: answer them one at a time",
                input.name
            )));
        }
        let mut header = columns.clone();
        for output in self.outputs {
            let own = (self.outputs.len() > 1).then_some(&output.name[..]);
            for name in answer_columns(&output.task, own, self.args.probabilities) {
                header.push(free_name(&name, &header));
            }
        }
        if with_truth {
            header.push(free_name("true", &header));
        }
        self.table = Some((input.name.clone(), columns));
        Ok(out.write_record(&header).map_err(io::Error::from))
    }

    /// Writes one answer.
    pub(super) fn answer(&mut self, answered: &Answered<'_>) -> io::Result<()> {
        match self.args.format() {
            Format::Csv => self.table_row(answered),
            Format::Json => {
                let line = self.json(answered);
                self.line(&line.to_string())
            }
            Format::Text => {
                let line = self.text(answered);
                self.line(&self.width.map_or_else(|| line.clone(), |width| folded(&line, width)))
            }
        }
    }

    /// Hands on what is written so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Sink::Lines(out) => out.flush(),
            Sink::Table(out) => out.flush(),
        }
    }

    /// The classes: the answer first, then the likeliest; NaN last, and among equals the first class first.
    fn order(&self, outputs: &[f32]) -> Vec<usize> {
        if let (Some(threshold), [_, second]) = (self.args.threshold, outputs) {
            return if *second >= threshold { vec![1, 0] } else { vec![0, 1] };
        }
        let mut order: Vec<usize> = (0..outputs.len()).collect();
        order.sort_by(|&a, &b| {
            outputs[b].partial_cmp(&outputs[a]).unwrap_or_else(|| outputs[a].is_nan().cmp(&outputs[b].is_nan()))
        });
        order
    }

    /// How many classes are shown.
    fn shown(&self) -> usize {
        if self.args.probabilities { usize::MAX } else { self.args.top }
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        match &mut self.out {
            Sink::Lines(out) => out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")),
            Sink::Table(_) => unreachable!("a table has no lines"),
        }
    }

    fn text(&self, answered: &Answered<'_>) -> String {
        let parts: Vec<String> =
            (0..self.outputs.len()).map(|output| self.text_of(output, answered.outputs[output])).collect();
        let true_what = if is_class(&self.outputs[0].task) { "class" } else { "value" };
        let true_what = if self.outputs.len() > 1 { "values" } else { true_what };
        let truth = answered.truth.map_or(String::new(), |truth| format!("   (true {true_what}: {truth})"));
        format!("{}: {}{truth}", answered.input.label(answered.row), parts.join("; "))
    }

    fn text_of(&self, index: usize, values: &[f32]) -> String {
        let output = &self.outputs[index];
        let names = output.task.names();
        if !self.model.positions(index).is_empty() {
            let shares = shares(names.len(), &most(names.len(), values));
            let shown = names.iter().zip(shares).map(|(name, share)| format!("{name} {}", percent(share as f32)));
            return shown.collect::<Vec<String>>().join(", ") + " of the pixels";
        }
        if !is_class(&output.task) {
            let shown = names.iter().zip(values).map(|(name, value)| format!("{name} {}", number(f64::from(*value))));
            return shown.collect::<Vec<String>>().join(", ");
        }
        let order = self.order(values);
        let shown =
            order.iter().take(self.shown().max(1)).map(|&class| format!("{} {}", names[class], percent(values[class])));
        let shown = shown.collect::<Vec<String>>().join(", ");
        if self.outputs.len() > 1 { format!("{} {shown}", output.name) } else { shown }
    }

    fn json(&self, answered: &Answered<'_>) -> Value {
        let label = answered.input.label(answered.row);
        let mut parts = self.outputs.iter().enumerate().map(|(index, output)| {
            let (values, scores) = (answered.outputs[index], answered.scores[index]);
            let part = match self.model.positions(index) {
                [] => self.json_of(&output.task, values, scores),
                positions => json_at_positions(&output.task, positions, values),
            };
            (output.name.clone(), part)
        });
        if self.outputs.len() > 1 {
            let outputs: serde_json::Map<String, Value> = parts.collect();
            return serde_json::json!({ "input": label, "outputs": outputs, "true": answered.truth });
        }
        let (_, part) = parts.next().expect("a model has an output");
        if !is_class(&self.outputs[0].task) {
            return serde_json::json!({ "input": label, "outputs": part, "target": answered.truth });
        }
        let mut line = serde_json::json!({ "input": label });
        if let (Value::Object(line), Value::Object(part)) = (&mut line, part) {
            line.extend(part);
        }
        line["true"] = answered.truth.into();
        line
    }

    fn json_of(&self, task: &Task, values: &[f32], scores: &[f32]) -> Value {
        let names = task.names();
        if !is_class(task) {
            let named = names.iter().cloned().zip(values.iter().map(|value| Value::from(*value)));
            return Value::Object(named.collect());
        }
        let order = self.order(values);
        let class = |&class: &usize| serde_json::json!({ "label": names[class], "probability": values[class], "score": scores[class] });
        serde_json::json!({
            "label": order.first().map(|&class| &names[class]),
            "probability": order.first().map(|&class| values[class]),
            "top": order.iter().take(self.shown()).map(class).collect::<Vec<Value>>(),
        })
    }

    fn table_row(&mut self, answered: &Answered<'_>) -> io::Result<()> {
        let orders: Vec<Vec<usize>> = answered.outputs.iter().map(|values| self.order(values)).collect();
        let Sink::Table(out) = &mut self.out else { unreachable!("the format is a table's") };
        match answered.input.columns() {
            Some(columns) => {
                for column in 0..columns.len() {
                    out.write_field(answered.input.field(answered.row, column))?;
                }
            }
            None => out.write_field(answered.input.label(answered.row))?,
        }
        for ((OutputTask { task, .. }, values), order) in self.outputs.iter().zip(&answered.outputs).zip(orders) {
            if is_class(task) {
                let answer = order.first().copied().unwrap_or(0);
                out.write_field(&task.names()[answer])?;
                out.write_field(values[answer].to_string())?;
            }
            if self.args.probabilities || !is_class(task) {
                for value in *values {
                    out.write_field(value.to_string())?;
                }
            }
        }
        if let Some(truth) = answered.truth {
            out.write_field(truth)?;
        }
        out.write_record(None::<&[u8]>)?;
        Ok(())
    }
}

/// A class, or numbers, for each position: flat lists, row by row.
fn json_at_positions(task: &Task, positions: &[usize], values: &[f32]) -> Value {
    let names = task.names();
    if !is_class(task) {
        let maps = values.chunks_exact(positions.iter().product::<usize>().max(1));
        let named = names.iter().cloned().zip(maps.map(|map| Value::from(map.to_vec())));
        return Value::Object(named.collect());
    }
    let classes = most(names.len(), values);
    let shares: serde_json::Map<String, Value> =
        names.iter().cloned().zip(shares(names.len(), &classes).into_iter().map(Value::from)).collect();
    serde_json::json!({ "positions": positions, "shares": shares, "classes": classes })
}

/// The likeliest class at each position of `[names, positions]`, the first of equals.
fn most(names: usize, values: &[f32]) -> Vec<usize> {
    let positions = values.len() / names.max(1);
    let best = |at: usize| {
        (1..names).fold(
            0,
            |best, name| {
                if values[name * positions + at] > values[best * positions + at] { name } else { best }
            },
        )
    };
    (0..positions).map(best).collect()
}

/// The share of each class.
fn shares(names: usize, classes: &[usize]) -> Vec<f64> {
    let mut counts = vec![0usize; names];
    classes.iter().for_each(|class| counts[*class] += 1);
    counts.into_iter().map(|count| count as f64 / classes.len().max(1) as f64).collect()
}

fn is_class(task: &Task) -> bool {
    matches!(task, Task::Classification { .. } | Task::MultiLabel { .. })
}

/// The columns of an answer; of one of several outputs, which has a name.
fn answer_columns(task: &Task, output: Option<&str>, probabilities: bool) -> Vec<String> {
    match task {
        Task::Classification { classes } | Task::MultiLabel { classes } => {
            let (answer, probability) = match output {
                Some(output) => (format!("{output}_predicted"), format!("{output}_probability")),
                None => ("prediction".to_string(), "probability".to_string()),
            };
            let mut columns = vec![answer, probability.clone()];
            if probabilities {
                columns.extend(classes.iter().map(|class| format!("{probability}_{class}")));
            }
            columns
        }
        Task::Quantiles { target, quantiles, .. } => {
            quantiles.iter().map(|quantile| format!("{target}_predicted_q{quantile}")).collect()
        }
        other => other.names().iter().map(|name| format!("{name}_predicted")).collect(),
    }
}

/// A name that no other column has.
fn free_name(name: &str, taken: &[String]) -> String {
    let mut names = std::iter::once(name.to_string()).chain((2..).map(|number| format!("{name}_{number}")));
    names.find(|name| !taken.contains(name)).expect("the numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_pixels_are_counted() {
        // Two classes on three pixels; equal ones are the first.
        let classes = most(2, &[0.2, 0.5, 0.9, 0.8, 0.5, 0.1]);
        assert_eq!(classes, [1, 0, 0]);
        assert_eq!(shares(2, &classes), [2.0 / 3.0, 1.0 / 3.0]);
        let task = Task::Classification { classes: vec!["ground".to_string(), "cell".to_string()] };
        let value = json_at_positions(&task, &[1, 3], &[0.2, 0.5, 0.9, 0.8, 0.5, 0.1]);
        assert_eq!(
            (&value["positions"], &value["classes"]),
            (&serde_json::json!([1, 3]), &serde_json::json!([1, 0, 0]))
        );
    }

    #[test]
    fn names_of_answers_are_no_others() {
        let taken = ["prediction", "prediction_2", "y"].map(String::from);
        assert_eq!(free_name("prediction", &taken), "prediction_3");
        assert_eq!(free_name("probability", &taken), "probability");
    }

    #[test]
    fn each_task_has_its_columns() {
        let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<String>>();
        let classes = Task::Classification { classes: words(&["no", "yes"]) };
        assert_eq!(answer_columns(&classes, None, false), ["prediction", "probability"]);
        assert_eq!(answer_columns(&classes, None, true)[2..], ["probability_no", "probability_yes"]);
        let of_one = answer_columns(&classes, Some("kind"), true);
        assert_eq!(of_one, ["kind_predicted", "kind_probability", "kind_probability_no", "kind_probability_yes"]);
        let price = Task::Regression { outputs: words(&["price"]) };
        assert_eq!(answer_columns(&price, None, false), ["price_predicted"]);
        let outputs = words(&["price q0.1", "price q0.9"]);
        let interval = Task::Quantiles { target: "price".to_string(), quantiles: vec![0.1, 0.9], outputs };
        assert_eq!(answer_columns(&interval, None, false), ["price_predicted_q0.1", "price_predicted_q0.9"]);
    }
}
