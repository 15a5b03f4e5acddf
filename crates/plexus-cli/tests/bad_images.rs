//! What a person can get wrong with images and the networks for them: one clear message each, and little memory before it.
//!
//! Each row changes good folders of images, of masks and of CIFAR-10 in one place. The program runs with so little memory for
//! its data that it ends at once if it makes room for what a file announces.
#![cfg(unix)]

mod program;

use image::ImageFormat;
use program::{Outcome, files_in, outcome, plexus, write};
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

/// One bad input: a name, the arguments (cut at blanks), words of the message, and what is done to the good folders.
struct Case {
    name: String,
    args: String,
    says: Vec<&'static str>,
    spoil: Box<dyn Fn(&Path)>,
}

/// The data, in kB: 64 MB, and the stacks of one thread for each processor.
fn limit() -> usize {
    62_500 + 3_000 * std::thread::available_parallelism().map_or(1, |threads| threads.get())
}

/// The program with so little memory.
fn limited(folder: &Path, args: &str) -> Command {
    // The shell sets the limit and becomes the program.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -c 0; ulimit -d \"$0\"; exec \"$@\"", &limit().to_string()]);
    limited.arg(env!("CARGO_BIN_EXE_plexus")).args(args.split_whitespace());
    limited.current_dir(folder).env_remove("CARGO_MANIFEST_DIR").env_remove("COLUMNS");
    limited
}

fn check(case: &Case) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    good(folder.path());
    (case.spoil)(folder.path());
    let before = names(folder.path());
    let mut limited = limited(folder.path(), &case.args);
    let Outcome { code, stdout, stderr } = outcome(&mut limited, None);
    let flat = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    let fault = |what: &str| Err(format!("{what}\nexit code {code:?}\nstdout: {stdout}stderr: {stderr}"));
    if code != Some(2) {
        return fault("the exit code is not 2");
    }
    if !stderr.starts_with("error: ") || stderr.matches("error:").count() != 1 || stderr.contains("panicked") {
        return fault("not one message that begins with `error: `");
    }
    if !stdout.is_empty() || stderr.chars().any(|c| c.is_control() && c != '\n') || stderr.len() > 2000 {
        return fault("something was printed, or the message has control characters or is too long");
    }
    if let Some(missing) = case.says.iter().find(|words| !flat.contains(**words)) {
        return fault(&format!("the message does not say {missing:?}"));
    }
    match names(folder.path()) == before {
        true => Ok(()),
        false => fault("files were written"),
    }
}

/// The files below a folder; some are too long to be read.
fn names(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut names = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("the folder reads").flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { names.push(entry.path()) }
        }
    }
    names.sort();
    names
}

/// A picture in color, 20 x 20, as a file of some format.
fn picture(format: ImageFormat, shade: u8) -> Vec<u8> {
    let image =
        image::RgbImage::from_fn(20, 20, |x, y| image::Rgb([shade, (x * y % 251) as u8, (x * 7 + y * 31) as u8]));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).expect("it is encoded");
    bytes.into_inner()
}

/// A gray picture of some size, from the value of each pixel.
fn mask(width: u32, height: u32, value: impl Fn(u32) -> u8) -> Vec<u8> {
    let image = image::GrayImage::from_fn(width, height, |x, _| image::Luma([value(x)]));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).expect("it is encoded");
    bytes.into_inner()
}

const CIFAR: [&str; 6] = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"];

/// Two images of CIFAR-10.
fn records(class: u8) -> Vec<u8> {
    [[class].as_slice(), &[9; 3072], &[class], &[70; 3072]].concat()
}

/// Folders that can be learnt from: `shapes`, `roads`, `cifar`.
fn good(folder: &Path) {
    for index in 0..4u8 {
        for (class, shade) in [("a", 20), ("b", 200)] {
            write(&folder.join(format!("shapes/{class}/{index}.png")), picture(ImageFormat::Png, shade + index));
        }
        write(&folder.join(format!("roads/images/{index}.png")), picture(ImageFormat::Png, index));
        write(&folder.join(format!("roads/masks/{index}.png")), mask(20, 20, |x| (x % 2) as u8));
    }
    CIFAR.iter().for_each(|name| write(&folder.join(format!("cifar/{name}.bin")), records(3)));
}

