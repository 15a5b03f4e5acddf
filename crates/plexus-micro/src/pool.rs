//! Poolings of whole numbers over maps `[height, width, channels]`.

use crate::window::Window;

/// Goes through all windows and channels: the place of the output, and the numbers of the window that are inside of the map.
fn for_each<T: Copy>(
    input: &[T],
    window: &Window,
    outputs: usize,
    mut take: impl FnMut(usize, &mut dyn Iterator<Item = T>),
) {
    let ([_, width, channels], [rows, cols]) = (window.input, window.output());
    assert!(input.len() == window.input_len(), "the input is not of height x width x channels");
    assert!(outputs == rows * cols * channels, "the output is not of rows x columns x channels");
    for y in 0..rows {
        for x in 0..cols {
            for channel in 0..channels {
                let taps = window.inside(0, y).flat_map(|row| window.inside(1, x).map(move |col| (row, col)));
                let mut values = taps.map(|(row, col)| {
                    input[(window.place(0, y, row) * width + window.place(1, x, col)) * channels + channel]
                });
                take((y * cols + x) * channels + channel, &mut values);
            }
        }
    }
}

/// The largest number of each window, limited to a range. Padding is never chosen; of a window on padding alone the output is the low
/// end of the range.
///
/// # Shapes
/// `input`: `[height, width, channels]`, `output`: `[rows, columns, channels]`
///
/// # Panics
/// Where the lengths do not belong together.
pub fn max_pool<T: Copy + Ord>(input: &[T], window: &Window, [low, high]: [T; 2], output: &mut [T]) {
    for_each(input, window, output.len(), |at, values| output[at] = values.fold(low, T::max).min(high));
}

/// Of the numbers of a window, of which there has to be one.
fn sum_and_count<T: Into<i64>>(values: &mut dyn Iterator<Item = T>) -> (i64, i64) {
    let (sum, count) = values.fold((0, 0), |(sum, count), value| (sum + value.into(), count + 1));
    assert!(count > 0, "a window is on padding alone");
    (sum, count)
}

macro_rules! averages {
    ($($name:ident: $t:ty;)*) => { $(
        #[doc = concat!("The mean of each window of `", stringify!($t), "`, rounded, halves away from zero, limited to a range.")]
        ///
        /// ```text
        /// output = clamp((sum > 0 ? sum + count / 2 : sum − count / 2) / count, low, high)        divisions towards zero
        /// ```
        ///
        /// Padding does not count.
        ///
        /// # Shapes
        /// As [`max_pool`].
        ///
        /// # Panics
        /// Where the lengths do not belong together, or a window is on padding alone.
        ///
        /// # Source
        /// CMSIS-NN's `arm_avgpool_s8` and `arm_avgpool_s16`, their formula.
        pub fn $name(input: &[$t], window: &Window, [low, high]: [$t; 2], output: &mut [$t]) {
            for_each(input, window, output.len(), |at, values| {
                let (sum, count) = sum_and_count(values);
                let half = if sum > 0 { count / 2 } else { -(count / 2) };
                let mean = (sum + half) / count;
                output[at] = mean.clamp(i64::from(low), i64::from(high)) as $t;
            });
        }
    )* };
}

averages! {
    avg_pool_s8: i8;
    avg_pool_s16: i16;
}

macro_rules! truncated_averages {
    ($($name:ident: $t:ty, $source:literal;)*) => { $(
        #[doc = concat!("The mean of each window of `", stringify!($t), "`, power of two: `sum / count` towards zero; padding does not count.")]
        ///
        /// # Shapes
        /// As [`max_pool`].
        ///
        /// # Panics
        /// Where the lengths do not belong together, or a window is on padding alone.
        ///
        /// # Source
        #[doc = $source]
        pub fn $name(input: &[$t], window: &Window, output: &mut [$t]) {
            for_each(input, window, output.len(), |at, values| {
                let (sum, count) = sum_and_count(values);
                output[at] = (sum / count) as $t;
            });
        }
    )* };
}

truncated_averages! {
    avg_pool_q7: i8, "CMSIS 5.9.0, `arm_avepool_q7_HWC` as it is without DSP instructions; with them it rounds twice, which differs.";
    avg_pool_q15: i16, "No other library has it; the formula is that of 8 bits.";
}
