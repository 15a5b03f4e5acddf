//! Images from files made here, and what is refused.

use super::*;
use crate::data::{Batch, DataOptions, DataSource, Dataset, Samples, Source, Targets, open};
use plexus_kernels::softmax::IGNORED;
use std::fs;
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// A gray picture whose values rise along its rows and columns.
fn gray(height: u32, width: u32) -> image::GrayImage {
    image::GrayImage::from_fn(width, height, |x, y| image::Luma([(7 * y + 3 * x) as u8]))
}

fn color(height: u32, width: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| image::Rgb([(10 * y) as u8, (20 * x) as u8, 200]))
}

fn save(image: impl Into<image::DynamicImage>, path: &Path) {
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a temporary folder");
    image.into().save(path).expect("a temporary file");
}

fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a temporary folder");
    fs::write(path, bytes).expect("a temporary file");
}

fn opened(source: &str, folder: &Path, options: &str) -> Result<DataSource, DataError> {
    open(&format!("{source}:{}{options}", folder.display()), &DataOptions::default())
}

fn refused(source: &str, folder: &Path, options: &str) -> String {
    opened(source, folder, options).expect_err("is refused").to_string()
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    assert!(parts.iter().all(|part| text.contains(part)), "{text}");
}

fn bytes(set: &Dataset) -> &[u8] {
    let Samples::U8(values) = set.samples() else { unreachable!("images are bytes") };
    values
}

fn classes(set: &Dataset) -> (&[String], &[u32]) {
    let Targets::Classes { names, indices, .. } = set.target() else { unreachable!("images have classes") };
    (names, indices)
}

fn form(channels: usize, height: usize, width: usize, fit: ImageFit) -> ImageForm {
    ImageForm { channels, height, width, fit }
}

#[test]
fn every_format_reads_and_those_without_loss_give_their_pixels() {
    let folder = folder();
    for (name, tolerance) in [("a.png", 0), ("a.bmp", 0), ("a.ppm", 0), ("a.webp", 0), ("a.jpg", 40)] {
        let path = folder.path().join(name);
        save(color(8, 8), &path);
        let picture = Picture::read(&path).unwrap();
        assert_eq!((picture.height, picture.width, picture.channels), (8, 8, 3), "{name}");
        let want = color(8, 8).into_raw();
        let far = picture.pixels.iter().zip(&want).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(far <= tolerance, "{name}: {far}");
    }
    let path = folder.path().join("g.pgm");
    save(gray(5, 9), &path);
    let picture = Picture::read(&path).unwrap();
    assert_eq!((picture.height, picture.width, picture.channels, picture.pixels), (5, 9, 1, gray(5, 9).into_raw()));
}

#[test]
fn gray_is_the_luma_of_bt_601_and_color_repeats_gray() {
    let picture =
        Picture { height: 1, width: 4, channels: 3, pixels: vec![255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255] };
    assert_eq!(picture.with_channels(1).pixels, [76, 150, 29, 255]);
    assert_eq!(picture.with_channels(1).with_channels(3).pixels[..6], [76, 76, 76, 150, 150, 150]);
    // Channel by channel.
    let sample = form(3, 1, 4, ImageFit::Stretch).apply(&picture);
    assert_eq!(sample, [255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255]);
}

