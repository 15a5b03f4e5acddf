//! Systems on which the project leaves the placing of threads to the scheduler.

/// Where a worker may run: anywhere.
#[derive(Debug)]
pub(super) struct Place;

/// A processor; nobody asks which.
#[derive(Clone, Copy, Debug)]
pub(super) struct Processor;

/// The processor of the calling thread.
pub(super) fn processor() -> Processor {
    Processor
}

impl Place {
    /// The calling thread's.
    pub(super) fn of_this_thread(_: Processor) -> Self {
        Place
    }

    /// Does nothing.
    pub(super) fn away_from_caller(&self) {}
}
