//! Threads that wait for work together with their caller, for loops of microseconds.
//!
//! A caller publishes a job (a function of the task number), takes tasks itself, and the workers take the others: one
//! shared counter, so that a thread held up by another program leaves its share to the rest. A worker that was not
//! there in time is not waited for. After a job workers watch for the next one for [`LINGER`] before they sleep.
//!
//! A child after `fork` has a copy of all this and none of the workers. A team that was idle then does the child's jobs on
//! the caller's thread, because nobody else takes tasks; one that was busy (with a job of another thread) stays so, with
//! the same result. Only where somebody is woken, waited for or joined is it asked whether this is the process that made
//! the team: [`Shared::is_foreign`].
#![allow(unsafe_code)]

use super::place::{Maker, Place};
use std::any::Any;
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

/// How long a worker watches for the next job before it sleeps. Waking a sleeping thread costs the caller and the
/// worker several microseconds; the kernels of one network follow each other faster than this.
const LINGER: Duration = Duration::from_micros(60);

/// How long a caller watches for the last worker before it sleeps, which lets the system move that worker here.
const PATIENCE: Duration = Duration::from_micros(20);

/// Set in `Shared::state` while workers may join the job; each worker inside adds [`INSIDE`].
const OPEN: usize = 1;
const INSIDE: usize = 2;

/// What the caller asks for. It lives on the caller's stack, and the reference in it is only called by threads that
/// are counted in `Shared::state`.
#[derive(Clone, Copy)]
struct Job {
    work: &'static (dyn Fn(usize) + Sync),
    tasks: usize,
}

struct Shared {
    /// Somebody is running a job.
    busy: AtomicBool,
    /// The job; written while nobody is inside.
    job: UnsafeCell<Option<Job>>,
    /// [`OPEN`] and the number of workers inside.
    state: AtomicUsize,
    /// The next task that nobody has taken.
    next: AtomicUsize,
    /// How many jobs there were: what workers watch.
    turn: AtomicUsize,
    /// No more jobs will come.
    ended: AtomicBool,
    /// The caller, when it sleeps until the last worker leaves.
    waiting: AtomicBool,
    caller: Mutex<Option<Thread>>,
    /// The first panic of a task.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    /// For each worker: whether it sleeps.
    asleep: Vec<AtomicBool>,
    /// The process in which the workers are, and where to ask for the present one.
    process: u32,
    present: fn() -> u32,
}

// SAFETY: `job` is the only field that is not `Sync` by itself. It is written only by the thread that set `busy`, while
// `state` is zero; it is read only by threads that are counted in `state`, which they entered while it was open, which
// happens after the write.
unsafe impl Sync for Shared {}

/// Workers, and what they share with callers.
pub(super) struct Team {
    shared: Arc<Shared>,
    workers: Vec<Worker>,
}

struct Worker {
    thread: JoinHandle<()>,
    place: Place,
}

impl Team {
    /// Starts `workers` threads, or as many as the system gives, and waits until they run. The whole work of each is
    /// called by `around`.
    pub(super) fn new(workers: usize, around: fn(&mut dyn FnMut())) -> Self {
        Team::of_process(present_process, workers, around)
    }

