//! A LeNet-5 from training to a board: whole numbers, exported, run in emulation, and taught new digits there.
//!
//! What is not installed is left out, and said: MNIST (`PLEXUS_DATA`), the compilers for boards, QEMU. `cargo xtask firmware` installs the
//! latter two and runs this again.

mod program;

use flate2::read::GzDecoder;
use plexus::quant::firmware::{Memory, Readout};
use plexus::{Context, Model};
use program::{plexus, plexus_reads, real_data, write};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Digits of an IDX pair.
struct Digits {
    images: Vec<u8>,
    labels: Vec<u8>,
}

const PIXELS: usize = 28 * 28;

impl Digits {
    fn read(folder: &Path, part: &str) -> Digits {
        let unpack = |name: String| {
            let mut bytes = Vec::new();
            let file = std::fs::File::open(folder.join(name)).expect("it was found");
            GzDecoder::new(file).read_to_end(&mut bytes).expect("it is gzip");
            bytes
        };
        let images = unpack(format!("{part}-images-idx3-ubyte.gz")).split_off(16);
        Digits { images, labels: unpack(format!("{part}-labels-idx1-ubyte.gz")).split_off(8) }
    }

    fn image(&self, at: usize) -> &[u8] {
        &self.images[at * PIXELS..][..PIXELS]
    }

    /// Writes some of them as an IDX pair.
    fn write(&self, folder: &Path, part: &str, rows: &[usize]) {
        let count = (rows.len() as u32).to_be_bytes();
        let mut images = [&[0, 0, 8, 3][..], &count, &[0, 0, 0, 28, 0, 0, 0, 28]].concat();
        let mut labels = [&[0, 0, 8, 1][..], &count].concat();
        for row in rows {
            images.extend_from_slice(self.image(*row));
            labels.push(self.labels[*row]);
        }
        write(&folder.join(format!("{part}-images-idx3-ubyte")), images);
        write(&folder.join(format!("{part}-labels-idx1-ubyte")), labels);
    }

    /// The first so many rows of some digits.
    fn rows(&self, wanted: impl Fn(u8) -> bool, most: usize) -> Vec<usize> {
        (0..self.labels.len()).filter(|row| wanted(self.labels[*row])).take(most).collect()
    }
}

fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|version| version.status.success());
    if !found {
        println!("skipped: no {tool}");
    }
    found
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of letters")
}

/// A LeNet-5 that has learnt 0 to 7, of whole numbers, in a folder.
fn quantized(folder: &Path, mnist: &Path) -> PathBuf {
    let (train, test) = (Digits::read(mnist, "train"), Digits::read(mnist, "t10k"));
    let data = folder.join("data");
    train.write(&data, "train", &train.rows(|digit| digit < 8, 12_000));
    test.write(&data, "t10k", &test.rows(|digit| digit < 8, 1000));
    let source = format!("idx:{}", data.display());
    let args =
        ["train", "--data", &source, "--network", "lenet5", "--epochs", "2", "--out", "run", "--quiet", "--json"];
    let trained = plexus(folder, args).well().last_json();
    assert!(trained["test_accuracy"].as_f64().expect("a number") > 0.96, "{trained}");
    let whole = folder.join("whole.safetensors");
    let told = plexus(folder, ["quantize", "run", "--out", text(&whole), "--json"]).well().last_json();
    println!("8 digits: float {}, int8 {}", told["float"], told["integer"]);
    assert!(told["lost"].as_f64().expect("a number") < 0.5, "{told}");
    whole
}

/// Compiles C for this machine and runs it.
fn run_here(folder: &Path, sources: &[&str]) -> String {
    let mut command = Command::new("cc");
    let built =
        command.current_dir(folder).args(["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O2", "-o", "here"]);
    let done = built.args(sources).output().expect("cc is what Rust links with");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = Command::new(folder.join("here")).output().expect("it was built");
    assert!(said.status.success());
    String::from_utf8(said.stdout).expect("it writes text")
}

