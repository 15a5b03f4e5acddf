//! Systems on which the project leaves the placing of threads to the scheduler.

/// Where a worker may run: anywhere.
#[derive(Debug)]
pub(super) struct Place;

/// Where a thread makes a team; nobody asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maker;

impl Maker {
    /// The calling thread.
    pub(super) fn this_thread() -> Self {
        Maker
    }
}

/// How many processors the calling thread may use: as many as were `seen`.
pub(super) fn processors(seen: usize) -> usize {
    seen
}

impl Place {
    /// The calling thread's.
    pub(super) fn of_this_thread(_: Maker) -> Self {
        Place
    }

    /// Does nothing.
    pub(super) fn away_from_caller(&self) {}
}
