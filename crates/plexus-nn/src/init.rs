//! First values of weights.

mod digits;

#[cfg(feature = "train")]
use plexus_kernels::random::{Random, Stream};
use serde::{Deserialize, Serialize};

/// How a tensor starts. `fan_in` is the number of inputs of one unit, `fan_out` the number of units that see one input;
/// for a weight `[out_features, in_features]` they are `in_features` and `out_features`.
///
/// # Source
/// Glorot and Bengio 2010 (AISTATS), He et al. 2015 (arXiv 1502.01852), Saxe et al. 2014 (arXiv 1312.6120) for
/// orthogonal; narrow normal as MATLAB's `narrow-normal`; digits after LeCun et al. 1998 (Proc. IEEE 86), with bitmaps of
/// our own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Init {
    /// Uniform within ±1/√fan_in: what PyTorch does for linear layers, weight and bias.
    UniformFanIn,
    /// Uniform within ±√(6 / (fan_in + fan_out)): variance 2 / (fan_in + fan_out).
    GlorotUniform,
    /// Normal with variance 2 / (fan_in + fan_out).
    GlorotNormal,
    /// Uniform within ±√(6 / fan_in): variance 2 / fan_in.
    HeUniform,
    /// Normal with variance 2 / fan_in.
    HeNormal,
    /// Rows (or columns, whichever are fewer) of length one at right angles to each other.
    Orthogonal,
    /// Normal with standard deviation 0.01.
    NarrowNormal,
    /// All zeros.
    Zeros,
    /// All ones.
    Ones,
    /// The codes that LeNet-5 compares with. For the shape `[10, 84]` the digits 0 to 9 as bitmaps of 12 rows and 7
    /// columns, 1 where black and −1 where white; for other shapes 1 or −1 at random.
    Digits,
    /// 1 with a probability, else 0, for the mask of connections.
    #[serde(skip)]
    Mask {
        /// The share of ones.
        density: f32,
    },
    /// Lengths of the rows of a sparse matrix: so many non-zeros, as evenly as can be.
    #[serde(skip)]
    SparseLengths {
        /// How many there are.
        nonzeros: u32,
    },
    /// Columns of the non-zeros of a sparse matrix: as many as there are columns, one behind the other, have columns of their own.
    #[serde(skip)]
    SparseColumns {
        /// Columns of the matrix.
        cols: u32,
    },
    /// Uniform within ±bound, for a bias that follows the fan-in of its weight.
    #[serde(skip)]
    Uniform {
        /// Half the width of the interval.
        bound: f32,
    },
}

#[cfg(feature = "train")]
impl Init {
    /// Fills a tensor. The numbers depend on the seed, the position of the tensor in its network and the shape alone.
    pub fn fill(self, shape: &[usize], seed: u64, tensor: u64, values: &mut [f32]) {
        let mut random = Random::new(seed, Stream::Init, [tensor, 0]);
        let (fan_out, fan_in) = match shape {
            [] => (1, 1),
            [features] => (*features, *features),
            [rows, rest @ ..] => (*rows, rest.iter().product::<usize>()),
        };
        let (fan_in, fan_out) = (fan_in.max(1) as f64, fan_out.max(1) as f64);
        match self {
            Init::UniformFanIn => uniform(&mut random, fan_in.recip().sqrt(), values),
            Init::GlorotUniform => uniform(&mut random, (6.0 / (fan_in + fan_out)).sqrt(), values),
            Init::HeUniform => uniform(&mut random, (6.0 / fan_in).sqrt(), values),
            Init::Uniform { bound } => uniform(&mut random, f64::from(bound), values),
            Init::GlorotNormal => random.normal(0.0, (2.0 / (fan_in + fan_out)).sqrt() as f32, values),
            Init::HeNormal => random.normal(0.0, (2.0 / fan_in).sqrt() as f32, values),
            Init::NarrowNormal => random.normal(0.0, 0.01, values),
            Init::Orthogonal => {
                random.normal(0.0, 1.0, values);
                // A bias is one vector: a single row.
                let rows = if shape.len() < 2 { 1 } else { shape[0] };
                if !values.is_empty() {
                    orthogonalize(values, rows, values.len() / rows);
                }
            }
            Init::Zeros => values.fill(0.0),
            Init::Ones => values.fill(1.0),
            Init::Mask { density } => {
                random.uniform(0.0, 1.0, values);
                values.iter_mut().for_each(|value| *value = f32::from(u8::from(*value < density)));
            }
            Init::SparseLengths { nonzeros } => {
                let (nonzeros, rows) = (nonzeros as usize, values.len());
                let length = |row: usize| nonzeros / rows + usize::from(row < nonzeros % rows);
                values.iter_mut().enumerate().for_each(|(row, value)| *value = length(row) as f32);
            }
            Init::SparseColumns { cols } => {
                // Steps of a width that has no divisor with the number of columns come to each before they come to one again.
                let cols = u64::from(cols).max(1);
                let step = (1 + random.below(cols)..).find(|step| gcd(*step, cols) == 1).unwrap_or(1);
                let mut column = random.below(cols);
                for value in values {
                    *value = column as f32;
                    column = (column + step) % cols;
                }
            }
            Init::Digits if shape == digits::SHAPE => digits::fill(values),
            Init::Digits => {
                values.iter_mut().for_each(|value| *value = if random.next_u32() & 1 == 1 { 1.0 } else { -1.0 });
            }
        }
    }
}

