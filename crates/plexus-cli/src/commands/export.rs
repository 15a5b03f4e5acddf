//! `plexus export`: a model of whole numbers as a program for a device.

use crate::Failure;
use crate::args::{ExportArgs, InputArg};
use crate::commands::model_path;
use crate::output::{bytes, grouped, print_json, program, quoted, say, table, yellow};
use plexus::quant::firmware::{Export, Memory, Program, Raw, Readout, Target, export};
use plexus::{Chosen, Context, Model, Part, PlanOptions, files};
use plexus_train::data::{DataOptions, Dataset};
use serde_json::json;
use std::path::Path;

/// The file of golden vectors in an exported folder.
pub(super) const GOLDEN: &str = "golden.json";

/// How the page of a program ends.
const VERIFY: &str = "
```sh
plexus verify . --via stdin < what-the-board-said.txt
plexus verify . --via serial:/dev/ttyACM0
plexus verify . --via qemu        # an emulated board; fills in the table above
```
";

/// The most golden inputs: more belong into a test of the model, not of the board.
const MOST_GOLDEN: usize = 10_000;

/// Writes the program and says what it takes.
pub fn run(args: ExportArgs) -> Result<(), Failure> {
    let path = model_path(&args.model)?;
    let model = Model::open_with(&path, PlanOptions::default(), Context::single())?;
    if args.golden == 0 || args.golden > MOST_GOLDEN {
        return Err(Failure::Input(format!(
            "--golden is from 1 to {MOST_GOLDEN}: they tell whether the board is right"
        )));
    }
    let name = name(&args)?;
    let pixels = model.metadata().get(Model::PIXEL_MAX).and_then(|text| text.parse::<f32>().ok());
    let wanted = match args.input {
        Some(InputArg::Floats) => None,
        Some(InputArg::Bytes) => Some(pixels.unwrap_or(255.0)),
        None => pixels,
    };
    let mut program = model.program(wanted)?;
    if args.input == Some(InputArg::Bytes) && program.inputs.iter().any(|input| matches!(input.raw, Raw::Floats { .. }))
    {
        return Err(Failure::Input(
            "--input bytes: the numbers of a sample are not all treated alike (each has a mean of its own), so no one table serves \
             all of them. Use --input floats"
                .to_string(),
        ));
    }
    let readout = match args.learn_last {
        Some(classes) => {
            let mut readout = program.split_readout(classes).map_err(plexus::Error::from)?;
            readout.kept = kept(&args, &model, &program, wanted)?;
            Some(readout)
        }
        None => None,
    };
    let samples = samples(&args, &model, &program, wanted)?;
    let target = Target::from(args.target);
    let exported = export(&name, &program, target, &samples, readout.as_ref()).map_err(plexus::Error::from)?;
    check_folder(&args.out)?;
    write(&args.out, &exported)?;
    print(&args, &name, &program, &exported, readout.as_ref());
    Ok(())
}

/// The name of module and functions.
fn name(args: &ExportArgs) -> Result<String, Failure> {
    if let Some(name) = &args.name {
        return Ok(name.clone());
    }
    let folder = args.out.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let name: String = folder.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    match name.starts_with(|c: char| c.is_ascii_lowercase()) {
        true => Ok(name),
        false => Err(Failure::Input(format!("{} gives no name for a module: say one with --name", args.out.display()))),
    }
}

/// Raw samples in the order of the program.
fn samples(
    args: &ExportArgs,
    model: &Model,
    program: &Program,
    pixels: Option<f32>,
) -> Result<Vec<Vec<Vec<f32>>>, Failure> {
    let trained_on = model.split().map(|split| split.data.as_str());
    let source = args.data.as_deref().or(trained_on).unwrap_or("digits");
    let Chosen { data, warning, .. } = model.choose_rows(source, &DataOptions::default(), None)?;
    model.check_data(&data)?;
    if let Some(warning) = &warning {
        eprintln!("{}: {warning}", yellow("warning"));
    }
    if data.is_empty() {
        return Err(Failure::Input(format!("{source} has no rows for golden inputs: choose other data with --data")));
    }
    let rows = args.golden.min(data.len());
    (0..rows).map(|row| sample(&data, row, program, pixels)).collect()
}

/// Features of the first examples of each class in the training part.
fn kept(
    args: &ExportArgs,
    model: &Model,
    program: &Program,
    pixels: Option<f32>,
) -> Result<Vec<(Vec<i32>, usize)>, Failure> {
    let trained_on = model.split().map(|split| split.data.as_str());
    let source = args.data.as_deref().or(trained_on).unwrap_or("digits");
    let names = model.task().names();
    let data = match model.choose_rows(source, &DataOptions::default(), Some(Part::Train)) {
        Ok(chosen) if !chosen.data.is_empty() => chosen.data,
        _ => model.choose_rows(source, &DataOptions::default(), Some(Part::All))?.data,
    };
    model.check_data(&data)?;
    let (mut memory, mut counts, mut kept) = (Memory::new(program), vec![0; names.len()], Vec::new());
    for row in 0..data.len() {
        let class = data.class_of(row).and_then(|class| names.iter().position(|name| name == class));
        let Some(class) = class.filter(|class| counts[*class] < args.keep) else { continue };
        let raw = sample(&data, row, program, pixels)?;
        let numbers = program.inputs.iter().zip(&raw).map(|(input, raw)| input.whole(raw)).collect::<Vec<_>>();
        kept.push((program.run(&mut memory, &numbers, |_, _| {}).swap_remove(0), class));
        counts[class] += 1;
        if counts.iter().all(|count| *count == args.keep) {
            break;
        }
    }
    // In turns.
    let (mut seen, mut order) = (vec![0; names.len()], Vec::new());
    for (at, (_, class)) in kept.iter().enumerate() {
        order.push((seen[*class], *class, at));
        seen[*class] += 1;
    }
    order.sort_unstable();
    Ok(order.into_iter().map(|(_, _, at)| kept[at].clone()).collect())
}