#[test]
fn s26_images_are_rows_by_columns_by_red_green_and_blue_from_0_to_255() {
    let folder = folder();
    for (height, width) in [(6, 6), (4, 7)] {
        let path = folder.path().join(format!("{height}x{width}.png"));
        let image = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([255, (x * 40) as u8, y as u8]));
        save(image, &path);
        let picture = Picture::read(&path).unwrap();
        let (tall, wide) = (height as usize, width as usize);
        assert_eq!((picture.height, picture.width, picture.channels), (tall, wide, 3));
        assert_eq!(picture.pixels.len(), tall * wide * 3);
        // Row 1, column 3.
        assert_eq!(picture.pixels[(wide + 3) * 3..][..3], [255, 120, 1]);
        // A network reads red, then green, then blue, at its own size; values stay 0 to 255.
        let sample = form(3, tall, wide, ImageFit::Stretch).apply(&picture);
        assert_eq!([0, 1, 2].map(|channel| sample[channel * tall * wide + wide + 3]), [255, 120, 1]);
        let resized = form(3, 5, 5, ImageFit::Stretch).apply(&picture);
        assert_eq!((resized.len(), &resized[..25]), (75, &[255; 25][..]));
    }
    // One mean and deviation of all pixels bring the values around 0: the layer in front of a model.
    let black_and_white = Samples::U8([vec![0; 12], vec![255; 12]].concat());
    let targets = Targets::classes(["a", "b"].map(String::from).to_vec(), vec![0, 1]);
    let set = Dataset::single("two", [3, 2, 2], black_and_white, targets).unwrap();
    let (mean, scale) = set.mean_and_scale(0, &[0, 1], false);
    assert_eq!(mean, [127.5]);
    assert!(((255.0 - mean[0]) * scale[0] - 1.0).abs() < 1e-6);
}

#[test]
fn sixteen_bits_become_eight_and_what_is_not_opaque_lies_on_black() {
    let folder = folder();
    let deep = image::ImageBuffer::<image::Luma<u16>, _>::from_raw(4, 1, vec![0u16, 128, 129, 65_535]).unwrap();
    save(deep, &folder.path().join("deep.png"));
    assert_eq!(Picture::read(&folder.path().join("deep.png")).unwrap().pixels, [0, 0, 1, 255]);
    let clear = image::RgbaImage::from_raw(2, 1, vec![200, 100, 50, 128, 9, 9, 9, 0]).unwrap();
    save(clear, &folder.path().join("clear.png"));
    assert_eq!(Picture::read(&folder.path().join("clear.png")).unwrap().pixels, [100, 50, 25, 0, 0, 0]);
}

#[test]
fn sizes_change_by_a_triangle_and_the_middle_is_cut_out() {
    let ramp = Picture { height: 1, width: 4, channels: 1, pixels: vec![0, 40, 80, 120] };
    // Below a triangle of four pixels around x = 1 lie three of them, with weights 3, 3 and 1: (3 · 40 + 80) / 7.
    assert_eq!(form(1, 1, 2, ImageFit::Stretch).apply(&ramp), [29, 91]);
    assert_eq!(form(1, 1, 2, ImageFit::Crop).part(2, 8), (0, 2, 2, 4));
    assert_eq!(form(1, 3, 3, ImageFit::Crop).part(9, 5), (2, 0, 5, 5));
    assert_eq!(
        form(1, 3, 3, ImageFit::Crop).apply(&Picture { height: 3, width: 5, channels: 1, pixels: (0..15).collect() }),
        [1, 2, 3, 6, 7, 8, 11, 12, 13]
    );
    // Classes are never mixed.
    assert_eq!(form(1, 2, 2, ImageFit::Stretch).apply_to_classes(&[0, 0, 9, 9, 0, 0, 9, 9], (2, 4)), [0, 9, 0, 9]);
    assert_eq!(form(1, 1, 6, ImageFit::Stretch).apply_to_classes(&[1, 2, 3], (1, 3)), [1, 1, 2, 2, 3, 3]);
}

#[test]
fn a_folder_a_class_is_read_in_the_order_of_names_and_split_by_a_seed() {
    let folder = folder();
    for (class, shade) in [("dog", 100u8), ("cat", 50)] {
        for index in 0..10u8 {
            let image = image::GrayImage::from_pixel(6, 4, image::Luma([shade + index]));
            save(image, &folder.path().join(format!("{class}/{index}.png")));
        }
    }
    put(&folder.path().join(".DS_Store"), "x");
    let source = opened("images", folder.path(), "").unwrap();
    assert_eq!((source.train.len(), source.test.len()), (16, 4));
    assert_eq!(source.train.input().axes(), [1, 4, 6]);
    assert_eq!(source.images, Some(form(1, 4, 6, ImageFit::Stretch)));
    let (names, indices) = classes(&source.train);
    assert_eq!(names, ["cat", "dog"]);
    for (row, class) in bytes(&source.train).chunks(24).zip(indices) {
        assert!(row.iter().all(|value| *value == row[0]) && (row[0] >= 100) == (*class == 1));
    }
    let options = DataOptions { split_seed: 1, test_fraction: 0.5, ..DataOptions::default() };
    let other = open(&format!("images:{}", folder.path().display()), &options).unwrap();
    assert_eq!(other.test.len(), 10);
    // In the form that a model wants, and in the one that is written.
    let wanted = form(3, 2, 2, ImageFit::Crop);
    let options = DataOptions { images: Some(wanted.clone()), ..DataOptions::default() };
    assert_eq!(open(&format!("images:{}", folder.path().display()), &options).unwrap().images, Some(wanted));
    let written = opened("images", folder.path(), "?size=3x5&channels=3&fit=crop").unwrap();
    assert_eq!((written.train.input().axes(), written.images.unwrap().fit), (&[3, 3, 5][..], ImageFit::Crop));
}

