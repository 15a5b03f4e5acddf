//! An image that runs recorded layers of whole numbers on a board in emulation and prints a hash of all outputs.
//!
//! The cases are Rust source that `cargo xtask firmware` writes; `PLEXUS_CASES` names the file. The hash is that of `plexus run-case`.

#![no_std]
#![no_main]

#[cfg_attr(not(target_arch = "wasm32"), path = "../board/board.rs")]
#[cfg_attr(target_arch = "wasm32", path = "wasm.rs")]
mod board;

/// Ticks of SysTick for 1000 instructions, which take 64 ns each (`-icount shift=6`): the clock has 25 MHz, and 32 MHz on the board with
/// a Cortex-M55.
#[allow(dead_code, reason = "other processors have no SysTick")]
const TICKS: u64 = if cfg!(target_abi = "eabihf") { 2048 } else { 1600 };

use plexus_micro::*;

/// FNV-1a of 64 bits over outputs, four bytes a number, the lowest first.
struct Hash(u64);

impl Hash {
    fn add(&mut self, value: i32) {
        for byte in value.to_le_bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

/// The largest layer among the cases has no more outputs.
const MOST: usize = 256;

macro_rules! power_of_two_case {
    ($name:ident, $x:ty, $w:ty, $plain:ident, $opt:ident) => {
        fn $name(hash: &mut Hash, x: &[$x], w: &[$w], packed: &[$w], bias: &[$w], shifts: [u32; 2], rows: usize) {
            let mut y = [0; MOST];
            for rounding in [ShiftRounding::HalfUp, ShiftRounding::Floor] {
                let shifts = Shifts::new(shifts[0], shifts[1], rounding);
                $plain(x, w, bias, shifts, &mut y[..rows]);
                y[..rows].iter().for_each(|y| hash.add((*y).into()));
                $opt(x, packed, bias, shifts, &mut y[..rows]);
                y[..rows].iter().for_each(|y| hash.add((*y).into()));
            }
        }
    };
}

power_of_two_case!(q7, i8, i8, fully_connected_q7, fully_connected_q7_opt);
power_of_two_case!(q15, i16, i16, fully_connected_q15, fully_connected_q15_opt);
power_of_two_case!(q7_q15, i16, i8, fully_connected_q7_q15, fully_connected_q7_q15_opt);

/// `numbers` are the zero points of input and output, and the ends of the clamp.
fn s8(hash: &mut Hash, x: &[i8], w: &[i8], bias: &[i32], scales: &[Multiplier], numbers: [i32; 4], rows: usize) {
    let [input_zero_point, output_zero_point, low, high] = numbers;
    let mut y = [0; MOST];
    for rounding in [Rounding::Double, Rounding::Single] {
        let (weight_zero_point, clamp) = (0, [low, high]);
        let affine = Affine { bias, input_zero_point, weight_zero_point, scales, rounding, output_zero_point, clamp };
        for x in x.chunks_exact(w.len() / rows) {
            fully_connected_s8(x, w, &affine, &mut y[..rows]);
            y[..rows].iter().for_each(|y| hash.add((*y).into()));
        }
    }
}

fn s16x8(hash: &mut Hash, x: &[i16], w: &[i8], bias: &[i64], scales: &[Multiplier], rows: usize) {
    let (mut y, affine) = ([0; MOST], AffineWide { bias, scales, clamp: [-32768, 32767] });
    for x in x.chunks_exact(w.len() / rows) {
        fully_connected_s16x8(x, w, &affine, &mut y[..rows]);
        y[..rows].iter().for_each(|y| hash.add((*y).into()));
    }
}

include!(env!("PLEXUS_CASES"));

/// Layers of every small size at every address, against loops that are written out here: for processors with loops of their own.
fn small_sizes() -> bool {
    static BYTES: [i8; 256] = pattern(37);
    static HALVES: [i16; 256] = long_pattern(25_117);
    let shifts = Shifts::new(3, 5, ShiftRounding::HalfUp);
    let mut right = true;
    for (rows, cols, at) in (0..10 * 10 * 4).map(|n| (n / 40, n / 4 % 10, n % 4)) {
        let (x, w, bias) = (&BYTES[at..][..cols], &BYTES[19 + at * at..][..rows * cols], &BYTES[140..][..rows]);
        let (long_x, long_w, long_bias) =
            (&HALVES[at..][..cols], &HALVES[21 + at..][..rows * cols], &HALVES[7..][..rows]);
        let (mut packed, mut long_packed) = ([0; 81], [0; 81]);
        let (packed, long_packed) = (&mut packed[..rows * cols], &mut long_packed[..rows * cols]);
        let (mut y, mut long_y) = ([0i8; 9], [0i16; 9]);
        let (y, long_y) = (&mut y[..rows], &mut long_y[..rows]);
        let rounded = |bias: i32, sum: i32| (bias << 3).wrapping_add(16).wrapping_add(sum) >> 5;

        let sum = |row: usize| (0..cols).fold(0i32, |sum, i| sum + i32::from(x[i]) * i32::from(w[row * cols + i]));
        let want = |row: usize| rounded(bias[row].into(), sum(row)).clamp(-128, 127);
        fully_connected_q7(x, w, bias, shifts, y);
        right &= y.iter().enumerate().all(|(row, y)| i32::from(*y) == want(row));
        Interleaved::Q7.pack(w, [rows, cols], packed);
        fully_connected_q7_opt(x, packed, bias, shifts, y);
        right &= y.iter().enumerate().all(|(row, y)| i32::from(*y) == want(row));

        let sum = |row: usize| (0..cols).fold(0i32, |sum, i| sum + i32::from(long_x[i]) * i32::from(w[row * cols + i]));
        let want = |row: usize| rounded(bias[row].into(), sum(row)).clamp(-32768, 32767);
        fully_connected_q7_q15(long_x, w, bias, shifts, long_y);
        right &= long_y.iter().enumerate().all(|(row, y)| i32::from(*y) == want(row));
        Interleaved::Q7ForQ15.pack(w, [rows, cols], packed);
        fully_connected_q7_q15_opt(long_x, packed, bias, shifts, long_y);
        right &= long_y.iter().enumerate().all(|(row, y)| i32::from(*y) == want(row));

        let product = |row: usize, i: usize| i32::from(long_x[i]) * i32::from(long_w[row * cols + i]);
        let sum = |row: usize| (0..cols).fold(0i32, |sum, i| sum.wrapping_add(product(row, i)));
        let want = |row: usize| rounded(long_bias[row].into(), sum(row)).clamp(-32768, 32767);
        fully_connected_q15(long_x, long_w, long_bias, shifts, long_y);
        right &= long_y.iter().enumerate().all(|(row, y)| i32::from(*y) == want(row));
        Interleaved::Q15.pack(long_w, [rows, cols], long_packed);
        fully_connected_q15_opt(long_x, long_packed, long_bias, shifts, long_y);
        right &= long_y.iter().enumerate().all(|(row, y)| i32::from(*y) == want(row));

        // A scale of one half, without ties.
        let (scales, output_zero_point, clamp) = ([Multiplier::new(1 << 30, 0)], -5, [-100, 110]);
        for (input_zero_point, weight_zero_point) in [(0, 0), (-128, 0), (127, 3), (5, -128), (300, 1), (1 << 20, 0)] {
            let place = |row: usize, i: usize| {
                (i32::from(x[i]) - input_zero_point).wrapping_mul(i32::from(w[row * cols + i]) - weight_zero_point)
            };
            let sum = |row: usize| (0..cols).fold(0i32, |sum, i| sum.wrapping_add(place(row, i)));
            let rounding = Rounding::Single;
            let bias = &[];
            fully_connected_s8(
                x,
                w,
                &Affine {
                    bias,
                    input_zero_point,
                    weight_zero_point,
                    scales: &scales,
                    rounding,
                    output_zero_point,
                    clamp,
                },
                y,
            );
            let want = |row: usize| (((i64::from(sum(row)) + 1) >> 1) - 5).clamp(-100, 110);
            right &= y.iter().enumerate().all(|(row, y)| i64::from(*y) == want(row));
        }
    }
    right
}

/// Instructions of a layer of 64 outputs and 256 inputs, where the board counts them.
fn count(name: &str, run: impl FnOnce()) {
    let before = board::instructions();
    run();
    if let (Some(before), Some(after)) = (before, board::instructions()) {
        board::print(name);
        board::print(" ");
        print_number(u64::from(after.wrapping_sub(before)), 10);
        board::print("\n");
    }
}

fn print_number(mut value: u64, base: u64) {
    let mut digits = [b'0'; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b"0123456789abcdef"[(value % base) as usize];
        value /= base;
        if value == 0 {
            break;
        }
    }
    if base == 16 {
        first = digits.len() - 16;
    }
    board::print(core::str::from_utf8(&digits[first..]).unwrap_or("?"));
}

/// What the board's start calls.
fn main() {
    let mut hash = Hash(0xcbf2_9ce4_8422_2325);
    run_cases(&mut hash);
    if !small_sizes() {
        board::print("small layers differ\n");
    }
    board::print("hash ");
    print_number(hash.0, 16);
    board::print("\n");

    static INPUT: [i8; 256] = pattern(37);
    static WEIGHT: [i8; 64 * 256] = pattern(101);
    static LONG: [i16; 256] = long_pattern(1009);
    let shifts = Shifts::new(0, 9, ShiftRounding::HalfUp);
    let scales = [Multiplier::new(1 << 30, -8)];
    let affine = Affine {
        bias: &[],
        input_zero_point: -3,
        weight_zero_point: 0,
        scales: &scales,
        rounding: Rounding::Double,
        output_zero_point: 0,
        clamp: [-128, 127],
    };
    static LONG_WEIGHT: [i16; 64 * 256] = long_pattern(4099);
    let (mut y, mut long) = ([0i8; 64], [0i16; 64]);
    let input = core::hint::black_box(&INPUT);
    count("q7", || fully_connected_q7(input, &WEIGHT, &[], shifts, core::hint::black_box(&mut y)));
    count("q7_opt", || fully_connected_q7_opt(input, &WEIGHT, &[], shifts, core::hint::black_box(&mut y)));
    let long_input = core::hint::black_box(&LONG);
    count("q7_q15", || fully_connected_q7_q15(long_input, &WEIGHT, &[], shifts, core::hint::black_box(&mut long)));
    count("q7_q15_opt", || {
        fully_connected_q7_q15_opt(long_input, &WEIGHT, &[], shifts, core::hint::black_box(&mut long));
    });
    count("q15", || fully_connected_q15(long_input, &LONG_WEIGHT, &[], shifts, core::hint::black_box(&mut long)));
    count("q15_opt", || {
        fully_connected_q15_opt(long_input, &LONG_WEIGHT, &[], shifts, core::hint::black_box(&mut long))
    });
    count("s8", || fully_connected_s8(input, &WEIGHT, &affine, core::hint::black_box(&mut y)));
    let many = [Multiplier::new(1 << 30, -8); 64];
    let affine = Affine { scales: core::hint::black_box(&many), ..affine };
    count("s8_per_channel", || fully_connected_s8(input, &WEIGHT, &affine, core::hint::black_box(&mut y)));
    core::hint::black_box((&y, &long));
}

const fn pattern<const N: usize>(step: usize) -> [i8; N] {
    let mut values = [0; N];
    let mut at = 0;
    while at < N {
        values[at] = ((at * step) % 256) as u8 as i8;
        at += 1;
    }
    values
}

const fn long_pattern<const N: usize>(step: usize) -> [i16; N] {
    let mut values = [0; N];
    let mut at = 0;
    while at < N {
        values[at] = ((at * step) % 65536) as u16 as i16;
        at += 1;
    }
    values
}

#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    board::print("panicked\n");
    board::exit(1)
}