    /// As [`Team::new`], with another way to tell processes apart.
    fn of_process(present: fn() -> u32, workers: usize, around: fn(&mut dyn FnMut())) -> Self {
        let shared = Arc::new(Shared {
            busy: AtomicBool::new(false),
            job: UnsafeCell::new(None),
            state: AtomicUsize::new(0),
            next: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            caller: Mutex::new(None),
            panic: Mutex::new(None),
            asleep: (0..workers).map(|_| AtomicBool::new(false)).collect(),
            process: present(),
            present,
        });
        let maker = Maker::this_thread();
        let start = |index: usize| {
            let shared = Arc::clone(&shared);
            let (tell, told) = mpsc::channel();
            let body = move || {
                let _ = tell.send(Place::of_this_thread(maker));
                around(&mut || shared.serve(index));
            };
            let thread = thread::Builder::new().name(format!("plexus-{}", index + 1)).spawn(body).ok()?;
            Some((thread, told))
        };
        let started: Vec<_> = (0..workers).map_while(start).collect();
        let running = |(thread, told): (_, mpsc::Receiver<Place>)| {
            let place = told.recv().expect("a worker begins by telling its place");
            Worker { thread, place }
        };
        let workers = started.into_iter().map(running).collect();
        Team { shared, workers }
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Calls `work(0)` to `work(tasks - 1)`, each once, and returns when all have returned.
    ///
    /// Where the team has a job already (this is called from inside a task, or two threads share the team), the
    /// calling thread does all of it.
    ///
    /// # Panics
    /// Where a task panics, after the others that had begun have ended; in a child of a `fork` that a task of the calling
    /// thread made, when that task returns in it.
    pub(super) fn run(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        let shared = &*self.shared;
        if shared.busy.swap(true, Ordering::Acquire) {
            (0..tasks).for_each(work);
            return;
        }
        // SAFETY: only the lifetime is changed. The reference is called by this thread, below, and by workers inside;
        // this function ends, also by a panic, after `close`, which returns when nobody is inside and nobody can enter, or
        // panics where the workers inside are those of another process.
        let work: &'static (dyn Fn(usize) + Sync) = unsafe { std::mem::transmute(work) };
        let job = Job { work, tasks };
        // SAFETY: `busy` was free, so no other thread writes, and `state` is zero, so none reads.
        unsafe { *shared.job.get() = Some(job) };
        shared.next.store(0, Ordering::Relaxed);
        shared.state.store(OPEN, Ordering::Release);
        shared.turn.fetch_add(1, Ordering::SeqCst);
        // No more than can find a task. Those of another process are not ours to move.
        for (worker, asleep) in self.workers.iter().zip(&shared.asleep).take(tasks - 1) {
            if asleep.load(Ordering::SeqCst) {
                if shared.is_foreign() {
                    break;
                }
                if asleep.swap(false, Ordering::SeqCst) {
                    worker.place.away_from_caller();
                    worker.thread.thread().unpark();
                }
            }
        }
        shared.take(job);
        shared.close();
        let panic = shared.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        shared.busy.store(false, Ordering::Release);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if self.shared.is_foreign() {
            // There is nobody to end. Even letting go of a handle would tell the system about a thread that is not here.
            self.workers.drain(..).for_each(std::mem::forget);
            return;
        }
        self.shared.ended.store(true, Ordering::SeqCst);
        self.shared.turn.fetch_add(1, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread.thread().unpark();
            // A worker's own panics were caught.
            let _ = worker.thread.join();
        }
    }
}

impl std::fmt::Debug for Team {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Team").field("workers", &self.workers.len()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Whether this is another process than that of the workers: a child after `fork`.
    fn is_foreign(&self) -> bool {
        (self.present)() != self.process
    }

    /// Does tasks until none is left. A panic is kept, and ends the job.
    fn take(&self, job: Job) {
        let tasks = || {
            loop {
                let task = self.next.fetch_add(1, Ordering::Relaxed);
                if task >= job.tasks {
                    return;
                }
                (job.work)(task);
            }
        };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(tasks)) {
            self.next.store(usize::MAX / 2, Ordering::Relaxed);
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }

    /// Lets nobody in any more and waits until all are out.
    fn close(&self) {
        let inside = self.state.fetch_and(!OPEN, Ordering::AcqRel) & !OPEN;
        if inside == 0 {
            return;
        }
        let begin = Instant::now();
        while self.state.load(Ordering::Acquire) != 0 {
            for _ in 0..16 {
                spin_loop();
            }
            if begin.elapsed() > PATIENCE {
                assert!(!self.is_foreign(), "a task forked, and its child returned from it: the other tasks are lost");
                *self.caller.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
                self.waiting.store(true, Ordering::SeqCst);
                while self.state.load(Ordering::SeqCst) != 0 {
                    thread::park();
                }
                self.waiting.store(false, Ordering::SeqCst);
            }
        }
    }

    /// The life of a worker.
    fn serve(&self, index: usize) {
        let mut seen = 0;
        loop {
            seen = self.watch(index, seen);
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            let enter = |state: usize| (state & OPEN != 0).then_some(state + INSIDE);
            if self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, enter).is_err() {
                continue;
            }
            // SAFETY: this thread is counted in `state`, so the job stays until it has left; see `Sync`.
            let job = unsafe { *self.job.get() }.expect("an open job is there");
            self.take(job);
            let last = self.state.fetch_sub(INSIDE, Ordering::SeqCst) == INSIDE;
            if last
                && self.waiting.load(Ordering::SeqCst)
                && let Some(caller) = &*self.caller.lock().unwrap_or_else(PoisonError::into_inner)
            {
                caller.unpark();
            }
        }
    }

