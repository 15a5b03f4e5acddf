//! Speed of the integer products: `cargo run --release -p plexus-kernels --example integer_speed [BATCH,IN,OUT ...]`.
//!
//! Microseconds and thousands of millions of multiply-adds a second, the best of many calls.

use plexus_kernels::buffer::MatrixMut;
use plexus_kernels::gemm_i8::{self, GemmI8, Input, Offsets, Output, Packed, Weight};
use plexus_kernels::gemm_i16::{self, Bias, GemmI16, Values};
use plexus_kernels::requantize::{Multiplier, Requantize, RequantizeWide};
use plexus_kernels::threads::Pool;
use std::time::Instant;

/// Batch, in_features, out_features.
const SHAPES: [(usize, usize, usize); 10] = [
    (1, 784, 128),
    (1, 1024, 1024),
    (1, 4096, 4096),
    (2, 4096, 4096),
    (4, 4096, 4096),
    (8, 4096, 4096),
    (32, 4096, 4096),
    (128, 784, 512),
    (128, 4096, 4096),
    (1024, 1024, 1024),
];

/// The shortest of many calls, in seconds.
fn time(pool: &Pool, mut call: impl FnMut() + Send) -> f64 {
    pool.enter(|| {
        call();
        let mut best = f64::MAX;
        let begin = Instant::now();
        while begin.elapsed().as_millis() < 500 {
            let start = Instant::now();
            call();
            best = best.min(start.elapsed().as_secs_f64());
        }
        best
    })
}

fn main() {
    let asked: Vec<(usize, usize, usize)> = std::env::args()
        .skip(1)
        .map(|arg| {
            let sizes: Vec<usize> = arg.split(',').map(|size| size.parse().expect("BATCH,IN,OUT")).collect();
            (sizes[0], sizes[1], sizes[2])
        })
        .collect();
    let shapes = if asked.is_empty() { &SHAPES[..] } else { &asked };
    println!("{:?}", gemm_i8::Kernel::selected());
    for threads in [1, 2] {
        let pool = Pool::new(threads);
        for &(m, k, n) in shapes {
            let x: Vec<u8> = (0..m * k).map(|i| (i * 7 + i / 3) as u8).collect();
            let w: Vec<i8> = (0..n * k).map(|i| (i * 5 + i / 11) as i8).collect();
            let bias = vec![100; n];
            let offsets = Offsets { input_zero_point: 128, weight_zero_point: 0 };
            let weight = Weight { values: &w, out_features: n, in_features: k, bias: Some(&bias), offsets };
            let weight = Packed::new(weight, &pool);
            let requantize = Requantize::double_rounding(&[Multiplier::from_scale(0.0007)]).with_zero_point(3);
            let mut y = vec![0u8; m * n];
            let mut scratch = gemm_i8::Scratch::default();
            // Inside the pool once, as a program that predicts many times is.
            let seconds = time(&pool, || {
                let output = MatrixMut { values: &mut y, rows: m, cols: n, stride: n };
                let call = GemmI8 { input: Input::U8(&x), weight: &weight, output: Output::U8(output, &requantize) };
                gemm_i8::gemm_i8(call, &mut scratch, &pool);
            });
            let macs = (m * n * k) as f64;
            print!("{threads}t {m}x{k}x{n}: i8 {:9.1} us {:6.1} G/s", seconds * 1e6, macs / seconds / 1e9);

            let x: Vec<i16> = (0..m * k).map(|i| (i * 7 + i / 3) as i16).collect();
            let bias = vec![100i64; n];
            let (values, bias) = (Values::I8(&w), Bias::I64(Some(&bias)));
            let weight = gemm_i16::Weight { values, out_features: n, in_features: k, bias };
            let weight = gemm_i16::Packed::new(weight, &pool);
            let requantize = RequantizeWide::new(&[Multiplier::from_scale(0.0007)]);
            let mut y = vec![0i16; m * n];
            let mut scratch = gemm_i16::Scratch::default();
            let seconds = time(&pool, || {
                let output = MatrixMut { values: &mut y, rows: m, cols: n, stride: n };
                let output = gemm_i16::Output::I16FromWide(output, &requantize);
                gemm_i16::gemm_i16(GemmI16 { input: &x, weight: &weight, output }, &mut scratch, &pool);
            });
            println!("   i16 x i8 {:9.1} us {:6.1} G/s", seconds * 1e6, macs / seconds / 1e9);
        }
    }
}