/// The greatest common divisor.
#[cfg(feature = "train")]
fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Uniform within ±bound.
#[cfg(feature = "train")]
fn uniform(random: &mut Random, bound: f64, values: &mut [f32]) {
    random.uniform(-bound as f32, bound as f32, values);
}

/// Makes the rows of a `rows` by `cols` matrix orthonormal, or the columns where those are fewer.
///
/// Modified Gram-Schmidt, twice over, in f64: the second round removes what rounding left in the first.
fn orthogonalize(values: &mut [f32], rows: usize, cols: usize) {
    let (count, len) = (rows.min(cols), rows.max(cols));
    let at =
        |vector: usize, element: usize| if rows <= cols { vector * cols + element } else { element * cols + vector };
    let mut vectors: Vec<Vec<f64>> =
        (0..count).map(|v| (0..len).map(|e| f64::from(values[at(v, e)])).collect()).collect();
    for _ in 0..2 {
        for v in 0..count {
            let (before, rest) = vectors.split_at_mut(v);
            let current = &mut rest[0];
            for other in before.iter() {
                let overlap: f64 = current.iter().zip(other).map(|(a, b)| a * b).sum();
                current.iter_mut().zip(other).for_each(|(a, b)| *a -= overlap * b);
            }
            let norm = current.iter().map(|a| a * a).sum::<f64>().sqrt();
            // A vector of zero length would need vectors that depend on each other: normal ones never do.
            current.iter_mut().for_each(|a| *a /= norm);
        }
    }
    for (v, vector) in vectors.iter().enumerate() {
        for (e, &value) in vector.iter().enumerate() {
            values[at(v, e)] = value as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(init: Init, shape: &[usize]) -> Vec<f32> {
        let mut values = vec![0.0; shape.iter().product()];
        init.fill(shape, 7, 0, &mut values);
        values
    }

    #[test]
    fn variances_are_the_documented_ones() {
        let (rows, cols) = (300, 500);
        let cases = [
            (Init::UniformFanIn, 1.0 / 3.0 / 500.0),
            (Init::GlorotUniform, 2.0 / 800.0),
            (Init::GlorotNormal, 2.0 / 800.0),
            (Init::HeUniform, 2.0 / 500.0),
            (Init::HeNormal, 2.0 / 500.0),
            (Init::NarrowNormal, 1e-4),
        ];
        for (init, want) in cases {
            let values = filled(init, &[rows, cols]);
            let count = values.len() as f64;
            let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
            let variance = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
            // 150,000 numbers: the relative spread of the variance is about √(2/150000) = 0.4 %.
            assert!((variance / want - 1.0).abs() < 0.02, "{init:?}: {variance} want {want}");
            assert!(mean.abs() < 5.0 * (want / count).sqrt(), "{init:?}: mean {mean}");
        }
    }

    #[test]
    fn orthogonal_rows_or_columns_are_orthonormal() {
        for shape in [[1, 1], [5, 9], [9, 5], [6, 6], [1, 4]] {
            let values = filled(Init::Orthogonal, &shape);
            let [rows, cols] = shape;
            let vector = |v: usize| -> Vec<f32> {
                if rows <= cols {
                    values[v * cols..(v + 1) * cols].to_vec()
                } else {
                    (0..rows).map(|r| values[r * cols + v]).collect()
                }
            };
            for a in 0..rows.min(cols) {
                for b in 0..rows.min(cols) {
                    let dot: f32 = vector(a).iter().zip(&vector(b)).map(|(x, y)| x * y).sum();
                    let want = if a == b { 1.0 } else { 0.0 };
                    assert!((dot - want).abs() < 1e-5, "{shape:?} {a} {b}: {dot}");
                }
            }
        }
    }

    #[test]
    fn digits_are_bitmaps_for_ten_of_84_and_random_codes_for_other_shapes() {
        assert_eq!(filled(Init::Digits, &[10, 84])[..7], [-1.0, -1.0, 1.0, 1.0, 1.0, -1.0, -1.0]);
        let (mut other_seed, codes) = ([0.0; 84 * 10], filled(Init::Digits, &[10, 84]));
        Init::Digits.fill(&[10, 84], 8, 1, &mut other_seed);
        assert_eq!(other_seed[..], codes);
        let random = filled(Init::Digits, &[12, 84]);
        assert!(random.iter().all(|value| value.abs() == 1.0));
        // 1,008 coins: the standard deviation of the sum is 32.
        assert!(random.iter().sum::<f32>().abs() < 160.0);
        assert_ne!(random[..84], random[84..168]);
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_tensor_others() {
        let (mut a, mut b, mut c) = ([0.0; 8], [0.0; 8], [0.0; 8]);
        Init::HeNormal.fill(&[2, 4], 1, 0, &mut a);
        Init::HeNormal.fill(&[2, 4], 1, 0, &mut b);
        Init::HeNormal.fill(&[2, 4], 1, 1, &mut c);
        assert_eq!(a, b);
        assert_ne!(a, c);
    }
}
