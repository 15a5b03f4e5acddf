//! The matrix unit of x86-64 (AMX-TILE, AMX-BF16, AMX-INT8): products of tiles of 16 rows by 64 bytes.
//!
//! ```text
//! sums[i, j] = Σ_p dot( a[i, p], b[p, j] )      a word holds two bfloat16 or four bytes; dot is over what it holds
//! ```
//!
//! The compiler has no intrinsics for these instructions, so each inner loop is one `asm!` block: it clears the sums,
//! runs over all steps of all strips and stores the sums; no tile register lives from one block to the next. What does
//! live on is the shape of the tiles, which [`Tiles`] sets and releases.
//!
//! Two shapes. Seventeen to 32 rows by 32 columns: four tiles of sums, two of each operand, so that four loads serve
//! four products. One to sixteen rows by 64 columns: four independent sums hide the latency of a product (52 cycles, of
//! which the unit is busy for 16 at most), and the words of b are read once.
//!
//! # Source
//! Intel 64 manual, volume 2 (LDTILECFG, TDPBF16PS, TDPBSSD), volume 1 chapter 18; Linux,
//! `Documentation/arch/x86/xstate.rst` for the permission.
#![allow(unsafe_code)]

use super::Vectorized;
use super::avx512bf16::Avx512Bf16;
use super::pairs::{PairDot, ROWS, STEP, Strip, Sums};
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// Proof that the processor has the matrix unit and that the system lets this program use it; made only by
/// [`Amx::detect`].
#[derive(Clone, Copy, Debug)]
pub struct Amx(Avx512Bf16);

impl Amx {
    /// The token, where this processor has the unit and the system grants it.
    ///
    /// The first call asks the system (Linux) for the permission that holds for all threads of the program.
    pub fn detect() -> Option<Self> {
        static AVAILABLE: OnceLock<bool> = OnceLock::new();
        let floats = Avx512Bf16::detect()?;
        AVAILABLE
            .get_or_init(|| has_instructions() && state_is_enabled() && permission_is_granted())
            .then_some(Amx(floats))
    }

    /// Runs a generic body compiled with AVX-512 and AVX512-BF16. Its verbs are those of AVX-512.
    #[inline]
    pub fn run<V: Vectorized>(self, body: V) -> V::Output {
        self.0.run_pairs(body)
    }

    /// Takes the unit of this thread for products of `rows` rows, until the guard is dropped.
    ///
    /// # Panics
    /// Where this thread has taken it already, or `rows` is not in `1..=32`.
    pub fn tiles(self, rows: usize) -> Tiles {
        let before = TAKEN.replace(true);
        assert!(!before, "this thread uses its matrix unit already");
        let mut tiles = Tiles { rows: 0, stays: PhantomData };
        tiles.set_rows(rows);
        tiles
    }
}

thread_local! {
    /// Whether a [`Tiles`] of this thread exists: a second one would change the shape under the first.
    static TAKEN: Cell<bool> = const { Cell::new(false) };
}

/// AMX-BF16, AMX-TILE and AMX-INT8: leaf 7, EDX bits 22, 24 and 25.
fn has_instructions() -> bool {
    const WANTED: u32 = 1 << 22 | 1 << 24 | 1 << 25;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & WANTED == WANTED
}

/// Whether the system saves the tile registers: XCR0 bits 17 and 18.
fn state_is_enabled() -> bool {
    let (low, _high): (u32, u32);
    // SAFETY: XGETBV reads XCR0. It exists, because AVX-512 was detected, which is not without it.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") low, out("edx") _high, options(nomem, nostack, preserves_flags)) };
    low >> 17 & 3 == 3
}

