//! Numbers that follow from a seed, without a crate for it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use plexus_micro::{Multiplier, Window};

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

/// A window of odd sizes on a map of odd sizes; the kernel fits.
pub fn window(dice: &mut Dice, channels: usize) -> Window {
    loop {
        let mut one = |low: i64, high: i64| dice.of(low, high) as usize;
        let window = Window {
            input: [one(1, 7), one(1, 6), channels],
            kernel: [one(1, 4), one(1, 3)],
            stride: [one(1, 3), one(1, 2)],
            padding: [one(0, 3), one(0, 2), one(0, 2), one(0, 3)],
            dilation: [one(1, 2), one(1, 3)],
        };
        let fits = (0..2).all(|axis| {
            window.dilation[axis] * (window.kernel[axis] - 1)
                < window.input[axis] + window.padding[axis] + window.padding[axis + 2]
        });
        if fits {
            return window;
        }
    }
}

pub fn multipliers(dice: &mut Dice, count: usize, most: i64) -> Vec<Multiplier> {
    (0..count).map(|_| Multiplier::new(dice.of(1 << 30, i32::MAX.into()) as i32, dice.of(-12, most) as i32)).collect()
}

/// 4-bit numbers, two in a byte.
pub fn packed(values: &[i8]) -> Vec<u8> {
    values.chunks(2).map(|pair| (pair[0] & 15) as u8 | (pair.get(1).map_or(0, |high| *high as u8) << 4)).collect()
}
