//! The floating-point mode of a thread (x86-64: the register MXCSR).

/// FTZ (results) and DAZ (operands): Intel 64 manual, volume 1, sections 10.2.3.3 and 10.2.3.4.
const FLUSH: u32 = 1 << 15 | 1 << 6;

/// Sets whether denormals are flushed on this thread, and returns whether they were.
pub fn set_flush_denormals(on: bool) -> bool {
    let mut register: u32 = 0;
    // SAFETY: stores the four bytes of MXCSR into `register`; SSE is part of x86-64.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut register, options(nostack)) };
    let before = register & FLUSH == FLUSH;
    if before != on {
        let wanted = if on { register | FLUSH } else { register & !FLUSH };
        // SAFETY: loads MXCSR with the value just read, changed in two bits that exist on every x86-64 processor.
        // The compiler assumes the default mode. That is an accepted risk, see docs/decisions/flush-denormals.md: what
        // was folded at compile time may keep a denormal that a run would flush.
        unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &wanted, options(nostack, readonly)) };
    }
    before
}