/// The same rows whether they are in memory or in their files, until a file goes away.
#[test]
fn images_that_stay_in_their_files_are_those_in_memory() {
    let folder = folder();
    for (class, shade) in [("a", 3u8), ("b", 90)] {
        for index in 0..7u8 {
            let image = image::GrayImage::from_fn(5, 6, |x, y| image::Luma([shade + 9 * index + (x * y) as u8]));
            save(image, &folder.path().join(format!("{class}/{index}.png")));
        }
    }
    let opened = |image_bytes: usize| {
        let options = DataOptions { image_bytes, ..DataOptions::default() };
        open(&format!("images:{}", folder.path().display()), &options).unwrap()
    };
    let (memory, files) = (opened(1 << 20), opened(100));
    assert!(memory.train.is_in_memory() && !files.train.is_in_memory());
    assert!(matches!(files.train.samples(), Samples::Images(_)) && files.train.samples().len() == 11 * 30);
    let rows: Vec<u64> = vec![10, 0, 3, 3, 7];
    let pool = plexus_kernels::threads::Pool::single();
    let taken = |set: &Dataset| {
        let mut batch = Batch::default();
        batch.take(set, &rows, &pool).map(|()| batch.input(0).to_vec())
    };
    assert_eq!(taken(&memory.train), taken(&files.train));
    for per_feature in [false, true] {
        let of = |set: &Dataset| set.mean_and_scale(0, &rows, per_feature);
        let ((mean, scale), (other_mean, other_scale)) = (of(&memory.train), of(&files.train));
        let close = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5 * b.abs());
        assert!(close(&mean, &other_mean) && close(&scale, &other_scale), "{mean:?} {other_mean:?}");
    }
    let mut both = (*files.train).clone();
    both.extend(files.test.clone());
    assert_eq!((both.len(), both.row(12)), (14, memory.test.row(1)));
    assert_eq!(both.select(&[12]).row(0), memory.test.row(1));
    let hashes = both.row_hashes();
    assert!(hashes.iter().enumerate().all(|(at, hash)| !hashes[..at].contains(hash)));

    fs::remove_dir_all(folder.path().join("b")).unwrap();
    let error = taken(&files.train).expect_err("a file is gone").to_string();
    says(&error, &["row 10", "cannot read", ".png"]);
}

#[test]
fn parts_that_are_there_are_kept() {
    let folder = folder();
    for (part, count) in [("train", 3), ("test", 2)] {
        for class in ["a", "b"] {
            (0..count).for_each(|index| save(color(4, 4), &folder.path().join(format!("{part}/{class}/{index}.png"))));
        }
    }
    let source = opened("images", folder.path(), "").unwrap();
    assert_eq!((source.train.len(), source.test.len(), source.train.input().axes()), (6, 4, &[3, 4, 4][..]));
    save(color(4, 4), &folder.path().join("test/c/0.png"));
    says(&refused("images", folder.path(), ""), &["has the class \"c\" in test, but not in train: a, b"]);
}

