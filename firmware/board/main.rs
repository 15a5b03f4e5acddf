//! The program on the board: the golden inputs, or one run that is measured.

#![no_std]
#![no_main]

mod board;

/// Ticks of SysTick for 1000 instructions.
#[allow(dead_code)]
const TICKS: u64 = TICK_COUNT;

BODY

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    board::exit(1)
}
