//! Random numbers: initial values, shuffles, splits, and the masks of dropout.
//!
//! Everything is a function of a seed and of what the numbers are for, so a run can be repeated and resumed anywhere.
//! The generator is ChaCha with eight rounds; its key is four 64-bit words, least byte first: the seed, the number of the
//! [`Stream`], and two indices (a parameter, an epoch, a layer and a step). Different keys give unrelated numbers.
//!
//! # Numerics
//! The bits are part of the contract: they are the same on every machine, because all functions here are made of
//! additions, multiplications, divisions and square roots, and call no mathematical library. Change nothing here without
//! changing the number of a stream.

mod gauss;
pub mod reference;

use crate::Context;
use crate::map::pieces;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// What random numbers are for. The numbers of the streams never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Initial values of parameters.
    Init = 1,
    /// The order of samples.
    Shuffle = 2,
    /// Masks of dropout.
    Dropout = 3,
    /// The division of data into parts.
    Split = 4,
    /// How pictures are changed before they are learnt from.
    Augment = 5,
}

/// A sequence of random numbers.
///
/// # Examples
/// ```
/// use plexus_kernels::random::{Random, Stream};
/// let mut order = [0, 1, 2, 3, 4];
/// Random::new(42, Stream::Shuffle, [0, 0]).shuffle(&mut order);
/// let mut again = [0, 1, 2, 3, 4];
/// Random::new(42, Stream::Shuffle, [0, 0]).shuffle(&mut again);
/// assert_eq!(order, again);
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The sequence of this seed, for this purpose, at these two indices; see the module for what they may be.
    pub fn new(seed: u64, stream: Stream, indices: [u64; 2]) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([seed, stream as u64, indices[0], indices[1]]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        Random(ChaCha8Rng::from_seed(key))
    }

    /// How many 32-bit words have been taken.
    pub fn position(&self) -> u64 {
        self.0.get_word_pos() as u64
    }

    /// Continues from a [`position`](Random::position).
    pub fn set_position(&mut self, words: u64) {
        self.0.set_word_pos(words.into());
    }

    /// The next 32 bits.
    #[inline]
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// The next 64 bits: two words, the first is the lower.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let low = u64::from(self.next_u32());
        low | u64::from(self.next_u32()) << 32
    }

    /// A whole number in `0..end`, each equally likely.
    ///
    /// Lemire's method: the upper half of a 128-bit product, and another draw where the lower half shows a bias.
    ///
    /// # Panics
    /// Where `end` is zero.
    pub fn below(&mut self, end: u64) -> u64 {
        assert!(end > 0, "there is no number below zero");
        let refused = end.wrapping_neg() % end;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(end);
            if product as u64 >= refused {
                return (product >> 64) as u64;
            }
        }
    }

    /// Fills with numbers in `low..high`, from 24 random bits each; one word an element.
    ///
    /// `low + (high − low) · bits / 2^24` in 64-bit arithmetic, then rounded; `high` itself is never reached.
    pub fn uniform(&mut self, low: f32, high: f32, out: &mut [f32]) {
        let (first, width) = (f64::from(low), f64::from(high) - f64::from(low));
        for value in out {
            let share = f64::from(self.next_u32() >> 8) * (1.0 / 16_777_216.0);
            let drawn = (first + width * share) as f32;
            *value = if drawn >= high && low < high { high.next_down() } else { drawn };
        }
    }

    /// Fills with normally distributed numbers; two words an element, four for the last of an odd number.
    ///
    /// Box and Muller's method on pairs: with `a = (bits + 1) / 2^53` and `b = bits' / 2^53` from two 64-bit words,
    /// `√(−2 ln a) · cos 2πb` and `√(−2 ln a) · sin 2πb`, in 64-bit arithmetic.
    pub fn normal(&mut self, mean: f32, std: f32, out: &mut [f32]) {
        let (mean, std) = (f64::from(mean), f64::from(std));
        for pair in out.chunks_mut(2) {
            let (a, b) = (self.next_u64(), self.next_u64());
            for (value, normal) in pair.iter_mut().zip(gauss::pair(a, b)) {
                *value = (mean + std * normal) as f32;
            }
        }
    }

    /// Puts a slice in random order, each equally likely.
    ///
    /// Fisher and Yates: from the last element to the second, each changes places with one at or before it.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            values.swap(last, other);
        }
    }
}

/// Writes the mask of dropout: 0 with the given probability, else `1 / (1 − probability)`.
///
/// Element `i` depends on seed, layer, step and `i` alone: it is kept where word `i` of the stream is at least
/// `probability · 2^32`. So any cut of the work gives the same mask.
///
/// # Panics
/// Where `probability` is not in `0..=1`. At 1 the mask is zero.
pub fn dropout_mask(seed: u64, (layer, step): (u64, u64), probability: f32, mask: &mut [f32], context: &Context) {
    assert!((0.0..=1.0).contains(&probability), "a probability is between 0 and 1");
    let (least, kept) = dropout_constants(probability);
    pieces::for_each(context.pool(), 1, mask, |start, mask| {
        let mut random = Random::new(seed, Stream::Dropout, [layer, step]);
        random.set_position(start as u64);
        // Many words at a time, which the generator hands out faster than one after the other.
        let mut bytes = [0; 1024];
        for mask in mask.chunks_mut(bytes.len() / 4) {
            let bytes = &mut bytes[..mask.len() * 4];
            random.0.fill_bytes(bytes);
            for (value, word) in mask.iter_mut().zip(bytes.chunks_exact(4)) {
                let word = u32::from_le_bytes(word.try_into().expect("a chunk has four bytes"));
                *value = if u64::from(word) >= least { kept } else { 0.0 };
            }
        }
    });
}

/// The least word that keeps an element, and what a kept element is multiplied by.
fn dropout_constants(probability: f32) -> (u64, f32) {
    let probability = f64::from(probability);
    ((probability * 4_294_967_296.0) as u64, (1.0 / (1.0 - probability)) as f32)
}

#[cfg(test)]
mod tests;
