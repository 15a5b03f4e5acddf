//! Memory that kernels work in.

use crate::buffer::Buffer;
use std::sync::{Mutex, MutexGuard, TryLockError};

/// Memory that kernels work in; it grows to the largest call and is then reused. A clone is empty.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The weight, packed for one call.
    pub(super) weight: Buffer,
    /// One for each thread: what a task copies its input into.
    pub(super) slots: Slots,
    /// For Winograd's form.
    pub(super) winograd: super::winograd::Scratch,
    /// The sums of parts of a batch.
    pub(super) partial: Buffer,
}

impl Clone for Scratch {
    fn clone(&self) -> Self {
        Scratch::default()
    }
}

/// Buffers that tasks borrow: as many as there are threads, so a task always finds one.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<Mutex<Buffer>>);

impl Slots {
    /// Makes at least `threads` buffers of at least `len` numbers.
    pub(super) fn grow(&mut self, threads: usize, len: usize) -> &Self {
        if self.0.len() < threads {
            self.0.resize_with(threads, Mutex::default);
        }
        for slot in &mut self.0 {
            // What a task that panicked left behind is no worse than what any task leaves.
            slot.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner()).grow(len);
        }
        self
    }

    /// A buffer that nobody uses.
    pub(super) fn take(&self) -> MutexGuard<'_, Buffer> {
        loop {
            for slot in &self.0 {
                match slot.try_lock() {
                    Ok(buffer) => return buffer,
                    Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                    Err(TryLockError::WouldBlock) => {}
                }
            }
            std::hint::spin_loop();
        }
    }
}
