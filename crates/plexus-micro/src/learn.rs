//! A last fully connected layer that learns on the device, with whole numbers and in fixed memory.

/// A layer of scores that can be changed by examples: classes that were never seen are learnt from a few of them.
///
/// ```text
/// x[i] = feature[i] − zero_point, and one more x that is always 2^7 of 8-bit features, 2^15 of 16-bit ones, for the bias
/// score[c] = Σ_i weight[c, i] · x[i]
/// ```
///
/// An example of class `y` changes the weights only where its score is not ahead of the best other one, `r`, by the margin:
///
/// ```text
/// lack = margin − (score[y] − score[r])            nothing is done where it is not above 0
/// step[i] = lack · x[i] / (2 · Σ_k x[k]²)          to the nearest, halves away from zero
/// weight[y, i] += step[i],  weight[r, i] −= step[i]                saturating at 16 bits
/// ```
///
/// With exact steps `score[y] − score[r]` becomes the margin: the smallest change of the weights that does that.
///
/// # Shapes
/// `weight`: `[classes, features + 1]`, the bias last
///
/// # Source
/// Crammer et al. 2006, "Online Passive-Aggressive Algorithms" (Journal of Machine Learning Research 7), section 3, for several classes
/// as in section 8; here in whole numbers.
#[derive(Debug)]
pub struct Readout<'a> {
    /// Changed by [`Readout::learn_s8`] and [`Readout::learn_s16`].
    pub weight: &'a mut [i16],
    /// How many.
    pub classes: usize,
    /// What stands for zero among the features.
    pub zero_point: i32,
    /// How far the right score should be ahead.
    pub margin: i64,
}

/// The most features that can be learnt from.
const MOST_FEATURES: usize = 1 << 14;
/// The largest margin.
const MOST_MARGIN: i64 = 1 << 44;

impl Readout<'_> {
    fn scores<T: Copy + Into<i32>>(&self, features: &[T], one: i64, mut see: impl FnMut(usize, i64)) {
        let row_len = features.len() + 1;
        assert!(
            self.classes.checked_mul(row_len) == Some(self.weight.len()),
            "the weight is not of classes x features + 1"
        );
        for (class, row) in self.weight.chunks_exact(row_len).enumerate() {
            let (weights, bias) = row.split_at(features.len());
            let products = features.iter().zip(weights).map(|(x, w)| self.x(*x) * i64::from(*w));
            see(class, products.sum::<i64>() + one * i64::from(bias[0]));
        }
    }

    fn x<T: Into<i32>>(&self, feature: T) -> i64 {
        i64::from(feature.into()) - i64::from(self.zero_point)
    }

    /// The class with the largest score, the first of several.
    fn best<T: Copy + Into<i32>>(&self, features: &[T], one: i64) -> usize {
        let mut best = (0, i64::MIN);
        self.scores(features, one, |class, score| {
            if score > best.1 {
                best = (class, score);
            }
        });
        best.0
    }

    fn learn<T: Copy + Into<i32>>(&mut self, features: &[T], one: i64, class: usize) -> bool {
        assert!(class < self.classes, "there is no such class");
        // So products of 64 bits do not wrap.
        assert!(
            features.len() <= MOST_FEATURES && self.margin <= MOST_MARGIN,
            "too many features, or too large a margin"
        );
        let (mut own, mut other) = (0, (0, i64::MIN));
        self.scores(features, one, |at, score| {
            if at == class {
                own = score;
            } else if score > other.1 {
                other = (at, score);
            }
        });
        if self.classes < 2 {
            return false;
        }
        let lack = self.margin - (own - other.1);
        if lack <= 0 {
            return false;
        }
        let twice = 2 * features.iter().map(|x| self.x(*x) * self.x(*x)).sum::<i64>() + 2 * one * one;
        for at in 0..=features.len() {
            let x = if at < features.len() { self.x(features[at]) } else { one };
            let step = rounded(lack * x, twice);
            for (row, step) in [(class, step), (other.0, -step)] {
                let weight = &mut self.weight[row * (features.len() + 1) + at];
                *weight = i64::from(*weight).saturating_add(step).clamp(-32768, 32767) as i16;
            }
        }
        true
    }

    /// The class of 8-bit features.
    ///
    /// # Panics
    /// Where the weight is not of so many classes and features.
    pub fn classify_s8(&self, features: &[i8]) -> usize {
        self.best(features, 128)
    }

    /// The class of 16-bit features.
    ///
    /// # Panics
    /// As [`Readout::classify_s8`].
    pub fn classify_s16(&self, features: &[i16]) -> usize {
        self.best(features, 32768)
    }

    /// Learns from an example of 8-bit features; whether anything was changed.
    ///
    /// # Panics
    /// Where the weight is not of so many classes and features, there is no such class, the features are more than 16384, or the margin is
    /// above 2⁴⁴.
    pub fn learn_s8(&mut self, features: &[i8], class: usize) -> bool {
        self.learn(features, 128, class)
    }

    /// Learns from an example of 16-bit features.
    ///
    /// # Panics
    /// As [`Readout::learn_s8`].
    pub fn learn_s16(&mut self, features: &[i16], class: usize) -> bool {
        self.learn(features, 32768, class)
    }
}

/// A quotient to the nearest whole number, halves away from zero.
fn rounded(dividend: i64, divisor: i64) -> i64 {
    let half = if dividend < 0 { -(divisor / 2) } else { divisor / 2 };
    (dividend + half) / divisor
}
