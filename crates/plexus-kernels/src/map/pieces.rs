//! Cutting slices into fixed pieces that threads work on: every family whose work is a row or an element uses it.
//!
//! The cut, and the order in which the results of pieces are combined, depend on the sizes alone, so the number of
//! threads never changes a bit. Nothing is allocated.

use crate::threads::{Pool, flush_denormals};
use std::sync::{Mutex, PoisonError};

/// Elements of one piece: 64 KiB of floats, which stay in the second level of cache with one or two operands.
pub(crate) const PIECE: usize = 16 * 1024;

/// Work of fewer elements stays on the calling thread: waking another one costs about as much as doing it.
pub(crate) const SMALL: usize = 32 * 1024;

/// Things that are cut at the same places.
pub(crate) trait Pieces: Send + Sized {
    /// How many items there are.
    fn len(&self) -> usize;
    /// The items before `at`, and the others.
    fn cut(self, at: usize) -> (Self, Self);
}

impl<T: Sync> Pieces for &[T] {
    fn len(&self) -> usize {
        (**self).len()
    }
    fn cut(self, at: usize) -> (Self, Self) {
        self.split_at(at)
    }
}

impl<T: Send> Pieces for &mut [T] {
    fn len(&self) -> usize {
        (**self).len()
    }
    fn cut(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }
}

/// A matrix cut between rows of the given number of columns, which is at least one; the last row may be shorter.
pub(crate) struct Rows<P>(pub P, pub usize);

impl<P: Pieces> Pieces for Rows<P> {
    fn len(&self) -> usize {
        self.0.len().div_ceil(self.1)
    }
    fn cut(self, at: usize) -> (Self, Self) {
        let at = (at * self.1).min(self.0.len());
        let (before, after) = self.0.cut(at);
        (Rows(before, self.1), Rows(after, self.1))
    }
}

impl<A: Pieces, B: Pieces> Pieces for (A, B) {
    fn len(&self) -> usize {
        debug_assert_eq!(self.0.len(), self.1.len());
        self.0.len()
    }
    fn cut(self, at: usize) -> (Self, Self) {
        let ((a, x), (b, y)) = (self.0.cut(at), self.1.cut(at));
        ((a, b), (x, y))
    }
}

impl<A: Pieces, B: Pieces, C: Pieces> Pieces for (A, B, C) {
    fn len(&self) -> usize {
        debug_assert_eq!(self.1.len(), self.2.len());
        self.0.len()
    }
    fn cut(self, at: usize) -> (Self, Self) {
        let ((a, x), (b, y), (c, z)) = (self.0.cut(at), self.1.cut(at), self.2.cut(at));
        ((a, b, c), (x, y, z))
    }
}

impl<A: Pieces, B: Pieces, C: Pieces, D: Pieces> Pieces for (A, B, C, D) {
    fn len(&self) -> usize {
        debug_assert_eq!(self.2.len(), self.3.len());
        self.0.len()
    }
    fn cut(self, at: usize) -> (Self, Self) {
        let ((a, x), (b, y)) = ((self.0, self.1).cut(at), (self.2, self.3).cut(at));
        ((a.0, a.1, b.0, b.1), (x.0, x.1, y.0, y.1))
    }
}

impl<P: Pieces, const N: usize> Pieces for [P; N] {
    fn len(&self) -> usize {
        self[0].len()
    }
    fn cut(self, at: usize) -> (Self, Self) {
        let mut parts = self.map(|piece| {
            let (before, after) = piece.cut(at);
            (Some(before), Some(after))
        });
        let before = std::array::from_fn(|i| parts[i].0.take().expect("each part is taken once"));
        let after = std::array::from_fn(|i| parts[i].1.take().expect("each part is taken once"));
        (before, after)
    }
}

/// A slice that some calls have and others do not, and the number of items that it has or would have.
pub(crate) struct Maybe<P>(pub Option<P>, pub usize);

impl<P: Pieces> Pieces for Maybe<P> {
    fn len(&self) -> usize {
        self.1
    }
    fn cut(self, at: usize) -> (Self, Self) {
        let (before, after) = self.0.map(|piece| piece.cut(at)).unzip();
        (Maybe(before, at), Maybe(after, self.1 - at))
    }
}

impl Pieces for std::ops::Range<usize> {
    fn len(&self) -> usize {
        self.end - self.start
    }
    fn cut(self, at: usize) -> (Self, Self) {
        (self.start..self.start + at, self.start + at..self.end)
    }
}

/// Calls `work(index of the first item, piece)` for every piece, in any order.
///
/// `width` is the number of elements of one item; it decides how many items a piece has.
pub(crate) fn for_each<P: Pieces>(pool: &Pool, width: usize, pieces: P, work: impl Fn(usize, P) + Sync) {
    reduce(pool, width, pieces, work, |(), ()| ());
}

/// Calls `work(index of the first item, piece)` for every piece of at most `piece` items, in any order, on all threads.
///
/// For work that is not measured in elements: the caller decides what is large enough for several threads.
pub(crate) fn for_each_of<P: Pieces>(pool: &Pool, piece: usize, pieces: P, work: impl Fn(usize, P) + Sync) {
    reduce_of(pool, piece, pieces, work, |(), ()| ());
}

