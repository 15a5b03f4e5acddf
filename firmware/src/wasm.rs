//! WebAssembly: the host gives `print`.

#[link(wasm_import_module = "board")]
unsafe extern "C" {
    fn put(text: *const u8, len: usize);
}

/// What the host calls.
#[unsafe(no_mangle)]
extern "C" fn run() {
    crate::main();
}

/// Writes a text.
pub fn print(text: &str) {
    // SAFETY: the host reads so many bytes of this module's memory.
    unsafe { put(text.as_ptr(), text.len()) };
}

/// Ends with a trap.
pub fn exit(_: u32) -> ! {
    core::arch::wasm32::unreachable()
}

/// Nothing counts them here.
pub fn instructions() -> Option<u32> {
    None
}
