use super::*;
use crate::isa::Isa;
use crate::threads::Pool;

fn wave(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i as f32 * 0.731).sin() * 3.0 + 0.1).collect()
}

/// Compares sums of columns, which `add` adds to what is there, with the reference.
fn check_column_sums(add: &impl Fn(usize, usize, &[f32], &mut [f32])) -> Result<(), String> {
    for rows in [0, 1, 3, 4, 5, 63, 64, 65, 200] {
        for cols in [0, 1, 7, 8, 9, 15, 16, 17, 255, 256, 257, 515] {
            let padded = wave(rows * cols + 3);
            let matrix = &padded[3..];
            let mut sums = vec![2.0; cols + 2];
            sums[cols..].fill(-77.0);
            add(rows, cols, matrix, &mut sums[..cols]);
            for (j, want) in reference::column_sums(rows, cols, matrix).into_iter().enumerate() {
                let got = f64::from(sums[j]) - 2.0;
                // Written so that a NaN is refused.
                let close = (got - want).abs() < 1e-5 * (rows as f64 + 1.0);
                if !close {
                    return Err(format!("{rows}x{cols} {j}: {got} {want}"));
                }
            }
            assert_eq!(sums[cols..], [-77.0, -77.0]);
        }
    }
    Ok(())
}

#[test]
fn column_sums_are_added_for_every_size() {
    for isa in Isa::available() {
        let add = |rows, cols, matrix: &[f32], sums: &mut [f32]| {
            add_column_sums(rows, cols, matrix, sums, &Context::new(isa, Pool::single()));
        };
        check_column_sums(&add).unwrap_or_else(|refusal| panic!("{isa:?} {refusal}"));
    }
}

#[test]
fn wrong_column_sums_are_refused() {
    let right = |rows, cols, matrix: &[f32], sums: &mut [f32]| {
        add_column_sums(rows, cols, matrix, sums, &Context::single());
    };
    type Fault<'a> = (&'a str, &'a dyn Fn(usize, usize, &[f32], &mut [f32]));
    let faults: [Fault<'_>; 4] = [
        ("columns beyond the last whole vector left out", &|rows, cols, matrix, sums| {
            let (whole, kept) = (cols - cols % 8, sums.to_vec());
            right(rows, cols, matrix, sums);
            sums[whole..].copy_from_slice(&kept[whole..]);
        }),
        ("overwritten instead of added", &|rows, cols, matrix, sums| {
            sums.fill(0.0);
            right(rows, cols, matrix, sums);
        }),
        ("the last row left out", &|rows, cols, matrix, sums| {
            let rows = rows.saturating_sub(1);
            right(rows, cols, &matrix[..rows * cols], sums);
        }),
        ("rows summed instead of columns", &|rows, _, matrix, sums| {
            let parts = matrix.chunks(rows.max(1));
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part.iter().sum::<f32>());
        }),
    ];
    for (fault, add) in faults {
        let add = |rows, cols, matrix: &[f32], sums: &mut [f32]| add(rows, cols, matrix, sums);
        assert!(check_column_sums(&add).is_err(), "{fault}: not refused");
    }
}

#[test]
fn long_columns_keep_their_precision() {
    let (rows, cols) = (100_000, 3);
    let matrix = vec![0.1f32; rows * cols];
    let mut sums = [0.0; 3];
    add_column_sums(rows, cols, &matrix, &mut sums, &Context::single());
    let want = f64::from(0.1f32) * rows as f64;
    assert!(sums.iter().all(|&sum| (f64::from(sum) / want - 1.0).abs() < 2e-6), "{sums:?} {want}");
}

#[test]
fn sums_are_exact_to_64_bits_and_equal_on_every_instruction_set() {
    for len in [0, 1, 15, 16, 17, 1000, 100_001] {
        let values = &wave(len + 1)[1..];
        let bits = |isa: Isa| {
            let context = Context::new(isa, Pool::single());
            [sum_f64(values, &context), sum_of_squares_f64(values, &context)].map(f64::to_bits)
        };
        let [sum, squares] = bits(Isa::Portable).map(f64::from_bits);
        assert!((sum - reference::sum(values)).abs() < 1e-9);
        let want = reference::sum_of_squares(values);
        assert!((squares - want).abs() <= 1e-13 * want);
        assert!(Isa::available().all(|isa| bits(isa) == bits(Isa::Portable)));
    }
}

