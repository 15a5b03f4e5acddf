//! Networks of whole numbers as programs for microcontrollers: Rust or C, no heap, static memory, no floats but where raw inputs are.
//!
//! ```text
//! network -> lower -> Program: a list of steps with constants, each with its place in memory
//!                       run.rs    runs it here, on plexus-micro: what the device has to give
//!                       rust.rs   writes it as a Rust module
//!                       c.rs      writes it as one C99 file
//!                       golden.rs inputs, and what each step makes of them
//! ```

mod c;
mod golden;
mod lower;
mod names;
mod place;
mod readme;
mod readout;
mod run;
mod rust;
mod vendored;

pub use golden::{Difference, FIRST_LINE, Golden, GoldenStep, LAST_LINE, Said, SaidError, Vector};
pub use lower::{Addend, Input, Numbers, Op, Output, Program, Raw, Step, Sums, lower};
pub use place::Place;
pub use readme::NOT_MEASURED;
pub use readout::Readout;
pub use run::Memory;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a network was not made a program.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A layer has no form for a device.
    #[error("layer {layer} cannot be exported: {reason}. {help}")]
    Layer {
        /// Which.
        layer: String,
        /// Why not.
        reason: String,
        /// What to do.
        help: &'static str,
    },
    /// The network has no layer of whole numbers.
    #[error("this model is of floats: make one of whole numbers of it first, with the quantize command")]
    Float,
    /// The last layer cannot be one that learns.
    #[error("the last layer cannot learn on the device: {reason}")]
    Readout {
        /// Why not.
        reason: String,
    },
    /// Its name cannot be that of a module.
    #[error("\"{0}\" cannot be the name of a program: use small letters, digits and _, a letter first")]
    Name(String),
}

/// The language of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A crate.
    Rust,
    /// One C99 file with its header.
    C,
}

impl Target {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Target::Rust => "rust",
            Target::C => "c",
        }
    }
}

/// A program as files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Export {
    /// Paths inside of its folder, with what stands there.
    pub files: Vec<(String, String)>,
    /// What each step has to give for some inputs.
    pub golden: Golden,
    /// Bytes of constants.
    pub constants: usize,
}

/// Writes a program in a language. `samples` are raw inputs whose outputs become golden: of each the numbers of every input, as the program
/// takes them. With a readout comes the layer that learns, behind the features that the program gives.
///
/// # Errors
/// [`ExportError::Name`] for a name that no language takes.
pub fn export(
    name: &str,
    program: &Program,
    target: Target,
    samples: &[Vec<Vec<f32>>],
    readout: Option<&Readout>,
) -> Result<Export, ExportError> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(letters) {
        return Err(ExportError::Name(name.to_string()));
    }
    let golden = Golden::of(name, target.name(), program, samples);
    let mut files = match target {
        Target::Rust => {
            let mut files = vec![
                ("Cargo.toml".to_string(), rust::manifest(name)),
                ("src/lib.rs".to_string(), rust::module(name, program, readout)),
                ("src/golden.rs".to_string(), rust::golden(program, &golden)),
            ];
            files.extend(vendored::files().into_iter().map(|(path, text)| (format!("plexus-micro/{path}"), text)));
            files
        }
        Target::C => {
            let [header, source] = c::golden(name, program, &golden);
            vec![
                (format!("{name}.h"), c::header(name, program, readout)),
                (format!("{name}.c"), c::source(name, program, readout)),
                (format!("{name}_golden.h"), header),
                (format!("{name}_golden.c"), source),
            ]
        }
    };
    files.push(("README.md".to_string(), readme::page(name, program, target, readout)));
    let constants = program.steps.iter().map(readme::constant_bytes).sum::<usize>()
        + readout.map_or(0, |readout| {
            let size = program.outputs[0].place.dtype.size();
            2 * readout.weight.len() + readout.kept.len() * (readout.features * size + 2)
        });
    Ok(Export { files, golden, constants })
}
