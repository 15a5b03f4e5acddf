//! Taking the time of a call, always in the same way.

use std::time::Instant;

/// How long a call took.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The middle one of all calls, in microseconds.
    pub median_us: f64,
    /// The shortest.
    pub min_us: f64,
    /// How many calls were timed.
    pub runs: usize,
}

/// Calls three times to warm up, then times each call alone until the time is over, and five calls at least.
pub fn measure(seconds: f64, call: impl FnMut()) -> Times {
    measure_at_least(3, 5, seconds, call)
}

/// As [`measure`], with other numbers of calls: where many kernels are measured, slow ones must not take all the time.
pub fn measure_at_least(warm_up: usize, least: usize, seconds: f64, mut call: impl FnMut()) -> Times {
    for _ in 0..warm_up {
        call();
    }
    let mut times = Vec::new();
    let begin = Instant::now();
    while times.len() < least || begin.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        call();
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    let middle = times.len() / 2;
    let median_us = if times.len() % 2 == 1 { times[middle] } else { (times[middle - 1] + times[middle]) / 2.0 };
    Times { median_us, min_us: times[0], runs: times.len() }
}

/// A call that was prepared, with what it does, to be timed.
pub struct Prepared {
    /// The work, with everything it needs.
    pub call: Box<dyn FnMut()>,
    /// The kernel that does it.
    pub kernel: &'static str,
    /// Bytes of the weights, as the kernel reads them.
    pub weight_bytes: usize,
    /// Bytes of the other operands, read or written once.
    pub other_bytes: usize,
    /// Multiply-adds of one call.
    pub macs: u64,
}

/// Numbers in -1..1, the same every time. A block is repeated: the speed of a kernel does not depend on the values, and
/// drawing many millions would take longer than measuring.
pub fn numbers(len: usize) -> Vec<f32> {
    use plexus_kernels::random::{Random, Stream};
    let mut values = vec![0.0; len.min(1 << 16)];
    Random::new(0, Stream::Init, [0, 0]).uniform(-1.0, 1.0, &mut values);
    values.into_iter().cycle().take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_least_five_calls_are_timed_after_three() {
        let mut calls = 0;
        let times = measure(0.0, || calls += 1);
        assert_eq!((times.runs, calls), (5, 8));
        assert!(times.min_us <= times.median_us);
    }

    #[test]
    fn numbers_are_small_and_as_many_as_asked_for() {
        for len in [0, 1, 70_000] {
            let values = numbers(len);
            assert!(values.len() == len && values.iter().all(|value| value.abs() <= 1.0));
        }
    }
}
