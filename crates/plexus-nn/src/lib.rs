//! What a layer and a network are: shapes, cost, forward, backward.
//!
//! Is this the crate you want? To open a model and predict, use `plexus`; to train, `plexus-train`. Here is the middle:
//! a [`Network`] is a list of named layers, each reading what stands above it; [`Network::check`] gives every layer its shapes; [`Params`] holds the
//! numbers; a [`Plan`] runs it forward, [`TrainPlan`] forward and backward.
//!
//! Start reading in [`layers`]: one file is one layer kind, all of it. A network is built by [`Network::chain`] or a [`Graph`]; a
//! layer that is not there is a [`CustomLayer`].
//!
//! Deliberately not here: files, data sets, losses, devices.
#![forbid(unsafe_code)]
// A program that only predicts leaves out what calls the parts of training, but not every part.
#![cfg_attr(not(feature = "train"), allow(dead_code))]

pub mod bytes;
pub mod check;
pub mod convert;
pub mod custom;
mod cut;
mod execute;
mod fold;
pub mod formulas;
#[cfg(feature = "train")]
pub mod gradcheck;
mod graph;
pub mod init;
pub mod integer;
pub mod layer;
pub mod layers;
mod network;
mod no_maps;
mod params;
mod plan;
mod prepared;
pub mod profile;
mod program;
mod scratch;
mod shape;
pub mod summary;
#[cfg(feature = "train")]
#[doc(hidden)]
pub mod testing;
pub mod trace;
#[cfg(feature = "train")]
mod train_plan;
mod view;
pub mod window;
pub mod zoo;

pub use check::{CheckedBatch, CheckedNetwork, ShapeError, ValueId};
pub use custom::{CustomLayer, register};
pub use cut::Parts;
pub use execute::{Observer, Overwrite};
pub use graph::{Graph, GraphError, Node};
pub use init::Init;
pub use network::{INPUT, Input, NamedLayer, Network};
pub use params::{LayerParams, ParamEntry, ParamLayout, Params, Tensor};
pub use plan::{Plan, PlanOptions, Workspace};
pub use prepared::Prepared;
pub use scratch::Scratch;
pub use shape::Shape;
#[cfg(feature = "train")]
pub use train_plan::{TrainOptions, TrainPlan};
pub use view::{DType, Quant, View, ViewMut};
