//! IDX files: the format of MNIST, and of the sets that took over its form.
//!
//! # Source
//! Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits": two zero bytes, a type byte
//! (0x08 = unsigned byte), the number of axes, each axis as a big-endian u32, then the values, row-major.

use super::{DataSource, Dataset, Targets};
use crate::error::{DataError, listed};
use flate2::read::MultiGzDecoder;
use plexus_nn::Shape;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

const IMAGES: u32 = 2051;
const LABELS: u32 = 2049;

/// The most that one file may hold, in bytes: 8 GiB, above the largest set in use (infinite MNIST, 6.3 GB), so that a
/// small gzip file cannot ask for all the memory there is.
const LARGEST: usize = 8 << 30;

/// Opens a folder of four IDX files; there are `least_classes` classes, or more where a label says so.
///
/// Each file has its usual name, with a dash or a dot before `idx`, as it is or gzipped (told by content). Files are
/// read up to the length that their header announces, in steps, so a false header costs no more memory than the file
/// is worth. Classes are named `0` to the highest label of both parts.
pub(super) fn open(folder: &Path, name: &str, least_classes: usize) -> Result<DataSource, DataError> {
    let entries = match folder.read_dir() {
        Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect::<Vec<_>>(),
        Err(_) if folder.is_file() => return Err(DataError::NotAFolder { path: folder.into() }),
        Err(source) => return Err(DataError::Io { path: folder.into(), source }),
    };
    let find = |wanted: &'static str| find(folder, &entries, wanted);
    // All four are looked for before any is read: a missing one is said at once.
    let train_images = find("train-images-idx3-ubyte")?;
    let train_labels = find("train-labels-idx1-ubyte")?;
    let test_images = find("t10k-images-idx3-ubyte")?;
    let test_labels = find("t10k-labels-idx1-ubyte")?;

    let train = Part::read(&train_images, &train_labels)?;
    let test = Part::read(&test_images, &test_labels)?;
    if train.size != test.size {
        return Err(DataError::ImageSizes {
            train_path: train_images,
            train: train.size,
            test_path: test_images,
            test: test.size,
        });
    }
    let highest = train.labels.iter().chain(&test.labels).copied().max().unwrap_or(0);
    let classes: Vec<String> =
        (0..least_classes.max(usize::from(highest) + 1)).map(|class| class.to_string()).collect();
    Ok(DataSource::fixed(
        train.into_dataset(name.to_string(), classes.clone()),
        test.into_dataset(name.to_string(), classes),
    ))
}

fn find(folder: &Path, entries: &[String], wanted: &'static str) -> Result<PathBuf, DataError> {
    let dotted = wanted.replace("-idx", ".idx");
    [wanted, &dotted]
        .into_iter()
        .flat_map(|stem| [stem.to_string(), format!("{stem}.gz")])
        .find(|name| entries.contains(name))
        .map(|name| folder.join(name))
        .ok_or_else(|| {
            let mut found = entries.to_vec();
            found.sort();
            DataError::MissingFile { folder: folder.into(), wanted, found: listed(found.iter()) }
        })
}

/// Images and labels of one part, as read.
struct Part {
    size: (usize, usize),
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Part {
    fn read(images_path: &Path, labels_path: &Path) -> Result<Part, DataError> {
        let (images, labels) = (IdxFile::open(images_path, IMAGES)?, IdxFile::open(labels_path, LABELS)?);
        if images.axes[0] != labels.axes[0] {
            return Err(DataError::CountMismatch {
                images_path: images_path.into(),
                images: images.axes[0],
                labels_path: labels_path.into(),
                labels: labels.axes[0],
            });
        }
        Ok(Part { size: (images.axes[1], images.axes[2]), pixels: images.values()?, labels: labels.values()? })
    }

    fn into_dataset(self, name: String, names: Vec<String>) -> Dataset {
        let classes = Targets::classes(names, self.labels.into_iter().map(u32::from).collect());
        let shape = Shape::new([1, self.size.0, self.size.1]);
        Dataset::single(name, shape, self.pixels, classes).expect("counts and labels were compared")
    }
}

/// A file whose header has been read and found good.
struct IdxFile {
    path: PathBuf,
    reader: Box<dyn Read>,
    axes: Vec<usize>,
    len: usize,
}

impl IdxFile {
    fn open(path: &Path, magic: u32) -> Result<IdxFile, DataError> {
        let io_error = |source| DataError::Io { path: path.into(), source };
        let mut file = BufReader::with_capacity(1 << 18, File::open(path).map_err(io_error)?);
        let mut start = Vec::new();
        file.by_ref().take(2).read_to_end(&mut start).map_err(io_error)?;
        let gzip = start == [0x1f, 0x8b];
        let whole = io::Cursor::new(start).chain(file);
        let reader: Box<dyn Read> =
            if gzip { Box::new(MultiGzDecoder::new(BufReader::new(whole))) } else { Box::new(whole) };
        let mut file = IdxFile { path: path.into(), reader, axes: Vec::new(), len: 0 };
        file.read_header(magic)?;
        Ok(file)
    }

