//! Conversions between number formats.
//!
//! | function | rule |
//! |---|---|
//! | [`u8_to_f32`], [`f32_to_f64`], [`f16_to_f32`], [`bf16_to_f32`] | exact |
//! | [`f64_to_f32`], [`f32_to_f16`], [`f32_to_bf16`] | to nearest, ties to even; too large becomes infinite |
//!
//! # Shapes
//! Both slices of one call have one length; zero does nothing. Any alignment.
//!
//! # Numerics
//! Bit-exact, the same everywhere. NaN stays NaN, with its sign; of its payload the upper bits stay. Denormals are kept
//! by the 16-bit formats, which are converted with whole numbers; `f64_to_f32` may flush denormal results.

pub mod reference;

use crate::isa::{Isa, Simd, Vectorized};
use crate::map::pieces;
use crate::threads::Pool;

/// A conversion of one element.
trait Element: Sync {
    type From: Copy + Sync;
    type To: Copy + Send;
    fn convert(from: Self::From) -> Self::To;
}

struct Convert<'a, E: Element>(&'a [E::From], &'a mut [E::To]);

impl<E: Element> Vectorized for Convert<'_, E> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (&from, to) in self.0.iter().zip(self.1) {
            *to = E::convert(from);
        }
    }
}

fn convert<E: Element>(isa: Isa, from: &[E::From], to: &mut [E::To], pool: &Pool) {
    assert_eq!(from.len(), to.len(), "one result for each element");
    pieces::for_each(pool, 1, (from, to), |_, (from, to)| isa.run(Convert::<E>(from, to)));
}

macro_rules! conversions {
    ($($(#[$doc:meta])* $name:ident, $on:ident, $row:ident, $from:ty => $to:ty, $rule:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Panics
        /// Where the lengths differ.
        pub fn $name(from: &[$from], to: &mut [$to], pool: &Pool) {
            $on(Isa::selected(), from, to, pool);
        }

        #[doc = concat!("[`", stringify!($name), "`] on a given instruction set.")]
        pub fn $on(isa: Isa, from: &[$from], to: &mut [$to], pool: &Pool) {
            convert::<$row>(isa, from, to, pool);
        }

        struct $row;
        impl Element for $row {
            type From = $from;
            type To = $to;
            #[inline(always)]
            fn convert(from: $from) -> $to {
                let rule: fn($from) -> $to = $rule;
                rule(from)
            }
        }
    )*};
}

conversions! {
    /// Bytes to the numbers 0 to 255.
    u8_to_f32, u8_to_f32_on, U8ToF32, u8 => f32, f32::from;
    /// 32 to 64 bits.
    f32_to_f64, f32_to_f64_on, F32ToF64, f32 => f64, f64::from;
    /// 64 to 32 bits.
    f64_to_f32, f64_to_f32_on, F64ToF32, f64 => f32, |x| x as f32;
    /// The bits of IEEE half precision to numbers.
    f16_to_f32, f16_to_f32_on, F16ToF32, u16 => f32, half_to_single;
    /// Numbers to the bits of IEEE half precision.
    f32_to_f16, f32_to_f16_on, F32ToF16, f32 => u16, single_to_half;
    /// The bits of bfloat16 to numbers.
    bf16_to_f32, bf16_to_f32_on, Bf16ToF32, u16 => f32, |bits| f32::from_bits(u32::from(bits) << 16);
    /// Numbers to the bits of bfloat16.
    f32_to_bf16, f32_to_bf16_on, F32ToBf16, f32 => u16, single_to_bfloat;
}

#[inline(always)]
fn half_to_single(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let (exponent, mantissa) = (u32::from(half >> 10 & 0x1f), u32::from(half & 0x3ff));
    let magnitude = match exponent {
        0x1f => 0x7f80_0000 | mantissa << 13,
        0 if mantissa == 0 => 0,
        0 => {
            // A denormal: shift the highest bit to the implicit place.
            let shift = mantissa.leading_zeros() - 21;
            (113 - shift) << 23 | (mantissa << shift & 0x3ff) << 13
        }
        _ => (exponent + 112) << 23 | mantissa << 13,
    };
    f32::from_bits(sign | magnitude)
}

#[inline(always)]
fn single_to_half(single: f32) -> u16 {
    let bits = single.to_bits();
    let sign = (bits >> 16 & 0x8000) as u16;
    let magnitude = bits & 0x7fff_ffff;
    let half = if magnitude > 0x7f80_0000 {
        0x7e00 | magnitude >> 13 & 0x3ff
    } else if magnitude >= 0x4780_0000 {
        // 65536 and above; what rounds up to it from below carries into the exponent of infinity by itself.
        0x7c00
    } else if magnitude >= 0x3880_0000 {
        // Normal: lower the exponent by 112, round the 13 bits that go.
        let lowered = magnitude - (112 << 23);
        (lowered + 0x0fff + (lowered >> 13 & 1)) >> 13
    } else if magnitude > 0x3300_0000 {
        // Denormal, in units of 2^-24: shift the mantissa with its implicit bit, round what goes.
        let shift = 126 - (magnitude >> 23);
        let mantissa = magnitude & 0x007f_ffff | 0x0080_0000;
        let (whole, rest, tie) = (mantissa >> shift, mantissa & ((1 << shift) - 1), 1 << (shift - 1));
        whole + u32::from(rest > tie || rest == tie && whole & 1 == 1)
    } else {
        0
    };
    sign | half as u16
}

#[inline(always)]
fn single_to_bfloat(single: f32) -> u16 {
    let bits = single.to_bits();
    if bits & 0x7fff_ffff > 0x7f80_0000 {
        // Make NaN quiet, or cutting could leave an infinity.
        return (bits >> 16 | 0x40) as u16;
    }
    ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

#[cfg(test)]
mod tests;
