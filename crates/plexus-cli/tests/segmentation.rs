//! Images as a user sees them: a class for each pixel, from training on built-in pictures or on files to masks; classes of whole
//! images.

mod program;

use program::{Dice, Outcome, plexus, write};
use std::path::Path;

/// Two classes for each pixel.
const NETWORK: &str = include_str!("../../../testdata/networks/pixels.toml");

fn run(folder: &Path, args: &str) -> Outcome {
    plexus(folder, args.split_whitespace())
}

fn trained(data: &str, more: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("net.toml"), NETWORK);
    let args = format!("train --data {data} --network net.toml --epochs 8 --batch 8 --lr 0.01 --out run {more}");
    run(folder.path(), &args).well();
    folder
}

fn pixels(path: &Path) -> (u32, u32, Vec<u8>) {
    let image = image::open(path).expect("it is an image").to_luma8();
    (image.height(), image.width(), image.into_raw())
}

#[test]
fn cells_are_learnt_measured_and_marked_in_images_of_any_size() {
    let folder = trained("cells:32x32?count=60", "--loss dice_cross_entropy --augment flip=0.5 --json");
    let at = |name: &str| folder.path().join(name);
    for picture in ["segmentation.png", "confusion-matrix.svg", "learning-curves.png", "example.png"] {
        assert!(at("run").join(picture).is_file(), "{picture}");
    }
    let (height, width, _) = pixels(&at("run/segmentation.png"));
    assert_eq!((height, width), (4 * 36 - 4, 6 * 36 - 4));

    let measured = run(folder.path(), "evaluate run --json").well().last_json();
    assert_eq!((&measured["rows"], &measured["test_pixels"]), (&12.into(), &(12 * 1024).into()));
    assert!(measured["test_mean_iou"].as_f64() > Some(0.6), "{measured}");
    let cell = &measured["test_classes"][1];
    let (iou, dice) = (cell["iou"].as_f64().expect("a number"), cell["dice"].as_f64().expect("a number"));
    assert!(cell["class"] == "cell" && (dice - 2.0 * iou / (1.0 + iou)).abs() < 1e-12, "{cell}");
    let said = run(folder.path(), "evaluate run").well().stdout;
    assert!(said.contains("mean IoU") && said.contains("pixel accuracy") && said.contains("Dice"), "{said}");

    // The image of the run, and one of another size.
    let answer =
        run(folder.path(), "predict run run/example.png --out mask.png --overlay over.png --json").well().last_json();
    assert_eq!((&answer["height"], &answer["width"], &answer["mask"]), (&32.into(), &32.into(), &"mask.png".into()));
    let (height, width, values) = pixels(&at("mask.png"));
    assert!((height, width) == (32, 32) && values.iter().all(|value| [0, 255].contains(value)));
    let share = values.iter().filter(|value| **value == 255).count() as f64 / 1024.0;
    assert!((answer["shares"]["cell"].as_f64().expect("a number") - share).abs() < 1e-9 && share > 0.02, "{answer}");
    assert!(at("over.png").is_file());
    image::GrayImage::from_fn(75, 41, |x, y| image::Luma([(x * y) as u8]))
        .save(at("large.png"))
        .expect("it is written");
    std::fs::create_dir(at("masks")).expect("a temporary folder");
    let said = run(folder.path(), "predict run large.png run/example.png --out masks").well().stdout;
    assert!(said.contains("large.png: background") && said.contains("41x75 pixels"), "{said}");
    assert_eq!((pixels(&at("masks/large.png")).0, pixels(&at("masks/example.png")).1), (41, 32));
    let row = run(folder.path(), "predict run --data cells:32x32?count=60 --row 1").well().stdout;
    assert!(row.contains("of the pixels") && row.contains("(true"), "{row}");

    // What does not go together.
    for (args, says) in [
        ("predict run large.png --threshold 0.5", "for one answer a row"),
        ("predict run large.png --format csv", "fits into no table"),
        ("predict run large.png --out mask.jpg", "must end in .png"),
        ("predict run large.png run/example.png --out mask.png", "is no folder, but there are 2 images"),
        ("predict run large.png --out large.png", "is an input itself"),
        ("predict run net.toml --overlay o.png", "--overlay is for images"),
        ("predict run none.png", "none.png"),
        ("evaluate run --threshold 0.5", "gives a class for each pixel"),
        ("evaluate run --data digits", "the input shape"),
        ("train --data cells:8x8 --network net.toml", "at least 16x16"),
        ("train --data cells --network mlp:8", "2 classes at [128, 128] positions"),
        ("train --data digits --network mlp:8 --loss dice --task regression", "--task is for tables"),
    ] {
        let outcome = run(folder.path(), args);
        assert!(outcome.code == Some(2) && outcome.stderr.contains(says), "{args}: {}", outcome.stderr);
    }
}

