//! `plexus draw`: figures of networks.

mod program;

use program::{plexus, refused, write};

fn here() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

#[test]
fn figures_are_written_whole() {
    let folder = here();
    let at = folder.path();
    for (name, boxes) in [
        ("lenet5", &["conv1", "conv2", "fc1", "fc3", "48,120", "max 2x2, flatten"][..]),
        ("alexnet", &["conv5", "fc1", "37,752,832"]),
        ("vgg16", &["conv1_1", "conv5_3", "fc2", "102,764,544"]),
        ("unet", &["down1.conv1", "concat3", "up4.conv2", "1024x28x28"]),
        ("mlp:512,256", &["layers.0", "linear, relu", "131,328"]),
    ] {
        let told = plexus(at, ["draw", name, "--out", "figure.svg"]).well();
        assert!(told.stdout.starts_with("figure.svg: ") && told.stdout.contains(" parameters, "), "{}", told.stdout);
        let svg = std::fs::read_to_string(at.join("figure.svg")).expect("it is written");
        assert!(svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n"), "{name}");
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        for text in boxes {
            assert!(svg.contains(&format!(">{text}<")) || svg.contains(&format!("{text}<")), "{name}: {text}");
        }
    }
    let png = |more: &[&str]| {
        plexus(at, ["draw", "lenet5", "--out", "figure.png"].iter().chain(more)).well();
        let png = std::fs::read(at.join("figure.png")).expect("it is written");
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xae\x42\x60\x82"));
        png
    };
    assert_ne!(png(&[]), png(&["--dark"]));
    assert_ne!(png(&[]), png(&["--input", "3x40x40"]));
    assert_ne!(png(&[]), png(&["--outputs", "7"]));
}

#[test]
fn a_text_with_a_skip_is_drawn() {
    let folder = here();
    let at = folder.path();
    write(
        &at.join("net.toml"),
        "input = [4]\n[[layer]]\nkind = \"linear\"\nname = \"a\"\nout_features = 4\nactivation = \"relu\"\n\
         [[layer]]\nkind = \"linear\"\nname = \"b\"\nout_features = 4\n\
         [[layer]]\nkind = \"add\"\nname = \"sum\"\ninputs = [\"a.activation\", \"b\"]\n",
    );
    plexus(at, ["draw", "net.toml", "--out", "net.svg"]).well();
    let svg = std::fs::read_to_string(at.join("net.svg")).expect("it is written");
    for text in [">a<", ">b<", ">sum<", ">linear, relu<", ">add<", ">40 parameters<"] {
        assert!(svg.contains(text), "{text}: {svg}");
    }
}

#[test]
fn wrong_uses_say_what_to_type() {
    let folder = here();
    let at = folder.path();
    write(&at.join("bad.toml"), "input = [1, 8, 8]\n[[layer]]\nkind = \"linear\"\nout_features = 2\nin_features = 9\n");
    let cases = [
        ("draw", "--out <FILE>"),
        ("draw lenet5", "--out <FILE>"),
        ("draw lenet5 --out figure.gif", "must end in .svg or .png"),
        ("draw lenet5 --out figure", "must end in .svg or .png"),
        ("draw nonsense --out a.svg", "a network is"),
        ("draw missing.toml --out a.svg", "missing.toml"),
        ("draw bad.toml --out a.svg", "in_features"),
        ("draw lenet5 --input 1xx28 --out a.svg", "as 784 or 1x28x28"),
        ("draw lenet5 --input 784 --out a.svg", "images: [channels, height, width]"),
        ("draw lenet5 --outputs 0 --out a.svg", "at least 1"),
        ("draw lenet5 --outputs many --out a.svg", "--outputs"),
        ("draw mlp:0 --out a.svg", "mlp"),
        ("draw . --out a.svg", "is a folder without a model"),
    ];
    refused(at, &cases);
    assert!(!at.join("a.svg").exists() && !at.join("figure.gif").exists());
}
