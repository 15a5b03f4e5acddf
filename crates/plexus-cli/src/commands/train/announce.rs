//! What a run is going to do, said before it does it.

use crate::flags;
use crate::output::{grouped, number, print_json, program, quoted, say, table};
use plexus::{Run, WholeNumbers};
use plexus_train::data::{ColumnReport, FoundKind, Role, TableReport, Targets};
use plexus_train::optim::{Adam, Optimizer, Sgd};
use plexus_train::target::{ScaleKind, skewness};

/// What is about to happen, before it does.
pub(super) fn announce(run: &Run, json: bool) {
    let (train, validation) = run.row_counts();
    let spec = run.spec();
    let network = run.trainer().network();
    let counted = plexus_nn::summary::summary(network);
    if json {
        print_json(&serde_json::json!({
            "event": "start",
            "folder": run.folder(),
            "data": spec.data,
            "train_rows": train,
            "validation_rows": validation,
            "test_rows": run.source().test.len(),
            "input_shape": run.source().train.input().axes(),
            "frozen_params": run.frozen_params(),
            "params": counted.total.params,
            "macs": counted.total.macs,
            "epochs": spec.settings.epochs,
            "quantize": spec.quantize,
            "epochs_done": run.progress().epoch,
            "finished": run.progress().finished,
            "patience": spec.settings.patience,
            "table": run.source().table.as_ref().map(|table| flags::report(&table.report)),
            "hint": hint(run),
        }));
        return;
    }
    let test = run.source().test.len();
    say!(
        "Data      {}: {} rows to learn from, {} for validation, {} held out for the test; input {}",
        run.source().train.name(),
        grouped(train),
        grouped(validation),
        grouped(test as u64),
        run.source().train.input().describe()
    );
    if let Some(table) = &run.source().table {
        columns(&flags::report(&table.report));
    }
    if let Targets::Classes { names, positions, .. } = run.source().train.target() {
        let balance = run.source().train.class_balance();
        let (least, most) = (balance.iter().min().unwrap_or(&0), balance.iter().max().unwrap_or(&0));
        let list = if names.len() <= 12 { format!(": {}", names.join(", ")) } else { String::new() };
        match positions.axes() {
            [] => say!("Classes   {}{list}; {least} to {most} rows each", names.len()),
            _ => {
                let (least, most) = (grouped(*least), grouped(*most));
                say!(
                    "Classes   {}{list}, one for each of {positions} pixels; {least} to {most} pixels each",
                    names.len()
                );
            }
        }
    }
    say!(
        "Network   {}: {} parameters{}, {} multiply-adds a sample",
        spec.network,
        grouped(counted.total.params),
        if spec.freeze_until.is_some() { " to train" } else { "" },
        grouped(counted.total.macs)
    );
    if let (Some(layer), Some(params)) = (&spec.freeze_until, run.frozen_params()) {
        let kept = if run.keeps_features() { "once" } else { "each time" };
        say!(
            "Frozen    until {layer}: {} parameters stay as they are; results of {}, computed {kept} for each sample",
            grouped(params as u64),
            network.network().inputs.iter().map(|input| input.shape.to_string()).collect::<Vec<_>>().join(" and ")
        );
    }
    let settings = &spec.settings;
    let patience = settings.patience.filter(|patience| *patience < settings.epochs);
    let patience = patience.map_or(String::new(), |epochs| format!(", ends after {epochs} without a better one"));
    say!(
        "Training  {}{} epochs of {} steps{patience}; batch {}, {}, learning rate {} ({}), {}, seed {}",
        if patience.is_empty() { "" } else { "at most " },
        grouped(settings.epochs),
        grouped(run.steps_per_epoch()),
        settings.batch,
        optimizer_name(&settings.optimizer),
        settings.learning_rate,
        settings.schedule.name(),
        settings.objectives.iter().map(|objective| objective.loss.name()).collect::<Vec<_>>().join(" + "),
        settings.seed
    );
    if let Some(WholeNumbers { scheme, float_epochs }) = spec.quantize {
        let from = match float_epochs.unwrap_or(0) {
            0 => "all epochs".to_string(),
            floats => format!("from epoch {} on", floats + 1),
        };
        let layers = network.network().layers.iter().map(|named| &named.layer);
        let changes: Vec<&str> = [("dropout", "nothing is dropped"), ("batch_norm", "running statistics stay")]
            .into_iter()
            .filter(|(kind, _)| layers.clone().any(|layer| layer.kind() == *kind))
            .map(|(_, what)| what)
            .collect();
        let changes = if changes.is_empty() { String::new() } else { format!("; {} then", changes.join(" and ")) };
        say!("Numbers   whole ones as {}, {from}{changes}", scheme.name());
    }
    if let Some(hint) = hint(run) {
        say!("Hint      {hint}");
    }
    say!("Folder    {}", run.folder().display());
    if run.progress().finished {
        let folder = quoted(&run.folder().display().to_string());
        let (epochs, more) = (run.progress().epoch, 2 * settings.epochs);
        say!(
            "Finished  already, after {epochs} epochs; a longer run: {} train --resume {folder} --epochs {more}",
            program()
        );
    } else if run.trainer().steps_done() > 0 {
        let (epoch, step) = (run.progress().epoch + 1, run.steps_in_epoch());
        say!("Resumed   in epoch {epoch}, after step {step} of {}", run.steps_per_epoch());
    }
    say!();
}

