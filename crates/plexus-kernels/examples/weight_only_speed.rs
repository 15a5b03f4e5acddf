//! Speed of compressed weights beside f32: `cargo run --release -p plexus-kernels --example weight_only_speed`.
//!
//! Arguments: batch, in_features, out_features; the usual one is 1 4096 4096.

use plexus_kernels::buffer::MatrixMut;
use plexus_kernels::gemm::{self, Gemm, Operand, Scratch, View, gemm};
use plexus_kernels::map::Function;
use plexus_kernels::threads::Pool;
use plexus_kernels::weight_only::{Format, Multiply, Packed, multiply};
use std::time::Instant;

/// Rounds of the table; the formats take turns, so that a busy moment meets all of them.
const ROUNDS: usize = 5;

/// Seconds of `call`, again and again for 100 milliseconds.
fn times(call: &mut dyn FnMut(), seconds: &mut Vec<f64>) {
    call();
    let begin = Instant::now();
    while begin.elapsed().as_millis() < 100 {
        let start = Instant::now();
        call();
        seconds.push(start.elapsed().as_secs_f64());
    }
}

fn main() {
    let size: Vec<usize> = std::env::args().skip(1).map(|word| word.parse().expect("a number")).collect();
    let (m, k, n) = match size[..] {
        [m, k, n] => (m, k, n),
        _ => (1, 4096, 4096),
    };
    let number = |i: usize| ((i.wrapping_mul(2_654_435_761) >> 7) % 2003) as f32 / 1001.0 - 1.0;
    let x: Vec<f32> = (0..m * k).map(number).collect();
    let weight: Vec<f32> = (0..n * k).map(|i| number(i + 17) / 64.0).collect();
    let bias: Vec<f32> = (0..n).map(number).collect();
    let pool = Pool::new(2);
    let b = View::row_major(&weight, n, k).transposed();
    let f32_weights = gemm::Packed::new(b, &pool);
    let start = Instant::now();
    let packed: Vec<Packed> = Format::ALL.iter().map(|&format| Packed::new(b, format, &pool)).collect();
    println!("packing all formats: {:.2} s", start.elapsed().as_secs_f64());
    drop(weight);
    for threads in [1, 2] {
        let pool = Pool::new(threads);
        let mut scratch = Scratch::default();
        let mut y = vec![0.0f32; m * n];
        let mut seconds = vec![Vec::new(); 1 + packed.len()];
        for _ in 0..ROUNDS {
            for (at, seconds) in seconds.iter_mut().enumerate() {
                let mut call = || {
                    let c = MatrixMut { values: &mut y, rows: m, cols: n, stride: n };
                    let (a, bias, function) = (View::row_major(&x, m, k), Some(&bias[..]), Function::Relu);
                    pool.enter(|| match at {
                        0 => {
                            let b = Operand::Packed(&f32_weights);
                            gemm(Gemm { a, b, c, accumulate: false, bias, function, precision: plexus_kernels::gemm::Precision::Highest }, &mut scratch, &pool);
                        }
                        _ => {
                            let b = &packed[at - 1];
                            multiply(Multiply { a, b, c, bias, function }, &mut scratch, &pool);
                        }
                    });
                };
                times(&mut call, seconds);
            }
        }
        let mut f32_times = (0.0, 0.0);
        for (at, seconds) in seconds.iter_mut().enumerate() {
            seconds.sort_by(f64::total_cmp);
            let (min, median) = (seconds[0], seconds[seconds.len() / 2]);
            if at == 0 {
                f32_times = (min, median);
            }
            let (name, bytes) = if at == 0 {
                ("f32", f32_weights.bytes())
            } else {
                (Format::ALL[at - 1].name(), packed[at - 1].bytes())
            };
            println!(
                "{threads} threads {m}x{k}x{n} {name:9} min {:8.1} us, median {:8.1} us, {:6.1} GB/s; f32 takes {:5.2} \
                 (min), {:5.2} (median) times as long",
                min * 1e6,
                median * 1e6,
                bytes as f64 / min / 1e9,
                f32_times.0 / min,
                f32_times.1 / median
            );
        }
    }
}