/// The good folders can be learnt from, so that what is refused is refused for what was changed.
#[test]
fn what_the_cases_change_is_good() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    good(folder.path());
    for (data, network, out) in [
        ("images:shapes", "cnn?width=2&stages=1", "one"),
        ("masks:roads", "unet?width=2&depth=2&padding=same", "two"),
        ("cifar10:cifar", "cnn?width=2&stages=1", "three"),
    ] {
        plexus(folder.path(), ["train", "--data", data, "--network", network, "--epochs", "1", "--out", out]).well();
    }
}

/// Systems other than Linux may not count all memory.
#[cfg(target_os = "linux")]
#[test]
fn more_memory_than_the_limit_is_seen() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let large = "train --data cells:2048x2048?count=8 --network cnn --epochs 1 --out out";
    let Outcome { code, stderr, .. } = outcome(&mut limited(folder.path(), large), None);
    assert!(code.is_none() && stderr.contains("memory allocation"), "{code:?} {stderr}");
}

#[test]
fn every_mistake_with_images_is_one_clear_message_before_memory_is_taken() {
    let cases: Vec<Case> = [files(), lies(), folders(), masks(), cifar(), networks(), changes(), weights(), answers()]
        .into_iter()
        .flatten()
        .collect();
    assert!(cases.len() >= 60, "only {} cases", cases.len());
    let faults: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("{} ({})\n{}", case.name, case.args, check(case).err()?)))
        .collect();
    println!("{} bad inputs", cases.len());
    assert!(faults.is_empty(), "{} of {} cases:\n\n{}", faults.len(), cases.len(), faults.join("\n\n"));
}

fn case(name: &str, args: &str, says: &[&'static str], spoil: impl Fn(&Path) + 'static) -> Case {
    Case { name: name.to_string(), args: args.to_string(), says: says.to_vec(), spoil: Box::new(spoil) }
}

/// Training on some data with a small network.
fn train(data: &str) -> String {
    format!("train --data {data} --network cnn?width=2&stages=1 --epochs 1 --out out")
}

/// A file in the place of one of the images.
fn image_case(name: &str, ending: &str, contents: Vec<u8>, says: &[&'static str]) -> Case {
    let place = format!("shapes/a/1.{ending}");
    case(name, &train("images:shapes"), says, move |folder| {
        std::fs::remove_file(folder.join("shapes/a/1.png")).expect("it is there");
        write(&folder.join(&place), &contents);
    })
}

/// Files that are no images, or not all of one.
fn files() -> Vec<Case> {
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let whole = picture(ImageFormat::Png, 9);
    let mut flipped = whole.clone();
    flipped[60] ^= 0xff;
    let cut = [
        ("png", ImageFormat::Png, &["shapes/a/1.png", "damaged or cut off"]),
        ("jpg", ImageFormat::Jpeg, &["shapes/a/1.jpg", "damaged or cut off"]),
        ("bmp", ImageFormat::Bmp, &["shapes/a/1.bmp", "damaged or cut off"]),
        ("webp", ImageFormat::WebP, &["shapes/a/1.webp", "damaged or cut off"]),
        ("ppm", ImageFormat::Pnm, &["shapes/a/1.ppm", "damaged or cut off"]),
    ];
    let cut = cut.map(|(ending, format, says)| {
        image_case(&format!("half of a {ending} file"), ending, half(picture(format, 9)), says)
    });
    let mut cases = vec![
        image_case("an empty file", "png", Vec::new(), &["shapes/a/1.png is empty", "expected an image"]),
        image_case("text", "png", b"just text".to_vec(), &["shapes/a/1.png is no image of the formats PNG, JPEG"]),
        image_case(
            "an animation",
            "gif",
            b"GIF89a\x01\0\x01\0\0\0\0".to_vec(),
            &["cannot be read", "expected PNG, JPEG"],
        ),
        image_case("a flipped byte", "png", flipped, &["shapes/a/1.png", "damaged or cut off"]),
        image_case("a header alone", "png", whole[..33].to_vec(), &["shapes/a/1.png", "damaged or cut off"]),
    ];
    cases.extend(cut);
    cases
}

/// A PNG file of its chunks, their sums made right.
fn png(width: u32, height: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut sum = flate2::Crc::new();
        sum.update(&[&kind[..], data].concat());
        bytes.extend((data.len() as u32).to_be_bytes());
        bytes.extend([&kind[..], data].concat());
        bytes.extend(sum.sum().to_be_bytes());
    };
    chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 0, 0, 0, 0]].concat());
    chunk(b"IDAT", data);
    chunk(b"IEND", &[]);
    bytes
}

