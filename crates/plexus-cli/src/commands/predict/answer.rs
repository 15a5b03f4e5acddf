//! What a model says, written for people, for programs, or as a table.

use super::input::Input;
use crate::Failure;
use crate::args::{Format, PredictArgs};
use crate::output::{folded, number, percent};
use plexus::{OutputTask, Task};
use serde_json::Value;
use std::io::{self, Write};

/// Writes one answer after the other.
pub(super) struct Answers<'a, W: Write> {
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
    pub(super) fn new(
        outputs: &'a [OutputTask],
        args: &'a PredictArgs,
        out: W,
        width: Option<usize>,
    ) -> Result<Self, Failure> {
        let refuse = |message: String| Err(Failure::Input(message));
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
        Ok(Answers { outputs, args, out, width, table: None })
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
            self.outputs.iter().zip(&answered.outputs).map(|(output, values)| self.text_of(output, values)).collect();
        let true_what = if is_class(&self.outputs[0].task) { "class" } else { "value" };
        let true_what = if self.outputs.len() > 1 { "values" } else { true_what };
        let truth = answered.truth.map_or(String::new(), |truth| format!("   (true {true_what}: {truth})"));
        format!("{}: {}{truth}", answered.input.label(answered.row), parts.join("; "))
    }

    fn text_of(&self, output: &OutputTask, values: &[f32]) -> String {
        let names = output.task.names();
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
            (output.name.clone(), self.json_of(&output.task, answered.outputs[index], answered.scores[index]))
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
