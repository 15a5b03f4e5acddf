//! `plexus train`: from data to a model file, watched by a person.

mod announce;
mod folds;
mod looks;
mod report;
mod settings;
mod watch;

use crate::Failure;
use crate::args::{LearningArgs, TrainArgs};
use crate::commands::newest_run;
use crate::output::{print_json, program, quoted};
use crate::progress::Streams;
use announce::announce;
use plexus::{Context, Finished, ImageFit, ImageForm, Model, Pool, Resume, Run, RunSpec, WholeNumbers};
use plexus_train::data::{self, DataOptions, DataSource};
use report::report;
use settings::{settings, target_scale};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use watch::Watch;

/// Trains a network, or goes on with a run.
pub fn run(mut args: TrainArgs) -> Result<(), Failure> {
    with_form_of_model(&mut args)?;
    let context = Context::detect(Pool::new(args.threads));
    let interrupted = interrupted_by_signals();
    if let Some(count) = args.table.folds {
        return folds::run(&args, count, &context, &interrupted);
    }
    let mut run = match &args.resume {
        Some(folder) => resume(&args, folder.clone(), context)?,
        None => {
            let source = open(&args, &args.table.options())?;
            let name = source.train.name().to_string();
            start(&args, source, args.table.options(), &folder(&args, &name), context)?
        }
    };
    if !args.quiet {
        announce(&run, args.json);
    }
    let (finished, elapsed) = learn(&mut run, &args, &interrupted)?;
    report(&run, &finished, elapsed, &args)
}

/// A flag that Ctrl-C and a request to end set.
fn interrupted_by_signals() -> Arc<AtomicBool> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let (flag, waiting) = (interrupted.clone(), std::thread::current());
    // Fails only where a handler exists already; then Ctrl-C ends the program and the last checkpoint stays.
    let _ = ctrlc::set_handler(move || {
        flag.store(true, Ordering::SeqCst);
        waiting.unpark();
    });
    interrupted
}

/// The data as the user named it.
fn data_name(args: &TrainArgs) -> &str {
    args.source.as_deref().or(args.data.as_deref()).unwrap_or("digits")
}

/// Images take the form that a model reads where training goes on from one and the user asks for no other.
fn with_form_of_model(args: &mut TrainArgs) -> Result<(), Failure> {
    let name = data_name(args);
    let (Some(from), true) = (&args.from, name.starts_with("images:") || name.starts_with("masks:")) else {
        return Ok(());
    };
    let (_, asked) = name.rsplit_once('?').unwrap_or((name, ""));
    if asked.contains("size=") || asked.contains("channels=") {
        return Ok(());
    }
    let model = Model::open(from, Context::single())?;
    let form = match (model.image_form(), model.inputs()) {
        (Some(form), _) => form,
        (None, [input]) => match *input.shape.axes() {
            [channels, height, width] if channels == 1 || channels == 3 => {
                ImageForm { channels, height, width, fit: ImageFit::default() }
            }
            _ => return Ok(()),
        },
        _ => return Ok(()),
    };
    let ImageForm { channels, height, width, fit } = form;
    let fit = if fit == ImageFit::Crop && !asked.contains("fit=") { "&fit=crop" } else { "" };
    let joint = if name.contains('?') { '&' } else { '?' };
    let name = format!("{name}{joint}size={height}x{width}&channels={channels}{fit}");
    if args.source.is_some() {
        args.source = Some(name)
    } else {
        args.data = Some(name)
    }
    Ok(())
}

/// Opens the data; options for tables are refused where there is none.
fn open(args: &TrainArgs, options: &DataOptions) -> Result<DataSource, Failure> {
    let name = data_name(args);
    let of_images = ["images:", "masks:"].iter().any(|prefix| name.starts_with(prefix));
    if let (Some(option), false) = (args.table.given(), data::is_table(name))
        && !(of_images && option == "--test-fraction")
    {
        return Err(Failure::Input(format!(
            "{option} is for tables, but the data is {name}; name a table, as houses.csv"
        )));
    }
    Ok(data::open(name, options)?)
}

/// Starts a new run.
fn start(
    args: &TrainArgs,
    source: DataSource,
    options: DataOptions,
    folder: &Path,
    context: Context,
) -> Result<Run, Failure> {
    let mut settings = settings(&args.learning, &source)?;
    if args.quantize.is_some() && args.from.is_some() && args.learning.lr.is_none() {
        // A model that has learnt is only to be set right: full steps would undo what it knows. A 784-512-256-10 perceptron has 98.46 % on
        // MNIST; after two epochs as int4 it has 98.45 % at a tenth of the rate, 98.30 % at the full one.
        settings.learning_rate /= 10.0;
    }
    let spec = RunSpec {
        data: data_name(args).to_string(),
        data_options: options,
        network: match &args.from {
            Some(model) => model.display().to_string(),
            None => args.network.clone().unwrap_or_else(|| TrainArgs::NETWORK.to_string()),
        },
        from: args.from.clone(),
        freeze_until: args.freeze_until.clone(),
        classes: args.classes.map(|classes| classes as usize),
        quantize: args.quantize.map(|scheme| WholeNumbers { scheme: scheme.into(), float_epochs: args.float_epochs }),
        settings,
        validation: args.learning.validation,
        standardize: !args.learning.no_standardize,
        target_scale: target_scale(&args.learning, &source.train)?,
        directory: if data_name(args) == "digits" { None } else { std::env::current_dir().ok() },
        reading: RunSpec::READING,
    };
    Ok(Run::start(spec, source, folder, context)?)
}

