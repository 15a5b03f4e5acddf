//! QEMU's machine `virt` with a 32-bit RISC-V processor.

use core::arch::{asm, global_asm};

global_asm!(
    ".section .vectors, \"ax\"",
    ".global _start",
    "_start:",
    "la sp, __stack_top",
    "la t0, __bss_start",
    "la t1, __bss_end",
    "1:",
    "bgeu t0, t1, 2f",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "j 1b",
    "2:",
    "call {start}",
    start = sym start,
);

extern "C" fn start() -> ! {
    crate::main();
    exit(0)
}

/// Writes a text.
pub fn print(text: &str) {
    for byte in text.bytes() {
        // SAFETY: the data register of the machine's 16550 UART, which takes bytes at any time in emulation.
        unsafe { core::ptr::write_volatile(0x1000_0000 as *mut u8, byte) };
    }
}

/// Ends the emulation with an exit code.
pub fn exit(code: u32) -> ! {
    let word = if code == 0 { 0x5555 } else { code << 16 | 0x3333 };
    // SAFETY: the machine's test device, which ends it.
    unsafe { core::ptr::write_volatile(0x0010_0000 as *mut u32, word) };
    loop {}
}

/// Instructions so far. With `-icount shift=6` the emulator counts 64 for each.
pub fn instructions() -> Option<u32> {
    let count: u32;
    // SAFETY: reads a counter.
    unsafe { asm!("csrr {}, minstret", out(reg) count, options(nomem, nostack)) };
    Some(count / 64)
}