fn optimizer_name(optimizer: &Optimizer) -> &'static str {
    match optimizer {
        Optimizer::Sgd(Sgd { nesterov: true, .. }) => "SGD with Nesterov momentum",
        Optimizer::Sgd(_) => "SGD",
        Optimizer::Adam(Adam { decay, .. }) if decay.decoupled => "AdamW",
        Optimizer::Adam(_) => "Adam",
        Optimizer::RmsProp(_) => "RMSprop",
        other => other.name(),
    }
}

/// What may do better, as far as the data shows it.
fn hint(run: &Run) -> Option<String> {
    const FAR: f64 = 1.0;
    let data = &run.source().train;
    let Targets::Values { names, values, .. } = data.target() else { return None };
    let skew = skewness(data.target()).filter(|skew| *skew > FAR)?;
    let fits = run.spec().target_scale == ScaleKind::Standard && values.iter().all(|value| *value > 0.0);
    fits.then(|| {
        format!(
            "{} is above zero and reaches far above its mean (skewness {}): --target-scale log may do better",
            names[0],
            number(skew)
        )
    })
}

/// The columns as they were read, and what to look at.
fn columns(report: &TableReport) {
    if report.columns.is_empty() {
        return;
    }
    /// Tables wider than this show only columns that are more than plain numbers.
    const ALL: usize = 24;
    const MOST: usize = 40;
    let plain = |column: &ColumnReport| {
        column.role == Role::Input
            && column.kind == FoundKind::Number
            && column.missing == 0
            && column.warnings.is_empty()
            && column.done.is_empty()
    };
    let short = report.columns.len() > ALL;
    let shown: Vec<&ColumnReport> = report.columns.iter().filter(|column| !(short && plain(column))).collect();
    let mut rows = table(&["column", "holds", "missing", "what is done"], &[2]);
    for column in shown.iter().take(MOST) {
        let holds = match column.kind {
            FoundKind::Number => "numbers".to_string(),
            FoundKind::Category { distinct } if column.role == Role::Target => {
                format!("{} classes", grouped(distinct as u64))
            }
            FoundKind::Category { distinct: 1 } => "1 category".to_string(),
            FoundKind::Category { distinct } => format!("{} categories", grouped(distinct as u64)),
            FoundKind::Date => "dates".to_string(),
            FoundKind::Text { distinct } => format!("{} texts", grouped(distinct as u64)),
            FoundKind::Empty => "nothing".to_string(),
        };
        let done = match (column.role, column.done.is_empty()) {
            (Role::Target, true) => "the target".to_string(),
            (Role::Target, false) => format!("the target; {}", column.done),
            _ => column.done.clone(),
        };
        let missing = if column.missing == 0 { String::new() } else { grouped(column.missing as u64) };
        rows.add_row([column.name.escape_debug().to_string(), holds, missing, done]);
    }
    say!("{rows}");
    if shown.len() > MOST {
        say!("and {} columns more", grouped((shown.len() - MOST) as u64));
    }
    let hidden = report.columns.len() - shown.len();
    if hidden > 0 {
        say!("and {} columns of numbers without gaps", grouped(hidden as u64));
    }
    for column in &report.columns {
        for warning in &column.warnings {
            say!("Look at   {}: {warning}", column.name.escape_debug());
        }
    }
    if report.without_target > 0 {
        say!(
            "Left out  {} of {} rows, which have no target",
            grouped(report.without_target as u64),
            grouped(report.rows as u64)
        );
    }
}
