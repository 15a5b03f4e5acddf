//! `plexus import`: weights that PyTorch saved become a model.

use crate::Failure;
use crate::args::ImportArgs;
use crate::output::{grouped, print_json, program, quoted, say};
use plexus::{Context, Error, Model, NamedNetwork};
use plexus_nn::summary::summary;

/// Reads the weights, and writes the model beside them.
pub fn run(args: ImportArgs) -> Result<(), Failure> {
    let ImportArgs { weights, network, out, json } = args;
    let named = NamedNetwork::parse(&network)
        .map_err(|error| Failure::Input(format!("{network} is not a network: it must be {}", error.expected)))?;
    let model = Model::open_torch(&named, &weights, Context::single()).map_err(|error| match error {
        Error::Weights { .. } => Failure::Input(format!("{}: {error}", weights.display())),
        other => other.into(),
    })?;
    let out = out.unwrap_or_else(|| {
        let stem = weights.file_stem().unwrap_or_default().to_string_lossy();
        weights.with_file_name(format!("{stem}-plexus.safetensors"))
    });
    model.save(&out)?;
    let tensors = model.network().layout().entries().len();
    let params = summary(model.network()).total.params;
    if json {
        print_json(&serde_json::json!({ "model": out, "network": network, "tensors": tensors, "params": params }));
        return Ok(());
    }
    let shown = quoted(&out.display().to_string());
    say!("All {tensors} tensors have their place: {} parameters of {network}.", grouped(params));
    say!("Model: {shown}");
    say!("Next:  {} summary {shown}", program());
    Ok(())
}