/// Zeros, packed as PNG packs them.
fn zeros(lines: usize, line: usize) -> Vec<u8> {
    use std::io::Write;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    (0..lines).for_each(|_| packed.write_all(&vec![0; line]).expect("memory takes it"));
    packed.finish().expect("memory takes it")
}

/// Files that announce more than they hold.
fn lies() -> Vec<Case> {
    let after = |bytes: &[u8], marker: &[u8]| {
        bytes.windows(marker.len()).position(|found| found == marker).expect("it is there") + marker.len()
    };
    let mut jpeg = picture(ImageFormat::Jpeg, 9);
    // Length and precision, then rows and columns.
    let at = after(&jpeg, b"\xff\xc0") + 3;
    jpeg[at..at + 4].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    let mut bmp = picture(ImageFormat::Bmp, 9);
    bmp[18..26].copy_from_slice(&[30_000u32.to_le_bytes(), 30_000u32.to_le_bytes()].concat());
    let mut webp = picture(ImageFormat::WebP, 9);
    // Behind the length and a signature: fourteen bits for each side, less one.
    let at = after(&webp, b"VP8L") + 5;
    webp[at..at + 4].copy_from_slice(&(11_999u32 | 11_999 << 14).to_le_bytes());
    vec![
        image_case("a header of gigabytes", "ppm", b"P6 30000 30000 255\nabc".to_vec(), &["30000x30000", "2700000000"]),
        image_case(
            "a header of sixty megabytes",
            "ppm",
            b"P6 5000 4000 255\nabc".to_vec(),
            &["4000x5000 pixels, which take 60000000 bytes", "a file of 20 bytes cannot hold them"],
        ),
        image_case("a side beyond all", "pgm", b"P5 100000 10 255\nabc".to_vec(), &["shapes/a/1.pgm", "32768"]),
        image_case("no pixels", "ppm", b"P6 0 7 255\n".to_vec(), &["shapes/a/1.ppm"]),
        image_case("a PNG that lies", "png", png(8000, 8000, &zeros(1, 9)), &["8000x8000 pixels", "cannot hold them"]),
        image_case("a JPEG that lies", "jpg", jpeg, &["30000x30000 pixels", "2700000000 bytes"]),
        image_case("a BMP that lies", "bmp", bmp, &["30000x30000 pixels", "2700000000 bytes"]),
        image_case(
            "a WebP that lies",
            "webp",
            webp,
            &["12000x12000 pixels", "432000000 bytes", "Make the image smaller"],
        ),
        image_case(
            "a bomb",
            "png",
            png(12_000, 12_000, &zeros(12_000, 12_001)),
            &["144000000 bytes", "Make the image smaller"],
        ),
    ]
}

