//! Boards with a Cortex-M in QEMU: start, text and end by semihosting, instructions by SysTick.

use core::arch::{asm, global_asm};

// The vectors: the top of the stack, and where to begin. Before any Rust runs, .bss is zeroed and the floating-point and vector
// unit is switched on where the processor may have one: what is not there reads as zero.
global_asm!(
    ".section .vectors, \"a\"",
    ".word __stack_top",
    ".word reset",
    ".section .text.reset, \"ax\"",
    ".global reset",
    ".thumb_func",
    "reset:",
    "ldr r0, =0xE000ED88",
    "ldr r1, [r0]",
    "ldr r2, =0x00F00000",
    "orrs r1, r2",
    "str r1, [r0]",
    "dsb",
    "isb",
    "ldr r0, =__bss_start",
    "ldr r1, =__bss_end",
    "movs r2, #0",
    "1:",
    "cmp r0, r1",
    "bhs 2f",
    "str r2, [r0]",
    "adds r0, #4",
    "b 1b",
    "2:",
    "bl {start}",
    "b .",
    start = sym start,
);

extern "C" fn start() -> ! {
    // SysTick: largest period, running, on the clock of the processor.
    // SAFETY: these are the addresses of SysTick on every Cortex-M (Arm v6-M to v8.1-M architecture reference manuals, B3.3).
    unsafe {
        core::ptr::write_volatile(0xE000_E014 as *mut u32, 0x00FF_FFFF);
        core::ptr::write_volatile(0xE000_E018 as *mut u32, 0);
        core::ptr::write_volatile(0xE000_E010 as *mut u32, 5);
    }
    crate::main();
    exit(0)
}

fn semihosting(operation: u32, argument: *const u32) {
    // SAFETY: a breakpoint that the emulator answers; it reads what the argument points to.
    unsafe {
        asm!("bkpt 0xAB", inout("r0") operation => _, in("r1") argument, options(nostack));
    }
}

/// Writes a text.
pub fn print(text: &str) {
    let mut buffer = [0u8; 64];
    for part in text.as_bytes().chunks(buffer.len() - 1) {
        buffer[..part.len()].copy_from_slice(part);
        buffer[part.len()] = 0;
        semihosting(0x04, buffer.as_ptr().cast());
    }
}

/// Ends the emulation with an exit code.
pub fn exit(code: u32) -> ! {
    // The program ends by itself, with this code.
    semihosting(0x20, [0x20026, code].as_ptr());
    loop {}
}

/// Ticks of SysTick for 1000 instructions, which take 64 ns each (`-icount shift=6`): the clock has 25 MHz, and 32 MHz on the board with
/// a Cortex-M55.
const TICKS: u64 = if cfg!(target_abi = "eabihf") { 2048 } else { 1600 };

/// Ticks of SysTick so far, as instructions.
pub fn instructions() -> Option<u32> {
    // SAFETY: the current value of SysTick, as above. It counts down.
    let left = unsafe { core::ptr::read_volatile(0xE000_E018 as *const u32) };
    Some((u64::from(0x00FF_FFFF - left) * 1000 / TICKS) as u32)
}