#[test]
fn masks_and_classes_are_learnt_from_folders_of_images() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: String| folder.path().join(name);
    for part in ["roads/images", "roads/masks", "shapes/light", "shapes/dark"] {
        std::fs::create_dir_all(at(part.to_string())).expect("a temporary folder");
    }
    for index in 0..30u32 {
        let inside = |x: u32, y: u32| x.abs_diff(4 + index % 8) < 4 && y.abs_diff(5 + index % 6) < 4;
        let noise = |x: u32, y: u32| (x * 37 + y * 101 + index * 53) % 40;
        let image = image::RgbImage::from_fn(16, 16, |x, y| {
            let light = noise(x, y) + if inside(x, y) { 180 } else { 40 };
            image::Rgb([light as u8, (light / 2) as u8, noise(y, x) as u8])
        });
        image.save(at(format!("roads/images/{index}.png"))).expect("it is written");
        let mask = image::GrayImage::from_fn(16, 16, |x, y| image::Luma([if inside(x, y) { 255 } else { 0 }]));
        mask.save(at(format!("roads/masks/{index}.png"))).expect("it is written");
        for (class, light) in [("light", 200), ("dark", 30)] {
            let image = image::RgbImage::from_fn(20, 14, |x, y| image::Rgb([(light + noise(x, y)) as u8; 3]));
            image.save(at(format!("shapes/{class}/{index}.jpg"))).expect("it is written");
        }
    }
    write(&at("net.toml".to_string()), NETWORK);
    let train = "train --data masks:roads --network net.toml --epochs 12 --batch 4 --lr 0.01 --out run --json";
    let trained = run(folder.path(), train).well().last_json();
    assert!(trained["test_mean_iou"].as_f64() > Some(0.8), "{trained}");
    // The rows held out are those of the training.
    let measured = run(folder.path(), "evaluate run --json").well().last_json();
    assert_eq!(measured["test_mean_iou"], trained["test_mean_iou"]);
    run(folder.path(), "predict run roads/images/3.png --out mask.png").well();
    let wrong = pixels(&at("mask.png".into()))
        .2
        .iter()
        .zip(&pixels(&at("roads/masks/3.png".into())).2)
        .filter(|(a, b)| a != b)
        .count();
    assert!(wrong < 40, "{wrong}");

    // Classes of whole images, brought to one size; a picture of another size is treated alike.
    let train = "train --data images:shapes?size=8x8&fit=crop --network mlp:8 --epochs 20 --batch 8 --out shapes-run --json --test-fraction 0.3";
    let trained = run(folder.path(), train).well().last_json();
    assert!(trained["test_accuracy"].as_f64() == Some(1.0), "{trained}");
    let measured = run(folder.path(), "evaluate shapes-run --data images:shapes --json").well().last_json();
    assert_eq!((&measured["rows"], &measured["test_accuracy"]), (&18.into(), &1.0.into()));
    let answer = run(folder.path(), "predict shapes-run shapes/dark/3.jpg --json").well().last_json();
    assert_eq!(answer["label"], "dark");
    let told = run(folder.path(), "predict shapes-run roads/images/3.png --json").well();
    assert_eq!(told.json_lines().len(), 1);

    for (args, says) in [
        ("train --data images:nowhere --network mlp:8", "cannot read nowhere"),
        ("train --data masks:shapes --network mlp:8", "images is not there"),
        ("train --data cifar10:shapes --network mlp:8", "data_batch_1.bin is not there"),
        ("train --data images:shapes?size=9 --network mlp:8", "HEIGHTxWIDTH"),
        ("train --data images:shapes --network mlp:8 --header yes", "--header is for tables"),
    ] {
        let outcome = run(folder.path(), args);
        assert!(outcome.code == Some(2) && outcome.stderr.contains(says), "{args}: {}", outcome.stderr);
    }
}

