//! How a check or a stage ended, and how that is shown.

/// The result of a check or a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well; what was looked at.
    Passed(String),
    /// It could not be done on this machine, and why.
    Skipped(String),
    /// What is wrong, a line each.
    Failed(Vec<String>),
}

impl Outcome {
    /// A failure with one reason.
    pub fn failed(reason: impl Into<String>) -> Outcome {
        Outcome::Failed(vec![reason.into()])
    }

    /// Passed where there are no problems.
    pub fn from_problems(problems: Vec<String>, passed: impl Into<String>) -> Outcome {
        if problems.is_empty() { Outcome::Passed(passed.into()) } else { Outcome::Failed(problems) }
    }

    /// Skipped on a developer's machine; a failure where `CI=true` promises that everything is there.
    pub fn missing(reason: impl Into<String>) -> Outcome {
        if std::env::var("CI").is_ok_and(|ci| ci == "true") {
            Outcome::failed(format!("{} (not skipped, because CI=true)", reason.into()))
        } else {
            Outcome::Skipped(reason.into())
        }
    }

    /// Whether the program should end with a failure.
    pub fn is_failure(&self) -> bool {
        matches!(self, Outcome::Failed(_))
    }

    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Passed(_) => "ok",
            Outcome::Skipped(_) => "skipped",
            Outcome::Failed(_) => "FAILED",
        }
    }

    /// The rest of the line behind the word.
    pub fn summary(&self) -> String {
        match self {
            Outcome::Passed(what) | Outcome::Skipped(what) => what.clone(),
            Outcome::Failed(problems) => match problems.as_slice() {
                [only] => only.clone(),
                _ => format!("{} problems", problems.len()),
            },
        }
    }

    /// Prints the outcome of a whole task.
    pub fn print(&self) {
        println!("{}: {}", self.word(), self.summary());
        self.print_problems();
    }

    /// Prints the single problems, where [`Outcome::summary`] only counted them.
    pub fn print_problems(&self) {
        if let Outcome::Failed(problems) = self
            && problems.len() > 1
        {
            problems.iter().for_each(|problem| println!("    {problem}"));
        }
    }
}
