//! Networks of whole numbers as programs for microcontrollers: Rust or C, no heap, static memory, no floats but where raw inputs are.
//!
//! ```text
//! network -> lower -> Program: a list of steps with constants, each with its place in memory
//!                       run.rs    runs it here, on plexus-micro: what the device has to give
//!                       rust.rs   writes it as a Rust module
//!                       c.rs      writes it as one C99 file
//!                       golden.rs inputs, and what each step makes of them
//! ```

mod lower;
mod place;
mod run;

pub use lower::{Addend, Numbers, Op, Output, Program, Step, Sums, lower};
pub use place::Place;
pub use run::Memory;

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
    /// Its name cannot be that of a module.
    #[error("\"{0}\" cannot be the name of a program: use letters, digits and _, a letter first")]
    Name(String),
}
