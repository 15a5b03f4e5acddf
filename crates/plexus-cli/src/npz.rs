//! Arrays that NumPy saved: `.npz`, a zip archive of `.npy` files.
//!
//! # Source
//! "NumPy Enhancement Proposal 1: A Simple File Format for NumPy Arrays".

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// One array of an archive.
#[derive(Debug)]
pub struct Array {
    /// Its name, without `.npy`.
    pub name: String,
    /// Its axes.
    pub shape: Vec<usize>,
    /// The numbers, row-major.
    pub numbers: Vec<f32>,
    /// Whether they are whole numbers of 8 or 16 bits with a sign.
    pub whole: bool,
}

/// More numbers than that are no record of a few rows.
const MOST: usize = 1 << 30;

/// Reads all arrays of a file.
///
/// # Errors
/// What is wrong, in words: with the file, or with one of its arrays.
pub fn read(path: &Path) -> Result<Vec<Array>, String> {
    let shown = path.display();
    let broken = |why: String| format!("{shown} cannot be read: {why}");
    let file = File::open(path).map_err(|error| broken(error.to_string()))?;
    let is_no_archive = |error| broken(format!("{error}; numpy.savez writes such files"));
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(is_no_archive)?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| broken(error.to_string()))?;
        let full = entry.name().map_err(|error| broken(error.to_string()))?.into_owned();
        let name =
            full.strip_suffix(".npy").ok_or_else(|| broken(format!("it holds {full}, which is no array (.npy)")))?;
        let array = array(name, &mut entry).map_err(|why| broken(format!("array \"{name}\": {why}")))?;
        arrays.push(array);
    }
    Ok(arrays)
}

/// One array, from its file.
fn array(name: &str, file: &mut impl Read) -> Result<Array, String> {
    let mut exact = |len: usize, what: &str| -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        file.take(len as u64).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        if bytes.len() == len { Ok(bytes) } else { Err(format!("{what} ends after {} of {len} bytes", bytes.len())) }
    };
    let start = exact(8, "the file")?;
    if start[..6] != *b"\x93NUMPY" {
        return Err("it does not start as an array of NumPy does".to_string());
    }
    // Later versions have more room for the length.
    let len = match start[6] {
        1 => exact(2, "the header")?.iter().rev().fold(0, |len, byte| len << 8 | usize::from(*byte)),
        2 | 3 => exact(4, "the header")?.iter().rev().fold(0, |len, byte| len << 8 | usize::from(*byte)),
        version => return Err(format!("version {version} of the format is not known")),
    };
    if len > 1 << 16 {
        return Err(format!("its header of {len} bytes is too long"));
    }
    let header = String::from_utf8_lossy(&exact(len, "the header")?).into_owned();
    let (dtype, shape) =
        described(&header).ok_or_else(|| format!("its header is not understood: {}", header.trim()))?;
    let numbers = shape.iter().try_fold(1usize, |numbers, axis| numbers.checked_mul(*axis));
    let numbers =
        numbers.filter(|numbers| *numbers <= MOST).ok_or_else(|| format!("{shape:?} numbers are too many"))?;
    let mut of = |size: usize, number: &dyn Fn(&[u8]) -> f32| -> Result<Vec<f32>, String> {
        Ok(exact(numbers * size, "the array")?.chunks_exact(size).map(number).collect())
    };
    macro_rules! each {
        ($($name:literal => $t:ty),*) => {
            match dtype.as_str() {
                $($name => of(size_of::<$t>(), &|bytes| {
                    <$t>::from_le_bytes(bytes.try_into().expect("the size of one")) as f32
                })?,)*
                "|b1" => of(1, &|bytes| f32::from(bytes[0]))?,
                other => {
                    let known = "|i1, |u1, <i2, <u2, <i4, <u4, <i8, <f4, <f8";
                    return Err(format!("numbers of type {other} are not read; expected one of {known}"));
                }
            }
        };
    }
    let values = each!("|i1" => i8, "|u1" => u8, "<i2" => i16, "<u2" => u16, "<i4" => i32, "<u4" => u32, "<i8" => i64, "<f4" => f32, "<f8" => f64);
    Ok(Array { name: name.to_string(), shape, numbers: values, whole: matches!(dtype.as_str(), "|i1" | "<i2") })
}

/// The type of the numbers and the axes, from a header as
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`; `None` for another one, and for columns before rows.
fn described(header: &str) -> Option<(String, Vec<usize>)> {
    let behind = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let dtype = behind("descr")?.strip_prefix('\'')?.split_once('\'')?.0.to_string();
    let is_row_major = behind("fortran_order")?.starts_with("False");
    let axes = behind("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let axes = axes.split(',').map(str::trim).filter(|axis| !axis.is_empty());
    let shape: Vec<usize> = axes.map(|axis| axis.parse().ok()).collect::<Option<_>>()?;
    is_row_major.then_some((dtype, shape))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::write::SimpleFileOptions;

    fn npy(header: &str, bytes: &[u8]) -> Vec<u8> {
        let mut file = b"\x93NUMPY\x01\x00".to_vec();
        file.extend((header.len() as u16).to_le_bytes());
        file.extend(header.as_bytes());
        file.extend(bytes);
        file
    }

    fn archive(entries: &[(&str, Vec<u8>)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut archive = zip::ZipWriter::new(file.reopen().unwrap());
        for (at, (name, bytes)) in entries.iter().enumerate() {
            // As numpy.savez and as numpy.savez_compressed write.
            let method = [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated][at % 2];
            archive.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap();
        file
    }

    #[test]
    fn arrays_are_read_with_their_types() {
        let floats: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let file = archive(&[
            ("a.npy", npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }     \n", &floats)),
            ("b.npy", npy("{'descr': '|i1', 'fortran_order': False, 'shape': (3,), }\n", &[255, 0, 7])),
            ("c.npy", npy("{'descr': '<i4', 'fortran_order': False, 'shape': (), }\n", &[0, 1, 0, 0])),
        ]);
        let arrays = read(file.path()).unwrap();
        let told: Vec<_> = arrays.iter().map(|a| (a.name.as_str(), &a.shape[..], &a.numbers[..], a.whole)).collect();
        let want: [(&str, &[usize], &[f32], bool); 3] =
            [("a", &[1, 2], &[1.5, -2.0], false), ("b", &[3], &[-1.0, 0.0, 7.0], true), ("c", &[], &[256.0], false)];
        assert_eq!(told, want);
    }

    #[test]
    fn what_is_no_array_is_told() {
        let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }";
        for (entry, want) in [
            (("a.npy", npy(header, &[0; 15])), "array \"a\": the array ends after 15 of 16 bytes"),
            (("a.npy", b"nothing".to_vec()), "the file ends after 7 of 8 bytes"),
            (("a.npy", b"nothing at all".to_vec()), "does not start as an array"),
            (("a.txt", Vec::new()), "a.txt, which is no array"),
            (("a.npy", npy(&header.replace("False", "True"), &[0; 16])), "header is not understood"),
            (("a.npy", npy(&header.replace("<f4", "<c8"), &[0; 32])), "type <c8 are not read"),
            (("a.npy", npy(&header.replace("(2, 2)", "(99999999, 99999999, 99999999)"), &[])), "too many"),
        ] {
            let told = read(archive(&[entry]).path()).unwrap_err();
            assert!(told.contains(want), "{told}");
        }
        let told = read(Path::new("not-there.npz")).unwrap_err();
        assert!(told.contains("not-there.npz cannot be read"), "{told}");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"no archive").unwrap();
        assert!(read(file.path()).unwrap_err().contains("numpy.savez"));
    }
}
