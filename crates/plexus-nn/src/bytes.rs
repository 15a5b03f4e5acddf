//! Numbers as bytes of files: `f32`, little-endian, one after the other.

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
