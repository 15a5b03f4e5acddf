//! Weights re-ordered for a kernel.

use super::{Geometry, Kernel};
use crate::buffer::Buffer;
use crate::threads::Pool;

/// A weight re-ordered once for one kernel and one geometry. Weights that are used many times are kept in this form.
///
/// # Examples
/// ```
/// use plexus_kernels::conv::{Geometry, PackedWeight};
/// let geometry = Geometry::plain([1, 4, 4], 2, [1, 2]);
/// let weight = [1.0, 2.0, 3.0, 4.0];
/// let packed = PackedWeight::new(&geometry, &weight, &plexus_kernels::threads::Pool::single());
/// assert_eq!(packed.unpack(), weight);
/// ```
#[derive(Clone, Debug)]
pub struct PackedWeight {
    geometry: Geometry,
    kernel: &'static Kernel,
    panels: Buffer,
}

impl PackedWeight {
    /// Re-orders a weight `[filters, channels / groups, kernel height, kernel width]` for the kernel in use.
    ///
    /// # Panics
    /// Where the weight has another length.
    pub fn new(geometry: &Geometry, weight: &[f32], pool: &Pool) -> Self {
        PackedWeight::for_kernel(Kernel::selected(), geometry, weight, pool)
    }

    /// Re-orders a weight for one kernel.
    ///
    /// # Panics
    /// Where the weight has another length.
    pub fn for_kernel(kernel: &'static Kernel, geometry: &Geometry, weight: &[f32], _pool: &Pool) -> Self {
        assert_eq!(weight.len(), geometry.weight_len(), "the weight has filters · channels / groups · kernel numbers");
        PackedWeight { geometry: *geometry, kernel, panels: Buffer::from_slice(weight) }
    }

    /// The weight as it was given, `[filters, channels / groups, kernel height, kernel width]`, bit for bit.
    pub fn unpack(&self) -> Vec<f32> {
        self.panels.to_vec()
    }

    /// The geometry it was packed for.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The name of the kernel that will run it.
    pub fn kernel(&self) -> &'static str {
        self.kernel.name
    }

    /// Bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.panels[..])
    }

    pub(super) fn row(&self) -> &'static Kernel {
        self.kernel
    }
}
