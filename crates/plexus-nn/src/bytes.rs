//! Numbers as bytes of files: little-endian, one after the other.

use crate::view::DType;
use std::io::{self, Read, Write};

/// Reads numbers straight into their place.
///
/// # Errors
/// What the reader says; `UnexpectedEof` where it ends too early.
///
/// # Examples
/// ```
/// let mut numbers = [0.0; 2];
/// plexus_nn::bytes::read(&mut [0, 0, 128, 63, 0, 0, 0, 64].as_slice(), &mut numbers).unwrap();
/// assert_eq!(numbers, [1.0, 2.0]);
/// ```
pub fn read(reader: &mut (impl Read + ?Sized), numbers: &mut [f32]) -> io::Result<()> {
    reader.read_exact(bytemuck::cast_slice_mut(numbers))?;
    if cfg!(target_endian = "big") {
        let words: &mut [u32] = bytemuck::cast_slice_mut(numbers);
        words.iter_mut().for_each(|word| *word = word.swap_bytes());
    }
    Ok(())
}

/// Writes numbers.
///
/// # Errors
/// What the writer says.
///
/// # Examples
/// ```
/// let mut bytes = Vec::new();
/// plexus_nn::bytes::write(&mut bytes, &[1.0, 2.0]).unwrap();
/// assert_eq!(bytes, [0, 0, 128, 63, 0, 0, 0, 64]);
/// ```
pub fn write(writer: &mut (impl Write + ?Sized), numbers: &[f32]) -> io::Result<()> {
    if cfg!(target_endian = "little") {
        return writer.write_all(bytemuck::cast_slice(numbers));
    }
    let mut piece = [0; 4096];
    for numbers in numbers.chunks(piece.len() / 4) {
        for (to, number) in piece.as_chunks_mut::<4>().0.iter_mut().zip(numbers) {
            *to = number.to_le_bytes();
        }
        writer.write_all(&piece[..4 * numbers.len()])?;
    }
    Ok(())
}

/// Numbers of a file that are read at a time.
const PIECE: usize = 1024;

/// Reads numbers of a type as floats, which hold whole numbers of 24 significant bits.
///
/// # Errors
/// What the reader says; `UnexpectedEof` where it ends too early, `InvalidData` for a whole number of more bits.
pub fn read_as(dtype: DType, reader: &mut (impl Read + ?Sized), numbers: &mut [f32]) -> io::Result<()> {
    if dtype == DType::F32 {
        return read(reader, numbers);
    }
    let (size, mut piece) = (dtype.size(), [0; 8 * PIECE]);
    for numbers in numbers.chunks_mut(PIECE) {
        let bytes = &mut piece[..size * numbers.len()];
        reader.read_exact(bytes)?;
        for (number, bytes) in numbers.iter_mut().zip(bytes.chunks_exact(size)) {
            // The sign stands in the last byte.
            let negative = bytes[size - 1] >> 7 == 1 && !matches!(dtype, DType::U8 | DType::U32);
            let mut wide = [if negative { 0xff } else { 0 }; 8];
            wide[..size].copy_from_slice(bytes);
            let whole = i64::from_le_bytes(wide);
            *number = whole as f32;
            if *number as i128 != i128::from(whole) {
                let message = format!("the whole number {whole} has more than 24 significant bits");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
    }
    Ok(())
}

/// Writes floats as numbers of a type, which they are.
///
/// # Errors
/// What the writer says.
pub fn write_as(dtype: DType, writer: &mut (impl Write + ?Sized), numbers: &[f32]) -> io::Result<()> {
    if dtype == DType::F32 {
        return write(writer, numbers);
    }
    let (size, mut piece) = (dtype.size(), [0; 8 * PIECE]);
    for numbers in numbers.chunks(PIECE) {
        for (number, bytes) in numbers.iter().zip(piece.chunks_exact_mut(size)) {
            bytes.copy_from_slice(&(*number as i64).to_le_bytes()[..size]);
        }
        writer.write_all(&piece[..size * numbers.len()])?;
    }
    Ok(())
}
