//! The face of Plexus: fully connected networks, trained, saved, opened and run.
//!
//! Is this the crate you want? Yes, for any program that uses a model: [`Model::open`] gives a network that is checked,
//! planned and ready to predict; [`Run`] trains one and keeps everything about it in a folder.
//!
//! ```no_run
//! use plexus::{Context, Model, Workspace};
//! let model = Model::open("model.safetensors", Context::single())?;
//! let mut workspace = Workspace::default();
//! let probabilities = model.predict(&[0.0; 64], 1, &mut workspace)?;
//! println!("{:?}", probabilities);
//! # Ok::<(), plexus::Error>(())
//! ```
//!
//! Deliberately not here: arguments, printing, sockets.
#![forbid(unsafe_code)]

mod choose;
mod error;
pub mod files;
mod model;
mod run;
mod spec;
mod split;

pub use choose::{Chosen, Part};
pub use error::Error;
pub use model::{Answers, Model, OutputTask, Outputs, Task, Workspace};
pub use plexus_kernels::Context;
pub use plexus_kernels::gemm::Precision;
pub use plexus_kernels::isa::Isa;
pub use plexus_kernels::threads::Pool;
pub use plexus_train::Remedy;
pub use run::{Finished, Resume, Run, Stepped};
pub use spec::{NetworkSpec, RunSpec};
pub use split::{Sketch, Split};

/// What networks are made of.
pub use plexus_nn as nn;
/// How they learn.
pub use plexus_train as train;
