//! Models in another form, as a user makes and uses them.

mod program;

use plexus::{Context, Model};
use program::{Dice, Outcome, files_in, plexus, write};
use std::path::Path;

/// A small classifier of images, with fully connected layers at its end.
const NETWORK: &str = "\
input = [1, 8, 8]
[[layer]]
name = \"conv\"
kind = \"conv2d\"
out_channels = 4
kernel_size = 3
[[layer]]
name = \"norm\"
kind = \"batch_norm\"
[[layer]]
kind = \"relu\"
[[layer]]
name = \"pool\"
kind = \"max_pool2d\"
kernel_size = 2
[[layer]]
name = \"flat\"
kind = \"flatten\"
[[layer]]
name = \"fc1\"
kind = \"linear\"
out_features = 16
activation = \"relu\"
[[layer]]
name = \"fc2\"
kind = \"linear\"
out_features = 10
";

/// A convolution whose matrix would be of 25,769,803,776 weights.
const LARGE: &str = "\
input = [32, 64, 64]
[[layer]]
kind = \"conv2d\"
out_channels = 48
kernel_size = 3
padding = 1
";

fn run(folder: &Path, args: &str) -> Outcome {
    plexus(folder, args.split_whitespace())
}

/// A folder with a model of digits in it, and images.
fn trained() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("net.toml"), NETWORK);
    write(&folder.path().join("large.toml"), LARGE);
    // A convolution behind fully connected layers.
    write(
        &folder.path().join("behind.toml"),
        NETWORK.to_string() + "[[layer]]\nkind = \"conv2d\"\nout_channels = 2\nkernel_size = 1\n",
    );
    run(folder.path(), "train --data digits --network net.toml --epochs 3 --out run").well();
    let mut dice = Dice(3);
    for (name, width, height) in [("large.png", 20, 16), ("own.png", 8, 8), ("small.png", 8, 6)] {
        let image = image::GrayImage::from_fn(width, height, |_, _| image::Luma([dice.below(256) as u8]));
        image.save(folder.path().join(name)).expect("it is written");
    }
    folder
}

fn open(folder: &Path, name: &str) -> Model {
    Model::open(folder.join(name), Context::single()).expect("it is a model")
}

#[test]
fn a_classifier_becomes_one_that_slides_and_comes_back() {
    let folder = trained();
    let folder = folder.path();
    let said = run(folder, "convert run conv.safetensors --fc-to-conv kernel").well().stdout;
    for part in [
        "flatten -> (left out)",
        "linear -> conv2d",
        "16x36 -> 16x4x3x3",
        "592",
        "10x16 -> 10x16x1x1",
        "Compared on 3 random inputs",
        "predict conv.safetensors IMAGE --map",
    ] {
        assert!(said.contains(part), "no {part} in:\n{said}");
    }
    // The same answer for an image of its own size.
    let answer = |model: &str| {
        let line = run(folder, &format!("predict {model} own.png --json --probabilities")).well().last_json();
        let top = line["top"].as_array().expect("one a class").iter();
        let mut classes: Vec<(String, f64)> =
            top.map(|class| (class["label"].to_string(), class["probability"].as_f64().expect("a number"))).collect();
        classes.sort_by(|a, b| a.0.cmp(&b.0));
        classes.into_iter().map(|(_, probability)| probability).collect::<Vec<f64>>()
    };
    let (old, new) = (answer("run"), answer("conv.safetensors"));
    assert!(old.len() == 10 && old.iter().zip(&new).all(|(old, new)| (old - new).abs() < 1e-5), "{old:?} {new:?}");

    // Maps of one pixel are measured and learnt as a row is.
    let accuracy = |model: &str| {
        let line = run(folder, &format!("evaluate {model} --data digits --json")).well().last_json();
        line["test_accuracy"].as_f64().expect("a number")
    };
    assert!((accuracy("run") - accuracy("conv.safetensors")).abs() < 0.005);
    run(folder, "train --data digits --from conv.safetensors --epochs 1 --out again").well();
    assert!(open(folder, "again/model.safetensors").slides());

    let back = run(folder, "convert conv.safetensors back.safetensors --conv-to-fc --layers fc1,fc2 --json").well();
    let back = back.last_json();
    assert!(
        back["largest_difference"].as_f64() < Some(1e-4) && back["output_shape"] == serde_json::json!([10]),
        "{back}"
    );
    let (first, last) = (open(folder, "run/model.safetensors"), open(folder, "back.safetensors"));
    for (entry, values) in first.params().tensors() {
        assert_eq!(last.tensor(&entry.name).as_deref(), Some(values), "{}", entry.name);
    }
    assert_eq!((last.task(), last.split().is_some()), (first.task(), first.split().is_some()));
}

