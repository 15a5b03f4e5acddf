//! What came of one table.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How far our mean may be below the other's.
pub const BAR: f64 = 0.02;

/// What is to be predicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Classes; measured by accuracy.
    Classes,
    /// Numbers; measured by R2.
    Numbers,
}

impl Task {
    /// The measure.
    pub fn measure(self) -> &'static str {
        match self {
            Task::Classes => "accuracy",
            Task::Numbers => "R2",
        }
    }

    /// Its name in what `plexus evaluate --json` prints.
    fn key(self) -> &'static str {
        match self {
            Task::Classes => "test_accuracy",
            Task::Numbers => "test_r2",
        }
    }
}

/// A table, as the script describes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Table {
    /// What `--only` looks at.
    pub name: String,
    /// The package that it comes from.
    pub package: String,
    /// The column to predict.
    pub target: String,
    /// Of which kind that is.
    pub task: Task,
    /// Rows with a target.
    pub rows: usize,
    /// Those of them that are kept for the test.
    pub test_rows: usize,
    /// Rows that were left out.
    pub without_target: usize,
    /// Columns of numbers, without the target.
    pub numbers: usize,
    /// Columns of text, without the target.
    pub texts: usize,
    /// Empty cells.
    pub missing: usize,
}

/// One side with one seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Accuracy or R2 on the test rows.
    pub score: f64,
    /// How long training took.
    pub seconds: f64,
    /// Its epochs.
    pub epochs: Option<u64>,
}

/// One side with one seed, or what it said when it failed.
pub type Result = std::result::Result<Score, String>;

impl Table {
    /// Reads what `plexus evaluate --json` says.
    pub fn score(&self, answer: &Value, seconds: f64, epochs: Option<u64>) -> Result {
        if answer["rows"] != self.test_rows {
            return Err(format!("measured on {} rows instead of {}", answer["rows"], self.test_rows));
        }
        let key = self.task.key();
        let score = answer[key].as_f64().ok_or_else(|| format!("no {key} in what it says: {answer}"))?;
        Ok(Score { score, seconds, epochs })
    }
}

/// A table with both sides, an entry for each seed.
#[derive(Clone, Debug, Serialize)]
pub struct Compared {
    /// Which.
    pub table: Table,
    /// Our side.
    pub ours: Vec<Result>,
    /// scikit-learn; `None` where nothing is known.
    pub theirs: Vec<Option<Score>>,
}

impl Compared {
    /// Our side, where every seed worked.
    fn our_scores(&self) -> Option<Vec<Score>> {
        self.ours.iter().map(|one| one.as_ref().ok().copied()).collect()
    }

    /// The other side, where every seed is known.
    fn their_scores(&self) -> Option<Vec<Score>> {
        self.theirs.iter().copied().collect()
    }

    /// Our mean less theirs, where both are known.
    pub fn difference(&self) -> Option<f64> {
        let mean = |scores: Vec<Score>| mean(scores.iter().map(|one| one.score));
        Some(mean(self.our_scores()?) - mean(self.their_scores()?))
    }

    /// What our side said, where it failed.
    pub fn failures(&self) -> impl Iterator<Item = String> + '_ {
        let failed = |(seed, one): (usize, &Result)| Some(format!("seed {seed}: {}", one.as_ref().err()?));
        self.ours.iter().enumerate().filter_map(failed)
    }

    /// Why the bar is not reached, if it is not.
    pub fn problem(&self) -> Option<String> {
        let name = &self.table.name;
        if let Some(failure) = self.failures().next() {
            return Some(format!("{name}: plexus failed: {failure}"));
        }
        let below = -self.difference()?;
        let behind =
            || format!("{name}: {below:.3} below scikit-learn in {}, allowed {BAR}", self.table.task.measure());
        // A difference that is not a number is not a good one.
        if below <= BAR { None } else { Some(behind()) }
    }

    /// One word.
    fn verdict(&self) -> &'static str {
        match (self.problem(), self.difference()) {
            (Some(_), _) => "BEHIND",
            (None, Some(_)) => "ok",
            (None, None) => "?",
        }
    }

    /// The row of the table.
    pub fn cells(&self) -> [String; 10] {
        let table = &self.table;
        let (ours, theirs) = (self.our_scores(), self.their_scores());
        [
            table.name.clone(),
            table.rows.to_string(),
            format!("{} + {}", table.numbers, table.texts),
            table.missing.to_string(),
            table.task.measure().to_string(),
            ours.as_deref().map_or("failed".to_string(), mean_and_spread),
            theirs.as_deref().map_or("?".to_string(), mean_and_spread),
            self.difference().map_or("?".to_string(), |difference| format!("{difference:+.3}")),
            format!("{} / {}", seconds(ours), seconds(theirs)),
            self.verdict().to_string(),
        ]
    }
}

