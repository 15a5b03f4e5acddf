//! `plexus train`: from data to a model file, watched by a person.

mod announce;
mod report;
mod settings;
mod watch;

use crate::Failure;
use crate::args::TrainArgs;
use crate::output::{print_json, program, quoted};
use announce::announce;
use plexus::{Pool, Run, RunSpec};
use plexus_train::data;
use report::report;
use settings::settings;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use watch::Watch;

/// Trains a network, or goes on with a run.
pub fn run(args: TrainArgs) -> Result<(), Failure> {
    let pool = Pool::new(args.threads);
    let mut run = match &args.resume {
        Some(folder) => resume(&args, folder.clone(), pool)?,
        None => start(&args, pool)?,
    };
    run.set_checkpoint_every(args.checkpoint_every);
    let interrupted = Arc::new(AtomicBool::new(false));
    let (flag, waiting) = (interrupted.clone(), std::thread::current());
    // Fails only where a handler exists already; then Ctrl-C ends the program and the last checkpoint stays.
    let _ = ctrlc::set_handler(move || {
        flag.store(true, Ordering::SeqCst);
        waiting.unpark();
    });

    let watch = Watch::new(&run, args.json);
    announce(&run, args.json);
    let started = Instant::now();
    let mut epoch_rows = 0usize;
    let mut epoch_started = Instant::now();
    pause(args.pause_after_steps, &run, &interrupted);
    while !run.progress().finished {
        let stepped = match run.step() {
            Ok(stepped) => stepped,
            Err(error) => {
                watch.clear();
                return Err(error.into());
            }
        };
        epoch_rows += stepped.step.rows;
        match stepped.epoch {
            Some(record) => {
                watch.epoch(&run, &record, epoch_rows as f64 / epoch_started.elapsed().as_secs_f64());
                (epoch_rows, epoch_started) = (0, Instant::now());
            }
            None => watch.step(&run, stepped.step.loss),
        }
        pause(args.pause_after_steps, &run, &interrupted);
        if interrupted.load(Ordering::SeqCst) && !run.progress().finished {
            watch.clear();
            run.checkpoint()?;
            let folder = quoted(&run.folder().display().to_string());
            if args.json {
                print_json(&serde_json::json!({ "event": "interrupted", "folder": run.folder() }));
            }
            eprintln!("Stopped and saved. Go on with: {} train --resume {folder}", program());
            return Err(Failure::Interrupted);
        }
    }
    watch.clear();
    let finished = run.finish()?;
    report(&run, &finished, started.elapsed(), args.json)
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

/// Starts a new run.
fn start(args: &TrainArgs, pool: Pool) -> Result<Run, Failure> {
    let options = args.source.options()?;
    let source = data::open(&args.data, &options)?;
    let settings = settings(&args.learning, &source.train)?;
    let spec = RunSpec {
        data: args.data.clone(),
        data_options: options,
        network: args.network.clone(),
        settings,
        validation: args.learning.validation,
        standardise: !args.learning.no_standardise,
    };
    let folder = match &args.out {
        Some(folder) => folder.clone(),
        None => next_folder(&source.train.name),
    };
    Ok(Run::start(spec, source, &folder, pool)?)
}

/// Goes on with a run; only its end may be set anew.
fn resume(args: &TrainArgs, folder: Option<PathBuf>, pool: Pool) -> Result<Run, Failure> {
    if let (Some(folder), Some(out)) = (&folder, &args.out)
        && folder != out
    {
        let (folder, out) = (folder.display(), out.display());
        return Err(Failure::Input(format!("--resume {folder} goes on in its own folder: leave out --out {out}")));
    }
    let folder = match folder.or_else(|| args.out.clone()) {
        Some(folder) => folder,
        None => newest_folder().ok_or_else(|| {
            Failure::Input("--resume: there is no run in runs/; name its folder, as --resume my-run".to_string())
        })?,
    };
    let run = Run::resume(&folder, args.learning.epochs, pool)?;
    let given: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let differs = [("--network", &args.network, &run.spec().network), ("--data", &args.data, &run.spec().data)];
    for (option, asked, was) in differs {
        let said = given.iter().any(|word| word == option || word.starts_with(&format!("{option}=")));
        if said && asked != was {
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

/// The folder in `runs/` whose checkpoint is the youngest.
fn newest_folder() -> Option<PathBuf> {
    let folders = std::fs::read_dir("runs").ok()?.flatten().map(|entry| entry.path());
    let dated = folders.filter_map(|folder| {
        let modified = std::fs::metadata(folder.join(Run::CHECKPOINT)).ok()?.modified().ok()?;
        Some((modified, folder))
    });
    dated.max().map(|(_, folder)| folder)
}