#[test]
fn a_larger_image_gets_a_class_for_each_window() {
    let folder = trained();
    let folder = folder.path();
    run(folder, "convert run conv.safetensors --fc-to-conv kernel").well();
    let args = "predict conv.safetensors large.png --out map.png --overlay over.png --json --probabilities";
    let line = run(folder, args).well().last_json();
    // 16 x 20 pixels are 7 x 9 pooled ones, over which a kernel of 3 x 3 slides.
    assert_eq!((&line["positions"], &line["window"]), (&serde_json::json!([5, 7]), &serde_json::json!([8, 8])));
    assert_eq!(line["classes"].as_array().expect("one a window").len(), 35);
    let map = image::open(folder.join("map.png")).expect("it is an image").to_luma8();
    assert_eq!(map.dimensions(), (7, 5));
    let names = open(folder, "conv.safetensors").task().names().to_vec();
    for (x, y, pixel) in map.enumerate_pixels() {
        let (x, y, class) = (x as usize, y as usize, usize::from(pixel.0[0]));
        assert_eq!(line["classes"][y * 7 + x], class);
        assert_eq!(line["probabilities"][&names[class]][y * 7 + x], line["probability"][y * 7 + x]);
        // Each window is what the old model says of it alone: nothing is padded here.
        if (x + y) % 4 == 0 {
            let window = image::open(folder.join("large.png")).unwrap().crop_imm(2 * x as u32, 2 * y as u32, 8, 8);
            window.save(folder.join("window.png")).expect("it is written");
            let alone = run(folder, "predict run window.png --json --top 1").well().last_json();
            assert_eq!(alone["label"], names[class].as_str(), "{alone}");
        }
    }
    assert_eq!(image::open(folder.join("over.png")).expect("it is an image").to_rgb8().dimensions(), (20, 16));
    let said = run(folder, "predict conv.safetensors large.png").well().stdout;
    assert!(said.contains("of 5x7 windows") && said.contains("--out map.png"), "{said}");
    let said = run(folder, "predict conv.safetensors own.png --map").well().stdout;
    assert!(said.contains("100 % of 1x1 windows"), "{said}");
}

#[test]
fn every_form_answers_as_the_first_one_did() {
    let folder = trained();
    let folder = folder.path();
    for (flags, kinds) in [
        ("--fc-to-conv 1x1", "flatten unflatten conv2d activation conv2d"),
        ("--conv-to-matrix dense", "linear unflatten"),
        ("--conv-to-matrix sparse --layers conv", "sparse_linear unflatten"),
        ("--absorb-bias --layers fc1", "reshape pad reshape linear activation linear"),
        ("--fold", "conv2d activation max_pool2d flatten linear activation linear"),
    ] {
        let line = run(folder, &format!("convert run new.safetensors {flags} --json")).well().last_json();
        let far = line["largest_difference"].as_f64().expect("a number");
        assert!(far < 1e-3 * line["largest_output"].as_f64().expect("a number"), "{flags}: {line}");
        let model = open(folder, "new.safetensors");
        let found: Vec<&str> = model.network().network().layers.iter().map(|named| named.layer.kind()).collect();
        assert!(found.join(" ").contains(kinds), "{flags}: {found:?}");
        let (old, new) =
            (run(folder, "predict run own.png --json"), run(folder, "predict new.safetensors own.png --json"));
        let label = |outcome: Outcome| outcome.well().last_json()["label"].as_str().map(String::from);
        let (old, new) = (label(old), label(new));
        assert!(old.is_some() && old == new, "{flags}: {old:?} {new:?}");
    }
    let said = run(folder, "convert run new.safetensors --conv-to-matrix sparse").well().stdout;
    // 4 filters at 6 x 6 places of 9 weights each.
    for part in ["conv2d ->", "sparse_linear", "1,296", "36", "non-zero", "(new) unflatten", "40 -> 1,440"] {
        assert!(said.contains(part), "no {part} in:\n{said}");
    }
    let csv = run(folder, "convert run new.safetensors --conv-to-matrix sparse --csv").well().stdout;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[0],
        "layer,kind_before,kind_after,weight_before,weight_after,parameters_before,parameters_after,nonzeros,distinct"
    );
    assert!(lines.contains(&"conv,conv2d,sparse_linear,4x1x3x3,1296,40,1440,1296,36"), "{csv}");
    assert!(lines.contains(&"conv.unflatten,,unflatten,,,0,0,,"), "{csv}");
    // It learns on.
    run(folder, "train --data digits --from new.safetensors --epochs 1 --out more").well();
}