/// The same for a Cortex-M4 in emulation.
fn run_on_m4(folder: &Path, sources: &[&str]) -> String {
    let board = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware/board");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../firmware/link/mps2.ld");
    let mut command = Command::new("arm-none-eabi-gcc");
    command.current_dir(folder).args([
        "-mcpu=cortex-m4",
        "-mthumb",
        "-std=gnu99",
        "-O2",
        "-ffreestanding",
        "-nostdlib",
    ]);
    command.args([
        "-fno-tree-loop-distribute-patterns",
        "-DBOARD_TICKS=1600u",
        "-DBOARD",
        "-Wl,--no-warn-rwx-segments",
    ]);
    command.arg("-I").arg(&board).args(sources).arg(board.join("board.c")).arg("-T").arg(script);
    let done = command.args(["-lgcc", "-o", "board.elf"]).output().expect("it was found");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut command = Command::new("qemu-system-arm");
    command.current_dir(folder).args(["-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none"]);
    command.args(["-semihosting-config", "enable=on,target=native", "-kernel", "board.elf"]);
    let done = command.output().expect("it was found");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = if done.stdout.is_empty() { done.stderr } else { done.stdout };
    String::from_utf8(said).expect("it writes text")
}

#[test]
fn a_lenet_gives_the_same_numbers_on_boards_and_a_fault_is_found() {
    let Some(mnist) = real_data("mnist") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = quantized(folder.path(), &mnist);
    for target in ["c", "rust"] {
        let args =
            ["export", text(&whole), "--target", target, "--out", target, "--name", "net", "--golden", "100", "--json"];
        let told = plexus(folder.path(), args).well().last_json();
        assert!(told["constants"].as_u64() < Some(70_000) && told["memory"].as_u64() < Some(8_000), "{told}");
        assert_eq!((&told["golden"], &told["multiply_adds"]), (&100.into(), &416_352.into()));
    }
    let c = folder.path().join("c");
    let main = "#include <stdio.h>\n#include \"net_golden.h\"\nstatic void put(const char *text) { fputs(text, stdout); }\n\
                int main(void) { net_verify(put); return 0; }\n";
    write(&c.join("main.c"), main);
    let said = run_here(&c, &["main.c", "net.c", "net_golden.c"]);
    let told = plexus_reads(folder.path(), ["verify", "c", "--via", "stdin"], said.as_bytes()).well().stdout;
    assert!(told.contains("The same outputs: 100 inputs, 700 steps"), "{told}");
    // One bit of one weight of the second convolution.
    let source = std::fs::read_to_string(c.join("net.c")).expect("it was exported");
    let (before, behind) = source.split_once("net_conv2_weight[2400] = {\n    ").expect("the weights of conv2");
    let (first, rest) = behind.split_once(',').expect("there are more");
    let flipped = first.parse::<i8>().expect("a weight") ^ 1 << 5;
    write(&c.join("net.c"), format!("{before}net_conv2_weight[2400] = {{\n    {flipped},{rest}"));
    let said = run_here(&c, &["main.c", "net.c", "net_golden.c"]);
    let told = plexus_reads(folder.path(), ["verify", "c", "--via", "stdin"], said.as_bytes());
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stderr.contains("the first layer that differs is conv2"), "{}", told.stderr);
    write(&c.join("net.c"), source);

    for (board, compiler, emulator) in [
        ("cortex-m4", "arm-none-eabi-gcc", "qemu-system-arm"),
        ("rv32", "riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
    ] {
        if has(compiler) && has(emulator) {
            let told =
                plexus(folder.path(), ["verify", "c", "--via", "qemu", "--board", board, "--json"]).well().last_json();
            println!("C on {board}: {}", told["measured"]);
            assert_eq!((&told["same"], &told["steps"]), (&true.into(), &700.into()), "{told}");
        }
        // Set where a compiler for the board is known.
        if std::env::var_os("PLEXUS_BOARDS_IN_RUST").is_none() {
            println!("skipped: Rust on {board}; cargo xtask firmware has a compiler for it");
        } else if has(emulator) {
            let told = plexus(folder.path(), ["verify", "rust", "--via", "qemu", "--board", board, "--json"])
                .well()
                .last_json();
            println!("Rust on {board}: {}", told["measured"]);
            assert_eq!((&told["same"], &told["steps"]), (&true.into(), &700.into()), "{told}");
        }
    }
}

