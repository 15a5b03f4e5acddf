//! The golden inputs as a WebAssembly module: the host gives `put`, and calls `run`.

#![no_std]

#[link(wasm_import_module = "board")]
unsafe extern "C" {
    fn put(text: *const u8, len: usize);
}

/// What the host calls.
#[unsafe(no_mangle)]
extern "C" fn run() {
    let mut model = NAME::Model::new();
    // SAFETY: the host reads so many bytes of this module's memory.
    NAME::golden::verify(&mut model, &mut |text| unsafe { put(text.as_ptr(), text.len()) });
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
