//! What this machine does at best: reading, multiplying, waking threads.

use super::measure::measure;
use plexus::{Context, Pool};
use plexus_kernels::buffer::Buffer;
use plexus_kernels::{probe, reduce};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// What is read to find the speed of each cache and of memory; 64 MiB are the weights of 4096 x 4096 in f32.
pub const READS: [usize; 5] = [512 << 10, 4 << 20, 16 << 20, 64 << 20, 256 << 20];

/// What nothing on this machine can beat.
pub struct Floors {
    /// Bytes that were read again and again, and bytes a second.
    pub reads: Vec<(usize, f64)>,
    /// Multiply-adds a second, f32.
    pub macs: f64,
    /// Waking the threads of the pool until all of them work, in microseconds.
    pub wake_us: f64,
}

impl Floors {
    /// Measures them for so long; `begin` is told what is measured next.
    pub fn measure(context: &Context, seconds: f64, begin: impl Fn(&str)) -> Floors {
        let largest = READS.iter().max().map_or(0, |bytes| bytes / 4);
        // Not zeros: pages that were never written are all the same one.
        let mut values = Buffer::<f32>::zeros(largest);
        reduce::fill(&mut values, 1.0, context);
        let each = seconds / (READS.len() + 2) as f64;
        let reads = READS.map(|size| {
            begin("reading speed");
            // A call of half a millisecond at least, so that waking threads is no part of it.
            let passes = (16_usize << 20).div_ceil(size);
            let part = &values[..size / 4];
            let times = best(each, || {
                std::hint::black_box(probe::read(part, passes, context));
            });
            (size, (size * passes) as f64 / times)
        });
        begin("multiply-adds");
        let rounds = 100_000;
        let count = probe::multiply_adds(rounds, context) as f64;
        let macs = count
            / best(each, || {
                probe::multiply_adds(rounds, context);
            });
        begin("waking threads");
        let wake_us = measure(each, || meet(context.pool())).median_us;
        Floors { reads: reads.to_vec(), macs, wake_us }
    }

    /// The speed of what was nearest in size, by ratio.
    pub fn bytes_per_second(&self, bytes: usize) -> f64 {
        let distance = |size: usize| (bytes.max(1) as f64 / size as f64).ln().abs();
        let nearest = self.reads.iter().min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
        nearest.map_or(f64::INFINITY, |(_, speed)| *speed)
    }
}

/// Wakes every thread and returns when all have met: a task that ends at once would all be done by the first of them.
fn meet(pool: &Pool) {
    let arrived = AtomicUsize::new(0);
    pool.for_each(pool.threads(), |_| {
        arrived.fetch_add(1, Ordering::Relaxed);
        let begin = Instant::now();
        // A thread that never comes, on a machine with other work to do, is not waited for.
        while arrived.load(Ordering::Relaxed) < pool.threads() && begin.elapsed() < Duration::from_millis(10) {
            std::hint::spin_loop();
        }
    });
}

/// The shortest time of a call, in seconds: what the machine can do when nobody disturbs.
fn best(seconds: f64, call: impl FnMut()) -> f64 {
    measure(seconds, call).min_us / 1e6
}
