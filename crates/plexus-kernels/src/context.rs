//! What every kernel is told besides its operands: instruction set, threads, precision, and the form of weights in memory.

use crate::gemm::Precision;
use crate::isa::Isa;
use crate::threads::Pool;
use crate::weight_only::Format;

/// The instruction set, the pool of threads, the precision that kernels compute with, and the form in which a model that only
/// predicts keeps the weights of its fully connected layers.
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
    weights: Option<Format>,
}

impl Context {
    /// A context of precision [`Precision::Standard`].
    ///
    /// # Panics
    /// Where this processor lacks the instruction set.
    pub fn new(isa: Isa, pool: Pool) -> Self {
        assert!(isa.is_available(), "this processor has no {}", isa.name());
        Context { isa, pool, precision: Precision::default(), weights: None }
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
        assert!(isa.is_available(), "this processor has no {}", isa.name());
        Context { isa, ..self }
    }

    /// The same with another precision of products.
    pub fn with_precision(self, precision: Precision) -> Self {
        Context { precision, ..self }
    }

    /// The same with another form of the weights of fully connected layers, for predictions; `None` keeps them as they are.
    ///
    /// Rounded weights take a half to an eighth of the memory, and of the time where reading them is all the time: at small
    /// batches. They are rounded once, when a model is opened; inputs and sums stay f32. What the rounding costs:
    /// [`weight_only`](crate::weight_only#formats). Training does not look at it.
    pub fn with_weights(self, weights: Option<Format>) -> Self {
        Context { weights, ..self }
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

    /// What weights of fully connected layers are rounded to, for predictions.
    pub fn weights(&self) -> Option<Format> {
        self.weights
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changing_one_part_keeps_the_others() {
        let context = Context::new(Isa::best(), Pool::new(2)).with_precision(Precision::Medium);
        let context = context.with_weights(Some(Format::Bf16)).with_isa(Isa::Portable);
        assert_eq!(context.isa(), Isa::Portable);
        assert_eq!((context.precision(), context.weights()), (Precision::Medium, Some(Format::Bf16)));
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
        rows!(gemm, gemm_bf16, gemm_i16, conv);
        // Of several of one instruction set, the number of outputs picks.
        for kernel in crate::gemm_i8::KERNELS.iter().filter(|kernel| kernel.isa.is_available()) {
            let picked = crate::gemm_i8::Kernel::for_outputs(kernel.isa, kernel.nr);
            assert!(std::ptr::eq(picked, kernel), "{kernel:?}");
            let many = crate::gemm_i8::Kernel::for_outputs(kernel.isa, 10 * kernel.nr);
            assert!(std::ptr::eq(many, crate::gemm_i8::Kernel::for_isa(kernel.isa)), "{kernel:?}");
        }
    }

    #[test]
    fn an_instruction_set_that_is_not_there_is_refused() {
        for isa in Isa::ALL {
            let made = std::panic::catch_unwind(|| Context::new(isa, Pool::single()));
            assert_eq!(made.is_ok(), isa.is_available(), "{}", isa.name());
        }
    }
}