/// Asks Linux to let this program use the tile registers: `arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)`.
fn permission_is_granted() -> bool {
    #[cfg(target_os = "linux")]
    {
        const ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        const XTILEDATA: u64 = 18;
        let result: i64;
        // SAFETY: a system call with two numbers; it touches no memory of this program. The kernel changes RAX, RCX and
        // R11. A kernel that does not know it answers with an error.
        unsafe {
            asm!("syscall", inlateout("rax") ARCH_PRCTL => result, in("rdi") ARCH_REQ_XCOMP_PERM, in("rsi") XTILEDATA,
                lateout("rcx") _, lateout("r11") _, options(nostack));
        }
        result == 0
    }
    #[cfg(not(target_os = "linux"))]
    {
        false
    }
}

/// The matrix unit of this thread, with the shape of its tiles set.
///
/// A thread has one; another cannot be taken while it lives.
#[derive(Debug)]
pub struct Tiles {
    rows: usize,
    /// The tile registers belong to this thread.
    stays: PhantomData<*const ()>,
}

/// The operand of LDTILECFG.
#[repr(C, align(64))]
struct Shape {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Tiles {
    /// Changes the number of rows of the next products.
    ///
    /// # Panics
    /// Where `rows` is not in `1..=32`.
    #[inline]
    pub fn set_rows(&mut self, rows: usize) {
        assert!((1..=ROWS).contains(&rows), "a product of one to 32 rows");
        if rows == self.rows {
            return;
        }
        let (first, second) = (rows.min(16) as u8, rows.saturating_sub(16) as u8);
        let tiles = match second {
            // Four sums, one tile of a, two of b that take turns.
            0 => [first, first, first, first, first, 16, 16, 0],
            // Sums two by two, two tiles of a, two of b.
            _ => [first, first, second, second, first, second, 16, 16],
        };
        let mut shape = Shape { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
        for (tile, rows) in tiles.into_iter().enumerate() {
            shape.rows[tile] = rows;
            shape.row_bytes[tile] = if rows == 0 { 0 } else { 64 };
        }
        // SAFETY: an `Amx` exists, because only it makes a `Tiles`: instruction and permission are there. It reads the 64
        // bytes of `shape`, a valid palette 1, and clears the tile registers, in which nothing lives.
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) &raw const shape, options(nostack, readonly, preserves_flags),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _);
        }
        self.rows = rows;
    }

    /// Panels of sixteen columns of one product with the rows set: four up to sixteen rows, else two.
    #[inline]
    pub fn panels(&self) -> usize {
        if self.rows <= 16 { 4 } else { 2 }
    }

    /// The addresses of the strips, after asserting that all that is read lies inside them.
    #[inline]
    fn addresses(&self, strips: &[Strip<'_>], panels: usize, steps: usize) -> [[*const u32; 5]; 3] {
        assert!((1..=3).contains(&strips.len()) && steps > 0, "one to three strips of one step or more");
        assert!((1..=self.panels()).contains(&panels), "one panel or more, and at most those of the shape");
        let mut addresses = [[std::ptr::null(); 5]; 3];
        for (strip, addresses) in strips.iter().zip(&mut addresses) {
            let Strip { a, a_stride, b, b_stride } = *strip;
            let a_end = (self.rows - 1).checked_mul(a_stride).and_then(|row| row.checked_add(steps * STEP));
            let b_end = (panels - 1).checked_mul(b_stride).and_then(|panel| panel.checked_add(steps * STEP * 16));
            assert!(a_end.is_some_and(|end| end <= a.len()), "rows of a lie inside the slice");
            assert!(b_end.is_some_and(|end| end <= b.len()), "panels of b lie inside the slice");
            // The shape may have more panels than are wanted: those take the last one again.
            let panel = |index: usize| b[index.min(panels - 1) * b_stride..].as_ptr();
            *addresses = if self.rows <= 16 {
                [a.as_ptr(), panel(0), panel(1), panel(2), panel(3)]
            } else {
                [a.as_ptr(), a[16 * a_stride..].as_ptr(), panel(0), panel(1), std::ptr::null()]
            };
        }
        addresses
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: an `Amx` exists, as above. It clears the tile registers, in which nothing lives.
        unsafe {
            asm!("tilerelease", options(nostack, nomem, preserves_flags),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _);
        }
        TAKEN.set(false);
    }
}

