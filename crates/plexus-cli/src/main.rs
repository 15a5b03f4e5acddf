//! The program `plexus`: describe, train, inspect and run fully connected networks.
//!
//! Each command is one file in `commands`: it takes its arguments, calls the library and prints. Start reading in
//! [`args`].
#![forbid(unsafe_code)]

mod args;
mod commands;
mod flags;
mod npz;
mod output;
mod pictures;
mod progress;

use args::{Args, Command};
use std::process::ExitCode;

/// What ends a command before its end, said for a person.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The library's error.
    #[error(transparent)]
    Library(#[from] plexus::Error),
    /// An input of the command itself.
    #[error("{0}")]
    Input(String),
    /// A comparison that was asked for did not come out equal.
    #[error("{0}")]
    Differs(String),
    /// A picture.
    #[error(transparent)]
    Picture(#[from] pictures::PictureError),
    /// Interrupted, saved, and to be continued; the message was printed.
    #[error("interrupted")]
    Interrupted,
    /// A loss or a gradient became NaN or infinite.
    #[error("{cause}. The last checkpoint stands; go on from it with: {resume}")]
    Diverged {
        /// What became of which.
        cause: plexus::Error,
        /// The command that goes on.
        resume: String,
    },
}

impl From<plexus_train::DataError> for Failure {
    fn from(error: plexus_train::DataError) -> Self {
        Failure::Library(error.into())
    }
}

impl From<plexus_nn::ShapeError> for Failure {
    fn from(error: plexus_nn::ShapeError) -> Self {
        Failure::Library(error.into())
    }
}

impl Failure {
    /// The message for a person at the command line.
    fn text(self) -> String {
        match self {
            Failure::Library(error) => flags::error(error),
            other => other.to_string(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            // 2 is for input that cannot be used, 1 for what went wrong later.
            Failure::Library(plexus::Error::NotFinite(_) | plexus::Error::Locked { .. }) => 1,
            Failure::Library(plexus::Error::Io { action, .. }) if *action == plexus::files::SAVE => 1,
            Failure::Library(_) => 2,
            Failure::Input(_) => 2,
            Failure::Picture(_) | Failure::Diverged { .. } | Failure::Differs(_) => 1,
            // What shells report for a program ended by Ctrl-C.
            Failure::Interrupted => 130,
        }
    }
}

fn main() -> ExitCode {
    let args = Args::of_program();
    let result = match plexus::Isa::from_environment() {
        Err(error) => Err(Failure::Input(error.to_string())),
        Ok(_) => match args.command {
            Command::Train(args) => commands::train::run(*args),
            Command::Evaluate(args) => commands::evaluate::run(args),
            Command::Predict(args) => commands::predict::run(args),
            Command::Summary(args) => commands::summary::run(args),
            Command::Import(args) => commands::import::run(args),
            Command::Convert(args) => commands::convert::run(args),
            Command::Quantize(args) => commands::quantize::run(*args),
            Command::Export(args) => commands::export::run(args),
            Command::Verify(args) => commands::verify::run(args),
            Command::Shape(args) => commands::shape::run(args),
            Command::CompareConnectivity(args) => commands::compare_connectivity::run(args),
            Command::Draw(args) => commands::draw::run(args),
            Command::Profile(args) => commands::profile::run(args),
            Command::Features(args) => commands::features::run(args),
            Command::Neuron(args) => commands::neuron::run(args),
            Command::Inspect(args) => commands::inspect::run(args),
            Command::Diff(args) => commands::diff::run(args),
            Command::Trace(args) => commands::trace::run(args),
            Command::RunCase(args) => commands::run_case::run(args),
            Command::Kernels(args) => commands::kernels::run(args),
            Command::Bench(args) => commands::bench::run(args),
            Command::Completions(args) => commands::completions::completions(&args),
            Command::Man(args) => commands::completions::man(&args),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.exit_code();
            if !matches!(failure, Failure::Interrupted) {
                eprintln!("{}: {}", output::red("error"), failure.text());
            }
            ExitCode::from(code)
        }
    }
}
