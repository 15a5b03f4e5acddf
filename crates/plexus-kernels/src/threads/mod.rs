//! The pool of worker threads, and the floating-point mode that all computing threads share.
//!
//! Work is cut at boundaries that depend on the sizes alone, so the number of threads never changes a result.

#[cfg(target_os = "linux")]
mod place;
#[cfg(not(target_os = "linux"))]
#[path = "no_place.rs"]
mod place;
mod team;

use std::marker::PhantomData;
use std::sync::Arc;
use team::Team;

/// A pool of threads that kernels may use. Cloning shares the pool.
#[derive(Clone, Debug)]
pub struct Pool {
    /// `None` for one thread: the caller's.
    team: Option<Arc<Team>>,
}

impl Pool {
    /// Makes a pool of `threads` threads, the caller's among them; zero means one for each processor of this machine.
    ///
    /// Where the system refuses to start threads, the others do all work.
    pub fn new(threads: usize) -> Self {
        let threads = if threads == 0 { Pool::processors() } else { threads };
        let team = (threads > 1).then(|| {
            Team::new(threads - 1, || {
                set_flush_denormals(true);
            })
        });
        Pool { team: team.filter(|team| team.workers() > 0).map(Arc::new) }
    }

    /// The pool that does everything on the caller's thread.
    pub fn single() -> Self {
        Pool { team: None }
    }

    /// How many processors the system gives to this program.
    pub fn processors() -> usize {
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
    }

    /// How many threads work at the same time.
    pub fn threads(&self) -> usize {
        self.team.as_ref().map_or(1, |team| team.workers() + 1)
    }

    /// Runs `work(0)` to `work(tasks - 1)`, each exactly once, in any order, on the threads of the pool.
    ///
    /// Inside a task the pool does everything on the thread of that task.
    pub fn for_each(&self, tasks: usize, work: impl Fn(usize) + Sync + Send) {
        let _flush = FlushDenormals::new();
        match &self.team {
            Some(team) if tasks > 1 => team.run(tasks, &work),
            _ => (0..tasks).for_each(work),
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
            Pool::new(threads).for_each(10, |_| assert_eq!(half(f32::MIN_POSITIVE), 0.0));
        }
        assert_ne!(half(f32::MIN_POSITIVE), 0.0);
    }
}
