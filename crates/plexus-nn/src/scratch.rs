//! Memory for kernels. It grows to the largest call and is then reused.

/// What the kernel families want, one of each.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// For products with matrices, and plain numbers.
    pub gemm: plexus_kernels::gemm::Scratch,
    /// For convolutions.
    pub conv: plexus_kernels::conv::Scratch,
    /// For sparse matrices.
    pub sparse: plexus_kernels::sparse::Scratch,
    /// For layers of whole numbers.
    pub integer: IntegerScratch,
    /// For weights that are made anew at each call, and their gradients.
    pub weights: plexus_kernels::buffer::Buffer,
}

/// What layers of whole numbers want.
#[derive(Clone, Debug, Default)]
pub struct IntegerScratch {
    /// For products of bytes.
    pub gemm_i8: plexus_kernels::gemm_i8::Scratch,
    /// For products of 16-bit numbers.
    pub gemm_i16: plexus_kernels::gemm_i16::Scratch,
}

impl Scratch {
    /// `len` numbers of any value.
    pub fn values(&mut self, len: usize) -> &mut [f32] {
        self.gemm.values(len)
    }
}
