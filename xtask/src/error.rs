//! What can go wrong in a task before it has a result.

use std::path::{Path, PathBuf};

/// A task could not be carried out. A rule that is broken is not an error but an outcome.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// A file or folder could not be read, written or removed.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot start `{program}`: {source}. Install it, or put it on the PATH.")]
    Start {
        /// Its name.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A program ran and reported a failure.
    #[error("`{command}` failed ({status}){}", indented(output))]
    Command {
        /// As it was called.
        command: String,
        /// How it ended.
        status: std::process::ExitStatus,
        /// The end of what it printed; empty where it was shown already.
        output: String,
    },
    /// A file, or what a program printed, is not what it should be.
    #[error("{}: expected {expected}, got {got}", place.display())]
    Content {
        /// The file, or the program that printed it.
        place: PathBuf,
        /// What should be there.
        expected: String,
        /// What is there.
        got: String,
    },
}

impl TaskError {
    /// Names the file in an input or output error.
    pub fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> TaskError {
        move |source| TaskError::File { action, path: path.to_path_buf(), source }
    }

    /// Names the place of something unexpected.
    pub fn content(place: impl AsRef<Path>, expected: impl Into<String>, got: impl Into<String>) -> TaskError {
        TaskError::Content { place: place.as_ref().to_path_buf(), expected: expected.into(), got: got.into() }
    }
}

fn indented(output: &str) -> String {
    output.lines().map(|line| format!("\n    {line}")).collect()
}
