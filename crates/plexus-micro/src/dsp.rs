//! Products by the DSP instructions of Arm v7E-M (Cortex-M4 and M7): four rows of weights at a time, two products an instruction.
//!
//! `smlad` multiplies the halves of two words and adds both products to a sum, which wraps; `sxtb16` makes halves of every other byte.
//! Sums wrap in any order, so the bits are those of the plain loops. One block of assembly for each loop: of single instructions
//! the compiler would move registers to memory and back.

#![allow(unsafe_code)]

use core::arch::asm;

/// What a loop works on, in the order of its registers.
#[repr(C)]
struct Work {
    /// Two rows, or the only one twice, and how far the second one is from the first.
    rows: [*const u8; 2],
    stride: usize,
    input: *const u8,
    /// Groups of columns; at least one.
    groups: usize,
    /// Added to each half of the inputs.
    offset: u32,
    sums: [i32; 4],
}

/// A loop over groups of columns. In its steps r1 and r2 are the rows, r3 the stride, r4 the input, r6 the offset, r7 to r10 the sums;
/// r0, r11, r12 and lr are free.
macro_rules! steps {
    ($(#[$doc:meta])* $name:ident: $group:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// All that the groups read has to be there.
        unsafe fn $name(work: &mut Work) {
            debug_assert!(work.groups > 0);
            // SAFETY: the registers that the compiler keeps for itself, r6 and r7, come back from the stack as they were; the others are
            // told. `work` is `repr(C)`, ten words, so `ldm` and `stm` read and write fields of it. The rest is read only, and the
            // caller has made sure that it is there. `ldr` takes any address on this architecture.
            unsafe {
                asm!(
                    "push {{r0, r6, r7}}",
                    "ldm r0, {{r1-r10}}",
                    // Two groups a turn; of an odd number the first turn is the second half.
                    "tst r5, #1",
                    "bne 3f",
                    "2:",
                    $group,
                    "3:",
                    $group,
                    "subs r5, r5, #2",
                    "bhi 2b",
                    "ldr r0, [sp]",
                    "adds r0, #24",
                    "stm r0, {{r7-r10}}",
                    "pop {{r0, r6, r7}}",
                    in("r0") &raw mut *work,
                    out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
                    out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
                );
            }
        }
    };
}

/// Four 8-bit inputs as halves: r11 has those of even columns, r12 those of odd ones.
macro_rules! bytes {
    () => {
        "ldr r12, [r4], #4
        sxtab16 r11, r6, r12
        sxtab16 r12, r6, r12, ror #8
        "
    };
}

/// Four 16-bit inputs, in the same order.
macro_rules! halves {
    () => {
        "ldr r0, [r4], #4
        ldr lr, [r4], #4
        pkhbt r11, r0, lr, lsl #16
        pkhtb r12, lr, r0, asr #16
        "
    };
}

/// Four 8-bit weights of a row, times r11 and r12.
macro_rules! row {
    ($from:literal, $sum:literal) => {
        concat!(
            "ldr lr, ",
            $from,
            "
            sxtb16 r0, lr
            sxtb16 lr, lr, ror #8
            smlad ",
            $sum,
            ", r0, r11, ",
            $sum,
            "
            smlad ",
            $sum,
            ", lr, r12, ",
            $sum,
            "
            "
        )
    };
}

/// The same of four rows.
macro_rules! four_rows {
    () => {
        concat!(row!("[r1, r3]", "r8"), row!("[r1], #4", "r7"), row!("[r2, r3]", "r10"), row!("[r2], #4", "r9"))
    };
}

/// A word of interleaved weights: two bytes of a row, two of the next, times a word of inputs.
macro_rules! pair {
    ($input:literal, $even:literal, $odd:literal) => {
        concat!(
            "ldr lr, [r1], #4
            sxtb16 r0, lr
            sxtb16 lr, lr, ror #8
            smlad ",
            $even,
            ", r0, ",
            $input,
            ", ",
            $even,
            "
            smlad ",
            $odd,
            ", lr, ",
            $input,
            ", ",
            $odd,
            "
            "
        )
    };
}

/// A word of 16-bit weights of a row, times r11.
macro_rules! word {
    ($from:literal, $sum:literal) => {
        concat!(
            "ldr r0, ",
            $from,
            "
            smlad ",
            $sum,
            ", r0, r11, ",
            $sum,
            "
            "
        )
    };
}

steps!(
    /// 8-bit inputs and rows of 8-bit weights, four columns a group.
    rows_of_bytes: concat!(bytes!(), four_rows!())
);
steps!(
    /// 16-bit inputs and rows of 8-bit weights, four columns a group.
    rows_of_bytes_with_halves: concat!(halves!(), four_rows!())
);
steps!(
    /// 16-bit inputs and rows of 16-bit weights, two columns a group.
    rows_of_halves: concat!(
        "ldr r11, [r4], #4
        ",
        word!("[r1, r3]", "r8"), word!("[r1], #4", "r7"), word!("[r2, r3]", "r10"), word!("[r2], #4", "r9")
    )
);
steps!(
    /// 8-bit inputs and weights in the layout `Interleaved::Q7`, four columns a group.
    interleaved_bytes: concat!(
        bytes!(),
        pair!("r11", "r7", "r8"), pair!("r11", "r9", "r10"), pair!("r12", "r7", "r8"), pair!("r12", "r9", "r10")
    )
);
steps!(
    /// 16-bit inputs and weights in the layout `Interleaved::Q7ForQ15`, two columns a group.
    interleaved_bytes_with_halves: concat!(
        "ldr r11, [r4], #4
        ",
        pair!("r11", "r7", "r8"), pair!("r11", "r9", "r10")
    )
);
steps!(
    /// 16-bit inputs and weights in the layout `Interleaved::Q15`, two columns a group.
    interleaved_halves: concat!(
        "ldr r11, [r4], #4
        ",
        word!("[r1], #4", "r7"), word!("[r1], #4", "r8"), word!("[r1], #4", "r9"), word!("[r1], #4", "r10")
    )
);

/// A pair of types of inputs and weights, with its loops.
pub(crate) trait Pair<W>: Copy + Into<i32> {
    /// Columns of a group of rows, and of interleaved weights.
    const WIDTHS: [usize; 2];
    const LOOPS: [unsafe fn(&mut Work); 2];
}

impl Pair<i8> for i8 {
    const WIDTHS: [usize; 2] = [4, 4];
    const LOOPS: [unsafe fn(&mut Work); 2] = [rows_of_bytes, interleaved_bytes];
}

impl Pair<i8> for i16 {
    const WIDTHS: [usize; 2] = [4, 2];
    const LOOPS: [unsafe fn(&mut Work); 2] = [rows_of_bytes_with_halves, interleaved_bytes_with_halves];
}

impl Pair<i16> for i16 {
    const WIDTHS: [usize; 2] = [2, 2];
    const LOOPS: [unsafe fn(&mut Work); 2] = [rows_of_halves, interleaved_halves];
}

/// The sums of one to four rows of weights `[rows, cols]` times inputs less their zero point, which only 8-bit ones have.
///
/// # Panics
/// Where the weight is not of that size, or the zero point is not one of 15 bits.
#[inline]
pub(crate) fn products<X: Pair<W>, W: Copy + Into<i32>>(
    input: &[X],
    weight: &[W],
    rows: usize,
    zero_point: i32,
) -> [i32; 4] {
    let cols = input.len();
    assert!((1..=4).contains(&rows) && weight.len() == rows * cols);
    assert!((-0x3fff..=0x3fff).contains(&zero_point));
    let (stride, behind) = (if rows == 1 { 0 } else { cols }, rows.saturating_sub(2));
    let width = X::WIDTHS[0];
    let mut work = Work {
        rows: [weight.as_ptr().cast(), weight[behind * cols..].as_ptr().cast()],
        stride: stride * size_of::<W>(),
        input: input.as_ptr().cast(),
        groups: cols / width,
        offset: u32::from(zero_point.wrapping_neg() as u16) * 0x1_0001,
        sums: [0; 4],
    };
    if work.groups > 0 {
        // SAFETY: the groups are of `cols / width * width` columns, no more than the input and each row has. The rows that are read begin at
        // 0, `stride`, `behind · cols` and `behind · cols + stride`: 0 to 3, all of them below `rows`.
        unsafe { X::LOOPS[0](&mut work) };
    }
    // Where there are fewer than four rows, some were read twice.
    let mut sums = [0i32; 4];
    for (row, sum) in sums[..rows].iter_mut().enumerate() {
        *sum = work.sums[if row < 2 { row } else { row + 4 - rows }];
        let grouped = cols / width * width;
        for (x, w) in input[grouped..].iter().zip(&weight[row * cols + grouped..]) {
            *sum = sum.wrapping_add(((*x).into() - zero_point).wrapping_mul((*w).into()));
        }
    }
    sums
}

/// The sums of four rows of interleaved weights times inputs.
///
/// # Panics
/// Where the weight is not of four rows.
#[inline]
pub(crate) fn interleaved_products<X: Pair<W>, W: Copy + Into<i32>>(input: &[X], block: &[W]) -> [i32; 4] {
    assert!(block.len() == 4 * input.len());
    let width = X::WIDTHS[1];
    let start: *const u8 = block.as_ptr().cast();
    let mut work = Work {
        rows: [start, start],
        stride: 0,
        input: input.as_ptr().cast(),
        groups: input.len() / width,
        offset: 0,
        sums: [0; 4],
    };
    if work.groups > 0 {
        // SAFETY: the groups are of `len / width * width` columns, no more than the input has, and four rows of each are in the block.
        unsafe { X::LOOPS[1](&mut work) };
    }
    let grouped = input.len() / width * width;
    for (x, column) in input[grouped..].iter().zip(block[4 * grouped..].chunks_exact(4)) {
        for (sum, w) in work.sums.iter_mut().zip(column) {
            *sum = sum.wrapping_add((*x).into().wrapping_mul((*w).into()));
        }
    }
    work.sums
}