/// Folders that are no classes.
fn folders() -> Vec<Case> {
    let option = |name: &str, option: &str, says: &[&'static str]| {
        case(name, &train(&format!("images:shapes?{option}")), says, |_| ())
    };
    let changed =
        |name: &str, says: &[&'static str], spoil: fn(&Path)| case(name, &train("images:shapes"), says, spoil);
    let remove = |folder: &Path| std::fs::remove_dir_all(folder).expect("it is there");
    vec![
        case("no such folder", &train("images:nowhere"), &["cannot read nowhere"], |_| ()),
        case("a file for a folder", &train("images:shapes/a/0.png"), &["is a file; give the folder"], |_| ()),
        case("no class folders", &train("images:none"), &["none is empty", "one folder a class"], |folder| {
            std::fs::create_dir(folder.join("none")).expect("it is made");
        }),
        case("images without classes", &train("images:shapes/a"), &["0.png lies beside", "one folder a class"], |_| ()),
        case("one class", &train("images:shapes"), &["one class only (\"a\")", "at least two"], move |folder| {
            remove(&folder.join("shapes/b"));
        }),
        case(
            "a class of nothing",
            &train("images:shapes"),
            &["shapes/c holds no image", "remove the folder"],
            |folder| {
                std::fs::create_dir(folder.join("shapes/c")).expect("it is made");
            },
        ),
        changed("a folder in a class", &["shapes/a/more is a folder in the folder of a class"], |folder| {
            write(&folder.join("shapes/a/more/0.png"), picture(ImageFormat::Png, 1));
        }),
        changed(
            "a class that is in the test alone",
            &["has the class \"c\" in test, but not in train: a, b"],
            |folder| {
                for place in ["train/a", "train/b", "test/a", "test/c"] {
                    write(&folder.join(format!("shapes/{place}/0.png")), picture(ImageFormat::Png, 1));
                }
                ["a", "b"]
                    .iter()
                    .for_each(|class| std::fs::remove_dir_all(folder.join("shapes").join(class)).expect("it is there"));
            },
        ),
        changed(
            "images of two sizes",
            &["shapes/b/2.png has 9x7 pixels", "20x20", "images:DIR?size=64x64"],
            |folder| {
                write(&folder.join("shapes/b/2.png"), mask(7, 9, |_| 1));
            },
        ),
        option("half a size", "size=9", &["HEIGHTxWIDTH", "9"]),
        option("a size of nothing", "size=0x9", &["HEIGHTxWIDTH", "0x9"]),
        option("a size beyond all", "size=30000x30000", &["images", "bytes", "30000x30000"]),
        option("two channels", "channels=2", &["one of 1, 3", "2"]),
        option("a fit that there is not", "fit=squeeze", &["one of stretch, crop", "squeeze"]),
        option("an unknown option", "sizes=8x8", &["did you mean size?"]),
        case("cells that are too small", &train("cells:8x8"), &["at least 16x16", "8x8"], |_| ()),
        case(
            "cells beyond memory",
            &train("cells:4096x4096?count=1000"),
            &["134217728 pixels", "83886080000 bytes"],
            |_| (),
        ),
    ]
}

/// Masks that do not belong to their images.
fn masks() -> Vec<Case> {
    let mask_case = |name: &str, says: &[&'static str], contents: Vec<u8>| {
        case(name, &train("masks:roads"), says, move |folder| write(&folder.join("roads/masks/1.png"), &contents))
    };
    let changed = |name: &str, says: &[&'static str], spoil: fn(&Path)| case(name, &train("masks:roads"), says, spoil);
    vec![
        mask_case(
            "a mask of another size",
            &["masks/1.png has 20x19 pixels, but its image", "20x20"],
            mask(19, 20, |_| 1),
        ),
        mask_case(
            "a mask in color",
            &["masks/1.png is in color", "values are class numbers"],
            picture(ImageFormat::Png, 1),
        ),
        mask_case(
            "a class between that is in no mask",
            &["has the value 7, but no mask has the value 2", "classes.txt"],
            mask(20, 20, |_| 7),
        ),
        mask_case("a mask cut off", &["masks/1.png", "damaged or cut off"], mask(20, 20, |x| x as u8)[..50].to_vec()),
        mask_case("a mask that lies", &["masks/1.png", "8000x8000"], png(8000, 8000, &zeros(1, 9))),
        changed("a class beyond those named", &["has the value 2; classes.txt names 2 classes", "0 to 1"], |folder| {
            write(&folder.join("roads/classes.txt"), "road\nwood\n");
            write(&folder.join("roads/masks/2.png"), mask(20, 20, |_| 2));
        }),
        changed("one named class", &["classes.txt names 1 classes; expected 2 to 255"], |folder| {
            write(&folder.join("roads/classes.txt"), "road\n");
        }),
        changed("names without end", &["classes.txt has 500000000 bytes", "at most 1048576"], |folder| {
            let file = std::fs::File::create(folder.join("roads/classes.txt")).expect("it is made");
            file.set_len(500_000_000).expect("it has no blocks");
        }),
        changed("one class alone", &["the value 0 alone; at least two"], |folder| {
            (0..4).for_each(|index| write(&folder.join(format!("roads/masks/{index}.png")), mask(20, 20, |_| 0)));
        }),
        changed("an image without a mask", &["images/1.png has no mask"], |folder| {
            std::fs::remove_file(folder.join("roads/masks/1.png")).expect("it is there");
        }),
        changed("a mask without an image", &["masks/1.png has no image"], |folder| {
            std::fs::remove_file(folder.join("roads/images/1.png")).expect("it is there");
        }),
        changed("no masks", &["masks is not there", "the folders images and masks"], |folder| {
            std::fs::remove_dir_all(folder.join("roads/masks")).expect("it is there");
        }),
    ]
}

/// Files that are none of CIFAR-10.
fn cifar() -> Vec<Case> {
    let changed =
        |name: &str, says: &[&'static str], spoil: fn(&Path)| case(name, &train("cifar10:cifar"), says, spoil);
    vec![
        changed("a record cut off", &["test_batch.bin has 5000 bytes; expected records of 3073 bytes"], |folder| {
            write(&folder.join("cifar/test_batch.bin"), &records(1)[..5000]);
        }),
        changed("a large file before one that is cut off", &["data_batch_5.bin has 1 bytes"], |folder| {
            let file = std::fs::File::create(folder.join("cifar/data_batch_1.bin")).expect("it is made");
            file.set_len(100_000 * 3073).expect("it has no blocks");
            write(&folder.join("cifar/data_batch_5.bin"), "x");
        }),
        changed("a class beyond ten", &["data_batch_2.bin has the class 10 at image 0", "expected 0 to 9"], |folder| {
            write(&folder.join("cifar/data_batch_2.bin"), records(10));
        }),
        changed("a file that is missing", &["data_batch_4.bin is not there", "binary version"], |folder| {
            std::fs::remove_file(folder.join("cifar/data_batch_4.bin")).expect("it is there");
        }),
        changed("other names", &["batches.meta.txt names 2 classes; expected 10"], |folder| {
            write(&folder.join("cifar/batches.meta.txt"), "a\nb\n");
        }),
    ]
}

/// Networks that images do not fit.
fn networks() -> Vec<Case> {
    let with = |name: &str, data: &str, network: &str, says: &[&'static str]| {
        let args = format!("train --data {data} --network {network} --epochs 1 --out out");
        case(name, &args, says, |_| ())
    };
    let shapes = |name: &str, network: &str, says: &[&'static str]| with(name, "images:shapes", network, says);
    let roads = |name: &str, network: &str, says: &[&'static str]| with(name, "masks:roads", network, says);
    let file = |name: &str, layers: &'static str, says: &[&'static str]| {
        let args = "train --data images:shapes --network net.toml --epochs 1 --out out";
        case(name, args, says, move |folder| write(&folder.join("net.toml"), layers))
    };
    vec![
        shapes("three groups", "alexnet?groups=3", &["alexnet?groups=3", "groups=1 or 2", "is none"]),
        shapes("all dropped", "alexnet?dropout=1", &["dropout=a SHARE below 1", "is none"]),
        shapes("neither true nor false", "alexnet?lrn=maybe", &["lrn=true or false", "is none"]),
        shapes("groups of torchvision's", "alexnet?variant=torchvision&groups=2", &["it has one group"]),
        shapes("too many stages", "cnn?stages=9", &["stages=1 to 6", "is none"]),
        shapes("a depth that there is not", "vgg12", &["vgg12", "vgg11, vgg13, vgg16, vgg19"]),
        shapes("an unknown option", "vgg16?groups=2", &["options of vgg16", "batch_norm=true or false"]),
        shapes("images too small for alexnet", "alexnet", &["at least 67 x 67 pixels", "[3, 20, 20]", "Take cnn"]),
        shapes("images too small for vgg", "vgg16", &["at least 32 x 32 pixels", "Take cnn"]),
        shapes("other channels", "cnn?in_channels=1", &["1 channels (its in_channels)", "in_channels=3"]),
        shapes("other classes", "cnn?classes=7", &["7 (its classes)", "classes=2"]),
        shapes("a class for each pixel", "unet?padding=same&depth=1&width=2", &["2 classes"]),
        roads("one class for all pixels", "cnn?width=2&stages=1", &["2 classes at [20, 20] positions"]),
        roads("no filters", "unet?width=0", &["width=FILTERS", "is none"]),
        roads(
            "sides that cannot be halved",
            "unet?padding=same&depth=3",
            &["multiples of 8", "halved 3 times", "smaller depth"],
        ),
        roads("images too small for U-Net", "unet", &["at least 188 x 188 pixels", "padding=same"]),
        roads("an answer that is smaller", "unet?width=2&depth=1", &["[20, 20]"]),
        shapes("maps beyond memory", "cnn --batch 16777216", &["memory"]),
        with(
            "images at a size beyond memory",
            "images:shapes?size=4000x4000",
            "vgg16?batch_norm=true",
            &["memory", "bytes"],
        ),
        file(
            "maps beyond memory in a file",
            "[[layer]]\nkind = \"upsample\"\nfactor = 10000\n[[layer]]\nkind = \"global_avg_pool\"\n[[layer]]\nkind = \"linear\"\nout_features = 2\n",
            &["memory"],
        ),
        file(
            "a kernel larger than the image",
            "[[layer]]\nkind = \"conv2d\"\nout_channels = 2\nkernel_size = 21\n",
            &["net.toml:1", "layers.0 (conv2d)", "kernel_size", "20 x 20", "21 x 21", "Make the kernel smaller"],
        ),
        file(
            "filters beyond all",
            "[[layer]]\nkind = \"conv2d\"\nout_channels = 9000000000000\nkernel_size = 3\n",
            &["net.toml:3:16", "`out_channels` is too large", "at most 1099511627776"],
        ),
    ]
}

/// Changes of images that cannot be.
fn changes() -> Vec<Case> {
    let with = |name: &str, changes: &str, says: &[&'static str]| {
        case(name, &format!("{} --augment {changes}", train("images:shapes")), says, |_| ())
    };
    vec![
        with("more than always", "flip=2", &["--augment", "flip", "0..=1"]),
        with("nothing left", "crop=1", &["--augment", "crop", "0..=0.9"]),
        with("darker than dark", "brightness=-0.5", &["--augment", "brightness", "0..=0.95"]),
        with("more than a turn", "rotate=999", &["--augment", "rotate", "0..=180"]),
        with("no number of pixels", "shift=nan", &["--augment", "shift"]),
        with("an unknown change", "blur=1", &["--augment", "blur", "shift, rotate"]),
        with("a change without an amount", "flip", &["--augment", "flip"]),
    ]
}

/// A safetensors file with one tensor of four numbers.
fn tensor(name: &str) -> Vec<u8> {
    let header = format!(r#"{{"{name}":{{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}}}"#);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 16]].concat()
}

/// Weights of other networks.
fn weights() -> Vec<Case> {
    let with = |name: &str, network: &str, contents: Vec<u8>, says: &[&'static str]| {
        case(name, &format!("import w.safetensors {network} --out out"), says, move |folder| {
            write(&folder.join("w.safetensors"), &contents);
        })
    };
    vec![
        with(
            "a foreign state dict",
            "alexnet?variant=torchvision",
            tensor("layer1.0.conv1.weight"),
            &["w.safetensors", "layer1.0.conv1.weight [4] belongs to no layer", "features.0.weight"],
        ),
        with(
            "a shape of another network",
            "vgg11",
            tensor("features.0.bias"),
            &["features.0.bias is [4], expected [64]"],
        ),
        with(
            "a network that has no names elsewhere",
            "lenet5",
            tensor("conv1.bias"),
            &["lenet5", "no names of its layers"],
        ),
        with("weights cut off", "vgg11", tensor("features.0.bias")[..20].to_vec(), &["w.safetensors"]),
        with("PyTorch's own file", "vgg11", b"PK\x03\x04 data.pkl".to_vec(), &["w.safetensors", "safetensors"]),
    ]
}

/// Images that a model cannot answer.
fn answers() -> Vec<Case> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    good(folder.path());
    let fixed = "[[layer]]\nkind = \"flatten\"\n[[layer]]\nkind = \"linear\"\nout_features = 800\n[[layer]]\nkind = \"unflatten\"\nshape = [2, 20, 20]\n";
    write(&folder.path().join("net.toml"), fixed);
    plexus(folder.path(), ["train", "--data", "masks:roads", "--network", "net.toml", "--epochs", "1", "--out", "run"])
        .well();
    let model = files_in(folder.path()).remove(Path::new("run/model.safetensors")).expect("the run has it");
    let with = |name: &str, file: &'static str, contents: Vec<u8>, says: &[&'static str]| {
        let model = model.clone();
        case(name, &format!("predict model.safetensors {file} --out mask.png"), says, move |folder| {
            write(&folder.join("model.safetensors"), &model);
            write(&folder.join(file), &contents);
        })
    };
    vec![
        with(
            "tiles of a network that knows its size",
            "large.png",
            mask(40, 40, |x| x as u8),
            &["40x40 pixels", "knows its size"],
        ),
        with(
            "a bomb to be answered",
            "bomb.png",
            png(12_000, 12_000, &zeros(12_000, 12_001)),
            &["bomb.png", "144000000 bytes"],
        ),
        with("an image that lies", "lies.ppm", b"P6 5000 4000 255\nabc".to_vec(), &["lies.ppm", "cannot hold them"]),
        with(
            "half an image",
            "half.jpg",
            picture(ImageFormat::Jpeg, 3)[..200].to_vec(),
            &["half.jpg", "damaged or cut off"],
        ),
    ]
}
