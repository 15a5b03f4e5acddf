//! Questions about networks, answered with numbers: what enters a layer, how many weights it has, what it sees.
//!
//! [`walk`] goes through layers that are written as words, shape by shape, and says where they do not fit. [`compare`] counts
//! what it takes to go from one layer of numbers to the next fully connected, locally connected, convolutional or sparse. The
//! counts of whole networks are [`summary`], the arithmetic behind them [`formulas`], the part of the input that a place
//! of a map depends on [`receptive_fields`].

mod connectivity;
mod words;

pub use connectivity::{Connectivity, compare};
pub use plexus_nn::formulas::{Formula, formulas};
pub use plexus_nn::layer::Mismatch;
pub use plexus_nn::summary::{Summary, summary};
pub use plexus_nn::window::{Field, receptive_fields};
pub use words::{Walk, WordError, layer, walk};
