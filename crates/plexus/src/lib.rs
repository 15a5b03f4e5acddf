#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "ndarray")]
mod arrays;
mod class_map;
mod converted;
mod error;
pub mod explain;
#[doc(hidden)]
pub mod files;
#[cfg(all(feature = "quant", feature = "table"))]
mod fine_tune;
#[cfg(feature = "train")]
mod fit;
mod gray;
#[cfg(feature = "train")]
mod measure;
mod model;
mod positions;
mod predict;
#[cfg(feature = "train")]
mod prepare;
#[cfg(feature = "quant")]
mod quantized;
mod reach;
mod task;
mod tiles;
#[cfg(feature = "train")]
mod transfer;

#[cfg(feature = "table")]
mod choose;
#[cfg(feature = "table")]
mod import;
#[cfg(feature = "table")]
mod named;
#[cfg(feature = "table")]
mod run;
#[cfg(feature = "table")]
mod spec;
#[cfg(feature = "table")]
mod split;

pub use class_map::ClassMap;
pub use converted::{Apart, ConvertedModel};
pub use error::Error;
pub use model::Model;
pub use predict::{Answers, Class, Workspace};
pub use task::{OutputTask, Outputs, Task};

#[cfg(all(feature = "quant", feature = "table"))]
pub use fine_tune::WholeNumbers;
#[cfg(feature = "quant")]
pub use quantized::{QuantizedModel, Widening};

/// Networks of whole numbers: `docs/quantisation.md` says which there are, and when to use which.
#[cfg(feature = "quant")]
pub use plexus_quant as quant;

pub use plexus_formats::{FORMATS, Format, FormatError};
pub use plexus_kernels::Context;
pub use plexus_kernels::gemm::Precision;
pub use plexus_kernels::isa::Isa;
pub use plexus_kernels::map::Function;
pub use plexus_kernels::threads::Pool;
/// Layers of your own: `docs/own-layers.md` has a whole example.
pub mod custom {
    pub use plexus_nn::custom::*;
    pub use plexus_nn::layer::{Mismatch, ParamSpec, RandomKey, one};
}

/// What the documents say in Rust compiles and runs.
#[cfg(doctest)]
mod documents {
    #[doc = include_str!("../../../docs/own-layers.md")]
    mod own_layers {}
}

/// What the weights of a model may be rounded to: [`Context::with_weights`].
pub use plexus_kernels::weight_only::{Format as WeightFormat, Group as WeightGroup};
/// Networks in another form: `docs/converting.md` says which there are.
pub use plexus_nn::convert;
/// The derivatives of a layer held against differences.
#[cfg(feature = "train")]
pub use plexus_nn::gradcheck;
/// The layer kinds.
pub use plexus_nn::layers;
/// Networks with names.
pub use plexus_nn::zoo;
pub use plexus_nn::{
    CheckedNetwork, CustomLayer, Graph, GraphError, INPUT, Init, Input, NamedLayer, Network, Node, Params, PlanOptions,
    Shape, ShapeError, Tensor, register,
};

#[cfg(feature = "train")]
pub use fit::{Ended, Event, Fitted, Flow, Settings, fit};
#[cfg(feature = "table")]
pub use plexus_train::{DataError, Place};
#[cfg(feature = "train")]
pub use plexus_train::{
    Remedy,
    check::Unfit,
    checkpoint::CheckpointError,
    data::{Dataset, GatherError, InputRows, IntoSource, Samples, Source, TargetKind, Targets},
    loss::{Loss, Objective},
    optim::{Adam, Optimizer, RmsProp, Sgd},
    schedule::Schedule,
    trainer::{EpochRecord, NotFinite, StepReport},
};
#[cfg(feature = "train")]
pub use transfer::{Pretrained, Start};

#[cfg(feature = "images")]
pub use plexus_train::data::{ImageFit, ImageForm, Picture};

#[cfg(feature = "table")]
pub use choose::{Chosen, Part};
#[cfg(feature = "table")]
pub use named::{Misnamed, NamedNetwork, Zoo};
#[cfg(feature = "table")]
pub use run::{Finished, Resume, Run, Stepped};
#[cfg(feature = "table")]
pub use spec::{NetworkSpec, RunSpec};
#[cfg(feature = "table")]
pub use split::{Sketch, Split};

/// How networks learn, part by part: data, losses, optimizers, schedules, the trainer that does one update at a time, measures.
#[cfg(feature = "train")]
pub mod train {
    pub use plexus_train::{data, evaluate, importance, loss, metrics, optim, schedule, target, trainer};
}