#[test]
fn results_are_the_same_for_any_thread_count() {
    for (rows, cols) in [(5000, 17), (33, 4099), (70, 300)] {
        let values = wave(rows * cols);
        let run = |threads| {
            let context = Context::detect(Pool::new(threads));
            let mut sums = vec![0.0; cols];
            add_column_sums(rows, cols, &values, &mut sums, &context);
            let mut scaled = values.clone();
            scale_in_place(&mut scaled, 1.7, &context);
            add_assign(&mut scaled, &values, &context);
            let bits: Vec<u32> = sums.iter().chain(&scaled).map(|x| x.to_bits()).collect();
            (bits, sum_f64(&values, &context).to_bits(), sum_of_squares_f64(&values, &context).to_bits())
        };
        assert!(run(1) == run(2) && run(1) == run(7));
    }
}

#[test]
fn scaling_and_adding_are_the_plain_loops() {
    for isa in Isa::available() {
        for len in [0, 1, 7, 8, 9, 16, 17, 100] {
            let values = wave(len + 2);
            let mut got = values.clone();
            scale_in_place(&mut got[1..len + 1], -0.5, &Context::new(isa, Pool::single()));
            add_assign(&mut got[1..len + 1], &values[1..len + 1], &Context::new(isa, Pool::single()));
            assert_eq!((got[0], got[len + 1]), (values[0], values[len + 1]));
            assert!((1..len + 1).all(|i| got[i] == values[i] * -0.5 + values[i]));
            let mut product = vec![-77.0; len + 2];
            multiply(&values[1..len + 1], &values[2..], &mut product[1..len + 1], &Context::new(isa, Pool::single()));
            assert_eq!((product[0], product[len + 1]), (-77.0, -77.0));
            assert!((1..len + 1).all(|i| product[i] == values[i] * values[i + 1]));
            let mut into = values[1..len + 1].to_vec();
            multiply_assign(&mut into, &values[2..], &Context::new(isa, Pool::single()));
            assert_eq!(into, product[1..len + 1]);
        }
    }
}

#[test]
fn the_first_number_that_is_not_finite_is_found() {
    for isa in Isa::available() {
        for len in [1, 31, 32, 33, 100, 40_000] {
            let mut values = wave(len);
            values[0] = f32::MAX;
            values[len / 2] = -f32::MAX;
            let context = Context::new(isa, Pool::new(2));
            assert!(first_not_finite(&values, &context).is_none() && all_finite(&values, &context));
            for at in [0, len / 3, len - 1] {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    let mut values = values.clone();
                    values[at] = bad;
                    values[len - 1] = bad;
                    assert_eq!(first_not_finite(&values, &context), reference::first_not_finite(&values));
                    assert!(!all_finite(&values, &context));
                }
            }
        }
        let context = Context::new(isa, Pool::single());
        assert!(first_not_finite(&[], &context).is_none() && all_finite(&[], &context));
    }
}

#[test]
fn one_number_that_is_not_finite_is_found_wherever_it_is() {
    for isa in Isa::available() {
        for threads in [1, 2, 7] {
            let context = Context::new(isa, Pool::new(threads));
            // Pieces, groups of vectors, vectors, and what is left of each; one element off any alignment.
            let mut values = vec![1e-40f32; 2 * pieces::PIECE + 8 * 16 + 3 * 16 + 6];
            let len = values.len();
            for at in (1..len).filter(|at| at % 97 == 0 || *at < 200 || *at + 200 > len) {
                let before = std::mem::replace(&mut values[at], f32::from_bits(0x7F80_0001));
                assert!(!all_finite(&values[1..], &context), "{isa:?} {threads} at {at}");
                values[at] = before;
            }
            assert!(all_finite(&values[1..], &context));
        }
    }
}

#[test]
fn not_a_number_propagates_into_its_column_alone() {
    for isa in Isa::available() {
        let mut matrix = wave(9 * 20);
        matrix[4 * 20 + 18] = f32::NAN;
        let mut sums = [0.0; 20];
        add_column_sums(9, 20, &matrix, &mut sums, &Context::new(isa, Pool::single()));
        assert!((0..20).all(|j| sums[j].is_nan() == (j == 18)));
    }
}

#[test]
fn filling_sets_every_value_and_nothing_else() {
    for len in [0, 1, 7, 100_003] {
        for threads in [1, 2, 7] {
            let mut values = vec![1.0; len + 2];
            super::fill(&mut values[1..=len], 3.0, &Context::detect(Pool::new(threads)));
            assert!(values[1..=len].iter().all(|&value| value == 3.0));
            assert_eq!((values[0], values[len + 1]), (1.0, 1.0));
        }
    }
}