fn sample(data: &Dataset, row: usize, program: &Program, pixels: Option<f32>) -> Result<Vec<Vec<f32>>, Failure> {
    let one = |(input, rows): (&plexus::quant::firmware::Input, &plexus_train::data::InputRows)| {
        let len = input.place.len;
        let mut values = vec![0.0; len];
        rows.copy(row as u64, &mut values);
        // From channels first to channels last.
        if let [height, width, channels] = input.shape[..] {
            let pixels = height * width;
            values = (0..len).map(|at| values[at % channels * pixels + at / channels]).collect();
        }
        if let (Raw::Bytes(_), Some(most)) = (&input.raw, pixels) {
            // Gray levels that do not go to 255 need not fall on a byte: the nearest one is taken, as where such images are written
            // to files.
            let uneven = if most == 255.0 { 1e-3 } else { 0.5 };
            for value in &mut values {
                let byte = *value * (255.0 / most);
                if !((byte - byte.round()).abs() <= uneven && (0.0..=255.0).contains(&byte.round())) {
                    return Err(Failure::Input(format!(
                        "row {row} of {} has {value}, which is no pixel from 0 to 255: use --input floats",
                        data.name()
                    )));
                }
                *value = byte.round();
            }
        }
        Ok(values)
    };
    program.inputs.iter().zip(data.inputs()).map(one).collect()
}

/// A folder of something else is not written into.
fn check_folder(folder: &Path) -> Result<(), Failure> {
    let filled = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    match filled && !folder.join(GOLDEN).is_file() {
        true => Err(Failure::Input(format!(
            "{} is not empty, and no earlier export: name a new folder with --out",
            folder.display()
        ))),
        false => Ok(()),
    }
}

fn write(folder: &Path, exported: &Export) -> Result<(), Failure> {
    let make = |path: &Path| {
        std::fs::create_dir_all(path)
            .map_err(|error| Failure::Input(format!("cannot make the folder {}: {error}", path.display())))
    };
    for (path, text) in &exported.files {
        let text = if path == "README.md" { format!("{text}{VERIFY}") } else { text.clone() };
        let path = folder.join(path);
        path.parent().map_or(Ok(()), make)?;
        files::write(&path, text.as_bytes())?;
    }
    let golden = serde_json::to_string(&exported.golden).expect("plain data has a JSON form");
    files::write(&folder.join(GOLDEN), golden.as_bytes())?;
    Ok(())
}

fn print(args: &ExportArgs, name: &str, lowered: &Program, exported: &Export, readout: Option<&Readout>) {
    let folder = &args.out;
    if args.json {
        let steps = lowered.steps.iter().map(|step| {
            json!({"layer": step.layer, "writes": step.writes.len, "type": step.writes.dtype.name(), "multiply_adds": step.macs})
        });
        print_json(&json!({
            "folder": folder, "name": name, "target": exported.golden.target, "constants": exported.constants,
            "memory": lowered.memory_bytes(), "multiply_adds": lowered.macs(), "golden": exported.golden.vectors.len(),
            "steps": steps.collect::<Vec<_>>(), "learns": readout.map(|readout| json!({"classes": readout.classes, "features": readout.features})),
            "files": exported.files.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        }));
        return;
    }
    let mut rows = table(&["layer", "writes", "multiply-adds"], &[1, 2]);
    for step in &lowered.steps {
        let writes = format!("{} {}", grouped(step.writes.len as u64), step.writes.dtype.name());
        rows.add_row([step.layer.clone(), writes, if step.macs > 0 { grouped(step.macs) } else { String::new() }]);
    }
    say!("{rows}");
    say!(
        "{} of constants in flash, {} of memory for values, {} multiply-adds a run",
        bytes(exported.constants as u64),
        bytes(lowered.memory_bytes() as u64),
        grouped(lowered.macs())
    );
    if let Some(readout) = readout {
        say!(
            "The last layer learns: {} classes of {} features, {} of memory",
            readout.classes,
            grouped(readout.features as u64),
            bytes(2 * readout.weight.len() as u64)
        );
    }
    let shown = quoted(&folder.display().to_string());
    say!("Program: {shown} ({}), with {} golden inputs", exported.golden.target, exported.golden.vectors.len());
    say!("Next:    {} verify {shown} --via qemu", program());
}
