fn main() {
    let mut line = board::Line::new();
    // In memory of its own, not on the stack that is measured.
    static mut MODEL: NAME::Model = NAME::Model::new();
    // SAFETY: there is one thread, and this is the only place.
    let model = unsafe { &mut *(&raw mut MODEL) };
    let stack = board::stack_of(|| {
        core::hint::black_box(run(model, &mut || {}));
    });
    let mut counter = board::Counter::start();
    core::hint::black_box(run(model, &mut || counter.step()));
    counter.step();
    let put = &mut |text: &str| line.put(text);
    for (name, number) in
        [("stack ", stack), ("instructions ", counter.counted as usize), ("flash ", board::flash())]
    {
        put(name);
        NAME::golden::decimal(number, put);
        put("\n");
    }
}

fn run(model: &mut NAME::Model, step: &mut impl FnMut()) -> usize {
    NAME::golden::run_zeros(model, &mut |_, _| step())
}
