//! Weights re-ordered for a kernel.

use super::pixels::WIDEST;
use super::winograd::Winograd;
use super::{Geometry, Kernel};
use crate::Context;
use crate::buffer::Buffer;
use crate::gemm::{self, KC, Precision};
use crate::threads::Pool;

/// Which loop nest computes a convolution, which decides how its weight is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A vector is filters of one pixel.
    Filters,
    /// A vector is pixels of one filter: few filters would leave most lanes empty.
    Pixels,
    /// A vector is channels of one pixel, each with a filter of its own.
    Depthwise,
}

/// Filters side by side in a panel for [`Form::Pixels`]: the most filters it takes, rounded up to whole groups of registers.
pub(super) const FEW: usize = 12;

/// The most channels for [`Form::Pixels`]: each is a plane of its own, which costs a copy.
const FEW_CHANNELS: usize = 8;

/// How a weight is re-ordered: `[groups][panels of `width` filters][kernel height][kernel width][channels][width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub form: Form,
    /// Filters side by side.
    pub width: usize,
}

impl Layout {
    pub(super) fn of(geometry: &Geometry, kernel: &Kernel) -> Self {
        let (depth, filters) = (geometry.depth(), geometry.group_filters());
        let planes =
            geometry.groups == 1 && (1..=FEW_CHANNELS).contains(&geometry.channels) && geometry.kernel[1] <= WIDEST;
        let dense = geometry.stride == [1, 1] && geometry.dilation == [1, 1];
        if depth <= KC && filters == 1 && geometry.group_channels() == 1 && geometry.groups > 1 {
            Layout { form: Form::Depthwise, width: geometry.filters }
        } else if depth <= KC && dense && planes && filters <= kernel.few {
            Layout { form: Form::Pixels, width: FEW }
        } else {
            let vectors = if filters <= kernel.lanes { 1 } else { 2 };
            Layout { form: Form::Filters, width: vectors * kernel.lanes }
        }
    }

    /// Groups of panels, and the filters of each.
    pub(super) fn groups(self, geometry: &Geometry) -> (usize, usize) {
        match self.form {
            Form::Depthwise => (1, geometry.filters),
            _ => (geometry.groups, geometry.group_filters()),
        }
    }

    /// Numbers of a packed weight.
    pub(super) fn len(self, geometry: &Geometry) -> usize {
        let (groups, filters) = self.groups(geometry);
        groups * filters.div_ceil(self.width.max(1)) * geometry.depth() * self.width
    }

    /// Calls `visit(packed, plain)` with the two indices of every weight, plain ones in order.
    #[inline(always)]
    fn for_each(self, geometry: &Geometry, mut visit: impl FnMut(usize, usize)) {
        let (channels, depth) = (geometry.group_channels(), geometry.depth());
        let [rows, cols] = geometry.kernel;
        let (_, filters) = self.groups(geometry);
        let panels = filters.div_ceil(self.width.max(1));
        let mut plain = 0;
        for f in 0..geometry.filters {
            let (group, f) = (f / filters, f % filters);
            let start = (group * panels + f / self.width) * depth * self.width + f % self.width;
            for c in 0..channels {
                let mut packed = start + c * self.width;
                for _ in 0..rows * cols {
                    visit(packed, plain);
                    packed += channels * self.width;
                    plain += 1;
                }
            }
        }
    }

    /// Packs a weight into `panels`, which has [`Layout::len`] numbers; filters beyond the last of a group are zero.
    pub(super) fn pack(self, geometry: &Geometry, weight: &[f32], panels: &mut [f32]) {
        let (_, filters) = self.groups(geometry);
        if !filters.is_multiple_of(self.width.max(1)) {
            panels.fill(0.0);
        }
        self.for_each(geometry, |packed, plain| panels[packed] = weight[plain]);
    }
}

/// How a weight is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackedForm {
    /// As it is.
    Direct(Layout),
    /// Transformed.
    Winograd(Winograd),
}

