//! Weights in the order of the kernels that read them.

use crate::fold::Undo;
use crate::integer::Product;
use plexus_kernels::buffer::Buffer;
use plexus_kernels::conv::PackedWeight;
use plexus_kernels::gemm::Packed;
use plexus_kernels::weight_only;
use std::borrow::Cow;

/// The weights of one layer, re-ordered once for predictions.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Prepared {
    /// For a product with a matrix. The layer's weights are the matrix, transposed, `[n, k]`, and behind it the bias.
    Gemm {
        /// The matrix, `[k, n]`.
        weight: Packed,
        /// `[n]`, added to each row; empty where there is none.
        bias: Buffer,
    },
    /// For a product with a matrix of rounded numbers, where the context [asks for them](plexus_kernels::Context::with_weights).
    Rounded {
        /// The matrix, `[k, n]`.
        weight: weight_only::Packed,
        /// `[n]`, added to each row; empty where there is none.
        bias: Buffer,
    },
    /// For a convolution. The layer's weights are the filters and behind them the bias.
    Conv {
        /// The filters.
        weight: PackedWeight,
        /// One number a filter; empty where there is none.
        bias: Buffer,
    },
    /// For a layer of whole numbers.
    Integer(Box<Product>),
}

impl Prepared {
    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        match self {
            Prepared::Gemm { weight, bias } => weight.bytes() + size_of_val(&bias[..]),
            Prepared::Rounded { weight, bias } => weight.bytes() + size_of_val(&bias[..]),
            Prepared::Conv { weight, bias } => weight.bytes() + size_of_val(&bias[..]),
            Prepared::Integer(product) => product.bytes(),
        }
    }

    /// Whether the weights as they were given have to be kept beside it: where products with parts of bfloat16 or a
    /// transformed filter need other numbers. Weights that were rounded to take less memory are not kept.
    pub fn needs_plain(&self) -> bool {
        match self {
            Prepared::Gemm { weight, .. } => !weight.is_exact(),
            Prepared::Rounded { .. } | Prepared::Integer(_) => false,
            Prepared::Conv { weight, .. } => !weight.is_exact(),
        }
    }

    /// The trainable tensors of the layer as they were given, bit for bit, or as they were rounded; `None` where they
    /// [are kept elsewhere](Prepared::needs_plain).
    pub fn weights(&self) -> Option<Vec<f32>> {
        match self {
            Prepared::Gemm { weight, bias } => {
                let [k, n] = weight.shape();
                let mut weights = vec![0.0; k * n + bias.len()];
                let (matrix, end) = weights.split_at_mut(k * n);
                end.copy_from_slice(bias);
                weight.unpack((1, k), matrix).then_some(weights)
            }
            Prepared::Rounded { weight, bias } => {
                let mut weights = weight.unpack().to_vec();
                weights.extend_from_slice(bias);
                Some(weights)
            }
            Prepared::Conv { weight, bias } => {
                let mut weights = weight.unpack()?;
                weights.extend_from_slice(bias);
                Some(weights)
            }
            Prepared::Integer(product) => Some(product.weights()),
        }
    }
}

/// The weights of one layer in a plan for predictions: the only copy of them, wherever that can be.
#[derive(Clone, Debug)]
pub(crate) enum Weights {
    /// As in [`crate::Params`]; empty for a layer without weights.
    Plain(Buffer),
    /// Re-ordered.
    Prepared {
        prepared: Prepared,
        /// As they were, where `prepared` does not give them back; otherwise empty.
        plain: Buffer,
    },
    /// Re-ordered, with other layers folded into them.
    Folded { prepared: Prepared, undo: Undo },
}

impl Weights {
    /// Of a layer that made `prepared` of its weights.
    pub fn new(prepared: Option<Prepared>, weights: Buffer) -> Self {
        match prepared {
            None => Weights::Plain(weights),
            Some(prepared) if prepared.needs_plain() => Weights::Prepared { prepared, plain: weights },
            Some(prepared) => Weights::Prepared { prepared, plain: Buffer::default() },
        }
    }

    /// Bytes of memory they take.
    pub fn bytes(&self) -> usize {
        match self {
            Weights::Plain(weights) => size_of_val(&weights[..]),
            Weights::Prepared { prepared, plain } => prepared.bytes() + size_of_val(&plain[..]),
            Weights::Folded { prepared, undo } => prepared.bytes() + undo.bytes(),
        }
    }

    /// As in [`crate::Params`], bit for bit or rounded; `unfold` does that for folded weights.
    pub fn plain(&self, unfold: impl FnOnce(Vec<f32>, &Undo) -> Vec<f32>) -> Cow<'_, [f32]> {
        match self {
            Weights::Plain(weights) => Cow::Borrowed(weights),
            Weights::Prepared { prepared, plain } => match prepared.weights() {
                Some(weights) => Cow::Owned(weights),
                None => Cow::Borrowed(plain),
            },
            Weights::Folded { prepared, undo } => {
                Cow::Owned(unfold(prepared.weights().expect("only exact ones are kept so"), undo))
            }
        }
    }
}
