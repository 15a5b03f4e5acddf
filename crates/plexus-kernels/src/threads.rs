//! The pool of worker threads, and the floating-point mode that all computing threads share.
//!
//! Work is cut at boundaries that depend on the sizes alone, so the number of threads never changes a result.

use rayon::prelude::*;
use std::marker::PhantomData;
use std::sync::Arc;

/// A pool of threads that kernels may use. Cloning shares the pool.
#[derive(Clone, Debug)]
pub struct Pool {
    /// `None` for one thread: the caller's.
    pool: Option<Arc<rayon::ThreadPool>>,
    threads: usize,
}

impl Pool {
    /// Makes a pool of `threads` threads; zero means one for each processor of this machine.
    ///
    /// One thread means the caller's own. Where the system refuses to start threads, the caller's thread does all work.
    pub fn new(threads: usize) -> Self {
        let threads = if threads == 0 { Pool::processors() } else { threads };
        let pool = (threads > 1)
            .then(|| {
                rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .thread_name(|index| format!("plexus-{index}"))
                    .start_handler(|_| {
                        set_flush_denormals(true);
                    })
                    .build()
                    .ok()
            })
            .flatten()
            .map(Arc::new);
        let threads = if pool.is_some() { threads } else { 1 };
        Pool { pool, threads }
    }

    /// The pool that does everything on the caller's thread.
    pub fn single() -> Self {
        Pool { pool: None, threads: 1 }
    }

    /// How many processors the system gives to this program.
    pub fn processors() -> usize {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }

    /// How many threads work at the same time.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `work` inside the pool, so that the kernels it calls need not enter it one by one; denormals are flushed.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(work),
            None => {
                let _flush = FlushDenormals::new();
                work()
            }
        }
    }

    /// Runs `work(0)` to `work(tasks - 1)`, each exactly once, in any order, on the threads of the pool.
    pub fn for_each(&self, tasks: usize, work: impl Fn(usize) + Sync + Send) {
        match &self.pool {
            Some(pool) if tasks > 1 => {
                pool.install(|| (0..tasks).into_par_iter().with_max_len(1).for_each(work));
            }
            _ => {
                let _flush = FlushDenormals::new();
                (0..tasks).for_each(work);
            }
        }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Pool::new(0)
    }
}

/// Flushes denormal numbers to zero on this thread until dropped.
///
/// Both denormal operands and denormal results become zero, on x86-64; elsewhere it does nothing. The kernels of the
/// pool's own threads run in this mode always, so a result does not depend on which thread computed it.
#[derive(Debug)]
pub struct FlushDenormals {
    before: bool,
    /// The mode belongs to this thread: the guard must be dropped on it.
    stays: PhantomData<*const ()>,
}

impl FlushDenormals {
    /// Switches the mode on.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        FlushDenormals { before: set_flush_denormals(true), stays: PhantomData }
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        set_flush_denormals(self.before);
    }
}

/// Sets the mode of this thread and returns what it was.
fn set_flush_denormals(on: bool) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        crate::isa::mode::set_flush_denormals(on)
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = on;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn every_task_runs_exactly_once() {
        for threads in [1, 2, 7] {
            let pool = Pool::new(threads);
            let counts: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
            pool.for_each(100, |task| {
                counts[task].fetch_add(1, Ordering::Relaxed);
            });
            assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn denormals_are_flushed_inside_and_kept_outside() {
        let half = |x: f32| std::hint::black_box(x) * std::hint::black_box(0.5);
        assert_ne!(half(f32::MIN_POSITIVE), 0.0);
        for threads in [1, 2] {
            assert_eq!(Pool::new(threads).enter(|| half(f32::MIN_POSITIVE)), 0.0);
        }
        assert_ne!(half(f32::MIN_POSITIVE), 0.0);
    }
}