/// The run folder: as said, or the next free one.
fn folder(args: &TrainArgs, name: &str) -> PathBuf {
    args.out.clone().unwrap_or_else(|| next_folder(name))
}

/// Learns to the end, watched; Ctrl-C saves and ends.
fn learn(run: &mut Run, args: &TrainArgs, interrupted: &AtomicBool) -> Result<(Finished, Duration), Failure> {
    run.set_checkpoint_every(args.checkpoint_every);
    let mut watch = Watch::new(run, args.json, Streams::new());
    let started = Instant::now();
    pause(args.pause_after_steps, run, interrupted);
    while !run.progress().finished {
        let stepped = match run.step() {
            Ok(stepped) => stepped,
            Err(error) => {
                watch.end();
                return Err(diverged(run, error));
            }
        };
        if !args.quiet {
            watch.stepped(run, &stepped);
        }
        pause(args.pause_after_steps, run, interrupted);
        if interrupted.load(Ordering::SeqCst) && !run.progress().finished {
            watch.end();
            run.checkpoint()?;
            let (folder, best) = (quoted(&run.folder().display().to_string()), run.save_best()?);
            if args.json {
                let mut line = serde_json::json!({ "event": "interrupted", "folder": run.folder() });
                if let Some(model) = &best {
                    line["model"] = serde_json::json!(model);
                }
                print_json(&line);
            }
            let best = best.map_or(String::new(), |model| {
                format!(" The best model so far, of epoch {}, is {}.", run.progress().best_epoch, model.display())
            });
            eprintln!("Stopped and saved.{best} Go on with: {} train --resume {folder}", program());
            return Err(Failure::Interrupted);
        }
    }
    watch.end();
    let finished = run.finish()?;
    Ok((finished, started.elapsed()))
}

/// A run that went wrong can go on from its last checkpoint, with smaller steps.
fn diverged(run: &Run, error: plexus::Error) -> Failure {
    if !matches!(error, plexus::Error::NotFinite(_)) {
        return error.into();
    }
    let (folder, rate) = (quoted(&run.folder().display().to_string()), run.spec().settings.learning_rate as f32 / 10.0);
    let resume = format!("{} train --resume {folder} --lr {rate:e} --clip-norm 1", program());
    Failure::Diverged { cause: error, resume }
}

/// Waits for a signal where a test asked for it, so that the test ends the program at this step and no other.
fn pause(after_steps: Option<u64>, run: &Run, interrupted: &AtomicBool) {
    let steps = run.trainer().steps_done();
    if after_steps != Some(steps) {
        return;
    }
    print_json(&serde_json::json!({ "event": "paused", "steps": steps }));
    while !interrupted.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

/// Goes on with a run; only its end may be set anew.
fn resume(args: &TrainArgs, folder: Option<PathBuf>, context: Context) -> Result<Run, Failure> {
    if let (Some(folder), Some(out)) = (&folder, &args.out)
        && folder != out
    {
        let (folder, out) = (folder.display(), out.display());
        return Err(Failure::Input(format!("--resume {folder} goes on in its own folder: leave out --out {out}")));
    }
    let folder = match folder.or_else(|| args.out.clone()) {
        Some(folder) => folder,
        None => newest_run(Path::new("runs")).ok_or_else(|| {
            Failure::Input("--resume: there is no run in runs/; name its folder, as --resume my-run".to_string())
        })?,
    };
    let LearningArgs { epochs, lr, clip_norm, .. } = args.learning;
    let run = Run::resume(&folder, Resume { epochs, learning_rate: lr, clip_norm }, context)?;
    let data = args.source.as_ref().or(args.data.as_ref());
    let differs = [("--network", args.network.as_ref(), &run.spec().network), ("--data", data, &run.spec().data)];
    for (option, asked, was) in differs {
        if let Some(asked) = asked.filter(|asked| *asked != was) {
            return Err(Failure::Input(format!(
                "{}: the run was started with {option} {was}, not {asked}. Leave {option} out to resume, or start a new \
                 run without --resume",
                folder.display()
            )));
        }
    }
    Ok(run)
}

/// `runs/<name>-<n>` with the first free number.
fn next_folder(name: &str) -> PathBuf {
    let name: String = name.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let mut numbered = (1u32..).map(|n| Path::new("runs").join(format!("{name}-{n}")));
    numbered.find(|folder| !folder.exists()).expect("the numbers do not end")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Args, Command};
    use crate::flags::FLAGS;
    use clap::Parser;

    #[test]
    fn every_setting_of_a_run_has_a_flag() {
        /// What nobody sets by a flag: groups of settings, and what the program knows by itself.
        const NONE: [&str; 5] = ["data_options", "max_categories", "objectives", "reading", "settings"];
        let Command::Train(args) = Args::parse_from(["plexus", "train", "--network", "mlp:"]).command else {
            panic!("it is the command train");
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = args.table.options();
        let source = open(&args, &options).expect("the digits are built in");
        let run = start(&args, source, options, folder.path(), Context::single()).expect("it starts");
        let spec = serde_json::to_value(run.spec()).expect("plain data has a JSON form");
        let mut fields = Vec::new();
        let settings = &spec["settings"];
        for group in [&spec, settings, &settings["objectives"][0], &spec["data_options"]] {
            fields.extend(group.as_object().expect("an object").keys().cloned());
        }
        assert!(fields.len() > 30, "{fields:?}");
        fields.retain(|field| !FLAGS.iter().any(|(name, _)| name == field));
        fields.sort_unstable();
        assert_eq!(fields, NONE);
    }
}
