//! The pool of worker threads, and the floating-point mode that all computing threads share.
//!
//! Work is cut at boundaries that depend on the sizes alone, so the number of threads never changes a result.

// Miri does not make the system calls.
#[cfg(all(target_os = "linux", not(miri)))]
mod place;
#[cfg(not(all(target_os = "linux", not(miri))))]
#[path = "no_place.rs"]
mod place;
mod team;

use std::sync::Arc;
use team::Team;

/// A pool of threads that kernels may use. Cloning shares the pool.
///
/// In a child after `fork` the other threads of the pool do not exist: everything is then done on the caller's thread,
/// and nothing waits for them. A pool made in the child has threads of its own.
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
        let team = (threads > 1).then(|| Team::new(threads - 1, |work| flush_denormals(work)));
        Pool { team: team.filter(|team| team.workers() > 0).map(Arc::new) }
    }

    /// The pool that does everything on the caller's thread.
    pub fn single() -> Self {
        Pool { team: None }
    }

    /// How many processors the system gives to this thread. A thread of a pool may use as many as its pool's maker.
    pub fn processors() -> usize {
        place::processors(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
    }

    /// How many threads work at the same time.
    pub fn threads(&self) -> usize {
        self.team.as_ref().map_or(1, |team| team.workers() + 1)
    }

    /// Runs `work(0)` to `work(tasks - 1)`, each exactly once, in any order, on the threads of the pool.
    ///
    /// Inside a task the pool does everything on the thread of that task.
    pub fn for_each(&self, tasks: usize, work: impl Fn(usize) + Sync + Send) {
        flush_denormals(|| match &self.team {
            Some(team) if tasks > 1 => team.run(tasks, &work),
            _ => (0..tasks).for_each(work),
        });
    }
}

impl Default for Pool {
    fn default() -> Self {
        Pool::new(0)
    }
}

/// Calls `work` with denormal numbers flushed to zero on this thread, and returns what it returns.
///
/// Both denormal operands and denormal results become zero, on x86-64; elsewhere it only calls `work`. The kernels of a
/// pool run in this mode always, on all of its threads, so a result does not depend on which thread computed it. Around
/// several kernels it saves them from changing the mode one by one.
///
/// # Examples
/// ```
/// let flushed = plexus_kernels::threads::flush_denormals(|| std::hint::black_box(1e-40f32) * 0.5);
/// assert!(flushed == 0.0 || !cfg!(target_arch = "x86_64"));
/// ```
pub fn flush_denormals<R>(work: impl FnOnce() -> R) -> R {
    // Miri does not run assembly.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        crate::isa::mode::flush_denormals(work)
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    {
        work()
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
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    fn denormals_are_flushed_inside_and_kept_outside() {
        let half = |x: f32| std::hint::black_box(x) * std::hint::black_box(0.5);
        assert_ne!(half(f32::MIN_POSITIVE), 0.0);
        for threads in [1, 2] {
            Pool::new(threads).for_each(10, |_| assert_eq!(half(f32::MIN_POSITIVE), 0.0));
        }
        assert_ne!(half(f32::MIN_POSITIVE), 0.0);
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    fn arithmetic_stays_on_its_side_of_the_change_of_mode() {
        let x = std::hint::black_box(f32::MIN_POSITIVE);
        // The product is the same each time round: an optimizer that may moves it before the loop.
        let mut bits = 0;
        for _ in 0..std::hint::black_box(3) {
            flush_denormals(|| bits |= (x * 0.5).to_bits());
        }
        assert_eq!(bits, 0);
        let mut kept = 0;
        for _ in 0..std::hint::black_box(3) {
            flush_denormals(|| std::hint::black_box(()));
            kept |= (x * 0.25).to_bits();
        }
        assert_ne!(kept, 0);
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    fn a_panic_leaves_the_mode_as_it_was() {
        let half = |x: f32| std::hint::black_box(x) * std::hint::black_box(0.5);
        let panic = std::panic::catch_unwind(|| flush_denormals(|| -> f32 { panic!("{}", half(1.0)) }));
        assert_eq!(panic.unwrap_err().downcast_ref::<String>().map(String::as_str), Some("0.5"));
        assert_ne!(half(f32::MIN_POSITIVE), 0.0);
        let inside = flush_denormals(|| {
            // Of two, one inside the other, the outer one ends the mode.
            flush_denormals(|| ());
            half(f32::MIN_POSITIVE)
        });
        assert_eq!(inside, 0.0);
    }
}
