//! What this machine can do at best: the floors that measured kernels are compared with.
//!
//! Reading speed and the rate of multiply-adds, by loops that do nothing else. They are measured in the same run as a
//! kernel, because the speed of a shared machine changes from minute to minute. Nothing here takes the time; the caller
//! does.

use crate::Context;
use crate::isa::{Isa, Simd, Vectorized};
use std::hint::black_box;

/// Reads all values `passes` times, each thread its own share of them, and returns their sum over all passes.
///
/// Eight independent sums hide the latency of the adder; the share of a thread stays in its own caches where it fits.
///
/// # Examples
/// ```
/// let context = plexus_kernels::Context::single();
/// assert_eq!(plexus_kernels::probe::read(&[1.0, 2.0, 3.0], 2, &context), 12.0);
/// ```
pub fn read(values: &[f32], passes: usize, context: &Context) -> f32 {
    let share = values.len().div_ceil(context.pool().threads()).next_multiple_of(16);
    let shares: Vec<&[f32]> = values.chunks(share.max(1)).collect();
    let sums: Vec<std::sync::Mutex<f32>> = shares.iter().map(|_| std::sync::Mutex::new(0.0)).collect();
    context.pool().for_each(shares.len(), |at| {
        let mut sum = 0.0;
        for _ in 0..passes {
            // Opaque, or the compiler could read once and multiply by the number of passes.
            sum += context.isa().run(Sum(black_box(shares[at])));
        }
        *sums[at].lock().expect("no task panics while it holds the sum") = sum;
    });
    sums.into_iter().map(|sum| sum.into_inner().expect("no task panicked")).sum()
}

/// Chains of multiply-adds that run beside each other: enough for two units with a latency of five.
const CHAINS: usize = 12;
/// Without 256-bit registers a vector takes two of the sixteen there are.
const CHAINS_PORTABLE: usize = 6;

/// Runs `rounds` multiply-adds in each of twelve chains of vectors, on every thread; returns how many numbers were
/// multiplied and added in all.
pub fn multiply_adds(rounds: usize, context: &Context) -> u64 {
    let lanes = std::sync::atomic::AtomicU64::new(0);
    context.pool().for_each(context.pool().threads(), |_| {
        let (result, count) = context.isa().run(Chains { rounds });
        black_box(result);
        lanes.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
    });
    lanes.into_inner()
}

struct Sum<'a>(&'a [f32]);

impl Vectorized for Sum<'_> {
    type Output = f32;
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sums = [s.splat(0.0); 8];
        let mut groups = self.0.chunks_exact(8 * S::LEN);
        for group in groups.by_ref() {
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = s.add(*sum, s.load(&group[i * S::LEN..]));
            }
        }
        let mut total = groups.remainder().iter().sum::<f32>();
        for sum in sums {
            total += s.sum(sum);
        }
        total
    }
}

struct Chains {
    rounds: usize,
}

impl Vectorized for Chains {
    type Output = (f32, u64);
    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (f32, u64) {
        if matches!(S::ISA, Isa::Portable | Isa::Simd128) {
            chains::<S, CHAINS_PORTABLE>(s, self.rounds)
        } else {
            chains::<S, CHAINS>(s, self.rounds)
        }
    }
}

/// One number from all chains, and how many numbers were multiplied and added.
#[inline(always)]
fn chains<S: Simd, const N: usize>(s: S, rounds: usize) -> (f32, u64) {
    // Each chain settles at 1: x = x/2 + 1/2. No denormals, no infinities, and no product that could be hoisted.
    let half = s.splat(black_box(0.5));
    let mut sums = [s.splat(black_box(2.0)); N];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = s.mul_add(*sum, half, half);
        }
    }
    let mut total = sums[0];
    for &sum in &sums[1..] {
        total = s.add(total, sum);
    }
    (s.sum(total), (rounds * N * S::LEN) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::threads::Pool;

    #[test]
    fn every_value_is_read_once_a_pass() {
        // Whole numbers below 2^24: their sums are exact in any order.
        let values: Vec<f32> = (0..1000).map(|i| (i % 7) as f32).collect();
        for isa in Isa::available() {
            for threads in [1, 2, 7] {
                let context = Context::new(isa, Pool::new(threads));
                for (from, to) in [(0, 0), (0, 1), (1, 16), (3, 130), (0, 1000), (1, 1000)] {
                    let part = &values[from..to];
                    let want = 3.0 * part.iter().sum::<f32>();
                    assert_eq!(read(part, 3, &context), want, "{isa:?} {from}..{to}");
                }
            }
        }
    }

    #[test]
    fn chains_settle_and_are_counted() {
        for isa in Isa::available() {
            let (total, count) = isa.run(Chains { rounds: 100 });
            // Every lane of every chain is then 1.
            assert_eq!(count, 100 * total as u64, "{isa:?}");
            // Where the system has no threads, a pool of two is one of one.
            let context = Context::new(isa, Pool::new(2));
            assert_eq!(multiply_adds(100, &context), context.pool().threads() as u64 * count, "{isa:?}");
            assert_eq!(multiply_adds(0, &Context::new(isa, Pool::single())), 0);
        }
    }
}
