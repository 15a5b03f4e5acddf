//! What a layer and a network are: shapes, cost, forward, backward.
//!
//! Is this the crate you want? To open a model and predict, use `plexus`; to train, `plexus-train`. Here is the middle:
//! a [`Network`] is a list of named layers; [`Network::check`] gives every layer its shapes; [`Params`] holds the
//! numbers; a [`Plan`] runs it forward, [`Training`] forward and backward.
//!
//! Start reading in [`layers`]: one file is one layer kind, all of it.
//!
//! Deliberately not here: files, data sets, losses, devices.
#![forbid(unsafe_code)]

pub mod check;
pub mod convert;
pub mod init;
pub mod layer;
pub mod layers;
mod network;
mod params;
mod plan;
mod run;
mod shape;
pub mod summary;
pub mod testing;
pub mod trace;
pub mod zoo;

pub use check::{CheckedBatch, CheckedNetwork, ShapeError};
pub use init::Init;
pub use network::{NamedLayer, Network};
pub use params::{ParamEntry, ParamLayout, Params, Tensor};
pub use plan::{Plan, Workspace};
pub use run::Training;
pub use shape::Shape;