#[test]
fn masks_are_class_numbers_or_black_and_white() {
    let folder = folder();
    let at = |path: &str| folder.path().join(path);
    for index in 0..5u8 {
        save(color(4, 6), &at(&format!("images/{index}.png")));
        save(
            image::GrayImage::from_fn(6, 4, |x, _| image::Luma([if x < 3 { 0 } else { 255 }])),
            &at(&format!("masks/{index}.png")),
        );
    }
    let source = opened("masks", folder.path(), "").unwrap();
    let (names, indices) = classes(&source.train);
    assert_eq!((source.train.len(), source.test.len(), names), (4, 1, &["background", "object"].map(String::from)[..]));
    assert_eq!(indices[..6], [0, 0, 0, 1, 1, 1]);
    assert_eq!(source.train.kind_of_target(), [4, 6]);
    // Class numbers, with 255 for unknown; images and masks change size alike.
    save(image::GrayImage::from_fn(6, 4, |x, _| image::Luma([[0, 1, 2, 255][x as usize % 4]])), &at("masks/0.png"));
    let source = opened("masks", folder.path(), "").unwrap();
    assert_eq!(classes(&source.train).0, ["0", "1", "2"]);
    let options = DataOptions { test_fraction: 0.0, ..DataOptions::default() };
    let all = open(&format!("masks:{}?size=2x6", folder.path().display()), &options).unwrap();
    assert_eq!(classes(&all.train).1[..12], [0, 1, 2, IGNORED, 0, 1, 0, 1, 2, IGNORED, 0, 1]);
    put(&at("classes.txt"), "road\nwater\nwood\n\n");
    assert_eq!(classes(&opened("masks", folder.path(), "").unwrap().train).0, ["road", "water", "wood"]);
}

impl Dataset {
    fn kind_of_target(&self) -> Vec<usize> {
        let Targets::Classes { positions, .. } = self.target() else { unreachable!("masks have classes") };
        positions.axes().to_vec()
    }
}

fn cifar(folder: &Path) {
    for (index, name) in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
        .iter()
        .enumerate()
    {
        let record = |class: u8| [vec![class], vec![index as u8; 1024], vec![10; 1024], vec![20; 1024]].concat();
        put(&folder.join(format!("{name}.bin")), [record(3), record(9)].concat());
    }
}

#[test]
fn cifar_10_reads_its_records() {
    let folder = folder();
    cifar(folder.path());
    let source = opened("cifar10", folder.path(), "").unwrap();
    assert_eq!((source.train.len(), source.test.len(), source.train.input().axes()), (10, 2, &[3, 32, 32][..]));
    let (names, indices) = classes(&source.train);
    assert_eq!((names[3].as_str(), &indices[..4]), ("cat", &[3, 9, 3, 9][..]));
    let values = bytes(&source.train);
    assert_eq!([values[2 * 3072], values[2 * 3072 + 1024], values[2 * 3072 + 3071]], [1, 10, 20]);
}

#[test]
fn files_that_are_no_images_or_lie_are_refused() {
    let folder = folder();
    let path = folder.path().join("a.png");
    let message = |bytes: &[u8]| Picture::decode(&path, bytes).expect_err("is refused").to_string();
    says(&message(b""), &["a.png is empty"]);
    says(&message(b"just some text"), &["is no image of the formats PNG, JPEG"]);
    says(&message(b"GIF89a\x01\x00\x01\x00\x00\x00\x00"), &["kind that cannot be read", "expected PNG, JPEG"]);
    let mut png = std::io::Cursor::new(Vec::new());
    color(40, 40).write_to(&mut png, image::ImageFormat::Png).unwrap();
    let png = png.into_inner();
    says(&message(&png[..png.len() / 2]), &["damaged or cut off"]);
    says(&message(&png[..20]), &["damaged or cut off"]);
    let mut jpeg = std::io::Cursor::new(Vec::new());
    color(40, 40).write_to(&mut jpeg, image::ImageFormat::Jpeg).unwrap();
    says(&message(&jpeg.into_inner()[..60]), &["damaged or cut off"]);
    let mut flipped = png.clone();
    flipped[60] ^= 0xff;
    says(&message(&flipped), &["damaged or cut off"]);
    // Twenty bytes that announce gigabytes, and sides beyond all measure.
    says(&message(b"P6 30000 30000 255\nabc"), &["30000x30000", "2700000000"]);
    says(&message(b"P5 100000 10 255\nabc"), &["a.png", "32768"]);
    says(&message(b"P6 0 7 255\n"), &["a.png"]);
    says(&message(b"P6 8 8 255\nabc"), &["damaged or cut off"]);
    // Less than any file may unpack to, but more than these bytes can hold.
    says(&message(b"P6 4000 5000 255\nabc"), &["60000000 bytes; a file of 20 bytes cannot hold them"]);
}

