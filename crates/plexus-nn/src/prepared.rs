//! Weights in the order of the kernels that read them.

use plexus_kernels::buffer::Buffer;
use plexus_kernels::conv::PackedWeight;
use plexus_kernels::gemm::Packed;

/// The weights of one layer, re-ordered once for predictions: the only copy that a plan keeps.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// For a product with a matrix.
    Gemm {
        /// The matrix.
        weight: Packed,
        /// Added to each row; empty where there is none.
        bias: Buffer,
    },
    /// For a convolution.
    Conv {
        /// The filters.
        weight: PackedWeight,
        /// One number a filter; empty where there is none.
        bias: Buffer,
    },
}

impl Prepared {
    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Prepared::Gemm { weight, bias } => weight.bytes() + size_of_val(&bias[..]),
            Prepared::Conv { weight, bias } => weight.bytes() + size_of_val(&bias[..]),
        }
    }
}

/// The weights of one layer in a plan for predictions.
#[derive(Clone, Debug)]
pub(crate) enum Weights {
    /// As in [`crate::Params`]; empty for a layer without weights.
    Plain(Buffer),
    /// Re-ordered.
    Prepared(Prepared),
}
