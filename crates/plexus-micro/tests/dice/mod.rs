//! Numbers that follow from a seed, without a crate for it.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub const BYTE: [i64; 2] = [-128, 127];
pub const HALF: [i64; 2] = [-32768, 32767];
pub const WORD: [i64; 2] = [i32::MIN as i64, i32::MAX as i64];

pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        // The constants of a linear congruence by Knuth (MMIX); the upper bits are used.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// A number of a range, now and then one of its ends.
    pub fn of(&mut self, low: i64, high: i64) -> i64 {
        match self.next() % 8 {
            0 => low,
            1 => high,
            _ => low + (self.next() << 31 | self.next()) as i64 % (high - low + 1),
        }
    }

    pub fn list<T: TryFrom<i64>>(&mut self, count: usize, [low, high]: [i64; 2]) -> Vec<T> {
        (0..count).map(|_| T::try_from(self.of(low, high)).ok().expect("it fits its type")).collect()
    }
}
