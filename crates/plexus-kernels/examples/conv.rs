//! Times the convolutions of LeNet-5, VGG-16 and AlexNet, and prints nanoseconds per call and multiply-adds per second: those of
//! the formula, so that a form with fewer products may have more than the processor can do.
//!
//! `cargo run --release -p plexus-kernels --example conv -- [threads] [instruction set] [layer] [f|i|w] [precision] [batch]`
//!
//! f: forward only; i: the gradient of the input; w: that of the weight. An empty argument is none.

use plexus_kernels::Context;
use plexus_kernels::conv::{
    Conv, ConvBackwardInput, ConvBackwardWeight, Geometry, Kernel, PackedWeight, Pooling, Scratch, UnpoolTwo, Weight,
    conv, conv_backward_input, conv_backward_weight, unpool_two,
};
use plexus_kernels::gemm::Precision;
use plexus_kernels::isa::Isa;
use plexus_kernels::map::Function;
use plexus_kernels::probe;
use plexus_kernels::threads::Pool;
use std::time::{Duration, Instant};

/// The shortest time of one call in some hundred milliseconds, in nanoseconds.
fn time(mut call: impl FnMut()) -> f64 {
    call();
    let begin = Instant::now();
    let mut calls = 1;
    // Enough calls for the clock.
    while begin.elapsed() < Duration::from_millis(2) {
        call();
        calls += 1;
    }
    let mut shortest = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(300) {
        let start = Instant::now();
        for _ in 0..calls {
            call();
        }
        shortest = shortest.min(start.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
    }
    shortest
}

fn show(what: &str, batch: usize, ns: f64, macs: u64) {
    let rate = (macs * batch as u64) as f64 / ns;
    println!("  {what:<34} batch {batch:>3}  {ns:>11.0} ns  {rate:>7.1} GMAC/s");
}

/// What was written at a place.
fn argument(at: usize) -> Option<String> {
    std::env::args().nth(at + 1).filter(|text| !text.is_empty())
}

fn main() {
    let threads = argument(0).and_then(|text| text.parse().ok()).unwrap_or(1);
    let wanted = |at: usize, name: &str| argument(at).is_none_or(|wanted| name.starts_with(&wanted));
    let pool = Pool::new(threads);
    let layers = [
        ("conv1", Geometry { padding: [2; 4], ..Geometry::plain([1, 28, 28], 6, [5, 5]) }),
        ("conv2", Geometry::plain([6, 14, 14], 16, [5, 5])),
        ("3x3 64", Geometry { padding: [1; 4], ..Geometry::plain([64, 28, 28], 64, [3, 3]) }),
        ("vgg1_1", Geometry { padding: [1; 4], ..Geometry::plain([3, 224, 224], 64, [3, 3]) }),
        ("vgg1_2", Geometry { padding: [1; 4], ..Geometry::plain([64, 224, 224], 64, [3, 3]) }),
        ("vgg2_1", Geometry { padding: [1; 4], ..Geometry::plain([64, 112, 112], 128, [3, 3]) }),
        ("vgg2_2", Geometry { padding: [1; 4], ..Geometry::plain([128, 112, 112], 128, [3, 3]) }),
        ("vgg3_1", Geometry { padding: [1; 4], ..Geometry::plain([128, 56, 56], 256, [3, 3]) }),
        ("vgg3_2", Geometry { padding: [1; 4], ..Geometry::plain([256, 56, 56], 256, [3, 3]) }),
        ("vgg4_1", Geometry { padding: [1; 4], ..Geometry::plain([256, 28, 28], 512, [3, 3]) }),
        ("vgg4_2", Geometry { padding: [1; 4], ..Geometry::plain([512, 28, 28], 512, [3, 3]) }),
        ("vgg5", Geometry { padding: [1; 4], ..Geometry::plain([512, 14, 14], 512, [3, 3]) }),
        ("alex1", Geometry { stride: [4, 4], padding: [2; 4], ..Geometry::plain([3, 224, 224], 64, [11, 11]) }),
        ("alex2", Geometry { padding: [2; 4], ..Geometry::plain([64, 27, 27], 192, [5, 5]) }),
        ("alex3", Geometry { padding: [1; 4], ..Geometry::plain([192, 13, 13], 384, [3, 3]) }),
        ("alex4", Geometry { padding: [1; 4], ..Geometry::plain([384, 13, 13], 256, [3, 3]) }),
        ("alex5", Geometry { padding: [1; 4], ..Geometry::plain([256, 13, 13], 256, [3, 3]) }),
    ];
    let precision = argument(4).and_then(|name| Precision::ALL.into_iter().find(|precision| precision.name() == name));
    for isa in Isa::available() {
        let kernel = Kernel::for_isa(isa);
        if kernel.isa != isa || !wanted(1, isa.name()) {
            continue;
        }
        let context = Context::new(isa, pool.clone()).with_precision(precision.unwrap_or_default());
        let rounds = 100_000;
        let peak = probe::multiply_adds(rounds, &context) as f64
            / time(|| {
                probe::multiply_adds(rounds, &context);
            });
        println!("{} with {threads} threads; the most is {peak:.0} GMAC/s", kernel.name);
        for (name, geometry) in layers.into_iter().filter(|(name, _)| wanted(2, name)) {
            // The larger layer is there to see that nothing is far off.
            let batches = match argument(5).and_then(|text| text.parse().ok()) {
                Some(batch) => vec![batch],
                None => vec![1, if geometry.channels * geometry.filters < 1024 { 64 } else { 4 }],
            };
            for batch in batches {
                layer(name, geometry, batch, &context);
            }
        }
    }
}

fn layer(name: &str, geometry: Geometry, batch: usize, context: &Context) {
    let values = |len: usize| (0..len).map(|at| (at * 7919 % 1009) as f32 / 504.5 - 1.0).collect::<Vec<_>>();
    let mut scratch = Scratch::default();
    let input = values(batch * geometry.input_len());
    let weight = values(geometry.weight_len());
    let bias = values(geometry.filters);
    let packed = PackedWeight::new(&geometry, &weight, context);
    let mut output = vec![0.0; batch * geometry.output_len()];
    let [height, width] = geometry.output().expect("the layers have outputs");
    let mut positions = vec![0; batch * (height / 2) * (width / 2) * geometry.filters];
    let macs = geometry.macs();
    let part = argument(3).unwrap_or_default();
    if part.is_empty() || part == "f" {
        for (what, pooled, keep) in
            [("forward", false, false), ("forward, pooled", true, false), ("forward, pooled, positions", true, true)]
        {
            let ns = time(|| {
                let len = if pooled { positions.len() } else { output.len() };
                let pooling = pooled.then(|| Pooling::MaxTwo { positions: keep.then_some(&mut positions[..]) });
                let call = Conv {
                    geometry,
                    batch,
                    input: &input,
                    weight: if keep { Weight::Plain(&weight) } else { Weight::Packed(&packed) },
                    bias: Some(&bias),
                    function: Function::Relu,
                    pooling,
                    output: &mut output[..len],
                };
                conv(call, &mut scratch, context);
            });
            show(&format!("{name} {what}"), batch, ns, macs);
        }
    }
    if part == "f" {
        return;
    }
    let grad_output = output.clone();
    let mut grad_input = vec![0.0; input.len()];
    if part != "w" {
        let ns = time(|| {
            let (weight, grad_output, grad_input) = (&weight[..], &grad_output[..], &mut grad_input[..]);
            let call = ConvBackwardInput { geometry, batch, grad_output, weight, grad_input, accumulate: false };
            conv_backward_input(call, &mut scratch, context);
        });
        show(&format!("{name} backward input"), batch, ns, macs);
        if part == "i" {
            return;
        }
    }
    let (mut grad_weight, mut grad_bias) = (weight.clone(), bias.clone());
    let ns = time(|| {
        let call = ConvBackwardWeight {
            geometry,
            batch,
            input: &input,
            grad_output: &grad_output,
            grad_weight: &mut grad_weight,
            grad_bias: Some(&mut grad_bias),
            accumulate: false,
        };
        conv_backward_weight(call, &mut scratch, context);
    });
    show(&format!("{name} backward weight"), batch, ns, macs);
    let mut grad_full = vec![0.0; output.len()];
    let grad_pooled = values(positions.len());
    let ns = time(|| {
        let call = UnpoolTwo {
            batch,
            channels: geometry.filters,
            height,
            width,
            grad_pooled: &grad_pooled,
            positions: &positions,
            activation: Some((Function::Relu, &grad_pooled)),
            grad_full: &mut grad_full,
        };
        unpool_two(call, context);
    });
    show(&format!("{name} unpool"), batch, ns, macs);
}
