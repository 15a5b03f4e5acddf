//! The matrices: what points of evaluation and interpolation make of a row of numbers.

#![allow(clippy::needless_range_loop)]

use super::{LANES, POSITIONS, Winograd};
use crate::isa::Simd;
use std::f32::consts::{FRAC_1_SQRT_2, SQRT_2};

/// The points of the forms with six positions; infinity is the sixth.
const SIX: [f64; 5] = [
    0.0,
    std::f64::consts::SQRT_2,
    -std::f64::consts::SQRT_2,
    std::f64::consts::FRAC_1_SQRT_2,
    -std::f64::consts::FRAC_1_SQRT_2,
];

/// The points of F(2, 3); infinity is the fourth.
const FOUR: [f64; 3] = [0.0, 1.0, -1.0];

/// One form, in one dimension. Arrays have six places, of which a form with four positions leaves the last two alone.
pub(super) trait Points {
    /// Positions of a tile.
    const N: usize;
    /// Outputs of a tile.
    const M: usize;

    /// `Bᵀ d`
    fn input<S: Simd>(s: S, d: [S::F; 6]) -> [S::F; 6];

    /// `Aᵀ m`, of which the first `M` are outputs.
    fn output<S: Simd>(s: S, m: [S::F; 6]) -> [S::F; 4];
}

/// F(2, 3): points 0, ±1, infinity.
pub(super) struct Two3;

/// F(4, 3): points 0, ±√2, ±1/√2, infinity.
pub(super) struct Four3;

/// F(2, 5): the same points.
pub(super) struct Two5;

impl Points for Two3 {
    const N: usize = 4;
    const M: usize = 2;

    #[inline(always)]
    fn input<S: Simd>(s: S, d: [S::F; 6]) -> [S::F; 6] {
        [s.sub(d[0], d[2]), s.add(d[1], d[2]), s.sub(d[2], d[1]), s.sub(d[3], d[1]), d[0], d[0]]
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: [S::F; 6]) -> [S::F; 4] {
        let (even, odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        [s.add(m[0], even), s.add(odd, m[3]), odd, odd]
    }
}

/// `Bᵀ d` for the points of the forms with six positions.
#[inline(always)]
fn six<S: Simd>(s: S, d: [S::F; 6]) -> [S::F; 6] {
    let (most, half, two) = (s.splat(-2.5), s.splat(-0.5), s.splat(-2.0));
    // At ±√2: x⁴ - x²/2 ± √2 (x³ - x/2); at ±1/√2: x⁴ - 2 x² ± (x³ - 2 x) / √2.
    let (even, odd) = (s.mul_add(half, d[2], d[4]), s.mul(s.splat(SQRT_2), s.mul_add(half, d[1], d[3])));
    let (even_2, odd_2) = (s.mul_add(two, d[2], d[4]), s.mul(s.splat(FRAC_1_SQRT_2), s.mul_add(two, d[1], d[3])));
    [
        s.add(s.mul_add(most, d[2], d[0]), d[4]),
        s.add(even, odd),
        s.sub(even, odd),
        s.add(even_2, odd_2),
        s.sub(even_2, odd_2),
        s.add(s.mul_add(most, d[3], d[1]), d[5]),
    ]
}

impl Points for Four3 {
    const N: usize = 6;
    const M: usize = 4;

    #[inline(always)]
    fn input<S: Simd>(s: S, d: [S::F; 6]) -> [S::F; 6] {
        six(s, d)
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: [S::F; 6]) -> [S::F; 4] {
        let (even, odd) = (s.add(m[1], m[2]), s.mul(s.splat(SQRT_2), s.sub(m[1], m[2])));
        let (even_2, odd_2) = (s.add(m[3], m[4]), s.mul(s.splat(FRAC_1_SQRT_2), s.sub(m[3], m[4])));
        let (two, half) = (s.splat(2.0), s.splat(0.5));
        [
            s.add(m[0], s.add(even, even_2)),
            s.add(odd, odd_2),
            s.mul_add(two, even, s.mul(half, even_2)),
            s.add(s.mul_add(two, odd, s.mul(half, odd_2)), m[5]),
        ]
    }
}

impl Points for Two5 {
    const N: usize = 6;
    const M: usize = 2;

    #[inline(always)]
    fn input<S: Simd>(s: S, d: [S::F; 6]) -> [S::F; 6] {
        six(s, d)
    }