#[test]
fn networks_without_weights_are_converted_as_text() {
    let folder = trained();
    let folder = folder.path();
    let said = run(folder, "convert net.toml conv.toml --fc-to-conv kernel").well().stdout;
    assert!(said.contains("conv.toml, [1, 8, 8] to [10, 1, 1]"), "{said}");
    let text = std::fs::read_to_string(folder.join("conv.toml")).expect("it was written");
    assert!(text.contains("conv2d") && !text.contains("linear"), "{text}");
    run(folder, "summary conv.toml").well();
    let line = run(folder, "convert vgg16 vgg.toml --fc-to-conv kernel --json").well().last_json();
    assert_eq!(line["output_shape"], serde_json::json!([1000, 1, 1]));
}

#[test]
fn wrong_uses_say_what_to_type_instead_and_write_nothing() {
    let folder = trained();
    let folder = folder.path();
    run(folder, "convert run conv.safetensors --fc-to-conv kernel").well();
    let before = files_in(folder);
    for (args, says) in [
        (
            "convert run out.safetensors",
            "--fc-to-conv <FORM>|--conv-to-fc|--conv-to-matrix <STORAGE>|--absorb-bias|--fold",
        ),
        ("convert run --fold", "<OUT>"),
        ("convert run out.safetensors --fold --conv-to-fc", "cannot be used with"),
        ("convert run out.safetensors --fc-to-conv wide", "[possible values: kernel, 1x1]"),
        ("convert run out.safetensors --conv-to-matrix csr", "[possible values: dense, sparse]"),
        ("convert run out.safetensors --fold --order channels-last", "--order is for --conv-to-fc"),
        ("convert run out.safetensors --fold --layers nope", "no layer \"nope\". Layers are"),
        ("convert run out.safetensors --fc-to-conv kernel --layers pool", "pool (max_pool2d)"),
        ("convert run out.safetensors --fc-to-conv kernel --layers pool", "expected a linear layer"),
        ("convert run out.safetensors --conv-to-fc", "conv (conv2d) with a kernel of 3 x 3 on maps of 8 x 8"),
        ("convert run out.safetensors --conv-to-fc --layers conv", "Any convolution can be written as a matrix"),
        ("convert run out.safetensors --absorb-bias --layers conv", "a linear layer with a bias"),
        ("convert run out.safetensors --fold --layers fc1", "beside a linear or conv2d layer"),
        ("convert conv.safetensors out.safetensors --fc-to-conv kernel", "slides already"),
        ("convert run run/model.safetensors --fold", "is the model that is read: choose another name"),
        ("convert run out.toml --fold", "name a file that ends in .safetensors"),
        ("convert net.toml out.safetensors --fc-to-conv kernel", "name a file that ends in .toml"),
        ("convert net.toml out.toml --fc-to-conv kernel --csv", "ask plexus summary --csv"),
        ("convert run out.safetensors --fold --json --csv", "cannot be used with"),
        ("convert net.toml out.toml --fold", "name a model, as train writes one"),
        ("convert large.toml out.toml --conv-to-matrix dense", "103 GB (103,080,001,536 bytes)"),
        ("convert none.safetensors out.safetensors --fold", "none.safetensors"),
        ("convert own.png out.safetensors --fold", "not a model file"),
        ("convert . out.safetensors --fold", "is a folder without a model"),
        ("convert run nowhere/out.safetensors --fold", "cannot save nowhere/out.safetensors"),
        ("summary behind.toml", "plexus convert IN OUT --fc-to-conv kernel does so to a network with its weights"),
        ("predict run large.png --map", "plexus convert run OUT --fc-to-conv kernel"),
        ("predict conv.safetensors [1,2] --map", "--map is for images"),
        ("predict conv.safetensors small.png --map", "windows of 8x8"),
        ("predict conv.safetensors large.png --threshold 0.5", "--threshold is for one answer a row"),
        ("predict conv.safetensors large.png --format csv", "--format json"),
        ("predict conv.safetensors large.png --map --resize", "leave one out"),
        ("predict conv.safetensors large.png --out map.jpg", "must end in .png"),
    ] {
        let outcome = run(folder, args);
        assert!(matches!(outcome.code, Some(1 | 2)), "{args}: {outcome:?}");
        assert!(outcome.stderr.contains(says), "{args}\nsays:\n{}\nexpected: {says}", outcome.stderr);
        assert!(outcome.stdout.is_empty(), "{args}: {}", outcome.stdout);
    }
    assert!(files_in(folder) == before, "a file changed");
}