    /// Waits until there was another job than the one `seen`.
    fn watch(&self, index: usize, seen: usize) -> usize {
        let begin = Instant::now();
        loop {
            let turn = self.turn.load(Ordering::SeqCst);
            if turn != seen {
                return turn;
            }
            let waited = begin.elapsed();
            if waited < LINGER / 4 {
                for _ in 0..16 {
                    spin_loop();
                }
            } else if waited < LINGER {
                // Whoever else wants this processor may have it.
                thread::yield_now();
            } else {
                self.asleep[index].store(true, Ordering::SeqCst);
                if self.turn.load(Ordering::SeqCst) == seen {
                    thread::park();
                }
                self.asleep[index].store(false, Ordering::SeqCst);
            }
        }
    }
}

/// The number of the process. In WebAssembly there is none to ask for, and nothing forks.
fn present_process() -> u32 {
    if cfg!(target_family = "wasm") { 0 } else { std::process::id() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each task was done by something that runs them all.
    fn counts_of(tasks: usize, run: impl Fn(usize, &(dyn Fn(usize) + Sync))) -> Vec<usize> {
        let counts: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
        run(tasks, &|task| {
            counts[task].fetch_add(1, Ordering::Relaxed);
        });
        counts.into_iter().map(AtomicUsize::into_inner).collect()
    }

    fn counts(team: &Team, tasks: usize) -> Vec<usize> {
        counts_of(tasks, |tasks, work| team.run(tasks, work))
    }

    #[test]
    fn a_task_that_two_threads_take_or_none_is_counted() {
        // Two threads read the counter before either writes it.
        let twice = |tasks: usize, work: &(dyn Fn(usize) + Sync)| {
            thread::scope(|scope| {
                scope.spawn(|| work(0));
                (0..tasks).for_each(work);
            });
        };
        assert_eq!(counts_of(3, twice), [2, 1, 1]);
        assert_eq!(counts_of(3, |tasks, work| (1..tasks).for_each(work)), [0, 1, 1]);
    }

    /// Returns when every worker of a team that nobody uses has gone to sleep.
    fn wait_for_sleep(team: &Team) {
        while !team.shared.asleep.iter().all(|asleep| asleep.load(Ordering::SeqCst)) {
            thread::yield_now();
        }
    }

    /// Fewer rounds for Miri, which is a thousand times slower.
    fn rounds(usual: usize) -> usize {
        if cfg!(miri) { usual.div_ceil(100) } else { usual }
    }

    /// Lets other threads run for a while.
    fn dawdle() {
        (0..rounds(100)).for_each(|_| thread::yield_now());
    }

    #[test]
    fn jobs_one_after_the_other_run_every_task_once() {
        for workers in [0, 1, 3, 8] {
            let team = Team::new(workers, |work| work());
            for job in 0..rounds(5000) {
                let tasks = 1 + job % 37;
                assert_eq!(counts(&team, tasks), vec![1; tasks]);
            }
        }
    }

    #[test]
    fn jobs_wake_the_workers_that_went_to_sleep() {
        let team = Team::new(2, |work| work());
        for _ in 0..rounds(20) {
            wait_for_sleep(&team);
            assert_eq!(counts(&team, 50), vec![1; 50]);
        }
    }

    #[test]
    #[cfg(all(target_os = "linux", not(miri)))]
    fn a_worker_that_slept_does_not_run_where_its_caller_does() {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let given = sched_getaffinity(None).unwrap();
        let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&processor| given.is_set(processor)).collect();
        if processors.len() < 2 {
            crate::skipped::say("a_worker_that_slept_does_not_run_where_its_caller_does", "one processor");
            return;
        }
        let team = Team::new(1, |work| work());
        // A worker begins away from the processor of its maker; only one that is moved passes for both.
        for processor in [processors[0], processors[1], processors[0]] {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut here = CpuSet::new();
                    here.set(processor);
                    sched_setaffinity(None, &here).unwrap();
                    wait_for_sleep(&team);
                    assert_eq!(counts(&team, 2), [1, 1]);
                    assert!(!team.workers[0].place.allows(processor));
                });
            });
        }
    }

    #[test]
    fn a_job_inside_a_task_and_callers_at_the_same_time_are_served() {
        let team = Team::new(3, |work| work());
        let total = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..rounds(200) {
                        team.run(8, &|_| {
                            team.run(4, &|_| {
                                total.fetch_add(1, Ordering::Relaxed);
                            });
                        });
                    }
                });
            }
        });
        assert_eq!(total.into_inner(), 4 * rounds(200) * 8 * 4);
    }

    #[test]
    fn all_tasks_have_ended_when_a_job_returns() {
        let team = Team::new(3, |work| work());
        for _ in 0..rounds(50) {
            let (begun, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
            team.run(9, &|task| {
                begun.fetch_add(1, Ordering::SeqCst);
                if task % 4 == 0 {
                    dawdle();
                }
                ended.fetch_add(1, Ordering::SeqCst);
            });
            assert_eq!((begun.into_inner(), ended.into_inner()), (9, 9));
        }
    }

    /// What the tests below take for the number of this process.
    static PRESENT: AtomicUsize = AtomicUsize::new(0);

    fn present() -> u32 {
        PRESENT.load(Ordering::SeqCst) as u32
    }

    /// A test of a team whose maker is process 1. `PRESENT` is one for all, so there is one test at a time.
    fn in_process_1(test: impl FnOnce(Team)) {
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        PRESENT.store(1, Ordering::SeqCst);
        test(Team::of_process(present, 2, |work| work()));
    }

    /// Lets the workers end that a team of another process left alone. Those asleep end with the program.
    fn end(shared: &Shared) {
        shared.ended.store(true, Ordering::SeqCst);
        shared.turn.fetch_add(1, Ordering::SeqCst);
    }

    #[test]
    fn a_child_leaves_the_workers_of_its_parent_alone() {
        in_process_1(|team| {
            let shared = Arc::clone(&team.shared);
            PRESENT.store(2, Ordering::SeqCst);
            drop(team);
            assert!(!shared.ended.load(Ordering::SeqCst));
            assert!(Arc::strong_count(&shared) > 2, "the workers still run");
            end(&shared);
        });
    }

    #[test]
    fn a_child_wakes_nobody() {
        in_process_1(|team| {
            wait_for_sleep(&team);
            PRESENT.store(2, Ordering::SeqCst);
            let here = thread::current().id();
            team.run(20, &|_| assert_eq!(thread::current().id(), here));
            assert_eq!(counts(&team, 20), vec![1; 20]);
            PRESENT.store(1, Ordering::SeqCst);
            assert_eq!(counts(&team, 20), vec![1; 20]);
        });
    }

    #[test]
    fn a_child_does_not_wait_for_a_worker_that_was_inside() {
        /// Tasks begun, and whether those that wait may end.
        static BEGUN: AtomicUsize = AtomicUsize::new(0);
        static RELEASED: AtomicBool = AtomicBool::new(false);
        in_process_1(|team| {
            let caller = thread::current().id();
            // Leaked: a worker of this process calls it after `run` has given up, which no child's worker does.
            let work: &'static (dyn Fn(usize) + Sync) = Box::leak(Box::new(move |_| {
                BEGUN.fetch_add(1, Ordering::SeqCst);
                if thread::current().id() == caller {
                    while BEGUN.load(Ordering::SeqCst) < 2 {
                        thread::yield_now();
                    }
                    PRESENT.store(2, Ordering::SeqCst);
                } else {
                    while !RELEASED.load(Ordering::SeqCst) {
                        thread::yield_now();
                    }
                }
            }));
            let panic = catch_unwind(AssertUnwindSafe(|| team.run(2, work))).expect_err("half of the tasks are lost");
            assert!(panic.downcast_ref::<&str>().is_some_and(|message| message.contains("forked")));
            // Jobs go on, on this thread.
            assert_eq!(counts(&team, 5), vec![1; 5]);
            RELEASED.store(true, Ordering::SeqCst);
            let shared = Arc::clone(&team.shared);
            drop(team);
            end(&shared);
        });
    }

    #[test]
    fn a_panic_of_any_task_reaches_the_caller_and_the_team_goes_on() {
        let team = Team::new(2, |work| work());
        for bad in 0..20 {
            let result = catch_unwind(AssertUnwindSafe(|| {
                team.run(20, &|task| {
                    dawdle();
                    assert_ne!(task, bad, "a task that fails");
                });
            }));
            assert!(result.is_err());
            assert_eq!(counts(&team, 30), vec![1; 30]);
        }
    }
}
