//! Where workers run: not on the processor of their caller.
//!
//! Linux likes to run a woken thread where it was woken. On a virtual machine this was measured even beside an idle
//! processor (presumably a halted virtual processor passes for one that its host has stopped). The caller computes
//! without a pause, so the worker gets its turn only when the job is done, or when the next balancing moves it,
//! milliseconds later. Workers therefore may run on every processor that their maker may use, but that of the thread
//! that wakes them.
//!
//! A new thread inherits the processors of its maker. Where the maker is itself a worker, what it has now is not what it
//! was given: a thread-local variable remembers the latter, and that is what a team made there gets. (A thread that the
//! caller's own code starts inside a task inherits what the worker has at that moment; only the system knows of it.)

use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};
use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

thread_local! {
    /// The processors of this thread, where it is a worker.
    static OWN: RefCell<Option<Arc<Mutex<Processors>>>> = const { RefCell::new(None) };
}

/// The processors of one worker.
#[derive(Debug)]
pub(super) struct Place {
    thread: Pid,
    processors: Arc<Mutex<Processors>>,
}

#[derive(Debug)]
struct Processors {
    /// What the system, or who started the program, gives to the worker.
    given: CpuSet,
    /// What it has now.
    set: CpuSet,
    /// The one that is taken away.
    avoided: Option<usize>,
}

impl Processors {
    /// Sees whether somebody else has chosen since: then that is what the worker was given.
    fn look(&mut self, now: CpuSet) {
        if now != self.set {
            (self.given, self.set, self.avoided) = (now, now, None);
        }
    }
}

/// Where a thread makes a team: its processor, and those that it was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maker {
    processor: usize,
    given: CpuSet,
}

impl Maker {
    /// The calling thread.
    pub(super) fn this_thread() -> Self {
        Maker { processor: sched_getcpu(), given: given() }
    }
}

/// The processors that the calling thread was given, whatever we took from it since.
fn given() -> CpuSet {
    let now = sched_getaffinity(None).unwrap_or_default();
    OWN.with_borrow(|own| match own {
        Some(own) => {
            let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
            own.look(now);
            own.given
        }
        None => now,
    })
}

/// How many processors the calling thread may use, of which it was `seen` that it may use so many now.
///
/// Fewer are seen where we took one away, but also where the system limits time rather than places.
pub(super) fn processors(seen: usize) -> usize {
    let now = sched_getaffinity(None).map_or(0, |now| now.count() as usize);
    if seen == now { given().count() as usize } else { seen }
}

impl Place {
    /// The calling thread's, a worker from now on, which leaves the processor of its `maker`.
    pub(super) fn of_this_thread(maker: Maker) -> Self {
        let set = sched_getaffinity(None).unwrap_or_default();
        let processors = Arc::new(Mutex::new(Processors { given: maker.given, set, avoided: None }));
        OWN.set(Some(processors.clone()));
        let place = Place { thread: gettid(), processors };
        place.away_from(maker.processor);
        place
    }

    /// Called before the worker is woken: it will run elsewhere than the calling thread.
    pub(super) fn away_from_caller(&self) {
        self.away_from(sched_getcpu());
    }

    /// Where the system refuses, everything stays as it is.
    fn away_from(&self, processor: usize) {
        let mut processors = self.processors.lock().unwrap_or_else(PoisonError::into_inner);
        if processors.avoided == Some(processor) {
            return;
        }
        let Ok(now) = sched_getaffinity(Some(self.thread)) else { return };
        processors.look(now);
        let mut set = processors.given;
        set.unset(processor);
        if set.count() == 0 {
            set = processors.given;
        }
        if sched_setaffinity(Some(self.thread), &set).is_ok() {
            (processors.set, processors.avoided) = (set, Some(processor));
        }
    }

