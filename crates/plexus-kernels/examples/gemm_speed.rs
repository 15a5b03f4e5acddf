//! Speed of the three operand orders at a few shapes: `cargo run --release -p plexus-kernels --example gemm_speed`.

use plexus_kernels::buffer::MatrixMut;
use plexus_kernels::gemm::{Gemm, Operand, Packed, Scratch, View, gemm};
use plexus_kernels::map::Function;
use plexus_kernels::threads::Pool;
use std::time::Instant;

/// Batch, in_features, out_features.
const SHAPES: [(usize, usize, usize); 6] =
    [(1, 784, 128), (1, 1024, 1024), (1, 4096, 4096), (128, 784, 512), (128, 512, 256), (1024, 1024, 1024)];

fn main() {
    for threads in [1, 2] {
        let pool = Pool::new(threads);
        for (m, k, n) in SHAPES {
            let x = vec![0.5f32; m * k];
            let w = vec![0.25f32; n * k];
            let dy = vec![0.25f32; m * n];
            let mut y = vec![0.0f32; m * n];
            let mut dx = vec![0.0f32; m * k];
            let mut dw = vec![0.0f32; n * k];
            let mut scratch = Scratch::default();
            let packed = Packed::new(View::row_major(&w, n, k).transposed(), &pool);
            let mut time = |call: &mut dyn FnMut(&mut Scratch)| {
                call(&mut scratch);
                let mut best = f64::MAX;
                let begin = Instant::now();
                while begin.elapsed().as_millis() < 300 {
                    let start = Instant::now();
                    call(&mut scratch);
                    best = best.min(start.elapsed().as_secs_f64());
                }
                let flops = 2.0 * (m * n * k) as f64;
                format!("{:9.1} us {:6.1} GFLOP/s", best * 1e6, flops / best / 1e9)
            };
            let forward_packed = time(&mut |s| {
                let c = MatrixMut { values: &mut y, rows: m, cols: n, stride: n };
                let call = Gemm {
                    a: View::row_major(&x, m, k),
                    b: Operand::Packed(&packed),
                    c,
                    accumulate: false,
                    bias: None,
                    function: Function::Relu,
                };
                pool.enter(|| gemm(call, s, &pool));
            });
            let forward = time(&mut |s| {
                let c = MatrixMut { values: &mut y, rows: m, cols: n, stride: n };
                let b = Operand::Plain(View::row_major(&w, n, k).transposed());
                let call = Gemm {
                    a: View::row_major(&x, m, k),
                    b,
                    c,
                    accumulate: false,
                    bias: None,
                    function: Function::Relu,
                };
                pool.enter(|| gemm(call, s, &pool));
            });
            let grad_input = time(&mut |s| {
                let c = MatrixMut { values: &mut dx, rows: m, cols: k, stride: k };
                let b = Operand::Plain(View::row_major(&w, n, k));
                let call = Gemm {
                    a: View::row_major(&dy, m, n),
                    b,
                    c,
                    accumulate: false,
                    bias: None,
                    function: Function::Identity,
                };
                pool.enter(|| gemm(call, s, &pool));
            });
            let grad_weight = time(&mut |s| {
                let c = MatrixMut { values: &mut dw, rows: n, cols: k, stride: k };
                let b = Operand::Plain(View::row_major(&x, m, k));
                let call = Gemm {
                    a: View::row_major(&dy, m, n).transposed(),
                    b,
                    c,
                    accumulate: true,
                    bias: None,
                    function: Function::Identity,
                };
                pool.enter(|| gemm(call, s, &pool));
            });
            println!(
                "{threads}t {m}x{k}x{n}: packed {forward_packed} plain {forward} dx {grad_input} dw {grad_weight}"
            );
        }
    }
}
