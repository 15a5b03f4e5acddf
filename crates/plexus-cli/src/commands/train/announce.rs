//! What a run is going to do, said before it does it.

use crate::output::{grouped, print_json, say};
use plexus::Run;
use plexus_train::data::Targets;
use plexus_train::optim::Optimizer;

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
            "input_shape": network.input().axes(),
            "params": counted.total.params,
            "macs": counted.total.macs,
            "epochs": spec.settings.epochs,
            "epochs_done": run.progress().epoch,
        }));
        return;
    }
    let test = run.source().test.len();
    say!(
        "Data      {}: {} rows to learn from, {} for validation, {} held out for the test; input {}",
        run.source().train.name,
        grouped(train as u64),
        grouped(validation as u64),
        grouped(test as u64),
        network.input().describe()
    );
    if let Targets::Classes { names, .. } = &run.source().train.targets {
        let balance = run.source().train.class_balance();
        let (least, most) = (balance.iter().min().unwrap_or(&0), balance.iter().max().unwrap_or(&0));
        let list = if names.len() <= 12 { format!(": {}", names.join(", ")) } else { String::new() };
        say!("Classes   {}{list}; {least} to {most} rows each", names.len());
    }
    say!(
        "Network   {}: {} parameters, {} multiply-adds a sample",
        spec.network,
        grouped(counted.total.params),
        grouped(counted.total.macs)
    );
    let settings = &spec.settings;
    say!(
        "Training  {} epochs of {} steps, batch {}, {}, learning rate {} ({}), {}, seed {}",
        settings.epochs,
        run.steps_per_epoch(),
        settings.batch,
        optimizer_name(&settings.optimizer),
        settings.learning_rate,
        settings.schedule.name(),
        settings.loss.name(),
        settings.seed
    );
    say!("Folder    {}", run.folder().display());
    if run.trainer().steps_done() > 0 {
        let (epoch, step) = (run.progress().epoch + 1, run.steps_in_epoch());
        say!("Resumed   in epoch {epoch}, after step {step} of {}", run.steps_per_epoch());
    }
    say!();
}

fn optimizer_name(optimizer: &Optimizer) -> &'static str {
    match optimizer {
        Optimizer::Sgd { nesterov: true, .. } => "SGD with Nesterov momentum",
        Optimizer::Sgd { .. } => "SGD",
        Optimizer::Adam { decay, .. } if decay.decoupled => "AdamW",
        Optimizer::Adam { .. } => "Adam",
        Optimizer::RmsProp { .. } => "RMSprop",
    }
}
