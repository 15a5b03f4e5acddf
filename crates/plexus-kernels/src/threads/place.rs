//! Where workers run: not on the processor of their caller.
//!
//! Linux likes to run a woken thread where it was woken. On a virtual machine this was measured even beside an idle
//! processor (presumably a halted virtual processor passes for one that its host has stopped). The caller computes
//! without a pause, so the worker gets its turn only when the job is done, or when the next balancing moves it,
//! milliseconds later. Workers therefore may run on every processor that the program may use, but that of the thread
//! that wakes them.

use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};
use std::sync::{Mutex, PoisonError};

/// The processors of one worker.
#[derive(Debug)]
pub(super) struct Place {
    thread: Pid,
    processors: Mutex<Processors>,
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

/// The processor of the calling thread.
pub(super) fn processor() -> usize {
    sched_getcpu()
}

impl Place {
    /// The calling thread's, which leaves the processor of its `caller`.
    pub(super) fn of_this_thread(caller: usize) -> Self {
        let given = sched_getaffinity(None).unwrap_or_default();
        let place = Place { thread: gettid(), processors: Mutex::new(Processors { given, set: given, avoided: None }) };
        place.away_from(caller);
        place
    }

    /// Called before the worker is woken: it will run elsewhere than the calling thread.
    pub(super) fn away_from_caller(&self) {
        self.away_from(processor());
    }

    /// Where the system refuses, everything stays as it is.
    fn away_from(&self, processor: usize) {
        let mut processors = self.processors.lock().unwrap_or_else(PoisonError::into_inner);
        if processors.avoided == Some(processor) {
            return;
        }
        let Ok(now) = sched_getaffinity(Some(self.thread)) else { return };
        if now != processors.set {
            // Somebody else has chosen since.
            processors.given = now;
        }
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
    fn with_thread(given: &CpuSet, caller: usize, check: impl FnOnce(&Place)) {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                sched_setaffinity(None, given).unwrap();
                tell.send(Place::of_this_thread(caller)).unwrap();
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

    #[test]
    fn what_somebody_else_chose_is_kept() {
        let processors = allowed(&sched_getaffinity(None).unwrap());
        let (first, last) = (processors[0], processors[processors.len() - 1]);
        if first == last {
            eprintln!("skipped: one processor");
            return;
        }
        with_thread(&sched_getaffinity(None).unwrap(), first, |place| {
            sched_setaffinity(Some(place.thread), &only(first)).unwrap();
            place.away_from(last);
            assert_eq!(sched_getaffinity(Some(place.thread)).unwrap(), only(first));
        });
    }
}