#[test]
fn exports_run_on_every_board_and_on_node() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = folder.path();
    let run = |line: &str| plexus(at, line.split_whitespace());
    let network = "input = [1, 8, 8]\n[[layer]]\nkind = \"conv2d\"\nout_channels = 6\nkernel_size = 3\npadding = 1\n[[layer]]\nkind = \"relu\"\n\
                   [[layer]]\nkind = \"max_pool2d\"\nkernel_size = 2\n[[layer]]\nkind = \"flatten\"\n[[layer]]\nkind = \"linear\"\nout_features = 10\n";
    write(&at.join("net.toml"), network);
    run("train --data digits --network net.toml --epochs 2 --seed 0 --out run --quiet").well();
    run("quantize run --out whole.safetensors").well();
    for target in ["c", "rust"] {
        run(&format!("export whole.safetensors --target {target} --out {target} --name net --golden 10")).well();
    }
    for board in ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m55", "rv32"] {
        let (compiler, emulator) = match board {
            "rv32" => ("riscv64-unknown-elf-gcc", "qemu-system-riscv32"),
            _ => ("arm-none-eabi-gcc", "qemu-system-arm"),
        };
        if has(compiler) && has(emulator) {
            let told = run(&format!("verify c --via qemu --board {board} --json")).well().last_json();
            println!("C on {board}: {}", told["measured"]);
            assert_eq!((&told["same"], &told["inputs"]), (&true.into(), &10.into()), "{told}");
        }
    }
    if std::env::var_os("PLEXUS_BOARDS_IN_RUST").is_none() {
        println!("skipped: Rust on WebAssembly; cargo xtask firmware has a compiler for it");
    } else if has("node") {
        let told = run("verify rust --via node --json").well().last_json();
        println!("Rust on Node: {} numbers", told["numbers"]);
        assert_eq!((&told["same"], &told["inputs"]), (&true.into(), &10.into()), "{told}");
    }
    let told = run("verify c --via node");
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains("export with --target rust"), "{}", told.stderr);
}

/// Digits that the device is shown, and how many it knows.
const SHOWN: usize = 20;
const ASKED: usize = 300;

