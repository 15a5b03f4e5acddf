//! The verbs: what a vector of floats can do, whatever its width.

use super::Isa;

/// A kernel body that is generic over the instruction set; see [`Isa::run`].
///
/// Implementations mark `run` as `#[inline(always)]`, or it is compiled without the instruction set's features.
pub trait Vectorized {
    /// What the body returns.
    type Output;
    /// Runs the body with the verbs of one instruction set.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The verbs of one instruction set, on vectors of [`LEN`](Simd::LEN) floats.
///
/// The token `self` proves that the processor has the instructions. A mask holds one truth value a lane.
pub trait Simd: Copy + Send + Sync + 'static {
    /// The instruction set.
    const ISA: Isa;
    /// Lanes of one vector.
    const LEN: usize;
    /// A vector of floats.
    type F: Copy;
    /// One truth value a lane.
    type M: Copy;

    /// Runs a body in a function of its own, compiled with these instructions.
    ///
    /// A body calls it for its parts, so that no frame grows large: see `docs/decisions/small-frames.md`.
    fn run<V: Vectorized>(self, body: V) -> V::Output;

    /// All lanes equal to `x`.
    fn splat(self, x: f32) -> Self::F;
    /// The first `LEN` elements of `from`, at any alignment. Panics where it is shorter.
    fn load(self, from: &[f32]) -> Self::F;
    /// Writes all lanes to the first `LEN` elements of `to`. Panics where it is shorter.
    fn store(self, v: Self::F, to: &mut [f32]);
    /// `a + b`
    fn add(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a - b`
    fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b`
    fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a / b`
    fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// `a · b + c`, rounded once; twice on the portable instruction set and on SIMD128.
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    /// `√a`
    fn sqrt(self, a: Self::F) -> Self::F;
    /// The larger of two numbers; `b` where either is NaN.
    fn max(self, a: Self::F, b: Self::F) -> Self::F;
    /// The smaller of two numbers; `b` where either is NaN.
    fn min(self, a: Self::F, b: Self::F) -> Self::F;
    /// The nearest whole number, ties to even.
    fn round(self, a: Self::F) -> Self::F;
    /// `|a|`
    fn abs(self, a: Self::F) -> Self::F;
    /// `|magnitude|` with the sign of `sign`.
    fn copysign(self, magnitude: Self::F, sign: Self::F) -> Self::F;
    /// `2^n` for whole `n` in -126..=127; other lanes hold an unspecified number.
    fn pow2(self, n: Self::F) -> Self::F;
    /// `a < b`; false for NaN.
    fn lt(self, a: Self::F, b: Self::F) -> Self::M;
    /// `a <= b`; false for NaN.
    fn le(self, a: Self::F, b: Self::F) -> Self::M;
    /// `a == b`; false for NaN.
    fn eq(self, a: Self::F, b: Self::F) -> Self::M;
    /// Lane by lane: `yes` where the mask is true, else `no`.
    fn select(self, mask: Self::M, yes: Self::F, no: Self::F) -> Self::F;

    /// Asks for the cache line that lies `ahead` elements behind the first one of `from`, and need not exist. Without
    /// effect on any value.
    #[inline(always)]
    fn prefetch<T>(self, from: &[T], ahead: usize) {
        let _ = (from, ahead);
    }

    /// Exchanges rows and columns of eight rows of eight.
    #[inline(always)]
    fn transpose_8x8(self, square: [&[f32; 8]; 8]) -> [[f32; 8]; 8] {
        let mut transposed = [[0.0; 8]; 8];
        for (column, row) in square.iter().enumerate() {
            for (to, &value) in transposed.iter_mut().zip(row.iter()) {
                to[column] = value;
            }
        }
        transposed
    }

    /// The sum of all lanes, halves first: lane `i` with lane `i + LEN/2`, and so on.
    #[inline(always)]
    fn sum(self, v: Self::F) -> f32 {
        let mut lanes = [0.0f32; 16];
        self.store(v, &mut lanes);
        let mut len = Self::LEN;
        while len > 1 {
            len /= 2;
            for i in 0..len {
                lanes[i] += lanes[i + len];
            }
        }
        lanes[0]
    }

    /// The largest lane; NaN where any lane is NaN.
    #[inline(always)]
    fn max_lane(self, v: Self::F) -> f32 {
        let mut lanes = [0.0f32; 16];
        self.store(v, &mut lanes);
        let mut largest = f32::NEG_INFINITY;
        for &lane in &lanes[..Self::LEN] {
            if lane.is_nan() {
                return lane;
            }
            largest = largest.max(lane);
        }
        largest
    }

    /// Fewer than `LEN` elements, the other lanes filled with `fill`.
    #[inline(always)]
    fn load_part(self, from: &[f32], fill: f32) -> Self::F {
        let mut lanes = [fill; 16];
        lanes[..from.len()].copy_from_slice(from);
        self.load(&lanes)
    }

    /// Writes as many lanes as `to` has elements, at most `LEN`.
    #[inline(always)]
    fn store_part(self, v: Self::F, to: &mut [f32]) {
        let mut lanes = [0.0f32; 16];
        self.store(v, &mut lanes);
        let len = to.len();
        to.copy_from_slice(&lanes[..len]);
    }
}
