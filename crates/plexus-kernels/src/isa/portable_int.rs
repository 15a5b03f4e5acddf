//! The verbs on whole numbers in plain Rust: eight lanes in an array, low parts first on every processor.

use super::portable::Portable;
use super::{Isa, SimdInt, VectorizedInt};

#[inline(always)]
fn lanes(f: impl Fn(usize) -> i32) -> [i32; 8] {
    [f(0), f(1), f(2), f(3), f(4), f(5), f(6), f(7)]
}

/// The low 16 bits, sign-extended.
#[inline(always)]
fn low(x: i32) -> i32 {
    (x << 16) >> 16
}

/// The high 16 bits, sign-extended.
#[inline(always)]
fn high(x: i32) -> i32 {
    x >> 16
}

/// Two 16-bit numbers in one lane; only the low 16 bits of each count.
#[inline(always)]
fn pair(low: i32, high: i32) -> i32 {
    (low & 0xffff) | (high << 16)
}

/// Byte `index` of a lane, sign-extended.
#[inline(always)]
fn signed(x: i32, index: u32) -> i32 {
    (x << (24 - 8 * index)) >> 24
}

/// Byte `index` of a lane, as 0..=255.
#[inline(always)]
fn unsigned(x: i32, index: u32) -> i32 {
    (x >> (8 * index)) & 0xff
}

impl SimdInt for Portable {
    const ISA: Isa = Isa::Portable;
    const LEN: usize = 8;
    const DOT4: bool = false;
    type V = [i32; 8];

    #[inline(never)]
    fn run_int<V: VectorizedInt>(self, body: V) -> V::Output {
        body.run(self)
    }
    #[inline(always)]
    fn zero(self) -> Self::V {
        [0; 8]
    }
    #[inline(always)]
    fn splat(self, x: i32) -> Self::V {
        [x; 8]
    }
    #[inline(always)]
    fn load_i8(self, from: &[i8]) -> Self::V {
        let from = &from[..32];
        lanes(|i| {
            let [a, b, c, d] = [from[4 * i], from[4 * i + 1], from[4 * i + 2], from[4 * i + 3]].map(|x| x as u8);
            i32::from_le_bytes([a, b, c, d])
        })
    }
    #[inline(always)]
    fn load_i16(self, from: &[i16]) -> Self::V {
        let from = &from[..16];
        lanes(|i| pair(i32::from(from[2 * i]), i32::from(from[2 * i + 1])))
    }
    #[inline(always)]
    fn store_i16(self, v: Self::V, to: &mut [i16]) {
        for (to, v) in to[..16].chunks_exact_mut(2).zip(v) {
            to.copy_from_slice(&[v as i16, (v >> 16) as i16]);
        }
    }
    #[inline(always)]
    fn store_i32(self, v: Self::V, to: &mut [i32]) {
        to[..8].copy_from_slice(&v);
    }
    #[inline(always)]
    fn add_i32(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| a[i].wrapping_add(b[i]))
    }
    #[inline(always)]
    fn add_i16(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| pair(low(a[i]) + low(b[i]), high(a[i]) + high(b[i])))
    }
    #[inline(always)]
    fn dot_i16(self, a: Self::V, b: Self::V) -> Self::V {
        lanes(|i| (low(a[i]) * low(b[i])).wrapping_add(high(a[i]) * high(b[i])))
    }
    #[inline(always)]
    fn dot_u8_i8(self, u: Self::V, s: Self::V) -> Self::V {
        let product = |i: usize, at| unsigned(u[i], at) * signed(s[i], at);
        lanes(|i| pair(product(i, 0) + product(i, 1), product(i, 2) + product(i, 3)))
    }
    #[inline(always)]
    fn dot_add_u8_i8(self, sum: Self::V, u: Self::V, s: Self::V) -> Self::V {
        let product = |i: usize, at| unsigned(u[i], at) * signed(s[i], at);
        lanes(|i| sum[i].wrapping_add(product(i, 0) + product(i, 1) + product(i, 2) + product(i, 3)))
    }
    #[inline(always)]
    fn even_i8(self, v: Self::V) -> Self::V {
        lanes(|i| pair(signed(v[i], 0), signed(v[i], 2)))
    }
    #[inline(always)]
    fn odd_i8(self, v: Self::V) -> Self::V {
        lanes(|i| pair(signed(v[i], 1), signed(v[i], 3)))
    }
    #[inline(always)]
    fn even_u8(self, v: Self::V) -> Self::V {
        lanes(|i| v[i] & 0x00ff_00ff)
    }
}
