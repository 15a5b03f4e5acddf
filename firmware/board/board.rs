//! A board in QEMU: start, text, end, and what a run takes. Arm: semihosting and SysTick; RISC-V: the machine virt.
//!
//! The program has a function `main`, and the constant `TICKS`.
#![allow(dead_code, reason = "each program uses a part of it")]

use core::arch::{asm, global_asm};

unsafe extern "C" {
    static __flash_start: u8;
    static __flash_end: u8;
}

#[cfg(target_arch = "arm")]
mod machine {
    use super::*;

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
        // SAFETY: the addresses of SysTick on every Cortex-M (Arm v6-M to v8.1-M architecture reference manuals, B3.3).
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

    /// Writes a text that ends in a zero.
    pub fn write(text: &[u8]) {
        semihosting(0x04, text.as_ptr().cast());
    }

    pub fn exit(code: u32) -> ! {
        semihosting(0x20, [0x20026, code].as_ptr());
        loop {}
    }

    pub fn ticks() -> u32 {
        // SAFETY: the current value of SysTick, which counts down.
        0x00FF_FFFF - unsafe { core::ptr::read_volatile(0xE000_E018 as *const u32) }
    }

    pub fn instructions(before: u32, after: u32) -> u64 {
        u64::from(after.wrapping_sub(before) & 0x00FF_FFFF) * 1000 / crate::TICKS
    }

    pub fn stack() -> usize {
        let here: usize;
        // SAFETY: reads a register.
        unsafe { asm!("mov {}, sp", out(reg) here, options(nomem, nostack)) };
        here
    }
}

#[cfg(target_arch = "riscv32")]
mod machine {
    use super::*;

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

    pub fn write(text: &[u8]) {
        for byte in &text[..text.len() - 1] {
            // SAFETY: the data register of the machine's 16550 UART, which takes bytes at any time in emulation.
            unsafe { core::ptr::write_volatile(0x1000_0000 as *mut u8, *byte) };
        }
    }

    pub fn exit(code: u32) -> ! {
        let word = if code == 0 { 0x5555 } else { code << 16 | 0x3333 };
        // SAFETY: the machine's test device, which ends it.
        unsafe { core::ptr::write_volatile(0x0010_0000 as *mut u32, word) };
        loop {}
    }

    pub fn ticks() -> u32 {
        let count: u32;
        // SAFETY: reads a counter.
        unsafe { asm!("csrr {}, minstret", out(reg) count, options(nomem, nostack)) };
        count
    }

    pub fn instructions(before: u32, after: u32) -> u64 {
        u64::from(after.wrapping_sub(before)) / 64
    }

    pub fn stack() -> usize {
        let here: usize;
        // SAFETY: reads a register.
        unsafe { asm!("mv {}, sp", out(reg) here, options(nomem, nostack)) };
        here
    }
}

pub use machine::exit;

/// Writes a text.
pub fn print(text: &str) {
    let mut line = Line::new();
    line.put(text);
    line.flush();
}

/// Instructions so far.
pub fn instructions() -> Option<u32> {
    Some(machine::instructions(0, machine::ticks()) as u32)
}

/// A line that is being written.
pub struct Line {
    bytes: [u8; 256],
    filled: usize,
}

impl Line {
    pub const fn new() -> Self {
        Line { bytes: [0; 256], filled: 0 }
    }

    pub fn put(&mut self, text: &str) {
        for byte in text.bytes() {
            self.bytes[self.filled] = byte;
            self.filled += 1;
            if byte == b'\n' || self.filled == self.bytes.len() - 1 {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        if self.filled > 0 {
            self.bytes[self.filled] = 0;
            machine::write(&self.bytes[..=self.filled]);
            self.filled = 0;
        }
    }
}

/// Instructions from step to step: SysTick counts only as far as 24 bits go.
pub struct Counter {
    last: u32,
    pub counted: u64,
}

impl Counter {
    pub fn start() -> Self {
        Counter { last: machine::ticks(), counted: 0 }
    }

    pub fn step(&mut self) {
        self.counted += machine::instructions(self.last, machine::ticks());
        self.last = machine::ticks();
    }
}

/// The part of the stack that is looked at.
const PAINTED: usize = 32768;

/// What this function itself may have on the stack below where it looks.
const MARGIN: usize = 512;

/// Bytes of the stack that a call takes.
#[inline(never)]
pub fn stack_of(run: impl FnOnce()) -> usize {
    let top = (machine::stack() - MARGIN) as *mut u8;
    for at in 1..=PAINTED {
        // SAFETY: below the stack is memory of the board, which nothing uses now.
        unsafe { core::ptr::write_volatile(top.sub(at), 0xA5) };
    }
    run();
    // SAFETY: as above.
    let untouched = (1..=PAINTED).rev().take_while(|at| unsafe { core::ptr::read_volatile(top.sub(*at)) } == 0xA5);
    PAINTED - untouched.count() + MARGIN
}

/// Bytes of code and constants.
pub fn flash() -> usize {
    (&raw const __flash_end).addr() - (&raw const __flash_start).addr()
}