    fn header_len(&self) -> u64 {
        4 + 4 * self.axes.len() as u64
    }

    fn read_header(&mut self, magic: u32) -> Result<(), DataError> {
        let first = self.exactly(4, 0)?;
        let got = u32::from_be_bytes(first.try_into().expect("four bytes were read"));
        let images = magic == IMAGES;
        if got != magic {
            return Err(self.wrong_magic(got, magic));
        }
        let names: &[&'static str] = if images { &["images", "rows", "columns"] } else { &["labels"] };
        let header = self.exactly(4 * names.len(), 4)?;
        self.axes = header
            .chunks_exact(4)
            .map(|axis| u32::from_be_bytes(axis.try_into().expect("chunks of four")) as usize)
            .collect();
        if let Some(axis) = self.axes.iter().position(|&axis| axis == 0) {
            return Err(DataError::ZeroSize { path: self.path.clone(), axis: names[axis] });
        }
        // The index of a row is a u32 everywhere; that of a value must fit in a usize.
        let len = Shape::new(self.axes.clone()).len().filter(|&len| len <= LARGEST);
        self.len = len.ok_or_else(|| DataError::TooLarge {
            path: self.path.clone(),
            what: format!(
                "its header announces {} values of one byte, the most is {LARGEST}",
                Shape::new(self.axes.clone()).describe()
            ),
        })?;
        Ok(())
    }

    fn wrong_magic(&self, got: u32, expected_magic: u32) -> DataError {
        let path = self.path.clone();
        let expected = if expected_magic == IMAGES { "an IDX file of images" } else { "an IDX file of labels" };
        if got >> 16 == 0 && got & 0xff == expected_magic & 0xff {
            let value_type = match got >> 8 {
                0x09 => "signed byte",
                0x0b => "16-bit integer",
                0x0c => "32-bit integer",
                0x0d => "32-bit float",
                0x0e => "64-bit float",
                _ => "unknown",
            };
            return DataError::ValueType { path, got: value_type };
        }
        let hint = match got {
            IMAGES => "; this is a file of images: are the two swapped?",
            LABELS => "; this is a file of labels: are the two swapped?",
            _ if got >> 24 == u32::from(b'<') => "; it looks like a web page: the download may have failed",
            _ if got >> 16 == u32::from(u16::from_be_bytes(*b"PK")) => "; it is a zip file: unpack it first",
            _ => "",
        };
        DataError::WrongMagic { path, expected, expected_magic, got, hint: hint.to_string() }
    }

    /// Reads the values, then makes sure that the file ends there.
    fn values(mut self) -> Result<Vec<u8>, DataError> {
        let values = self.exactly(self.len, self.header_len())?;
        // One byte more, never the rest: a bomb stays unexploded. At the end, this also checks the gzip checksum.
        let mut more = Vec::new();
        let more = match self.reader.by_ref().take(1).read_to_end(&mut more) {
            Ok(count) => count,
            Err(error) => {
                return Err(self.failed(
                    error,
                    self.len as u64 + self.header_len(),
                    self.len as u64 + self.header_len(),
                ));
            }
        };
        if more > 0 {
            return Err(DataError::TrailingBytes {
                path: self.path.clone(),
                expected_bytes: self.len as u64 + self.header_len(),
            });
        }
        Ok(values)
    }

    /// Reads as many bytes as said, after so many before; memory grows with what arrives.
    fn exactly(&mut self, count: usize, before: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let expected = before + count as u64;
        match self.reader.by_ref().take(count as u64).read_to_end(&mut bytes) {
            Err(error) => Err(self.failed(error, expected, before + bytes.len() as u64)),
            Ok(got) if got < count => Err(DataError::Truncated {
                path: self.path.clone(),
                expected_bytes: expected,
                got_bytes: before + got as u64,
            }),
            Ok(_) => Ok(bytes),
        }
    }

    fn failed(&self, source: io::Error, expected_bytes: u64, got_bytes: u64) -> DataError {
        let path = self.path.clone();
        match source.kind() {
            // What the gzip decoder says of a stream that breaks off.
            io::ErrorKind::UnexpectedEof if got_bytes < expected_bytes => {
                DataError::Truncated { path, expected_bytes, got_bytes }
            }
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                DataError::Gzip { path, source }
            }
            _ => DataError::Io { path, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn header(magic: u32, axes: &[u32]) -> Vec<u8> {
        let mut bytes = magic.to_be_bytes().to_vec();
        axes.iter().for_each(|axis| bytes.extend(axis.to_be_bytes()));
        bytes
    }

    fn idx(magic: u32, axes: &[u32], values: &[u8]) -> Vec<u8> {
        [header(magic, axes), values.to_vec()].concat()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).expect("memory takes it");
        encoder.finish().expect("memory takes it")
    }

    const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
    const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
    const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";

    /// A good folder of two training images and one test image of 2x3, changed by the caller.
    fn folder(changes: &[(&str, Option<Vec<u8>>)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut files = vec![
            (TRAIN_IMAGES, idx(IMAGES, &[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255])),
            (TRAIN_LABELS, idx(LABELS, &[2], &[1, 0])),
            (TEST_IMAGES, idx(IMAGES, &[1, 2, 3], &[0; 6])),
            ("t10k-labels-idx1-ubyte", idx(LABELS, &[1], &[3])),
        ];
        for (name, content) in changes {
            files.retain(|(there, _)| there != name);
            if let Some(content) = content {
                files.push((name, content.clone()));
            }
        }
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).expect("a temporary file");
        }
        folder
    }

    fn refusal(changes: &[(&str, Option<Vec<u8>>)]) -> String {
        let folder = folder(changes);
        let error = open(folder.path(), "idx", 1).expect_err("is refused");
        let text = error.to_string();
        assert!(text.contains(folder.path().to_str().expect("UTF-8")), "names the file: {text}");
        text.replace(&format!("{}{}", folder.path().display(), std::path::MAIN_SEPARATOR), "")
    }

    #[test]
    fn a_good_folder_opens_plain_dotted_and_gzipped() {
        let plain = open(folder(&[]).path(), "idx", 1).expect("opens");
        assert_eq!((plain.train.len(), plain.test.len(), plain.train.class_count()), (2, 1, 4));
        assert_eq!(*plain.train.input(), Shape::new([1, 2, 3]));
        let mut row = [0.0; 6];
        plain.train.copy_rows(&[1], &mut row);
        assert_eq!(row, [7.0, 8.0, 9.0, 10.0, 11.0, 255.0]);
        assert_eq!(plain.train.class_balance(), [1, 1, 0, 0]);

        let images = idx(IMAGES, &[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]);
        let others = [
            folder(&[(TRAIN_IMAGES, None), ("train-images.idx3-ubyte", Some(images.clone()))]),
            folder(&[(TRAIN_IMAGES, None), ("train-images.idx3-ubyte.gz", Some(gzip(&images)))]),
            folder(&[(TRAIN_IMAGES, None), ("train-images-idx3-ubyte.gz", Some(gzip(&images)))]),
            // Told by content: gzip without the ending, plain with it, two gzip members in a row.
            folder(&[(TRAIN_IMAGES, Some(gzip(&images)))]),
            folder(&[(TRAIN_IMAGES, None), ("train-images-idx3-ubyte.gz", Some(images.clone()))]),
            folder(&[(TRAIN_IMAGES, Some([gzip(&images[..9]), gzip(&images[9..])].concat()))]),
        ];
        for other in others {
            assert_eq!(open(other.path(), "idx", 1).expect("opens"), plain);
        }
        assert_eq!(open(folder(&[]).path(), "mnist", 10).expect("opens").test.class_count(), 10);
    }

    #[test]
    fn a_label_of_255_makes_256_classes() {
        let source =
            open(folder(&[(TRAIN_LABELS, Some(idx(LABELS, &[2], &[255, 0])))]).path(), "idx", 1).expect("opens");
        assert_eq!(source.test.class_count(), 256);
    }

    #[test]
    fn wrong_starts_are_refused_with_what_they_seem_to_be() {
        assert_eq!(
            refusal(&[(TRAIN_IMAGES, Some(idx(LABELS, &[2], &[1, 0])))]),
            "train-images-idx3-ubyte is not an IDX file of images: its first four bytes are 0x00000801, expected 0x00000803 (2051); \
             this is a file of labels: are the two swapped?"
        );
        assert!(
            refusal(&[(TRAIN_LABELS, Some(idx(IMAGES, &[2, 1, 1], &[1, 0])))])
                .contains("file of images: are the two swapped?")
        );
        assert!(refusal(&[(TRAIN_IMAGES, Some(b"<html>404".to_vec()))]).contains("web page"));
        assert!(refusal(&[(TRAIN_IMAGES, Some(b"PK\x03\x04abc".to_vec()))]).contains("zip file"));
        assert!(refusal(&[(TRAIN_IMAGES, Some(vec![3, 8, 0, 0, 2, 0, 0, 0]))]).contains("0x03080000"));
    }

    #[test]
    fn other_value_types_are_refused_by_name() {
        for (value_type, name) in [
            (9, "signed byte"),
            (0xb, "16-bit"),
            (0xc, "32-bit integer"),
            (0xd, "32-bit float"),
            (0xe, "64-bit"),
            (7, "unknown"),
        ] {
            let text = refusal(&[(TRAIN_IMAGES, Some(idx(value_type << 8 | 3, &[2, 2, 3], &[0; 48])))]);
            assert!(text.contains(name) && text.contains("unsigned bytes"), "{text}");
        }
    }

    #[test]
    fn every_cut_of_a_file_is_refused() {
        let whole = idx(IMAGES, &[2, 2, 3], &[7; 12]);
        for end in 0..whole.len() {
            let text = refusal(&[(TRAIN_IMAGES, Some(whole[..end].to_vec()))]);
            assert!(text.contains("is cut off") && text.contains(&format!("{end} are there")), "{end}: {text}");
        }
        let packed = gzip(&whole);
        for end in 2..packed.len() {
            let text = refusal(&[(TRAIN_IMAGES, Some(packed[..end].to_vec()))]);
            assert!(text.contains("is cut off") || text.contains("damaged gzip"), "{end}: {text}");
        }
    }

    #[test]
    fn a_changed_bit_in_a_gzip_file_is_never_read_as_other_pixels() {
        let whole = idx(IMAGES, &[2, 2, 3], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255]);
        let good = open(folder(&[]).path(), "idx", 1).expect("opens");
        let packed = gzip(&whole);
        for bit in 16..packed.len() * 8 {
            let mut damaged = packed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            // Some header bits (time, system) mean nothing to us; then the pixels must be the same.
            if let Ok(source) = open(folder(&[(TRAIN_IMAGES, Some(damaged))]).path(), "idx", 1) {
                assert_eq!(source, good, "bit {bit}");
            }
        }
    }

