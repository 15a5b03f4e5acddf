//! Others open our model files: a freshly trained one, in the Python package `safetensors`.

use super::venv;
use crate::artifacts::Artifacts;
use crate::error::TaskError;
use crate::outcome::Outcome;
use crate::process;
use crate::workspace;

/// Checks names, shapes, values and metadata.
const SCRIPT: &str = "xtask/python/open_model.py";

/// Elements of one sample of the built-in digits.
const INPUTS: usize = 64;

/// Trains two epochs on the built-in digits and hands the model, and what we say about it, to Python.
pub fn run() -> Result<Outcome, TaskError> {
    let venv = match venv(&["safetensors", "numpy"])? {
        Ok(venv) => venv,
        Err(reason) => return Ok(Outcome::missing(reason)),
    };
    let folder = workspace::target()?.join("open-in-python");
    workspace::remove(&folder)?;
    let run = folder.join("run").display().to_string();
    let model = folder.join("run").join("model.safetensors").display().to_string();
    let artifacts = Artifacts::build()?;
    let plexus = |arguments: &[&str]| process::output(&mut artifacts.plexus(arguments));
    // Batch normalization brings state that is no parameter into the file.
    let network = folder.join("network.toml").display().to_string();
    workspace::write(&network, NETWORK)?;
    plexus(&["train", "--network", &network, "--epochs", "2", "--out", &run, "--json"])?;
    // Pixels of 0 to 16, without a pattern that a transposed weight would not notice.
    let pixels: Vec<String> = (0..INPUTS).map(|at| (at * 7 % 17).to_string()).collect();
    let input = format!("[{}]", pixels.join(","));
    for (name, text) in [
        ("input.json", input.clone()),
        ("summary.json", plexus(&["summary", &model, "--json"])?),
        ("prediction.json", plexus(&["predict", &model, "--json", "--top", "10", &input])?),
    ] {
        workspace::write(folder.join(name), &text)?;
    }
    let said = process::output(venv.python().arg(SCRIPT).arg(&folder))?;
    Ok(Outcome::Passed(said.trim().to_string()))
}

const NETWORK: &str = "\
[[layer]]
kind = \"flatten\"

[[layer]]
kind = \"linear\"
out_features = 24
bias = false

[[layer]]
kind = \"batch_norm\"

[[layer]]
kind = \"activation\"
function = \"relu\"

[[layer]]
kind = \"linear\"
out_features = 10
";