/// The mean; not a number where there is nothing.
fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len() as f64;
    values.sum::<f64>() / count
}

fn mean_and_spread(scores: &[Score]) -> String {
    let mean = mean(scores.iter().map(|one| one.score));
    let squares: f64 = scores.iter().map(|one| (one.score - mean).powi(2)).sum();
    let spread = if scores.len() < 2 { 0.0 } else { (squares / (scores.len() - 1) as f64).sqrt() };
    format!("{mean:.3} ± {spread:.3}")
}

fn seconds(scores: Option<Vec<Score>>) -> String {
    scores.map_or("?".to_string(), |scores| format!("{:.1}", mean(scores.iter().map(|one| one.seconds))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table(task: Task) -> Table {
        Table {
            name: "cars".to_string(),
            package: "some".to_string(),
            target: "price".to_string(),
            task,
            rows: 100,
            test_rows: 20,
            without_target: 0,
            numbers: 3,
            texts: 1,
            missing: 0,
        }
    }

    fn score(score: f64) -> Score {
        Score { score, seconds: 1.0, epochs: None }
    }

    fn compared(ours: &[f64], theirs: &[f64]) -> Compared {
        Compared {
            table: table(Task::Numbers),
            ours: ours.iter().map(|&one| Ok(score(one))).collect(),
            theirs: theirs.iter().map(|&one| Some(score(one))).collect(),
        }
    }

    #[test]
    fn the_bar_is_between_the_means() {
        let reached = compared(&[0.60, 0.90], &[0.76, 0.77]);
        assert_eq!(reached.problem(), None);
        assert_eq!(reached.cells()[5..8], ["0.750 ± 0.212", "0.765 ± 0.007", "-0.015"]);
        let missed = compared(&[0.60, 0.90], &[0.77, 0.78]);
        assert_eq!(missed.problem().as_deref(), Some("cars: 0.025 below scikit-learn in R2, allowed 0.02"));
        assert_eq!(missed.cells()[9], "BEHIND");
    }

    #[test]
    fn a_score_that_is_no_number_is_behind() {
        assert!(compared(&[f64::NAN], &[0.5]).problem().is_some());
    }

    #[test]
    fn a_failure_of_ours_is_behind_and_a_missing_result_of_theirs_is_not() {
        let mut failed = compared(&[0.9, 0.9], &[0.1, 0.1]);
        failed.ours[1] = Err("no such column".to_string());
        assert_eq!(failed.problem().as_deref(), Some("cars: plexus failed: seed 1: no such column"));
        let mut unknown = compared(&[0.9, 0.9], &[0.1, 0.1]);
        unknown.theirs[0] = None;
        assert_eq!((unknown.problem(), unknown.verdict()), (None, "?"));
    }

    #[test]
    fn an_answer_about_other_rows_or_another_task_is_a_failure() {
        let answer = json!({ "rows": 20, "test_accuracy": 0.5 });
        assert_eq!(table(Task::Classes).score(&answer, 1.0, None), Ok(score(0.5)));
        assert!(table(Task::Numbers).score(&answer, 1.0, None).is_err());
        assert!(table(Task::Classes).score(&json!({ "rows": 19, "test_accuracy": 0.5 }), 1.0, None).is_err());
    }
}