    #[inline(always)]
    fn output<S: Simd>(s: S, m: [S::F; 6]) -> [S::F; 4] {
        let odd = s.mul(s.splat(SQRT_2), s.sub(m[1], m[2]));
        let odd_2 = s.mul(s.splat(FRAC_1_SQRT_2), s.sub(m[3], m[4]));
        let even = s.add(s.add(m[1], m[2]), s.add(m[3], m[4]));
        [s.add(m[0], even), s.add(s.add(odd, odd_2), m[5]), odd, odd]
    }
}

/// `G` of a form for filters of `side` taps: the value at each point, divided by the product of its distances to the others;
/// the sign of F(2, 3) at 0 is on the other side, in `Bᵀ`.
fn matrix(form: Winograd, side: usize) -> ([[f64; 5]; 6], usize) {
    let (points, sign): (&[f64], f64) = match form {
        Winograd::Two3 => (&FOUR, -1.0),
        Winograd::Four3 | Winograd::Two5 => (&SIX, 1.0),
    };
    let mut g = [[0.0; 5]; 6];
    for (row, &point) in g.iter_mut().zip(points) {
        let others = points.iter().filter(|&&other| other != point);
        let mut scale = others.map(|other| point - other).product::<f64>().recip();
        if point == 0.0 {
            scale *= sign;
        }
        for (power, value) in row[..side].iter_mut().enumerate() {
            *value = scale * point.powi(power as i32);
        }
    }
    g[points.len()][side - 1] = 1.0;
    (g, points.len() + 1)
}

/// `G g Gᵀ` of some filters side by side, in f64, rounded once.
#[inline(always)]
pub(super) fn weight(
    form: Winograd,
    side: usize,
    filter: &[[f64; LANES]; 25],
    positions: &mut [[f32; LANES]; POSITIONS],
) {
    let (g, n) = matrix(form, side);
    let mut half = [[[0.0f64; LANES]; 5]; 6];
    for i in 0..n {
        for j in 0..side {
            for k in 0..side {
                for lane in 0..LANES {
                    half[i][j][lane] += g[i][k] * filter[k * side + j][lane];
                }
            }
        }
    }
    for i in 0..n {
        for j in 0..n {
            let mut sum = [0.0f64; LANES];
            for k in 0..side {
                for lane in 0..LANES {
                    sum[lane] += g[j][k] * half[i][k][lane];
                }
            }
            positions[i * n + j] = sum.map(|sum| sum as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::portable::Portable;

    #[test]
    fn the_matrices_are_those_of_the_points() {
        /// The coefficients of `Π (x - point)`.
        fn product(points: &[f64]) -> Vec<f64> {
            points.iter().fold(vec![1.0], |product, point| {
                let mut next = vec![0.0; product.len() + 1];
                for (power, coefficient) in product.iter().enumerate() {
                    next[power + 1] += coefficient;
                    next[power] -= point * coefficient;
                }
                next
            })
        }
        fn check<P: Points>(points: &[f64], sign: f64) {
            let close =
                |got: f32, want: f64, what: &str| assert!((f64::from(got) - want).abs() < 1e-6, "{what}: {got} {want}");
            for column in 0..P::N {
                let unit: [f32; 8] = std::array::from_fn(|lane| if lane == 0 { 1.0 } else { 0.0 });
                let mut d = [Portable.splat(0.0); 6];
                d[column] = Portable.load(&unit);
                let mut lanes = [0.0; 8];
                let (input, output) = (P::input(Portable, d), P::output(Portable, d));
                // Row j of B transposed: the coefficients of the product over all points but the j-th; of infinity, over all.
                for row in 0..P::N {
                    let others: Vec<f64> =
                        (0..points.len()).filter(|&other| other != row).map(|other| points[other]).collect();
                    let scale = if points.get(row) == Some(&0.0) { sign } else { 1.0 };
                    Portable.store(input[row], &mut lanes);
                    close(lanes[0], scale * product(&others).get(column).copied().unwrap_or(0.0), "input");
                }
                // Row i of A transposed: the powers of the points; infinity takes part in the last only.
                for row in 0..P::M {
                    let want = match points.get(column) {
                        Some(point) => point.powi(row as i32),
                        None => f64::from(u8::from(row + 1 == P::M)),
                    };
                    Portable.store(output[row], &mut lanes);
                    close(lanes[0], want, "output");
                }
            }
        }
        let (two, half) = (2f64.sqrt(), 0.5f64.sqrt());
        check::<Two3>(&[0.0, 1.0, -1.0], -1.0);
        check::<Four3>(&[0.0, two, -two, half, -half], 1.0);
        check::<Two5>(&[0.0, two, -two, half, -half], 1.0);
    }
}
