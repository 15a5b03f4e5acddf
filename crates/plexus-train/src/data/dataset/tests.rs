use super::*;
use crate::data::Widths;
use crate::loss::TargetBatch;

fn bytes() -> Dataset {
    let classes = Targets::classes(vec!["a".into(), "b".into()], vec![1, 0, 1]);
    Dataset::single("bytes", [3], Samples::U8(vec![0, 7, 255, 10, 7, 0, 20, 7, 1]), classes).unwrap()
}

fn numbers(columns: usize, values: Vec<f32>) -> Dataset {
    let rows = values.len() / columns;
    let targets = (0..2 * rows).map(|value| value as f32).collect();
    let targets = Targets::values(vec!["y".into(), "z".into()], targets);
    Dataset::single("numbers", [columns], Samples::F32(values), targets).unwrap()
}

#[test]
fn copy_rows_copies_rows_in_any_order_and_repeats() {
    let mut out = [0.0; 9];
    bytes().copy_rows(&[2, 0, 2], &mut out);
    assert_eq!(out, [20.0, 7.0, 1.0, 0.0, 7.0, 255.0, 20.0, 7.0, 1.0]);
    let set = numbers(2, vec![1.0, 2.0, 3.0, 4.0]);
    let mut out = [0.0; 2];
    set.copy_rows(&[1], &mut out);
    assert_eq!(out, [3.0, 4.0]);
    set.copy_rows(&[], &mut []);
}

#[test]
fn a_batch_holds_every_input_and_target_of_its_rows() {
    let pixels = Targets::Classes {
        names: vec!["a".into(), "b".into()],
        axis: 0,
        positions: [2, 2].into(),
        indices: (0..12).map(|at| at % 2).collect(),
    };
    let mut set = bytes();
    set.inputs.extend(numbers(2, (0..6).map(|value| value as f32).collect()).inputs);
    set.targets.extend([numbers(1, vec![0.0; 3]).targets.remove(0), pixels]);
    let (mut batch, widths) = (Batch::default(), Widths::of(&set).expect("it can be counted"));
    for (rows, pool) in [(vec![2, 0], Pool::single()), (vec![1, 1, 2], Pool::new(3))] {
        batch.resize(&widths, rows.len());
        set.gather(&rows, &mut batch, &pool).expect("the rows are there");
        let mut first = vec![0.0; 3 * rows.len()];
        set.copy_rows(&rows, &mut first);
        assert_eq!(batch.input(0), first);
        let second: Vec<f32> = rows.iter().flat_map(|row| [*row as f32 * 2.0, *row as f32 * 2.0 + 1.0]).collect();
        assert_eq!((batch.rows(), batch.input(1), batch.input_rows(1, 1..2)), (rows.len(), &second[..], &second[2..4]));
        let classes: Vec<u32> = rows.iter().map(|row| [1, 0, 1][*row as usize]).collect();
        assert!(matches!(batch.target(0), TargetBatch::Classes(found) if found == classes));
        assert!(matches!(batch.target(1), TargetBatch::Values(found) if found == second));
        assert!(matches!(batch.target_rows(2, 0..1), TargetBatch::Classes([0, 1, 0, 1])));
    }
    assert_eq!(set.row_hashes().len(), 3);
    assert_eq!(set.select(&[0, 1, 2]), set);
}

#[test]
fn every_byte_value_becomes_its_number() {
    let class = Targets::classes(vec!["a".into()], vec![0]);
    let set = Dataset::single("all", [256], Samples::U8((0..=255).collect()), class).unwrap();
    let mut out = [0.0; 256];
    set.copy_rows(&[0], &mut out);
    assert!(out.iter().enumerate().all(|(index, &value)| value == index as f32));
}

#[test]
#[should_panic(expected = "out must be [batch, row_len]")]
fn copying_into_a_wrong_length_panics() {
    bytes().copy_rows(&[0], &mut [0.0; 2]);
}

#[test]
fn sizes_and_balance_are_counted() {
    let set = bytes();
    assert_eq!((set.len(), set.row_len(), set.class_count(), set.is_empty()), (3, 3, 2, false));
    assert_eq!(set.class_balance(), [1, 2]);
    let set = numbers(2, vec![0.0; 8]);
    assert_eq!((set.len(), set.class_count(), set.class_balance().len()), (4, 0, 0));
}

#[test]
fn scale_is_one_over_the_biased_deviation_and_constants_keep_theirs() {
    // Column 0 holds 0, 10, 20: mean 10, variance 200 / 3.
    let (mean, scale) = bytes().mean_and_scale(0, &[0, 1, 2], true);
    assert_eq!(mean[..2], [10.0, 7.0]);
    assert!((scale[0] - (3.0f32 / 200.0).sqrt()).abs() < 1e-7);
    assert_eq!(scale[1], 1.0);
    // 0.1 is not exact in binary; the mean of many is off by rounding, yet the feature is constant.
    let (mean, scale) = numbers(1, vec![0.1; 1001]).mean_and_scale(0, &(0..1001).collect::<Vec<_>>(), true);
    assert_eq!((mean[0], scale[0]), (0.1, 1.0));
    let (_, scale) = numbers(1, vec![0.0, 1e-45]).mean_and_scale(0, &[0, 1], true);
    assert_eq!(scale, [1.0]);
}

#[test]
fn only_the_rows_named_are_measured() {
    let (mean, _) = bytes().mean_and_scale(0, &[0, 1], true);
    assert_eq!(mean, [5.0, 7.0, 127.5]);
    assert_eq!(bytes().mean_and_scale(0, &[], true), (vec![0.0; 3], vec![1.0; 3]));
    assert_eq!(bytes().mean_and_scale(0, &[], false), (vec![0.0], vec![1.0]));
}

#[test]
fn images_get_one_number_and_both_storages_agree() {
    let set = bytes();
    let Samples::U8(values) = set.samples() else { unreachable!("made of bytes") };
    let same = numbers(3, values.iter().map(|&value| f32::from(value)).collect());
    for per_feature in [false, true] {
        assert_eq!(set.mean_and_scale(0, &[0, 1, 2], per_feature), same.mean_and_scale(0, &[0, 1, 2], per_feature));
    }
    assert_eq!(set.mean_and_scale(0, &[0], false).0.len(), 1);
}

#[test]
fn a_large_offset_does_not_spoil_the_deviation() {
    let (mean, scale) = numbers(1, vec![1e6, 1e6 + 1.0, 1e6 + 2.0]).mean_and_scale(0, &[0, 1, 2], true);
    assert_eq!(mean, [1e6 + 1.0]);
    assert!((scale[0] - 1.5f32.sqrt()).abs() < 1e-6);
}

#[test]
fn the_first_value_that_is_not_finite_is_found() {
    assert_eq!(bytes().first_not_finite(), None);
    assert_eq!(numbers(2, vec![0.0; 4]).first_not_finite(), None);
    let set = numbers(2, vec![0.0, 1.0, 2.0, f32::NAN, f32::INFINITY, 0.0]);
    assert_eq!(set.first_not_finite(), Some((2, 1, 1)));
}