/// 144 million pixels of black, in a file of 140 kB.
#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    use std::io::Write;
    let side = 12_000u32;
    let mut zeros = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    (0..side).for_each(|_| zeros.write_all(&vec![0; side as usize + 1]).expect("memory takes it"));
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut sum = flate2::Crc::new();
        sum.update(&[&kind[..], data].concat());
        png.extend((data.len() as u32).to_be_bytes());
        png.extend([&kind[..], data].concat());
        png.extend(sum.sum().to_be_bytes());
    };
    let size = [side.to_be_bytes(), side.to_be_bytes()].concat();
    chunk(b"IHDR", &[&size[..], &[8, 0, 0, 0, 0]].concat());
    chunk(b"IDAT", &zeros.finish().expect("memory takes it"));
    chunk(b"IEND", &[]);
    assert!(png.len() < 1 << 20);
    let text = Picture::decode(Path::new("bomb.png"), &png).expect_err("is refused").to_string();
    says(&text, &["bomb.png announces 12000x12000 pixels, which take 144000000 bytes", "Make the image smaller"]);
}

#[test]
fn folders_that_are_no_classes_are_refused() {
    let folder = folder();
    let root = folder.path();
    let at = |path: &str| root.join(path);
    says(&refused("images", &at("nowhere"), ""), &["cannot read", "nowhere"]);
    put(&at("file"), "x");
    says(&refused("images", &at("file"), ""), &["is a file; give the folder"]);
    fs::create_dir(at("empty")).unwrap();
    says(&refused("images", &at("empty"), ""), &["is empty; expected one folder a class"]);
    save(gray(4, 4), &at("one/cat/0.png"));
    says(&refused("images", &at("one"), ""), &["has one class only (\"cat\")"]);
    save(gray(4, 4), &at("void/cat/0.png"));
    fs::create_dir(at("void/dog")).unwrap();
    says(&refused("images", &at("void"), ""), &["dog holds no image"]);
    save(gray(4, 4), &at("stray/0.png"));
    says(&refused("images", &at("stray"), ""), &["0.png lies beside the folders of the classes"]);
    let two = |name: &str| ["a", "b"].iter().for_each(|class| save(gray(4, 4), &at(&format!("{name}/{class}/0.png"))));
    two("deep");
    save(gray(4, 4), &at("deep/b/more/0.png"));
    says(&refused("images", &at("deep"), ""), &["more is a folder in the folder of a class"]);
    two("text");
    put(&at("text/b/notes.txt"), "these are no pixels");
    says(&refused("images", &at("text"), ""), &["notes.txt is no image"]);
    two("sizes");
    save(gray(4, 5), &at("sizes/b/1.png"));
    says(&refused("images", &at("sizes"), ""), &["1.png has 4x5 pixels, but", "has 4x4", "images:DIR?size=64x64"]);
    two("cut");
    let whole = fs::read(at("cut/a/0.png")).unwrap();
    put(&at("cut/b/1.png"), &whole[..whole.len() - 25]);
    says(&refused("images", &at("cut"), ""), &["1.png", "damaged or cut off"]);
    two("good");
    for (options, parts) in [
        ("?size=64", &["a size written HEIGHTxWIDTH", "got 64"][..]),
        ("?size=0x4", &["a size written HEIGHTxWIDTH"]),
        ("?size=50000x50000", &["at most 32768x32768"]),
        ("?channels=4", &["channels must be one of 1, 3, got 4"]),
        ("?fit=best", &["fit must be one of stretch, crop"]),
        ("?sise=4x4", &["size, channels, fit", "did you mean size?"]),
        ("?size=32768x32768", &["at most 67108864 bytes", "takes 3221225472"]),
    ] {
        says(&refused("images", &at("good"), options), parts);
    }
    says(&open("images", &DataOptions::default()).unwrap_err().to_string(), &["should be written images:DIR"]);
}

