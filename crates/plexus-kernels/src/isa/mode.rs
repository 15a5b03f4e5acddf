//! The floating-point mode of a thread (x86-64: the register MXCSR).
//!
//! Why this is sound. The mode is changed in one block of assembly, which calls the work and puts the register back before
//! it ends. So the compiler's own code on both sides of the block runs in the mode that the compiler assumes, and no
//! operation can cross over: the work is a function that only the block calls, which the compiler therefore neither inlines nor
//! looks into, and what stands before or after the block cannot get inside. (A guard that sets the register and resets it
//! when dropped, as two blocks, has neither property: a product that does not change in a loop is computed before the
//! loop, and so before the mode is set.) Registers: the block declares all that a function of the System V ABI may
//! destroy, on every system, because the function it calls is of that ABI; `r12` belongs to the caller there. The stack is
//! aligned for a call, because the block is not `nostack`. No panic passes the block: it is caught inside and goes on
//! outside.
//!
//! What the language does not promise: the work is Rust code, and Rust assumes the default mode for it. What the compiler
//! computes ahead may keep a denormal that a run would flush. That can change numbers and nothing else: no `unsafe` block
//! of this crate relies on the value of a float. See docs/decisions/flush-denormals.md.
#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// FTZ (results) and DAZ (operands): Intel 64 manual, volume 1, sections 10.2.3.3 and 10.2.3.4.
const FLUSH: u32 = 1 << 15 | 1 << 6;

/// What goes through the block of assembly, there and back.
struct Call<F, R> {
    work: Option<F>,
    result: Option<std::thread::Result<R>>,
}

/// Whether denormals are flushed on this thread.
fn is_flushing() -> bool {
    let mut register: u32 = 0;
    // SAFETY: stores the four bytes of MXCSR into `register`; SSE is part of x86-64.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &mut register, options(nostack, preserves_flags)) };
    register & FLUSH == FLUSH
}

/// Calls `work` with denormal operands and results flushed to zero on this thread.
pub fn flush_denormals<F: FnOnce() -> R, R>(work: F) -> R {
    if is_flushing() {
        return work();
    }
    let mut call = Call { work: Some(work), result: None };
    let mut modes = [0u32; 2];
    // SAFETY: `modes` holds the register as it was and as it is during the call, changed in two bits that exist on every
    // x86-64 processor; `enter` gets the one pointer to `call`, which lives until the block ends. The rest is in the
    // documentation of this file.
    unsafe {
        std::arch::asm!(
            "stmxcsr [r12]",
            "mov eax, dword ptr [r12]",
            "or eax, {flush}",
            "mov dword ptr [r12 + 4], eax",
            "ldmxcsr [r12 + 4]",
            "call {enter}",
            "ldmxcsr [r12]",
            flush = const FLUSH,
            enter = sym enter::<F, R>,
            in("r12") modes.as_mut_ptr(),
            inout("rdi") &raw mut call => _,
            clobber_abi("sysv64"),
        );
    }
    match call.result.expect("the work was called") {
        Ok(result) => result,
        Err(panic) => resume_unwind(panic),
    }
}

/// What the block calls.
extern "sysv64" fn enter<F: FnOnce() -> R, R>(call: *mut Call<F, R>) {
    // SAFETY: the pointer of `flush_denormals`, whose variable nothing else touches during the call.
    let call = unsafe { &mut *call };
    let work = call.work.take().expect("the work is called once");
    call.result = Some(catch_unwind(AssertUnwindSafe(work)));
}
