//! Convolutions whose maps see some channels only: their weights as those of a full convolution, and back.

/// Which channels each map of a convolution sees.
///
/// The weight of such a convolution is `[connections, kernel height, kernel width]`: one plane for each channel that a map
/// sees, map by map, in the order of the lists. A [`conv`](super::conv()) reads a full weight `[maps, channels, kernel
/// height, kernel width]`, with zeros where a map sees nothing.
///
/// # Examples
/// ```
/// use plexus_kernels::conv::Table;
/// let connections = [vec![0], vec![2, 0]];
/// let table = Table { connections: &connections, channels: 3, window: 1 };
/// let (mut full, mut own) = ([9.0; 6], [0.0; 3]);
/// table.expand(&[1.0, 2.0, 3.0], &mut full);
/// assert_eq!(full, [1.0, 0.0, 0.0, 3.0, 0.0, 2.0]);
/// table.collect(&full, &mut own);
/// assert_eq!(own, [1.0, 2.0, 3.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// For each map the channels that it sees: each below `channels`, none twice.
    pub connections: &'a [Vec<usize>],
    /// Channels of the input.
    pub channels: usize,
    /// Numbers of one plane: kernel height · kernel width.
    pub window: usize,
}

impl Table<'_> {
    /// Planes of the weight.
    pub fn connections(&self) -> usize {
        self.connections.iter().map(Vec::len).sum()
    }

    /// Numbers of the weight.
    pub fn len(&self) -> usize {
        self.connections() * self.window
    }

    /// Whether the weight has no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Numbers of the full weight.
    pub fn full_len(&self) -> usize {
        self.connections.len() * self.channels * self.window
    }

    /// Writes the full weight, zeros included.
    ///
    /// # Panics
    /// Where the lengths disagree, or a channel is not below `channels`.
    pub fn expand(&self, weight: &[f32], full: &mut [f32]) {
        self.check(weight.len(), full.len());
        full.fill(0.0);
        for (plane, at) in self.places().enumerate() {
            full[at..at + self.window].copy_from_slice(&weight[plane * self.window..][..self.window]);
        }
    }

    /// Takes the planes of the connections out of a full weight, or out of its gradient; the rest is not read.
    ///
    /// # Panics
    /// Where the lengths disagree, or a channel is not below `channels`.
    pub fn collect(&self, full: &[f32], weight: &mut [f32]) {
        self.check(weight.len(), full.len());
        for (plane, at) in self.places().enumerate() {
            weight[plane * self.window..][..self.window].copy_from_slice(&full[at..at + self.window]);
        }
    }

    /// Where each plane starts in the full weight.
    fn places(&self) -> impl Iterator<Item = usize> {
        self.connections.iter().enumerate().flat_map(move |(map, channels)| {
            channels.iter().map(move |&channel| {
                assert!(channel < self.channels, "a map sees channels that there are");
                (map * self.channels + channel) * self.window
            })
        })
    }

    fn check(&self, weight: usize, full: usize) {
        assert_eq!(weight, self.len(), "the weight has connections · kernel numbers");
        assert_eq!(full, self.full_len(), "the full weight has maps · channels · kernel numbers");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_go_where_their_channel_is_and_come_back() {
        let connections = [vec![1, 2], vec![0, 1, 2, 3], vec![3, 0]];
        for window in [1, 2, 25] {
            let table = Table { connections: &connections, channels: 4, window };
            assert_eq!((table.connections(), table.len(), table.full_len()), (8, 8 * window, 12 * window));
            let weight: Vec<f32> = (0..table.len()).map(|at| at as f32 + 1.0).collect();
            let mut full = vec![-1.0; table.full_len()];
            table.expand(&weight, &mut full);
            let mut plane = 0;
            for (map, channels) in connections.iter().enumerate() {
                for channel in 0..4 {
                    let got = &full[(map * 4 + channel) * window..][..window];
                    let place = channels.iter().position(|&seen| seen == channel);
                    let want = place.map_or(vec![0.0; window], |at| weight[(plane + at) * window..][..window].to_vec());
                    assert_eq!(got, want, "map {map}, channel {channel}");
                }
                plane += channels.len();
            }
            full.iter_mut().filter(|value| **value == 0.0).for_each(|value| *value = f32::NAN);
            let mut back = vec![0.0; table.len()];
            table.collect(&full, &mut back);
            assert_eq!(back, weight);
        }
    }

    #[test]
    #[should_panic(expected = "a map sees channels that there are")]
    fn a_channel_that_is_not_there_is_a_bug() {
        Table { connections: &[vec![2]], channels: 2, window: 1 }.expand(&[1.0], &mut [0.0; 2]);
    }
}
