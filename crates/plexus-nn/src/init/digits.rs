//! The ten digits as bitmaps: what the last layer of LeNet-5 compares with.

/// Rows of a bitmap.
const ROWS: usize = 12;

/// Columns of a bitmap.
const COLS: usize = 7;

/// The shape of the tensor that holds them, each digit row by row.
pub(super) const SHAPE: [usize; 2] = [10, ROWS * COLS];

/// Four digits beside each other, then four, then two, with a blank and a line between them; `#` is black.
const PICTURES: [[&str; ROWS]; 3] = [
    [
        "  ###   |   ##   |  ####  |  ####  ",
        " #   #  |  ###   | #    # | #    # ",
        " #   #  | # ##   | #    # |      # ",
        "#     # |   ##   |      # |      # ",
        "#     # |   ##   |      # |     #  ",
        "#     # |   ##   |     #  |   ##   ",
        "#     # |   ##   |    #   |     #  ",
        "#     # |   ##   |   #    |      # ",
        "#     # |   ##   |  #     |      # ",
        " #   #  |   ##   | #      |      # ",
        " #   #  |   ##   | #      | #    # ",
        "  ###   | ###### | ###### |  ####  ",
    ],
    [
        "     #  | ###### |   ###  |####### ",
        "    ##  | #      |  #     |#     # ",
        "    ##  | #      | #      |      # ",
        "   # #  | #      | #      |     #  ",
        "   # #  | # ##   |#       |     #  ",
        "  #  #  | ##  #  |# ###   |    #   ",
        " #   #  |      # |##   #  |    #   ",
        " ###### |      # |#     # |   #    ",
        "     #  |      # |#     # |   #    ",
        "     #  | #    # |#     # |  #     ",
        "     #  | #   #  | #   #  |  #     ",
        "     #  |  ###   |  ###   |  #     ",
    ],
    [
        "  ###   |  ###   |        |        ",
        " #   #  | #   #  |        |        ",
        "#     # |#     # |        |        ",
        "#     # |#     # |        |        ",
        " #   #  |#     # |        |        ",
        "  ###   | #   ## |        |        ",
        " #   #  |  ### # |        |        ",
        "#     # |      # |        |        ",
        "#     # |     #  |        |        ",
        "#     # |     #  |        |        ",
        " #   #  |    #   |        |        ",
        "  ###   | ###    |        |        ",
    ],
];

/// Writes the digits 0 to 9: 1 where black, −1 where white.
pub(super) fn fill(values: &mut [f32]) {
    for (digit, bitmap) in values.chunks_exact_mut(ROWS * COLS).enumerate() {
        let picture = &PICTURES[digit / 4];
        for (line, row) in picture.iter().zip(bitmap.chunks_exact_mut(COLS)) {
            let pixels = &line.as_bytes()[digit % 4 * (COLS + 2)..];
            row.iter_mut().zip(pixels).for_each(|(value, pixel)| *value = if *pixel == b'#' { 1.0 } else { -1.0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_twelve_rows_of_seven_columns_and_differ() {
        assert!(PICTURES.iter().flatten().all(|line| line.len() == 4 * (COLS + 2) - 1));
        let mut values = [0.0; 840];
        fill(&mut values);
        let digits: Vec<&[f32]> = values.chunks(84).collect();
        for (a, digit) in digits.iter().enumerate() {
            assert!(digit.iter().all(|value| value.abs() == 1.0));
            let black = digit.iter().filter(|value| **value > 0.0).count();
            assert!((14..=35).contains(&black), "{a}: {black} black pixels");
            for (b, other) in digits.iter().enumerate().filter(|(b, _)| *b != a) {
                let apart = digit.iter().zip(*other).filter(|(x, y)| x != y).count();
                assert!(apart >= 5, "{a} and {b}: {apart} pixels");
            }
        }
        // The hole of the zero, and the foot of the one.
        assert_eq!((digits[0][5 * 7 + 3], digits[1][11 * 7 + 3]), (-1.0, 1.0));
    }
}
