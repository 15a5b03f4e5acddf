//! The axis along which a layer works row by row: the last one, or the channels of maps.

use crate::layer::{Maps, Mismatch};
use crate::shape::Shape;
use crate::view::View;

/// Checks that an axis can be a row: numbers of it lie side by side.
///
/// # Errors
/// [`Mismatch`] for a shape without axes, and for axes between the first and the last.
pub(super) fn row_axis(axis: Option<usize>, input: &Shape) -> Result<Shape, Mismatch> {
    let axes = input.axes().len();
    if axes == 0 {
        return Err(Mismatch::new("the input", "at least one axis", "a single number", "Reshape it to [1]."));
    }
    match axis {
        None => Ok(input.clone()),
        // What lies channels last has its channels side by side.
        Some(0) if axes == 3 || axes == 1 => Ok(input.clone()),
        Some(axis) if axis == axes - 1 && axes < 3 => Ok(input.clone()),
        Some(axis) => Err(Mismatch::new(
            "axis",
            format!("0 for maps [channels, height, width], or none for the last axis of {}", input.describe()),
            format!("axis = {axis}"),
            "Axes are counted from 0, without the batch.",
        )),
    }
}

/// How maps have to lie for it.
pub(super) fn maps_of(axis: Option<usize>) -> Maps {
    if axis == Some(0) { Maps::Last } else { Maps::First }
}

/// Numbers of a row.
pub(super) fn cols_of(axis: Option<usize>, shape: &Shape) -> usize {
    let axes = shape.axes();
    match axis {
        Some(axis) => axes.get(axis).copied().unwrap_or(0),
        None => axes.last().copied().unwrap_or(0),
    }
}

/// Rows and columns of samples whose rows are along that axis.
pub(super) fn rows_of(axis: Option<usize>, view: View<'_>) -> (usize, usize) {
    let cols = cols_of(axis, view.shape);
    (view.f32().len().checked_div(cols).unwrap_or(0), cols)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_along_the_last_axis_or_the_channels_of_maps() {
        let fits = |axis: Option<usize>, axes: &[usize]| row_axis(axis, &Shape::new(axes)).is_ok();
        assert!(fits(None, &[3]) && fits(None, &[3, 2]) && fits(None, &[3, 2, 2]));
        assert!(fits(Some(0), &[3]) && fits(Some(1), &[3, 2]) && fits(Some(0), &[3, 2, 2]));
        assert!(
            !fits(None, &[]) && !fits(Some(0), &[3, 2]) && !fits(Some(1), &[3, 2, 2]) && !fits(Some(usize::MAX), &[3])
        );
    }
}