/// Calls `work` for every piece, and combines the results as a tree whose form depends on the sizes alone.
pub(crate) fn reduce<P: Pieces, R: Send>(
    pool: &Pool,
    width: usize,
    pieces: P,
    work: impl Fn(usize, P) -> R + Sync,
    combine: impl Fn(R, R) -> R + Sync,
) -> R {
    let width = width.max(1);
    let piece = (PIECE / width).max(1);
    if pieces.len().saturating_mul(width) >= SMALL {
        reduce_of(pool, piece, pieces, work, combine)
    } else {
        flush_denormals(|| tree(piece, 0, pieces, &work, &combine))
    }
}

/// [`reduce`] with pieces of at most `piece` items.
fn reduce_of<P: Pieces, R: Send>(
    pool: &Pool,
    piece: usize,
    pieces: P,
    work: impl Fn(usize, P) -> R + Sync,
    combine: impl Fn(R, R) -> R + Sync,
) -> R {
    let len = pieces.len();
    if pool.threads() > 1 && len > piece {
        // The upper part of the tree is cut here, the lower parts are tasks: the form of the whole is the same.
        let slots = [const { Mutex::new(Slot::Empty) }; 1 << LEVELS];
        let mut parts = Parts { slots: &slots, len: 0 };
        parts.cut(LEVELS, piece, 0, pieces);
        pool.for_each(parts.len, |task| {
            let Slot::Piece(start, part) = parts.swap(task, Slot::Empty) else { return };
            let result = tree(piece, start, part, &work, &combine);
            parts.swap(task, Slot::Result(result));
        });
        parts.combine(LEVELS, piece, len, &mut 0, &combine)
    } else {
        flush_denormals(|| tree(piece, 0, pieces, &work, &combine))
    }
}

/// Levels of the tree that are cut into tasks: up to sixteen of them.
const LEVELS: u32 = 4;

/// A task before and after it is done.
enum Slot<P, R> {
    Empty,
    /// The index of its first item, and the items.
    Piece(usize, P),
    Result(R),
}

/// The tasks of one call, in order.
struct Parts<'a, P, R> {
    slots: &'a [Mutex<Slot<P, R>>; 1 << LEVELS],
    len: usize,
}

impl<P: Pieces, R> Parts<'_, P, R> {
    fn swap(&self, at: usize, slot: Slot<P, R>) -> Slot<P, R> {
        std::mem::replace(&mut self.slots[at].lock().unwrap_or_else(PoisonError::into_inner), slot)
    }

    fn cut(&mut self, levels: u32, piece: usize, start: usize, pieces: P) {
        if levels == 0 || pieces.len() <= piece {
            self.swap(self.len, Slot::Piece(start, pieces));
            self.len += 1;
            return;
        }
        let middle = middle(pieces.len(), piece);
        let (before, after) = pieces.cut(middle);
        self.cut(levels - 1, piece, start, before);
        self.cut(levels - 1, piece, start + middle, after);
    }

    fn combine(&self, levels: u32, piece: usize, len: usize, next: &mut usize, combine: &impl Fn(R, R) -> R) -> R {
        if levels == 0 || len <= piece {
            *next += 1;
            return match self.swap(*next - 1, Slot::Empty) {
                Slot::Result(result) => result,
                _ => unreachable!("every task ran"),
            };
        }
        let middle = middle(len, piece);
        let before = self.combine(levels - 1, piece, middle, next, combine);
        combine(before, self.combine(levels - 1, piece, len - middle, next, combine))
    }
}

/// Where a stretch of more than one piece is halved: a whole number of pieces.
fn middle(len: usize, piece: usize) -> usize {
    len.div_ceil(piece) / 2 * piece
}

/// Halves the pieces until one is left.
fn tree<P: Pieces, R>(
    piece: usize,
    start: usize,
    pieces: P,
    work: &impl Fn(usize, P) -> R,
    combine: &impl Fn(R, R) -> R,
) -> R {
    let len = pieces.len();
    if len <= piece {
        return work(start, pieces);
    }
    let middle = middle(len, piece);
    let (before, after) = pieces.cut(middle);
    let before = tree(piece, start, before, work, combine);
    combine(before, tree(piece, start + middle, after, work, combine))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_results_combine_in_order() {
        for threads in [1, 2, 7] {
            for rows in [0, 1, 2, 100, 40_000] {
                for cols in [1, 3, 70_000 / (rows + 1) + 1] {
                    let mut values = vec![0.0f32; rows * cols];
                    let order = reduce(
                        &Pool::new(threads),
                        cols,
                        (Rows(&mut values[..], cols), Rows(&vec![1.0; rows * cols][..], cols)),
                        |start, (Rows(values, _), Rows(ones, _))| {
                            values.iter_mut().zip(ones).for_each(|(value, one)| *value += one);
                            (start, start + values.len() / cols)
                        },
                        |(first, middle), (also, last)| {
                            assert_eq!(middle, also);
                            (first, last)
                        },
                    );
                    assert_eq!(order, (0, rows));
                    assert!(values.iter().all(|&value| value == 1.0));
                }
            }
        }
    }
}