    #[test]
    fn what_follows_the_end_is_refused() {
        let mut long = idx(IMAGES, &[2, 2, 3], &[7; 12]);
        long.push(0);
        assert!(refusal(&[(TRAIN_IMAGES, Some(long.clone()))]).contains("goes on after the 28 bytes"));
        assert!(refusal(&[(TRAIN_IMAGES, Some(gzip(&long)))]).contains("goes on after the 28 bytes"));
        let packed = [gzip(&long[..28]), b"more".to_vec()].concat();
        assert!(refusal(&[(TRAIN_IMAGES, Some(packed))]).contains("damaged gzip"));
    }

    #[test]
    fn a_gzip_bomb_is_left_after_one_byte_too_many() {
        // 256 MiB of zeros in 256 KiB, behind a header that announces 12 bytes.
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&header(IMAGES, &[2, 2, 3])).expect("memory takes it");
        let zeros = vec![0; 1 << 20];
        (0..256).for_each(|_| encoder.write_all(&zeros).expect("memory takes it"));
        let bomb = encoder.finish().expect("memory takes it");
        assert!(refusal(&[(TRAIN_IMAGES, Some(bomb))]).contains("goes on after the 28 bytes"));
    }

    #[test]
    fn sizes_that_lie_overflow_or_are_zero_are_refused() {
        let most = u32::MAX;
        assert!(refusal(&[(TRAIN_IMAGES, Some(idx(IMAGES, &[most, most, most], &[0; 12])))]).contains("too large"));
        // Within the limit, but not there: memory grows with what arrives, so this is quick and small.
        assert!(
            refusal(&[
                (TRAIN_IMAGES, Some(idx(IMAGES, &[1 << 20, 64, 64], &[0; 12]))),
                (TRAIN_LABELS, Some(idx(LABELS, &[1 << 20], &[0; 12]))),
            ])
            .contains("is cut off: its header announces 4294967312 bytes, 28 are there")
        );
        for (axes, name) in [([0, 2, 3], "zero images"), ([2, 0, 3], "zero rows"), ([2, 2, 0], "zero columns")] {
            assert!(refusal(&[(TRAIN_IMAGES, Some(idx(IMAGES, &axes, &[])))]).contains(name));
        }
        assert!(refusal(&[(TRAIN_LABELS, Some(idx(LABELS, &[0], &[])))]).contains("zero labels"));
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused_with_both_names() {
        assert_eq!(
            refusal(&[(TRAIN_LABELS, Some(idx(LABELS, &[3], &[1, 0, 1])))]),
            "train-images-idx3-ubyte holds 2 images, but train-labels-idx1-ubyte holds 3 labels; the two files do not belong together"
        );
        assert!(
            refusal(&[(TEST_IMAGES, Some(idx(IMAGES, &[1, 3, 2], &[0; 6])))])
                .contains("images of 2x3 pixels, but t10k-images-idx3-ubyte of 3x2")
        );
    }

    #[test]
    fn missing_files_and_folders_are_named() {
        let text = refusal(&[(TEST_IMAGES, None)]);
        assert!(
            text.contains("has no t10k-images-idx3-ubyte (or t10k-images-idx3-ubyte.gz); it holds: t10k-labels"),
            "{text}"
        );
        let folder = folder(&[]);
        let text = open(&folder.path().join("nowhere"), "idx", 1).expect_err("is refused").to_string();
        assert!(text.starts_with("cannot read") && text.contains("nowhere"));
        let text = open(&folder.path().join(TEST_IMAGES), "idx", 1).expect_err("is refused").to_string();
        assert!(text.contains("is a file; give the folder"));
        let empty = tempfile::tempdir().expect("a temporary folder");
        assert!(open(empty.path(), "idx", 1).expect_err("is refused").to_string().contains("it holds: nothing"));
    }

    /// Reads the real files from `$PLEXUS_DATA/mnist`, by default beside the workspace in `shared/data`.
    #[test]
    fn mnist_opens_where_it_is_there() {
        let data = std::env::var_os("PLEXUS_DATA")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
        let folder = data.join("mnist");
        if !folder.is_dir() {
            println!("SKIPPED: no MNIST at {}; set PLEXUS_DATA to the folder that holds mnist/", folder.display());
            return;
        }
        let started = std::time::Instant::now();
        let source = open(&folder, "mnist", 10).expect("MNIST opens");
        println!("MNIST opened in {:?}", started.elapsed());
        assert_eq!((source.train.len(), source.test.len(), source.train.class_count()), (60_000, 10_000, 10));
        assert_eq!(*source.train.input(), Shape::new([1, 28, 28]));
        // Counts as published; the mean and deviation are those that everybody uses, 0.1307 and 0.3081 of 255.
        assert_eq!(source.test.class_balance(), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
        let all: Vec<u64> = (0..60_000).collect();
        let started = std::time::Instant::now();
        let (mean, scale) = source.train.mean_and_scale(0, &all, false);
        println!("mean and scale measured in {:?}", started.elapsed());
        assert!((mean[0] / 255.0 - 0.1307).abs() < 5e-5 && (1.0 / scale[0] / 255.0 - 0.3081).abs() < 5e-5);
        let mut batch = vec![0.0; 60_000 * 784];
        let started = std::time::Instant::now();
        source.train.copy_rows(&all, &mut batch);
        println!("60,000 images gathered in {:?}", started.elapsed());
    }
}