impl PackedForm {
    pub(super) fn of(geometry: &Geometry, kernel: &Kernel, precision: Precision) -> Self {
        match Winograd::of(geometry, precision) {
            Some(form) => PackedForm::Winograd(form),
            None => PackedForm::Direct(Layout::of(geometry, kernel)),
        }
    }

    /// Numbers of a packed weight.
    pub(super) fn len(self, geometry: &Geometry, kernel: &Kernel) -> usize {
        match self {
            PackedForm::Direct(layout) => layout.len(geometry),
            PackedForm::Winograd(form) => form.weight_len(geometry, gemm::Kernel::for_isa(kernel.isa)),
        }
    }

    /// Packs a weight into [`PackedForm::len`] numbers.
    pub(super) fn pack(self, geometry: &Geometry, kernel: &Kernel, weight: &[f32], (to, pool): (&mut [f32], &Pool)) {
        match self {
            PackedForm::Direct(layout) => layout.pack(geometry, weight, to),
            PackedForm::Winograd(form) => {
                form.pack(geometry, gemm::Kernel::for_isa(kernel.isa), weight, false, (to, pool));
            }
        }
    }
}

/// A weight re-ordered once for one kernel and one geometry. Weights that are used many times are kept in this form.
///
/// # Examples
/// ```
/// use plexus_kernels::conv::{Geometry, PackedWeight};
/// let geometry = Geometry::plain([1, 4, 4], 2, [1, 2]);
/// let weight = [1.0, 2.0, 3.0, 4.0];
/// let packed = PackedWeight::new(&geometry, &weight, &plexus_kernels::Context::single());
/// assert_eq!(packed.unpack().unwrap(), weight);
/// ```
#[derive(Clone, Debug)]
pub struct PackedWeight {
    geometry: Geometry,
    kernel: &'static Kernel,
    form: PackedForm,
    panels: Buffer,
}

impl PackedWeight {
    /// Re-orders a weight `[filters, channels / groups, kernel height, kernel width]` for the best kernel that a context's
    /// instruction set allows.
    ///
    /// # Panics
    /// Where the weight has another length.
    pub fn new(geometry: &Geometry, weight: &[f32], context: &Context) -> Self {
        let kernel = Kernel::for_isa(context.isa());
        assert_eq!(weight.len(), geometry.weight_len(), "the weight has filters · channels / groups · kernel numbers");
        let form = PackedForm::of(geometry, kernel, context.precision());
        let mut panels = Buffer::zeros(form.len(geometry, kernel));
        form.pack(geometry, kernel, weight, (&mut panels, context.pool()));
        PackedWeight { geometry: *geometry, kernel, form, panels }
    }

    /// Whether [`PackedWeight::unpack`] gives the weight back: not where it was transformed.
    pub fn is_exact(&self) -> bool {
        matches!(self.form, PackedForm::Direct(_))
    }

    /// The weight as it was given, `[filters, channels / groups, kernel height, kernel width]`, bit for bit; `None` where it
    /// [cannot be got back](PackedWeight::is_exact).
    pub fn unpack(&self) -> Option<Vec<f32>> {
        let PackedForm::Direct(layout) = self.form else { return None };
        let mut weight = vec![0.0; self.geometry.weight_len()];
        layout.for_each(&self.geometry, |packed, plain| weight[plain] = self.panels[packed]);
        Some(weight)
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

    /// Bytes of memory that a weight will take, before it is packed, and whether it will be [exact](PackedWeight::is_exact).
    pub fn bytes_for(geometry: &Geometry, context: &Context) -> (usize, bool) {
        let kernel = Kernel::for_isa(context.isa());
        let form = PackedForm::of(geometry, kernel, context.precision());
        (form.len(geometry, kernel).saturating_mul(size_of::<f32>()), matches!(form, PackedForm::Direct(_)))
    }

    /// The kernel that will run it.
    pub(super) fn row(&self) -> &'static Kernel {
        self.kernel
    }

    /// How the weight is packed.
    pub(super) fn form(&self) -> PackedForm {
        self.form
    }

    pub(super) fn panels(&self) -> &[f32] {
        &self.panels
    }
}