/// Where a file of a case is.
type At<'a> = &'a dyn Fn(&str) -> std::path::PathBuf;

#[test]
fn masks_that_do_not_belong_to_their_images_are_refused() {
    let case = |make: &dyn Fn(At<'_>)| {
        let folder = folder();
        for index in 0..3u8 {
            save(color(4, 6), &folder.path().join(format!("images/{index}.png")));
            let mask = image::GrayImage::from_fn(6, 4, |x, _| image::Luma([(x % 2) as u8]));
            save(mask, &folder.path().join(format!("masks/{index}.png")));
        }
        make(&|path| folder.path().join(path));
        refused("masks", folder.path(), "")
    };
    let flat = |value: u8| image::GrayImage::from_pixel(6, 4, image::Luma([value]));
    says(
        &case(&|at| fs::remove_dir_all(at("masks")).unwrap()),
        &["masks is not there; expected the folders images and masks"],
    );
    says(&case(&|at| fs::remove_file(at("masks/1.png")).unwrap()), &["1.png has no mask: there is no file \"1\""]);
    says(&case(&|at| fs::remove_file(at("images/2.png")).unwrap()), &["2.png has no image: there is no file \"2\""]);
    says(&case(&|at| save(gray(4, 5), &at("masks/1.png"))), &["1.png has 4x5 pixels, but its image", "has 4x6"]);
    says(&case(&|at| save(color(4, 6), &at("masks/1.png"))), &["1.png is in color; a mask is gray"]);
    says(
        &case(&|at| save(flat(7), &at("masks/1.png"))),
        &["1.png has the value 7, but no mask has the value 2", "classes.txt"],
    );
    says(
        &case(&|at| (0..3).for_each(|index| save(flat(0), &at(&format!("masks/{index}.png"))))),
        &["the value 0 alone; at least two"],
    );
    says(&case(&|at| put(&at("classes.txt"), "only\n")), &["classes.txt names 1 classes; expected 2 to 255"]);
    let named = |at: At<'_>| {
        put(&at("classes.txt"), "a\nb\n");
        save(flat(2), &at("masks/2.png"));
    };
    says(&case(&named), &["2.png has the value 2; classes.txt names 2 classes, so values are 0 to 1"]);
    says(
        &case(&|at| save(color(4, 6), &at("images/1.bmp"))),
        &["has the name of", "so it is not plain which one is meant"],
    );
    says(&case(&|at| fs::create_dir(at("images/more")).unwrap()), &["more is a folder; expected files of images"]);
    says(&case(&|at| put(&at("masks/0.png"), "no pixels")), &["0.png is no image"]);
}

#[test]
fn records_of_cifar_10_that_are_none_are_refused() {
    let folder = folder();
    cifar(folder.path());
    let at = |name: &str| folder.path().join(name);
    let whole = fs::read(at("test_batch.bin")).unwrap();
    put(&at("test_batch.bin"), &whole[..5000]);
    says(&refused("cifar10", folder.path(), ""), &["test_batch.bin has 5000 bytes; expected records of 3073 bytes"]);
    let mut bad = whole.clone();
    bad[3073] = 10;
    put(&at("test_batch.bin"), &bad);
    says(&refused("cifar10", folder.path(), ""), &["has the class 10 at image 1", "expected 0 to 9"]);
    put(&at("test_batch.bin"), &whole);
    put(&at("batches.meta.txt"), "a\nb\n");
    says(&refused("cifar10", folder.path(), ""), &["batches.meta.txt names 2 classes; expected 10"]);
    fs::remove_file(at("data_batch_4.bin")).unwrap();
    says(&refused("cifar10", folder.path(), ""), &["data_batch_4.bin is not there", "binary version"]);
    says(&refused("cifar10", &at("test_batch.bin"), ""), &["is a file; give the folder"]);
}
