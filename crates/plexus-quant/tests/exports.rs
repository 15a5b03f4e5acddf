//! Exported C computes what the program does here: all networks and schemes, compiled with warnings and sanitizers.

mod networks;

use networks::{networks, numbers, options, params};
use plexus_kernels::Context;
use plexus_nn::integer::Rounding;
use plexus_quant::firmware::{Export, Target, export, lower};
use plexus_quant::{Samples, quantize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

const ROWS: usize = 6;
const GOLDEN: usize = 3;

/// Writes the files of an export into a folder.
fn write(folder: &Path, exported: &Export) {
    for (path, text) in &exported.files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// All networks in all schemes, as programs with names of their own.
fn exports(target: Target) -> Vec<(String, Export)> {
    let mut all = Vec::new();
    for (name, network) in networks() {
        let network = network.check().unwrap();
        let (params, input) = (params(&network), numbers(ROWS * network.input_len(), 1));
        for (scheme, options) in options() {
            if matches!(options.rounding, Rounding::Float64 | Rounding::Float32Even) {
                continue;
            }
            let samples = Samples { inputs: &[&input], rows: ROWS };
            let whole = quantize(&network, &params, samples, &options, &Context::single()).unwrap();
            let program = lower(&Arc::new(whole.network), &whole.params, None).unwrap();
            let len = network.input_len();
            // Whatever order they have: the program takes them as they are.
            let golden: Vec<Vec<Vec<f32>>> = (0..GOLDEN).map(|row| vec![input[row * len..][..len].to_vec()]).collect();
            let own = format!("{name}_{}", scheme.replace([' ', '-'], "_"));
            all.push((own.clone(), export(&own, &program, target, &golden, None).unwrap()));
        }
    }
    all
}

/// Runs a compiler; what it printed where it failed.
fn compile(command: &mut Command) -> Result<(), String> {
    let done = command.output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if done.status.success() { Ok(()) } else { Err(said) }
}

#[test]
fn exported_c_is_clean_and_gives_the_golden_outputs() {
    let (folder, all) = (fresh("exports_c"), exports(Target::C));
    let mut main = "#include <stdio.h>\nstatic void put(const char *text) { fputs(text, stdout); }\n".to_string();
    let mut body = String::new();
    for (name, exported) in &all {
        write(&folder, exported);
        main += &format!("#include \"{name}_golden.h\"\n");
        body += &format!("    puts(\"program {name}\");\n    {name}_verify(put);\n");
    }
    std::fs::write(folder.join("main.c"), format!("{main}int main(void)\n{{\n{body}    return 0;\n}}\n")).unwrap();
    let sources: Vec<String> = all
        .iter()
        .flat_map(|(name, _)| [format!("{name}.c"), format!("{name}_golden.c")])
        .chain(["main.c".into()])
        .collect();
    // Two compilers at a time.
    let flags = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Werror", "-O1", "-c"];
    let sanitizers = ["-fsanitize=undefined,address", "-fno-sanitize-recover=all"];
    std::fs::write(folder.join("try.c"), "int main(void) { return 0; }\n").unwrap();
    let has_sanitizers = compile(Command::new("cc").current_dir(&folder).args(sanitizers).args(["try.c", "-o", "try"]))
        .is_ok()
        && Command::new(folder.join("try")).status().is_ok_and(|status| status.success());
    if !has_sanitizers {
        println!("skipped: the sanitizers of cc, which are not installed");
    }
    let sanitizers = if has_sanitizers { &sanitizers[..] } else { &[] };
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(source) = sources.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let mut command = Command::new("cc");
                    let said = compile(command.current_dir(&folder).args(flags).args(sanitizers).arg(source));
                    said.unwrap_or_else(|said| panic!("{source}: {said}"));
                }
            });
        }
    });
    let objects = sources.iter().map(|source| source.replace(".c", ".o"));
    compile(Command::new("cc").current_dir(&folder).args(sanitizers).args(objects).args(["-o", "all"])).unwrap();
    let done = Command::new(folder.join("all")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8(done.stdout).unwrap();
    let parts: Vec<&str> = said.split("program ").skip(1).collect();
    assert_eq!(parts.len(), all.len());
    for (part, (name, exported)) in parts.iter().zip(&all) {
        assert!(part.starts_with(name.as_str()));
        let compared = exported.golden.compare(part).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(compared.difference, None, "{name}");
    }
}

