//! `Model::predict` allocates nothing after the first call, counted by the allocator of this program.

use plexus::layers::{Activation, BatchNorm, Flatten, Layer, Linear, Standardise};
use plexus::{Context, Model, Pool, Task, Workspace};
use plexus::{Network, Params, Shape, zoo};
use plexus_kernels::map::Function;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The allocator of the system, with a count of what is asked of it, on all threads.
struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

fn count(bytes: usize) {
    CALLS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(bytes, Ordering::Relaxed);
}

// SAFETY: every call goes to `System` with the arguments it came with; counting touches atomics only.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is that of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: `pointer` came from `System` by the functions above; the rest is the caller's contract.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` by the functions above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A network of linear layers, which has every kind of layer that is fused or computed in place.
fn linear() -> Network {
    let layers: [Layer; 9] = [
        Standardise::new().into(),
        Flatten::default().into(),
        Linear::new(512).into(),
        BatchNorm::default().into(),
        Activation::new(Function::Relu).into(),
        Linear::new(256).into(),
        Activation::new(Function::Gelu).into(),
        Linear::new(10).into(),
        Activation::new(Function::Identity).into(),
    ];
    Network::chain(Shape::new([1, 28, 28]), layers)
}

fn model(network: Network, context: Context) -> Model {
    let network = network.check().expect("the layers fit");
    let params = Params::initialise(&network, 1);
    let classes = (0..10).map(|digit| digit.to_string()).collect();
    let task = Task::Classification { classes };
    Model::new(Arc::new(network), &params, task, context).expect("ten names for ten outputs")
}

/// Allocations and bytes of `calls` calls after the first.
fn allocations(model: &Model, batch: usize, calls: usize) -> (usize, usize) {
    let input: Vec<f32> = (0..batch * 784).map(|i| (i % 251) as f32 / 251.0).collect();
    let mut workspace = Workspace::default();
    model.predict(&input, batch, &mut workspace).expect("the input fits");
    let before = (CALLS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
    for _ in 0..calls {
        std::hint::black_box(model.predict(&input, batch, &mut workspace).expect("the input fits"));
    }
    (CALLS.load(Ordering::Relaxed) - before.0, BYTES.load(Ordering::Relaxed) - before.1)
}

// One test in this file: another one beside it would be counted too.
#[test]
fn predictions_allocate_nothing_after_the_first() {
    let calls = 1000;
    for threads in [1, 2] {
        let lenet = zoo::lenet5(Shape::new([1, 28, 28]), 10, zoo::LeNet5::default()).expect("it reads images");
        for (name, network) in [("linear layers", linear()), ("LeNet-5", lenet)] {
            let model = model(network, Context::detect(Pool::new(threads)));
            for batch in [1, 64] {
                let (count, bytes) = allocations(&model, batch, calls);
                println!(
                    "{name}, {threads} threads, batch {batch}: {count} allocations, {bytes} bytes in {calls} calls"
                );
                assert_eq!((count, bytes), (0, 0), "{name}, {threads} threads, batch {batch}");
            }
        }
    }
}