    /// Whether the worker may run on a processor now.
    #[cfg(test)]
    pub(super) fn allows(&self, processor: usize) -> bool {
        sched_getaffinity(Some(self.thread)).unwrap().is_set(processor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    fn only(processor: usize) -> CpuSet {
        let mut set = CpuSet::new();
        set.set(processor);
        set
    }

    fn allowed(set: &CpuSet) -> Vec<usize> {
        (0..CpuSet::MAX_CPU).filter(|&processor| set.is_set(processor)).collect()
    }

    /// Makes a thread with `given` processors and hands it to `check` as long as that lasts.
    fn with_thread(given: &CpuSet, processor: usize, check: impl FnOnce(&Place)) {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                sched_setaffinity(None, given).unwrap();
                tell.send(Place::of_this_thread(Maker { processor, given: *given })).unwrap();
                let _ = ended.recv();
            });
            check(&told.recv().unwrap());
            drop(end);
        });
    }

    #[test]
    fn a_worker_may_run_everywhere_but_on_the_processor_of_its_caller() {
        let given = sched_getaffinity(None).unwrap();
        let processors = allowed(&given);
        with_thread(&given, processors[0], |place| {
            for &caller in processors.iter().chain(&processors) {
                place.away_from(caller);
                let expected: Vec<usize> = processors.iter().copied().filter(|&p| p != caller).collect();
                let expected = if expected.is_empty() { processors.clone() } else { expected };
                assert_eq!(allowed(&sched_getaffinity(Some(place.thread)).unwrap()), expected);
            }
        });
    }

    #[test]
    fn a_worker_with_one_processor_keeps_it() {
        let one = only(allowed(&sched_getaffinity(None).unwrap())[0]);
        with_thread(&one, allowed(&one)[0], |place| {
            assert_eq!(sched_getaffinity(Some(place.thread)).unwrap(), one);
        });
    }

    /// Runs `check` on a worker that was given all processors of this thread, on whose behalf one was taken away.
    fn on_a_worker(check: impl FnOnce(Maker) + Send) {
        thread::scope(|scope| {
            let maker = Maker::this_thread();
            scope.spawn(move || {
                let place = Place::of_this_thread(maker);
                assert!(maker.given.count() == 1 || !place.allows(maker.processor));
                check(maker);
            });
        });
    }

    #[test]
    fn a_team_made_on_a_worker_gets_the_processors_that_the_worker_was_given() {
        on_a_worker(|Maker { given: all, .. }| {
            assert_eq!(given(), all);
            let maker = Maker::this_thread();
            thread::scope(|scope| {
                scope.spawn(move || {
                    let place = Place::of_this_thread(maker);
                    // One was taken from it too, for the worker that made it; with another caller that one is free again.
                    for &caller in &allowed(&all) {
                        place.away_from(caller);
                        let expected: Vec<usize> = allowed(&all).into_iter().filter(|&p| p != caller).collect();
                        let expected = if expected.is_empty() { allowed(&all) } else { expected };
                        assert_eq!(allowed(&sched_getaffinity(None).unwrap()), expected);
                    }
                    assert_eq!(given(), all);
                });
            });
        });
    }

    #[test]
    fn a_worker_counts_the_processors_that_it_was_given() {
        on_a_worker(|maker| {
            let now = sched_getaffinity(None).unwrap().count() as usize;
            assert_eq!(processors(now), maker.given.count() as usize);
            // Another number is not that of places: time is limited.
            assert_eq!(processors(now + 1), now + 1);
        });
    }

    #[test]
    fn a_choice_of_the_worker_itself_is_what_its_teams_get() {
        on_a_worker(|maker| {
            // The one that was taken away: never what it had.
            let one = only(maker.processor);
            sched_setaffinity(None, &one).unwrap();
            assert_eq!(given(), one);
        });
    }

    #[test]
    fn what_somebody_else_chose_is_kept() {
        let processors = allowed(&sched_getaffinity(None).unwrap());
        let (first, last) = (processors[0], processors[processors.len() - 1]);
        if first == last {
            crate::skipped::say("what_somebody_else_chose_is_kept", "one processor");
            return;
        }
        with_thread(&sched_getaffinity(None).unwrap(), first, |place| {
            sched_setaffinity(Some(place.thread), &only(first)).unwrap();
            place.away_from(last);
            assert_eq!(sched_getaffinity(Some(place.thread)).unwrap(), only(first));
        });
    }
}
