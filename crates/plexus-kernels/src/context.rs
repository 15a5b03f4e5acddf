//! What every kernel is told besides its operands: instruction set, threads and precision.

use crate::gemm::Precision;
use crate::isa::Isa;
use crate::threads::Pool;

/// The instruction set, the pool of threads and the precision that kernels compute with.
///
/// A program chooses them once, at its front door, and hands the context down. Cloning is cheap and shares the pool.
///
/// # Examples
/// ```
/// use plexus_kernels::{Context, gemm::Precision, isa::Isa, threads::Pool};
/// let context = Context::new(Isa::Portable, Pool::new(2)).with_precision(Precision::High);
/// assert_eq!((context.isa(), context.precision()), (Isa::Portable, Precision::High));
/// ```
#[derive(Clone, Debug)]
pub struct Context {
    isa: Isa,
    pool: Pool,
    precision: Precision,
}

impl Context {
    /// A context of precision [`Precision::Standard`].
    ///
    /// # Panics
    /// Where this processor lacks the instruction set.
    pub fn new(isa: Isa, pool: Pool) -> Self {
        assert!(isa.is_available(), "this processor has no {}", isa.name());
        Context { isa, pool, precision: Precision::default() }
    }

    /// A context with the instruction set that `PLEXUS_ISA` names, or the best one of this machine where it is unset or
    /// wrong ([`Isa::selected`]).
    pub fn detect(pool: Pool) -> Self {
        Context::new(Isa::selected(), pool)
    }

    /// As [`detect`](Context::detect), with everything on the caller's thread.
    pub fn single() -> Self {
        Context::detect(Pool::single())
    }

    /// The same with another instruction set.
    ///
    /// # Panics
    /// Where this processor lacks it.
    pub fn with_isa(self, isa: Isa) -> Self {
        Context { precision: self.precision, ..Context::new(isa, self.pool) }
    }

    /// The same with another precision of products.
    pub fn with_precision(self, precision: Precision) -> Self {
        Context { precision, ..self }
    }

    /// The instruction set: kernels use the best of their rows that it runs.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// The threads.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How exactly products of f32 are computed.
    pub fn precision(&self) -> Precision {
        self.precision
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changing_one_part_keeps_the_others() {
        let context = Context::new(Isa::best(), Pool::new(2)).with_precision(Precision::Medium).with_isa(Isa::Portable);
        assert_eq!(context.isa(), Isa::Portable);
        assert_eq!(context.precision(), Precision::Medium);
        assert_eq!(context.clone().pool().threads(), context.pool().threads());
        assert_eq!(Context::single().precision(), Precision::Standard);
        assert_eq!(Context::single().isa(), Isa::selected());
    }

    #[test]
    fn the_instruction_set_of_a_row_picks_that_row() {
        macro_rules! rows {
            ($($family:ident),*) => {$(
                for kernel in crate::$family::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
                    assert!(std::ptr::eq(crate::$family::Kernel::for_isa(kernel.isa), kernel), "{kernel:?}");
                }
            )*};
        }
        rows!(gemm, gemm_bf16, gemm_i8, gemm_i16, conv);
    }

    #[test]
    fn an_instruction_set_that_is_not_there_is_refused() {
        for isa in Isa::ALL {
            let made = std::panic::catch_unwind(|| Context::new(isa, Pool::single()));
            assert_eq!(made.is_ok(), isa.is_available(), "{}", isa.name());
        }
    }
}
