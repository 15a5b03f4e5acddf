//! Arithmetic on buffers, as fast as this machine allows.
//!
//! Is this the crate you want? It knows slices of `f32`, their lengths and strides, and the instruction sets of the
//! processor; it knows no layers, names or files. To build and run networks use `plexus-nn`, or the face, `plexus`.
//!
//! Start reading in [`isa`] (one generic body for every instruction set) and [`gemm`] (`y = Wx + b` and its gradients).
//! One folder is one kernel family: `mod.rs` holds the contract, the safe entry and the table of rows;
//! `reference.rs` the plain loops that define the result.
//!
//! Deliberately not here: a tensor type, shapes, error results. A wrong length is a bug of the caller and panics.

#![deny(unsafe_code)]

pub mod buffer;
mod context;
pub mod conv;
pub mod gemm;
pub mod gemm_bf16;
pub mod gemm_i16;
pub mod gemm_i8;
pub mod isa;
pub mod local;
pub mod loss;
pub mod lrn;
pub mod map;
pub mod norm;
pub mod pad;
pub mod pool;
pub mod probe;
#[cfg(feature = "random")]
pub mod random;
pub mod rbf;
pub mod reduce;
pub mod requantize;
#[cfg(test)]
mod skipped;
pub mod softmax;
pub mod sparse;
pub mod threads;
pub mod update;
pub(crate) mod view;
pub mod weight_only;
pub mod windows;

pub use context::Context;
