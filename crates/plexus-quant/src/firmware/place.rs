//! Where the values of a program lie while it runs.

use plexus_nn::DType;

/// Some numbers in the memory of a program, which has a part for each type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// [`DType::I8`] or [`DType::I16`].
    pub dtype: DType,
    /// The first, in its part.
    pub at: usize,
    /// How many.
    pub len: usize,
}

impl Place {
    /// The numbers that it covers.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.at..self.at + self.len
    }
}

/// A value: its type and size, and the first and the last step that need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub dtype: DType,
    pub len: usize,
    pub first: usize,
    pub last: usize,
}

/// Gives each value a place: the largest first, each at the lowest place where nothing lies that is needed at the same time. Returns the
/// places and the numbers of each part, of 8 bits and of 16.
pub(super) fn place(lives: &[Life]) -> (Vec<Place>, [usize; 2]) {
    let mut order: Vec<usize> = (0..lives.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(lives[index].len));
    let mut places = vec![Place { dtype: DType::I8, at: 0, len: 0 }; lives.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut sizes = [0; 2];
    for index in order {
        let life = lives[index];
        let meets = |other: &&usize| {
            let other = lives[**other];
            other.dtype == life.dtype && other.first <= life.last && life.first <= other.last
        };
        let mut taken: Vec<Place> = placed.iter().filter(meets).map(|&other| places[other]).collect();
        taken.sort_by_key(|place| place.at);
        let mut at = 0;
        for other in taken {
            if other.at >= at + life.len {
                break;
            }
            at = at.max(other.at + other.len);
        }
        places[index] = Place { dtype: life.dtype, at, len: life.len };
        placed.push(index);
        let size = &mut sizes[usize::from(life.dtype == DType::I16)];
        *size = (*size).max(at + life.len);
    }
    (places, sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_needed_at_the_same_time_do_not_overlap_and_others_share() {
        let mut state = 1u64;
        let mut dice = |most: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as usize % most
        };
        for _ in 0..200 {
            let lives: Vec<Life> = (0..1 + dice(12))
                .map(|_| {
                    let first = dice(8);
                    let dtype = if dice(4) == 0 { DType::I16 } else { DType::I8 };
                    Life { dtype, len: dice(50), first, last: first + dice(4) }
                })
                .collect();
            let (places, sizes) = place(&lives);
            for (a, one) in lives.iter().enumerate() {
                let end = sizes[usize::from(one.dtype == DType::I16)];
                assert!(places[a].range().end <= end && places[a].len == one.len);
                for (b, other) in lives.iter().enumerate().skip(a + 1) {
                    let together = one.dtype == other.dtype && one.first <= other.last && other.first <= one.last;
                    let (x, y) = (places[a].range(), places[b].range());
                    assert!(!together || x.end <= y.start || y.end <= x.start, "{x:?} {y:?}");
                }
            }
        }
        // A chain takes what two neighbors take.
        let chain = |index: usize, len| Life { dtype: DType::I8, len, first: index, last: index + 1 };
        let lives: Vec<Life> =
            [784, 4704, 1176, 1600, 400].into_iter().enumerate().map(|(i, len)| chain(i, len)).collect();
        assert_eq!(place(&lives).1, [4704 + 1176, 0]);
    }
}
