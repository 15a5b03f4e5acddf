//! Instruction sets: which exist, which this machine has, which one is used.
//!
//! A kernel body is written once, generic over [`Simd`] (the verbs, in `lanes.rs`), and run by [`Isa::run`], which
//! compiles it once per instruction set. Holding a token such as [`Avx2`](avx2::Avx2) is the proof that the processor
//! has the instructions: tokens are made only after detection. All `unsafe` of the vector code is in the files of this
//! folder; kernel families have none.

#[cfg(target_arch = "x86_64")]
pub mod amx;
#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx2_int;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
#[cfg(target_arch = "x86_64")]
pub mod avx512_int;
#[cfg(target_arch = "x86_64")]
pub mod avx512bf16;
mod lanes;
mod lanes_int;
#[cfg(all(target_arch = "x86_64", not(miri)))]
pub(crate) mod mode;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod pairs;
pub mod portable;
mod portable_int;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod simd128;
mod widen;
#[cfg(target_arch = "x86_64")]
mod widen_x86;

pub use lanes::{Simd, Vectorized};
pub use lanes_int::{SimdInt, VectorizedInt};
pub use widen::{Widen, Widening};

use std::fmt;
use std::sync::OnceLock;

/// An instruction set that kernels are compiled for, the plainest first.
///
/// Later ones may lack an earlier one (a processor can have AVX-VNNI and no AVX-512, or the other way round). A kernel
/// runs where its own instruction set is available and comes no later than the one in use ([`Isa::runs`]), so a family
/// without a row for the one in use takes its best row before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// Plain Rust: any processor. Multiplies and adds are rounded separately.
    Portable,
    /// WebAssembly compiled with SIMD128: eight lanes in two vectors. The bits of the portable one.
    Simd128,
    /// AArch64 with NEON: eight lanes in two registers. Whole numbers as on the portable one.
    Neon,
    /// x86-64 with AVX2 and FMA: eight lanes.
    Avx2,
    /// AVX2 with byte dot products on 256-bit registers (AVX-VNNI). Floats as on AVX2.
    AvxVnni,
    /// x86-64 with AVX-512 F, DQ, BW and VL: sixteen lanes.
    Avx512,
    /// AVX-512 with byte dot products. Floats as on AVX-512.
    Avx512Vnni,
    /// AVX-512 with byte and bfloat16 dot products. f32 as on AVX-512.
    Avx512Bf16,
    /// The matrix unit for bytes and bfloat16 (AMX), where the system grants it, besides the above. f32 as on AVX-512.
    Amx,
}

/// `PLEXUS_ISA` names an instruction set that does not exist or that this machine lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsaError {
    /// What the variable says.
    pub requested: String,
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let available: Vec<&str> = Isa::available().map(Isa::name).collect();
        write!(
            f,
            "PLEXUS_ISA is \"{}\", but this machine runs: {}. Unset it to use the best one ({}).",
            self.requested,
            available.join(", "),
            Isa::best().name()
        )
    }
}

impl std::error::Error for IsaError {}

impl Isa {
    /// Every instruction set, the plainest first.
    pub const ALL: [Isa; 9] = [
        Isa::Portable,
        Isa::Simd128,
        Isa::Neon,
        Isa::Avx2,
        Isa::AvxVnni,
        Isa::Avx512,
        Isa::Avx512Vnni,
        Isa::Avx512Bf16,
        Isa::Amx,
    ];

    /// The name used in kernel names and in `PLEXUS_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Portable => "portable",
            Isa::Simd128 => "simd128",
            Isa::Neon => "neon",
            Isa::Avx2 => "avx2",
            Isa::AvxVnni => "avxvnni",
            Isa::Avx512 => "avx512",
            Isa::Avx512Vnni => "avx512vnni",
            Isa::Avx512Bf16 => "avx512bf16",
            Isa::Amx => "amx",
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Portable => true,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => true,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => neon::Neon::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2::Avx2::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => Isa::Avx2.is_available() && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512::Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => Isa::Avx512.is_available() && is_x86_feature_detected!("avx512vnni"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => Isa::Avx512Vnni.is_available() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            Isa::Amx => Isa::Avx512Bf16.is_available() && amx::Amx::detect().is_some(),
            _ => false,
        }
    }

    /// The instruction sets of this processor, the plainest first.
    pub fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// Whether a kernel written for `row` runs while `self` is in use.
    pub fn runs(self, row: Isa) -> bool {
        row <= self && row.is_available()
    }

    /// The best instruction set of this processor.
    pub fn best() -> Isa {
        Isa::available().last().unwrap_or(Isa::Portable)
    }

    /// What `PLEXUS_ISA` asks for, or the best one where it is unset.
    ///
    /// # Errors
    /// [`IsaError`] when the variable names something that cannot run here.
    pub fn from_environment() -> Result<Isa, IsaError> {
        match std::env::var("PLEXUS_ISA") {
            Err(_) => Ok(Isa::best()),
            Ok(requested) if requested.is_empty() => Ok(Isa::best()),
            Ok(requested) => Isa::available().find(|isa| isa.name() == requested).ok_or(IsaError { requested }),
        }
    }

    /// The instruction set in use: [`Isa::from_environment`], read once; the best one where the variable is wrong.
    pub fn selected() -> Isa {
        static SELECTED: OnceLock<Isa> = OnceLock::new();
        *SELECTED.get_or_init(|| Isa::from_environment().unwrap_or_else(|_| Isa::best()))
    }

    /// Runs a generic body of float verbs compiled for this instruction set.
    ///
    /// # Panics
    /// Where the processor lacks the instruction set.
    #[inline]
    pub fn run<V: Vectorized>(self, body: V) -> V::Output {
        match self {
            Isa::Portable => portable::Portable.run(body),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => simd128::Simd128.run(body),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => neon::Neon::detect().expect("this processor has no NEON").run(body),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::AvxVnni => avx2::Avx2::detect().expect("this processor has no AVX2").run(body),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Avx512Bf16 | Isa::Amx => {
                avx512::Avx512::detect().expect("this processor has no AVX-512").run(body)
            }
            other => panic!("this processor has no {}", other.name()),
        }
    }
}

#[cfg(test)]
mod tests;
