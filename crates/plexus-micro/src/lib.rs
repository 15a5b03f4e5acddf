//! Layers of whole numbers, plainly written: what a microcontroller computes, and the definition of what every other kernel of
//! this project computes with whole numbers.
//!
//! No heap, no float arithmetic, no dependency; `unsafe` only in the products of one processor (`dsp.rs`). Tensors are slices, row-major; the caller owns them all, and their
//! sizes say how large a layer is. Two schemes, each with its roundings:
//!
//! - **Power of two** (Qm.n, as CMSIS-NN's q7 and q15 functions): a number stands for itself times a power of two, and results are
//!   shifted. [`fully_connected_q7`] and its kin, with weights as they are or [`Interleaved`].
//! - **Affine** (as TensorFlow Lite): a number `q` stands for `scale · (q − zero_point)`, and sums are multiplied by a [`Multiplier`].
//!   [`fully_connected_s8`] and its kin.
//!
//! Sums are of 32 bits and wrap where the C code of the field does; [`accumulator_bound`] tells beforehand whether they can, and then there
//! are functions with 64-bit sums.
//!
//! The same functions as C source: [`c`].
//!
//! # Panics
//! Functions check the sizes of their slices before they begin and panic where these do not belong together; numbers never make
//! them panic.

#![no_std]
#![deny(unsafe_code)]

pub mod c;
mod conv;
mod conv_transpose;
#[cfg(plexus_dsp)]
mod dsp;
mod elementwise;
mod fully_connected;
mod interleaved;
mod learn;
mod pool;
mod round;
mod softmax;
mod sum;
mod window;

pub use conv::*;
pub use conv_transpose::*;
pub use elementwise::*;
pub use fully_connected::*;
pub use interleaved::Interleaved;
pub use learn::Readout;
pub use pool::*;
pub use round::{
    Multiplier, Rounding, ShiftRounding, double_rounding, power_of_two, reduced, reduced_multiplier, single_rounding,
};
pub use softmax::*;
pub use sum::{Affine, AffineWide, Shifts};
pub use window::Window;
