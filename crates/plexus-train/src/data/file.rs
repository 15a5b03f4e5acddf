//! The bytes of a file that should be a table: read whole, unpacked where it is gzip, other formats told by their first
//! bytes.

use crate::error::DataError;
use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// How much more than the packed file an unpacked one may hold: text packs to a tenth or so, a bomb to a thousandth.
const MOST_GROWTH: u64 = 200;

/// Unpacked sizes that are always allowed, in bytes.
const SMALL: u64 = 64 << 20;

/// What to call a path in messages.
pub(super) fn origin(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_string() } else { path.display().to_string() }
}

/// Reads a whole file, or standard input for `-`.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, DataError> {
    let failed = |source| DataError::Io { path: path.into(), source };
    let bytes = if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(failed)?;
        bytes
    } else {
        if !std::fs::metadata(path).map_err(failed)?.is_file() {
            // A device or a pipe may have no end.
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a plain file")));
        }
        std::fs::read(path).map_err(failed)?
    };
    let bytes = if bytes.starts_with(b"\x1f\x8b") { unpacked(path, &bytes)? } else { bytes };
    match other_format(path, &bytes) {
        Some((what, help)) => Err(DataError::NotATable { path: path.into(), what, help }),
        None => Ok(bytes),
    }
}

fn unpacked(path: &Path, packed: &[u8]) -> Result<Vec<u8>, DataError> {
    let most = (packed.len() as u64).saturating_mul(MOST_GROWTH).max(SMALL);
    let mut bytes = Vec::new();
    let mut decoder = MultiGzDecoder::new(BufReader::new(packed)).take(most + 1);
    decoder.read_to_end(&mut bytes).map_err(|source| DataError::Gzip { path: path.into(), source })?;
    if bytes.len() as u64 > most {
        let what = format!("unpacked it has more than {MOST_GROWTH} times its size, {most} bytes; unpack it yourself");
        return Err(DataError::TooLarge { path: path.into(), what });
    }
    Ok(bytes)
}

/// What a file is if it is a known format of another kind, and how to make a table of it.
fn other_format(path: &Path, bytes: &[u8]) -> Option<(&'static str, String)> {
    let pandas = |reader: &str| {
        let from = path.display();
        format!(
            "make a table of it: python -c \"import pandas; pandas.{reader}('{from}').to_csv('table.csv', index=False)\""
        )
    };
    let unpack = |program: &str| format!("unpack it first: {program}");
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    Some(match () {
        () if starts(b"PAR1") => ("a Parquet file", pandas("read_parquet")),
        () if starts(b"ARROW1") || starts(b"FEA1") => ("a Feather (Arrow) file", pandas("read_feather")),
        () if starts(b"PK\x03\x04") && ["xlsx", "xlsm"].contains(&ending.as_str()) => {
            ("an Excel workbook", "save its sheet as CSV, or ".to_string() + &pandas("read_excel"))
        }
        () if starts(b"PK\x03\x04") && ending == "ods" => {
            ("a spreadsheet", "save its sheet as CSV, or ".to_string() + &pandas("read_excel"))
        }
        () if starts(b"PK\x03\x04") && ending == "npz" => (
            "a NumPy archive",
            "write its arrays as text: numpy.savetxt('table.csv', array, delimiter=',')".to_string(),
        ),
        () if starts(b"PK\x03\x04") => ("a zip archive", unpack("unzip")),
        () if starts(b"\xd0\xcf\x11\xe0") => {
            ("an old Excel workbook", "save its sheet as CSV, or ".to_string() + &pandas("read_excel"))
        }
        () if starts(b"\x93NUMPY") => {
            ("a NumPy array", "write it as text: numpy.savetxt('table.csv', array, delimiter=',')".to_string())
        }
        () if starts(b"\x89HDF") => ("an HDF5 file", pandas("read_hdf")),
        () if starts(b"SQLite format 3\0") => (
            "an SQLite database",
            "export a table: sqlite3 -header -csv FILE 'select * from TABLE' > table.csv".to_string(),
        ),
        () if starts(b"\x28\xb5\x2f\xfd") => ("compressed with zstd", unpack("zstd -d")),
        () if starts(b"\xfd7zXZ\0") => ("compressed with xz", unpack("xz -d")),
        () if starts(b"BZh") => ("compressed with bzip2", unpack("bzip2 -d")),
        () if starts(b"7z\xbc\xaf\x27\x1c") => ("a 7z archive", unpack("7z x")),
        () if bytes.len() > 1 && bytes[0] == 0x80 && (2..=5).contains(&bytes[1]) => {
            ("a Python pickle", pandas("read_pickle"))
        }
        () if ["json", "jsonl", "ndjson"].contains(&ending.as_str()) && (starts(b"{") || starts(b"[")) => {
            ("JSON", pandas("read_json"))
        }
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(name: &str, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a temporary file");
        read(&path)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).expect("memory takes everything");
        encoder.finish().expect("memory takes everything")
    }

    #[test]
    fn gzip_is_unpacked_by_content_and_damage_is_named() {
        let packed = gzip(b"a,b\n1,2\n");
        assert_eq!(file("t.csv", &packed).expect("is read"), b"a,b\n1,2\n");
        assert!(matches!(file("t.csv.gz", &packed[..packed.len() - 3]), Err(DataError::Gzip { .. })));
        assert_eq!(file("t.csv.gz", b"a\n").expect("is read"), b"a\n");
    }

    #[test]
    fn a_bomb_is_refused_before_it_fills_the_memory() {
        let bomb = gzip(&vec![b'1'; (SMALL + 2) as usize]);
        let text = file("t.csv.gz", &bomb).expect_err("is refused").to_string();
        assert!(text.contains("more than 200 times its size"), "{text}");
    }

    #[test]
    fn other_formats_are_named_with_what_to_do() {
        for (name, bytes, what) in [
            ("a.parquet", &b"PAR1\x15"[..], "a Parquet file"),
            ("a.xlsx", b"PK\x03\x04..", "an Excel workbook"),
            ("a.zip", b"PK\x03\x04..", "a zip archive"),
            ("a.npz", b"PK\x03\x04..", "a NumPy archive"),
            ("a.npy", b"\x93NUMPY\x01", "a NumPy array"),
            ("a.csv.zst", b"\x28\xb5\x2f\xfd", "compressed with zstd"),
            ("a.csv.xz", b"\xfd7zXZ\0", "compressed with xz"),
            ("a.csv.bz2", b"BZh9", "compressed with bzip2"),
            ("a.pkl", b"\x80\x04\x95", "a Python pickle"),
            ("a.json", b"[1]", "JSON"),
            ("a.feather", b"ARROW1\0\0", "a Feather"),
            ("a.db", b"SQLite format 3\0", "an SQLite"),
            ("a.h5", b"\x89HDF\r\n", "an HDF5"),
            ("a.xls", b"\xd0\xcf\x11\xe0", "an old Excel"),
        ] {
            let text = file(name, bytes).expect_err("is refused").to_string();
            assert!(text.contains(&format!("{name} is {what}")) && text.contains(": "), "{text}");
        }
    }
}