/// Three things that a person tells apart, in color, anywhere, large or small, with noise: a disk, stripes, a cross.
fn shape(class: usize, dice: &mut Dice) -> image::RgbImage {
    let mut between = |low: u64, high: u64| (low + dice.below(high - low)) as i32;
    let (across, down, size) = (between(9, 15), between(9, 15), between(5, 8));
    let (ground, ink) = ([0; 3].map(|_| between(0, 90)), [0; 3].map(|_| between(150, 240)));
    let phase = between(0, 6);
    image::RgbImage::from_fn(24, 24, |x, y| {
        let (x, y) = (x as i32, y as i32);
        let (right, below) = ((x - across).abs(), (y - down).abs());
        let inside = match class {
            0 => right * right + below * below <= size * size,
            1 => (y + phase) % 6 < 3,
            _ => right.max(below) <= size && right.min(below) <= 1,
        };
        let color = if inside { ink } else { ground };
        image::Rgb(color.map(|value| (value + between(0, 30) - 15).clamp(0, 255) as u8))
    })
}

#[test]
fn a_small_vgg_with_batch_norm_tells_three_shapes_in_color_apart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut dice = Dice(11);
    for (class, name) in ["disk", "stripes", "cross"].into_iter().enumerate() {
        std::fs::create_dir_all(folder.path().join("shapes").join(name)).expect("a temporary folder");
        for index in 0..40 {
            let path = folder.path().join(format!("shapes/{name}/{index:02}.png"));
            shape(class, &mut dice).save(path).expect("it is written");
        }
    }
    let train = "train --data images:shapes --network cnn?width=8&stages=3 --epochs 12 --batch 8 --lr 0.005 --test-fraction 0.25 \
                 --augment flip=0.5,brightness=0.1 --out run --json";
    let trained = run(folder.path(), train).well().last_json();
    let accuracy = trained["test_accuracy"].as_f64().expect("a number");
    println!("held-out accuracy {accuracy}");
    assert!(accuracy >= 0.9, "{trained}");
    // It is one of 3 x 3 convolutions with batch norm, and reads three channels.
    let counted = run(folder.path(), "summary run/model.safetensors --json").well().last_json();
    let kinds: Vec<&str> =
        counted["layers"].as_array().expect("a list").iter().filter_map(|layer| layer["kind"].as_str()).collect();
    let count = |kind: &str| kinds.iter().filter(|other| **other == kind).count();
    assert_eq!((count("conv2d"), count("batch_norm"), count("max_pool2d")), (6, 6, 2));
    assert_eq!(counted["input_shape"], serde_json::json!([3, 24, 24]));
    let measured = run(folder.path(), "evaluate run --json").well().last_json();
    assert_eq!((&measured["rows"], &measured["test_accuracy"]), (&30.into(), &trained["test_accuracy"]));
    shape(2, &mut dice).save(folder.path().join("new.png")).expect("it is written");
    assert_eq!(run(folder.path(), "predict run new.png --json").well().last_json()["label"], "cross");
}
