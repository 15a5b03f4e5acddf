//! What a model says, written for people, for programs, or as a table.

use super::input::Input;
use crate::Failure;
use crate::args::{Format, PredictArgs};
use crate::output::{folded, number, percent};
use plexus::Task;
use serde_json::Value;
use std::io::{self, Write};

/// Writes one answer after the other.
pub(super) struct Answers<'a, W: Write> {
    task: &'a Task,
    args: &'a PredictArgs,
    out: Sink<W>,
    /// Columns of the terminal that lines are folded for, where they go to one.
    width: Option<usize>,
    /// The input that the columns of the table are those of, and these columns; once there is one.
    table: Option<(String, Vec<String>)>,
    /// Classes in the order of an answer; kept so that it need not be allocated for each.
    order: Vec<usize>,
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
    /// Probabilities, or numbers.
    pub outputs: &'a [f32],
    /// What the probabilities were made of; empty where nobody wants them.
    pub scores: &'a [f32],
    /// The true answer, where it is known.
    pub truth: Option<&'a str>,
}

/// The column of the rows that are no table: their names.
const INPUT: &str = "input";

impl<'a, W: Write> Answers<'a, W> {
    pub(super) fn new(task: &'a Task, args: &'a PredictArgs, out: W, width: Option<usize>) -> Result<Self, Failure> {
        let classes = is_class(task).then_some(task.names().len());
        let refuse = |message: String| Err(Failure::Input(message));
        match (args.threshold, task) {
            (None, _) => {}
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
        if args.probabilities && classes.is_none() {
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
        Ok(Answers { task, args, out, width, table: None, order: Vec::new() })
    }

    /// Whether an answer also needs the scores that its probabilities were made of.
    pub(super) fn wants_scores(&self) -> bool {
        self.args.format() == Format::Json && is_class(self.task)
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
        for name in answer_columns(self.task, self.args.probabilities) {
            header.push(free_name(&name, &header));
        }
        if with_truth {
            header.push(free_name("true", &header));
        }
        self.table = Some((input.name.clone(), columns));
        Ok(out.write_record(&header).map_err(io::Error::from))
    }

    /// Writes one answer.
    pub(super) fn answer(&mut self, answered: &Answered<'_>) -> io::Result<()> {
        if is_class(self.task) {
            self.sort(answered.outputs);
        }
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
    fn sort(&mut self, outputs: &[f32]) {
        self.order.clear();
        self.order.extend(0..outputs.len());
        self.order.sort_by(|&a, &b| {
            outputs[b].partial_cmp(&outputs[a]).unwrap_or_else(|| outputs[a].is_nan().cmp(&outputs[b].is_nan()))
        });
        if let (Some(threshold), [_, second]) = (self.args.threshold, outputs) {
            self.order = if *second >= threshold { vec![1, 0] } else { vec![0, 1] };
        }
    }

    /// How many classes are shown.
    fn shown(&self) -> usize {
        if self.args.probabilities { self.order.len() } else { self.args.top }
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        match &mut self.out {
            Sink::Lines(out) => out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")),
            Sink::Table(_) => unreachable!("a table has no lines"),
        }
    }

    fn text(&self, answered: &Answered<'_>) -> String {
        let names = self.task.names();
        let outputs = answered.outputs;
        let (answers, true_what): (Vec<String>, _) = if is_class(self.task) {
            let shown = self.order.iter().take(self.shown().max(1));
            (shown.map(|&class| format!("{} {}", names[class], percent(outputs[class]))).collect(), "class")
        } else {
            let shown = names.iter().zip(outputs);
            (shown.map(|(name, value)| format!("{name} {}", number(f64::from(*value)))).collect(), "value")
        };
        let truth = answered.truth.map_or(String::new(), |truth| format!("   (true {true_what}: {truth})"));
        format!("{}: {}{truth}", answered.input.label(answered.row), answers.join(", "))
    }

    fn json(&self, answered: &Answered<'_>) -> Value {
        let names = self.task.names();
        let (outputs, label) = (answered.outputs, answered.input.label(answered.row));
        if !is_class(self.task) {
            let outputs: serde_json::Map<String, Value> =
                names.iter().cloned().zip(outputs.iter().map(|value| Value::from(*value))).collect();
            return serde_json::json!({ "input": label, "outputs": outputs, "target": answered.truth });
        }
        let class = |&class: &usize| {
            serde_json::json!({
                "label": names[class], "probability": outputs[class], "score": answered.scores.get(class),
            })
        };
        serde_json::json!({
            "input": label,
            "label": self.order.first().map(|&class| &names[class]),
            "probability": self.order.first().map(|&class| outputs[class]),
            "top": self.order.iter().take(self.shown()).map(class).collect::<Vec<Value>>(),
            "true": answered.truth,
        })
    }

    fn table_row(&mut self, answered: &Answered<'_>) -> io::Result<()> {
        let Sink::Table(out) = &mut self.out else { unreachable!("the format is a table's") };
        match answered.input.columns() {
            Some(columns) => {
                for column in 0..columns.len() {
                    out.write_field(answered.input.field(answered.row, column))?;
                }
            }
            None => out.write_field(answered.input.label(answered.row))?,
        }
        if is_class(self.task) {
            let answer = self.order.first().copied().unwrap_or(0);
            out.write_field(&self.task.names()[answer])?;
            out.write_field(answered.outputs[answer].to_string())?;
        }
        if self.args.probabilities || !is_class(self.task) {
            for value in answered.outputs {
                out.write_field(value.to_string())?;
            }
        }
        if let Some(truth) = answered.truth {
            out.write_field(truth)?;
        }
        out.write_record(None::<&[u8]>)?;
        Ok(())
    }
}

fn is_class(task: &Task) -> bool {
    matches!(task, Task::Classification { .. } | Task::MultiLabel { .. })
}

/// The columns of an answer.
fn answer_columns(task: &Task, probabilities: bool) -> Vec<String> {
    match task {
        Task::Classification { classes } | Task::MultiLabel { classes } => {
            let mut columns = vec!["prediction".to_string(), "probability".to_string()];
            if probabilities {
                columns.extend(classes.iter().map(|class| format!("probability_{class}")));
            }
            columns
        }
        Task::Quantiles { target, quantiles, .. } => {
            quantiles.iter().map(|quantile| format!("{target}_predicted_q{quantile}")).collect()
        }
        Task::Regression { outputs } => outputs.iter().map(|name| format!("{name}_predicted")).collect(),
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
    fn names_of_answers_are_no_others() {
        let taken = ["prediction", "prediction_2", "y"].map(String::from);
        assert_eq!(free_name("prediction", &taken), "prediction_3");
        assert_eq!(free_name("probability", &taken), "probability");
    }

    #[test]
    fn each_task_has_its_columns() {
        let words = |words: &[&str]| words.iter().map(|word| word.to_string()).collect::<Vec<String>>();
        let classes = Task::Classification { classes: words(&["no", "yes"]) };
        assert_eq!(answer_columns(&classes, false), ["prediction", "probability"]);
        assert_eq!(answer_columns(&classes, true)[2..], ["probability_no", "probability_yes"]);
        let price = Task::Regression { outputs: words(&["price"]) };
        assert_eq!(answer_columns(&price, false), ["price_predicted"]);
        let outputs = words(&["price q0.1", "price q0.9"]);
        let interval = Task::Quantiles { target: "price".to_string(), quantiles: vec![0.1, 0.9], outputs };
        assert_eq!(answer_columns(&interval, false), ["price_predicted_q0.1", "price_predicted_q0.9"]);
    }
}
