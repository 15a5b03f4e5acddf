//! Means and spreads of features.

/// Mean and scale of rows of bytes.
pub(super) fn moments_u8(
    values: &[u8],
    rows: &[u64],
    row_len: usize,
    groups: usize,
    count: f64,
) -> (Vec<f32>, Vec<f32>) {
    let mut sums = vec![0u64; groups];
    let mut squares = vec![0u64; groups];
    for &row in rows {
        let row = &values[row as usize * row_len..][..row_len];
        if groups == 1 {
            // Runs short enough for 32-bit sums, which vectorize: 255 * 255 * 65,536 < 2^32.
            for run in row.chunks(65_536) {
                sums[0] += u64::from(run.iter().map(|&value| u32::from(value)).sum::<u32>());
                squares[0] += u64::from(run.iter().map(|&value| u32::from(value) * u32::from(value)).sum::<u32>());
            }
        } else {
            for ((sum, square), &value) in sums.iter_mut().zip(&mut squares).zip(row) {
                *sum += u64::from(value);
                *square += u64::from(value) * u64::from(value);
            }
        }
    }
    sums.iter().zip(&squares).map(|(&sum, &square)| moments_of_sums(sum, square, count)).unzip()
}

/// Mean and scale of `count` bytes, of their sum and that of their squares.
pub(super) fn moments_of_sums(sum: u64, squares: u64, count: f64) -> (f32, f32) {
    // count² variance = count Σv² - (Σv)², exact in integers, so a constant feature gives exactly zero.
    let spread = count as u128 * u128::from(squares) - u128::from(sum) * u128::from(sum);
    ((sum as f64 / count) as f32, scale_of(spread as f64 / (count * count)))
}

/// Mean and scale of rows that `each` shows one after the other, twice.
pub(super) fn moments<E>(
    mut each: impl FnMut(&mut dyn FnMut(&[f32])) -> Result<(), E>,
    groups: usize,
    count: f64,
) -> Result<(Vec<f32>, Vec<f32>), E> {
    let group_of = |column: usize| if groups == 1 { 0 } else { column };
    let mut means = vec![0f64; groups];
    let mut lowest = vec![f32::INFINITY; groups];
    let mut highest = vec![f32::NEG_INFINITY; groups];
    each(&mut |row| {
        for (column, &value) in row.iter().enumerate() {
            let group = group_of(column);
            means[group] += f64::from(value);
            lowest[group] = lowest[group].min(value);
            highest[group] = highest[group].max(value);
        }
    })?;
    means.iter_mut().for_each(|mean| *mean /= count);
    let mut squares = vec![0f64; groups];
    each(&mut |row| {
        for (column, &value) in row.iter().enumerate() {
            let group = group_of(column);
            squares[group] += (f64::from(value) - means[group]).powi(2);
        }
    })?;
    let group = |group: usize| {
        // The rounded mean of equal values may differ from them in the last bit: constancy is asked of the values.
        let constant = lowest[group] == highest[group];
        (means[group] as f32, if constant { 1.0 } else { scale_of(squares[group] / count) })
    };
    Ok((0..groups).map(group).unzip())
}

/// One divided by the spread; 1 where there is none.
fn scale_of(variance: f64) -> f32 {
    let scale = (1.0 / variance.sqrt()) as f32;
    if scale.is_infinite() { 1.0 } else { scale }
}
