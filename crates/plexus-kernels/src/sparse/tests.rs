use super::*;

fn values(len: usize, step: f32) -> Vec<f32> {
    (0..len).map(|at| (at as f32 * step + 0.2).sin()).collect()
}

/// Lengths and columns of a matrix about a third of which is not zero; some rows are empty, some full.
fn made(rows: usize, cols: usize) -> (Vec<f32>, Vec<f32>) {
    let (mut lengths, mut columns) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let before = columns.len();
        let every = [3, 1, usize::MAX, 2][row % 4];
        columns.extend((0..cols).filter(|col| (col + row) % every == every.min(2) - 1).map(|col| col as f32));
        lengths.push((columns.len() - before) as f32);
    }
    (lengths, columns)
}

/// Output and both gradients, with guards around them.
fn run(structure: Structure<'_>, batch: usize, threads: usize) -> [Vec<f32>; 3] {
    let (pool, mut scratch) = (Pool::new(threads), Scratch::default());
    let (rows, cols, count) = (structure.rows(), structure.cols, structure.columns.len());
    let (input, weight) = (values(batch * cols, 0.37), values(count, 0.71));
    let (bias, grads) = (values(rows, 0.9), values(batch * rows, 0.53));
    let guarded = |len: usize, value: f32| [&[-77.0][..], &vec![value; len], &[-77.0]].concat();
    let mut results = [guarded(batch * rows, 9.0), guarded(count, 1.0), guarded(batch * cols, 9.0)];
    let [output, grad_weight, grad_input] = &mut results;
    let (output, bias) = (&mut output[1..=batch * rows], Some(&bias[..]));
    sparse(Sparse { structure, batch, input: &input, weight: &weight, bias, output }, &mut scratch, &pool);
    let grad_weight = &mut grad_weight[1..=count];
    sparse_backward_weight(structure, batch, &input, &grads, grad_weight, &mut scratch, &pool);
    let grad_input = &mut grad_input[1..=batch * cols];
    sparse_backward_input(structure, batch, &grads, &weight, grad_input, &mut scratch, &pool);
    results.map(|result| {
        assert!(result[0] == -77.0 && result[result.len() - 1] == -77.0);
        result[1..result.len() - 1].to_vec()
    })
}

fn close(got: &[f32], want: &[f64], bound: f64) {
    assert_eq!(got.len(), want.len());
    for (got, want) in got.iter().zip(want) {
        assert!((f64::from(*got) - want).abs() <= bound, "{got} want {want}");
    }
}

#[test]
fn outputs_and_gradients_are_those_of_the_matrix_with_its_zeros() {
    for (rows, cols) in [(0, 3), (1, 1), (3, 0), (4, 7), (5, 8), (9, 17), (16, 33), (7, 100)] {
        let (lengths, columns) = made(rows, cols);
        let structure = Structure { cols, lengths: &lengths, columns: &columns };
        for batch in [0, 1, 3] {
            let [output, grad_weight, grad_input] = run(structure, batch, 1);
            let (input, weight) = (values(batch * cols, 0.37), values(columns.len(), 0.71));
            let grads = values(batch * rows, 0.53);
            // All factors are at most one: the sum of their magnitudes is at most how many there are.
            let bound = (cols as f64 / 8.0 + 5.0) * (cols as f64 + 1.0) * 2f64.powi(-24);
            close(&output, &reference::sparse(structure, batch, &input, &weight, &values(rows, 0.9)), bound);
            let mut want = reference::backward_weight(structure, batch, &input, &grads);
            want.iter_mut().for_each(|want| *want += 1.0);
            close(&grad_weight, &want, 1e-6);
            let bound = (rows as f64 + 1.0).powi(2) * 2f64.powi(-24);
            close(&grad_input, &reference::backward_input(structure, batch, &grads, &weight), bound);
        }
    }
}

#[test]
fn any_number_of_threads_and_any_batch_gives_the_same_bits() {
    let (lengths, columns) = made(403, 601);
    let structure = Structure { cols: 601, lengths: &lengths, columns: &columns };
    let one = run(structure, 3, 1);
    assert!(run(structure, 3, 2) == one && run(structure, 3, 7) == one);
    let alone = run(structure, 1, 2);
    assert_eq!(one[0][..403], alone[0][..]);
    assert_eq!(one[2][..601], alone[2][..]);
}

#[test]
fn pieces_of_the_nonzeros_find_their_rows() {
    let starts = [0, 0, 3, 3, 5];
    let found = |within: Range<usize>| {
        let rows = rows_within(&starts, within).filter(|(_, own)| !own.is_empty());
        rows.collect::<Vec<_>>()
    };
    assert_eq!(found(0..5), [(1, 0..3), (3, 3..5)]);
    assert_eq!(found(1..4), [(1, 1..3), (3, 3..4)]);
    assert_eq!(found(3..4), [(3, 3..4)]);
    // What is behind the last row belongs to none.
    assert_eq!(found(5..8), []);
}

#[test]
fn numbers_that_are_no_places_read_nothing_outside() {
    let odd = [f32::NAN, f32::INFINITY, -3.0, 1e30, 0.5];
    let structure = Structure { cols: 2, lengths: &odd[..3], columns: &odd };
    let [output, grad_weight, grad_input] = run(structure, 1, 1);
    // Row 0 is empty, row 1 takes all.
    assert_eq!(output[0], values(1, 0.9)[0]);
    assert!(output.iter().chain(&grad_weight).chain(&grad_input).all(|value| value.is_finite()));
    let none = Structure { cols: 2, lengths: &[0.0; 3], columns: &[0.0; 4] };
    assert_eq!(run(none, 1, 1)[0], values(3, 0.9));
    assert_eq!(run(none, 1, 1)[1], [1.0; 4]);
}

#[test]
fn nan_and_infinities_go_where_they_are_multiplied_and_nowhere_else() {
    let structure = Structure { cols: 3, lengths: &[1.0, 2.0], columns: &[1.0, 0.0, 2.0] };
    let mut output = [0.0; 2];
    let (input, weight) = ([1.0, f32::NAN, 2.0], [1.0, f32::INFINITY, 1.0]);
    let call = Sparse { structure, batch: 1, input: &input, weight: &weight, bias: None, output: &mut output };
    sparse(call, &mut Scratch::default(), &Pool::single());
    assert!(output[0].is_nan() && output[1] == f32::INFINITY);
}