/// One product with one instruction. Registers: see the two shapes in [`Tiles::set_rows`].
macro_rules! product {
    ($(#[$doc:meta])* $name:ident, $sum:ty, $instruction:literal) => {
        impl Tiles {
            $(#[$doc])*
            ///
            /// The sums run over all strips, `steps` steps of sixteen words each.
            /// Columns of `sums` beyond the panels, up to those of the shape, hold unspecified numbers afterwards.
            ///
            /// # Shapes
            /// - `strips`: one to three; `a` at least `(rows - 1) · a_stride + 16 · steps` words, `b` at least
            ///   `(panels - 1) · b_stride + 256 · steps`; all of one `a_stride`
            /// - `panels`: at most [`panels`](Tiles::panels)
            /// - `sums`: `rows` rows, of which the first `16 · panels` elements are the result
            ///
            /// # Panics
            /// Where a slice is shorter, or there are no steps.
            #[inline]
            pub fn $name(&mut self, strips: &[Strip<'_>], panels: usize, steps: usize, sums: &mut Sums<$sum>) {
                let addresses = self.addresses(strips, panels, steps);
                // A stride is used between rows that exist: its bytes fit, unless there is one row and it is not used.
                let stride = strips[0].a_stride.wrapping_mul(4);
                assert!(strips.iter().all(|strip| strip.a_stride == strips[0].a_stride), "strips of one stride");
                if self.rows <= 16 {
                    // SAFETY: the unit is there, and its shape is that of `self.rows`: `self` exists, `set_rows` set it,
                    // and no other `Tiles` of this thread does. Reads: `steps` times 64 bytes of each row of a and 1024
                    // bytes of four panels of b, which `addresses` asserted to lie in their slices. Writes: at most 16
                    // rows of 256 bytes at `sums`, which has 32.
                    unsafe {
                        asm!(
                            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                            "2:",
                            "mov {a}, [{strip}]",
                            "mov {b0}, [{strip} + 8]",
                            "mov {b1}, [{strip} + 16]",
                            "mov {b2}, [{strip} + 24]",
                            "mov {b3}, [{strip} + 32]",
                            "mov {left}, {steps}",
                            "3:",
                            "tileloadd tmm4, [{a} + {stride}*1]",
                            "tileloadd tmm5, [{b0} + {line}*1]",
                            concat!($instruction, " tmm0, tmm4, tmm5"),
                            "tileloadd tmm6, [{b1} + {line}*1]",
                            concat!($instruction, " tmm1, tmm4, tmm6"),
                            "tileloadd tmm5, [{b2} + {line}*1]",
                            concat!($instruction, " tmm2, tmm4, tmm5"),
                            "tileloadd tmm6, [{b3} + {line}*1]",
                            concat!($instruction, " tmm3, tmm4, tmm6"),
                            "add {a}, 64",
                            "add {b0}, 1024",
                            "add {b1}, 1024",
                            "add {b2}, 1024",
                            "add {b3}, 1024",
                            "dec {left}",
                            "jnz 3b",
                            "add {strip}, 40",
                            "cmp {strip}, {end}",
                            "jne 2b",
                            "mov {left:e}, 256",
                            "tilestored [{sums} + {left}*1], tmm0",
                            "tilestored [{sums} + {left}*1 + 64], tmm1",
                            "tilestored [{sums} + {left}*1 + 128], tmm2",
                            "tilestored [{sums} + {left}*1 + 192], tmm3",
                            strip = inout(reg) addresses.as_ptr() => _,
                            end = in(reg) addresses[..strips.len()].as_ptr_range().end,
                            steps = in(reg) steps,
                            stride = in(reg) stride,
                            line = in(reg) 64usize,
                            sums = in(reg) sums.as_mut_ptr(),
                            a = out(reg) _, b0 = out(reg) _, b1 = out(reg) _, b2 = out(reg) _, b3 = out(reg) _,
                            left = out(reg) _,
                            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                            options(nostack),
                        );
                    }
                } else {
                    // SAFETY: as above; reads two panels of b; writes at most 32 rows of 128 bytes, 256 bytes apart.
                    unsafe {
                        asm!(
                            "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                            "2:",
                            "mov {a0}, [{strip}]",
                            "mov {a1}, [{strip} + 8]",
                            "mov {b0}, [{strip} + 16]",
                            "mov {b1}, [{strip} + 24]",
                            "mov {left}, {steps}",
                            "3:",
                            "tileloadd tmm6, [{b0} + {line}*1]",
                            "tileloadd tmm4, [{a0} + {stride}*1]",
                            concat!($instruction, " tmm0, tmm4, tmm6"),
                            "tileloadd tmm7, [{b1} + {line}*1]",
                            concat!($instruction, " tmm1, tmm4, tmm7"),
                            "tileloadd tmm5, [{a1} + {stride}*1]",
                            concat!($instruction, " tmm2, tmm5, tmm6"),
                            concat!($instruction, " tmm3, tmm5, tmm7"),
                            "add {a0}, 64",
                            "add {a1}, 64",
                            "add {b0}, 1024",
                            "add {b1}, 1024",
                            "dec {left}",
                            "jnz 3b",
                            "add {strip}, 40",
                            "cmp {strip}, {end}",
                            "jne 2b",
                            "mov {left:e}, 256",
                            "tilestored [{sums} + {left}*1], tmm0",
                            "tilestored [{sums} + {left}*1 + 64], tmm1",
                            "tilestored [{sums} + {left}*1 + 4096], tmm2",
                            "tilestored [{sums} + {left}*1 + 4160], tmm3",
                            strip = inout(reg) addresses.as_ptr() => _,
                            end = in(reg) addresses[..strips.len()].as_ptr_range().end,
                            steps = in(reg) steps,
                            stride = in(reg) stride,
                            line = in(reg) 64usize,
                            sums = in(reg) sums.as_mut_ptr(),
                            a0 = out(reg) _, a1 = out(reg) _, b0 = out(reg) _, b1 = out(reg) _,
                            left = out(reg) _,
                            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                            options(nostack),
                        );
                    }
                }
            }
        }
    };
}

product! {
    /// Words of two bfloat16. Each step adds the sum of its even products and that of its odd ones, in f32, rounded to
    /// nearest; denormal operands and results are zero.
    bf16, f32, "tdpbf16ps"
}
product! {
    /// Words of four bytes, both operands signed. Sums are i32 and wrap.
    i8_by_i8, i32, "tdpbssd"
}
product! {
    /// Words of four bytes, those of a unsigned. Sums are i32 and wrap.
    u8_by_i8, i32, "tdpbusd"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::pairs::{COLS, widen};
    use crate::skipped::unless_available;

    /// Small whole numbers, so that every sum is exact.
    fn words(len: usize, seed: u32, word: impl Fn([i8; 4]) -> u32) -> Vec<u32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as i8
        };
        (0..len).map(|_| word([next(), next(), next(), next()])).collect()
    }

    fn whole_pair(bytes: [i8; 4]) -> u32 {
        let half = |byte: i8| f32::from(byte).to_bits() >> 16;
        half(bytes[0]) | half(bytes[1]) << 16
    }

    #[test]
    fn products_are_the_plain_ones_for_every_number_of_rows() {
        if !unless_available("products_are_the_plain_ones_for_every_number_of_rows") {
            return;
        }
        let amx = Amx::detect().expect("it is available");
        for rows in 1..=ROWS {
            for (steps, parts) in [(1, 1), (2, 3), (5, 2)] {
                let (a_stride, b_stride) = (steps * STEP + 3, steps * 256 + 5);
                let mut tiles = amx.tiles(rows);
                // Also fewer panels than the shape has.
                let panels = tiles.panels() - rows % 2;
                let cols = 16 * panels;
                let check = |kind: &str,
                             dot: &dyn Fn(u32, u32) -> f64,
                             got: &dyn Fn(usize, usize) -> f64,
                             a: &[Vec<u32>],
                             b: &[Vec<u32>]| {
                    for i in 0..rows {
                        for j in 0..cols {
                            let mut want = 0.0;
                            for (a, b) in a.iter().zip(b) {
                                for p in 0..steps * STEP {
                                    want += dot(a[i * a_stride + p], b[j / 16 * b_stride + p * 16 + j % 16]);
                                }
                            }
                            assert_eq!(got(i, j), want, "{kind} {rows} rows {steps} steps {parts} strips [{i}, {j}]");
                        }
                    }
                };
                let operands = |word: fn([i8; 4]) -> u32| {
                    let a: Vec<_> =
                        (0..parts).map(|part| words((rows - 1) * a_stride + steps * STEP, part as u32, word)).collect();
                    let b: Vec<_> = (0..parts)
                        .map(|part| words((panels - 1) * b_stride + steps * 256, 7 + part as u32, word))
                        .collect();
                    (a, b)
                };
                fn strips<'a>(
                    a: &'a [Vec<u32>],
                    b: &'a [Vec<u32>],
                    a_stride: usize,
                    b_stride: usize,
                ) -> Vec<Strip<'a>> {
                    a.iter().zip(b).map(|(a, b)| Strip { a, a_stride, b, b_stride }).collect()
                }
                let (a, b) = operands(whole_pair);
                let mut sums = [[f32::NAN; COLS]; ROWS];
                tiles.bf16(&strips(&a, &b, a_stride, b_stride), panels, steps, &mut sums);
                let dot = |x: u32, w: u32| {
                    let ([x0, x1], [w0, w1]) = (widen(x), widen(w));
                    f64::from(x0 * w0) + f64::from(x1 * w1)
                };
                check("bf16", &dot, &|i, j| f64::from(sums[i][j]), &a, &b);
                assert!(sums[rows..].iter().flatten().all(|sum| sum.is_nan()), "rows beyond are not touched");

                let (a, b) = operands(|bytes| u32::from_le_bytes(bytes.map(i8::cast_unsigned)));
                let mut sums = [[-1i32; COLS]; ROWS];
                tiles.i8_by_i8(&strips(&a, &b, a_stride, b_stride), panels, steps, &mut sums);
                let signed = |x: u32| x.to_le_bytes().map(|byte| f64::from(byte.cast_signed()));
                let unsigned = |x: u32| x.to_le_bytes().map(f64::from);
                let sum = |x: [f64; 4], w: [f64; 4]| (0..4).map(|at| x[at] * w[at]).sum::<f64>();
                check("i8", &|x, w| sum(signed(x), signed(w)), &|i, j| f64::from(sums[i][j]), &a, &b);
                tiles.u8_by_i8(&strips(&a, &b, a_stride, b_stride), panels, steps, &mut sums);
                check("u8", &|x, w| sum(unsigned(x), signed(w)), &|i, j| f64::from(sums[i][j]), &a, &b);
            }
        }
    }

    #[test]
    fn a_thread_has_one_unit_and_gives_it_back() {
        if !unless_available("a_thread_has_one_unit_and_gives_it_back") {
            return;
        }
        let amx = Amx::detect().expect("it is available");
        let first = amx.tiles(1);
        assert!(std::thread::spawn(move || amx.tiles(3).panels()).join().is_ok(), "another thread has its own");
        assert!(std::panic::catch_unwind(|| amx.tiles(1)).is_err());
        drop(first);
        // The refused attempt left the unit marked as taken only while `first` lived.
        assert_eq!(amx.tiles(17).panels(), 2);
    }
}
