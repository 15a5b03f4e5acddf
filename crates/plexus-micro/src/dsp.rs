//! Products by the DSP instructions of Arm v7E-M (Cortex-M4 and M7): four rows of weights at a time, two products an instruction.
//!
//! `smlad` multiplies the halves of two words and adds both products to a sum, which wraps; `sxtb16` makes halves of every other byte.
//! Sums wrap in any order, so the bits are those of the plain loops. One block of assembly for each loop: of single instructions
//! the compiler would move registers to memory and back.

#![allow(unsafe_code)]

use core::arch::asm;

/// What a loop works on, in the order of its registers.
#[repr(C)]
pub(crate) struct Work {
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
        #[inline(never)]
        unsafe fn $name(work: &mut Work) {
            debug_assert!(work.groups > 0);
            // SAFETY: the registers that the compiler keeps for itself, r6 and r7, come back from the stack as they were; the others are
            // told. `work` is `repr(C)`, ten words, so `ldm` and `stm` read and write fields of it. The rest is read only, and the
            // caller has made sure that it is there. `ldr` takes any address on this architecture.
            unsafe {
                asm!(
                    "push {{r0, r6, r7}}",
                    "ldm r0, {{r1-r10}}",
                    // Four groups a turn; the first turn has those left over, if there are.
                    "ands r0, r5, #3",
                    "beq 2f",
                    "cmp r0, #2",
                    "beq 4f",
                    "bhi 3f",
                    "b 5f",
                    "2:",
                    $group,
                    "3:",
                    $group,
                    "4:",
                    $group,
                    "5:",
                    $group,
                    "subs r5, r5, #4",
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

/// Rows whose sums are given away together.
const TOGETHER: usize = 16;

/// The sums of all rows of weights `[rows, cols]` times inputs less their zero point, which only 8-bit ones have: gives `done` the number
/// of the first row of some, and theirs.
///
/// # Panics
/// Where the weight is not of that size, or the zero point is not one of 15 bits.
#[inline(always)]
pub(crate) fn each_row<X: Pair<W>, W: Copy + Into<i32>>(
    (input, weight, rows): (&[X], &[W], usize),
    zero_point: i32,
    mut done: impl FnMut(usize, &[i32]),
) {
    let cols = input.len();
    assert!(Some(weight.len()) == rows.checked_mul(cols));
    let is_whole = cols > 0 && cols.is_multiple_of(X::WIDTHS[0]);
    let mut sums = [0; TOGETHER];
    for first in (0..rows).step_by(TOGETHER) {
        let sums = &mut sums[..(rows - first).min(TOGETHER)];
        let own = &weight[first * cols..][..sums.len() * cols];
        let mut fours = sums.chunks_exact_mut(4);
        let mut at = 0;
        for sums in &mut fours {
            let own = &own[at * cols..][..4 * cols];
            if is_whole {
                let mut work = Work::new(input, own, 4, zero_point);
                // SAFETY: the groups are of all columns of the input and of each row. The rows that are read are the four of `own`.
                unsafe { X::LOOPS[0](&mut work) };
                sums.copy_from_slice(&work.sums);
            } else {
                sums.copy_from_slice(&products(input, own, 4, zero_point));
            }
            at += 4;
        }
        let rest = fours.into_remainder();
        if !rest.is_empty() {
            let count = rest.len();
            rest.copy_from_slice(&products(input, &own[at * cols..], count, zero_point)[..count]);
        }
        done(first, sums);
    }
}

impl Work {
    #[inline(always)]
    fn new<X: Pair<W>, W>(input: &[X], weight: &[W], rows: usize, zero_point: i32) -> Work {
        let (cols, behind) = (input.len(), rows.saturating_sub(2));
        assert!((-0x3fff..=0x3fff).contains(&zero_point));
        Work {
            rows: [weight.as_ptr().cast(), weight[behind * cols..].as_ptr().cast()],
            stride: if rows == 1 { 0 } else { cols * size_of::<W>() },
            input: input.as_ptr().cast(),
            groups: cols / X::WIDTHS[0],
            offset: u32::from(zero_point.wrapping_neg() as u16) * 0x1_0001,
            sums: [0; 4],
        }
    }
}

/// The sums of one to four rows.
#[inline(never)]
fn products<X: Pair<W>, W: Copy + Into<i32>>(input: &[X], weight: &[W], rows: usize, zero_point: i32) -> [i32; 4] {
    let cols = input.len();
    assert!((1..=4).contains(&rows) && weight.len() == rows * cols);
    let mut work = Work::new(input, weight, rows, zero_point);
    if work.groups > 0 {
        // SAFETY: the groups are of no more columns than the input and each row has. The rows that are read begin at 0, `stride`,
        // `behind` and `behind + stride`: 0 to 3, all of them below `rows`.
        unsafe { X::LOOPS[0](&mut work) };
    }
    // Where there are fewer than four rows, some were read twice.
    let (mut sums, grouped) = ([0i32; 4], cols / X::WIDTHS[0] * X::WIDTHS[0]);
    for (row, sum) in sums[..rows].iter_mut().enumerate() {
        *sum = work.sums[if row < 2 { row } else { row + 4 - rows }];
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
