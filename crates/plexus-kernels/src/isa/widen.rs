//! The verbs that widen small number types to floats in registers.

use super::portable::Portable;
use super::{Isa, Simd};

/// A kernel body that widens, generic over the instruction set; see [`Isa::run_widening`].
///
/// Implementations mark `run` as `#[inline(always)]`, or it is compiled without the instruction set's features.
pub trait Widening {
    /// What the body returns.
    type Output;
    /// Runs the body with the verbs of one instruction set.
    fn run<S: Widen>(self, simd: S) -> Self::Output;
}

/// Loads of small numbers as floats, on vectors of [`LEN`](Simd::LEN) lanes. Every conversion is exact.
pub trait Widen: Simd {
    /// A vector of 32-bit words.
    type W: Copy;

    /// Runs a body in a function of its own, compiled with these instructions: as [`Simd::run`].
    fn run_widening<V: Widening>(self, body: V) -> V::Output;

    /// The first `LEN` elements of `from`. Panics where it is shorter.
    fn load_i8(self, from: &[i8]) -> Self::F;
    /// The first `LEN` elements of `from`, which are bfloat16. Panics where it is shorter.
    fn load_bf16(self, from: &[u16]) -> Self::F;
    /// The first `LEN` elements of `from`. Panics where it is shorter.
    fn load_words(self, from: &[u32]) -> Self::W;
    /// The first eight elements of `from`, repeated until the vector is full. Panics where it is shorter.
    fn repeat_words(self, from: &[u32]) -> Self::W;
    /// `words & mask`, as signed whole numbers. Exact where the mask has at most 24 ones, side by side.
    fn masked(self, words: Self::W, mask: Self::W) -> Self::F;
}

impl Isa {
    /// Runs a generic body of widening verbs compiled for this instruction set.
    ///
    /// # Panics
    /// Where the processor lacks the instruction set.
    #[inline]
    pub fn run_widening<V: Widening>(self, body: V) -> V::Output {
        match self {
            Isa::Portable => Portable.run_widening(body),
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Isa::Simd128 => super::simd128::Simd128.run_widening(body),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => super::neon::Neon::detect().expect("this processor has no NEON").run_widening(body),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::AvxVnni => {
                super::avx2::Avx2::detect().expect("this processor has no AVX2").run_widening(body)
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 | Isa::Avx512Vnni | Isa::Avx512Bf16 | Isa::Amx => {
                super::avx512::Avx512::detect().expect("this processor has no AVX-512").run_widening(body)
            }
            other => panic!("this processor has no {}", other.name()),
        }
    }
}

/// Eight elements, each made from the one of the same lane.
#[inline(always)]
fn lanes<T: Copy>(from: &[T], f: impl Fn(T) -> f32) -> [f32; 8] {
    let from: &[T; 8] = from[..8].try_into().expect("the slice has eight elements");
    [f(from[0]), f(from[1]), f(from[2]), f(from[3]), f(from[4]), f(from[5]), f(from[6]), f(from[7])]
}

impl Widen for Portable {
    type W = [u32; 8];

    #[inline(never)]
    fn run_widening<V: Widening>(self, body: V) -> V::Output {
        body.run(self)
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> Self::F {
        lanes(from, f32::from)
    }
    #[inline(always)]
    fn load_bf16(self, from: &[u16]) -> Self::F {
        lanes(from, |x| f32::from_bits(u32::from(x) << 16))
    }
    #[inline(always)]
    fn load_words(self, from: &[u32]) -> Self::W {
        from[..8].try_into().expect("the slice has eight elements")
    }
    #[inline(always)]
    fn repeat_words(self, from: &[u32]) -> Self::W {
        self.load_words(from)
    }
    #[inline(always)]
    fn masked(self, words: Self::W, mask: Self::W) -> Self::F {
        let word = |i: usize| (words[i] & mask[i]).cast_signed() as f32;
        [word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)]
    }
}