#[test]
fn a_lenet_that_knows_0_to_7_learns_8_and_9_on_the_board() {
    let Some(mnist) = real_data("mnist") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let whole = quantized(folder.path(), &mnist);
    let args = ["export", text(&whole), "--target", "c", "--out", "c", "--name", "net", "--learn-last", "10"];
    let told = plexus(folder.path(), args).well().stdout;
    assert!(told.contains("The last layer learns: 10 classes of 84 features, 1.66 KiB of memory"), "{told}");

    // 20 images of either digit, in turns, and images of all ten to be asked about.
    let (train, test) = (Digits::read(&mnist, "train"), Digits::read(&mnist, "t10k"));
    let [eights, nines] = [8, 9].map(|digit| train.rows(|other| other == digit, SHOWN));
    let shown: Vec<usize> = eights.iter().zip(&nines).flat_map(|(eight, nine)| [*eight, *nine]).collect();

    // Here, by the parts of the library.
    let model = Model::open(&whole, Context::single()).expect("it was written");
    let mut program = model.program(Some(255.0)).expect("it can be exported");
    let Readout { mut weight, classes, zero_point, margin, .. } = program.split_readout(10).expect("it ends so");
    let (mut memory, input) = (Memory::new(&program), program.inputs[0].clone());
    let mut features = |image: &[u8]| -> Vec<i8> {
        let numbers = program.run(&mut memory, &[input.of_bytes(image)], |_, _| {});
        numbers[0].iter().map(|number| *number as i8).collect()
    };
    let asked: Vec<Vec<i8>> = (0..ASKED).map(|row| features(test.image(row))).collect();
    let right = |readout: &plexus_micro::Readout<'_>, known: bool| {
        let of = |row: &usize| (test.labels[*row] < 8) == known;
        let rows = (0..ASKED).filter(of);
        rows.filter(|row| readout.classify_s8(&asked[*row]) == usize::from(test.labels[*row])).count()
    };
    let mut readout = plexus_micro::Readout { weight: &mut weight, classes, zero_point, margin };
    // What the export keeps of the digits that it knows: the first of each, in turns.
    let mut kept = Vec::new();
    for turn in 0..2 {
        for digit in 0..8 {
            let row = train.rows(|other| other == digit, 2)[turn];
            kept.push((features(train.image(row)), usize::from(digit)));
        }
    }
    let mut expected = format!("before {} {}\n", right(&readout, true), right(&readout, false));
    for row in &shown {
        readout.learn_s8(&features(train.image(*row)), usize::from(train.labels[*row]));
        kept.iter().for_each(|(features, class)| _ = readout.learn_s8(features, *class));
    }
    expected += &format!("after {} {}\n", right(&readout, true), right(&readout, false));
    let old = (0..ASKED).filter(|row| test.labels[*row] < 8).count();
    println!("of {old} old and {} new digits:\n{expected}", ASKED - old);
    let numbers: Vec<usize> = expected.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [old_before, new_before, old_after, new_after] = numbers[..] else { panic!("{expected}") };
    assert!(new_before < 5 && old_before * 100 > old * 95, "{expected}");
    assert!(new_after * 100 > (ASKED - old) * 60 && old_after * 100 > old * 90, "{expected}");
    let hash = weight.iter().fold(0u32, |hash, weight| hash.wrapping_mul(31).wrapping_add(*weight as u16 as u32));
    expected += &format!("weights {hash}\n");

    // On a device: the same images, and what it knows before and after.
    let array = |name: &str, digits: &Digits, rows: &[usize]| {
        let row = |row: &usize| {
            let pixels: Vec<String> = digits.image(*row).iter().map(u8::to_string).collect();
            format!("{{{}}},\n", pixels.join(","))
        };
        let labels: Vec<String> = rows.iter().map(|row| digits.labels[*row].to_string()).collect();
        format!(
            "static const uint8_t {name}[{}][{PIXELS}] = {{\n{}}};\nstatic const uint8_t {name}_labels[{}] = {{{}}};\n",
            rows.len(),
            rows.iter().map(row).collect::<String>(),
            rows.len(),
            labels.join(",")
        )
    };
    let c = folder.path().join("c");
    write(
        &c.join("learn.c"),
        format!(
            "#include \"net.h\"\n#ifdef BOARD\n#include \"board.h\"\n#define COUNT(name, number) board_count(name, number)\n#else\n\
             #include <stdio.h>\n#define COUNT(name, number) printf(\"%s %lu\\n\", name, (unsigned long)(number))\n#endif\n{}{}\
             static void known(const char *name, const char *behind)\n{{\n    static int8_t features[84];\n    size_t right[2] = {{0, 0}};\n    \
             for (size_t i = 0; i < {ASKED}; i++) {{\n        net_run(asked[i], features);\n        \
             if (net_classify(features) == asked_labels[i]) {{\n            right[asked_labels[i] < 8 ? 0 : 1]++;\n        }}\n    }}\n    \
             COUNT(name, right[0]);\n    COUNT(behind, right[1]);\n}}\n\n\
             int main(void)\n{{\n    static int8_t features[84];\n    uint32_t hash = 0;\n    known(\"before\", \"before\");\n    \
             for (size_t i = 0; i < {}; i++) {{\n        net_run(shown[i], features);\n        net_learn(features, shown_labels[i]);\n    }}\n    \
             known(\"after\", \"after\");\n    for (size_t i = 0; i < 850; i++) {{\n        hash = hash * 31u + (uint16_t)net_readout_weight[i];\n    }}\n    \
             COUNT(\"weights\", hash);\n    return 0;\n}}\n",
            array("shown", &train, &shown),
            array("asked", &test, &(0..ASKED).collect::<Vec<_>>()),
            shown.len()
        ),
    );
    let expected =
        format!("before {old_before}\nbefore {new_before}\nafter {old_after}\nafter {new_after}\nweights {hash}\n");
    assert_eq!(run_here(&c, &["learn.c", "net.c"]), expected);
    if has("arm-none-eabi-gcc") && has("qemu-system-arm") {
        assert_eq!(run_on_m4(&c, &["learn.c", "net.c"]), expected);
        println!("the same on an emulated Cortex-M4");
    }
}