#[test]
fn exported_rust_gives_the_golden_outputs() {
    let (folder, all) = (fresh("exports_rust"), exports(Target::Rust));
    // One program with all of them: the crates share one copy of plexus-micro.
    let mut dependencies = String::new();
    let mut body = String::new();
    for (name, exported) in &all {
        let own = folder.join(name);
        write(&own, exported);
        let manifest = std::fs::read_to_string(own.join("Cargo.toml")).unwrap();
        let shared =
            manifest.replace("path = \"plexus-micro\"", "path = \"../plexus-micro\"").replace("[workspace]\n", "");
        std::fs::write(own.join("Cargo.toml"), shared).unwrap();
        let micro = own.join("plexus-micro");
        if !folder.join("plexus-micro").exists() {
            std::fs::rename(&micro, folder.join("plexus-micro")).unwrap();
        } else {
            std::fs::remove_dir_all(&micro).unwrap();
        }
        dependencies += &format!("{name} = {{ path = \"{name}\" }}\n");
        body += &format!(
            "    println!(\"program {name}\");\n    {name}::golden::verify(&mut {name}::Model::new(), &mut |text| print!(\"{{text}}\"));\n"
        );
    }
    let manifest = format!(
        "[package]\nname = \"all\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n[workspace]\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    std::fs::create_dir_all(folder.join("src")).unwrap();
    std::fs::write(folder.join("src/main.rs"), format!("fn main() {{\n{body}}}\n")).unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_string());
    let mut command = Command::new(cargo);
    command.current_dir(&folder).args(["run", "--quiet", "--offline"]).env("CARGO_TARGET_DIR", "target");
    let done = command.env("RUSTFLAGS", "-Dwarnings").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8(done.stdout).unwrap();
    let parts: Vec<&str> = said.split("program ").skip(1).collect();
    assert_eq!(parts.len(), all.len());
    for (part, (name, exported)) in parts.iter().zip(&all) {
        let compared = exported.golden.compare(part).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(compared.difference, None, "{name}");
    }
}

#[test]
fn a_bit_of_one_weight_is_found_in_its_layer() {
    let folder = fresh("exports_fault");
    let (name, network) = networks().swap_remove(2);
    assert_eq!(name, "lenet");
    let network = network.check().unwrap();
    let (params, input) = (params(&network), numbers(ROWS * network.input_len(), 1));
    let options = plexus_quant::Options::new(plexus_quant::Scheme::Int8PerChannel);
    let whole =
        quantize(&network, &params, Samples { inputs: &[&input], rows: ROWS }, &options, &Context::single()).unwrap();
    let program = lower(&Arc::new(whole.network), &whole.params, None).unwrap();
    let len = network.input_len();
    let golden: Vec<Vec<Vec<f32>>> = (0..GOLDEN).map(|row| vec![input[row * len..][..len].to_vec()]).collect();
    let exported = export("net", &program, Target::C, &golden, None).unwrap();
    write(&folder, &exported);
    let source = std::fs::read_to_string(folder.join("net.c")).unwrap();
    // The second layer with weights, and the last.
    for (layer, array) in [("layers.3", "net_layers_3_weight["), ("layers.10", "net_layers_10_weight[")] {
        let (before, behind) = source.split_once(array).expect("the weight is there");
        let (head, numbers) = behind.split_once("{\n    ").unwrap();
        let (first, rest) = numbers.split_once(',').unwrap();
        let flipped = first.parse::<i8>().unwrap() ^ 1 << 6;
        std::fs::write(folder.join("net.c"), format!("{before}{array}{head}{{\n    {flipped},{rest}")).unwrap();
        let main = "#include <stdio.h>\n#include \"net_golden.h\"\nstatic void put(const char *t) { fputs(t, stdout); }\n\
                    int main(void) { net_verify(put); return 0; }\n";
        std::fs::write(folder.join("main.c"), main).unwrap();
        let mut command = Command::new("cc");
        compile(command.current_dir(&folder).args(["main.c", "net.c", "net_golden.c", "-o", "net"])).unwrap();
        let said = Command::new(folder.join("net")).output().unwrap();
        let said = exported.golden.compare(&String::from_utf8(said.stdout).unwrap()).unwrap();
        assert_eq!(said.difference.expect("a fault was planted").layer, layer);
    }
}

#[test]
fn means_of_more_numbers_than_a_sum_holds_are_refused() {
    use plexus_nn::layers::{AvgPool2d, Dequantize, IntegerAvgPool2d, Layer, Quantize};
    use plexus_nn::{DType, Network, Params, Quant};
    let quant = Quant { dtype: DType::I8, scale: 0.5, zero_point: 3 };
    let of = |rows: usize| {
        let layers: Vec<Layer> = vec![
            Quantize::new(quant).into(),
            IntegerAvgPool2d::new(AvgPool2d::new([rows, 4096])).into(),
            Dequantize::new().into(),
        ];
        let network = Arc::new(Network::chain([1, rows, 4096], layers).check().unwrap());
        lower(&network, &Params::initialize(&network, 1), None)
    };
    assert!(of(4096).is_ok());
    let told = of(4097).unwrap_err().to_string();
    assert!(told.contains("a mean of 4097 x 4096 numbers") && told.contains("Use two poolings"), "{told}");
}
